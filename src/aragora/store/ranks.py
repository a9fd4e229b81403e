"""Queries about the ranking: what ended debates taught, the strengths fitted over it. May import `debate`, errors, siblings.

A debate is counted once: its lesson is written on its row by the statement that guards the sums. A fit is kept only over an older
one. So any number of processes may count and fit, and nothing depends on which of them does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from aragora.debate.lessons import Lesson, alike
from aragora.debate.model import Alike, Brief, Outcome, held_by_person
from aragora.debate.ranking import START
from aragora.debate.strength import Record, Results, Strength
from aragora.store import Database, Row, Statement, Value
from aragora.store.records import Standing
from aragora.store.sums import CHANGED, PANEL, TABLES, Sums

UNCOUNTED = """
SELECT id, brief, outcome, lesson FROM debates WHERE lesson IS NULL AND ended_at IS NOT NULL ORDER BY ended_at, id LIMIT :limit
"""
COUNTED = """
SELECT id, brief, outcome, lesson FROM debates WHERE lesson IS NOT NULL AND id > :after ORDER BY id LIMIT :limit
"""
COUNT = """
UPDATE debates SET lesson = :lesson WHERE id = :id AND lesson IS NULL AND ended_at IS NOT NULL RETURNING last_seq AS seq
"""
RELEARN = "UPDATE debates SET lesson = :lesson WHERE id = :id"
# Changes of both judges are one number, so one row stands for both.
UNCHANGED = "UPDATE fits SET changed = changed + 1 WHERE judge = 'panel' AND changed = :changes RETURNING changed AS seq"
BEHIND = "SELECT judge FROM fits WHERE fitted < changed ORDER BY judge"
CLAIM = """
UPDATE fits SET claimed_at = :at WHERE judge = :judge AND fitted < changed AND claimed_at <= :before RETURNING changed AS seq
"""
KEEP = "UPDATE fits SET fitted = :known WHERE judge = :judge AND fitted < :known RETURNING fitted AS seq"
ADD = """
INSERT INTO strengths
  (judge, agent, place, strength, low, high, wins, losses, draws, rank_low, rank_high, ranked, brier, forecasts)
SELECT :judge, :agent, :place, :strength, :low, :high, :wins, :losses, :draws, :rank_low, :rank_high, :ranked,
  SUM(squares) / SUM(n), COALESCE(SUM(n), 0)
FROM forecasts WHERE judge = :judge AND agent = :agent AND n > 0
"""
ADD_HISTORY = """
INSERT INTO strength_history (judge, agent, hour, strength, low, high, games)
VALUES (:judge, :agent, :hour, :strength, :low, :high, :games)
ON CONFLICT (judge, agent, hour) DO UPDATE SET
  strength = excluded.strength, low = excluded.low, high = excluded.high, games = excluded.games
