"""Queries about who met whom, from the matches that decided debates left. May import `debate`, errors and its siblings."""

from dataclasses import dataclass

from aragora.store import Database, Row, Value
from aragora.store.records import Reader
from aragora.store.seen import seen

COLUMNS = (
    "SELECT m.debate_id, m.place, m.a, m.b, m.score, m.created_at, d.topic FROM matches m JOIN debates d ON d.id = m.debate_id "
    "WHERE 1 = 1"
)
COUNT = "SELECT COUNT(*) FROM matches m"
COUNT_SEEN = "SELECT COUNT(*) FROM matches m JOIN debates d ON d.id = m.debate_id WHERE 1 = 1"
NEWEST = " ORDER BY m.created_at DESC, m.debate_id, m.place LIMIT :limit OFFSET :offset"
OF_AGENT = " AND (m.a = :agent OR m.b = :agent)"
BETWEEN = " AND ((m.a = :agent AND m.b = :other) OR (m.a = :other AND m.b = :agent))"
ONE = " AND m.debate_id = :debate_id AND m.place = :place"
# Each opponent of an agent with the score that the agent has against it.
OPPONENTS = """
SELECT other, COUNT(*), SUM(score), SUM(CASE WHEN score > 0.5 THEN 1 ELSE 0 END), SUM(CASE WHEN score < 0.5 THEN 1 ELSE 0 END)
FROM (
  SELECT b AS other, score FROM matches WHERE a = :agent
  UNION ALL
  SELECT a AS other, 1 - score AS score FROM matches WHERE b = :agent
) met GROUP BY other ORDER BY COUNT(*) DESC, other LIMIT :limit
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """A match between two agents; `score` is that of `a`."""

    debate_id: str
    place: int
    a: str
    b: str
    score: float
    at: str
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opponent:
    """How an agent did against another one."""

    agent: str
    matches: int
    score: float
    wins: int
    losses: int


class Matches:
    """Matches, on one database."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._db = database

    async def recent(self, *, limit: int, offset: int, reader: Reader | None) -> list[Played]:
        """Matches of everybody, newest first."""
        return await self._select("", NEWEST, {"limit": limit, "offset": offset}, reader)

    async def of(self, agent: str, *, limit: int, offset: int, reader: Reader | None) -> list[Played]:
        """Matches of one agent, newest first."""
        return await self._select(OF_AGENT, NEWEST, {"agent": agent, "limit": limit, "offset": offset}, reader)

    async def between(self, agent: str, other: str, *, limit: int, reader: Reader | None) -> list[Played]:
        """Matches of two agents against each other, newest first."""
        params: dict[str, Value] = {"agent": agent, "other": other, "limit": limit, "offset": 0}
        return await self._select(BETWEEN, NEWEST, params, reader)

    async def one(self, debate_id: str, place: int, reader: Reader | None) -> list[Played]:
        """A match by its place in its debate; empty when there is none."""
        return await self._select(ONE, "", {"debate_id": debate_id, "place": place}, reader)

    async def total(self, agent: str = "", *, reader: Reader | None = None) -> int:
        """How many matches there were, of everybody or of one agent; for a reader, of those that it may see."""
        params: dict[str, Value] = {"agent": agent}
        within = seen(reader, params, "d")
        query = (COUNT_SEEN if agent or within else COUNT) + (OF_AGENT if agent else "") + within
        return int(str((await self._db.read(query, params))[0][0]))

    async def opponents(self, agent: str, *, limit: int) -> list[Opponent]:
        """Whom an agent met, most often first."""
        rows = await self._db.read(OPPONENTS, {"agent": agent, "limit": limit})
        return [
            Opponent(agent=str(name), matches=int(str(n)), score=float(str(score)), wins=int(str(won)), losses=int(str(lost)))
            for name, n, score, won, lost in rows
        ]

    async def _select(self, where: str, order: str, params: dict[str, Value], reader: Reader | None) -> list[Played]:
        query = COLUMNS + where + seen(reader, params, "d") + order
        return [_played(row) for row in await self._db.read(query, params)]


def _played(row: Row) -> Played:
    debate_id, place, a, b, score, at, topic = row
    return Played(
        debate_id=str(debate_id),
        place=int(str(place)),
        a=str(a),
        b=str(b),
        score=float(str(score)),
        at=str(at),
        topic=str(topic),
    )
