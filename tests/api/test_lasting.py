"""Answers that last: given before anything is parsed, the same as when they are made, and never a moment longer than true."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from uvicorn.server import ServerState

from aragora.api import Parts
from aragora.api.routes import build
from aragora.api.server import Http, server_for
from aragora.api.sockets import Sockets
from aragora.debate.events import PersonVoted
from builders import WAIT_S, a_brief, in_loop, parts_at

HOT = ("/api/health", "/api/debates?limit=20", "/api/debates/ID", "/api/leaderboard", "/api/agents", "/api/v1/debates/ID/events")
KEEP = "Host: localhost\r\n"
MINE = re.compile(rb"(?<=x-request-id: )\w+|(?<=date: )[^\r]+|(?<=remaining: )\d+|(?<=reset: )\d+|(?<=;r=)\d+(;t=\d+)?")


@dataclass
class Line(asyncio.Transport):
    """The server's end of a connection, so that a test sees what is written before the loop turns."""

    said: bytes = b""
    closed: bool = False
    more: asyncio.Event = field(default_factory=asyncio.Event)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 5), "sockname": ("127.0.0.1", 80)}.get(name, default)

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: Any) -> None:
        self.said += data
        self.more.set()

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


@dataclass
class Client:
    """One connection to a server in this process."""

    protocol: Http
    line: Line

    def now(self, question: bytes) -> bytes:
        """What is answered before the loop turns: nothing, unless the answer lasts."""
        self.line.said = b""
        self.protocol.data_received(question)
        return self.line.said

    async def ask(self, question: bytes) -> bytes:
        """The whole answer, whichever way it comes."""
        answer = self.now(question)
        async with asyncio.timeout(WAIT_S):
            while not self.protocol.cycle.response_complete:
                self.line.more.clear()
                await self.line.more.wait()
        return answer or self.line.said


@dataclass
class House:
    """A server's parts, and how clients reach it."""

    parts: Parts
    debate_id: str
    state: ServerState
    config: Any

    def client(self) -> Client:
        """A new connection."""
        line = Line()
        protocol = self.config.http_protocol_class(config=self.config, server_state=self.state, app_state={})
        protocol.connection_made(line)
        return Client(protocol, line)

    def question(self, path: str, more: str = "", method: str = "GET", version: str = "1.1") -> bytes:
        """The bytes of a request."""
        return f"{method} {path.replace('ID', self.debate_id)} HTTP/{version}\r\n{KEEP}{more}\r\n".encode()


@asynccontextmanager
async def house(folder: Path, *, connections_max: int = 100, **flags: object) -> AsyncIterator[House]:
    """A server with a debate that has not begun, so that nothing is written unless a test does."""
    async with parts_at(folder, run=False, **flags) as parts, Sockets(parts) as sockets:
        server = server_for(
            build(parts),
            lasting=parts.lasting,
            enter=sockets.enter,
            connections_max=connections_max,
            timeout_s=30,
            ws_message_bytes_max=1000,
            ws_ping_s=20.0,
            grace_s=1.0,
        )
        server.config.load()
        debate_id = await parts.engine.create(a_brief(), start=False)
        state = ServerState()
        state.default_headers = [(b"date", b"Tue, 24 Nov 2026 12:00:00 GMT")]
        yield House(parts, debate_id, state, server.config)
        for connection in [*state.connections]:
            connection.connection_lost(None)


def common(answer: bytes) -> bytes:
    """An answer without what belongs to one request alone."""
    return MINE.sub(b"", answer)


@pytest.mark.parametrize(
    "more", ["", "Accept-Encoding: gzip\r\n", "Origin: https://elsewhere.example\r\n", "If-None-Match: *\r\n"]
)
@pytest.mark.parametrize("path", HOT)
@in_loop
async def test_second_answer_is_the_first(path: str, more: str, tmp_path: Path) -> None:
    """It comes at once, on any connection, and differs in nothing but what belongs to one request."""
    async with house(tmp_path) as home:
        question, one = home.question(path, more), home.client()
        made = await one.ask(question)
        for client in (one, home.client()):
            given = client.now(question)
            assert common(made) == common(given)
            assert made != given  # it has an id of its own
        assert made.startswith(b"HTTP/1.1 304" if "None" in more and "health" not in path else b"HTTP/1.1 200")
        label = {"ID": "{id}"}.get("ID", "") if "ID" in path else ""
        endpoint = path.partition("?")[0].replace("ID", label)
        counted = home.parts.metrics.requests.cells["GET", endpoint, made[9:12].decode()]
        assert [3] == counted


