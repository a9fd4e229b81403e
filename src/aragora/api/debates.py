"""Debates over HTTP: create, list, read, vote, cancel. May import its siblings, engine and store records."""

import asyncio
from dataclasses import replace

from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import (
    JSON,
    Done,
    Estimated,
    VoteCast,
    created_of,
    cursor_of,
    cursor_text,
    debate_of,
    listing,
    message_of,
    reply,
    row_of,
    vote_of,
)
from aragora.api.asked import Asked
from aragora.api.bodies import CastVote, CreateDebate, brief_of, parse, read_body, reason_of
from aragora.api.bodies import vote_of as read_vote
from aragora.api.callers import caller_of, voter_of
from aragora.api.query import Query
from aragora.api.shelf import archived
from aragora.api.words import ARCHIVED, STATUSES
from aragora.debate.model import Status
from aragora.metrics import Laps
from aragora.providers.estimate import estimate as estimated
from aragora.providers.money import prices_date
from aragora.store.records import Record


async def create(parts: Parts, request: Asked) -> Response:
    """Store a debate and start it, unless the body says `"start": false`."""
    took = _steps(parts, request)
    body = took("parse", parse(await read_body(request, parts.settings.max_body_bytes), CreateDebate))
    brief = took("validate", brief_of(body, parts))
    debate_id = await parts.engine.create(brief, start=body.start, filing=caller_of(request).filing, lap=took.lap)
    took.lap("write")
    headers = {"Location": f"/api/debates/{debate_id}"}
    return took("serialize", reply(created_of(debate_id, brief), 201, headers))


def _steps(parts: Parts, request: Asked) -> Laps:
    """A clock for the steps of a request; everything before its handler was the first."""
    laps = parts.metrics.laps(request.scope["endpoint_path"], request.scope["began"])
    laps.lap("auth")
    return laps


async def estimate(parts: Parts, request: Asked) -> Response:
    """What a debate would use and cost if it went through every round; nothing is stored or asked."""
    body = parse(await read_body(request, parts.settings.max_body_bytes), CreateDebate)
    brief = brief_of(body, parts)
    *seats, whole = await asyncio.to_thread(estimated, brief, parts.agents)
    told = Estimated(
        calls=whole.calls,
        tokens_in=whole.tokens_in,
        tokens_out=whole.tokens_out,
        cost_usd=whole.usd,
        cost_usd_at_most=whole.usd_max,
        max_cost_usd=brief.cost_usd_max,
        prices_of=prices_date(),
        seats=seats,
    )
    return reply(told, 200)


async def index(parts: Parts, request: Asked) -> Response:
    """Debates, newest first."""
    query = Query(request)
    limit, offset = query.whole("limit", 20, low=1, high=100), query.whole("offset", 0, low=0, high=10_000)
    status = query.text("status")
    statuses = STATUSES.get(status, ())
    if status and not statuses and status != ARCHIVED:
        query.wrong("status", f"must be one of {', '.join((*STATUSES, ARCHIVED))}")
    query.done()
    if status == ARCHIVED:
        return await archived(parts, request)
    before = cursor_of(query.text("cursor"))
    reader = caller_of(request).reader
    found = await parts.store.debates(limit=limit + 1, offset=offset, before=before, statuses=statuses, reader=reader)
    rows, more = found[:limit], len(found) > limit
    total = await parts.store.total(statuses, reader=reader)
    cursor = cursor_text(rows[-1]) if more else None
    body = listing(
        [row_of(row) for row in rows], "debates", total=total, limit=limit, offset=offset, next_cursor=cursor, has_more=more
    )
    return Response(body, media_type=JSON)


async def show(parts: Parts, request: Asked) -> Response:
    """One debate as it stands. The encoded form of an ended one is kept, where nobody else can delete it or write on it."""
    debate_id = request.path_params["id"]
    kept = parts.cache.get(debate_id)
    if kept is not None:
        return Response(kept, media_type=JSON)
    record = await parts.store.debate(debate_id)
    answer = reply(debate_of(record))
    if record.ended_at is not None and not parts.settings.on_postgres:
        parts.cache.put(debate_id, bytes(answer.body), ttl_s=parts.settings.cache_ttl_medium)
    return answer


