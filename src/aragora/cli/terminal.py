"""A debate in plain words, line by line, and tables: what a terminal or a pipe is shown. May import `debate` only."""

import re
import sys
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.table import Table

Event = Mapping[str, object]  # a decoded event of the wire: type, debate_id, seq, timestamp, data
Data = Mapping[str, object]

PLAIN_CELLS = 100  # where plain text is folded

FAULTS = {
    "refused": "declined to answer",
    "rate_limited": "was told to slow down",
    "overloaded": "was too busy",
    "timeout": "took too long",
    "truncated": "stopped before the end",
    "malformed": "gave an answer that could not be read",
    "auth": "has no valid key",
    "unavailable": "could not be reached",
    "budget": "would have passed the cost limit",
}
PHASES = {
    "propose": "answering",
    "critique": "criticising",
    "revise": "revising",
    "vote": "voting",
    "judge": "judging",
    "synthesise": "summing up",
}
EFFECTS = {
    "changed_winner": "Debating changed which answer leads.",
    "strengthened": "Debating strengthened the answer that led before.",
    "weakened": "Debating weakened the answer that led before.",
    "nothing": "Debating changed nothing.",
}
ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # window titles and links
    r"|[\x1b\x9b]\[?[0-?]*[ -/]*[@-~]"  # colours and cursor moves, with either introducer
)
JOINER = "\u200d"  # holds an emoji together


