"""What protocols are made of: asking, voting, rounds, and drawing up the outcome. Imports siblings only.

A script yields either turns, and is sent one message for each, in order; or an event to record, and is sent nothing.
It returns the outcome. The same messages always lead to the same turns: that is what makes a crash cheap and a debate replayable.

Round 0 is the blind one: answers and a first vote before anybody has read a word of debate. Rounds 1 to n are the debate.
"""

from collections.abc import Callable, Generator, Iterable, Sequence

from aragora.debate.consensus import conclude
from aragora.debate.events import RoundCompleted
from aragora.debate.floor import Floor
from aragora.debate.model import Brief, Message, Outcome, Phase, Seat, Tally, Turn
from aragora.debate.stops import why_stop
from aragora.debate.tallies import count, stances
from aragora.debate.topology import readable

Step = Sequence[Turn] | RoundCompleted
Script = Generator[Step, Sequence[Message], Outcome]
Steps = Generator[Step, Sequence[Message], None]
Counting = Generator[Step, Sequence[Message], Tally]
# What happens in a round of debate before its vote.
Talk = Callable[[Brief, Floor, int], Steps]
# The phases whose texts are answers, and the parts that make them something else.
DECLARING = (Phase.PROPOSE, Phase.REVISE, Phase.SYNTHESISE)
NO_ANSWER = ("report", "estimate")


def ask(
    brief: Brief,
    number: int,
    phase: Phase,
    *,
    sees: Iterable[Message] = (),
    part: str = "",
    seats: Sequence[Seat] | None = None,
    positions: Sequence[str] | None = None,
) -> tuple[Turn, ...]:
    """Ask every seat, or some, to speak; each sees what its place in the topology lets it read."""
    texts = [m for m in sees if m.spoke]
    declared = tuple(positions or (brief.options if phase in DECLARING and part not in NO_ANSWER else ()))
    turns = []
    for seat in brief.seats if seats is None else seats:
        peers = readable(brief, number, seat)
        seen = tuple(m for m in texts if m.seat in peers)
        turns.append(Turn(round=number, phase=phase, seat=seat, sees=seen, part=part, positions=declared))
    return tuple(turns)


def opening(brief: Brief, floor: Floor, *, own: bool = True, part: str = "") -> Steps:
    """The blind round: every seat answers, then votes, before anybody has debated."""
    floor.answer((yield ask(brief, 0, Phase.PROPOSE)))
    if floor.answers:
        yield from vote(brief, floor, 0, own=own, part=part)


def vote(brief: Brief, floor: Floor, number: int, *, own: bool = True, part: str = "") -> Counting:
    """Ask for ballots on all standing answers, whatever the topology, and count them."""
    return (yield from cast(brief, floor, number, (yield polls(brief, floor, number, own=own, part=part))))


def polls(brief: Brief, floor: Floor, number: int, *, own: bool, part: str) -> tuple[Turn, ...]:
    """The turns of a vote. A seat whose own answer is the only one that it could choose has nothing to vote on."""
    own = own and brief.self_vote
    sees, turns = tuple(floor.answers.values()), []
    for seat in brief.seats:
        choices = tuple(name for name in floor.answers if own or name != seat.name)
        if choices:
            turns.append(Turn(round=number, phase=Phase.VOTE, seat=seat, sees=sees, choices=choices, part=part))
    return tuple(turns)


def cast(brief: Brief, floor: Floor, number: int, ballots: Sequence[Message]) -> Counting:
    """Count ballots and say how the round fell."""
    floor.vote(ballots, stances(brief, ballots, floor.answers))
    tally = count(brief, ballots, floor.answers)
    floor.count(tally)
    yield RoundCompleted(round=number, tally=tally)
    return tally


def debate(brief: Brief, floor: Floor, talk: Talk) -> Script:
    """Hold rounds of talk and vote until there is a reason to stop, then conclude."""
    number, stopped = 0, "" if floor.answers else "nobody"
    while not stopped:
        number += 1
        yield from talk(brief, floor, number)
        tally = yield from vote(brief, floor, number)
        stopped = why_stop(brief, floor, number, tally)
    turns = sum(1 for m in floor.heard if m.round == number)
    floor.saved_turns += (brief.rounds - number) * turns if number else 0
    return (yield from close(brief, floor, number, stopped))


def close(brief: Brief, floor: Floor, number: int, stopped: str) -> Script:
    """Let the judge, where the brief names one, choose between answers that lead together; then draw up the outcome."""
    tied = (floor.tally or count(brief, floor.ballots, floor.answers)).tied if floor.answers else ()
    verdict: Message | None = None
    if tied and brief.judge is not None:
        sees = tuple(floor.answers[name] for name in tied if name in floor.answers)
        (verdict,) = yield (Turn(round=number, phase=Phase.JUDGE, seat=brief.judge, sees=sees, choices=tied),)
        floor.hear([verdict])
    return conclude(brief, floor, rounds=number, stopped=stopped, verdict=verdict)


def recent(brief: Brief, floor: Floor, number: int) -> list[Message]:
    """The critiques of earlier rounds that are still shown in round `number`."""
    first = number - brief.history_rounds_max + 1
    return [m for m in floor.heard if m.phase is Phase.CRITIQUE and first <= m.round < number]
