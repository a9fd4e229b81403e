"""What is kept on debates beside their logs: slugs, titles, tags, origins, batches, the archive; searching and deleting them.

May import `debate`, errors and its siblings.
"""

from collections.abc import Mapping, Sequence

import msgspec

from aragora.debate.model import Status
from aragora.errors import NotFound
from aragora.store import Database, Row, Statement, Value
from aragora.store.listing import NEWEST, SUMMARIES, summary_of
from aragora.store.records import Batch, Reader, Spoken, Summary
from aragora.store.search import CHANGE_TEXT, DELETE_TEXT, WITHIN_MAX, Kind, found, words_of
from aragora.store.seen import owned, seen
from aragora.store.sums import taken_back

DEBATE: Kind = "debate"
COUNT = "SELECT COUNT(*) FROM debates WHERE 1 = 1"
BY_SLUG = "SELECT id FROM debates WHERE slug = :slug"
LABEL = """
UPDATE debates SET title = COALESCE(:title, title), tags = COALESCE(:tags, tags), metadata = COALESCE(:metadata, metadata)
WHERE id = :id RETURNING title, topic, outcome
"""
ARCHIVE = "UPDATE debates SET archived_at = :at WHERE id = :id AND ended_at IS NOT NULL AND archived_at IS NULL RETURNING id"
LOCK = """
UPDATE debates SET batch_id = NULL
WHERE id = :id AND ended_at IS NOT NULL AND COALESCE(lesson, '') = :lesson RETURNING last_seq AS seq
"""
DELETE = "DELETE FROM debates WHERE id = :id"
DELETE_MEMORY_TEXTS = "DELETE FROM texts WHERE kind = 'memory' AND id IN (SELECT id FROM memories WHERE debate_id = :id)"
PARTS = ("memories", "events", "messages", "votes", "choices", "matches", "deliveries", "shares")
# While the row is still there: the public ones have a count of their own.
UNCOUNT = """
UPDATE counters SET n = n - 1
WHERE name = 'debates' OR (name = 'debates/public' AND EXISTS (SELECT 1 FROM debates WHERE id = :id AND visibility = 'public'))
"""
SPOKEN = "SELECT debate_id, seq, round, phase, seat, target, content, created_at FROM messages"
COUNT_SPOKEN = "SELECT COUNT(*) FROM messages"
ADD_BATCH = """
INSERT INTO batches (id, n, metadata, created_at, owner_id) VALUES (:id, :n, :metadata, :at, :owner_id) RETURNING n AS seq
"""
BATCHES = "SELECT id, n, metadata, created_at FROM batches WHERE 1 = 1"
IN_BATCH = "SELECT status, COUNT(*) FROM debates WHERE batch_id = :id GROUP BY status"