"""
FORGET_HISTORY = "DELETE FROM strength_history WHERE judge = :judge AND hour < :oldest"
FITTED = "s.strength, s.low, s.high, s.wins, s.losses, s.draws, s.rank_low, s.rank_high, s.ranked, s.brier, s.forecasts"
RATED = "COALESCE(r.wins, 0), COALESCE(r.losses, 0), COALESCE(r.draws, 0), COALESCE(r.debates, 0)"
# The panel's board has everybody who has played, as last committed; the people's has those whom people compared.
BY_PANEL = (
    f"SELECT r.agent, r.elo, {RATED}, {FITTED} FROM ratings r "  # noqa: S608 - constants
    "LEFT JOIN strengths s ON s.judge = 'panel' AND s.agent = r.agent"
)
BY_PEOPLE = (
    f"SELECT s.agent, r.elo, s.wins, s.losses, s.draws, COALESCE(r.debates, 0), {FITTED} "  # noqa: S608 - constants
    "FROM strengths s LEFT JOIN ratings r ON r.agent = s.agent WHERE s.judge = 'people'"
)
PLACED = " ORDER BY COALESCE(s.place, 1000000000), r.elo DESC, r.agent LIMIT :limit OFFSET :offset"
PLACED_BY_PEOPLE = " ORDER BY s.place LIMIT :limit OFFSET :offset"
TOTALS = {
    "panel": "SELECT COUNT(*) FROM ratings",
    "people": "SELECT COUNT(*) FROM strengths WHERE judge = 'people'",
}
BINS = "SELECT bin, n, sure, came, squares FROM forecasts WHERE judge = :judge AND agent = :agent AND n > 0 ORDER BY bin"
CALIBRATED = """
SELECT agent, SUM(n), SUM(sure), SUM(came), SUM(squares) FROM forecasts WHERE judge = :judge AND n > 0
GROUP BY agent ORDER BY SUM(squares) / SUM(n), agent LIMIT :limit OFFSET :offset
"""
HISTORY = """
SELECT hour, strength, low, high, games FROM strength_history
WHERE judge = :judge AND agent = :agent ORDER BY hour DESC LIMIT :limit
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A debate that has ended, as it is counted."""

    id: str
    brief: Brief
    outcome: Outcome
    lesson: str  # as it was counted; empty: it was not yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Ballots that said how sure they were: how many, the sum of that, how many came true, and the sum of squared errors."""

    name: str  # of the agent, or of the tenth
    n: int
    sure: float
    came: int
    squares: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A strength as it was fitted last in an hour."""

    hour: str
    strength: float
    low: float
    high: float
    games: int


class Ranks:
    """The ranking, on one database."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._db = database

    async def uncounted(self, *, limit: int) -> list[Ended]:
        """Debates that have ended and taught nothing yet, in the order in which they ended."""
        return [_ended(row) for row in await self._db.read(UNCOUNTED, {"limit": limit})]

    async def counted(self, *, after: str, limit: int) -> list[Ended]:
        """Debates that were counted, in order of id."""
        return [_ended(row) for row in await self._db.read(COUNTED, {"after": after, "limit": limit})]

    async def count(self, debate_id: str, lesson: Lesson) -> bool:
        """Add what a debate teaches; false when it was added before, or is gone."""
        guard = Statement(COUNT, {"id": debate_id, "lesson": text_of(lesson)})
        return bool(await self._db.write([guard, *Sums.of([lesson]).written()]))

    async def changes(self) -> int:
        """How often the sums changed."""
        return int(str((await self._db.read("SELECT changed FROM fits WHERE judge = 'panel'", {}))[0][0]))

    async def replace(self, sums: Sums, lessons: Mapping[str, str], *, changes: int) -> bool:
        """Put these sums, and these lessons of debates, in the place of what was kept; false if that changed since."""
        work = [Statement(f"DELETE FROM {table}", {}) for table in TABLES]  # noqa: S608 - our own names
        rewritten = [Statement(RELEARN, {"id": debate_id, "lesson": lesson}) for debate_id, lesson in lessons.items()]
        guard = Statement(UNCHANGED, {"changes": changes})
        return bool(await self._db.write([guard, *work, *sums.written(), *rewritten, Statement(CHANGED, {})]))

    async def sums(self) -> list[list[Row]]:
        """Every sum that is kept, in order; for comparing."""
        return [sorted(await self._db.read(f"SELECT * FROM {table}", {}), key=str) for table in TABLES]  # noqa: S608 - our own names

    async def results(self, judge: str, among: Sequence[str] | None = None) -> Results:
        """Every result, as counts per pair; or those among some agents."""
        found, params = Results(), dict[str, Value]({"judge": judge})
        query = "SELECT a, b, won, lost, drawn FROM pairs WHERE judge = :judge AND won + lost + drawn > 0"
        if among is not None:
            names = _listed(among, params)
            query += f" AND a IN ({names}) AND b IN ({names})"
        for a, b, *counts in await self._db.read(query, params):
            won, lost, drawn = (int(str(count)) for count in counts)
            found.pairs[str(a), str(b)] = Record(won=won, lost=lost, drawn=drawn)
        return found

    async def behind(self) -> list[str]:
        """The judges whose results changed since the last fit."""
        return [str(row[0]) for row in await self._db.read(BEHIND, {})]

    async def claim(self, judge: str, *, at: str, before: str) -> int | None:
        """Begin a fit, unless one was begun after `before` or none is due; the number of changes that it has to know."""
        rows = await self._db.write([Statement(CLAIM, {"judge": judge, "at": at, "before": before})])
        return int(str(rows[0][0])) if rows else None

    async def keep(
        self, judge: str, known: int, rows: Sequence[Strength], records: Mapping[str, Record], *, hour: str, oldest: str
    ) -> bool:
        """Serve a fit that knows so many changes; false when a newer one is served. Who has played has a point in its history."""
        games = {str(a): int(str(n)) for a, n in await self._db.read(GAMES, {"judge": judge})}
        work = [Statement(KEEP, {"judge": judge, "known": known})]
        work.append(Statement("DELETE FROM strengths WHERE judge = :judge", {"judge": judge}))
        for place, row in enumerate(rows, 1):
            fitted: dict[str, Value] = {
                "judge": judge,
                "agent": row.agent,
                "strength": row.rating,
                "low": row.low,
                "high": row.high,
            }
            mine = records[row.agent]
            more = {"place": place, "wins": mine.won, "losses": mine.lost, "draws": mine.drawn, "ranked": int(row.ranked)}
            work.append(Statement(ADD, {**fitted, **more, "rank_low": row.rank_low, "rank_high": row.rank_high}))
            if games.get(row.agent) != row.games:
                work.append(Statement(ADD_HISTORY, {**fitted, "hour": hour, "games": row.games}))
        work.append(Statement(FORGET_HISTORY, {"judge": judge, "oldest": oldest}))
        return bool(await self._db.write(work))

    async def board(self, judge: str = PANEL, *, limit: int, offset: int = 0) -> list[Standing]:
        """Agents by strength, those who have played enough first."""
        query = BY_PANEL + PLACED if judge == PANEL else BY_PEOPLE + PLACED_BY_PEOPLE
        return [_standing(row) for row in await self._db.read(query, {"limit": limit, "offset": offset}, late=True)]

    async def total(self, judge: str = PANEL) -> int:
        """How many agents that board has."""
        return int(str((await self._db.read(TOTALS[judge], {}))[0][0]))

    async def standing(self, agent: str) -> list[Standing]:
        """One agent on the panel's board; empty when it has played no match."""
        return [_standing(row) for row in await self._db.read(BY_PANEL + " WHERE r.agent = :agent", {"agent": agent})]

    async def bins(self, judge: str, agent: str) -> list[Calibration]:
        """How an agent's confidence came true, by tenths."""
        return [_calibration(row) for row in await self._db.read(BINS, {"judge": judge, "agent": agent})]

    async def calibrated(self, judge: str, *, limit: int, offset: int = 0) -> list[Calibration]:
        """Agents by how well their confidence foretold, best first."""
        rows = await self._db.read(CALIBRATED, {"judge": judge, "limit": limit, "offset": offset})
        return [_calibration(row) for row in rows]

    async def history(self, judge: str, agent: str, *, limit: int) -> list[Point]:
        """An agent's strength as it was, newest first."""
        rows = await self._db.read(HISTORY, {"judge": judge, "agent": agent, "limit": limit})
        names = ("hour", "strength", "low", "high", "games")
        return [msgspec.convert(dict(zip(names, row, strict=True)), Point) for row in rows]

    async def alike(self, agents: Sequence[str]) -> tuple[Alike, ...]:
        """How alike these agents chose in earlier blind votes, for every two of them that met. People are not measured."""
        agents = [agent for agent in agents if not held_by_person(agent)]
        names: dict[str, Value] = {}
        among = _listed(agents, names)
        query = (
            f"SELECT one, other, votes, agreed, chance FROM shared WHERE one IN ({among}) AND other IN ({among}) AND votes > 0"  # noqa: S608
        )
        rows = await self._db.read(query + " ORDER BY one, other", names)
        return tuple(
            alike(str(one), str(other), votes=int(str(votes)), agreed=int(str(agreed)), chance=float(str(chance)))
            for one, other, votes, agreed, chance in rows
        )


