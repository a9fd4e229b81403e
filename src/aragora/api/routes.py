"""The route table: every endpoint once, with what the OpenAPI document says of it. May import its siblings.

Whatever is under `/api` is under `/api/v1` too.
"""

from dataclasses import replace
from functools import partial

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from aragora.api import (
    Endpoint,
    Param,
    Parts,
    agent_rows,
    agents,
    asyncapi,
    completions,
    debate_rows,
    debates,
    health,
    hooks,
    mcp,
    pages,
    shelf,
    status,
    streams,
)
from aragora.api.answers import (
    Created,
    Debate,
    DebateList,
    Done,
    Estimated,
    EventList,
    Health,
    MessageList,
    VoteCast,
    VoteList,
)
from aragora.api.asked import Asked, Serve
from aragora.api.bodies import Cancel, CastVote, CreateDebate
from aragora.api.debate_rows import LISTED
from aragora.api.door import Door, Entrance
from aragora.api.identity_rows import ROWS as IDENTITY
from aragora.api.middleware import Edge
from aragora.api.openapi import document
from aragora.api.position import Remembering
from aragora.api.router import Match, Paths
from aragora.api.rows import LIMIT, OFFSET, get, post
from aragora.api.standings import AgentList, Leaderboard
from aragora.api.transfer import sent
from aragora.auth import READ, Access

PAGES = (
    Param(name="limit", about="Rows wanted.", low=1, high=200),
    Param(name="offset", about="Rows to skip.", low=0, high=1_000_000),
)
CURSOR = Param(name="cursor", about="The `next_cursor` of the page before.")
AFTER = Param(name="after", about="The number of the last event seen.", low=0, high=2**63 - 1)
SINCE = Param(name="since", about="Another name for `after`.", low=0, high=2**63 - 1)

API: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/health",
        handler=health.health,
        lasts=True,
        summary="Is the server well?",
        answer=Health,
        limit="none",
        access=Access.ANYONE,
    ),
    get("/health/detailed", status.detailed, "What is the server doing?", status.Detailed, errors=()),
    get("/health/database", health.health, "Does the database answer?", Health, errors=()),
    get("/health/components", status.detailed, "What is the server doing?", status.Detailed, errors=()),
    get("/health/startup", health.health, "Has the server started?", Health, errors=()),
    get("/health/circuits", status.circuits, "Providers and their breakers.", status.Circuits, errors=()),
    get("/health/job-queue", shelf.queue, "How many debates run and wait.", shelf.Queue, errors=()),
    get("/health/slow-debates", health.slow, "Debates that run for long.", DebateList, errors=()),
    get("/status", status.status, "Debates, queue, providers, breakers, objectives.", status.Status, errors=()),
    Endpoint(
        method="POST",
        path="/debates",
        handler=debates.create,
        summary="Hold a debate.",
        answer=Created,
        status=201,
        body=CreateDebate,
        errors=(400, 413, 503),
        limit="debates",
        heals=True,
    ),
    Endpoint(
        method="GET",
        path="/debates",
        handler=debates.index,
        lasts=True,
        summary="List debates, newest first.",
        answer=DebateList,
        params=(LIMIT, OFFSET, CURSOR, LISTED),
        errors=(400,),
    ),
    Endpoint(
        method="POST",
        path="/debates/estimate",
        handler=debates.estimate,
        summary="What a debate would cost; nothing is started.",
        answer=Estimated,
        body=CreateDebate,
        errors=(400, 413),
        scope=READ,
        again=True,
    ),
    Endpoint(
        method="GET",
        path="/debates/{id}",
        handler=debates.show,
        lasts=True,
        summary="Read a debate.",
        answer=Debate,
        errors=(404,),
        access=Access.READER,
    ),
    Endpoint(
        method="GET",
        path="/debates/{id}/messages",
        handler=debates.messages,
        lasts=True,
        summary="What the seats said.",
        answer=MessageList,
        params=PAGES,
        errors=(400, 404),
        access=Access.READER,
    ),
    Endpoint(
        method="GET",
        path="/debates/{id}/votes",
        handler=debates.votes,
        lasts=True,
        summary="Ballots of seats and votes of people.",
        answer=VoteList,
        params=PAGES,
        errors=(400, 404),
        access=Access.READER,
    ),
    Endpoint(
        method="GET",
        path="/debates/{id}/events",
        handler=debates.events,
        lasts=True,
        summary="A debate's log, from a number on.",
        answer=EventList,
        params=(replace(LIMIT, high=1000), AFTER, SINCE),
        errors=(400, 404),
        access=Access.READER,
    ),
    Endpoint(
        method="GET",
        path="/debates/{id}/events/stream",
        handler=streams.stream,
        summary="Follow a debate as server-sent events; `Last-Event-ID` resumes.",
        answer="text/event-stream",
        params=(AFTER,),
        errors=(400, 404),
        also=(204,),
        access=Access.READER,
    ),
    Endpoint(
        method="POST",
        path="/debates/{id}/vote",
        handler=debates.vote,
        summary="Vote, once per person and debate.",
        answer=VoteCast,
        status=201,
        body=CastVote,
        also=(200,),
        errors=(400, 404, 409, 413, 503),
        access=Access.READER,
        again=True,
    ),
    Endpoint(
        method="POST",
        path="/debates/{id}/start",
        handler=debates.start,
        summary="Start a stored debate.",
        answer=Done,
        errors=(404, 409, 503),
        limit="debates",
        access=Access.OWNER,
        again=True,
    ),
    Endpoint(
        method="POST",
        path="/debates/{id}/cancel",
        handler=debates.cancel,
        summary="End a debate now.",
        answer=Done,
        body=Cancel,
        body_needed=False,
        errors=(400, 404, 409, 413, 503),
        access=Access.OWNER,
        again=True,
    ),
    Endpoint(
        method="GET",
        path="/leaderboard",
        handler=agents.leaderboard,
        lasts=True,
        summary="Agents by strength.",
        answer=Leaderboard,
        params=(LIMIT, OFFSET, agent_rows.JUDGED),
        errors=(400,),
    ),
    Endpoint(
        method="GET",
        path="/agents",
        handler=agents.index,
        lasts=True,
        summary="Agents: whether they can be asked, their prices, health and record.",
        answer=AgentList,
        params=(replace(LIMIT, high=1000), OFFSET),
        errors=(400,),
    ),
    *debate_rows.ROWS,
    *agent_rows.ROWS,
    *hooks.ROWS,
    *IDENTITY,
)

