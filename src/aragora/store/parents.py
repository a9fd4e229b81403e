"""The request that a debate was asked for in, so that whoever runs it goes on in that trace. Imports the port.

Written only while traces are sent, in the transaction that stores the debate; gone when the debate has ended.
"""

from aragora.store import Database, Statement

KEEP = "INSERT INTO parents (debate_id, traceparent) VALUES (:id, :traceparent)"
FIND = "SELECT traceparent FROM parents WHERE debate_id = :id"
FORGET = "DELETE FROM parents WHERE debate_id = :id RETURNING debate_id AS seq"


def under(debate_id: str, traceparent: str) -> Statement:
    """What notes under which span a debate is asked for."""
    return Statement(KEEP, {"id": debate_id, "traceparent": traceparent})


class Parents:
    """Spans that debates belong under, on one database."""

    def __init__(self, database: Database) -> None:
        """Use an open database whose schema is up to date."""
        self._db = database

    async def of(self, debate_id: str) -> str:
        """The `traceparent` of a debate; empty when none was kept."""
        rows = await self._db.read(FIND, {"id": debate_id})
        return str(rows[0][0]) if rows else ""

    async def forget(self, debate_id: str) -> None:
        """The debate has ended."""
        await self._db.write([Statement(FORGET, {"id": debate_id})])