class Shelf:
    """What is kept on debates, on one database."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._db = database

    async def by_slug(self, slug: str) -> str:
        """The id of a debate; raises NotFound."""
        found = await self._db.read(BY_SLUG, {"slug": slug})
        if not found:
            raise NotFound("There is no such debate.")
        return str(found[0][0])

    async def label(
        self, debate_id: str, *, title: str | None, tags: Sequence[str] | None, metadata: Mapping[str, object] | None
    ) -> None:
        """Write on a debate; what is None stays. Raises NotFound."""
        values: dict[str, Value] = {"id": debate_id, "title": title}
        values["tags"] = None if tags is None else _json([*tags])
        values["metadata"] = None if metadata is None else _json(metadata)
        rows = await self._db.write([Statement(LABEL, values)])
        if not rows:
            raise NotFound("There is no such debate.")
        written, topic, outcome = rows[0]
        answer = _answers.decode(str(outcome)).answer if outcome is not None else ""
        body = "\n".join(part for part in (str(topic), str(written), answer) if part)
        change: dict[str, Value] = {"kind": DEBATE, "text_id": debate_id, "body": body}
        await self._db.write([Statement(CHANGE_TEXT + " RETURNING n AS seq", change)])

    async def archive(self, debate_id: str, *, at: str) -> bool:
        """Put an ended debate into the archive; false when it is there already, or has not ended."""
        return bool(await self._db.write([Statement(ARCHIVE, {"id": debate_id, "at": at})]))

    async def delete(self, debate_id: str) -> bool:
        """Take an ended debate off the disk with all that belongs to it; false when there is none, or it has not ended.

        What is remembered of it goes too, and what it taught about its agents is taken back; what it did to the ratings that
        follow the order of results stays.
        """
        kept = await self._db.read("SELECT lesson FROM debates WHERE id = :id", {"id": debate_id})
        lesson = str(kept[0][0] or "") if kept else ""
        text = Statement(DELETE_TEXT, {"kind": DEBATE, "text_id": debate_id})
        # What refers to a debate has to go before it, and the guard comes first: so the guard only locks its row.
        guard = Statement(LOCK, {"id": debate_id, "lesson": lesson}, long=True)
        parts = [Statement(f"DELETE FROM {table} WHERE debate_id = :id", {"id": debate_id}) for table in PARTS]  # noqa: S608 - our own names
        return bool(
            await self._db.write(
                [
                    guard,
                    Statement(DELETE_MEMORY_TEXTS, {"id": debate_id}),
                    *parts,
                    *(taken_back(lesson) if lesson else ()),
                    text,
                    Statement(UNCOUNT, {"id": debate_id}),
                    Statement(DELETE, {"id": debate_id}),
                ]
            )
        )

    async def search(
        self, query: str, *, statuses: Sequence[Status], limit: int, offset: int, reader: Reader | None
    ) -> tuple[list[Summary], int]:
        """Debates whose topic, title or answer has every word of `query`, newest first; and how many there are."""
        words = words_of(self._db.dialect, query)
        if not words:
            return [], 0
        params: dict[str, Value] = {"words": words, "within": WITHIN_MAX}
        where = f" AND id IN ({found(self._db.dialect, DEBATE)})" + seen(reader, params)
        if statuses:
            params |= {f"status{place}": status for place, status in enumerate(statuses)}
            where += " AND status IN (" + ", ".join(f":status{place}" for place in range(len(statuses))) + ")"
        total = await self._db.read(COUNT + where, params)
        rows = await self._db.read(SUMMARIES + where + NEWEST, {**params, "limit": limit, "offset": offset})
        return [summary_of(row) for row in rows], _int(total[0])

    async def archived(self, *, limit: int, offset: int, reader: Reader | None) -> tuple[list[Summary], int]:
        """Debates in the archive, newest first; and how many there are."""
        return await self._where("archived_at IS NOT NULL", {}, limit, offset, reader)

    async def descendants(self, debate_id: str, *, limit: int, offset: int, reader: Reader | None) -> tuple[list[Summary], int]:
        """Debates that were made from this one; and how many there are."""
        return await self._where("origin_id = :origin_id", {"origin_id": debate_id}, limit, offset, reader)

    async def of_batch(self, batch_id: str, *, limit: int, reader: Reader | None) -> list[Summary]:
        """The debates of a batch."""
        found, _ = await self._where("batch_id = :batch_id", {"batch_id": batch_id}, limit, 0, reader)
        return found

    async def _where(
        self, condition: str, given: Mapping[str, Value], limit: int, offset: int, reader: Reader | None
    ) -> tuple[list[Summary], int]:
        params = dict(given)
        condition += seen(reader, params)
        total = await self._db.read(f"{COUNT} AND {condition}", params)
        query = f"{SUMMARIES} AND {condition}{NEWEST}"
        rows = await self._db.read(query, {**params, "limit": limit, "offset": offset})
        return [summary_of(row) for row in rows], _int(total[0])

    async def said(
        self, phase: str, *, seat: str, limit: int, offset: int, reader: Reader | None
    ) -> tuple[list[tuple[str, Spoken]], int]:
        """Messages of a phase in all debates with the id of each one's debate, newest first; and how many there are."""
        where = " WHERE phase = :phase" + (" AND seat = :seat" if seat else "")
        params: dict[str, Value] = {"phase": phase, "seat": seat}
        if reader is not None:
            where += f" AND debate_id IN (SELECT id FROM debates WHERE 1 = 1{seen(reader, params)})"  # noqa: S608 - constants
        total = await self._db.read(COUNT_SPOKEN + where, params)
        page: dict[str, Value] = {**params, "limit": limit, "offset": offset}
        rows = await self._db.read(
            SPOKEN + where + " ORDER BY created_at DESC, debate_id, seq DESC LIMIT :limit OFFSET :offset", page
        )
        names = ("seq", "round", "phase", "seat", "target", "content", "at")
        return [(str(row[0]), msgspec.convert(dict(zip(names, row[1:], strict=True)), Spoken)) for row in rows], _int(total[0])

    async def add_batch(self, batch: Batch, owner_id: str | None) -> None:
        """Keep a batch."""
        values: dict[str, Value] = {"id": batch.id, "n": batch.n, "metadata": _json(batch.metadata), "at": batch.created_at}
        values["owner_id"] = owner_id
        await self._db.write([Statement(ADD_BATCH, values)])

    async def batch(self, batch_id: str, reader: Reader | None) -> Batch:
        """A batch of the reader's; raises NotFound."""
        params: dict[str, Value] = {"id": batch_id}
        rows = await self._db.read(BATCHES + " AND id = :id" + owned(reader, params), params)
        if not rows:
            raise NotFound("There is no such batch.")
        return await self._batch(rows[0])

    async def batches(self, *, limit: int, offset: int, reader: Reader | None) -> tuple[list[Batch], int]:
        """Batches of the reader's, newest first; and how many there are."""
        params: dict[str, Value] = {}
        mine = owned(reader, params)
        total = await self._db.read("SELECT COUNT(*) FROM batches WHERE 1 = 1" + mine, params)  # noqa: S608 - constants
        rows = await self._db.read(BATCHES + mine + NEWEST, {**params, "limit": limit, "offset": offset})
        return [await self._batch(row) for row in rows], _int(total[0])

    async def _batch(self, row: Row) -> Batch:
        batch_id, number, metadata, created_at = row
        counts = await self._db.read(IN_BATCH, {"id": batch_id})
        statuses = {str(status): int(str(count)) for status, count in counts}
        known = msgspec.json.decode(str(metadata), type=dict[str, object])
        return Batch(id=str(batch_id), n=int(str(number)), metadata=known, created_at=str(created_at), statuses=statuses)


class _Answer(msgspec.Struct):
    """Of an outcome, what is searched."""

    answer: str = ""


_answers = msgspec.json.Decoder(_Answer)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _int(row: Row) -> int:
    return int(str(row[0]))
