"""WebSocket: upgrades a request that is parsed already, reads small frames itself and leaves the rest to `websockets`.

Imports nothing of ours. Nothing here waits: who writes asks first whether the client has read what came before.
"""

import asyncio
import logging
import re
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha1
from http import HTTPStatus
from itertools import islice
from typing import Any

from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.utils import apply_mask

# How long a client that was told to go may take to say goodbye before it is cut off.
LAST_WORDS_S = 5.0
PONG_WITHIN_S = 10.0
PING_BYTES = 4
# Pings are looked after no more often than this, however many are due.
LOOK_EVERY_S = 0.05
CLOSE_MISTAKE, CLOSE_RESTART, CLOSE_NO_TEXT = 1011, 1012, 1007
# One line for each that comes and goes is a tenth of a connection; what goes wrong is said.
QUIET = logging.getLogger("aragora.sockets")
QUIET.setLevel(logging.WARNING)
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = re.compile(rb"[A-Za-z0-9+/]{22}==\Z")
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
# How a request for a WebSocket begins, and what a plain one is: whole, and of nothing but printable characters.
UPGRADING = b"GET /ws"
REQUEST = re.compile(rb"GET (/[!-~]*) HTTP/1\.1\r\n((?:[A-Za-z0-9-]+: [!-~](?:[ -~]*[!-~])?\r\n)+)\r\n\Z")
BODIED = frozenset({b"content-length", b"transfer-encoding"})
# First bytes of frames that are whole messages, and what comes before the payload of a small one from a client.
TEXT, PONG = 0x80 | Opcode.TEXT, 0x80 | Opcode.PONG
SHORT = frozenset({TEXT, PONG})
MASKED, SMALL, MIDDLE, HEAD_BYTES = 0x80, 125, 65_535, 6


def framed(payload: bytes) -> bytes:
    """A text as it goes to a client."""
    size = len(payload)
    if size <= SMALL:
        return bytes((TEXT, size)) + payload
    if size <= MIDDLE:
        return b"%c~%b%b" % (TEXT, size.to_bytes(2, "big"), payload)
    return b"%c\x7f%b%b" % (TEXT, size.to_bytes(8, "big"), payload)


class Pulse:
    """Pings whoever has been there for a while and drops who does not answer, with one timer for all."""

    def __init__(self, every_s: float) -> None:
        """Look after nobody yet."""
        self._every_s = every_s
        # Both in the order in which they are due, since every wait is equally long.
        self._due: dict[Socket, float] = {}
        self._asked: dict[Socket, tuple[float, bytes]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, socket: "Socket") -> None:
        """Ping a client once it has been there for so long."""
        loop = asyncio.get_running_loop()
        self._due[socket] = loop.time() + self._every_s
        if self._timer is None:
            self._timer = loop.call_later(self._every_s, self._look)

    def answered(self, socket: "Socket", payload: bytes) -> None:
        """A client has sent a pong; one that answers no ping of ours means nothing."""
        if socket in self._asked and self._asked[socket][1] == payload:
            del self._asked[socket]
            self.watch(socket)

    def leave(self, socket: "Socket") -> None:
        """A client is gone."""
        self._due.pop(socket, None)
        self._asked.pop(socket, None)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        for socket in [socket for socket, (at, _) in self._asked.items() if at <= now]:
            socket.fail(CLOSE_MISTAKE, "keepalive ping timeout")
        due = []
        for socket, at in self._due.items():
            if at > now:
                break
            due.append(socket)
        payload = secrets.token_bytes(PING_BYTES)
        ping = Frame(Opcode.PING, payload).serialize(mask=False)
        for socket in due:
            del self._due[socket]
            self._asked[socket] = (now + PONG_WITHIN_S, payload)
            socket.write(ping)
        soonest = [*islice(self._due.values(), 1), *(at for at, _ in islice(self._asked.values(), 1))]
        if soonest:
            self._timer = loop.call_at(max(min(soonest), now + LOOK_EVERY_S), self._look)


@dataclass(frozen=True, slots=True)
class Shared:
    """What holds for every WebSocket of a server."""

    enter: Callable[["Socket", dict[str, Any]], None]  # lets a client in or refuses it; is given its scope
    pulse: Pulse
    message_bytes_max: int
    connections_max: int


