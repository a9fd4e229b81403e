"""Bad input gets a clear error in the flat form, is never repeated back, and harms nothing."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from builders import WAIT_S, Answer, Served, served

SECRET = "zebra-4711"  # planted in what is sent; must not come back
GOOD: dict[str, Any] = {"topic": "Is it?", "agents": ["demo"], "rounds": 1, "start": False}
BODIES: dict[str, bytes] = {
    "empty": b"",
    "broken": b'{"topic": "zebra-4711',
    "deep": b'{"topic":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep in an unknown field": b'{"topic":"x","zebra-4711":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep in protocol": b'{"topic":"x","protocol":{"zebra-4711":' + b"[" * 50_000 + b"]" * 50_000 + b"}}",
    "nan": b'{"topic":"x","threshold":NaN}',
    "infinity": b'{"topic":"x","threshold":1e400}',
    "surrogate": b'{"topic":"zebra-4711 \\ud800"}',
    "nul": b'{"topic":"zebra-4711 \\u0000"}',
    "control": b'{"topic":"zebra-4711 \\u001b[31m"}',
    "utf-8": b'{"topic":"zebra-4711 \xff\xfe"}',
    "utf-16": '{"topic":"zebra-4711"}'.encode("utf-16"),
    "huge number": b'{"topic":"x","rounds":' + b"9" * 5000 + b"}",
    "rounds too many": b'{"topic":"x","rounds":4711}',
    "rounds none": b'{"topic":"x","rounds":0}',
    "rounds a boolean": b'{"topic":"x","rounds":true}',
    "rounds a fraction": b'{"topic":"x","rounds":1.5}',
    "rounds a text": b'{"topic":"x","rounds":"zebra-4711"}',
    "topic a list": b'{"topic":["zebra-4711"]}',
    "topic null": b'{"topic":null}',
    "topic blank": b'{"topic":"   "}',
    "topic long": json.dumps({"topic": "zebra-4711" * 2000}).encode(),
    "agents unknown": b'{"topic":"x","agents":["zebra-4711"]}',
    "agents none": b'{"topic":"x","agents":[]}',
    "agents too many": json.dumps({"topic": "x", "agents": ["demo"] * 1000}).encode(),
    "agents numbers": b'{"topic":"x","agents":[4711]}',
    "agents long": json.dumps({"topic": "x", "agents": ["zebra-4711" * 100]}).encode(),
    "rule unknown": b'{"topic":"x","rule":"zebra-4711"}',
    "protocol unknown": b'{"topic":"x","protocol":"zebra-4711"}',
    "protocol odd": b'{"topic":"x","protocol":{"rounds":"zebra-4711"}}',
    "threshold": b'{"topic":"x","threshold":1.01}',
    "quorum": b'{"topic":"x","quorum":4711}',
    "seed": b'{"topic":"x","seed":-1}',
    "a list": b'["zebra-4711"]',
    "a number": b"4711",
    "twice": b'{"topic":"x","topic":["zebra-4711"]}',
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all the tests here."""
    with served(tmp_path_factory.mktemp("hostile"), connection_timeout=2) as server:
        yield server


def is_flat(answer: Answer) -> None:
    """The answer is an error in the form that every client of ours can read."""
    body = answer.json
    assert "application/problem+json" == answer.headers["content-type"]
    assert answer.status == body["status"]
    assert all(isinstance(body[name], str) for name in ("type", "title", "detail", "error", "code", "trace_id"))
    assert body["trace_id"] == answer.headers["x-request-id"]
    assert SECRET.encode() not in answer.body
    assert b"Traceback" not in answer.body


@pytest.mark.parametrize("name", BODIES)
def test_bad_bodies(server: Served, name: str) -> None:
    """A body that cannot be right is refused with 400, and nothing is stored."""
    before = server.ask("/api/debates").json["total"]
    answer = server.ask("/api/debates", BODIES[name])
    assert 400 == answer.status, answer.body
    is_flat(answer)
    assert before == server.ask("/api/debates").json["total"]


def test_every_flaw_is_said(server: Served) -> None:
    """A body with several flaws is told all of them, each with its field."""
    answer = server.ask("/api/debates", {"topic": " ", "rounds": 99, "agents": ["x"], "rule": "y", "threshold": 7})
    assert {"topic", "rounds", "agents[0]", "rule", "threshold"} == {flaw["field"] for flaw in answer.json["errors"]}


