"""Protocols: each one a pure generator that asks for turns and is sent what was said. Imports siblings only.

A script yields either turns, and is sent one message for each, in order; or an event to record, and is sent nothing.
It returns the outcome. The same messages always lead to the same turns: that is what makes a crash cheap and a debate replayable.
A name carries a version; changing what a protocol asks makes a new version, so that old debates still replay.
"""

from collections.abc import Callable, Generator, Sequence

from aragora.debate.consensus import conclude, count
from aragora.debate.events import RoundCompleted
from aragora.debate.model import Brief, Message, Outcome, Phase, Turn

Script = Generator[Sequence[Turn] | RoundCompleted, Sequence[Message], Outcome]
Protocol = Callable[[Brief], Script]


def critique(brief: Brief) -> Script:
    """Answer blind; then each round critique, revise and vote, until the rule is met or the last round is over."""
    heard = list((yield ask(brief, 1, Phase.PROPOSE)))
    answers = {m.seat: m for m in heard if m.spoke}
    ballots: Sequence[Message] = ()
    number, stopped = 1, "nobody"
    for number in range(1, brief.rounds + 1):
        if not answers:
            break
        critiques = yield ask(brief, number, Phase.CRITIQUE, sees=[*answers.values()])
        revisions = yield ask(brief, number, Phase.REVISE, sees=[*recent(brief, heard, number), *answers.values(), *critiques])
        answers |= {m.seat: m for m in revisions if m.spoke}
        ballots = yield ask(brief, number, Phase.VOTE, sees=[*answers.values()], choices=[*answers])
        heard += [*critiques, *revisions, *ballots]
        tally = count(brief, ballots)
        yield RoundCompleted(round=number, tally=tally)
        stopped = "agreement" if tally.reached else "rounds"
        if tally.reached:
            break
    return conclude(brief, answers=answers, ballots=ballots, heard=heard, rounds=number, stopped=stopped)


def vote_only(brief: Brief) -> Script:
    """Answer blind, then vote once on the answers: the cheapest panel, and the one that debate has to beat."""
    proposals = yield ask(brief, 1, Phase.PROPOSE)
    answers = {m.seat: m for m in proposals if m.spoke}
    ballots: Sequence[Message] = ()
    if answers:
        ballots = yield ask(brief, 1, Phase.VOTE, sees=[*answers.values()], choices=[*answers])
        yield RoundCompleted(round=1, tally=count(brief, ballots))
    return conclude(brief, answers=answers, ballots=ballots, heard=[*proposals, *ballots], rounds=1, stopped="rounds")


def ask(
    brief: Brief, number: int, phase: Phase, *, sees: Sequence[Message] = (), choices: Sequence[str] = ()
) -> tuple[Turn, ...]:
    """Ask every seat to speak, each seeing the same messages."""
    seen, standing = tuple(m for m in sees if m.spoke), tuple(choices)
    return tuple(Turn(round=number, phase=phase, seat=seat, sees=seen, choices=standing) for seat in brief.seats)


def recent(brief: Brief, heard: Sequence[Message], number: int) -> list[Message]:
    """The critiques of earlier rounds that are still shown in round `number`."""
    first = number - brief.history_rounds_max + 1
    return [m for m in heard if m.phase is Phase.CRITIQUE and first <= m.round < number]


PROTOCOLS: dict[str, Protocol] = {"critique@1": critique, "vote_only@1": vote_only}
DEFAULT = "critique"


def latest(name: str) -> str | None:
    """The versioned name that a plain one stands for today; a versioned name stands for itself; None if there is none."""
    if name in PROTOCOLS:
        return name
    versions = [known for known in PROTOCOLS if known.partition("@")[0] == name]
    return max(versions, key=lambda known: int(known.partition("@")[2]), default=None)
