"""The door of an endpoint: who asks, how often, whether they may, whether it was done before. May import its siblings and auth.

The order matters: a token is looked at before anything is counted, so that users are counted and not their addresses; a bad token
counts against the address it came from; and nothing of the body is read before all that is settled.
"""

from functools import partial

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

from aragora.api import Endpoint, Parts
from aragora.api.answers import Created, created_of, reply
from aragora.api.asked import Asked
from aragora.api.bodies import read_body
from aragora.api.callers import TOKEN_PROTOCOL, bearer
from aragora.api.cookie import session_in
from aragora.api.repeats import Once, Terms
from aragora.api.transfer import sent
from aragora.auth import READ, WRITE, Access, Caller, require
from aragora.errors import Unauthenticated
from aragora.limits import Proxies

SAFE = frozenset({"GET", "HEAD"})
OF_DEBATE = frozenset({Access.READER, Access.OWNER})


class Entrance:
    """What all doors share."""

    def __init__(self, parts: Parts) -> None:
        """Built once, with the application."""
        self.parts = parts
        self.proxies = Proxies(parts.settings.trusted_networks)
        self.once = Once(parts.repeats, now=parts.now)

    def address(self, connection: HTTPConnection) -> str:
        """The address that counts."""
        peer = connection.client.host if connection.client else ""
        return self.proxies.caller(peer, connection.headers.get("x-forwarded-for", ""))

    async def identify(self, connection: HTTPConnection) -> Caller:
        """Who asks; raises Unauthenticated for a token that is not good."""
        address, token = self.address(connection), bearer(connection)
        kept = "" if token else session_in(connection)
        if not token and not kept:
            return self.parts.accounts.nobody(address)
        try:
            return await self.parts.accounts.identify(token or kept, address)
        except Unauthenticated:
            connection.scope["stale_cookie"] = bool(kept)
            await self.count(connection.scope, "default", f"address/{address}")
            raise

    def stranger(self, socket: HTTPConnection) -> Caller | None:
        """Who opens a WebSocket and shows nothing by which it could be known; None for everybody else."""
        headers, query = socket.headers, socket.query_params if socket.scope["query_string"] else ()
        shown = "authorization" in headers or "cookie" in headers or "token" in query or "ticket" in query
        return None if shown or _protocols(socket) else self.parts.accounts.nobody(self.address(socket))

    async def identify_socket(self, socket: HTTPConnection) -> Caller:
        """Who opens a WebSocket: by header, sub-protocol, ticket, cookie, or token in the URL, as the public client does."""
        query, address = socket.query_params, self.address(socket)
        offered = (name.removeprefix(TOKEN_PROTOCOL) for name in _protocols(socket) if name.startswith(TOKEN_PROTOCOL))
        token = bearer(socket) or next(offered, "") or query.get("token", "")
        if not token and "ticket" not in query:
            token = session_in(socket)
        try:
            if ticket := query.get("ticket", ""):
                return await self.parts.accounts.redeem(ticket, address)
            return await self.parts.accounts.identify(token, address) if token else self.parts.accounts.nobody(address)
        except Unauthenticated:
            await self.count(socket.scope, "default", f"address/{address}")
            raise

    async def count(self, scope: Scope, kind: str, name: str) -> None:
        """Count a request; what is left then goes out with the answer, whatever that is."""
        allowance = await self.parts.limits.count(kind, name)
        if allowance is not None:
            scope["allowance"] = allowance
            allowance.raise_if_spent()


def _protocols(socket: HTTPConnection) -> list[str]:
    offered: list[str] = socket.scope.get("subprotocols", [])
    return offered


class Door:
    """An endpoint, as it is served."""

    def __init__(self, endpoint: Endpoint, entrance: Entrance) -> None:
        """Lead to `endpoint`."""
        self._endpoint, self._entrance, self._parts = endpoint, entrance, entrance.parts
        self._scope = endpoint.scope or (READ if endpoint.method in SAFE else WRITE)
        remake = endpoint.remake or (created if endpoint.answer is Created else None)
        rebuilt = None if remake is None else partial(remake, self._parts)
        self._terms = Terms(keeps=endpoint.keeps, again=endpoint.again, rebuilt=rebuilt)

    async def __call__(self, request: Asked) -> Response:
        """The answer to one request."""
        scope = request.scope
        scope["endpoint_path"] = self._endpoint.path
        if self._endpoint.lasts:
            self._parts.lasting.look(scope, "" if self._endpoint.limit == "none" else self._endpoint.limit)
        await self._enter(request)
        response = await self._answered(request)
        return sent(request, response, self._parts.cache, tagged=self._endpoint.limit != "none")

    async def _enter(self, request: Asked) -> None:
        endpoint, entrance = self._endpoint, self._entrance
        # A bad token is no reason to withhold what is for anyone: it may be the very one that is to be renewed.
        if endpoint.access is Access.ANYONE:
            caller = self._parts.accounts.nobody(entrance.address(request))
        else:
            caller = await entrance.identify(request)
        request.scope["caller"] = caller
        if endpoint.limit != "none":
            await entrance.count(request.scope, endpoint.limit, caller.name)
        if endpoint.access in OF_DEBATE:
            if caller.user_id:
                require(caller, Access.CALLER, self._scope)
            link = request.query_params.get("share", "") if endpoint.method in SAFE else ""
            change = endpoint.access is Access.OWNER
            await self._parts.accounts.admit(caller, request.path_params["id"], change=change, link=link)
        else:
            require(caller, endpoint.access, self._scope)

    async def _answered(self, request: Asked) -> Response:
        if request.method != "POST":
            return await self._handle(request)
        keyed = "idempotency-key" in request.headers
        if not keyed and not self._endpoint.heals:
            return await self._handle(request)
        body = await read_body(request, self._parts.settings.max_body_bytes)
        caller: Caller = request.scope["caller"]
        path = request.scope["path"].replace("/api/v1/", "/api/", 1)
        if keyed:
            return await self._entrance.once.keyed(request, body, caller, path, self._terms, self._handle)
        return await self._entrance.once.healed(request, body, caller, path, self._handle)

    async def _handle(self, request: Asked) -> Response:
        return await self._endpoint.handler(self._parts, request)


async def created(parts: Parts, request: Asked, debate_id: str) -> Response:  # noqa: ARG001 - the form of all that remake
    """The answer to whoever made a debate."""
    record = await parts.store.debate(debate_id)
    return reply(created_of(record.id, record.brief, record.status), 201, {"Location": f"/api/debates/{debate_id}"})
