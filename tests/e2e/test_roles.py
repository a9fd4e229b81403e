"""Whatever one process of a fleet is asked reaches the process that has the debate, with Redis and without."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

import servers
from builders import WAIT_S, Answer, Served, served
from people import Person, a_person, a_socket, closed, said

LONG = {"topic": "Who has it?", "agents": ["demo", "demo:sceptic", "demo"], "rounds": 4, "rule": "unanimous", "stops": []}
SHORT = {"topic": "Who has it?", "agents": ["demo", "demo"], "rounds": 1}
WAITS = {"topic": "Who has it?", "agents": ["demo", "person"], "rounds": 1}
SEEN_IN_TIME_S = 4.0  # what is not heard is seen by looking every second


@dataclass
class Fleet:
    """Two that answer, one that watchers are connected to, one that runs debates; no process does two of these."""

    one: Served
    other: Served
    ws: Served
    worker: Served
    database: servers.Postgres


@pytest.fixture(scope="module", params=["redis", "no redis"])
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The processes of a fleet; people may log in."""
    with ExitStack() as stack:
        database = stack.enter_context(servers.postgres())
        url = database.url()
        flags: dict[str, Any] = {"database_url": url, "auth": "optional", "demo_delay_s": 0.25, "webhook_targets": "any"}
        if request.param == "redis":
            flags["redis_url"] = stack.enter_context(servers.redis()).url
        roles = {"one": "api", "other": "api", "ws": "ws", "worker": "worker"}
        folder = tmp_path_factory.mktemp("fleet")
        found = {name: stack.enter_context(served(folder / name, role=role, **flags)) for name, role in roles.items()}
        yield Fleet(**found, database=database)


def until(true: Callable[[], bool], within_s: float = WAIT_S) -> None:
    """Wait until something is so in another process, of which there is no event here."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def hold(server: Served, body: dict[str, Any], path: str = "/api/debates") -> str:
    """Start a debate; its id."""
    made = server.ask(path, body)
    assert 201 == made.status, made.body
    return str(made.json["id"])


def events(server: Served, debate_id: str) -> list[dict[str, Any]]:
    """The log of a debate."""
    found: list[dict[str, Any]] = server.ask(f"/api/debates/{debate_id}/events?limit=1000").json["events"]
    return found


def names(server: Served, debate_id: str) -> list[str]:
    """The types of the events of a debate."""
    return [event["type"] for event in events(server, debate_id)]


def ended(server: Served, debate_id: str) -> dict[str, Any]:
    """A debate, once it has ended."""
    until(lambda: server.ask(f"/api/debates/{debate_id}").json["completed_at"] is not None)
    shown: dict[str, Any] = server.ask(f"/api/debates/{debate_id}").json
    return shown


def running(fleet: Fleet) -> int:
    """How many debates the worker is at."""
    lines = fleet.worker.ask("/metrics").body.decode().splitlines()
    return int(float(next(line for line in lines if line.startswith("aragora_active_debates ")).split()[1]))


def post(server: Served, debate_id: str, verb: str, body: dict[str, Any] | None = None) -> Answer:
    """Ask something of a debate."""
    return server.ask(f"/api/debates/{debate_id}/{verb}", json.dumps(body or {}).encode())


def test_started_watched_and_voted_on(fleet: Fleet) -> None:
    """Stored by one, started by the other, run by the worker, watched on a third; a vote is seen by the watcher."""
    debate_id = hold(fleet.one, {**LONG, "start": False})
    assert 200 == post(fleet.other, debate_id, "start").status
    with a_socket(Served(fleet.ws.process, fleet.ws.ws_port, fleet.ws.ws_port), debate_id=debate_id) as socket:
        while (frame := said(socket))["type"] != "debate_start":
            assert not frame.get("seq")
        assert 201 == post(fleet.one, debate_id, "vote", {"choice": "demo-1", "voter": "ann"}).status
        assert 200 == post(fleet.other, debate_id, "vote", {"choice": "demo-1", "voter": "ann"}).status
        frames: list[dict[str, Any]] = []
        while not frames or frames[-1]["type"] != "debate_end":
            frames.append(said(socket))
    numbers = [frame["seq"] for frame in frames if frame.get("seq")]
    assert [*range(2, len(numbers) + 2)] == numbers
    assert 1 == sum(frame["type"] == "vote_cast" and frame["data"].get("voter") == "ann" for frame in frames)
    assert ended(fleet.one, debate_id) == ended(fleet.other, debate_id)


def test_followed_over_http(fleet: Fleet) -> None:
    """The stream of events ends with the debate, on a process that does not run it."""
    debate_id = hold(fleet.one, SHORT)
    frames = fleet.other.ask(f"/api/debates/{debate_id}/events/stream").body.decode()
    assert "debate_end" == json.loads(frames.strip().rsplit("data: ", 1)[1])["type"]


def test_paused_and_let_go_on(fleet: Fleet) -> None:
    """The worker asks no further turns while a debate rests, and goes on when the other says so."""
    debate_id = hold(fleet.one, LONG)
    until(lambda: "agent_message" in names(fleet.one, debate_id))
    assert 200 == post(fleet.one, debate_id, "pause").status
    held = f"SELECT COUNT(*) FROM debates WHERE id = '{debate_id}' AND runner IS NOT NULL"
    until(lambda: fleet.database.sql(held, servers.DATABASE) == "0")
    resting = len(events(fleet.other, debate_id))
    assert "paused" == fleet.other.ask(f"/api/debates/{debate_id}").json["status"]
    assert 200 == post(fleet.other, debate_id, "resume").status
    assert "completed" == ended(fleet.one, debate_id)["status"]
    log = events(fleet.one, debate_id)
    assert "debate_resumed" == log[resting]["type"]
    assert len(log) == len({json.dumps(event["data"]) + event["type"] + str(event["seq"]) for event in log})


def test_cancelled_in_the_middle_of_a_call(fleet: Fleet) -> None:
    """What the worker waits for is broken off, not only what it would ask next."""
    debate_id = hold(fleet.one, WAITS)
    until(lambda: "turn_asked" in names(fleet.one, debate_id))
    busy = running(fleet)
    assert 200 == post(fleet.other, debate_id, "cancel", {"reason": "enough"}).status
    until(lambda: running(fleet) < busy, SEEN_IN_TIME_S)
    assert "cancelled" == fleet.one.ask(f"/api/debates/{debate_id}").json["status"]


def test_deleted_while_it_runs(fleet: Fleet) -> None:
    """Nobody answers for it any more, and the worker stops."""
    debate_id = hold(fleet.one, WAITS)
    until(lambda: "turn_asked" in names(fleet.one, debate_id))
    busy = running(fleet)
    assert 200 == fleet.other.ask(f"/api/debates/{debate_id}", method="DELETE").status
    assert [404, 404] == [server.ask(f"/api/debates/{debate_id}").status for server in (fleet.one, fleet.other)]
    until(lambda: running(fleet) < busy, SEEN_IN_TIME_S)


def test_people_suggest_and_hold_seats(fleet: Fleet) -> None:
    """A suggestion reaches the worker's next round, and an answer the turn that it waits with."""
    debate_id = hold(fleet.one, WAITS)
    until(lambda: bool(fleet.one.ask(f"/api/debates/{debate_id}/turn").json["turns"]))
    assert 201 == post(fleet.other, debate_id, "messages", {"content": "Think of the cost."}).status
    while fleet.other.ask(f"/api/debates/{debate_id}").json["completed_at"] is None:
        for turn in fleet.other.ask(f"/api/debates/{debate_id}/turn").json["turns"]:
            what = {"choice": turn["choices"][0], "reason": "Good."} if turn["phase"] == "vote" else {"content": "Tea."}
            assert post(fleet.other, debate_id, "turn", {"seat": turn["seat"], **what}).status in {201, 409}
        time.sleep(0.02)
    log = events(fleet.one, debate_id)
    assert ["Think of the cost."] == [
        s["content"] for e in log if e["type"] == "suggestions_heard" for s in e["data"]["suggestions"]
    ]
    assert not ended(fleet.one, debate_id)["result"]["missing"]


