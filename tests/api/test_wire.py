"""The WebSocket protocol under the application: what is read in pieces of any size, what is refused, what is closed and how."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import OPEN
from websockets.sync.client import ClientConnection, connect
from websockets.uri import parse_uri

from aragora.api import wire
from aragora.api.wire import Pulse, Shared, Socket, framed, plain
from builders import WAIT_S, served

MESSAGE_BYTES_MAX = 1000
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # the one in RFC 6455, as is its answer
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
PLAIN = {b"upgrade": b"websocket", b"connection": b"Upgrade", b"sec-websocket-key": KEY, b"sec-websocket-version": b"13"}


@dataclass
class Line(asyncio.Transport):
    """The server's end of a connection."""

    said: bytes = b""
    closed: bool = False
    aborted: bool = False

    def write(self, data: Any) -> None:
        self.said += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def resume_reading(self) -> None:
        pass


@dataclass
class Client:
    """What a client's library makes of the server's bytes, and what the application was told."""

    socket: Socket
    line: Line
    heard: list[str | bytes] = field(default_factory=list)
    gone: int = 0

    def frames(self) -> list[Frame]:
        """Every frame so far, read by the book."""
        reader = ClientProtocol(parse_uri("ws://localhost/ws"), state=OPEN)
        reader.receive_data(self.line.said.partition(b"\r\n\r\n")[2])
        assert reader.parser_exc is None
        return [frame for frame in reader.events_received() if isinstance(frame, Frame)]

    @property
    def close(self) -> Close:
        """The last frame, which closes."""
        last = self.frames()[-1]
        assert Opcode.CLOSE is last.opcode
        return Close.parse(last.data)


def a_scope(headers: Sequence[tuple[bytes, bytes]] = tuple(PLAIN.items()), method: str = "GET") -> dict[str, Any]:
    """A request as uvicorn has read it."""
    return {"type": "http", "method": method, "headers": list(headers), "client": ("127.0.0.1", 5)}


@contextmanager
def a_client(scope: dict[str, Any] | None = None, *, ping_s: float = 1000.0, connections_max: int = 10) -> Iterator[Client]:
    """A client whom the application lets in, saying hello."""
    line, entered = Line(), list[Client]()

    def enter(socket: Socket, asked: dict[str, Any]) -> None:
        assert b"/ws" == asked["raw_path"]
        socket.accept(None)
        socket.said, socket.gone = told.heard.append, gone
        socket.write(framed(b"hello"))
        entered.append(told)

    def gone() -> None:
        told.gone += 1

    state = ServerState()
    state.default_headers = [(b"date", b"today")]
    socket = Socket(Shared(enter, Pulse(ping_s), MESSAGE_BYTES_MAX, connections_max), state, line)
    told = Client(socket, line)
    socket.upgrade(scope or a_scope(), b"/ws?x=1")
    try:
        yield told
    finally:
        socket.connection_lost(None)
        assert not state.connections
        assert len(entered) == told.gone


def in_a_loop(check: Callable[[], None]) -> None:
    """Call something where there is a loop, so that timers can be set."""

    async def run() -> None:
        check()

    asyncio.run(run())