ODD = [
    ("HEAD", "/api/debates", "", "1.1"),
    ("GET", "/api/debates", "", "1.0"),
    ("GET", "/api/debates", "Connection: close\r\n", "1.1"),
    ("GET", "/api/debates", "X-Request-ID: mine\r\n", "1.1"),
    ("GET", "/api/debates", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n", "1.1"),
    ("GET", "/api/debates?limit=0", "", "1.1"),
    ("GET", "/api/debates/unknown", "", "1.1"),
    ("GET", "/api/nothing", "", "1.1"),
    ("DELETE", "/api/health", "", "1.1"),
    ("GET", "/metrics", "", "1.1"),
    ("GET", "/api/debates/queue/status", "", "1.1"),
    ("GET", "/livez", "", "1.1"),
]


@pytest.mark.parametrize(("method", "path", "more", "version"), ODD)
@in_loop
async def test_what_is_made_each_time(method: str, path: str, more: str, version: str, tmp_path: Path) -> None:
    """Errors, other methods, ids that a client chose, and what does not follow from the database alone."""
    async with house(tmp_path) as home:
        question = home.question(path, more, method, version)
        made = await home.client().ask(question)
        assert b"" == home.client().now(question)
        question = question.replace(b"localhost", b"elsewhere.example")
        await home.client().ask(question)
        assert b"" == home.client().now(question)
        assert made.startswith(b"HTTP/1.1 ")


@in_loop
async def test_questions_are_whole(tmp_path: Path) -> None:
    """Half a question, two at once, one with a body and one behind an unanswered one are parsed as ever."""
    async with house(tmp_path) as home:
        question, client = home.question("/api/debates"), home.client()
        made = common(await client.ask(question))
        assert made == common(client.now(question))
        assert b"" == client.now(question[:20])
        assert made == common(await client.ask(question[20:]))
        twice = home.client()
        assert b"" == twice.now(question + question)
        async with asyncio.timeout(WAIT_S):
            while twice.line.said.count(b"HTTP/1.1 200") < 2:
                await asyncio.sleep(0)
        assert b"" == home.client().now(question + question)
        body = home.question("/api/debates", "Content-Length: 2\r\n") + b"{}"
        await client.ask(body)
        assert b"" == client.now(body)
        busy = home.client()
        assert b"" == busy.now(home.question("/livez"))
        busy.protocol.data_received(question)
        assert b"" == busy.line.said
        async with asyncio.timeout(WAIT_S):
            while busy.line.said.count(b"HTTP/1.1 200") < 2:
                await asyncio.sleep(0)


@in_loop
async def test_nothing_outlasts_a_write(tmp_path: Path) -> None:
    """What was written is in the next answer, whoever wrote it."""
    async with house(tmp_path) as home, parts_at(tmp_path, run=False) as sibling:
        question, client = home.question("/api/debates/ID/votes"), home.client()
        await home.parts.engine.start(home.debate_id)
        for place, writer in enumerate((home.parts, sibling, home.parts)):
            assert f'"total":{place}'.encode() in await client.ask(question)
            assert client.now(question)
            await writer.engine.vote(home.debate_id, PersonVoted(voter=f"person {place}", choice="demo-1"))
            await asyncio.sleep(0)
            assert b"" == client.now(question)
            assert f'"total":{place + 1}'.encode() in await client.ask(home.question("/api/debates/ID/votes", "Accept: */*\r\n"))
            await client.ask(home.question("/livez"))


@in_loop
async def test_private_answers_stay_with_their_owner(tmp_path: Path) -> None:
    """Another token, or none, is another question; and a token that was taken back asks in vain at once."""
    async with house(tmp_path, auth="optional") as home:
        accounts = home.parts.accounts
        ann, tokens = await accounts.register("ann@example.com", "correct horse", "Ann", agent="", address="127.0.0.1")
        caller = await accounts.identify(tokens.access_token, "127.0.0.1")
        home.debate_id = await home.parts.engine.create(a_brief(), start=False, filing=caller.filing)
        hers = home.question("/api/debates/ID", f"Authorization: Bearer {tokens.access_token}\r\n")
        assert (await home.client().ask(hers)).startswith(b"HTTP/1.1 200")
        assert home.client().now(hers).startswith(b"HTTP/1.1 200")
        assert (await home.client().ask(home.question("/api/debates/ID"))).startswith(b"HTTP/1.1 404")
        await accounts.end(caller, caller.credential_id)
        assert (await home.client().ask(hers)).startswith(b"HTTP/1.1 401")
        assert ann.id == caller.user_id


@in_loop
async def test_limits_count_both_ways(tmp_path: Path) -> None:
    """Answers that last count as any, say what is left, and end where the limit does."""
    async with house(tmp_path, rate_limit_default=3, trusted_proxies="127.0.0.1") as home:
        for address, given in (("192.0.2.1", False), ("192.0.2.2", False), ("192.0.2.1", True)):
            question, client = home.question("/api/debates", f"X-Forwarded-For: {address}\r\n"), home.client()
            if given:
                for left in (b"1", b"0"):
                    assert b"x-ratelimit-remaining: " + left + b"\r\n" in client.now(question)
                assert b"" == client.now(question)
            else:
                assert b"x-ratelimit-remaining: 2\r\n" in await client.ask(question)
        answer = await home.client().ask(home.question("/api/debates", "X-Forwarded-For: 192.0.2.1\r\n"))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 429")
        assert "RATE_LIMITED" == json.loads(body)["code"]


@in_loop
async def test_bounds_of_connections_hold(tmp_path: Path) -> None:
    """One connection too many is refused, whatever it asks; and one that asks on is not idle."""
    async with house(tmp_path, connections_max=3) as home:
        question, first, _ = home.question("/api/health"), home.client(), home.client()
        await first.ask(question)
        assert first.now(question)
        first.protocol.timeout_keep_alive_handler()
        assert not first.line.closed
        third = home.client()
        assert (await third.ask(question)).startswith(b"HTTP/1.1 503")