async def messages(parts: Parts, request: Asked) -> Response:
    """What the seats said, in order."""
    record, query = await _debate(parts, request), Query(request)
    limit, offset = query.whole("limit", 50, low=1, high=200), query.whole("offset", 0, low=0, high=1_000_000)
    query.done()
    found = await parts.store.messages(record.id, limit=limit, offset=offset)
    rows = [message_of(offset + place, spoken) for place, spoken in enumerate(found)]
    total = await parts.store.count(record.id, "messages")
    body = listing(rows, "messages", total=total, limit=limit, offset=offset, debate_id=record.id)
    return Response(body, media_type=JSON)


async def votes(parts: Parts, request: Asked) -> Response:
    """Ballots of the seats and votes of people, and the count of the people's."""
    record, query = await _debate(parts, request), Query(request)
    limit, offset = query.whole("limit", 50, low=1, high=200), query.whole("offset", 0, low=0, high=1_000_000)
    query.done()
    rows = [vote_of(cast) for cast in await parts.store.votes(record.id, limit=limit, offset=offset)]
    total = await parts.store.count(record.id, "votes")
    tally = await parts.store.people(record.id)
    body = listing(rows, "votes", total=total, limit=limit, offset=offset, debate_id=record.id, tally=tally)
    return Response(body, media_type=JSON)


async def events(parts: Parts, request: Asked) -> Response:
    """Events numbered above `after`, as they went over the wire. `since` is another name for `after`."""
    record, query = await _debate(parts, request), Query(request)
    limit = query.whole("limit", 100, low=1, high=1000)
    after = max(query.whole("after", 0, low=0), query.whole("since", 0, low=0))
    query.done()
    found = await parts.store.events(record.id, after=min(after, record.last_seq), limit=limit)
    last = found[-1].seq if found else min(after, record.last_seq)
    rows = "[" + ",".join(event.frame for event in found) + "]"
    body = listing(
        rows.encode(),
        "events",
        count=len(found),
        total=record.last_seq,
        limit=limit,
        has_more=last < record.last_seq,
        debate_id=record.id,
        next_seq=last,
    )
    return Response(body, media_type=JSON)


async def vote(parts: Parts, request: Asked) -> Response:
    """Count a person's vote: once, however often it is sent; a different choice replaces it until the debate ends."""
    took = _steps(parts, request)
    debate_id = request.path_params["id"]
    seats = took("read", await parts.store.seats(debate_id))
    body = took("parse", parse(await read_body(request, parts.settings.max_body_bytes), CastVote))
    cast = read_vote(body, seats)
    cast = took("validate", replace(cast, voter=voter_of(request, cast.voter)))
    counted = took("write", await parts.engine.vote(debate_id, cast))
    answer = VoteCast(
        success=True,
        vote_id=f"{debate_id}/{cast.voter}",
        debate_id=debate_id,
        seq=counted.seq,
        voter=cast.voter,
        choice=cast.choice,
        changed=counted.fresh,
        tally=took("read", await parts.store.people(debate_id)),
    )
    return took("serialize", reply(answer, 201 if counted.fresh else 200))


async def start(parts: Parts, request: Asked) -> Response:
    """Start a debate that was stored without starting; starting it twice starts it once."""
    debate_id = request.path_params["id"]
    await parts.engine.start(debate_id)
    record = await parts.store.debate(debate_id)
    return reply(Done(success=True, debate_id=debate_id, status=record.status, message="The debate has been started."))


async def cancel(parts: Parts, request: Asked) -> Response:
    """End a debate now and stop its work; cancelling it twice cancels it once."""
    reason = reason_of(await read_body(request, parts.settings.max_body_bytes))
    debate_id = request.path_params["id"]
    await parts.engine.cancel(debate_id, reason)
    return reply(Done(success=True, debate_id=debate_id, status=Status.CANCELLED, message="The debate has been cancelled."))


async def _debate(parts: Parts, request: Asked) -> Record:
    return await parts.store.debate(request.path_params["id"])
