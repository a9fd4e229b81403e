"""Memory over HTTP: store, search, tiers, promote, consolidate, delete. May import its siblings and `memory`."""

from collections.abc import Callable
from time import perf_counter

import msgspec
from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import reply
from aragora.api.asked import Asked
from aragora.api.bodies import Check, parse, read_body
from aragora.api.callers import caller_of
from aragora.api.lists import list_of, listed
from aragora.api.query import Query
from aragora.debate.model import Phase
from aragora.errors import NotFound
from aragora.memory import ABOUT, CONTENT_CHARS_MAX, DEFAULT_IMPORTANCE, FAST, TIERS, Remembered, Tier, faster, slower

QUERY_CHARS_MAX = 500
GLACIAL = "glacial"  # of the public client; the slow tier here
HIGH, ELEVATED, CRITICAL = 0.8, 0.5, 0.95
DAY_S, HOUR_S, MINUTE_S = 86_400, 3_600, 60


class Remember(msgspec.Struct, kw_only=True):
    """A text to keep."""

    content: str
    tier: str = FAST
    importance: float | None = None
    debate_id: str | None = None


class Target(msgspec.Struct, kw_only=True):
    """Where a memory goes; one tier on when it is not said."""

    target_tier: str | None = None


class MemoryRow(msgspec.Struct):
    """A memory."""

    id: str
    memory_id: str
    tier: str
    content: str
    importance: float
    uses: int
    update_count: int
    debate_id: str | None
    created_at: str
    updated_at: str
    expires_at: str | None


class Stored(MemoryRow):
    """A text has been kept."""

    success: bool


class TierRow(msgspec.Struct):
    """A tier and how full it is."""

    id: str
    name: str
    description: str
    ttl_seconds: int | None
    ttl_human: str
    count: int
    limit: int
    utilization: float
    avg_importance: float | None


class TierTable(msgspec.Struct):
    """Every tier."""

    tiers: list[TierRow]
    items: list[TierRow]
    total: int
    total_memories: int
    total_entries: int
    by_tier: dict[str, int]


class Pressure(msgspec.Struct):
    """How near the fullest tier is to its bound."""

    pressure: float
    status: str
    tier_utilization: dict[str, float]
    total_memories: int
    cleanup_recommended: bool


class Consolidated(msgspec.Struct):
    """What a consolidation did."""

    success: bool
    entries_processed: int
    entries_promoted: int
    entries_consolidated: int
    entries_forgotten: int
    duration_seconds: float


class Moved(msgspec.Struct):
    """A memory is in another tier."""

    success: bool
    id: str
    previous_tier: str
    tier: str
    new_tier: str


class Forgotten(msgspec.Struct):
    """A memory is gone."""

    success: bool
    message: str


class CritiqueRow(msgspec.Struct):
    """A critique that a seat made in a debate."""

    debate_id: str
    seq: int
    round: int
    agent: str
    target_agent: str
    content: str
    created_at: str


MemoryList = list_of(
    "MemoryList",
    MemoryRow,
    "results",
    "memories",
    "entries",
    query=str,
    tiers=list[str],
    tiers_searched=list[str],
    filters=dict[str, float],
)
CritiqueList = list_of("CritiqueList", CritiqueRow, "critiques")


async def store(parts: Parts, request: Asked) -> Response:
    """Keep a text in a tier."""
    body = parse(await read_body(request, parts.settings.max_body_bytes), Remember)
    check = Check()
    content = check.text("content", body.content, chars_max=CONTENT_CHARS_MAX, needed=True)
    check.share("importance", body.importance)
    tier = _tier(body.tier, "tier", check)
    check.done()
    if body.debate_id is not None:
        await parts.accounts.admit(caller_of(request), body.debate_id)
        await parts.store.debate(body.debate_id)
    importance = DEFAULT_IMPORTANCE if body.importance is None else body.importance
    owner_id = caller_of(request).filing.owner_id
    kept = await parts.memory.remember(content, tier=tier, importance=importance, debate_id=body.debate_id, owner_id=owner_id)
    return reply(Stored(**msgspec.structs.asdict(_row(kept)), success=True), 201)


async def search(parts: Parts, request: Asked) -> Response:
    """Memories that have every word of the query; the most important first."""
    return await _recalled(parts, request, used=False)


async def retrieve(parts: Parts, request: Asked) -> Response:
    """As search, for use: what is retrieved counts as used, and used memories are kept longer."""
    return await _recalled(parts, request, used=True)


async def _recalled(parts: Parts, request: Asked, *, used: bool) -> Response:
    query = Query(request)
    limit, offset = query.page()
    words = query.text("q") or query.text("query")
    if len(words) > QUERY_CHARS_MAX:
        query.wrong("query", f"must be at most {QUERY_CHARS_MAX} characters")
    least = _share(query, "min_importance")
    tiers = _tiers(query)
    query.done()
    reader = caller_of(request).reader
    found, total = await parts.memory.recall(words, tiers=tiers, importance_min=least, limit=limit, offset=offset, reader=reader)
    if used:
        await parts.memory.use(found)
    rows = [_row(each) for each in found]
    names = ("results", "memories", "entries")
    return listed(
        rows,
        *names,
        total=total,
        limit=limit,
        offset=offset,
        query=words,
        tiers=tiers,
        tiers_searched=tiers,
        filters={"min_importance": least},
    )


def _tiers(query: Query) -> list[str]:
    """The tiers asked for, by either name, with commas between them; all when none are."""
    given = query.text("tiers") or query.text("tier")
    found: list[str] = []
    for name in (part.strip() for part in given.split(",") if part.strip()):
        tier = "slow" if name == GLACIAL else name
        if tier not in TIERS:
            query.wrong("tier", f"must be some of {', '.join(TIERS)}")
        elif tier not in found:
            found.append(tier)
    return found or [*TIERS]


