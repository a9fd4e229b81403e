"""The same request twice is done once: with an Idempotency-Key, and without one when the answer found nobody."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from aragora_sdk import AragoraClient
from starlette.responses import Response
from starlette.types import Message

from aragora.api import Parts
from aragora.api.answers import reply
from aragora.api.asked import Asked
from aragora.api.repeats import Once
from aragora.api.server import GONE, left
from aragora.auth import Caller, Mode
from builders import WAIT_S, Served, a_brief, in_loop, parts_at, served
from people import QUICK, a_person

CLIENT_WAITS_S = 1.0
BODY = json.dumps(QUICK).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that asks nobody to log in."""
    with served(tmp_path_factory.mktemp("repeats")) as running:
        yield running


def total(server: Served) -> int:
    """How many debates there are."""
    return int(server.ask("/api/debates").json["total"])


def test_same_key_same_answer(server: Served) -> None:
    """A second request with the same key and body, however it is spaced, gets the first answer and starts nothing."""
    before = total(server)
    first = server.ask("/api/debates", QUICK, Idempotency_Key="same")
    again = server.ask("/api/v1/debates", json.dumps(dict(reversed(QUICK.items())), indent=2).encode(), Idempotency_Key="same")
    assert (201, 201, first.body) == (first.status, again.status, again.body)
    assert (first.headers["location"], "true") == (again.headers["location"], again.headers["idempotency-replayed"])
    assert "idempotency-replayed" not in first.headers
    assert before + 1 == total(server)


def test_same_key_other_request(server: Served) -> None:
    """A key that was used for another body, or for another route, is refused with 422."""
    debate_id = server.ask("/api/debates", QUICK, Idempotency_Key="other").json["id"]
    assert 422 == server.ask("/api/debates", {**QUICK, "topic": "Another"}, Idempotency_Key="other").status
    assert 422 == server.ask(f"/api/debates/{debate_id}/start", b"", Idempotency_Key="other").status


def test_other_key_other_debate(server: Served) -> None:
    """Whoever wants two identical debates says so with two keys."""
    ids = {server.ask("/api/debates", QUICK, Idempotency_Key=key).json["id"] for key in ("one", "two")}
    assert 2 == len(ids)


def test_what_was_refused_is_not_kept(server: Served) -> None:
    """After a body that cannot be right, the same key may be used for one that can."""
    assert 400 == server.ask("/api/debates", {"topic": ""}, Idempotency_Key="refused").status
    assert 201 == server.ask("/api/debates", QUICK, Idempotency_Key="refused").status
    assert 404 == server.ask(f"/api/debates/{'0' * 32}/start", b"", Idempotency_Key="none").status
    assert 404 == server.ask(f"/api/debates/{'0' * 32}/start", b"", Idempotency_Key="none").status


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9"])
def test_bad_key_is_refused(server: Served, key: str) -> None:
    """A key is 1 to 255 printable ASCII characters."""
    answer = server.ask("/api/debates", QUICK, Idempotency_Key=key)
    assert (400, "Idempotency-Key") == (answer.status, answer.json["errors"][0]["field"])


def test_every_post_takes_a_key(tmp_path: Path) -> None:
    """Starting, voting and cancelling are answered again in the same way, though the second time there is nothing to do."""
    with served(tmp_path, demo_delay_s=60) as server:
        debate_id = server.ask("/api/debates", {**QUICK, "start": False}).json["id"]
        for name, body in (("start", b""), ("vote", b'{"choice":"demo-1"}'), ("cancel", b'{"reason":"enough"}')):
            first, again = (server.ask(f"/api/debates/{debate_id}/{name}", body, Idempotency_Key=name) for _ in range(2))
            assert (first.status, first.body, "true") == (again.status, again.body, again.headers["idempotency-replayed"])
            assert first.status in {200, 201}


def test_keys_are_each_callers_own(tmp_path: Path) -> None:
    """The same key of two people is two keys; nobody gets another's answer."""
    with served(tmp_path, auth="required") as server:
        answers = [a_person(server, name).ask("/api/debates", QUICK, Idempotency_Key="same") for name in ("ann", "ben")]
        assert [201, 201] == [answer.status for answer in answers]
        assert answers[0].json["id"] != answers[1].json["id"]


def test_secret_answers_are_not_kept(tmp_path: Path) -> None:
    """A key is made once; its answer, which has it in clear, is not given again, and is nowhere on disk."""
    with served(tmp_path, auth="required") as server:
        person = a_person(server, "ann")
        first, again = (person.ask("/api/auth/api-keys", b"{}", Idempotency_Key="key") for _ in range(2))
        assert (201, 409, "IDEMPOTENCY_ANSWER_LOST") == (first.status, again.status, again.json["code"])
        assert 1 == person.ask("/api/auth/api-keys").json["total"]


