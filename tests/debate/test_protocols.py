"""Each protocol is a script: what it asks, in which order, who reads what, and how it ends."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aragora.debate.events import DebateStarted, data_of, key_of, type_of
from aragora.debate.model import Brief, Decision, Effect, Fault, Message, Outcome, Phase, Seat, Turn
from aragora.debate.panels import UNDECIDED
from aragora.debate.protocols import PROTOCOLS, latest
from aragora.debate.rules import RULES
from aragora.debate.stops import REASONS
from aragora.debate.topology import known, readable
from debating import Held, a_brief, abstain, choose, hold, loyal, say

NAMES = sorted(PROTOCOLS)
ASKED = {
    "vote_only@1": [(0, "propose"), (0, "vote")],
    "critique@1": [(0, "propose"), (0, "vote"), (1, "critique"), (1, "revise"), (1, "vote")],
    "gated@1": [(0, "propose"), (0, "vote"), (1, "critique"), (1, "revise"), (1, "vote")],
    "correction@1": [(0, "propose"), (0, "vote"), (1, "critique"), (1, "revise"), (1, "vote")],
    "council@1": [(0, "propose"), (0, "vote"), (1, "synthesise"), (1, "vote")],
    "collective_refinement@1": [(0, "propose"), (0, "vote"), (1, "revise"), (1, "vote")],
    "anti_conformity@1": [(0, "propose"), (0, "vote"), (1, "revise"), (1, "vote")],
    "relay@1": [(0, "propose"), (0, "vote"), (1, "revise"), (1, "vote")],
    "report@1": [(0, "propose"), (0, "vote"), (1, "synthesise"), (1, "revise"), (1, "vote")],
    "delphi@1": [(0, "propose"), (1, "revise")],
    "pro_con@1": [(0, "propose"), *[(leg, phase) for leg in (1, 2) for phase in ("propose", "revise", "vote")]],
}


def phases(held: Held) -> list[tuple[int, str]]:
    """What was asked, in order, without who was asked."""
    asked = [(turn.round, str(turn.phase)) for turn in held.turns]
    return [step for n, step in enumerate(asked) if n == 0 or asked[n - 1] != step]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_protocol_asks(name: str) -> None:
    """The shape of one round of each protocol."""
    assert ASKED[name] == phases(hold(a_brief(3, rounds=1, protocol=name), loyal))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seats", [1, 2, 3, 6])
def test_every_protocol_ends_at_every_table_and_states_a_known_reason(name: str, seats: int) -> None:
    """From a single seat on, with a tally of the blind vote beside that of the last."""
    outcome = hold(a_brief(seats, protocol=name, judge=Seat(name="judge", agent="j:1")), loyal).outcome
    assert outcome.stopped in REASONS
    if seats > 1 or name != "council@1":
        assert outcome.blind is not None
        assert outcome.tally is not None


@pytest.mark.parametrize("name", NAMES)
def test_a_table_where_nobody_answers_fails_in_words(name: str) -> None:
    """No protocol asks for votes on answers that do not exist."""
    outcome = hold(a_brief(3, protocol=name), abstain).outcome
    assert (Decision.FAILED, "nobody") == (outcome.outcome, outcome.stopped)
    assert outcome.missing


def a_run(name: str, brief: Brief, faults: Sequence[bool], choices: Sequence[int]) -> Held:
    """Hold a debate in which the given turns fail and votes fall as given."""
    count = 0

    def speak(turn: Turn) -> Message:
        nonlocal count
        count += 1
        if faults[count % len(faults)]:
            return abstain(turn)
        return choose(turn, turn.choices[choices[count % len(choices)] % len(turn.choices)]) if turn.choices else loyal(turn)

    return hold(replace(brief, protocol=name), speak)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from(NAMES),
    st.integers(1, 5),
    st.sampled_from(sorted(RULES)),
    st.sampled_from(["full", "ring", "star", "random:2"]),
    st.lists(st.booleans(), min_size=1, max_size=17),
    st.lists(st.integers(0, 9), min_size=1, max_size=13),
)
def test_whatever_fails_a_script_ends_honestly_and_the_same_way_again(
    name: str, seats: int, rule: str, topology: str, faults: list[bool], choices: list[int]
) -> None:
    """No key is used twice, who was missing is named, no winner goes without a quorum, and a replay is equal in every byte."""
    brief = a_brief(seats, rule=rule, topology=topology, rounds=3)
    first, again = a_run(name, brief, faults, choices), a_run(name, brief, faults, choices)
    assert first.outcome == again.outcome
    keys = [turn.key for turn in first.turns]
    assert len(set(keys)) == len(keys)
    outcome = first.outcome
    assert sum(not m.spoke for m in first.heard) == len(outcome.missing)
    assert outcome.decision is not Decision.INSUFFICIENT_QUORUM or outcome.winner is None
    if outcome.tally is not None and outcome.tally.received < outcome.tally.eligible:
        assert outcome.outcome in (Decision.DEGRADED, Decision.INSUFFICIENT_QUORUM)


def test_two_rounds_are_two_rounds_of_debate() -> None:
    """The blind round comes on top of what was asked for, as round 0."""
    held = hold(a_brief(2, rounds=2), loyal)
    assert [0, 1, 2] == [completed.round for completed in held.rounds]
    assert (2, "rounds") == (held.outcome.rounds, held.outcome.stopped)


def test_the_seeds_body_gives_the_seeds_five_events() -> None:
    """Two seats of one agent and two rounds: the names that the public client waits for all come."""
    brief = a_brief(["demo-1", "demo-2"], rounds=2)
    held = hold(brief, loyal)
    names = {"debate_start", "debate_end"} | {type_of(m) for m in held.heard} | {completed.type for completed in held.rounds}
    assert {"debate_start", "agent_message", "vote_cast", "round_complete", "debate_end"} == names
    assert data_of(DebateStarted(brief=brief))["total_rounds"] == 2
    assert "turn/0/vote/demo-1" in {key_of(message) for message in held.heard}


def test_the_first_vote_is_blind() -> None:
    """Answers see nothing; the first vote sees the answers and no word of debate."""
    held = hold(a_brief(3, rounds=1), loyal)
    for turn in held.turns:
        if turn.round == 0:
            assert {m.phase for m in turn.sees} == (set() if turn.phase is Phase.PROPOSE else {Phase.PROPOSE})


def test_debate_is_compared_with_the_vote_before_it() -> None:
    """Two tallies, what changed between them, and who changed."""

    def speak(turn: Turn) -> Message:
        return choose(turn, "a" if turn.round else turn.seat.name) if turn.choices else say(turn)

    outcome = hold(a_brief(3), speak).outcome
    assert outcome.blind is not None
    assert ({"a": 1, "b": 1, "c": 1}, None) == (outcome.blind.counts, outcome.blind.leader)
    assert ("a", "agreement", Effect.CHANGED_WINNER) == (outcome.winner, outcome.stopped, outcome.account.effect)
    assert ["b", "c"] == [switch.seat for switch in outcome.account.switches]


def test_gated_debates_nothing_where_the_blind_vote_is_clear() -> None:
    """What was saved is counted: critique, revision and vote of each seat in each round."""
    held = hold(a_brief(3, protocol="gated@1", rounds=2), lambda turn: choose(turn, "a") if turn.choices else say(turn))
    assert (0, "uncontested", 18) == (held.outcome.rounds, held.outcome.stopped, held.outcome.account.saved_turns)
    assert [(0, "propose"), (0, "vote")] == phases(held)


def test_gated_debates_only_answers_that_got_votes() -> None:
    """An answer that nobody chose is neither revised nor voted on again."""

    def speak(turn: Turn) -> Message:
        return choose(turn, "a" if turn.seat.name < "c" else "b") if turn.choices else say(turn)

    held = hold(a_brief(4, protocol="gated@1", rounds=1), speak)
    assert {"a", "b"} == {turn.seat.name for turn in held.turns if turn.phase is Phase.REVISE}
    assert {("a", "b")} == {turn.choices for turn in held.turns if turn.phase is Phase.VOTE and turn.round == 1}


def test_council_is_chaired_by_the_author_of_the_leading_answer_and_votes_on_what_it_writes() -> None:
    """No chair is king: peers rank, without themselves, and may refuse the synthesis."""

    def speak(turn: Turn) -> Message:
        return choose(turn, "b" if turn.seat.name != "b" else "a") if turn.choices else say(turn)

    held = hold(a_brief(3, protocol="council@1"), speak)
    assert ["b"] == [turn.seat.name for turn in held.turns if turn.phase is Phase.SYNTHESISE]
    assert ("b", "b synthesise 1") == (held.outcome.winner, held.outcome.answer)
    assert all(turn.seat.name not in turn.choices for turn in held.turns)


def test_council_goes_on_when_the_chair_does_not_answer() -> None:
    """The next one in the ranking takes the chair."""

    def speak(turn: Turn) -> Message:
        if turn.phase is Phase.SYNTHESISE and turn.seat.name == "b":
            return abstain(turn)
        return choose(turn, "b" if turn.seat.name != "b" else "a") if turn.choices else say(turn)

    held = hold(a_brief(3, protocol="council@1"), speak)
    assert ["b", "a"] == [turn.seat.name for turn in held.turns if turn.phase is Phase.SYNTHESISE]
    assert ["b"] == [missing.seat for missing in held.outcome.missing]


@pytest.mark.parametrize("cites", [(), ("turn/1/critique/a",)])
def test_correction_takes_only_revisions_that_cite_a_proof(cites: tuple[str, ...]) -> None:
    """Without one the old answer stands."""

    def speak(turn: Turn) -> Message:
        return loyal(turn) if turn.choices else say(turn, cites=cites if turn.phase is Phase.REVISE else ())

    held = hold(a_brief(2, protocol="correction@1", rounds=1), speak)
    last = [turn for turn in held.turns if turn.phase is Phase.VOTE][-1]
    assert {Phase.REVISE if cites else Phase.PROPOSE} == {m.phase for m in last.sees}


def test_relay_passes_each_answer_to_the_next_seat() -> None:
    """Each sees its own answer and what the seat before it has just said."""
    held = hold(a_brief(3, protocol="relay@1", rounds=1), loyal)
    seen = [[m.key for m in turn.sees] for turn in held.turns if turn.phase is Phase.REVISE]
    assert [
        ["turn/0/propose/a", "turn/0/propose/c"],
        ["turn/0/propose/b", "turn/1/revise/a"],
        ["turn/0/propose/c", "turn/1/revise/b"],
    ] == seen


def test_report_lets_a_different_seat_sum_up_each_round() -> None:
    """The others read the report and their own answer, not each other."""
    held = hold(a_brief(3, protocol="report@1", rounds=2), loyal)
    assert ["a", "b"] == [turn.seat.name for turn in held.turns if turn.phase is Phase.SYNTHESISE]
    for turn in held.turns:
        if turn.phase is Phase.REVISE:
            assert {turn.seat.name} == {m.seat for m in turn.sees if m.phase is not Phase.SYNTHESISE}


def jury(turn: Turn, follows: str) -> Message:
    """A juror who follows the side pro or the seat a; everybody else speaks."""
    if not turn.choices:
        return say(turn, position=turn.positions[0] if turn.positions else "")
    pro = next(m.seat for m in turn.sees if m.position == "pro")
    return choose(turn, pro if follows == "pro" else "a")


def pro_con(follows: str) -> Outcome:
    """Hold a debate of two sides before a jury of three."""
    return hold(a_brief(5, protocol="pro_con@1"), lambda turn: jury(turn, follows)).outcome


def test_pro_con_swaps_sides_and_a_juror_who_follows_the_seat_is_undecided() -> None:
    """Only a verdict that survives the swap is one about the statement."""
    followed, swayed = pro_con("pro"), pro_con("a")
    assert followed.tally is not None
    assert swayed.tally is not None
    assert ("pro", {"pro": 3}, 3) == (followed.winner, followed.tally.counts, followed.tally.eligible)
    assert (None, {UNDECIDED: 3}) == (swayed.winner, swayed.tally.counts)


def estimates(*numbers: float) -> Outcome:
    """Hold a Delphi round in which every seat keeps its number."""
    brief = a_brief(len(numbers), protocol="delphi@1", rounds=3)
    said = {seat.name: str(number) for seat, number in zip(brief.seats, numbers, strict=True)}
    return hold(brief, lambda turn: say(turn, position=said[turn.seat.name])).outcome


def test_delphi_ends_with_the_median_and_who_stands_by_it() -> None:
    """An outlier moves a mean, not this."""
    outcome = estimates(40, 42, 43, 44, 1000)
    assert ("43", "nothing_new", 0.8) == (outcome.position, outcome.stopped, outcome.tally.agreement if outcome.tally else 0)
    assert "converged" == estimates(42, 43, 44).stopped


def test_a_spent_budget_ends_the_debate() -> None:
    """When calls are refused for their cost, no further round is asked for."""

    def speak(turn: Turn) -> Message:
        return abstain(turn, Fault.BUDGET) if turn.round == 1 and turn.phase is Phase.REVISE else loyal(turn)

    assert (1, "budget") == ((held := hold(a_brief(2, rounds=5), speak)).outcome.rounds, held.outcome.stopped)


def test_a_deadline_is_kept_by_not_beginning_a_round_that_would_pass_it() -> None:
    """Phases follow each other, seats of a phase speak at once: ten seconds a phase are thirty a round."""
    outcome = hold(a_brief(2, rounds=9, seconds_max=100.0), lambda turn: replace(loyal(turn), seconds=10.0)).outcome
    assert (2, "deadline") == (outcome.rounds, outcome.stopped)


# Who reads whom.


@pytest.mark.parametrize(
    ("topology", "reads"),
    [("full", "abcde"), ("ring", "abe"), ("star", "abcde")],
)
def test_whom_the_first_seat_reads(topology: str, reads: str) -> None:
    """The hub of a star reads all; a ring reads its neighbours."""
    brief = a_brief(5, topology=topology)
    assert set(reads) == readable(brief, 1, brief.seats[0])


def test_a_random_topology_is_the_same_again_and_another_each_round() -> None:
    """Peers come from the seed, so that a replay shows the same texts."""
    brief = a_brief(9, topology="random:2")
    rounds = [readable(brief, number, brief.seats[0]) for number in range(1, 9)]
    assert rounds == [readable(brief, number, brief.seats[0]) for number in range(1, 9)]
    assert {3} == {len(peers) for peers in rounds}
    assert len(set(rounds)) > 1


def test_topology_bounds_what_is_read_and_not_what_is_voted_on() -> None:
    """In a ring of five each revises on three answers and chooses among five."""
    held = hold(a_brief(5, topology="ring", protocol="collective_refinement@1", rounds=1), loyal)
    assert {3} == {len(turn.sees) for turn in held.turns if turn.phase is Phase.REVISE}
    assert {5} == {len(turn.choices) for turn in held.turns if turn.phase is Phase.VOTE}


@pytest.mark.parametrize(
    ("name", "exists"), [("ring", True), ("random:3", True), ("random:0", False), ("random:", False), ("mesh", False)]
)
def test_topologies_that_exist(name: str, *, exists: bool) -> None:
    """A name from outside is checked before a brief is made of it."""
    assert exists == known(name)


def test_a_plain_name_stands_for_its_latest_version() -> None:
    """And an unknown one for nothing."""
    assert ("critique@1", "council@1", None) == (latest("critique"), latest("council@1"), latest("nope"))
