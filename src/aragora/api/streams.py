"""A debate's events as server-sent events: the WebSocket's twin, for curl and EventSource. May import its siblings and feed."""

from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from time import time

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from aragora.api import Parts
from aragora.api.callers import caller_of
from aragora.api.passes import Pass
from aragora.api.query import Query
from aragora.errors import NotFound, Overloaded, StoreError, Unauthenticated

# Proxies close a connection that says nothing; a comment line is ignored by every client.
BEAT_S = 15.0
BEAT = ": beat\n\n"


async def stream(parts: Parts, request: Request) -> Response:
    """Events above `after` or `Last-Event-ID`, past and future, until the last."""
    query = Query(request)
    after = query.whole("after", 0, low=0)
    resumed = request.headers.get("last-event-id", "")
    if resumed.isascii() and resumed.isdigit():
        after = max(after, min(int(resumed[:19]), 2**63 - 1))
    query.done()
    debate_id = request.path_params["id"]
    record = await parts.store.debate(debate_id)
    right = Pass(parts, caller_of(request), debate_id=debate_id, link=query.text("share"))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if record.ended_at is not None and after >= record.last_seq:
        return Response(status_code=204)  # tells EventSource not to reconnect for ever
    return StreamingResponse(_frames(parts, debate_id, after, right), headers=headers, media_type="text/event-stream")


async def _frames(parts: Parts, debate_id: str, after: int, right: Pass) -> AsyncIterator[str]:
    # While the database is away the stream ends; the client comes back with the number of the last event it saw.
    with right.heard(), suppress(StoreError, Overloaded):
        async with aclosing(parts.feed.follow(debate_id, after, beat_s=BEAT_S)) as frames:
            async for frame in frames:
                try:
                    await right.look()
                except (NotFound, Unauthenticated):
                    return  # the client comes back, and is told why at the door
                mark = f"id: {frame.seq}\n" if frame.seq else ""
                yield f"{mark}data: {frame.text}\n\n" if frame.text else BEAT
                if frame.born:  # asked for the next one: this one has been sent
                    parts.metrics.delivered(frame.kind, time() - frame.born)
