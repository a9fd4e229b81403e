"""A receipt is whole, or it says what was altered: over every field, and over events dropped, inserted and reordered."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aragora.debate.events import DebateEnded, DebateStarted, PersonVoted, RoundCompleted, data_of, type_of
from aragora.debate.model import Message, Phase, Turn, Usage
from aragora.debate.protocols import PROTOCOLS
from aragora.debate.receipt import Entry, altered, belongs, canonical, leaf, path, prove, receipt, root
from aragora.receipts.check import check, sign
from aragora.receipts.show import html, markdown
from debating import a_brief, abstain, choose, hold, say

KEY, OTHER_KEY = "11" * 32, "22" * 32


def entries(protocol: str = "critique@1") -> list[Entry]:
    """Hold a debate in which one seat misses a turn, and write its log as the store does."""
    brief = a_brief(3, rounds=2, protocol=protocol)
    log: list[Any] = [DebateStarted(brief=brief)]

    def speak(turn: Turn) -> Message:
        if (turn.round, turn.phase, turn.seat.name) == (1, Phase.CRITIQUE, "c"):
            message = abstain(turn)
        elif turn.choices:
            message = choose(turn, turn.choices[turn.round % 2], confidence=0.7)
        else:
            message = say(turn, position="7" if turn.part == "estimate" else (*turn.positions, "")[0], usage=Usage(cost_usd=0.01))
        log.append(message)
        return message

    held = hold(brief, speak)
    log += held.rounds
    log.append(PersonVoted(voter="p", choice="a", reason="<b>because</b>"))
    log.append(DebateEnded(outcome=held.outcome, seconds=1.5))
    return [an_entry(seq, event) for seq, event in enumerate(log, start=1)]


def an_entry(seq: int, event: DebateStarted | Message | PersonVoted | RoundCompleted | DebateEnded) -> Entry:
    """Write an event as it comes out of the database."""
    data = json.loads(json.dumps(data_of(event)))
    return Entry(seq=seq, type=type_of(event), timestamp=f"2026-01-01T00:00:{seq:02}Z", data=data)


WHOLE: dict[str, Any] = json.loads(json.dumps(receipt("d-1", entries())))
SIGNED: dict[str, Any] = json.loads(json.dumps(sign(WHOLE, KEY)))


def places(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield (*where, name)
        yield from places(each, (*where, name))


def changed(value: Any) -> Any:
    """Another value in place of this one."""
    if isinstance(value, bool) or value is None:
        return "forged"
    if isinstance(value, int | float):
        return value + 1
    return value + "x" if isinstance(value, str) else [*value, 1] if isinstance(value, list) else {**value, "x": 1}


def forged(document: dict[str, Any], where: tuple[Any, ...]) -> dict[str, Any]:
    """The same document with one value changed."""
    copied: dict[str, Any] = copy.deepcopy(document)
    inner: Any = copied
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = changed(inner[where[-1]])
    return copied


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_an_untouched_receipt_is_whole_and_its_outcome_follows_from_its_ballots(protocol: str) -> None:
    """For every protocol: hashes, derived fields and the replay all fit."""
    assert () == check(json.loads(json.dumps(receipt("d-1", entries(protocol))))).flaws
    assert check(SIGNED, key=SIGNED["signature"]["public_key"]).whole


def test_every_forged_field_is_found_and_named() -> None:
    """All of them: question, answer, dissent, reasons, confidence, who was missing, costs, every field of every event."""
    tried = list(places(WHOLE))
    for where in tried:
        flaws = list(altered(forged(WHOLE, where)))
        assert flaws, where
    assert len(tried) > 1000


@pytest.mark.parametrize(
    ("where", "named"),
    [
        (("outcome", "answer"), "outcome.answer"),
        (("dissent",), "dissent"),
        (("terms", "rule"), "terms.rule"),
        (("transcript", 3, "data", "content"), "transcript[3].data.content"),
        (("transcript", 3, "timestamp"), "transcript[3].timestamp"),
        (("transcript", 5, "seq"), "transcript[5].seq"),
        (("head",), "head"),
    ],
)
def test_the_first_altered_field_is_named(where: tuple[Any, ...], named: str) -> None:
    """Not only that something is wrong, but what."""
    assert named == next(altered(forged(WHOLE, where)))


def events_forged(how: str) -> dict[str, Any]:
    """Forge the list of events."""
    copied: dict[str, Any] = copy.deepcopy(WHOLE)
    events = copied["transcript"]
    if how == "dropped":
        del events[4]
    elif how == "last dropped":
        events.pop()
    elif how == "inserted":
        events.insert(4, copy.deepcopy(events[3]))
    else:
        events[4], events[5] = events[5], events[4]
    return copied


@pytest.mark.parametrize("how", ["dropped", "last dropped", "inserted", "reordered"])
def test_events_cannot_be_dropped_inserted_or_reordered(how: str) -> None:
    """Numbers have no gaps and every event hangs on the one before."""
    assert list(altered(events_forged(how)))


def rebuilt(edit: Any) -> dict[str, Any]:
    """Forge an event and then write everything that is derived from it anew, as a careful forger would."""
    log = entries()
    built: dict[str, Any] = json.loads(json.dumps(receipt("d-1", edit(log))))
    return built


def reworded(log: list[Entry]) -> list[Entry]:
    """Put other words into a mouth."""
    one = log[2]
    return [
        *log[:2],
        Entry(seq=one.seq, type=one.type, timestamp=one.timestamp, data={**one.data, "content": "forged"}),
        *log[3:],
    ]


def test_a_forger_who_rewrites_everything_is_found_by_the_signature_or_by_a_known_head() -> None:
    """Hashes alone cannot tell an original from a consistent invention, and the notes say so."""
    invention = rebuilt(reworded)
    assert check(invention).notes
    assert ("head",) == check(invention, head=WHOLE["head"]).flaws
    assert "signature" in check({**invention, "signature": SIGNED["signature"]}).flaws
    assert ("signature",) == check(sign(invention, OTHER_KEY), key=SIGNED["signature"]["public_key"]).flaws
    assert ("signature",) == check(invention, key=SIGNED["signature"]["public_key"]).flaws


def upset(log: list[Entry]) -> list[Entry]:
    """Give the debate another winner than its ballots do."""
    last = log[-1]
    return [*log[:-1], Entry(seq=last.seq, type=last.type, timestamp=last.timestamp, data={**last.data, "winner": "c"})]


def test_an_outcome_that_does_not_follow_from_the_ballots_is_found_without_any_key() -> None:
    """The protocol is run again over the recorded messages."""
    assert "data.winner" in check(rebuilt(upset)).flaws[0]


def test_every_field_of_a_signed_receipt_is_under_the_signature() -> None:
    """The algorithm, the key and the value included."""
    for where in [("signature", name) for name in SIGNED["signature"]]:
        assert "signature" in check(forged(SIGNED, where)).flaws


@settings(deadline=None, max_examples=100)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_nonsense_is_no_receipt(value: Any) -> None:
    """Whatever a file holds, the answer is a flaw and never a crash."""
    assert list(altered(value if isinstance(value, dict) else {"transcript": value, "schema": "aragora.receipt/1"}))


@pytest.mark.parametrize("seq", [1, 2, 7, len(entries())])
def test_a_single_argument_can_be_proved_to_belong_to_a_receipt(seq: int) -> None:
    """Without showing the others; and nothing else passes for it."""
    proof: dict[str, Any] = json.loads(json.dumps(prove("d-1", entries(), seq)))
    assert belongs(proof, WHOLE["root"])
    assert len(proof["path"]) <= 6
    for where in places(proof["event"], ("event",)):
        assert not belongs(forged(proof, where), WHOLE["root"])
    assert not belongs({**proof, "path": proof["path"][:-1]}, WHOLE["root"])


@given(st.integers(1, 40), st.data())
def test_every_leaf_leads_to_the_root(count: int, data: st.DataObject) -> None:
    """A Merkle tree of any size."""
    leaves = [leaf(Entry(seq=n, type="t", timestamp="", data={})) for n in range(count)]
    place = data.draw(st.integers(0, count - 1))
    proof = {
        "event": {"seq": place, "type": "t", "timestamp": "", "data": {}},
        "path": [[side, digest.hex()] for side, digest in path(leaves, place)],
    }
    assert belongs(proof, root(leaves).hex())


def test_unknown_costs_are_never_filled_up_with_zeros() -> None:
    """Ballots of this debate did not say what they cost."""
    costs = WHOLE["costs"]
    assert costs["cost_usd"] > 0
    assert (False, None) == (costs["cost_usd_complete"], costs["tokens_in"])


def test_exports_say_what_matters_and_run_nothing() -> None:
    """What agents and people wrote is text, in HTML and in Markdown."""
    page, text = html(WHOLE), markdown(WHOLE)
    for shown in (page, text):
        assert WHOLE["head"] in shown
        assert "Dissent" in shown
        assert "<script" not in shown
        assert "<b>" not in shown


def test_canonical_json_is_the_same_for_the_same_values() -> None:
    """Order and spacing of the source play no part; what is no number has no form."""
    assert canonical({"b": 1, "a": "é"}) == b'{"a":"\\u00e9","b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(float("nan"))


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
def test_an_outcome_costs_what_its_turns_cost(protocol: str) -> None:
    """Every protocol accounts for each turn once, and for nothing that was only derived from them."""
    turns = 0

    def paid(turn: Turn) -> Message:
        nonlocal turns
        turns += 1
        number = (*turn.positions, "")[0] if turn.part != "estimate" else "7"
        message = choose(turn, turn.choices[0]) if turn.choices else say(turn, position=number)
        return replace(message, usage=Usage(tokens_in=1, tokens_out=1, cost_usd=1.0))

    total = hold(a_brief(5, rounds=2, protocol=protocol), paid).outcome.costs[-1]
    assert ("", float(turns)) == (total.seat, total.usd)
