"""Debates beside their logs, over HTTP: slug, labels, archive, deletion, search, statistics. May import its siblings."""

from collections.abc import Sequence

import msgspec
from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import JSON, Debate, DebateRow, Done, debate_of, reply, row_of
from aragora.api.asked import Asked
from aragora.api.bodies import Check, parse, read_body
from aragora.api.callers import caller_of
from aragora.api.lists import list_of, listed
from aragora.api.query import Query
from aragora.api.words import STATUSES
from aragora.debate.model import ENDED, Status
from aragora.errors import Conflict
from aragora.store.records import Reader, Summary

TITLE_CHARS_MAX, TAG_CHARS_MAX, TAGS_MAX, METADATA_BYTES_MAX = 200, 50, 20, 16_384
QUERY_CHARS_MAX = 500
TOGETHER_MAX = 100
STATISTICS_TTL_S = 2
STATISTICS = "statistics"


class Label(msgspec.Struct, kw_only=True):
    """What a person writes on a debate. Fields that are not given stay as they are; any other field changes nothing."""

    title: str | None = None
    tags: list[str] | None = None
    metadata: dict[str, msgspec.Raw] | None = None


class Labelled(msgspec.Struct):
    """A debate has been written on."""

    success: bool
    debate_id: str
    updated_fields: list[str]
    debate: Debate


class Deleted(msgspec.Struct):
    """A debate is gone, with its log."""

    deleted: bool
    id: str
    success: bool


class Ids(msgspec.Struct, kw_only=True):
    """Debates, by id."""

    debate_ids: list[str]


class Archived(msgspec.Struct):
    """What an archiving of many came to."""

    success: bool
    archived: list[str]
    skipped: list[str]  # not ended, in the archive already, or not there


class Compared(msgspec.Struct):
    """Debates side by side."""

    debates: list[Debate]
    count: int
    same_topic: bool
    outcomes: dict[str, int]


class Metadata(msgspec.Struct):
    """What is written on a debate, and where it came from."""

    debate_id: str
    slug: str
    title: str
    tags: list[str]
    metadata: msgspec.Raw
    archived: bool
    origin: str | None
    origin_id: str | None
    created_at: str


Results = list_of("Results", DebateRow, "results", "debates", query=str)


class Statistics(msgspec.Struct):
    """How many debates there are, and what has become of them."""

    total: int
    total_debates: int
    active: int
    completed: int
    failed: int
    by_status: dict[str, int]
    running: int
    queued: int


class Queue(msgspec.Struct):
    """How many debates run and wait, and how many may."""

    status: str
    running: int
    active: int
    queued: int
    pending: int
    running_max: int
    queued_max: int


class Found(msgspec.Struct, kw_only=True):
    """What is looked for. The public client also sends a scope; debates are what can be searched."""

    query: str = ""
    limit: int = 20
    offset: int = 0
    status: str | None = None


async def by_slug(parts: Parts, request: Asked) -> Response:
    """A debate by the readable name that its topic gave it."""
    debate_id = await parts.shelf.by_slug(request.path_params["slug"])
    await parts.accounts.admit(caller_of(request), debate_id)
    record = await parts.store.debate(debate_id)
    return reply(debate_of(record))


async def metadata(parts: Parts, request: Asked) -> Response:
    """What has been written on a debate, and where it came from."""
    record = await parts.store.debate(request.path_params["id"])
    shown = debate_of(record)
    return reply(msgspec.convert(shown, Metadata, from_attributes=True))


async def label(parts: Parts, request: Asked) -> Response:
    """Write a title, tags or metadata on a debate. Status and outcome come from its log and cannot be written."""
    debate_id = request.path_params["id"]
    body = parse(await read_body(request, parts.settings.max_body_bytes), Label)
    check = Check()
    title = None if body.title is None else check.text("title", body.title, chars_max=TITLE_CHARS_MAX)
    tags = None if body.tags is None else _tags(body.tags, check)
    if body.metadata is not None and len(msgspec.json.encode(body.metadata)) > METADATA_BYTES_MAX:
        check.wrong("metadata", f"must be at most {METADATA_BYTES_MAX} bytes of JSON")
    check.done()
    await parts.store.debate(debate_id)
    await parts.shelf.label(debate_id, title=title, tags=tags, metadata=body.metadata)
    parts.cache.drop(debate_id)
    given = {"title": title, "tags": tags, "metadata": body.metadata}
    record = await parts.store.debate(debate_id)
    fields = [name for name, value in given.items() if value is not None]
    return reply(Labelled(success=True, debate_id=debate_id, updated_fields=fields, debate=debate_of(record)))


def _tags(given: Sequence[str], check: Check) -> list[str]:
    if len(given) > TAGS_MAX:
        check.wrong("tags", f"must be at most {TAGS_MAX}")
    tags = [check.text(f"tags[{place}]", tag, chars_max=TAG_CHARS_MAX, needed=True) for place, tag in enumerate(given[:TAGS_MAX])]
    return list(dict.fromkeys(tags))


async def delete(parts: Parts, request: Asked) -> Response:
    """Take a debate off the disk: its log, messages, votes and matches. One that runs is cancelled first."""
    record = await parts.store.debate(request.path_params["id"])
    if record.status not in ENDED:
        await parts.engine.cancel(record.id, "deleted")
    parts.cache.drop(record.id)
    await parts.shelf.delete(record.id)
    parts.cache.drop(record.id)
    parts.engine.bus.ring(record.id)
    return reply(Deleted(deleted=True, id=record.id, success=True))


