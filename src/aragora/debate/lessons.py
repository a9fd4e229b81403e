"""What an ended debate teaches about its agents: who beat whom, whose confidence came true, who chose alike. Imports siblings.

All of it is sums over debates, so it can be added up in any order, taken back, and counted anew from the logs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from aragora.debate.model import Alike, Brief, Message, Outcome, Phase
from aragora.debate.ranking import Match, compared, matches
from aragora.debate.redecide import OTHERWISE
from aragora.debate.tallies import position, stances

# How many classes of confidence a calibration is counted in.
BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a blind ballot foretold: that its choice is the right one, and how sure it was."""

    agent: str
    sure: float
    right: bool

    @property
    def bin(self) -> int:
        """Its class of confidence, 0 to 9."""
        return min(int(self.sure * BINS), BINS - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A blind vote of two seats: whether they chose alike, and how likely that was by chance."""

    one: str
    other: str
    agreed: bool
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """All that one debate teaches; of what the panel decided, and of what people did."""

    panel: tuple[Match, ...] = ()
    people: tuple[Match, ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    forecasts_people: tuple[Forecast, ...] = ()
    shared: tuple[Shared, ...] = ()


def learn(brief: Brief, outcome: Outcome, heard: Sequence[Message], people: Mapping[str, int]) -> Lesson:
    """What a debate teaches; `people` is how many people chose each seat."""
    if brief.protocol.partition("@")[0] in OTHERWISE:
        return Lesson(people=compared(brief, people) if people else ())
    ballots = [m for m in heard if m.phase is Phase.VOTE and m.round == 0]
    answers = {m.seat: m for m in heard if m.phase is Phase.PROPOSE and m.spoke}
    chosen = stances(brief, ballots, answers)
    leaders = [seat for seat, votes in people.items() if votes == max(people.values()) and seat in answers]
    return Lesson(
        panel=matches(brief, outcome),
        people=compared(brief, people) if people else (),
        forecasts=_forecasts(brief, ballots, chosen, outcome.position or outcome.winner),
        forecasts_people=_forecasts(brief, ballots, chosen, _stand(leaders[0], answers) if len(leaders) == 1 else None),
        shared=_shared(brief, chosen, len({_stand(seat, answers) for seat in answers})),
    )


def _stand(seat: str, answers: Mapping[str, Message]) -> str:
    return position(seat, answers) or seat


def _forecasts(brief: Brief, ballots: Sequence[Message], chosen: Mapping[str, str], right: str | None) -> tuple[Forecast, ...]:
    """What each blind ballot that says how sure it is foretold; nothing where nothing was decided."""
    agents = {seat.name: seat.agent for seat in brief.seats}
    return tuple(
        Forecast(agent=agents[m.seat], sure=m.ballot.confidence, right=chosen[m.seat] == right)
        for m in ballots
        if right is not None and m.seat in chosen and m.ballot is not None and m.ballot.confidence is not None
    )


def _shared(brief: Brief, chosen: Mapping[str, str], options: int) -> tuple[Shared, ...]:
    """Every two seats that chose blind; nothing where there was but one thing to choose."""
    seats = [seat for seat in brief.seats if seat.name in chosen] if options > 1 else []
    return tuple(
        Shared(
            one=min(one.agent, other.agent),
            other=max(one.agent, other.agent),
            agreed=chosen[one.name] == chosen[other.name],
            chance=1 / options,
        )
        for one, other in combinations(seats, 2)
    )


def alike(one: str, other: str, *, votes: int, agreed: int, chance: float) -> Alike:
    """How alike two agents chose: agreement beyond chance, over `votes` votes of which chance alone gives `chance`."""
    beyond = (agreed - chance) / (votes - chance) if votes > chance else 0.0
    return Alike(one=one, other=other, phi=max(-1.0, beyond), votes=votes)
