"""Protocols in which nobody chooses between the seats' answers: two sides before a jury; estimates. Imports siblings only."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from statistics import median, quantiles

from aragora.debate.costs import NOTHING
from aragora.debate.floor import Floor
from aragora.debate.model import Ballot, Brief, Message, Phase, Seat, Turn
from aragora.debate.script import Script, Step, ask, cast, close

SIDES = ("pro", "con")
UNDECIDED = "undecided"
# Estimates this close to the median, as a share of it, stand for the median.
TOLERANCE = 0.1

# The last text of each side of a leg, and the side that each juror chose.
Leg = tuple[dict[str, Message], dict[str, str]]


def pro_con(brief: Brief) -> Script:
    """Two seats argue for and against the statement, then swap sides; a jury hears both legs.

    A juror who follows the seat instead of the side has said nothing about the statement: its vote counts as undecided. The jury
    is everybody else; where there is nobody else, the judge, and without one the two themselves. Always two rounds, one a leg.
    """
    jury = brief.seats[len(SIDES) :] or ((brief.judge,) if brief.judge is not None else brief.seats)
    seated = replace(brief, seats=jury, self_vote=True, judge=None)
    floor = Floor()
    floor.answer((yield ask(seated, 0, Phase.PROPOSE, positions=SIDES)))
    yield from cast(seated, floor, 0, implied(floor.answers, 0))
    legs: list[Leg] = []
    for number in (1, 2):
        legs.append((yield from _leg(brief, floor, number, jury)))
        floor.answers = _strongest(legs)
        yield from cast(seated, floor, number, _verdicts(legs, number))
    return (yield from close(seated, floor, len(legs), "rounds"))


def _leg(brief: Brief, floor: Floor, number: int, jury: Sequence[Seat]) -> Generator[Step, Sequence[Message], Leg]:
    """Both sides speak, both reply, the jury chooses."""
    debaters = brief.seats[: len(SIDES)][:: 1 if number == 1 else -1]
    said: dict[str, Message] = {}
    for phase in (Phase.PROPOSE, Phase.REVISE):
        sees = tuple(said.values())
        asked = dict(zip(SIDES, debaters, strict=False))
        spoken = yield tuple(Turn(round=number, phase=phase, seat=seat, sees=sees, part=side) for side, seat in asked.items())
        floor.hear(spoken)
        said |= {side: replace(m, position=side) for side, m in zip(asked, spoken, strict=True) if m.spoke}
    if not said:
        return {}, {}
    sides = {m.seat: side for side, m in said.items()}
    sees, choices = tuple(said.values()), tuple(sides)
    ballots = yield tuple(Turn(round=number, phase=Phase.VOTE, seat=seat, sees=sees, choices=choices) for seat in jury)
    floor.hear(ballots)
    return said, {m.seat: sides[m.ballot.choice] for m in ballots if m.ballot is not None}


def _strongest(legs: Sequence[Leg]) -> dict[str, Message]:
    """For each side, its text of the leg in which it won more of the jury."""
    best: dict[str, Message] = {}
    for side in SIDES:
        texts = [(list(chosen.values()).count(side), said[side]) for said, chosen in legs if side in said]
        if texts:
            best[side] = max(texts, key=lambda text: text[0])[1]
    return best


def _verdicts(legs: Sequence[Leg], number: int) -> tuple[Message, ...]:
    """Each juror's side over the legs so far; undecided where it changed with the seats, and nothing where it missed a leg."""
    chosen = [leg[1] for leg in legs]
    seats = [seat for seat in chosen[0] if all(seat in leg for leg in chosen)]
    sides = {seat: {leg[seat] for leg in chosen} for seat in seats}
    held = {seat: min(found) if len(found) == 1 else UNDECIDED for seat, found in sides.items()}
    return tuple(_derived(number, seat, Ballot(choice=side)) for seat, side in held.items())


def _derived(number: int, seat: str, ballot: Ballot) -> Message:
    """A ballot that follows from what a seat said: it took no call, so it cost nothing."""
    return Message(round=number, phase=Phase.VOTE, seat=seat, ballot=ballot, usage=NOTHING)


def delphi(brief: Brief) -> Script:
    """Estimate a number blind; then each round read the panel's median, spread and reasons, and estimate again.

    Nobody votes: an estimate within a tenth of the median stands for the median, any other for itself.
    """
    floor = Floor()
    counting = replace(brief, self_vote=True, options=())
    floor.answer((yield ask(brief, 0, Phase.PROPOSE, part="estimate")))
    number, stopped = 0, "" if floor.answers else "nobody"
    said = dict(floor.answers)
    floor.answers = _around(said)
    yield from cast(counting, floor, 0, implied(floor.answers, 0))
    while not stopped:
        number += 1
        before = said
        sees = [_summary(said, number), *said.values()]
        revised = yield tuple(
            Turn(round=number, phase=Phase.REVISE, seat=seat, sees=tuple(sees), part="estimate") for seat in brief.seats
        )
        floor.hear(revised)
        said = said | {m.seat: m for m in revised if m.spoke}
        floor.answers = _around(said)
        yield from cast(counting, floor, number, implied(floor.answers, number))
        stopped = _why_stop(brief, floor, number, moved=_numbers(before) != _numbers(said))
    return (yield from close(counting, floor, number, stopped))


def _why_stop(brief: Brief, floor: Floor, number: int, *, moved: bool) -> str:
    if len({m.position for m in floor.answers.values()}) == 1:
        return "converged"
    if number >= brief.rounds:
        return "rounds"
    return "" if moved else "nothing_new"


def _numbers(said: Mapping[str, Message]) -> dict[str, float]:
    return {seat: float(m.position) for seat, m in said.items()}


def _around(said: Mapping[str, Message]) -> dict[str, Message]:
    """The answers, those close to the median standing for it."""
    if not said:
        return {}
    numbers = _numbers(said)
    middle = median(numbers.values())
    near = {seat for seat, number in numbers.items() if abs(number - middle) <= TOLERANCE * abs(middle)}
    return {seat: replace(m, position=f"{middle:.12g}") if seat in near else m for seat, m in said.items()}


def _summary(said: Mapping[str, Message], number: int) -> Message:
    """What the panel as a whole said, as a text of no seat."""
    numbers = list(_numbers(said).values())
    first, middle, last = quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else numbers * 3
    content = f"{len(numbers)} estimates. Median {middle:.6g}; half of them lie between {first:.6g} and {last:.6g}."
    return Message(round=number, phase=Phase.SYNTHESISE, seat="", content=content, usage=NOTHING)


def implied(answers: Mapping[str, Message], number: int) -> tuple[Message, ...]:
    """The ballots of seats that stand for their own answers, where nobody is asked to choose."""
    ballots = {seat: Ballot(choice=seat) for seat in answers}
    return tuple(_derived(number, seat, ballot) for seat, ballot in ballots.items())
