"""A debate as it happens, in columns on a terminal. May import `terminal` and `debate`; brings rich, so import it when needed."""

import re
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from aragora.cli.terminal import (
    Data,
    Event,
    ballot_of,
    data_of,
    fault_of,
    mapping,
    number,
    paragraph,
    phase_of,
    seat_names,
    summary,
    tally_words,
    whole,
)

COLUMN_CELLS_MIN = 28  # narrower columns are stacked as rows
WIDTH_CELLS_MIN = 80  # below this a terminal gets rows whatever the number of seats
REFRESHES_PER_S = 12
NOTE_LINES = 3  # of a critique where room is short
FRAME_CELLS, BORDER_LINES = 4, 2
STREAM_CHARS_MAX = 20_000  # of a turn's text that is kept while it streams


@dataclass(slots=True)
class _Seat:
    """What a column shows of its seat."""

    name: str
    answer: str = ""  # its standing answer
    text: str = ""  # what it said last, or is saying
    phase: str = ""
    speaking: bool = False
    moved: bool = False
    vote: str = ""
    fault: str = ""
    against: list[str] = field(default_factory=list)  # this round's critiques of it


class Columns:
    """A live view: one column for each seat, stacked where the terminal is narrow; leaves a summary in the scrollback.

    Use it as a context manager and `show` it each event, those of running turns (`agent_thinking`, `agent_delta`) as well.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._seats: dict[str, _Seat] = {}
        self._topic = ""
        self._round, self._rounds, self._phase = 0, 0, ""
        self._tally: Data = {}
        self._end: Event | None = None
        self._people = 0
        self._live: Live | None = None

    def __enter__(self) -> Self:
        self._live = Live(
            self, console=self.console, refresh_per_second=REFRESHES_PER_S, transient=True, vertical_overflow="crop"
        )
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._end is not None:
            self.console.print(_closing(self._topic, list(self._seats.values()), self._end))

    def show(self, event: Event) -> None:
        """Take in an event; the next refresh shows it."""
        data = data_of(event)
        match event.get("type"):
            case "debate_start":
                self._topic = paragraph(data.get("topic", data.get("task")))
                self._rounds = whole(data.get("rounds", data.get("total_rounds")))
                self._seats = {name: _Seat(name) for name in seat_names(data)}
            case "agent_thinking":
                self._begin(data)
            case "agent_delta":
                self._delta(data)
            case "agent_message" | "agent_abstained":
                self._message(data)
            case "vote_cast" if data.get("kind") == "person":
                self._people += 1
            case "vote_cast":
                self._message(data)
            case "round_complete":
                self._tally = data
            case "debate_end":
                self._end = event
            case _:
                pass

    def _seat(self, data: Data) -> _Seat:
        name = paragraph(data.get("seat", data.get("agent", data.get("voter", ""))))
        return self._seats.setdefault(name, _Seat(name))

    def _enter_phase(self, data: Data) -> None:
        number, phase = whole(data.get("round")), str(data.get("phase", ""))
        if (number, phase) == (self._round, self._phase):
            return
        self._round, self._phase = number, phase
        for seat in self._seats.values():
            seat.fault = ""
            if phase == "critique":
                seat.against, seat.vote = [], ""

    def _begin(self, data: Data) -> _Seat:
        self._enter_phase(data)
        seat = self._seat(data)
        seat.text, seat.phase, seat.speaking = "", self._phase, True
        return seat

    def _delta(self, data: Data) -> None:
        seat = self._seat(data)
        if not seat.speaking or seat.phase != str(data.get("phase", "")):
            seat = self._begin(data)
        seat.text = (seat.text + str(data.get("text", "")))[-STREAM_CHARS_MAX:]

    def _message(self, data: Data) -> None:
        self._enter_phase(data)
        seat = self._seat(data)
        seat.speaking = False
        content = paragraph(data.get("content"))
        if data.get("abstention"):
            seat.fault, seat.text, seat.phase = fault_of(mapping(data.get("abstention"))), "", self._phase
        elif data.get("ballot") or data.get("kind") == "seat":
            seat.vote, seat.text, seat.phase = ballot_of(data), content, "vote"
        elif self._phase == "critique":
            target = self._seats.get(paragraph(data.get("target") or ""))
            for other in [target] if target else [s for s in self._seats.values() if s is not seat]:
                other.against.append(f"{seat.name}: {content}")
            seat.text, seat.phase = content, "critique"
        else:
            seat.answer, seat.text, seat.phase = content, content, self._phase

    # Drawing. Everything is drawn from the state, at the size that the terminal has now.

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the debate as it stands."""
        width, height = options.max_width, options.size.height
        head = self._head(width)
        yield from head
        seats = list(self._seats.values())
        room = max(1, height - len(head) - 1)
        if not seats:
            return
        if width >= WIDTH_CELLS_MIN and width // len(seats) >= COLUMN_CELLS_MIN:
            yield self._side_by_side(seats, width, room)
        else:
            yield self._stacked(seats, width, room)

    def _head(self, width: int) -> list[RenderableType]:
        topic = Text(self._topic or "Waiting for the debate to begin", style="bold", no_wrap=True, overflow="ellipsis")
        place = f"Round {self._round} of {self._rounds}, {phase_of(self._phase)}" if self._round else "Starting"
        if not self._round and self._phase:
            place = f"Blind round, {phase_of(self._phase)}"
        people = f"   {self._people} {'vote' if self._people == 1 else 'votes'} by people" if self._people else ""
        line = Text(place + people, style="dim", no_wrap=True, overflow="ellipsis")
        return [topic, line, self._meter(width)]

    def _meter(self, width: int) -> RenderableType:
        """How much of the table stands behind the leader, after the last vote."""
        if not self._tally:
            return Text("No vote yet", style="dim")
        share, cells = number(self._tally.get("agreement")), min(24, max(6, width // 4))
        full = min(cells, max(0, round(share * cells)))
        colour = "green" if self._tally.get("reached") else "yellow"
        bar = Text("Agreement ", no_wrap=True, overflow="ellipsis")
        bar.append("━" * full, colour).append("─" * (cells - full), "dim")
        return bar.append(f" {tally_words(self._tally)}")

    def _side_by_side(self, seats: list[_Seat], width: int, room: int) -> RenderableType:
        grid = Table.grid(expand=True)
        for _ in seats:
            grid.add_column(ratio=1)
        bodies = [self._body(seat, width // len(seats) - FRAME_CELLS, room - BORDER_LINES) for seat in seats]
        lines = max(body.plain.count("\n") + 1 for body in bodies)
        grid.add_row(*(_panel(seat, body, lines) for seat, body in zip(seats, bodies, strict=True)))
        return grid

    def _stacked(self, seats: list[_Seat], width: int, room: int) -> RenderableType:
        lines = room // len(seats) - BORDER_LINES
        if lines > 0:
            return Group(*(_panel(seat, self._body(seat, width - FRAME_CELLS, lines), lines) for seat in seats))
        # Too many to frame: one line for each seat, and those that do not fit are counted.
        shown = seats if len(seats) <= room else seats[: room - 1]
        more = [Text(f"and {len(seats) - len(shown)} more", no_wrap=True, overflow="ellipsis")] if len(shown) < len(seats) else []
        return Group(*(self._row(seat) for seat in shown), *more)

    def _row(self, seat: _Seat) -> RenderableType:
        row = Text(no_wrap=True, overflow="ellipsis")
        row.append(f"{seat.name}  ", "bold").append(_state(seat), "dim")
        return row.append(f"  {_shown(seat)}")

    def _body(self, seat: _Seat, width: int, lines: int) -> Text:
        """What a seat is saying, what is said against it, and above both, as far as there is room, its standing answer."""
        notes = self._notes(seat)
        budget = max(1, lines - min(lines // 2, len(notes) * NOTE_LINES))
        fit = _tail if seat.speaking else _top
        current = fit(self.console, _shown(seat), width, budget)
        left = lines - len(current)
        below: list[tuple[list[str], str]] = []
        for note in notes:
            if left > 0:
                below.append((_top(self.console, note, width, min(NOTE_LINES, left)), "yellow"))
                left -= len(below[-1][0])
        body = Text()
        if seat.answer and seat.answer != seat.text and left > 1:
            above = _top(self.console, seat.answer, width, left - 1)
            body.append("\n".join(above) + "\n\n", "dim")
        body.append("\n".join(current))
        for part, style in below:
            body.append("\n" + "\n".join(part), style)
        return body

    def _notes(self, seat: _Seat) -> list[str]:
        """The critiques of a seat, shown at the answer that they are about while it is being defended."""
        if self._phase not in ("critique", "revise"):
            return []
        return [f"✗ {critique}" for critique in seat.against]


def _state(seat: _Seat) -> str:
    if seat.fault:
        return f"abstains: it {seat.fault}"
    if seat.speaking:
        return f"{phase_of(seat.phase)} …"
    return (
        f"votes {seat.vote}"
        if seat.vote
        else {"propose": "answer", "critique": "critique", "revise": "answer"}.get(seat.phase, "")
    )


def _shown(seat: _Seat) -> str:
    """The readable part of a text; of a reply that arrives as JSON, the sentence inside it."""
    text = seat.text
    if seat.speaking and seat.phase in ("critique", "vote", "judge") and text.lstrip().startswith(("{", "```")):
        said = re.search(r'"(?:text|reason)"\s*:\s*"((?:[^"\\]|\\.)*)', text)
        text = re.sub(r"\\(.)", r"\1", said[1]) if said else ""
    return paragraph(text)


def _wrapped(console: Console, text: str, width: int) -> list[str]:
    return [line.plain.rstrip() for line in Text(text).wrap(console, max(4, width))] or [""]


def _tail(console: Console, text: str, width: int, lines: int) -> list[str]:
    """The last lines of a text that is still growing."""
    return _wrapped(console, text[-4 * max(4, width) * lines :], width)[-lines:]


def _top(console: Console, text: str, width: int, lines: int) -> list[str]:
    """The first lines of a whole text."""
    wrapped = _wrapped(console, text[: 4 * max(4, width) * lines], width)
    if len(wrapped) <= lines:
        return wrapped
    last = Text(wrapped[lines - 1])
    last.truncate(max(1, width - 2))
    return [*wrapped[: lines - 1], last.plain.rstrip() + " …"]


def _panel(seat: _Seat, body: Text, lines: int) -> RenderableType:
    border = "red" if seat.fault else "cyan" if seat.speaking else "dim"
    title, state = Text(seat.name, "bold"), Text(_state(seat))
    for text in (title, state):
        text.no_wrap, text.overflow = True, "ellipsis"
    frame = Panel(body, title=title, title_align="left", border_style=border, box=box.ROUNDED, height=lines + BORDER_LINES)
    frame.subtitle, frame.subtitle_align = state, "left"
    return frame


def _closing(topic: str, seats: list[_Seat], end: Event) -> RenderableType:
    """What stays in the scrollback: the question, the answer, how it came about, and how each seat voted."""
    data = data_of(end)
    parts = [Text(topic, "bold")]
    if data.get("answer"):
        parts += [Text(), Text(paragraph(data["answer"]))]
    else:
        parts += [Text(f"{seat.name}: {seat.answer}") for seat in seats if seat.answer]
    told = summary({"data": {**data, "answer": ""}}).split("\n")
    parts += [Text(), Text(told[0], "bold green" if data.get("reached") else "bold yellow")]
    parts += [Text(f"{seat.name} voted for {seat.vote}: {seat.text}", overflow="fold") for seat in seats if seat.vote]
    parts += [Text(line, "red" if line.startswith("Missing") else "") for line in told[1:] if not line.startswith("Votes:")]
    return Group(*parts)
