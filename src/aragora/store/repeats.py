"""Which requests were answered before, and how. Imports the port; `stamps` beside it marks the transaction of the effect."""

from dataclasses import dataclass

from aragora.store import Database, Statement, Value

FORGET = "DELETE FROM repeats WHERE created_at < :before"
# A row that was reserved so long ago, and nothing came of it, belongs to a process that has died.
RESERVE = """
INSERT INTO repeats (name, fingerprint, state, created_at) VALUES (:name, :fingerprint, 'reserved', :at)
ON CONFLICT (name) DO UPDATE SET fingerprint = excluded.fingerprint, state = 'reserved', created_at = excluded.created_at
WHERE repeats.created_at < :before OR (repeats.state = 'reserved' AND repeats.created_at < :dead)
RETURNING 1 AS seq
"""
RELEASE = "DELETE FROM repeats WHERE name = :name AND state = 'reserved' RETURNING 1 AS seq"
KEEP = """
UPDATE repeats SET state = 'answered', status = :status, body = :body, location = :location WHERE name = :name RETURNING 1 AS seq
"""
LOSE = """
INSERT INTO repeats (name, fingerprint, state, status, body, location, created_at)
VALUES (:name, '', 'answered', :status, :body, :location, :at)
ON CONFLICT (name) DO UPDATE SET
  status = excluded.status, body = excluded.body, location = excluded.location, created_at = excluded.created_at
RETURNING 1 AS seq
"""
FIND = "SELECT fingerprint, state, reference, status, body, location, created_at FROM repeats WHERE name = :name"
TAKE = "DELETE FROM repeats WHERE name = :name AND created_at >= :since RETURNING status, body, location"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An answer that was given."""

    status: int
    body: str
    location: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """What is known of a request that came before."""

    fingerprint: str
    state: str  # reserved, done or answered
    reference: str
    given: Given
    at: str


class Repeats:
    """Requests that were answered before, on one database."""

    def __init__(self, database: Database) -> None:
        """Use an open database whose schema is up to date."""
        self._db = database

    async def reserve(self, name: str, fingerprint: str, *, at: str, before: str, dead: str) -> bool:
        """Take a name for a request that begins; False when it is taken. Rows from before `before` are forgotten."""
        values: dict[str, Value] = {"name": name, "fingerprint": fingerprint, "at": at, "before": before, "dead": dead}
        return bool(await self._db.write([Statement(RESERVE, values), Statement(FORGET, {"before": before})]))

    async def release(self, name: str) -> None:
        """Give a name back: nothing came of the request."""
        await self._db.write([Statement(RELEASE, {"name": name})])

    async def keep(self, name: str, given: Given) -> None:
        """Keep the answer under a name that was taken."""
        values: dict[str, Value] = {"name": name, "status": given.status, "body": given.body, "location": given.location}
        await self._db.write([Statement(KEEP, values)])

    async def find(self, name: str) -> Repeat | None:
        """What is known under a name."""
        rows = await self._db.read(FIND, {"name": name})
        if not rows:
            return None
        fingerprint, state, reference, status, body, location, at = rows[0]
        given = Given(status=int(status or 0), body=str(body), location=str(location))
        return Repeat(fingerprint=str(fingerprint), state=str(state), reference=str(reference), given=given, at=str(at))

    async def lose(self, name: str, given: Given, *, at: str) -> None:
        """Keep an answer that nobody was there to receive."""
        values: dict[str, Value] = {
            "name": name,
            "status": given.status,
            "body": given.body,
            "location": given.location,
            "at": at,
        }
        await self._db.write([Statement(LOSE, values)])

    async def take(self, name: str, *, since: str) -> Given | None:
        """An answer that nobody received, for whoever asks again; it is handed out once."""
        if not await self._db.read(
            "SELECT 1 FROM repeats WHERE name = :name AND created_at >= :since", {"name": name, "since": since}
        ):
            return None
        rows = await self._db.write([Statement(TAKE, {"name": name, "since": since})])
        if not rows:
            return None
        status, body, location = rows[0]
        return Given(status=int(status or 0), body=str(body), location=str(location))