async def archive(parts: Parts, request: Asked) -> Response:
    """Put an ended debate into the archive; putting it there twice puts it there once."""
    record = await parts.store.debate(request.path_params["id"])
    if record.status not in ENDED:
        raise Conflict("Only a debate that has ended can be archived.")
    await parts.shelf.archive(record.id, at=parts.now())
    parts.cache.drop(record.id)
    return reply(Done(success=True, debate_id=record.id, status=record.status, message="The debate is in the archive."))


async def archive_many(parts: Parts, request: Asked) -> Response:
    """Put ended debates into the archive; those that have not ended, or are not there, are named as skipped."""
    ids, caller = await _ids(parts, request), caller_of(request)
    mine = [debate_id for debate_id in ids if await parts.accounts.admits(caller, debate_id, change=True)]
    done = [debate_id for debate_id in mine if await parts.shelf.archive(debate_id, at=parts.now())]
    for debate_id in done:
        parts.cache.drop(debate_id)
    return reply(Archived(success=True, archived=done, skipped=[each for each in ids if each not in done]))


async def archived(parts: Parts, request: Asked) -> Response:
    """Debates in the archive, newest first."""
    query = Query(request)
    limit, offset = query.page()
    query.done()
    found, total = await parts.shelf.archived(limit=limit, offset=offset, reader=caller_of(request).reader)
    return _listed(found, total=total, limit=limit, offset=offset)


async def compare(parts: Parts, request: Asked) -> Response:
    """Several debates side by side."""
    ids = await _ids(parts, request)
    for debate_id in ids:
        await parts.accounts.admit(caller_of(request), debate_id)
    debates = [debate_of(await parts.store.debate(debate_id)) for debate_id in ids]
    outcomes: dict[str, int] = {}
    for debate in debates:
        outcomes[debate.outcome or debate.status] = outcomes.get(debate.outcome or debate.status, 0) + 1
    same = len({debate.topic for debate in debates}) == 1
    return reply(Compared(debates=debates, count=len(debates), same_topic=same, outcomes=outcomes))


async def _ids(parts: Parts, request: Asked) -> list[str]:
    body = parse(await read_body(request, parts.settings.max_body_bytes), Ids)
    check = Check()
    if not 1 <= len(body.debate_ids) <= TOGETHER_MAX:
        check.wrong("debate_ids", f"must be from 1 to {TOGETHER_MAX}")
    check.done()
    return list(dict.fromkeys(body.debate_ids))


async def active(parts: Parts, request: Asked) -> Response:
    """Debates that are being run, newest first."""
    query = Query(request)
    limit, offset = query.page()
    query.done()
    reader = caller_of(request).reader
    found = await parts.store.debates(limit=limit, offset=offset, statuses=(Status.ACTIVE,), reader=reader)
    total = await parts.store.total((Status.ACTIVE,), reader=reader)
    return _listed(found, total=total, limit=limit, offset=offset)


async def search(parts: Parts, request: Asked) -> Response:
    """Debates whose topic, title or answer has every word of the query, or a word that begins with it; newest first."""
    query = Query(request)
    limit, offset = query.page()
    query.done()
    words = query.text("query") or query.text("q")
    return await _search(parts, words, query.text("status"), limit, offset, caller_of(request).reader)


async def search_for(parts: Parts, request: Asked) -> Response:
    """As the GET, with the query in the body."""
    body = parse(await read_body(request, parts.settings.max_body_bytes), Found)
    check = Check()
    check.whole("limit", body.limit, low=1, high=100)
    check.whole("offset", body.offset, low=0, high=10_000)
    check.done()
    return await _search(parts, body.query, body.status or "", body.limit, body.offset, caller_of(request).reader)


async def _search(parts: Parts, words: str, status: str, limit: int, offset: int, reader: Reader | None) -> Response:
    check, statuses = Check(), STATUSES.get(status, ())
    words = check.text("query", words, chars_max=QUERY_CHARS_MAX, needed=True)
    if status and not statuses:
        check.wrong("status", f"must be one of {', '.join(STATUSES)}")
    check.done()
    found, total = await parts.shelf.search(words, statuses=statuses, limit=limit, offset=offset, reader=reader)
    rows = [row_of(row) for row in found]
    return listed(rows, "results", "debates", total=total, limit=limit, offset=offset, query=words)


def _listed(found: Sequence[Summary], *, total: int, limit: int, offset: int) -> Response:
    rows = [row_of(row) for row in found]
    return listed(rows, "debates", total=total, limit=limit, offset=offset)


async def statistics(parts: Parts, request: Asked) -> Response:
    """How many debates there are that the caller may see, by status."""
    reader = caller_of(request).reader
    key = STATISTICS if reader is None else f"{STATISTICS}/{reader.user_id}"
    kept = parts.cache.get(key)
    if kept is None:
        counts = {str(status): await parts.store.total((status,), reader=reader) for status in Status}
        total = await parts.store.total(reader=reader)
        answer = Statistics(
            total=total,
            total_debates=total,
            active=counts[Status.ACTIVE],
            completed=counts[Status.COMPLETED],
            failed=counts[Status.FAILED],
            by_status=counts,
            running=parts.engine.dispatch.running(parts.engine.running),
            queued=parts.engine.queued,
        )
        kept = msgspec.json.encode(answer)
        parts.cache.put(key, kept, ttl_s=min(STATISTICS_TTL_S, parts.settings.cache_ttl_fast))
    return Response(kept, media_type=JSON)


async def queue(parts: Parts, request: Asked) -> Response:  # noqa: ARG001 - every handler takes the request
    """How many debates run and wait, on whichever process."""
    engine = parts.engine
    running = engine.dispatch.running(engine.running)
    answer = Queue(
        status="stopping" if engine.stopping else "running",
        running=running,
        active=running,
        queued=engine.queued,
        pending=engine.queued,
        running_max=engine.dispatch.places,
        queued_max=engine.bounds.queued_max,
    )
    return reply(answer)