def test_key_in_flight_is_refused_for_the_moment(tmp_path: Path) -> None:
    """Of many at once with one key, one starts a debate; the others are told to wait, or get its answer."""
    with served(tmp_path) as server:
        answers: list[Any] = []
        go = threading.Barrier(8)

        def ask() -> None:
            go.wait()
            answers.append(server.ask("/api/debates", QUICK, Idempotency_Key="flight"))

        together(ask, 8)
        assert {answer.status for answer in answers} <= {201, 409}
        assert 1 == len({answer.json["id"] for answer in answers if answer.status == 201})
        assert {"IDEMPOTENCY_IN_FLIGHT"} >= {answer.json["code"] for answer in answers if answer.status == 409}
        assert 1 == total(server)


def test_key_survives_kill(tmp_path: Path) -> None:
    """A debate that was stored when the power went is answered with, and not started again, though its answer was never kept."""
    with served(tmp_path, demo_delay_s=60) as server:
        first = server.ask("/api/debates", QUICK, Idempotency_Key="killed")
        with sqlite3.connect(tmp_path / ".nomic/aragora_debates.db") as database:
            # As the transaction of the debate left it; keeping the answer comes after that.
            assert 1 == database.execute("UPDATE repeats SET state = 'done', status = 0, body = '', location = ''").rowcount
        server.kill()
    with served(tmp_path, demo_delay_s=60) as server:
        again = server.ask("/api/debates", QUICK, Idempotency_Key="killed")
        assert (201, first.json["id"], "true") == (again.status, again.json["id"], again.headers["idempotency-replayed"])
        assert 1 == total(server)


def test_mark_is_in_the_transaction_of_its_effect(tmp_path: Path) -> None:
    """Kill -9 while many create with keys: a debate is there exactly when its key says so, and each key makes one."""
    with served(tmp_path, demo_delay_s=60) as server:
        threads = [threading.Thread(target=creating, args=(server, f"key-{number}")) for number in range(4)]
        for thread in threads:
            thread.start()
        while total(server) < 40:
            time.sleep(0.01)
        server.kill()
        for thread in threads:
            thread.join(WAIT_S)
    with sqlite3.connect(tmp_path / ".nomic/aragora_debates.db") as database:
        debates = {row[0] for row in database.execute("SELECT id FROM debates")}
        marked = [row[0] for row in database.execute("SELECT reference FROM repeats WHERE state <> 'reserved'")]
    assert sorted(debates) == sorted(marked)
    with served(tmp_path, demo_delay_s=60) as server:
        again = server.ask("/api/debates", QUICK, Idempotency_Key="key-0-0")
        assert again.json["id"] in debates
        assert len(debates) == total(server)


def creating(server: Served, name: str) -> None:
    """Create debates, each with a key, until the server is gone."""
    for number in range(10_000):
        try:
            server.ask("/api/debates", QUICK, Idempotency_Key=f"{name}-{number}")
        except OSError:
            return


def together(ask: Any, times: int) -> None:
    """Run the same in several threads."""
    threads = [threading.Thread(target=ask) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)


def test_identical_bodies_are_different_debates(server: Served) -> None:
    """Users who happen to send the same get a debate each, one after the other and at once: their answers arrived."""
    before = total(server)
    ids: list[str] = [server.ask("/api/debates", QUICK).json["id"] for _ in range(5)]
    together(lambda: ids.extend(server.ask("/api/debates", QUICK).json["id"] for _ in range(5)), 8)
    assert 45 == len(set(ids))
    assert before + 45 == total(server)


async def _silence() -> Message:
    raise AssertionError("nobody reads")


class Attempt:
    """A request to hold a debate, handled as the door does it; its client is there for the first `looks` looks only."""

    def __init__(self, parts: Parts, body: bytes = BODY, *, looks: int = 1000, who: str = "ann") -> None:
        self.parts, self.body, self.looks = parts, body, looks
        self.caller = Caller(mode=Mode.OFF, address="here", user_id=who)
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/debates",
            "headers": [],
            "extensions": {GONE: {"gone": self.gone, "closed": self.gone}},
        }
        self.request = Asked(scope, _silence)

    def gone(self) -> bool:
        """Whether the client has left."""
        self.looks -= 1
        return self.looks < 0

    async def answer(self, _: Asked) -> Response:
        """Hold the debate."""
        return reply({"id": await self.parts.engine.create(a_brief())}, 201)

    async def sent(self, once: Once) -> Response:
        """Ask."""
        return await once.healed(self.request, self.body, self.caller, "/api/debates", self.answer)


@in_loop
async def test_answer_that_found_nobody_is_given_to_the_retry(tmp_path: Path) -> None:
    """A client that gives up and asks again gets the debate of its first request; asking once more starts another."""
    async with parts_at(tmp_path, run=False) as parts:
        once = Once(parts.repeats, now=parts.now)
        lost = await Attempt(parts, looks=1).sent(once)
        again = [await Attempt(parts, looks=looks).sent(once) for looks in (1, 9)]  # the first of them leaves as well
        assert [lost.body] * 2 == [answer.body for answer in again]
        assert ["true"] * 2 == [answer.headers["idempotency-replayed"] for answer in again]
        more = await Attempt(parts).sent(once)
        assert ("idempotency-replayed" in more.headers, 2) == (False, await parts.store.total())


