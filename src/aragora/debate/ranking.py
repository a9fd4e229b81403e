"""From an outcome to matches, from matches to ratings. Imports `model` only."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from aragora.debate.model import Brief, Outcome

START = 1500.0
K = 32.0
SCALE = 400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A pairwise result between two different agents: `score` is 1 when `a` won, 0 when `b` won, 0.5 for neither."""

    a: str
    b: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a debate adds to the record of one agent."""

    agent: str
    elo: float = 0.0
    wins: int = 0
    losses: int = 0
    draws: int = 0


def matches(brief: Brief, outcome: Outcome) -> tuple[Match, ...]:
    """Compare the support of every two seats of different agents; nothing is compared where no seat won."""
    names = {seat.name for seat in brief.seats}
    if outcome.tally is None or not outcome.tally.received or outcome.winner not in names:
        return ()
    return compared(brief, outcome.tally.counts)


def compared(brief: Brief, votes: Mapping[str, int]) -> tuple[Match, ...]:
    """One result for every two seats of different agents, by the votes that each got: of the panel, or of people."""
    played = []
    for one, other in combinations(brief.seats, 2):
        if one.agent != other.agent:
            lead = votes.get(one.name, 0) - votes.get(other.name, 0)
            played.append(Match(a=one.agent, b=other.agent, score=0.5 if lead == 0 else float(lead > 0)))
    return tuple(played)


def brier(forecasts: Sequence[tuple[float, bool]]) -> float | None:
    """How well stated confidence foretold what happened: 0 is perfect, 0.25 is a coin; None without a forecast.

    What a ballot foretells is that its choice wins; with a person's verdict at hand, that this is the right choice.
    """
    if not forecasts:
        return None
    return sum((sure - happened) ** 2 for sure, happened in forecasts) / len(forecasts)


def changes(played: Sequence[Match], ratings: Mapping[str, float]) -> tuple[Change, ...]:
    """The changes that one debate makes to its agents' records.

    All its matches are judged from the ratings before it, and K is shared by the matches of the busiest agent, so that a debate
    of five moves a rating no further than a debate of two; what one agent gains the others lose.
    """
    games = Counter(name for match in played for name in (match.a, match.b))
    agents = sorted(games)
    share = K / max(games.values(), default=1)
    gained = dict.fromkeys(agents, 0.0)
    results: dict[str, list[float]] = {agent: [] for agent in agents}
    for match in played:
        delta = share * (match.score - expected(ratings.get(match.a, START), ratings.get(match.b, START)))
        gained[match.a] += delta
        gained[match.b] -= delta
        results[match.a].append(match.score)
        results[match.b].append(1 - match.score)
    return tuple(_change(agent, gained[agent], results[agent]) for agent in agents)


def expected(one: float, other: float) -> float:
    """The score that a rating predicts against another, 0 to 1."""
    return float(1 / (1 + 10 ** ((other - one) / SCALE)))


def _change(agent: str, elo: float, scores: Sequence[float]) -> Change:
    return Change(agent=agent, elo=elo, wins=scores.count(1.0), losses=scores.count(0.0), draws=scores.count(0.5))