ROOT: tuple[Endpoint, ...] = (
    Endpoint(
        method="GET",
        path="/livez",
        handler=health.live,
        summary="Does the event loop turn?",
        answer=Health,
        limit="none",
        access=Access.ANYONE,
    ),
    Endpoint(
        method="GET",
        path="/readyz",
        handler=health.ready,
        summary="Does this instance take work?",
        answer=Health,
        also=(503,),
        limit="none",
        access=Access.ANYONE,
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        handler=health.metrics,
        summary="Metrics for Prometheus.",
        answer="text/plain",
        limit="none",
        access=Access.ANYONE,
    ),
    replace(
        post("/v1/chat/completions", completions.complete, "Hold a debate as a chat completion.", completions.ChatCompletion),
        body=completions.Chat,
        media=("text/event-stream",),
        errors=(413, 503),
        limit="debates",
        remake=completions.again,
    ),
    get("/v1/models", completions.models, "The presets, as models.", completions.ModelList, errors=()),
    get("/v1/models/{model}", completions.model, "A preset, as a model.", completions.Model, errors=()),
    get("/v1/models/aragora/{model}", completions.model, "A preset, as a model.", completions.Model, errors=()),
    replace(post("/mcp", mcp.serve, "One message of an MCP host.", mcp.RpcAnswer, body=mcp.Message), also=(202,), scope=READ),
)


def endpoints() -> tuple[Endpoint, ...]:
    """Every endpoint with its full path."""
    return ROOT + tuple(replace(endpoint, path=prefix + endpoint.path) for prefix in ("/api", "/api/v1") for endpoint in API)


def build(parts: Parts) -> ASGIApp:
    """The whole application: the same on both ports."""
    entrance = Entrance(parts)
    paths: Paths[Serve] = Paths()
    served = endpoints()
    for endpoint in served:
        paths.add(endpoint.method, endpoint.path, Door(endpoint, entrance))
    described = document(served, parts.accounts.mode)

    async def openapi(request: Asked) -> Response:
        return sent(request, Response(described, media_type="application/json"), parts.cache, tagged=True)

    watched = asyncapi.document()

    async def events(_: Asked) -> Response:
        return Response(watched, media_type="application/json")

    shown = pages.serving(parts, served)
    for path, serve in ({"/openapi.json": openapi, "/asyncapi.json": events} | shown.table).items():
        paths.add("GET", path, serve)
    edge = Edge(partial(_served, paths, shown.nowhere), parts)
    return Remembering(edge) if parts.settings.database_replica_url else edge


async def _served(paths: Paths[Serve], nowhere: Serve, request: Asked) -> Response:
    scope = request.scope
    found = paths.find(scope.get("raw_path") or scope["path"].encode())
    if found is None:
        return await nowhere(request)
    scope["path_params"] = found.values
    return await _chosen(found, scope["method"])(request)


def _chosen(found: Match[Serve], method: str) -> Serve:
    serve = found.methods.get("GET" if method == "HEAD" else method)
    if serve is None:
        allowed = sorted({*found.methods, *(("HEAD",) if "GET" in found.methods else ())})
        raise HTTPException(405, headers={"Allow": ", ".join(allowed)})
    return serve