def _share(query: Query, name: str) -> float:
    text = query.text(name)
    try:
        value = float(text or "0")
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        query.wrong(name, "must be from 0 to 1")
    return value


def _tier(name: str, field: str, check: Check) -> str:
    tier = "slow" if name == GLACIAL else name
    if tier not in TIERS:
        check.wrong(field, f"must be one of {', '.join(TIERS)}")
    return tier


async def tiers(parts: Parts, request: Asked) -> Response:  # noqa: ARG001 - every handler takes the request
    """Every tier and how full it is."""
    rows = [_tier_row(tier) for tier in await parts.memory.tiers()]
    total = sum(row.count for row in rows)
    counts = {row.id: row.count for row in rows}
    answer = TierTable(tiers=rows, items=rows, total=len(rows), total_memories=total, total_entries=total, by_tier=counts)
    return reply(answer)


async def tier(parts: Parts, request: Asked) -> Response:
    """One tier and how full it is."""
    name = "slow" if request.path_params["tier"] == GLACIAL else request.path_params["tier"]
    found = [_tier_row(each) for each in await parts.memory.tiers() if each.name == name]
    if not found:
        raise NotFound("There is no such tier.")
    return reply(found[0])


async def pressure(parts: Parts, request: Asked) -> Response:  # noqa: ARG001 - as above
    """How near the fullest tier is to its bound."""
    rows = [_tier_row(each) for each in await parts.memory.tiers()]
    top = max(row.utilization for row in rows)
    status = "critical" if top >= CRITICAL else "high" if top >= HIGH else "elevated" if top >= ELEVATED else "normal"
    answer = Pressure(
        pressure=top,
        status=status,
        tier_utilization={row.id: row.utilization for row in rows},
        total_memories=sum(row.count for row in rows),
        cleanup_recommended=top >= HIGH,
    )
    return reply(answer)


async def consolidate(parts: Parts, request: Asked) -> Response:  # noqa: ARG001 - as above
    """Settle what is due: used and important memories move to a slower tier, others are forgotten."""
    began = perf_counter()
    settled = await parts.memory.consolidate()
    answer = Consolidated(
        success=True,
        entries_processed=settled.seen,
        entries_promoted=settled.moved,
        entries_consolidated=settled.moved,
        entries_forgotten=settled.forgotten,
        duration_seconds=round(perf_counter() - began, 4),
    )
    return reply(answer)


async def promote(parts: Parts, request: Asked) -> Response:
    """Put a memory into a slower tier, which keeps it longer; or into the tier that the body names."""
    return await _moved(parts, request, slower)


async def demote(parts: Parts, request: Asked) -> Response:
    """Put a memory into a faster tier, which forgets it sooner; or into the tier that the body names."""
    return await _moved(parts, request, faster)


async def _moved(parts: Parts, request: Asked, step: Callable[[str], str]) -> Response:
    raw = await read_body(request, parts.settings.max_body_bytes)
    body = parse(raw, Target) if raw.strip() else Target()
    check = Check()
    before = await parts.memory.find(request.path_params["memory_id"], caller_of(request).reader)
    wanted = _tier(body.target_tier, "target_tier", check) if body.target_tier else step(before.tier)
    check.done()
    moved, previous = await parts.memory.move(before.id, wanted)
    return reply(Moved(success=True, id=moved.id, previous_tier=previous, tier=moved.tier, new_tier=moved.tier))


async def delete(parts: Parts, request: Asked) -> Response:
    """Forget a memory."""
    await parts.memory.find(request.path_params["memory_id"], caller_of(request).reader)
    if not await parts.memory.forget(request.path_params["memory_id"]):
        raise NotFound("There is no such memory.")
    return reply(Forgotten(success=True, message="The memory is gone."))


async def critiques(parts: Parts, request: Asked) -> Response:
    """Critiques that seats made in debates, newest first."""
    query = Query(request)
    limit, offset = query.page()
    agent = query.text("agent")
    query.done()
    found, total = await parts.shelf.said(
        Phase.CRITIQUE, seat=agent, limit=limit, offset=offset, reader=caller_of(request).reader
    )
    rows = [
        CritiqueRow(
            debate_id=debate_id,
            seq=each.seq,
            round=each.round,
            agent=each.seat,
            target_agent=each.target,
            content=each.content,
            created_at=each.at,
        )
        for debate_id, each in found
    ]
    return listed(rows, "critiques", total=total, limit=limit, offset=offset)


def _row(kept: Remembered) -> MemoryRow:
    return MemoryRow(
        id=kept.id,
        memory_id=kept.id,
        tier=kept.tier,
        content=kept.content,
        importance=kept.importance,
        uses=kept.uses,
        update_count=kept.uses,
        debate_id=kept.debate_id,
        created_at=kept.created_at,
        updated_at=kept.updated_at,
        expires_at=kept.expires_at,
    )


def _tier_row(tier: Tier) -> TierRow:
    return TierRow(
        id=tier.name,
        name=tier.name.capitalize(),
        description=ABOUT[tier.name],
        ttl_seconds=tier.ttl_s,
        ttl_human=_human(tier.ttl_s),
        count=tier.entries,
        limit=tier.entries_max,
        utilization=round(tier.entries / tier.entries_max, 4),
        avg_importance=tier.importance,
    )


def _human(ttl_s: int | None) -> str:
    if ttl_s is None:
        return "no end"
    for size, unit in ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min")):
        if ttl_s >= size and ttl_s % size == 0:
            return f"{ttl_s // size} {unit}"
    return f"{ttl_s} s"
