"""Queries about webhooks: who is told of events, and what has become of each delivery. Imports the port and errors.

A delivery is written in the transaction of its event, so an event that is on disk is told, and one that is not is not.
"""

from dataclasses import dataclass

import msgspec

from aragora.errors import NotFound
from aragora.store import Database, Row, Statement, Value
from aragora.store.records import Reader
from aragora.store.seen import owned

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"
# The events that can be told.
TOLD = ("round_complete", "debate_end")
BATCH_END = "batch_end"

DELIVER = """
INSERT INTO deliveries (id, webhook_id, debate_id, seq, type, state, attempts, next_at, answer, created_at)
SELECT w.id || '-' || :id || '-' || CAST(:seq AS TEXT), w.id, :id, :seq, :type, 'waiting', 0, :at, '', :at
FROM webhooks w JOIN debates d ON d.id = :id
WHERE w.events LIKE :wanted AND (d.visibility = 'public' OR d.owner_id = w.owner_id)
"""
ADD = """
INSERT INTO webhooks (id, url, secret, events, created_at, owner_id, batch_id)
VALUES (:id, :url, :secret, :events, :at, :owner_id, :batch_id)
RETURNING 1 AS seq
"""
HOOKS = "SELECT id, url, secret, events, created_at, batch_id FROM webhooks WHERE 1 = 1"
OVER = """
SELECT w.id FROM webhooks w WHERE w.batch_id IS NOT NULL AND w.told = 0
AND NOT EXISTS (SELECT 1 FROM debates d WHERE d.batch_id = w.batch_id AND d.status IN ('pending', 'active', 'paused'))
LIMIT :limit
"""
TELL = "UPDATE webhooks SET told = 1 WHERE id = :id AND told = 0 RETURNING 1 AS seq"
DELIVER_END = """
INSERT INTO deliveries (id, webhook_id, debate_id, seq, type, state, attempts, next_at, answer, created_at)
VALUES (:id || '-batch', :id, '', 0, 'batch_end', 'waiting', 0, :at, '', :at)
"""
BATCH = "SELECT id, status FROM debates WHERE batch_id = :id ORDER BY created_at, id"
# The first statement only locks the row: what refers to it has to go first.
LOCK = "UPDATE webhooks SET url = url WHERE id = :id RETURNING 1 AS seq"
DELETE_DELIVERIES = "DELETE FROM deliveries WHERE webhook_id = :id"
DELETE = "DELETE FROM webhooks WHERE id = :id"
DELIVERIES = "SELECT id, webhook_id, debate_id, seq, type, state, attempts, next_at, answer, created_at FROM deliveries"
DUE = DELIVERIES + " WHERE state = 'waiting' AND next_at <= :at ORDER BY next_at LIMIT :limit"
# Whoever raises the number of attempts first makes the attempt; others, in this process or another, leave it.
TAKE = """
UPDATE deliveries SET attempts = attempts + 1, next_at = :next_at WHERE id = :id AND attempts = :attempts AND state = 'waiting'
RETURNING attempts AS seq
"""
SETTLE = "UPDATE deliveries SET state = :state, answer = :answer WHERE id = :id RETURNING attempts AS seq"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """Somebody who is told of events."""

    id: str
    url: str
    secret: str
    events: tuple[str, ...]
    created_at: str
    batch_id: str | None = None  # of which it is told the end, and nothing else


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An event on its way."""

    id: str
    webhook_id: str
    debate_id: str
    seq: int
    type: str
    state: str
    attempts: int
    next_at: str
    answer: str
    created_at: str


def deliver(debate_id: str, kind: str, at: str) -> Statement:
    """What puts an event on its way to all who asked for its kind; goes into the transaction of the event."""
    return Statement(DELIVER, {"id": debate_id, "type": kind, "at": at, "wanted": f'%"{kind}"%'})


class Hooks:
    """Webhooks, on one database."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._db = database

    async def add(self, hook: Hook, owner_id: str | None) -> None:
        """Tell somebody of events from now on."""
        values: dict[str, Value] = {"id": hook.id, "url": hook.url, "secret": hook.secret, "at": hook.created_at}
        values |= {"owner_id": owner_id, "batch_id": hook.batch_id}
        values["events"] = msgspec.json.encode(hook.events).decode()
        await self._db.write([Statement(ADD, values)])

    async def all(self, reader: Reader | None = None) -> list[Hook]:
        """Everybody who is told of debates, as far as the reader has asked for it."""
        params: dict[str, Value] = {}
        query = HOOKS + " AND batch_id IS NULL" + owned(reader, params) + " ORDER BY created_at, id"
        return [_hook(row) for row in await self._db.read(query, params)]

    async def one(self, hook_id: str, reader: Reader | None = None) -> Hook:
        """One of them; raises NotFound."""
        params: dict[str, Value] = {"id": hook_id}
        rows = await self._db.read(HOOKS + " AND id = :id" + owned(reader, params), params)
        if not rows:
            raise NotFound("There is no such webhook.")
        return _hook(rows[0])

    async def delete(self, hook_id: str) -> bool:
        """Tell somebody no more, and forget what was on its way."""
        values = {"id": hook_id}
        return bool(await self._db.write([Statement(sql, values) for sql in (LOCK, DELETE_DELIVERIES, DELETE)]))

    async def due(self, *, at: str, limit: int) -> list[Delivery]:
        """Deliveries whose time has come."""
        return [_delivery(row) for row in await self._db.read(DUE, {"at": at, "limit": limit})]

    async def end_batches(self, *, at: str, limit: int) -> None:
        """Put the end of each batch that is over on its way to whoever waits for it, once."""
        for (hook_id,) in await self._db.read(OVER, {"limit": limit}):
            values: dict[str, Value] = {"id": str(hook_id), "at": at}
            await self._db.write([Statement(TELL, {"id": str(hook_id)}), Statement(DELIVER_END, values)])

    async def batch(self, batch_id: str) -> list[dict[str, str]]:
        """The debates of a batch, with what has become of each."""
        return [
            {"id": str(debate_id), "status": str(status)} for debate_id, status in await self._db.read(BATCH, {"id": batch_id})
        ]

    async def deliveries(self, hook_id: str, *, limit: int, offset: int) -> tuple[list[Delivery], int]:
        """Deliveries to one webhook, newest first; and how many there are."""
        total = await self._db.read("SELECT COUNT(*) FROM deliveries WHERE webhook_id = :id", {"id": hook_id})
        query = DELIVERIES + " WHERE webhook_id = :id ORDER BY created_at DESC, id LIMIT :limit OFFSET :offset"
        rows = await self._db.read(query, {"id": hook_id, "limit": limit, "offset": offset})
        return [_delivery(row) for row in rows], int(str(total[0][0]))

    async def take(self, delivery: Delivery, *, next_at: str) -> bool:
        """Claim the next attempt; should this process die in it, another is made at `next_at`."""
        values: dict[str, Value] = {"id": delivery.id, "attempts": delivery.attempts, "next_at": next_at}
        return bool(await self._db.write([Statement(TAKE, values)]))

    async def settle(self, delivery: Delivery, *, state: str, answer: str) -> None:
        """Note what came of an attempt."""
        await self._db.write([Statement(SETTLE, {"id": delivery.id, "state": state, "answer": answer})])


def _hook(row: Row) -> Hook:
    hook_id, url, secret, events, created_at = (str(value) for value in row[:5])
    known = msgspec.json.decode(events, type=tuple[str, ...])
    batch_id = None if row[5] is None else str(row[5])
    return Hook(id=hook_id, url=url, secret=secret, events=known, created_at=created_at, batch_id=batch_id)


def _delivery(row: Row) -> Delivery:
    names = ("id", "webhook_id", "debate_id", "seq", "type", "state", "attempts", "next_at", "answer", "created_at")
    return msgspec.convert(dict(zip(names, row, strict=True)), Delivery)
