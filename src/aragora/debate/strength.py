"""The headline ranking: Bradley-Terry with ties (Davidson), fitted over all results at once. Imports `ranking` only.

The order of results does not matter, every strength has an interval and every agent a range of ranks. Results enter as counts per
pair, so a fit costs what the pairs cost, however many results there are; adding a result is one addition.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log, sqrt
from operator import mul

from aragora.debate.ranking import SCALE, START, Match

# Elo points per unit of log-odds, so that strengths read like ratings.
POINTS = SCALE / log(10)
# Pulls every strength towards the mean as this much information would; else whoever won every game were infinitely strong.
RIDGE = 0.05
STEPS_MAX = 50
PRECISION = 1e-9
Z_95 = 1.959964
# Below this many games an agent is listed without a rank.
GAMES_MIN = 10
# The tie parameter among the strengths of an earlier fit; no agent has this name.
TIE = ""


@dataclass(slots=True, order=True)
class Record:
    """Results between two agents, seen from the first; or all those of one."""

    won: int = 0
    lost: int = 0
    drawn: int = 0


@dataclass(slots=True)
class Results:
    """Every result there is, as counts per pair; `a` is the smaller name, so that each pair is one."""

    pairs: dict[tuple[str, str], Record] = field(default_factory=dict)

    def add(self, match: Match, count: int = 1) -> None:
        """Count one more result, or `count` equal ones."""
        pair, won, lost = ((match.a, match.b), 1.0, 0.0) if match.a < match.b else ((match.b, match.a), 0.0, 1.0)
        record = self.pairs.setdefault(pair, Record())
        record.won += count * (match.score == won)
        record.lost += count * (match.score == lost)
        record.drawn += count * (match.score not in (won, lost))

    def records(self) -> dict[str, Record]:
        """What each agent won, lost and drew over all its pairs."""
        found: dict[str, Record] = {}
        for (a, b), pair in self.pairs.items():
            for agent, won, lost in ((a, pair.won, pair.lost), (b, pair.lost, pair.won)):
                mine = found.setdefault(agent, Record())
                mine.won, mine.lost, mine.drawn = mine.won + won, mine.lost + lost, mine.drawn + pair.drawn
        return found

    @classmethod
    def of(cls, played: Iterable[Match]) -> "Results":
        """Count results in whatever order they come."""
        results = cls()
        for match in played:
            results.add(match)
        return results


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """How strong an agent is, on the scale of Elo around 1500, and how sure that is."""

    agent: str
    rating: float
    low: float  # of the 95 % interval
    high: float
    games: int
    rank_low: int  # the best place that the results allow
    rank_high: int  # the worst
    ranked: bool  # whether it has played enough for a rank to mean anything


@dataclass(frozen=True, slots=True)
class Fit:
    """The best strengths for some results, in units of log-odds, and how sure they are."""

    agents: tuple[str, ...]
    strengths: list[float]
    tie: float  # log of Davidson's tie parameter
    covariance: list[list[float]]  # robust: from how results really scatter
    posterior: list[list[float]]  # from how much the results tell: wide where they are few, however one-sided
    steps: int


@dataclass(frozen=True, slots=True)
class _Game:
    """One pair's counts with the places of its agents."""

    one: int
    other: int
    won: int
    lost: int
    drawn: int


def fit(results: Results, start: Mapping[str, float] | None = None) -> Fit:
    """Find the strengths under which the results are likeliest, by Newton's method; `start` are strengths of an earlier fit.

    The robust (sandwich) covariance also holds where the model is only nearly right, but calls two wins out of two a certainty;
    what is said of an agent is by the wider of the two.
    """
    agents = tuple(sorted({agent for pair in results.pairs for agent in pair}))
    place = {agent: n for n, agent in enumerate(agents)}
    # Sorted, so that sums are rounded in the same way whatever the order in which results came.
    games = [_Game(place[a], place[b], record.won, record.lost, record.drawn) for (a, b), record in sorted(results.pairs.items())]
    strengths = [(start or {}).get(agent, 0.0) for agent in agents]
    tie, steps, factor = (start or {}).get(TIE, 0.0), 0, list[list[float]]()
    for steps in range(1, STEPS_MAX + 1):  # noqa: B007 - how many it took is part of the result
        slopes = _slopes(games, strengths, tie)
        factor = _cholesky(slopes.information)
        step, bend = _solve(factor, slopes.gradient), _solve(factor, slopes.cross)
        # Newton's step in all of them at once: the tie parameter first, then the strengths as they follow from it.
        turn = (slopes.surplus - _dot(slopes.cross, step)) / (slopes.spread - _dot(slopes.cross, bend))
        step = [move - turn * follow for move, follow in zip(step, bend, strict=True)]
        longest = max(map(abs, (*step, turn)))
        scale = min(1.0, 1.0 / longest) if longest else 1.0
        strengths = [value + scale * move for value, move in zip(strengths, step, strict=True)]
        tie += scale * turn
        if longest < PRECISION:
            break
    inverse = [_solve(factor, [float(row == column) for column in range(len(agents))]) for row in range(len(agents))]
    return Fit(agents, strengths, tie, _sandwich(games, strengths, tie, inverse), _posterior(inverse), steps)


def _shares(game: _Game, strengths: Sequence[float], tie: float) -> tuple[float, float]:
    """How likely the first wins and how likely neither does."""
    gap = (strengths[game.one] - strengths[game.other]) / 2
    win, lose, draw = exp(gap), exp(-gap), exp(tie)
    total = win + lose + draw
    return win / total, draw / total