@in_loop
async def test_answer_that_found_nobody_is_not_for_others(tmp_path: Path) -> None:
    """Another body or another person gets a debate of its own."""
    async with parts_at(tmp_path, run=False) as parts:
        once = Once(parts.repeats, now=parts.now)
        lost = await Attempt(parts, looks=1).sent(once)
        others = [await each.sent(once) for each in (Attempt(parts, who="ben"), Attempt(parts, BODY + b" "))]
        assert [False] * 2 == ["idempotency-replayed" in answer.headers for answer in others]
        assert lost.body == (await Attempt(parts).sent(once)).body
        assert 3 == await parts.store.total()


@in_loop
async def test_whoever_left_before_it_began_is_not_served(tmp_path: Path) -> None:
    """A request whose client is gone when its turn comes starts nothing, so that no process need know of its retry."""
    async with parts_at(tmp_path, run=False) as parts:
        assert 499 == (await Attempt(parts, looks=0).sent(Once(parts.repeats, now=parts.now))).status_code
        assert 0 == await parts.store.total()


def test_retry_storm_of_the_public_client(tmp_path: Path) -> None:
    """A server that stands still for longer than clients wait: each of them asks again, and each has one debate in the end."""
    with served(tmp_path, demo_delay_s=60) as server:
        bodies = [json.dumps({**QUICK, "topic": f"Question {number}"}).encode() for number in range(20)]
        os.kill(server.process.pid, signal.SIGSTOP)
        for body in bodies:
            give_up(server, body)
        retries = [sending(server, body) for body in bodies]
        os.kill(server.process.pid, signal.SIGCONT)
        answers = [received(opened) for opened in retries]
        assert [201] * 20 == [status for status, _ in answers]
        assert 20 == len({body["id"] for _, body in answers})
        assert 20 == total(server)


def test_giving_up_twice_loses_nothing(tmp_path: Path) -> None:
    """Whoever leaves, asks again and leaves again, while the server stands still, has one debate when they come a third time."""
    with served(tmp_path, demo_delay_s=60) as server:
        bodies = [json.dumps({**QUICK, "topic": f"Question {number}"}).encode() for number in range(20)]
        os.kill(server.process.pid, signal.SIGSTOP)
        for _ in range(3):
            for body in bodies:
                give_up(server, body)
        retries = [sending(server, body) for body in bodies]
        os.kill(server.process.pid, signal.SIGCONT)
        answers = [received(opened) for opened in retries]
        assert (20, 20) == (len({body["id"] for _, body in answers}), total(server))
    assert [] == [line for line in server.lines if '"level": "error"' in line]


def test_public_client_gives_up_and_asks_again(tmp_path: Path) -> None:
    """The public client, as it is: its first attempts time out while the server stands still; each call holds one debate."""
    with served(tmp_path, demo_delay_s=60) as server:
        url, made = f"http://127.0.0.1:{server.api_port}", []
        os.kill(server.process.pid, signal.SIGSTOP)

        def create(number: int) -> None:
            with AragoraClient(base_url=url, timeout=CLIENT_WAITS_S, max_retries=20, retry_delay=0.01) as client:
                made.append(client.request("POST", "/api/v1/debates", json={**QUICK, "topic": f"Question {number}"}))

        threads = [threading.Thread(target=create, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        time.sleep(1.5 * CLIENT_WAITS_S)
        os.kill(server.process.pid, signal.SIGCONT)
        for thread in threads:
            thread.join(WAIT_S)
        assert 5 == len({each["debate_id"] for each in made})
        assert 5 == total(server)


def sending(server: Served, body: bytes) -> socket.socket:
    """A request that is sent and not yet answered."""
    opened = socket.create_connection(("127.0.0.1", server.api_port), timeout=WAIT_S)
    head = f"POST /api/debates HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    opened.sendall(head.encode() + body)
    return opened


def received(opened: socket.socket) -> tuple[int, Any]:
    """The status and the body of the answer."""
    read = b""
    with opened:
        while b"\r\n\r\n" not in read or not read.endswith(b"}"):
            more = opened.recv(65536)
            assert more, read
            read += more
    head, _, body = read.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def give_up(server: Served, body: bytes) -> None:
    """Send a request to a server that stands still, and leave."""
    sending(server, body).close()


@in_loop
async def test_client_that_left_is_seen_before_the_loop_reads() -> None:
    """The kernel knows that a client has closed while the loop has not yet come to read what it sent before."""
    arrived = asyncio.Event()

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.Transport", transport)
            made.append(self.transport)
            arrived.set()

    made: list[asyncio.Transport] = []
    server = await asyncio.get_running_loop().create_server(Accepted, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        await arrived.wait()
        client.sendall(b"x")
        assert not left(made[0])
    assert (True, False) == (left(made[0]), made[0].is_closing())  # nothing was awaited since
    made[0].close()
    server.close()
    await server.wait_closed()
