"""What lies behind the ranking, over HTTP: calibration, who beat whom, strength over time. May import siblings, store."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import reply
from aragora.api.lists import list_of, listed
from aragora.api.query import Query
from aragora.api.records import agent_of
from aragora.debate.lessons import BINS
from aragora.store.ranks import Calibration
from aragora.store.sums import JUDGES, PANEL

MATRIX_MAX = 50
POINTS_MAX = 1440


class BinRow(msgspec.Struct):
    """A tenth of confidence: what was said in it, and how much of it came true. A calibrated agent has both alike."""

    low: float
    high: float
    count: int
    expected: float | None
    actual: float | None


class CalibrationCurve(msgspec.Struct):
    """How an agent's confidence came true, for a plot."""

    agent: str
    judged_by: str
    count: int
    buckets: list[BinRow]


class CalibrationRow(msgspec.Struct):
    """How well an agent's confidence foretold: Brier 0 is perfect, 0.25 is a coin; `bias` above 0 says too sure."""

    agent: str
    judged_by: str
    brier: float | None
    brier_score: float | None
    calibration_score: float | None
    ece: float | None
    bias: float | None
    accuracy: float | None
    forecasts: int
    total_predictions: int


class Cell(msgspec.Struct):
    """All results of one agent against another."""

    agent: str
    opponent: str
    matches: int
    wins: int
    losses: int
    draws: int
    win_rate: float


class Matrix(msgspec.Struct):
    """Who beat whom how often, among the first on the board; pairs that never met have no cell."""

    judged_by: str
    agents: list[str]
    cells: list[Cell]


class PointRow(msgspec.Struct):
    """A strength as it was fitted last in an hour in which the agent had played."""

    timestamp: str
    strength: float
    low: float
    high: float
    games: int


CalibrationList = list_of("CalibrationList", CalibrationRow, "agents", "rankings")
PointList = list_of("PointList", PointRow, "points", agent=str, judged_by=str)


def judge_of(query: Query) -> str:
    """Who is to have judged: the panel, unless the query names another."""
    judge = query.text("judged_by") or PANEL
    if judge not in JUDGES:
        query.wrong("judged_by", f"must be one of {', '.join(JUDGES)}")
    return judge


async def curve(parts: Parts, request: Request) -> Response:
    """An agent's confidence by tenths, beside what came true."""
    query = Query(request)
    judge = judge_of(query)
    query.done()
    name = await agent_of(parts, request.path_params["name"])
    found = {int(one.name): one for one in await parts.ranks.bins(judge, name)}
    rows = [_bin(place, found.get(place)) for place in range(BINS)]
    return reply(CalibrationCurve(agent=name, judged_by=judge, count=sum(row.count for row in rows), buckets=rows))


def _bin(place: int, one: Calibration | None) -> BinRow:
    return BinRow(
        low=place / BINS,
        high=(place + 1) / BINS,
        count=one.n if one else 0,
        expected=round(one.sure / one.n, 4) if one else None,
        actual=round(one.came / one.n, 4) if one else None,
    )


async def summary(parts: Parts, request: Request) -> Response:
    """How well an agent's confidence foretold, in a few figures; null where it never said how sure it was."""
    query = Query(request)
    judge = judge_of(query)
    query.done()
    name = await agent_of(parts, request.path_params["name"])
    bins = await parts.ranks.bins(judge, name)
    whole = Calibration(
        name=name,
        n=sum(one.n for one in bins),
        sure=sum(one.sure for one in bins),
        came=sum(one.came for one in bins),
        squares=sum(one.squares for one in bins),
    )
    row = _row(whole, judge)
    if whole.n:
        row.ece = round(sum(abs(one.sure - one.came) for one in bins) / whole.n, 4)
    return reply(row)


def _row(one: Calibration, judge: str) -> CalibrationRow:
    brier = round(one.squares / one.n, 4) if one.n else None
    return CalibrationRow(
        agent=one.name,
        judged_by=judge,
        brier=brier,
        brier_score=brier,
        calibration_score=None if brier is None else round(1 - brier, 4),
        ece=None,
        bias=round((one.sure - one.came) / one.n, 4) if one.n else None,
        accuracy=round(one.came / one.n, 4) if one.n else None,
        forecasts=one.n,
        total_predictions=one.n,
    )


async def calibrations(parts: Parts, request: Request) -> Response:
    """Agents by how well their confidence foretold, best first."""
    query = Query(request)
    limit, offset = query.page()
    judge = judge_of(query)
    query.done()
    found = await parts.ranks.calibrated(judge, limit=limit + 1, offset=offset)
    rows = [_row(one, judge) for one in found[:limit]]
    return listed(rows, "agents", "rankings", total=offset + len(found), limit=limit, offset=offset, has_more=len(found) > limit)


async def matrix(parts: Parts, request: Request) -> Response:
    """Who beat whom, among the first on the board."""
    query = Query(request)
    limit, judge = query.whole("limit", 20, low=2, high=MATRIX_MAX), judge_of(query)
    query.done()
    agents = [one.agent for one in await parts.ranks.board(judge, limit=limit)]
    results = await parts.ranks.results(judge, among=agents)
    cells = [
        Cell(
            agent=agent,
            opponent=opponent,
            matches=(total := won + lost + pair.drawn),
            wins=won,
            losses=lost,
            draws=pair.drawn,
            win_rate=round((won + pair.drawn / 2) / total, 4),
        )
        for (a, b), pair in sorted(results.pairs.items())
        for agent, opponent, won, lost in ((a, b, pair.won, pair.lost), (b, a, pair.lost, pair.won))
    ]
    return reply(Matrix(judged_by=judge, agents=agents, cells=cells))


async def history(parts: Parts, request: Request) -> Response:
    """An agent's strength over time, oldest first."""
    query = Query(request)
    limit, judge = query.whole("limit", 100, low=1, high=POINTS_MAX), judge_of(query)
    query.done()
    name = await agent_of(parts, request.path_params["name"])
    rows = [
        PointRow(
            timestamp=one.hour,
            strength=round(one.strength, 1),
            low=round(one.low, 1),
            high=round(one.high, 1),
            games=one.games,
        )
        for one in reversed(await parts.ranks.history(judge, name, limit=limit))
    ]
    return listed(rows, "points", total=len(rows), limit=limit, agent=name, judged_by=judge)
