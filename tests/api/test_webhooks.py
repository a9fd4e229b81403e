"""Webhooks: signed, tried again, kept across restarts, and never to an address that is not public."""

import base64
import hmac
import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from aragora import app
from aragora.webhooks import Webhooks
from aragora.webhooks.post import public
from builders import WAIT_S, Served, a_brief, in_loop, parts_at, served

BODY = {"topic": "Tea?", "agents": ["demo", "demo"], "rounds": 1}


class _Receiver(BaseHTTPRequestHandler):
    """Notes what comes and answers what it was told to."""

    heard: ClassVar[list[tuple[dict[str, str], bytes]]] = []
    answers: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        """Take one delivery."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.answers.pop(0) if self.answers else 204)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[str]:
    """A receiver on this machine; its URL."""
    _Receiver.heard.clear()
    _Receiver.answers.clear()
    server = HTTPServer(("127.0.0.1", 0), _Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    thread.join()
    server.server_close()


def states(server: Served, hook_id: str, wanted: int) -> list[dict[str, Any]]:
    """The deliveries of a webhook, once so many have been tried."""
    deadline = time.monotonic() + WAIT_S
    while True:
        rows: list[dict[str, Any]] = server.ask(f"/api/webhooks/{hook_id}/deliveries").json["deliveries"]
        if sum(1 for row in rows if row["answer"]) >= wanted:
            return rows
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_delivery_is_signed(tmp_path: Path, receiver: str) -> None:
    """The end of a debate is told once, as the log has it, with a signature that the secret verifies."""
    with served(tmp_path, webhook_targets="any") as server:
        hook = server.ask("/api/webhooks", {"url": receiver, "events": ["debate_end"]}).json
        debate_id = server.ask("/api/debates", BODY).json["id"]
        (row,) = states(server, hook["id"], 1)
        logged = server.ask(f"/api/debates/{debate_id}/events?limit=1000").json["events"][-1]
        assert "secret" not in server.ask("/api/webhooks").json["webhooks"][0]
    ((headers, body),) = _Receiver.heard
    key = base64.b64decode(hook["secret"].removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    assert f"v1,{base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()}" == headers["webhook-signature"]
    assert logged == json.loads(body)
    assert ("delivered", 1, "204", row["id"]) == (row["state"], row["attempts"], row["answer"], headers["webhook-id"])


def test_refused_delivery_waits_and_survives_restart(tmp_path: Path, receiver: str) -> None:
    """A 500 and a redirect are no delivery: both wait for their next time, in this process or the next."""
    _Receiver.answers[:] = [500, 302]
    with served(tmp_path, webhook_targets="any") as server:
        hooks = [server.ask("/api/webhooks", {"url": receiver, "events": ["debate_end"]}).json["id"] for _ in range(2)]
        server.ask("/api/debates", BODY)
        rows = [row for hook in hooks for row in states(server, hook, 1)]
        assert {("waiting", 1, "500"), ("waiting", 1, "302")} == {(row["state"], row["attempts"], row["answer"]) for row in rows}
        server.kill()
    with served(tmp_path, webhook_targets="any") as server:
        deadline = time.monotonic() + WAIT_S
        while {"delivered"} != {row["state"] for hook in hooks for row in states(server, hook, 1)}:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert 2 == len({headers["webhook-id"] for headers, _ in _Receiver.heard})
    assert 4 == len(_Receiver.heard)


def test_private_address_is_refused(tmp_path: Path, receiver: str) -> None:
    """By default nothing is sent to this machine, whether by address or by a name that leads to it."""
    with served(tmp_path) as server:
        port = receiver.rsplit(":", 1)[1]
        hooks = [server.ask("/api/webhooks", {"url": url}).json for url in (receiver, f"http://localhost:{port}")]
        server.ask("/api/debates", BODY)
        answers = {row["answer"] for hook in hooks for row in states(server, hook["id"], 2)}
        assert {"refused: not a public address"} == answers
        assert [] == _Receiver.heard
        wrong = ["ftp://example.com", "http://user:pw@example.com", "http://", "http://[", "", "javascript:1", "http://e x"]
        assert {400} == {server.ask("/api/webhooks", {"url": url}).status for url in wrong}
        assert 400 == server.ask("/api/webhooks", {"url": receiver, "events": ["nothing"]}).status
        assert 200 == server.ask(f"/api/webhooks/{hooks[0]['id']}", method="DELETE").status
        assert 404 == server.ask(f"/api/webhooks/{hooks[0]['id']}", method="DELETE").status


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_only_public_addresses_are_public(address: str, expected: bool) -> None:
    """Loopback, private, link-local, metadata and multicast addresses are not, in whatever form they come."""
    assert expected == public(address)


def test_end_of_a_batch_is_told_once(tmp_path: Path, receiver: str) -> None:
    """Whoever asked for a batch is told when its last debate has ended, over a restart too, and of nothing else."""
    with served(tmp_path, webhook_targets="any", demo_delay_s=0.2) as server:
        made = server.ask("/api/debates/batch", {"requests": [BODY, {**BODY, "seed": 2}], "callback_url": receiver}).json
        refused = server.ask("/api/debates/batch", {"requests": [BODY], "callback_url": "ftp://example.com"})
        assert (400, 1) == (refused.status, server.ask("/api/debates/batch").json["total"])
        assert [] == server.ask("/api/webhooks").json["webhooks"]
        server.kill()
    with served(tmp_path, webhook_targets="any") as server:
        deadline = time.monotonic() + WAIT_S
        while not _Receiver.heard:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        server.ask("/api/debates", BODY)
    ((headers, body),) = _Receiver.heard
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(made["webhook_secret"].removeprefix("whsec_"))
    assert f"v1,{base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()}" == headers["webhook-signature"]
    told = json.loads(body)
    assert ("batch_end", made["batch_id"]) == (told["type"], told["data"]["batch_id"])
    assert {(debate_id, "completed") for debate_id in made["debate_ids"]} == {
        (d["id"], d["status"]) for d in told["data"]["debates"]
    }


@in_loop
async def test_delivery_is_tried_for_a_day(tmp_path: Path) -> None:
    """After the last wait of a day it is tried once more; only then has it failed."""
    hours, now = 0.0, [app.now()]
    async with parts_at(tmp_path, run=False) as parts:
        hooks = parts.webhooks.hooks
        told = Webhooks(hooks=hooks, store=parts.store, now=lambda: now[0], new_id=app.new_id, private=False)
        hook = await told.add("http://127.0.0.1:9/", ("debate_end",), owner_id=None)
        debate_id = await parts.engine.create(a_brief())
        await parts.engine.cancel(debate_id)
        while (due := (await hooks.deliveries(hook.id, limit=1, offset=0))[0][0]).state == "waiting":
            hours += (datetime.fromisoformat(due.next_at) - datetime.fromisoformat(now[0])).total_seconds() / 3600
            now[0] = due.next_at
            await told.round()
    assert ("failed", 8) == (due.state, due.attempts)
    assert hours > 24