def _listed(agents: Sequence[str], params: dict[str, Value]) -> str:
    """The places of some names in a list, whose values go into `params`; never empty."""
    named = {f"agent{place}": name for place, name in enumerate(sorted({*agents, ""}))}
    params |= named
    return ", ".join(f":{name}" for name in named)


def text_of(lesson: Lesson) -> str:
    """A lesson as it is kept on its debate."""
    return msgspec.json.encode(lesson).decode()


GAMES = "SELECT agent, wins + losses + draws FROM strengths WHERE judge = :judge"
_briefs = msgspec.json.Decoder(Brief)
_outcomes = msgspec.json.Decoder(Outcome)


def _ended(row: Row) -> Ended:
    debate_id, brief, outcome, lesson = (str(value) for value in row)
    return Ended(id=debate_id, brief=_briefs.decode(brief), outcome=_outcomes.decode(outcome), lesson=lesson)


def _calibration(row: Row) -> Calibration:
    name, n, sure, came, squares = (str(value) for value in row)
    return Calibration(name=name, n=int(float(n)), sure=float(sure), came=int(float(came)), squares=float(squares))


def _standing(row: Row) -> Standing:
    agent, elo, wins, losses, draws, debates, *fitted = row
    whole = [int(str(value)) for value in (wins, losses, draws, debates)]
    return Standing(
        agent=str(agent),
        elo=START if elo is None else float(str(elo)),
        wins=whole[0],
        losses=whole[1],
        draws=whole[2],
        debates=whole[3],
        strength=None if fitted[0] is None else _strength(str(agent), fitted),
        brier=None if fitted[9] is None else float(str(fitted[9])),
        forecasts=int(str(fitted[10] or 0)),
    )


def _strength(agent: str, fitted: Sequence[Value]) -> Strength:
    strength, low, high = (float(str(value)) for value in fitted[:3])
    won, lost, drawn, rank_low, rank_high, ranked = (int(str(value)) for value in fitted[3:9])
    return Strength(
        agent=agent,
        rating=strength,
        low=low,
        high=high,
        games=won + lost + drawn,
        rank_low=rank_low,
        rank_high=rank_high,
        ranked=bool(ranked),
    )
