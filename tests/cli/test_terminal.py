"""How a debate looks in a terminal and in a pipe, whatever the agents and the people wrote."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from aragora.cli.columns import Columns
from aragora.cli.terminal import Lines, clean, paragraph, summary, table
from aragora.debate.consensus import conclude, count
from aragora.debate.events import DebateEnded, DebateStarted, Event, PersonVoted, RoundCompleted, data_of, type_of
from aragora.debate.floor import Floor
from aragora.debate.model import Abstention, Ballot, Brief, Fault, Message, Phase, seats_for

HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07red \x1b[31m[bold red]markup[/] {curly}",
    "\u202eright to left\u202c \u2066isolated\u2069 \x9b31m \x00\x08\x7f",
    "w" * 500,
    "漢字" * 80,
    "👩‍👩‍👧‍👦🏳️‍🌈 " * 30,
    "[link=file:///etc]x[/link] [/nothing] \\[",
    "",
]

Wire = Mapping[str, object]


def on_the_wire(*events: Event) -> list[Wire]:
    """Number events and take them through JSON, as a client gets them."""
    return [
        {"type": type_of(event), "debate_id": "d", "seq": seq, "timestamp": "", "data": json.loads(json.dumps(data_of(event)))}
        for seq, event in enumerate(events, 1)
    ]


def a_debate(topic: str = "Tea or coffee?", text: str = "Tea.", agents: tuple[str, ...] = ("demo",) * 3) -> list[Wire]:
    """A debate of one round in which the second seat misses the vote, and the last differs from the first."""
    brief = Brief(topic=topic, seats=seats_for(agents), rounds=1)
    names = [seat.name for seat in brief.seats]
    first = names[0]
    answers = [Message(round=1, phase=Phase.PROPOSE, seat=name, content=text) for name in names]
    critiques = [
        Message(round=1, phase=Phase.CRITIQUE, seat=name, content=f"@{first} errs. {text}", target=first) for name in names
    ]
    votes = [
        Message(round=1, phase=Phase.VOTE, seat=name, content=text, ballot=Ballot(choice=first, confidence=0.7)) for name in names
    ]
    votes[1] = Message(round=1, phase=Phase.VOTE, seat=names[1], abstention=Abstention(fault=Fault.TIMEOUT, detail=text))
    heard = [*answers, *critiques, *votes]
    tally = count(brief, votes)
    floor = Floor()
    floor.answer(answers)
    floor.hear(critiques)
    floor.vote(votes, {m.seat: first for m in votes if m.ballot})
    outcome = conclude(brief, floor, rounds=1, stopped="agreement")
    person = PersonVoted(voter="p", choice=first, confidence=None, reason=text)
    ends: list[Event] = [RoundCompleted(round=1, tally=tally), DebateEnded(outcome=outcome, seconds=2.25)]
    return on_the_wire(DebateStarted(brief=brief), *heard, person, *ends)


def with_deltas(events: list[Wire]) -> Iterator[Wire]:
    """Put the pieces of a turn before its message."""
    for event in events:
        data = event["data"]
        assert isinstance(data, dict)
        if "phase" in data:
            opening = "" if data["phase"] == "propose" else '{"target": "A", "text": "'
            turn = {key: data[key] for key in ("round", "phase", "seat")}
            yield {"type": "agent_thinking", "debate_id": "d", "data": {**turn, "text": ""}}
            for piece in (opening, str(data["content"])[:40], "…"):
                yield {"type": "agent_delta", "debate_id": "d", "data": {**turn, "text": piece}}
        yield event


def test_lines_tell_a_debate_in_plain_text() -> None:
    """Every event is a readable line, the outcome a small block, and pieces of running turns are left out."""
    out = io.StringIO()
    lines = Lines(out)
    for event in with_deltas(a_debate()):
        lines.show(event)
    expected = """\
Question: Tea or coffee?
Seats: demo-1, demo-2, demo-3

Round 1, answering
demo-1: Tea.
demo-2: Tea.
demo-3: Tea.