@dataclass(frozen=True, slots=True)
class _Slopes:
    """The gradient and information of the likelihood: in the strengths, in the tie parameter, and how they go together."""

    gradient: list[float]
    information: list[list[float]]
    cross: list[float]
    surplus: float
    spread: float


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return float(sum(map(mul, one, other)))


def _slopes(games: Sequence[_Game], strengths: Sequence[float], tie: float) -> _Slopes:
    count = len(strengths)
    gradient = [-RIDGE * value for value in strengths]
    information = [[0.0] * count for _ in range(count)]
    for place in range(count):
        information[place][place] = RIDGE
    cross, surplus, spread = [0.0] * count, -RIDGE * tie, RIDGE
    for game in games:
        total = game.won + game.lost + game.drawn
        win, draw = _shares(game, strengths, tie)
        mean = win + draw / 2
        slope = game.won + game.drawn / 2 - total * mean
        weight = total * (win + draw / 4 - mean * mean)
        gradient[game.one] += slope
        gradient[game.other] -= slope
        information[game.one][game.one] += weight
        information[game.other][game.other] += weight
        information[game.one][game.other] -= weight
        information[game.other][game.one] -= weight
        together = total * draw * (1 - draw - 2 * win) / 2
        cross[game.one] += together
        cross[game.other] -= together
        surplus += game.drawn - total * draw
        spread += total * draw * (1 - draw)
    return _Slopes(gradient, information, cross, surplus, spread)


def _sandwich(
    games: Sequence[_Game], strengths: Sequence[float], tie: float, inverse: Sequence[Sequence[float]]
) -> list[list[float]]:
    """Inverse information times what the results really scatter times inverse information."""
    count = len(strengths)
    scatter = [[0.0] * count for _ in range(count)]
    for game in games:
        win, draw = _shares(game, strengths, tie)
        mean = win + draw / 2
        weight = game.won * (1 - mean) ** 2 + game.lost * mean**2 + game.drawn * (0.5 - mean) ** 2
        for one, other, sign in ((game.one, game.one, 1), (game.other, game.other, 1), (game.one, game.other, -1)):
            scatter[one][other] += sign * weight
            if one != other:
                scatter[other][one] += sign * weight
    # Both are symmetric, so rows are columns.
    half = [[_dot(row, column) for column in scatter] for row in inverse]
    return [[_dot(row, column) for column in inverse] for row in half]


def _posterior(inverse: Sequence[Sequence[float]]) -> list[list[float]]:
    """The inverse information, without the level that all strengths share: results say nothing about it, the ridge alone does."""
    level = 1 / (RIDGE * len(inverse)) if inverse else 0.0
    return [[value - level for value in row] for row in inverse]


def _cholesky(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    """The lower triangle whose square is a positive definite matrix."""
    factor: list[list[float]] = []
    for row, values in enumerate(matrix):
        line: list[float] = []
        for column, above in enumerate(factor):
            line.append((values[column] - sum(map(mul, line, above))) / above[column])
        line.append(sqrt(values[row] - sum(map(mul, line, line))))
        factor.append(line)
    return factor


def _solve(factor: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Solve for a vector, given the factor of the matrix."""
    forward: list[float] = []
    for row, line in enumerate(factor):
        forward.append((right[row] - sum(map(mul, line, forward))) / line[row])
    for row in range(len(factor) - 1, -1, -1):
        line = factor[row]
        forward[row] = value = forward[row] / line[row]
        for column in range(row):
            forward[column] -= line[column] * value
    return forward


def leaderboard(results: Results, found: Fit, *, games_min: int = GAMES_MIN) -> tuple[Strength, ...]:
    """Agents by strength, best first, with intervals and the ranks that the results allow.

    Whom an agent's rank is compared with are those who have played enough; two agents are told apart when the interval of their
    difference leaves out 0, which is finer than comparing their two intervals.
    """
    games = {agent: record.won + record.lost + record.drawn for agent, record in results.records().items()}
    enough = [place for place, agent in enumerate(found.agents) if games[agent] >= games_min]
    rows = [_strength(found, place, games[agent], enough, games_min) for place, agent in enumerate(found.agents)]
    return tuple(sorted(rows, key=lambda row: (not row.ranked, -row.rating, row.agent)))


def _strength(found: Fit, place: int, games: int, rivals: Sequence[int], games_min: int) -> Strength:
    values, both = found.strengths, (found.covariance, found.posterior)
    spread = max(0.0, *(one[place][place] for one in both))
    rating, margin = START + POINTS * values[place], POINTS * Z_95 * sqrt(spread)
    better = worse = 0
    for rival in rivals:
        gap = values[rival] - values[place]
        variance = max(one[rival][rival] + one[place][place] - 2 * one[rival][place] for one in both)
        told_apart = gap * gap > Z_95 * Z_95 * variance
        better += told_apart and gap > 0
        worse += told_apart and gap < 0
    return Strength(
        agent=found.agents[place],
        rating=rating,
        low=rating - margin,
        high=rating + margin,
        games=games,
        rank_low=1 + better,
        rank_high=len(rivals) - worse,
        ranked=games >= games_min,
    )


def starting(found: Fit) -> dict[str, float]:
    """What the next fit may start from."""
    return {TIE: found.tie, **dict(zip(found.agents, found.strengths, strict=True))}