class Socket(asyncio.Protocol):
    """One WebSocket. While a client sends small whole frames and nothing else it has no parser; what else comes makes one."""

    __slots__ = (
        "_accept",
        "_cut",
        "_head",
        "_parser",
        "_pieces",
        "_room",
        "_shared",
        "_state",
        "_text",
        "gone",
        "said",
        "transport",
    )

    def __init__(self, shared: Shared, state: ServerState, transport: asyncio.Transport) -> None:
        """Nobody is let in yet; whoever lets a client in sets what happens with what is `said` and when it is `gone`."""
        self._shared, self._state, self.transport = shared, state, transport
        self.said: Callable[[str | bytes], None] | None = None
        self.gone: Callable[[], None] | None = None
        self._accept = self._head = b""
        self._parser: ServerProtocol | None = None
        self._pieces: list[bytes] = []  # of a message that comes in several frames
        self._text = False  # whether those are a text
        self._room: asyncio.Event | None = None  # set when the client has read what came before
        self._cut: asyncio.TimerHandle | None = None
        state.connections.add(self)  # type: ignore[arg-type]  # it is only shut down

    # The handshake

    def upgrade(self, scope: Mapping[str, Any], url: bytes) -> None:
        """Take over from HTTP, which has read a request to do so."""
        if len(self._state.connections) >= self._shared.connections_max:
            self.refuse(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        accept = _accept(scope) or self._judged(scope, url)
        if accept is None:
            return
        self._accept = accept
        path, _, query = url.partition(b"?")
        offered = (value for name, value in scope["headers"] if name == b"sec-websocket-protocol")
        protocols = [name.strip() for value in offered for name in value.decode("latin-1").split(",")]
        asked = {"type": "websocket", "raw_path": path, "query_string": query, "subprotocols": protocols}
        self._shared.enter(self, {**scope, **asked})
        if self._head:
            self.write(b"")

    def _judged(self, scope: Mapping[str, Any], url: bytes) -> bytes | None:
        """What answers a request that is not as plain as most; None when it has been refused."""
        parser = ServerProtocol(logger=QUIET)
        lines = [b"%b: %b\r\n" % header for header in scope["headers"]]
        parser.receive_data(b"%b %b HTTP/1.1\r\n%b\r\n" % (scope["method"].encode(), url, b"".join(lines)))
        for request in parser.events_received():
            if isinstance(request, Request):
                response = parser.accept(request)
                if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                    return response.headers["Sec-WebSocket-Accept"].encode()
                parser.send_response(response)
        self.transport.write(b"".join(parser.data_to_send()))
        self.transport.close()
        return None

    def refuse(self, status: HTTPStatus) -> None:
        """Answer that this is not to be."""
        head = [f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode(), *self._standing()]
        self.transport.write(b"".join([*head, b"content-length: 0\r\nconnection: close\r\n\r\n"]))
        self.transport.close()

    def accept(self, protocol: str | None) -> None:
        """Let the client in, speaking a protocol that it offered. This goes out with the first frame, if there is one at once."""
        head = [SWITCHING, self._accept, b"\r\n", *self._standing()]
        if protocol:
            head.append(f"Sec-WebSocket-Protocol: {protocol}\r\n".encode("latin-1"))
        self._head = b"".join([*head, b"\r\n"])
        self._shared.pulse.watch(self)

    def _standing(self) -> list[bytes]:
        return [b"%b: %b\r\n" % header for header in self._state.default_headers]

    # What the application says

    @property
    def writable(self) -> bool:
        """Whether the client has read what came before."""
        return self._room is None

    async def room(self) -> None:
        """Wait until it has, or is gone."""
        while self._room is not None:
            await self._room.wait()

    def listen(self) -> None:
        """Read on."""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def write(self, frames: bytes) -> None:
        """Write whole frames."""
        if self._cut is None and not self.transport.is_closing():
            if self._head:
                frames, self._head = self._head + frames, b""
            self.transport.write(frames)

    def put(self, frames: bytes) -> bool:
        """Write whole frames if the client has read what came before; if not, whoever sends them has to wait."""
        if self._room is not None or self._cut is not None or self.transport.is_closing():
            return False
        self.transport.write(frames)
        return True

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye behind whatever is unread, and cut the line soon, whether or not that was read."""
        if self._cut is not None or self.transport.is_closing():
            return
        self.write(b"")
        if self._read_by().state is OPEN:  # else the client said goodbye in the same breath, and is answered
            self._read_by().send_close(code, reason)
        self._send()
        self.transport.resume_reading()
        self._last_words()

    def fail(self, code: int, reason: str) -> None:
        """Close without waiting for an answer."""
        self._read_by().fail(code, reason)
        self._send()

    def shutdown(self) -> None:
        """What uvicorn calls when the server stops: tell the client to come back."""
        self.close(CLOSE_RESTART)
        self.transport.close()

    # What comes

    def data_received(self, data: bytes) -> None:
        """Read frames."""
        if self._parser is None:
            place = self._small(data)
            if place == len(data):
                return
            data = data[place:]
        self._read(data)

    def _small(self, data: bytes) -> int:
        """Take whole small frames from the front; the place where something else begins."""
        place = 0
        while len(data) >= place + HEAD_BYTES and self._parser is None:
            kind, size = data[place], data[place + 1] - MASKED
            start = place + HEAD_BYTES
            if kind not in SHORT or not 0 <= size <= SMALL or len(data) < start + size:
                break
            payload = apply_mask(data[start : start + size], data[start - 4 : start])
            if kind == PONG:
                self._shared.pulse.answered(self, payload)
            else:
                try:
                    text = payload.decode()
                except UnicodeDecodeError:
                    break
                self._tell(text)
            place = start + size
        return place

    def _read_by(self) -> ServerProtocol:
        """What reads and closes by the book."""
        if self._parser is None:
            self._parser = ServerProtocol(state=OPEN, max_size=self._shared.message_bytes_max, logger=QUIET)
        return self._parser

    def _read(self, data: bytes) -> None:
        parser = self._read_by()
        if parser.eof_sent:
            return
        parser.receive_data(data)
        for frame in parser.events_received():
            if not isinstance(frame, Frame):
                continue
            if frame.opcode is Opcode.PONG:
                self._shared.pulse.answered(self, bytes(frame.data))
            elif frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
                self._piece(frame)
        self._send()

    def _piece(self, frame: Frame) -> None:
        """A message, or a part of one."""
        if frame.opcode is not Opcode.CONT:
            self._text = frame.opcode is Opcode.TEXT
        self._pieces.append(bytes(frame.data))
        if not frame.fin:
            return
        whole = b"".join(self._pieces)
        self._pieces = []
        if not self._text:
            self._tell(whole)
            return
        try:
            text = whole.decode()
        except UnicodeDecodeError:
            self.fail(CLOSE_NO_TEXT, "this is no UTF-8")
            return
        self._tell(text)

    def _tell(self, message: str | bytes) -> None:
        if self.said is not None and self._cut is None:
            self.said(message)

    def _send(self) -> None:
        """Write what the parser wants written; an empty end means that nothing will follow."""
        writes = self._read_by().data_to_send()
        if not writes or self.transport.is_closing():
            return
        self.transport.write(b"".join(writes))
        if not writes[-1]:
            self._last_words()
            self.transport.close()  # once all has been read, which may be never

    def _last_words(self) -> None:
        if self._cut is None:
            self._cut = asyncio.get_running_loop().call_later(LAST_WORDS_S, self.transport.abort)
        self._end()

    def pause_writing(self) -> None:
        """More is unread than the transport wants to hold."""
        self._room = asyncio.Event()

    def resume_writing(self) -> None:
        """It has been read."""
        if self._room is not None:
            self._room.set()
            self._room = None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own
        """The line is cut."""
        self._state.connections.discard(self)
        if self._cut is not None:
            self._cut.cancel()
        self._end()
        self.resume_writing()

    def _end(self) -> None:
        """The application hears no more of this client."""
        self._shared.pulse.leave(self)
        gone, self.said, self.gone = self.gone, None, None
        if gone is not None:
            gone()


def plain(data: bytes) -> tuple[bytes, list[tuple[bytes, bytes]]] | None:
    """URL and headers of a whole request to upgrade that says everything once, as HTTP's parser has them; None for others."""
    found = REQUEST.match(data)
    if found is None:
        return None
    headers = [(name.lower(), value) for name, _, value in (line.partition(b": ") for line in found[2].split(b"\r\n")[:-1])]
    named = dict(headers)
    if len(named) < len(headers) or not named.keys().isdisjoint(BODIED):
        return None
    upgrades = named.get(b"upgrade", b"").lower() == b"websocket" and named.get(b"connection", b"").lower() == b"upgrade"
    return (found[1], headers) if upgrades else None


def _accept(scope: Mapping[str, Any]) -> bytes | None:
    """What answers a plain request to upgrade: one that says everything once. None for whatever else there is."""
    headers = dict(scope["headers"])
    key = headers.get(b"sec-websocket-key", b"")
    plain = len(headers) == len(scope["headers"]) and scope["method"] == "GET" and headers[b"upgrade"].lower() == b"websocket"
    if not plain or headers.get(b"sec-websocket-version") != b"13" or not KEY.match(key):
        return None
    return b64encode(sha1(key + MAGIC, usedforsecurity=False).digest())