def clean(text: object) -> str:
    """Text of others made safe to print, on one line: no escape sequences, no control or direction characters."""
    safe = ESCAPES.sub("", str(text))
    kept = (" " if c in "\t\r\n\u2028\u2029" else c for c in safe)
    return "".join(c for c in kept if c == JOINER or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn"})


def paragraph(text: object) -> str:
    """As `clean`, on one line, with seats named without their `@`."""
    return re.sub(r"(?<!\S)([(\"“]?)@(?=\w)", r"\1", " ".join(clean(text).split()))


def summary(event: Event) -> str:
    """What a `debate_end` says, in plain words: the answer first, then how it came about, who differed and who was missing."""
    data = data_of(event)
    lines = [textwrap.fill(paragraph(data.get("answer")), PLAIN_CELLS), ""] if data.get("answer") else []
    lines.append(_outcome(data))
    lines += [f"Why: {paragraph(data['detail'])}"] if data.get("detail") else []
    counts = counts_of(mapping(data.get("tally")))
    lines += [f"Votes: {', '.join(f'{seat} {votes}' for seat, votes in counts.items())}"] if counts else []
    lines += _before(data)
    dissent = [paragraph(seat) for seat in listing(data.get("dissent"))]
    lines += [f"Dissent: {', '.join(dissent)}"] if dissent else []
    lines += [f"Missing: {line}" for line in _missing(data)]
    lines += [f"Stood in: {line}" for line in _replaced(data)]
    lines += [f"Cost: {line}" for line in _cost(data)]
    rounds = whole(data.get("rounds"))
    lines.append(
        f"{rounds} {'round' if rounds == 1 else 'rounds'}, {number(data.get('seconds', data.get('duration_seconds'))):.1f} s"
    )
    return "\n".join(lines)


def _before(data: Data) -> list[str]:
    """The vote before the debate, what debating did to it, and whether a judge was needed."""
    blind, account = counts_of(mapping(data.get("blind"))), mapping(data.get("account"))
    effect = EFFECTS.get(str(account.get("effect")), "")
    hollow = " Nobody who joined gave a reason, and no critique was answered." if account.get("hollow") else ""
    lines = [f"Before the debate: {', '.join(f'{seat} {votes}' for seat, votes in blind.items())}. {effect}{hollow}".rstrip()]
    judged = paragraph(data.get("judged") or "")
    return (lines if blind and effect else []) + ([f"Tie broken by: {judged}"] if judged else [])


def round_of(number: object) -> str:
    """The name of a round: the one before any debate is blind."""
    return f"round {whole(number)}" if whole(number) else "blind round"


def _outcome(data: Data) -> str:
    """The outcome in a sentence: `Majority: 2 of 3 for demo-1` and the like."""
    tally, decision = mapping(data.get("tally")), str(data.get("decision", ""))
    counts, eligible = counts_of(tally), whole(tally.get("eligible"))
    winner = paragraph(data.get("winner") or "")
    stands = f"{counts.get(winner, 0)} of {eligible} for {winner}"
    leaders = [seat for seat, votes in counts.items() if votes == max(counts.values())]
    said = {
        "consensus": f"Consensus: {stands}.",
        "majority": f"Majority: {stands}.",
        "split": f"Split: {stands}, which is not more than half.",
        "deadlock": f"Deadlock: {' and '.join(leaders)} have equal support." if leaders else "Deadlock: nobody leads.",
        "insufficient_quorum": f"Not decided: only {whole(tally.get('received'))} of {eligible} votes were heard.",
        "cancelled": "Cancelled.",
        "failed": "Failed: the debate could not decide anything.",
    }.get(decision, paragraph(decision))
    short = ""
    if data.get("outcome") == "degraded":
        whole_vote = tally.get("received") == tally.get("eligible")
        short = " Degraded: other agents stood in." if whole_vote else " Degraded: not every seat could vote."
    unmet = data.get("reached") is False and decision in {"majority", "consensus"}
    return said + (" The rule asked for more." if unmet else "") + short


def _missing(data: Data) -> list[str]:
    return [
        f"{paragraph(gone.get('seat'))} {fault_of(gone)} ({round_of(gone.get('round'))}, {phase_of(gone.get('phase'))})"
        for gone in map(mapping, listing(data.get("missing")))
    ]


def _replaced(data: Data) -> list[str]:
    return [
        f"{paragraph(turn.get('agent'))} for {paragraph(turn.get('seat'))}, which {fault_of(turn)}"
        f" (round {whole(turn.get('round'))}, {phase_of(turn.get('phase'))})"
        for turn in map(mapping, listing(data.get("replaced")))
    ]


def _cost(data: Data) -> list[str]:
    """What the debate cost, if it cost anything; its sum is the last of the costs."""
    costs = [mapping(cost) for cost in listing(data.get("costs"))]
    total = costs[-1] if costs else {}
    paid, held = total.get("usd"), number(total.get("held_usd"))
    if not costs or (paid == 0 and not held):
        return []
    more = f", and at most {dollars(held)} more for calls that failed" if held else ""
    return [f"{dollars(paid)}{more}"]


def dollars(amount: object) -> str:
    """An amount of US dollars, with as many digits as tell something."""
    if not isinstance(amount, int | float):
        return "unknown"
    return f"${amount:.2f}" if amount >= 1 or not amount else f"${amount:.4f}"


def fault_of(data: Data) -> str:
    """Why a turn went unanswered, to follow the name of its seat."""
    return FAULTS.get(str(data.get("fault")), "did not answer")


def phase_of(phase: object) -> str:
    """A phase as something that is going on."""
    return PHASES.get(str(phase), clean(phase))


# Reading events without trusting their shape: they may come from another version of the server.


def data_of(event: Event) -> Data:
    """The data of an event; nothing if it has none."""
    return mapping(event.get("data"))


def mapping(value: object) -> Data:
    """A value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def listing(value: object) -> Sequence[object]:
    """A value if it is a list, else an empty one."""
    return value if isinstance(value, list | tuple) else ()


def number(value: object) -> float:
    """A value if it is a number, else 0."""
    return float(value) if isinstance(value, int | float) else 0.0


def whole(value: object) -> int:
    """A value as a whole number, else 0."""
    return int(number(value)) if isfinite(number(value)) else 0


def counts_of(tally: Data) -> dict[str, int]:
    """The votes for each seat, by name."""
    return {paragraph(seat): whole(votes) for seat, votes in mapping(tally.get("counts")).items()}


def _percent(confidence: object) -> str:
    return f" ({round(100 * number(confidence))} % sure)" if isinstance(confidence, int | float) else ""


def seat_names(data: Data) -> list[str]:
    """The names of the seats in a `debate_start`."""
    seats = [paragraph(mapping(seat).get("name")) for seat in listing(data.get("seats"))]
    return seats or [paragraph(name) for name in listing(data.get("agents"))]


def ballot_of(data: Data) -> str:
    """A choice and how sure it is."""
    ballot = mapping(data.get("ballot")) or data
    return f"{paragraph(ballot.get('choice'))}{_percent(ballot.get('confidence'))}"


class Lines:
    """One line or small block per event, without any control of the terminal: for pipes, files and `--plain`."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out
        self._turn: tuple[object, object] = (None, None)

    def show(self, event: Event) -> None:
        """Write what an event says; pieces of a running turn say nothing, since its whole message follows."""
        text = self._text(event)
        if text:
            out = self._out or sys.stdout
            out.write(text + "\n")
            out.flush()

    def _text(self, event: Event) -> str:
        data = data_of(event)
        match event.get("type"):
            case "debate_start":
                head = [f"Question: {paragraph(data.get('topic', data.get('task')))}", f"Seats: {', '.join(seat_names(data))}"]
                return "\n".join(_fold(line) for line in head)
            case "vote_cast" if data.get("kind") == "person":
                return _fold(f"A person votes for {ballot_of(data)}")
            case "agent_message" | "agent_abstained" | "vote_cast":
                return self._heading(data) + _fold(_message_line(data))
            case "round_complete":
                return f"{round_of(data.get('round')).capitalize()}: {tally_words(data)}"
            case "debate_end":
                return f"\nOutcome\n{summary(event)}"
            case _:
                return ""

    def _heading(self, data: Data) -> str:
        turn = (data.get("round"), data.get("phase"))
        before, self._turn = self._turn, turn
        return "" if turn == before else f"\n{round_of(turn[0]).capitalize()}, {phase_of(turn[1])}\n"


def _message_line(data: Data) -> str:
    seat = paragraph(data.get("seat", data.get("agent", data.get("voter"))))
    if data.get("abstention"):
        return f"{seat} abstains: it {fault_of(mapping(data.get('abstention')))}"
    if data.get("ballot") or data.get("kind") == "seat":
        reason = paragraph(data.get("content") or data.get("reasoning") or "")
        return f"{seat} votes for {ballot_of(data)}" + (f": {reason}" if reason else "")
    target = paragraph(data.get("target") or "")
    return f"{seat}{f' on {target}' if target else ''}: {paragraph(data.get('content'))}"


def tally_words(data: Data) -> str:
    """How the ballots of a round fell."""
    counts, eligible = counts_of(data), whole(data.get("eligible"))
    votes = ", ".join(f"{seat} {votes}" for seat, votes in counts.items()) or "no votes"
    end = "agreed" if data.get("reached") else "not agreed"
    return f"{votes}; {round(100 * number(data.get('agreement')))} % of {eligible} {'seat' if eligible == 1 else 'seats'}, {end}"


def _fold(line: str) -> str:
    return textwrap.fill(line, PLAIN_CELLS, subsequent_indent="  ", break_on_hyphens=False) if line else ""


def table(rows: Sequence[Sequence[object]], headers: Sequence[str], *, out: TextIO | None = None) -> None:
    """Write rows under headers: drawn on a terminal, aligned plain text when piped."""
    stream = out or sys.stdout
    cells = [[paragraph(cell) for cell in row] for row in rows]
    if stream.isatty():
        from rich.console import Console  # noqa: PLC0415 - rich takes its time to load, and plain output does not need it

        Console(file=stream, highlight=False).print(_drawn(rows, cells, headers))
        return
    widths = [max([_cells(header), *(_cells(row[place]) for row in cells)]) for place, header in enumerate(headers)]
    for row in [list(headers), *cells]:
        padded = (cell + " " * (width - _cells(cell)) for cell, width in zip(row, widths, strict=True))
        stream.write("  ".join(padded).rstrip() + "\n")
    stream.flush()


def _drawn(rows: Sequence[Sequence[object]], cells: Sequence[Sequence[str]], headers: Sequence[str]) -> "Table":
    from rich import box  # noqa: PLC0415 - see `table`
    from rich.table import Table  # noqa: PLC0415 - rich takes its time to load, and plain output does not need it
    from rich.text import Text  # noqa: PLC0415 - rich takes its time to load, and plain output does not need it

    drawn = Table(box=box.SIMPLE_HEAD)
    for place, header in enumerate(headers):
        numbers = bool(rows) and all(isinstance(row[place], int | float) for row in rows)
        drawn.add_column(header, justify="right" if numbers else "left", overflow="fold")
    for row in cells:
        drawn.add_row(*(Text(cell) for cell in row))
    return drawn


def _cells(text: str) -> int:
    """How many cells of a terminal a text takes: wide characters take two."""
    return sum(
        0 if unicodedata.combining(c) or c == JOINER else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