def test_large_bodies(server: Served) -> None:
    """A body over the bound is refused, said or unsaid, and the server does not keep it."""
    answer = server.ask("/api/debates", b"x" * 10_000_000)
    assert 413 == answer.status
    is_flat(answer)
    with socket.create_connection(("127.0.0.1", server.api_port), WAIT_S) as line:
        line.sendall(b"POST /api/debates HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk, said = b"10000\r\n" + b"x" * 65536 + b"\r\n", b""
        with contextlib.suppress(OSError):  # the server has had enough
            for _ in range(800):
                line.sendall(chunk)
        with contextlib.suppress(ConnectionResetError):
            line.settimeout(WAIT_S)
            said = line.recv(4096)
        assert said == b"" or b" 413 " in said
    assert 200 == server.ask("/api/health").status


@pytest.mark.parametrize(
    "path",
    [
        "/api/debates?limit=0",
        "/api/debates?limit=1000000000",
        "/api/debates?offset=1000000000000000000",
        "/api/debates?limit=-1",
        "/api/debates?limit=%00",
        "/api/debates?limit=%D9%A1",
        "/api/debates?status=zebra-4711",
        "/api/debates?cursor=zebra-4711",
        "/api/debates?cursor=" + "A" * 5000,
    ],
)
def test_bad_queries(server: Served, path: str) -> None:
    """A query out of bounds is refused."""
    answer = server.ask(path)
    assert 400 == answer.status
    is_flat(answer)


@pytest.mark.parametrize(
    "name", ["zebra-4711", "0" * 32, "..%2F..%2Fetc%2Fpasswd", "%00", "%F0%9F%92%A9", "a" * 5000, "%27%20OR%201=1--"]
)
def test_unknown_debates(server: Served, name: str) -> None:
    """What does not exist is not found, whatever its name and however it is asked for."""
    for rest in ("", "/messages", "/events", "/votes", "/events/stream"):
        answer = server.ask(f"/api/debates/{name}{rest}")
        assert 404 == answer.status
        is_flat(answer)
    assert {404} == {server.ask(f"/api/debates/{name}/{verb}", b"").status for verb in ("start", "cancel")}
    assert 404 == server.ask(f"/api/debates/{name}/vote", {"choice": "demo"}).status


@pytest.mark.parametrize(
    "body",
    [
        {"choice": "zebra-4711"},
        {"choice": 1},
        {},
        {"choice": "demo", "confidence": 2},
        {"choice": "demo", "voter": ""},
        {"choice": "demo", "voter": "x" * 1000},
        {"choice": "demo", "voter": "a\x00b"},
        {"choice": "demo", "reason": "x" * 10_000},
    ],
)
def test_bad_votes(server: Served, body: dict[str, Any]) -> None:
    """A vote that cannot be right is refused."""
    debate_id = server.ask("/api/debates", GOOD).json["id"]
    answer = server.ask(f"/api/debates/{debate_id}/vote", body)
    assert 400 == answer.status
    is_flat(answer)


def test_wrong_ways(server: Served) -> None:
    """Unknown paths, wrong methods and compressed bodies are said to be so."""
    assert (404, 405, 404) == tuple(
        server.ask(path, method=method).status
        for path, method in [("/api/zebra-4711", "GET"), ("/api/debates", "PUT"), ("/api/v3/debates", "GET")]
    )
    is_flat(server.ask("/zebra-4711"))
    assert 400 == server.ask("/api/debates", b"\x1f\x8b", Content_Encoding="gzip").status
    assert "GET" in server.ask("/api/health", method="DELETE").headers["allow"]


def test_pages_of_others_may_not(server: Served) -> None:
    """A browser on a page of somebody else is refused, and so is a name that is not ours."""
    assert 403 == server.ask("/api/debates", GOOD, Origin="https://evil.example").status
    assert 403 == server.ask("/api/debates", GOOD, Origin="null").status
    assert 201 == server.ask("/api/debates", GOOD, Origin=f"http://127.0.0.1:{server.ws_port}").status
    rebound = server.ask("/api/debates", Host="evil.example")
    assert (400, "HOST_NOT_ALLOWED") == (rebound.status, rebound.json["code"])


def test_silent_and_slow_clients_are_let_go(server: Served) -> None:
    """Connections that say nothing, or never finish saying it, are closed; meanwhile others are served."""
    lines = [socket.create_connection(("127.0.0.1", server.api_port), WAIT_S) for _ in range(60)]
    for number, line in enumerate(lines):
        if number % 3 == 1:
            line.sendall(b"GET /api/health HTTP/1.1\r\nHost: loc")
        if number % 3 == 2:
            line.sendall(b"POST /api/debates HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
    assert 200 == server.ask("/api/health").status
    deadline = time.monotonic() + WAIT_S
    for line in lines:
        line.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            while line.recv(4096):
                pass
        except ConnectionResetError:
            pass
        line.close()


RAW = [
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST /api/debates HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"POST /api/debates HTTP/1.1\r\nHost: localhost\r\nContent-Length: zebra\r\n\r\n",
    b"POST /api/debates HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    b"POST /api/debates HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
    b"GET /api/health HTTP/1.1\r\nHost : localhost\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x00" * 100,
    b"GET /api/health HTTP/9.9\r\n\r\n",
    b"GET /api/health\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
]


@pytest.mark.parametrize("raw", RAW)
def test_raw_nonsense(server: Served, raw: bytes) -> None:
    """Bytes that are no request are answered with 4xx or hung up on; the server goes on."""
    with socket.create_connection(("127.0.0.1", server.api_port), WAIT_S) as line:
        line.settimeout(WAIT_S)
        line.sendall(raw)
        try:
            answer = line.recv(4096)
        except ConnectionResetError:
            answer = b""
    assert answer == b"" or answer.split(b" ")[1].startswith(b"4"), answer
    assert 200 == server.ask("/api/health").status
