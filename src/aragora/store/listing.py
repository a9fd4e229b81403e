"""Lists of debates, newest first, for everybody or for one reader. May import `debate`, errors and its siblings."""

from collections.abc import Sequence
from time import monotonic

import msgspec

from aragora.debate.model import Outcome, Status
from aragora.store import Database, Row, Value
from aragora.store.records import Cursor, Reader, Summary
from aragora.store.seen import seen

SUMMARIES = """
SELECT id, topic, status, protocol, agents, rounds, round, outcome, created_at, ended_at, slug, title, tags
FROM debates WHERE 1 = 1
"""
NEWEST = " ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :offset"

# What somebody may see in a list: what is public, and what is their own. Each half comes out of an index in order.
PART = " ORDER BY created_at DESC, id DESC LIMIT :upto"
PUBLIC, OWN = " AND visibility = 'public'", " AND owner_id = :reader AND visibility <> 'public'"

# A count of more than this is believed for so long.
COUNTED_EACH_TIME_MAX, BELIEVED_S = 1_000, 1.0
COUNTS_KEPT_MAX = 1024

_outcomes = msgspec.json.Decoder(Outcome)
_names = msgspec.json.Decoder(tuple[str, ...])


async def listed(
    database: Database,
    *,
    limit: int,
    offset: int,
    before: Cursor | None,
    statuses: Sequence[Status],
    reader: Reader | None,
) -> list[Summary]:
    """A page of debates. Going on after a place seen costs the same however far that is."""
    params: dict[str, Value] = {"limit": limit, "offset": offset, "upto": limit + offset}
    query = SUMMARIES
    if before is not None:
        params |= {"created_at": before.created_at, "last_id": before.id}
        query += " AND (created_at, id) < (:created_at, :last_id)"
    seen_as = _halves(reader, params)
    params |= {f"status{place}": status for place, status in enumerate(statuses)}
    having = [f" AND status = :status{place}" for place in range(len(statuses))] or [""]
    # Each part comes out of an index in order; of each no more is read than the page could need.
    parts = [f"SELECT * FROM ({query}{status}{half}{PART}) AS part" for status in having for half in seen_as]  # noqa: S608 - constants
    whole = " UNION ALL ".join(parts) + NEWEST if len(parts) > 1 else f"{query}{having[0]}{seen_as[0]}{NEWEST}"
    rows = await database.read(whole, params, late=True)
    if reader is not None and database.lags and not await _still_seen(database, rows, reader):
        rows = await database.read(whole, params)
    return [summary_of(row) for row in rows]


def _halves(reader: Reader | None, params: dict[str, Value]) -> list[str]:
    """The parts of what a reader may see in a list, as conditions whose values go into `params`."""
    if reader is None:
        return [""]
    params["reader"] = reader.user_id
    return [PUBLIC, OWN] if reader.user_id else [PUBLIC]


async def _still_seen(database: Database, rows: Sequence[Row], reader: Reader) -> bool:
    """Whether a reader may see all of these now. A replica may not know yet what has just been made private, or deleted."""
    params: dict[str, Value] = {f"id{place}": row[0] for place, row in enumerate(rows)}
    among = ", ".join(f":{name}" for name in params) or "''"
    query = f"SELECT COUNT(*) FROM debates WHERE id IN ({among})" + seen(reader, params)  # noqa: S608 - names of ours
    return _int((await database.read(query, params))[0]) == len(rows)


class Totals:
    """How many debates there are, of all statuses or of some.

    Every row of a status is looked at to count it, so a count of many is believed for a moment.
    """

    def __init__(self, database: Database) -> None:
        """Nothing has been counted yet."""
        self._db = database
        self._kept: dict[tuple[Status, str | None], tuple[float, int]] = {}  # until when, and how many

    async def of(self, statuses: Sequence[Status], reader: Reader | None) -> int:
        """All, or those of some statuses. `completed` is what is left of all, so that it is never counted."""
        if Status.COMPLETED not in statuses:
            return sum([await self._count(status, reader) for status in set(statuses)] or [await _everything(self._db, reader)])
        others = {status: await self._count(status, reader) for status in Status if status is not Status.COMPLETED}
        completed = max(0, await _everything(self._db, reader) - sum(others.values()))
        return completed + sum(n for status, n in others.items() if status in statuses)

    async def _count(self, status: Status, reader: Reader | None) -> int:
        name = (status, None if reader is None else reader.user_id)
        until, known = self._kept.get(name, (0.0, 0))
        if until > monotonic():
            return known
        params: dict[str, Value] = {"status": str(status)}
        # Each half is counted within an index; for both at once every row would be read.
        halves = [f"SELECT COUNT(*) FROM debates WHERE status = :status{half}" for half in _halves(reader, params)]  # noqa: S608 - constants
        counted = sum([_int((await self._db.read(query, params))[0]) for query in halves])
        if counted > COUNTED_EACH_TIME_MAX:
            if len(self._kept) >= COUNTS_KEPT_MAX:
                self._kept.clear()
            self._kept[name] = (monotonic() + BELIEVED_S, counted)
        return counted


async def _everything(database: Database, reader: Reader | None) -> int:
    name = "debates" if reader is None else "debates/public"
    kept = _int((await database.read("SELECT n FROM counters WHERE name = :name", {"name": name}))[0])
    if reader is None or not reader.user_id:
        return kept
    query = f"SELECT COUNT(*) FROM debates WHERE 1 = 1{OWN}"  # noqa: S608 - two constants
    return kept + _int((await database.read(query, {"reader": reader.user_id}))[0])


def summary_of(row: Row) -> Summary:
    """A row of SUMMARIES as a value."""
    debate_id, topic, status, protocol, agents, rounds, number, outcome, created_at, ended_at, slug, title, tags = row
    return Summary(
        id=str(debate_id),
        topic=str(topic),
        status=Status(str(status)),
        protocol=str(protocol),
        agents=_names.decode(str(agents)),
        rounds=int(str(rounds)),
        round=int(str(number)),
        outcome=None if outcome is None else _outcomes.decode(str(outcome)),
        created_at=str(created_at),
        ended_at=None if ended_at is None else str(ended_at),
        slug=str(slug or ""),
        title=str(title),
        tags=_names.decode(str(tags)),
    )


def _int(row: Row) -> int:
    return int(str(row[0]))