def test_batch(fleet: Fleet) -> None:
    """A batch of one is followed on the other."""
    made = fleet.one.ask("/api/debates/batch", {"requests": [SHORT, SHORT]}).json
    until(lambda: fleet.other.ask(f"/api/debates/batch/{made['batch_id']}/status").json["status"] == "completed")


def test_fork_keeps_what_was_said(fleet: Fleet) -> None:
    """The worker asks nothing that the fork was given."""
    before = hold(fleet.one, {**LONG, "rounds": 2})
    ended(fleet.one, before)
    changes = {"at_round": 1, "rule": "majority", "rounds": 2}
    after = hold(fleet.other, {"changes": changes}, f"/api/debates/{before}/fork")
    ended(fleet.one, after)
    early = [
        [
            (event["type"], event["timestamp"] * (debate_id == after), event["data"]["seat"], event["data"].get("content"))
            for event in log
        ]
        for debate_id in (before, after)
        for log in [[e for e in events(fleet.one, debate_id) if e["type"] == "agent_message" and e["data"]["round"] <= 1]]
    ]
    assert [(kind, seat, text) for kind, _, seat, text in early[0]] == [(kind, seat, text) for kind, _, seat, text in early[1]]
    assert 1 == len({at for _, at, _, _ in early[1]})  # all were stored in one go


def test_labels_are_read_by_all(fleet: Fleet) -> None:
    """What one has answered before is no excuse for not knowing what was written since."""
    debate_id = hold(fleet.one, SHORT)
    ended(fleet.one, debate_id)
    ended(fleet.other, debate_id)
    assert 200 == fleet.one.ask(f"/api/debates/{debate_id}", {"title": "New"}, method="PATCH").status
    assert ["New", "New"] == [server.ask(f"/api/debates/{debate_id}").json["title"] for server in (fleet.one, fleet.other)]


