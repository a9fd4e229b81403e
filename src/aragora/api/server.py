"""The server and its HTTP, as uvicorn's with what it lacks. May import `lasting` and `wire` beside it.

That is: deadlines, and answers that last, which are given before anything is parsed.
"""

import asyncio
import contextlib
import select
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import uvicorn
from uvicorn._types import ASGISendEvent, HTTPResponseBodyEvent, HTTPResponseStartEvent
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.utils import is_ssl

from aragora.api.lasting import QUESTION, Lasting, lines
from aragora.api.wire import UPGRADING, Pulse, Shared, Socket, plain

GONE = "aragora.gone"
# Linux alone tells that the other side has closed while there is still something to read.
HUNG_UP = getattr(select, "POLLRDHUP", 0)


def left(transport: asyncio.Transport) -> bool:
    """Whether a client is gone. A busy loop may not have come to read what the kernel knows, so that is asked."""
    if transport.is_closing():
        return True
    opened = transport.get_extra_info("socket")
    if opened is None or not HUNG_UP:
        return False
    asked = select.poll()
    asked.register(opened.fileno(), HUNG_UP)
    return bool(asked.poll(0))


class Cycle(RequestResponseCycle):
    """A request and its answer. One of known length is written in one piece; uvicorn writes twice and examines each header."""

    _head: HTTPResponseStartEvent | None = None  # until its body is here

    async def send(self, message: ASGISendEvent) -> None:
        """Take a part of the answer."""
        if message["type"] == "http.response.start" and not self.response_started and _length(message) is not None:
            self.response_started, self._head = True, message
        elif message["type"] == "http.response.body" and self._head is not None:
            await self._whole(self._head, message)
        else:
            await super().send(message)

    async def _whole(self, head: HTTPResponseStartEvent, body: HTTPResponseBodyEvent) -> None:
        """Write head and body, unless more is to follow."""
        self._head = None
        if body.get("more_body") or self.flow.write_paused or self.disconnected:
            self.response_started = False
            await super().send(head)
            await super().send(body)
            return
        text = b"" if self.scope["method"] == "HEAD" else body["body"]
        if text and len(text) != _length(head):
            raise RuntimeError("The answer is not as long as it says.")
        headers = [*self.default_headers, *head["headers"]]
        if not self.keep_alive:
            headers.append((b"connection", b"close"))
        said = lines(headers)
        if said.count(b"\n") != len(headers):
            raise RuntimeError("A header goes over more than one line.")
        self.transport.write(b"".join((STATUS_LINE[head["status"]], said, b"\r\n", text)))
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()


def _length(head: HTTPResponseStartEvent) -> int | None:
    for name, value in head["headers"]:
        if name == b"content-length":
            return int(value)
    return None


# uvicorn looks it up by this name, and offers no other way to choose it.
httptools_impl.RequestResponseCycle = Cycle  # type: ignore[misc]


class Http(HttpToolsProtocol):
    """HTTP with a deadline for each request to arrive; uvicorn alone would hold a silent connection for ever.

    What came is looked up as it is when it can only be a whole request: nothing is under way, and nothing was left over.
    """

    def __init__(self, *args: Any, lasting: Lasting, shared: Shared, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self._shared = shared
        self._deadline: asyncio.TimerHandle | None = None
        self._lasting = lasting
        self._begun = 0  # messages that began in what is being read
        self._open = False  # whether one of them has not ended
        self._answered_at = 0.0  # when an answer that lasts was last given

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        self.connections.add(self)
        self.transport, self.flow = transport, FlowControl(transport)
        # uvicorn asks two sockets, which it makes of the transport.
        self.server, self.client = _address(transport, "sockname"), _address(transport, "peername")
        self.scheme = "https" if is_ssl(transport) else "http"
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Answer what has an answer that lasts; read everything else."""
        if data.startswith(UPGRADING) and self.cycle is None and not self._open and (asked := plain(data)) is not None:
            url, headers = asked
            self._upgrade({"method": "GET", "headers": headers, "client": self.client}, url)
            return
        cycle, full = self.cycle, self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency
        whole = (cycle is None or cycle.response_complete) and not (self._open or full or self.flow.write_paused)
        answer = self._lasting.again(data, self.client, self.server_state.default_headers) if whole else None
        if answer is not None:
            self._give(answer)
            return
        self._begun = 0
        super().data_received(data)
        if self._open and self._deadline is None:
            self._arm()
        alone = whole and self._begun == 1 and not self._open and self.cycle is not cycle
        if alone and self.cycle.keep_alive and not self.cycle.body:
            self.scope[QUESTION] = data  # type: ignore[literal-required]  # ours, beside uvicorn's

    def _give(self, answer: bytes) -> None:
        """Write a whole answer, after which the connection stays open."""
        self._disarm()
        self._answered_at = self.loop.time()
        self.server_state.total_requests += 1
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        self.transport.write(answer)

    def timeout_keep_alive_handler(self) -> None:
        """Close what is idle; one timer serves any number of answers that last."""
        left_s = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left_s > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left_s, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def on_message_begin(self) -> None:
        """A request has begun to arrive."""
        super().on_message_begin()
        self._begun, self._open = self._begun + 1, True

    def on_headers_complete(self) -> None:
        """Offer the application a look at whether anybody is still there to be answered."""
        self.scope.setdefault("extensions", {})[GONE] = {
            "gone": partial(left, self.transport),
            "closed": self.transport.is_closing,
        }
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is here, body and all; how long the answer takes is not the client's doing."""
        self._disarm()
        self._open = False
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over."""
        self._open = False
        self._upgrade(self.scope, self.url)

    def _upgrade(self, scope: Mapping[str, Any], url: bytes) -> None:
        """The connection is a WebSocket's from here on."""
        self._disarm()
        self.connections.discard(self)
        self.parser = None  # type: ignore[assignment]  # it holds this in turn; uvicorn does the same when a line is cut
        socket = Socket(self._shared, self.server_state, self.transport)
        self.transport.set_protocol(socket)
        socket.upgrade(scope, url)

    def _arm(self) -> None:
        self._deadline = self.loop.call_later(self.timeout_keep_alive, self._late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        self.transport.abort()


def _address(transport: asyncio.Transport, which: str) -> tuple[str, int] | None:
    found = transport.get_extra_info(which)
    return (found[0], found[1]) if found else None


class Server(uvicorn.Server):
    """uvicorn's server, leaving signals to us."""

    @property
    def websockets(self) -> int:
        """How many WebSockets are open."""
        return sum(1 for connection in self.server_state.connections if isinstance(connection, Socket))

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take no signals: `app` hands debates over before it stops the server."""
        yield


def server_for(
    app: Callable[..., Any],
    *,
    lasting: Lasting,
    enter: Callable[[Socket, dict[str, Any]], None],
    connections_max: int,
    timeout_s: int,
    ws_message_bytes_max: int,
    ws_ping_s: float,
    grace_s: float,
) -> Server:
    """A server for `app`, bounded, that asks `enter` about each WebSocket; it is given its sockets when it starts."""
    shared = Shared(enter, Pulse(ws_ping_s), ws_message_bytes_max, connections_max)
    config = uvicorn.Config(
        app,
        http=partial(Http, lasting=lasting, shared=shared),  # type: ignore[arg-type]  # it is only called
        ws=Socket,
        lifespan="off",
        log_config=None,
        access_log=False,
        limit_concurrency=connections_max,
        timeout_keep_alive=timeout_s,
        timeout_graceful_shutdown=max(1, round(grace_s)),
        server_header=False,
        proxy_headers=False,
    )
    return Server(config)
