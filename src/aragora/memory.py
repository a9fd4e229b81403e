"""What is remembered across debates, in three tiers: fast, medium, slow. May import the store and errors.

A memory begins in a tier and leaves it in time: what was recalled often moves on to a slower tier, what was not is forgotten.
The slow tier has no end but its size. Every tier is bounded; the least important give way.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aragora.errors import AragoraError, Invalid, NotFound
from aragora.store import Database, Row, Statement, Value
from aragora.store.records import Reader
from aragora.store.search import ADD_TEXT, WITHIN_MAX, Kind, any_of, found, words_of
from aragora.store.seen import owned
from aragora.times import later

FAST, MEDIUM, SLOW = "fast", "medium", "slow"
TIERS = (FAST, MEDIUM, SLOW)
ENTRIES_MAX = {FAST: 1_000, MEDIUM: 5_000, SLOW: 50_000}
ABOUT = {FAST: "What just happened.", MEDIUM: "What matters today.", SLOW: "What is worth keeping."}
CONTENT_CHARS_MAX = 20_000
# A memory that was recalled this often by the time it runs out moves to the next slower tier; one this important does anyway.
USES_MIN = 2
IMPORTANCE_MIN = 0.7
DEFAULT_IMPORTANCE = 0.5
MEMORY: Kind = "memory"
SETTLED_AT_ONCE_MAX = 10_000
# Each new memory settles a few old ones, so that a tier empties itself while it fills.
SETTLED_WITH_EACH = 4
# And a task settles the rest: so many so often.
SETTLED_EACH_TIME, SETTLE_EVERY_S = 500, 5.0
# Texts that are looked at for one debate.
CANDIDATES_MAX = 200

COLUMNS = "SELECT id, tier, content, importance, uses, debate_id, created_at, updated_at, expires_at FROM memories"
COUNT = "SELECT COUNT(*) FROM memories"
ADD = """
INSERT INTO memories (id, tier, content, importance, uses, debate_id, created_at, updated_at, expires_at, owner_id)
VALUES (:id, :tier, :content, :importance, 0, :debate_id, :at, :at, :expires_at, :owner_id) RETURNING uses AS seq
"""
MOVE = "UPDATE memories SET tier = :tier, updated_at = :at, expires_at = :expires_at WHERE id = :id RETURNING uses AS seq"
USE = "UPDATE memories SET uses = uses + 1 WHERE id = :id RETURNING uses AS seq"
DELETE = "DELETE FROM memories WHERE id = :id RETURNING uses AS seq"
DELETE_TEXT = "DELETE FROM texts WHERE kind = 'memory' AND id = :id"
# Beyond the bound of a tier: the least important, and of those the oldest.
SURPLUS = """
SELECT id FROM memories WHERE tier = :tier ORDER BY importance DESC, updated_at DESC, id LIMIT :limit OFFSET :kept
"""
DUE = COLUMNS + " WHERE expires_at IS NOT NULL AND expires_at <= :at ORDER BY expires_at LIMIT :limit"
COUNTS = "SELECT tier, COUNT(*), AVG(importance) FROM memories WHERE expires_at IS NULL OR expires_at > :at GROUP BY tier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A memory."""

    id: str
    tier: str
    content: str
    importance: float
    uses: int
    debate_id: str | None
    created_at: str
    updated_at: str
    expires_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a consolidation did."""

    seen: int
    moved: int
    forgotten: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """A tier and how full it is."""

    name: str
    ttl_s: int | None
    entries: int
    entries_max: int
    importance: float | None


class Memory:
    """Memories on one database."""

    def __init__(self, database: Database, *, ttl_s: dict[str, int], now: Callable[[], str], new_id: Callable[[], str]) -> None:
        """`ttl_s` is how long the fast and the medium tier remember."""
        self._db, self._ttl_s, self._now, self._new_id = database, ttl_s, now, new_id

    async def remember(
        self,
        content: str,
        *,
        tier: str,
        importance: float,
        debate_id: str | None = None,
        owner_id: str | None = None,
        memory_id: str = "",
    ) -> Remembered:
        """Keep a text; one that is nobody's is everybody's. One with an id of its own is kept once."""
        at, memory_id = self._now(), memory_id or self._new_id()
        row: dict[str, Value] = {"id": memory_id, "tier": _tier(tier), "content": content, "importance": importance}
        row |= {"debate_id": debate_id, "owner_id": owner_id, "at": at, "expires_at": self._expiry(tier, at)}
        text = Statement(ADD_TEXT, {"kind": MEMORY, "text_id": memory_id, "body": content})
        if await self._db.read(f"{COLUMNS} WHERE id = :id", {"id": memory_id}):
            return await self.find(memory_id)
        await self._db.write([Statement(ADD, row), text])
        await self.consolidate(SETTLED_WITH_EACH)
        return await self.find(memory_id)

    async def find(self, memory_id: str, reader: Reader | None = None) -> Remembered:
        """A memory that has not run out, and that the reader may see; raises NotFound."""
        params: dict[str, Value] = {"id": memory_id, "at": self._now()}
        rows = await self._db.read(f"{COLUMNS} WHERE id = :id AND {_FRESH}{owned(reader, params)}", params)
        if not rows:
            raise NotFound("There is no such memory.")
        return _remembered(rows[0])

    async def recall(
        self,
        query: str,
        *,
        tiers: Sequence[str],
        importance_min: float,
        limit: int,
        offset: int = 0,
        reader: Reader | None = None,
    ) -> tuple[list[Remembered], int]:
        """Memories that have every word of `query`, or all when it is empty; the most important first; and how many there are."""
        where, params = self._where(tiers)
        where += " AND importance >= :importance_min" + owned(reader, params)
        params["importance_min"] = importance_min
        words = words_of(self._db.dialect, query)
        if query.strip() and not words:
            return [], 0
        if words:
            where += f" AND id IN ({found(self._db.dialect, MEMORY)})"
            params |= {"words": words, "within": WITHIN_MAX}
        order = " ORDER BY importance DESC, updated_at DESC, id LIMIT :limit OFFSET :offset"
        rows = await self._db.read(f"{COLUMNS} WHERE {where}{order}", {**params, "limit": limit, "offset": offset})
        total = await self._db.read(f"{COUNT} WHERE {where}", params)
        return [_remembered(row) for row in rows], int(str(total[0][0]))

    async def candidates(self, words: Sequence[str], *, owner_id: Value, private: bool) -> list[Remembered]:
        """The newest memories that have any of these words and may be quoted in a debate of this owner.

        In a private one these are the owner's and everybody's; in one that others may read, of the owner's only those whose
        debate is public too.
        """
        query = any_of(self._db.dialect, words)
        if not query:
            return []
        params: dict[str, Value] = {"at": self._now(), "words": query, "within": CANDIDATES_MAX}
        mine = "FALSE"
        if owner_id is not None:
            params["owner"], mine = owner_id, "owner_id = :owner" if private else f"owner_id = :owner AND {_SOURCE_IS_PUBLIC}"
        among = f"{_FRESH} AND (owner_id IS NULL OR {mine}) AND id IN ({found(self._db.dialect, MEMORY)})"
        return [_remembered(row) for row in await self._db.read(f"{COLUMNS} WHERE {among}", params)]

    async def run(self) -> None:
        """Settle what is due, again and again, until cancelled."""
        while True:
            with contextlib.suppress(AragoraError):  # the database is away: what is due stays due
                await self.consolidate(SETTLED_EACH_TIME)
            await asyncio.sleep(SETTLE_EVERY_S)

    async def use(self, memories: Sequence[Remembered]) -> None:
        """Note that these were recalled to be used: what is used is kept longer."""
        for memory in memories:
            await self._db.write([Statement(USE, {"id": memory.id})])

    def _where(self, tiers: Sequence[str]) -> tuple[str, dict[str, Value]]:
        names = {f"tier{place}": tier for place, tier in enumerate(tiers)}
        inside = ", ".join(f":{name}" for name in names)
        return f"{_FRESH} AND tier IN ({inside})", {**names, "at": self._now()}

    async def move(self, memory_id: str, tier: str) -> tuple[Remembered, str]:
        """Put a memory into another tier, where its time begins anew; returns it and where it was."""
        before = await self.find(memory_id)
        await self._put(before, _tier(tier))
        await self._trim(tier)
        return await self.find(memory_id), before.tier

    async def _put(self, memory: Remembered, tier: str) -> None:
        at = self._now()
        values: dict[str, Value] = {"id": memory.id, "tier": tier, "at": at, "expires_at": self._expiry(tier, at)}
        await self._db.write([Statement(MOVE, values)])

    async def forget(self, memory_id: str) -> bool:
        """Delete a memory; false when there is none."""
        return bool(await self._db.write([Statement(DELETE, {"id": memory_id}), Statement(DELETE_TEXT, {"id": memory_id})]))

    async def consolidate(self, limit: int = SETTLED_AT_ONCE_MAX) -> Settled:
        """Settle what is due: a memory moves on to the next tier if it was used or matters, else it is forgotten."""
        due = [_remembered(row) for row in await self._db.read(DUE, {"at": self._now(), "limit": limit})]
        kept = [memory for memory in due if memory.uses >= USES_MIN or memory.importance >= IMPORTANCE_MIN]
        for memory in kept:
            await self._put(memory, slower(memory.tier))
        moved = {memory.id for memory in kept}
        for memory in due:
            if memory.id not in moved:
                await self.forget(memory.id)
        trimmed = sum([await self._trim(tier) for tier in TIERS])
        return Settled(seen=len(due), moved=len(kept), forgotten=len(due) - len(kept) + trimmed)

    async def tiers(self) -> list[Tier]:
        """Every tier and how full it is."""
        rows = {str(row[0]): row for row in await self._db.read(COUNTS, {"at": self._now()})}
        return [
            Tier(
                name=name,
                ttl_s=self._ttl_s.get(name),
                entries=int(str(rows[name][1])) if name in rows else 0,
                entries_max=ENTRIES_MAX[name],
                importance=round(float(str(rows[name][2])), 4) if name in rows else None,
            )
            for name in TIERS
        ]

    async def _trim(self, tier: str) -> int:
        """Forget what a tier has too many of; returns how many."""
        surplus = await self._db.read(SURPLUS, {"tier": tier, "limit": SETTLED_AT_ONCE_MAX, "kept": ENTRIES_MAX[tier]})
        for (memory_id,) in surplus:
            await self.forget(str(memory_id))
        return len(surplus)

    def _expiry(self, tier: str, at: str) -> str | None:
        ttl_s = self._ttl_s.get(tier)
        return None if ttl_s is None else later(at, ttl_s)


_SOURCE_IS_PUBLIC = "debate_id IN (SELECT id FROM debates WHERE visibility = 'public')"
_FRESH = "(expires_at IS NULL OR expires_at > :at)"


def slower(tier: str) -> str:
    """The next slower tier; the slowest is its own."""
    return TIERS[min(TIERS.index(tier) + 1, len(TIERS) - 1)]


def faster(tier: str) -> str:
    """The next faster tier; the fastest is its own."""
    return TIERS[max(TIERS.index(tier) - 1, 0)]


def _tier(name: str) -> str:
    if name not in TIERS:
        raise Invalid(f"tier must be one of {', '.join(TIERS)}.")
    return name


def _remembered(row: Row) -> Remembered:
    memory_id, tier, content, importance, uses, debate_id, created_at, updated_at, expires_at = row
    return Remembered(
        id=str(memory_id),
        tier=str(tier),
        content=str(content),
        importance=float(str(importance)),
        uses=int(str(uses)),
        debate_id=None if debate_id is None else str(debate_id),
        created_at=str(created_at),
        updated_at=str(updated_at),
        expires_at=None if expires_at is None else str(expires_at),
    )