def test_completion_is_held_by_the_worker(fleet: Fleet) -> None:
    """Who asks as if for a chat is answered when the worker is done, whole or streamed."""
    asked = {"model": "aragora/quick", "messages": [{"role": "user", "content": "Tea?"}], "aragora": {"agents": ["demo", "demo"]}}
    assert fleet.one.ask("/v1/chat/completions", asked).json["choices"][0]["message"]["content"]
    assert "data: [DONE]" in fleet.other.ask("/v1/chat/completions", {**asked, "stream": True}).body.decode()


def test_tool_waits_for_the_worker(fleet: Fleet) -> None:
    """An MCP host is told of the end of a debate that runs elsewhere."""
    call = {"name": "start_debate", "arguments": {**SHORT, "wait_seconds": 20}}
    told = fleet.one.ask("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}).json
    assert "completed" == told["result"]["structuredContent"]["status"]


def test_same_key_on_two_processes(fleet: Fleet) -> None:
    """Sent to several at once, a request is done once; sent later to another, it is answered as before."""
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda s=server: answers.append(s.ask("/api/debates", SHORT, Idempotency_Key="both")))
        for server in (fleet.one, fleet.other) * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = {answer.json["id"] for answer in answers if answer.status == 201}
    assert {answer.status for answer in answers} <= {201, 409}
    later = fleet.other.ask("/api/debates", SHORT, Idempotency_Key="both")
    assert ({later.json["id"]}, "true") == (made, later.headers["idempotency-replayed"])


def test_figures_are_of_the_whole_fleet(fleet: Fleet) -> None:
    """A process that runs nothing knows how many debates run and how many could."""
    debate_id = hold(fleet.one, WAITS)
    until(lambda: fleet.other.ask("/api/debates/queue/status").json["running"] >= 1)
    until(lambda: fleet.one.ask("/api/debates/queue/status").json["running_max"] == 1000)  # each counts once a second
    assert 200 == post(fleet.one, debate_id, "cancel").status


def test_rights_are_the_same_everywhere_at_once(fleet: Fleet) -> None:
    """Who registers at one is known to the other; a key taken back there, and a debate made private, are so here at once."""
    ann = a_person(fleet.one, f"ann-{fleet.one.api_port}")
    key = ann.key("read")
    there = Person(fleet.other, token=ann.token)
    debate_id = ann.hold(visibility="public")
    assert 200 == Person(fleet.other, token=key.token).ask("/api/auth/me").status
    watching = Served(fleet.ws.process, fleet.ws.ws_port, fleet.ws.ws_port)
    with a_socket(watching, headers={"Authorization": f"Bearer {key.token}"}) as socket:
        assert there.ask(f"/api/auth/api-keys/{key.user['id']}", method="DELETE").status in {200, 204}
        assert 401 == Person(fleet.one, token=key.token).ask("/api/auth/me").status
        assert closed(socket) >= 4000
    assert 200 == there.ask(f"/api/debates/{debate_id}/share", {"visibility": "public"}).status
    assert 200 == fleet.one.ask(f"/api/debates/{debate_id}").status
    assert 200 == there.ask(f"/api/debates/{debate_id}/share", {"visibility": "private"}).status
    assert fleet.one.ask(f"/api/debates/{debate_id}").status in {401, 403, 404}
    assert debate_id not in {row["id"] for row in fleet.one.ask("/api/debates?limit=100").json["debates"]}


class _Receiver(BaseHTTPRequestHandler):
    """Notes what comes."""

    heard: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        """Take one delivery."""
        self.heard.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Say nothing."""


def test_webhook_is_told_once(fleet: Fleet) -> None:
    """Every process delivers; each event is delivered once."""
    _Receiver.heard.clear()
    receiver = HTTPServer(("127.0.0.1", 0), _Receiver)
    thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        hook = fleet.one.ask("/api/webhooks", {"url": f"http://127.0.0.1:{receiver.server_port}/", "events": ["debate_end"]}).json
        ids = {hold(fleet.one, SHORT) for _ in range(5)}

        def told() -> list[str]:  # debates of other tests may end meanwhile
            return sorted(debate_id for body in _Receiver.heard if (debate_id := json.loads(body)["debate_id"]) in ids)

        until(lambda: len(told()) >= len(ids))
        deliveries = f"/api/webhooks/{hook['id']}/deliveries"
        until(lambda: {row["state"] for row in fleet.other.ask(deliveries).json["deliveries"]} == {"delivered"})
        assert 200 == fleet.other.ask(f"/api/webhooks/{hook['id']}", method="DELETE").status
    finally:
        receiver.shutdown()
        thread.join()
        receiver.server_close()
    assert sorted(ids) == told()


def test_watchers_are_told_to_come_back(tmp_path: Path) -> None:
    """When the database is away they are closed with the code for that, and nothing is logged as a fault of ours."""
    with servers.postgres() as database, served(tmp_path, database_url=database.url(), log_format="json") as server:
        debate_id = hold(server, SHORT)
        ended(server, debate_id)
        database.kill()
        with a_socket(server, debate_id=debate_id) as socket:
            assert 1013 == closed(socket)
        assert server.ask(f"/api/debates/{debate_id}/events/stream").status == 503
        assert [] == [line for line in server.lines if '"level": "error"' in line]