def from_client(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    """A frame, masked as a client's are."""
    return Frame(opcode, data, fin).serialize(mask=True)


def test_plain_handshake_is_answered_with_the_first_frame() -> None:
    """The example of RFC 6455 gets the answer of RFC 6455, and the greeting goes out with it."""

    def check() -> None:
        with a_client() as client:
            head, _, rest = client.line.said.partition(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            assert b"HTTP/1.1 101 Switching Protocols" == lines[0]
            assert {b"Sec-WebSocket-Accept: " + ACCEPT, b"date: today", b"Upgrade: websocket"} <= set(lines)
            assert framed(b"hello") == rest

    in_a_loop(check)


REQUESTS: list[tuple[int, dict[bytes, bytes | None], list[tuple[bytes, bytes]]]] = [
    (101, {b"upgrade": b"WebSocket"}, []),
    (101, {b"connection": b"keep-alive, Upgrade"}, [(b"x-what", b"1"), (b"x-what", b"2")]),
    (400, {b"sec-websocket-key": None}, []),
    (400, {b"sec-websocket-key": b"short"}, []),
    (400, {b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZS4="}, []),
    (400, {b"sec-websocket-key": b"%%%%IHNhbXBsZSBub25jZQ=="}, []),
    (400, {}, [(b"sec-websocket-key", KEY)]),
    (400, {b"sec-websocket-version": b"8"}, []),
    (400, {b"sec-websocket-version": None}, []),
    (426, {}, [(b"upgrade", b"h2c")]),
]


@pytest.mark.parametrize(("status", "changed", "more"), REQUESTS)
def test_handshake_is_judged_by_the_book(
    status: int, changed: dict[bytes, bytes | None], more: list[tuple[bytes, bytes]]
) -> None:
    """What is plain and what is not get the status that the library gives."""
    headers = [(name, value) for name, value in {**PLAIN, **changed}.items() if value is not None]

    def check() -> None:
        with a_client(a_scope([*headers, *more])) as client:
            assert client.line.said.startswith(f"HTTP/1.1 {status} ".encode())
            assert (status != 101) == client.line.closed

    in_a_loop(check)


def test_other_methods_do_not_upgrade() -> None:
    """A body has no place in a handshake."""

    def check() -> None:
        with a_client(a_scope(method="POST")) as client:
            assert client.line.said.startswith(b"HTTP/1.1 405 ")

    in_a_loop(check)


def test_one_too_many_is_refused() -> None:
    """WebSockets are counted among the connections; the one that reaches the bound is told so."""

    def check() -> None:
        with a_client(connections_max=1) as client:
            assert client.line.said.startswith(b"HTTP/1.1 503 ")
            assert client.line.closed

    in_a_loop(check)


class Parsed:
    """What HTTP's parser makes of a request."""

    def __init__(self, data: bytes) -> None:
        self.url, self.headers, self.ended = b"", list[tuple[bytes, bytes]](), False
        self._parser = httptools.HttpRequestParser(self)
        self.upgraded = False
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as where:
            self.upgraded = where.args[0] == len(data)
        self.method = self._parser.get_method()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_message_complete(self) -> None:
        self.ended = True


LINES = [
    *(b"Host: localhost", b"HOST: a", b"Upgrade: websocket", b"Upgrade: WebSocket", b"Upgrade:websocket", b"Upgrade: websocket "),
    *(b"Connection: Upgrade", b"connection: upgrade", b"Connection: keep-alive, Upgrade", b"Connection: close"),
    *(b"Sec-WebSocket-Key: " + KEY, b"Sec-WebSocket-Version: 13", b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    *(
        b"X: a  b",
        b"X: ",
        b"X:",
        b"X: \xe4",
        b"X: a\tb",
        b" folded",
        b"X : a",
        b"Y: a: b",
        b"Z: a\rb",
        b"Z: a\nb",
        b"Expect: 100-continue",
    ),
]
URLS = [b"/ws", b"/ws?debate_id=1&after=2", b"/ws?x=%20&y=\xc3", b"/wsx", b"/ws#a", b"/ws ", b"http://localhost/ws"]
requests = st.tuples(
    st.sampled_from(URLS),
    st.lists(st.sampled_from(LINES), max_size=5),
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0"]),
    st.sampled_from([b"", b"more", b"GET / HTTP/1.1\r\n\r\n"]),
    st.sampled_from([b"\r\n", b"\n"]),
)


@settings(max_examples=300)
@given(request=requests, beside=st.booleans())
def test_plain_requests_are_read_as_http_reads_them(
    request: tuple[bytes, list[bytes], bytes, bytes, bytes], beside: bool
) -> None:
    """Whatever is taken for a plain request to upgrade is one to HTTP's own parser, with the same URL and headers."""
    url, lines, version, more, end = request
    usual = [b"Upgrade: websocket", b"Connection: Upgrade"] if beside else []
    data = end.join([b"GET %b %b" % (url, version), *usual, *lines, b"", more])
    found = plain(data)
    if found is not None:
        parsed = Parsed(data)
        assert (b"GET", True, True) == (parsed.method, parsed.upgraded, parsed.ended)
        assert (parsed.url, parsed.headers) == found


def test_usual_requests_are_plain() -> None:
    """A browser's request is."""
    lines = [b"%b: %b" % each for each in {**PLAIN, b"host": b"localhost", b"origin": b"http://localhost"}.items()]
    data = b"\r\n".join([b"GET /ws?debate_id=1 HTTP/1.1", *lines, b"", b""])
    found = plain(data)
    assert found is not None
    assert (b"/ws?debate_id=1", 6) == (found[0], len(found[1]))
    assert plain(data + b"x") is None


messages = st.one_of(st.text(max_size=200), st.binary(max_size=200))
# A message, and at which places it is cut into frames.
sent = st.lists(st.tuples(messages, st.lists(st.integers(0, 200), max_size=2), st.booleans()), max_size=6)


@given(sent=sent, cuts=st.lists(st.integers(0, 2000), max_size=6))
def test_messages_come_whole_however_they_are_cut(sent: list[tuple[str | bytes, list[int], bool]], cuts: list[int]) -> None:
    """Texts and bytes in one frame or several, with pings between them, in any pieces: each is told once, in order, as it was."""
    stream, pings = b"", 0
    for message, places, pinged in sent:
        data = message.encode() if isinstance(message, str) else message
        bounds = [0, *sorted(min(place, len(data)) for place in places), len(data)]
        parts = [data[low:high] for low, high in pairwise(bounds)]
        for number, part in enumerate(parts):
            kind = Opcode.CONT if number else Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
            stream += from_client(kind, part, fin=number == len(parts) - 1)
            if pinged:
                stream, pings = stream + from_client(Opcode.PING, b"%d" % number), pings + 1
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]

    def check() -> None:
        with a_client() as client:
            for low, high in pairwise(edges):
                client.socket.data_received(stream[low:high])
            assert [message for message, _, _ in sent] == client.heard
            assert pings == sum(frame.opcode is Opcode.PONG for frame in client.frames())

    in_a_loop(check)


BROKEN = {
    "no utf-8, small": (from_client(Opcode.TEXT, b"\xff"), 1007),
    "no utf-8, cut": (from_client(Opcode.TEXT, b"\xc3", fin=False) + from_client(Opcode.CONT, b"\x28"), 1007),
    "too long": (from_client(Opcode.TEXT, b"x" * (MESSAGE_BYTES_MAX + 1)), 1009),
    "too long together": (from_client(Opcode.TEXT, b"x" * 600, fin=False) + from_client(Opcode.CONT, b"x" * 600), 1009),
    "not masked": (framed(b"hello"), 1002),
    "reserved bit": (b"\xc1" + from_client(Opcode.TEXT, b"x")[1:], 1002),
    "unknown opcode": (b"\x83" + from_client(Opcode.TEXT, b"x")[1:], 1002),
    "nothing to continue": (from_client(Opcode.CONT, b"x"), 1002),
    "long ping": (b"\x89" + from_client(Opcode.TEXT, b"x" * 126)[1:], 1002),
    "goodbye": (from_client(Opcode.CLOSE, Close(1001, "bye").serialize()), 1001),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("before", [b"", from_client(Opcode.TEXT, b"fine")], ids=["first", "after a text"])
def test_what_breaks_the_rules_is_closed_with_its_code(name: str, before: bytes) -> None:
    """What was sent before counts; the line is closed, and the application hears of it once."""
    raw, code = BROKEN[name]

    def check() -> None:
        with a_client() as client:
            client.socket.data_received(before + raw + from_client(Opcode.TEXT, b"more"))
            assert (["fine"] if before else []) == client.heard
            assert (code, True, 1) == (client.close.code, client.line.closed, client.gone)

    in_a_loop(check)


def test_goodbye_is_said_once() -> None:
    """After closing nothing is written or told; the client's answer cuts the line."""

    def check() -> None:
        with a_client() as client:
            client.socket.close(4001, "log in first")
            client.socket.close(4008, "again")
            client.socket.write(framed(b"late"))
            assert not client.socket.put(framed(b"late"))
            client.socket.data_received(from_client(Opcode.TEXT, b"unheard"))
            assert ([], 1, False) == (client.heard, client.gone, client.line.closed)
            client.socket.data_received(from_client(Opcode.CLOSE, Close(4001, "").serialize()))
            assert ((4001, "log in first"), True) == ((client.close.code, client.close.reason), client.line.closed)

    in_a_loop(check)


def test_goodbyes_may_cross() -> None:
    """A client that leaves with the message for which it would be closed has its own goodbye answered."""

    def check() -> None:
        with a_client() as client:
            client.socket.said = lambda _: client.socket.close(4029, "too many messages")
            bye = from_client(Opcode.CLOSE, Close(1001, "bye").serialize())
            client.socket.data_received(from_client(Opcode.BINARY, b"one too many") + bye)
            assert (1001, True, 1) == (client.close.code, client.line.closed, client.gone)

    in_a_loop(check)


def test_stopping_server_tells_its_clients() -> None:
    """Clients learn that they are to come back, and the line is closed behind that."""

    def check() -> None:
        with a_client() as client:
            client.socket.shutdown()
            assert (1012, True, 1) == (client.close.code, client.line.closed, client.gone)

    in_a_loop(check)


def test_full_line_takes_nothing_until_it_is_read() -> None:
    """What is offered to a client that lags is not taken; whoever waits goes on once there is room, or nobody to wait for."""

    async def check() -> None:
        for cut in (False, True):
            with a_client() as client:
                assert client.socket.put(framed(b"one"))
                client.socket.pause_writing()
                assert not client.socket.put(framed(b"two"))
                async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
                    waiting = [tasks.create_task(client.socket.room()) for _ in range(2)]
                    await asyncio.sleep(0)
                    assert not any(task.done() for task in waiting)
                    if cut:
                        client.socket.connection_lost(None)
                    else:
                        client.socket.resume_writing()
                assert client.socket.writable

    asyncio.run(check())


def test_silent_clients_are_pinged_and_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who answers each ping stays, who answers something else is closed with 1011, and cut off if that is not read."""
    monkeypatch.setattr(wire, "PONG_WITHIN_S", 0.1)
    monkeypatch.setattr(wire, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(wire, "LAST_WORDS_S", 0.01)

    async def check() -> None:
        with a_client(ping_s=0.02) as lively, a_client(ping_s=0.02) as dead:
            answered = 0
            async with asyncio.timeout(WAIT_S):
                while answered < 3 or not dead.line.aborted:
                    await asyncio.sleep(0.005)
                    pings = [frame for frame in lively.frames() if frame.opcode is Opcode.PING]
                    for ping in pings[answered:]:
                        lively.socket.data_received(from_client(Opcode.PONG, bytes(ping.data)))
                        dead.socket.data_received(from_client(Opcode.PONG, b"nonsense"))
                    answered = len(pings)
            assert (False, 1011) == (lively.line.closed, dead.close.code)
            assert not lively.gone

    asyncio.run(check())


def test_clients_of_a_whole_server(tmp_path: Path) -> None:
    """A library's client is pinged and stays, talks in long and short messages, and leaves; other paths are refused."""
    with served(tmp_path, ws_ping_s=0.1) as server:
        url = f"ws://127.0.0.1:{server.ws_port}"
        with connect(f"{url}/ws", open_timeout=WAIT_S) as client:
            assert "connected" == json.loads(client.recv(WAIT_S))["type"]
            for text in (
                '{"type":"ping","ts":1}',
                '{"type":"ping","ts":2,"more":"' + "x" * 1000 + '"}',
                '{"type":"ping","ts":3}',
            ):
                client.send(text)
                assert "pong" == json.loads(client.recv(WAIT_S))["type"]
            with pytest.raises(TimeoutError):
                client.recv(0.5)
            client.send(iter(['{"type":', '"ping"', "}"]))
            assert "pong" == json.loads(client.recv(WAIT_S))["type"]
        for path in ("/other", "/ws/", "/"):
            with pytest.raises(InvalidStatus) as refused, connect(url + path, open_timeout=WAIT_S):
                pass
            assert 403 == refused.value.response.status_code
        with connect(f"{url}/ws", open_timeout=WAIT_S) as client:
            client.recv(WAIT_S)
            assert 0 == server.stop()
            with pytest.raises(ConnectionClosed):
                client.recv(WAIT_S)
            assert 1012 == client.close_code


def chatter(client: ClientConnection) -> None:
    """Say far too much, then hear what comes of it; until that is read, a client does not know that it was closed."""
    for _ in range(500):
        client.send('{"type":"ping"}')
    while True:
        client.recv(WAIT_S)


def test_who_says_too_much_is_closed_and_what_waits_is_done_in_order(tmp_path: Path) -> None:
    """What is said while a subscription is made is done after it; a 51st message within a second is one too many."""
    with served(tmp_path, demo_delay_s=60) as server:
        debate_id = server.ask("/api/debates", {"topic": "In order?", "agents": ["demo"], "rounds": 1}).json["id"]
        with connect(f"ws://127.0.0.1:{server.ws_port}/ws?debate_id={debate_id}", open_timeout=WAIT_S) as client:
            for said in ("ping", "unsubscribe", "subscribe", "ping"):
                client.send(json.dumps({"type": said, "debate_id": debate_id}))
            kinds = list[str]()
            while kinds.count("pong") < 2:
                kinds.append(json.loads(client.recv(WAIT_S))["type"])
            order = [kind for kind in kinds if kind not in {"debate_start", "agent_thinking"}]
            assert ["connected", "subscribed", "pong", "unsubscribed", "subscribed", "pong"] == order
        with connect(f"ws://127.0.0.1:{server.ws_port}/ws", open_timeout=WAIT_S) as client:
            assert "connected" == json.loads(client.recv(WAIT_S))["type"]
            with pytest.raises(ConnectionClosed):
                chatter(client)
            assert 4029 == client.close_code
