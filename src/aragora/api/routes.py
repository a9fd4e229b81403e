"""The route table: every endpoint once, with what the OpenAPI document says of it. May import its siblings.

Whatever is under `/api` is under `/api/v1` too.
"""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from aragora.api import Endpoint, Param, Parts, agents, debates, health, pages, sockets, streams
from aragora.api.answers import (
    AgentList,
    Created,
    Debate,
    DebateList,
    Done,
    Estimated,
    EventList,
    Health,
    Leaderboard,
    MessageList,
    VoteCast,
    VoteList,
)
from aragora.api.bodies import Cancel, CastVote, CreateDebate
from aragora.api.middleware import Edge
from aragora.api.openapi import document
from aragora.limits import Proxies

MANY = 10_000
LIMIT = Param(name="limit", about="Rows wanted.", low=1, high=100)
OFFSET = Param(name="offset", about="Rows to skip; use the cursor to go far.", low=0, high=MANY)
PAGE = (
    Param(name="limit", about="Rows wanted.", low=1, high=200),
    Param(name="offset", about="Rows to skip.", low=0, high=100 * MANY),
)
CURSOR = Param(name="cursor", about="The `next_cursor` of the page before.")
STATUS = Param(name="status", about="Only debates of this status.", choices=tuple(debates.STATUSES))
AFTER = Param(name="after", about="The number of the last event seen.", low=0, high=2**63 - 1)
SINCE = Param(name="since", about="Another name for `after`.", low=0, high=2**63 - 1)

API: tuple[Endpoint, ...] = (
    Endpoint(method="GET", path="/health", handler=health.health, summary="Is the server well?", answer=Health, limit="none"),
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
    ),
    Endpoint(
        method="GET",
        path="/debates",
        handler=debates.index,
        summary="List debates, newest first.",
        answer=DebateList,
        params=(LIMIT, OFFSET, CURSOR, STATUS),
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
    ),
    Endpoint(method="GET", path="/debates/{id}", handler=debates.show, summary="Read a debate.", answer=Debate, errors=(404,)),
    Endpoint(
        method="GET",
        path="/debates/{id}/messages",
        handler=debates.messages,
        summary="What the seats said.",
        answer=MessageList,
        params=PAGE,
        errors=(400, 404),
    ),
    Endpoint(
        method="GET",
        path="/debates/{id}/votes",
        handler=debates.votes,
        summary="Ballots of seats and votes of people.",
        answer=VoteList,
        params=PAGE,
        errors=(400, 404),
    ),
    Endpoint(
        method="GET",
        path="/debates/{id}/events",
        handler=debates.events,
        summary="A debate's log, from a number on.",
        answer=EventList,
        params=(replace(LIMIT, high=1000), AFTER, SINCE),
        errors=(400, 404),
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
    ),
    Endpoint(
        method="POST",
        path="/debates/{id}/start",
        handler=debates.start,
        summary="Start a stored debate.",
        answer=Done,
        errors=(404, 409, 503),
        limit="debates",
    ),
    Endpoint(
        method="POST",
        path="/debates/{id}/cancel",
        handler=debates.cancel,
        summary="End a debate now.",
        answer=Done,
        body=Cancel,
        errors=(400, 404, 409, 413, 503),
    ),
    Endpoint(
        method="GET",
        path="/leaderboard",
        handler=agents.leaderboard,
        summary="Agents by rating.",
        answer=Leaderboard,
        params=(LIMIT, OFFSET),
        errors=(400,),
    ),
    Endpoint(
        method="GET",
        path="/agents",
        handler=agents.index,
        summary="Agents that can be asked.",
        answer=AgentList,
        params=(replace(LIMIT, high=1000), OFFSET),
        errors=(400,),
    ),
)

ROOT: tuple[Endpoint, ...] = (
    Endpoint(method="GET", path="/livez", handler=health.live, summary="Does the event loop turn?", answer=Health, limit="none"),
    Endpoint(
        method="GET",
        path="/readyz",
        handler=health.ready,
        summary="Does this instance take work?",
        answer=Health,
        also=(503,),
        limit="none",
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        handler=health.metrics,
        summary="Metrics for Prometheus.",
        answer="text/plain",
        limit="none",
    ),
)


def endpoints() -> tuple[Endpoint, ...]:
    """Every endpoint with its full path."""
    return ROOT + tuple(replace(endpoint, path=prefix + endpoint.path) for prefix in ("/api", "/api/v1") for endpoint in API)


class _Answer:
    """An endpoint as an ASGI application."""

    def __init__(self, endpoint: Endpoint, parts: Parts, proxies: Proxies) -> None:
        self._endpoint, self._parts, self._proxies = endpoint, parts, proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["endpoint_path"] = self._endpoint.path
        request = Request(scope, receive)
        if self._endpoint.limit != "none":
            peer = request.client.host if request.client else ""
            caller = self._proxies.caller(peer, request.headers.get("x-forwarded-for", ""))
            await self._parts.limits.check(self._endpoint.limit, caller)
        response = await self._endpoint.handler(self._parts, request)
        await response(scope, receive, send)


def build(parts: Parts) -> ASGIApp:
    """The whole application: the same on both ports."""
    proxies = Proxies(parts.settings.trusted_networks)
    table: list[BaseRoute] = []
    served = endpoints()
    for endpoint in served:
        app = _Answer(endpoint, parts, proxies)
        table.append(Route(endpoint.path, app, methods=[endpoint.method], name=endpoint.path))

    described = document(served)

    async def openapi(_: Request) -> Response:
        return Response(described, media_type="application/json")

    async def follow(socket: WebSocket) -> None:
        await sockets.serve(parts, socket)

    table += [Route("/openapi.json", openapi), WebSocketRoute("/ws", follow), *pages.routes(parts, served)]
    return Edge(_Routed(Router(table, redirect_slashes=False)), parts)


class _Routed:
    """A router that raises for what it does not know, so that one place answers all errors."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self._router(scope, receive, send)