Round 1, criticising
demo-1 on demo-1: demo-1 errs. Tea.
demo-2 on demo-1: demo-1 errs. Tea.
demo-3 on demo-1: demo-1 errs. Tea.

Round 1, voting
demo-1 votes for demo-1 (70 % sure): Tea.
demo-2 abstains: it took too long
demo-3 votes for demo-1 (70 % sure): Tea.
A person votes for demo-1
Round 1: demo-1 2; 67 % of 3 seats, agreed

Outcome
Tea.

Majority: 2 of 3 for demo-1. Degraded: not every seat could vote.
Votes: demo-1 2
Missing: demo-2 took too long (round 1, voting)
Cost: unknown
1 round, 2.2 s
"""
    assert expected == out.getvalue()


@pytest.mark.parametrize(
    ("decision", "counts", "winner", "words"),
    [
        ("consensus", {"a": 3}, "a", "Consensus: 3 of 3 for a."),
        ("majority", {"a": 2, "b": 1}, "a", "Majority: 2 of 3 for a."),
        ("split", {"a": 1}, "a", "Split: 1 of 3 for a, which is not more than half."),
        ("deadlock", {"a": 1, "b": 1}, None, "Deadlock: a and b have equal support."),
        ("insufficient_quorum", {"a": 1}, None, "Not decided: only 1 of 3 votes were heard."),
        ("cancelled", {}, None, "Cancelled."),
        ("failed", {}, None, "Failed: the debate could not decide anything."),
    ],
)
def test_each_outcome_has_its_words(decision: str, counts: dict[str, int], winner: str | None, words: str) -> None:
    """A reader need not know the names of the outcomes."""
    tally = {"counts": counts, "eligible": 3, "received": sum(counts.values())}
    data = {
        "outcome": decision,
        "decision": decision,
        "reached": True,
        "winner": winner,
        "tally": tally,
        "rounds": 2,
        "seconds": 1,
    }
    assert f"{words}\n" in summary({"type": "debate_end", "data": {**data, "dissent": ["b"]}})
    assert "Dissent: b" in summary({"type": "debate_end", "data": {**data, "dissent": ["b"]}})


def drawn(events: Iterator[Wire], width: int, height: int, *, colour: bool = False) -> tuple[str, list[str]]:
    """Show events in columns; return what is left in the scrollback, and the picture after each event."""
    console = Console(record=True, width=width, height=height, file=io.StringIO(), force_terminal=colour, color_system=None)
    pictures = []
    with Columns(console) as columns:
        for event in events:
            columns.show(event)
            picture = Console(width=width, height=height, file=io.StringIO(), color_system=None)
            picture.print(columns)
            assert isinstance(picture.file, io.StringIO)
            pictures.append(picture.file.getvalue())
    return console.export_text(), pictures


@pytest.mark.parametrize("size", [(160, 50), (100, 30), (60, 20), (30, 10), (8, 5)])
@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("seats", [1, 3, 26])
def test_columns_fit_any_terminal_whatever_was_written(size: tuple[int, int], text: str, seats: int) -> None:
    """No text moves the cursor, sets a title, turns the direction, is read as markup, or makes a picture too high."""
    events = with_deltas(a_debate(topic=text, text=text, agents=("demo",) * (seats + (seats == 1))))
    left, pictures = drawn(events, *size)
    for picture in [*pictures, left]:
        assert not set(picture) & set("\x1b\x9b\x07\x00\x08\x7f\u202e\u2066\u202c\u2069")
    assert all(len(picture.splitlines()) <= size[1] for picture in pictures)


def test_a_wide_terminal_has_columns_and_a_narrow_one_rows() -> None:
    """Three seats stand side by side where there is room, and one above the other where there is not."""
    wide, narrow = (drawn(iter(a_debate()[:4]), width, 30)[1][-1] for width in (120, 70))
    assert any(line.count("╭") == 3 for line in wide.splitlines())
    assert [line.count("╭") for line in narrow.splitlines() if "╭" in line] == [1, 1, 1]


def test_what_is_left_is_the_answer_and_how_it_came_about() -> None:
    """After the live view the scrollback holds the question, the answer, the outcome, every vote and who was missing."""
    left, pictures = drawn(with_deltas(a_debate(text="Tea, by far.")), 100, 30)
    wanted = ["Tea or coffee?", "Tea, by far.", "Majority: 2 of 3", "demo-1 voted for demo-1 (70 % sure)", "Missing: demo-2 took"]
    places = [left.index(words) for words in wanted]
    assert sorted(places) == places
    assert "abstains: it took too long" in pictures[-1]
    assert "67 % of 3 seats, agreed" in pictures[-1]


def test_a_seat_whose_words_are_not_streamed_is_seen_to_be_at_it() -> None:
    """A server that sends no pieces of a critique still lets the reader see who is working on one."""
    thinking = {"type": "agent_thinking", "data": {"round": 1, "phase": "critique", "seat": "demo-2", "text": ""}}
    picture = drawn(iter([*a_debate()[:4], thinking]), 120, 30)[1][-1]
    assert picture.count("criticising …") == 1
    assert "Round 1 of 1, criticising" in picture


def test_a_critique_is_shown_at_what_it_criticises() -> None:
    """The first column shows what the others said against it, not the JSON in which it arrived."""
    events = list(with_deltas(a_debate()))
    place = next(n for n, event in enumerate(events) if "'phase': 'vote'" in str(event))
    picture = drawn(iter(events[:place]), 120, 30)[1][-1]
    assert picture.count("✗ ") == 3
    assert '"text"' not in "".join(drawn(iter(events), 120, 30)[1])


@settings(deadline=None)
@given(st.text() | st.sampled_from(HOSTILE))
def test_clean_text_prints_as_it_reads(text: str) -> None:
    """What is printed holds nothing that a terminal obeys, and cleaning twice changes nothing."""
    safe = clean(text)
    assert safe == clean(safe)
    assert all(c.isprintable() or c == "\u200d" or c.isspace() for c in safe)
    assert "\n" not in paragraph(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**60), 2**60) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["seats", "name", "counts", "ballot"]), inner),
    max_leaves=6,
)
FIELDS = [
    "seats",
    "topic",
    "round",
    "phase",
    "seat",
    "content",
    "ballot",
    "abstention",
    "counts",
    "missing",
    "winner",
    "tally",
    "seconds",
]
TYPES = [
    "debate_start",
    "agent_delta",
    "agent_thinking",
    "agent_message",
    "agent_abstained",
    "vote_cast",
    "round_complete",
    "debate_end",
    "news",
]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS), JSON)), max_size=6))
def test_events_of_another_version_do_not_break_the_view(stream: list[tuple[str, dict[str, object]]]) -> None:
    """A field that is missing, or of another shape than today's, is shown as well as it can be."""
    events: list[Wire] = [{"type": kind, "data": data} for kind, data in stream]
    lines = Lines(io.StringIO())
    for event in events:
        lines.show(event)
    drawn(iter(events), 100, 20)


def test_a_table_is_aligned_when_piped_and_drawn_on_a_terminal() -> None:
    """Wide characters keep their columns, and markup in a cell is text."""
    out = io.StringIO()
    table([["demo", 1500.0], ["漢字[b]\x1b[1m", 3]], ["agent", "rating"], out=out)
    assert out.getvalue() == "agent    rating\ndemo     1500.0\n漢字[b]  3\n"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_a_table_on_a_terminal_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal there are rules under the headers; NO_COLOR leaves out the colours."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    out = Terminal()
    table([["[red]demo", 1500]], ["agent", "rating"], out=out)
    assert "[red]demo" in out.getvalue()
    assert "──" in out.getvalue()
    assert "\x1b[3" not in out.getvalue()


def test_plain_output_does_not_load_rich() -> None:
    """The start of every command that draws nothing stays fast."""
    code = "import sys, aragora.cli.terminal as t; t.Lines(); t.table([[1]], ['n']); sys.exit('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == 0
