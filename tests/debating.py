"""Builders for briefs, ballots and profiles, and a driver that runs a script without an engine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aragora.debate.events import RoundCompleted
from aragora.debate.floor import Floor
from aragora.debate.model import Abstention, Ballot, Brief, Fault, Message, Outcome, Phase, Seat, Turn
from aragora.debate.protocols import PROTOCOLS
from aragora.debate.rules import Election
from aragora.debate.tallies import stances

Say = Callable[[Turn], Message]


def a_brief(seats: int | Sequence[str] = 3, **fields: Any) -> Brief:
    """Build a brief of seats `a`, `b`, `c` ... or of the names given."""
    names = [chr(ord("a") + n) for n in range(seats)] if isinstance(seats, int) else seats
    return Brief(topic="Which?", seats=tuple(Seat(name=name, agent=f"{name}-vendor:{name}") for name in names), **fields)


def votes(*pairs: tuple[str, str], number: int = 1, **fields: Any) -> tuple[Message, ...]:
    """Build one ballot for each (voter, choice)."""
    ballots = [(voter, Ballot(choice=choice, **fields)) for voter, choice in pairs]
    return tuple(Message(round=number, phase=Phase.VOTE, seat=voter, ballot=ballot) for voter, ballot in ballots)


def answers_of(brief: Brief, positions: Mapping[str, str] | None = None) -> dict[str, Message]:
    """Build a standing answer for each seat, of its own position unless told otherwise."""
    said = positions or {}
    return {
        seat.name: Message(
            round=0, phase=Phase.PROPOSE, seat=seat.name, content=f"I say {seat.name}.", position=said.get(seat.name, "")
        )
        for seat in brief.seats
    }


def a_profile(*groups: tuple[int, str]) -> Election:
    """Build an election from counts and rankings, as in `a_profile((42, "MNCK"), (26, "NCKM"))`."""
    answers = tuple(sorted({letter for _, ranking in groups for letter in ranking}))
    ballots = [Ballot(choice=ranking[0], ranking=tuple(ranking)) for count, ranking in groups for _ in range(count)]
    return Election(answers=answers, ballots=tuple(ballots))


def a_floor(brief: Brief, *rounds: Mapping[str, str]) -> Floor:
    """Build what is heard when each voter chooses as given in vote after vote, the blind one first."""
    floor = Floor()
    floor.answer(list(answers_of(brief).values()))
    for number, chosen in enumerate(rounds):
        ballots = votes(*chosen.items(), number=number)
        floor.vote(ballots, stances(brief, ballots, floor.answers))
    return floor


def abstain(turn: Turn, fault: Fault = Fault.TIMEOUT) -> Message:
    """Leave a turn unanswered."""
    return Message(round=turn.round, phase=turn.phase, seat=turn.seat.name, abstention=Abstention(fault=fault))


def say(turn: Turn, content: str = "", **fields: Any) -> Message:
    """Answer a turn with a text, or with a ballot."""
    text = content or f"{turn.seat.name} {turn.phase} {turn.round}"
    return Message(round=turn.round, phase=turn.phase, seat=turn.seat.name, content=text, **fields)


def choose(turn: Turn, choice: str, **fields: Any) -> Message:
    """Answer a vote."""
    return say(turn, ballot=Ballot(choice=choice, **fields))


@dataclass
class Held:
    """A debate as it was driven: its outcome, every turn, what was said, and the events that the script recorded."""

    outcome: Outcome
    turns: list[Turn] = field(default_factory=list)
    heard: list[Message] = field(default_factory=list)
    rounds: list[RoundCompleted] = field(default_factory=list)


def hold(brief: Brief, speak: Say) -> Held:
    """Drive a script to its end with one function as all its agents."""
    script = PROTOCOLS[brief.protocol](brief)
    turns: list[Turn] = []
    heard: list[Message] = []
    rounds: list[RoundCompleted] = []
    try:
        step = next(script)
        while True:
            if isinstance(step, RoundCompleted):
                rounds.append(step)
                step = script.send(())
                continue
            said = [speak(turn) for turn in step]
            turns += step
            heard += said
            step = script.send(said)
    except StopIteration as ended:
        return Held(outcome=ended.value, turns=turns, heard=heard, rounds=rounds)


def loyal(turn: Turn) -> Message:
    """Answer plainly and vote for oneself, or for the first that may be chosen."""
    if turn.phase in (Phase.VOTE, Phase.JUDGE):
        return choose(turn, turn.seat.name if turn.seat.name in turn.choices else turn.choices[0])
    position = turn.positions[0] if turn.positions else "10" if turn.part == "estimate" else ""
    return say(turn, position=position)
