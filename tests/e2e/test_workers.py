"""Several processes on one port are one server."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import servers
from builders import WAIT_S, Served, served
from model_builders import models

WORKERS = 3
BODY = {"topic": "One or many?", "agents": ["demo", "demo", "demo"], "rounds": 2, "rule": "unanimous"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    """A server of several processes on PostgreSQL and Redis."""
    with servers.postgres() as database, servers.redis() as cache:
        flags = {"database_url": database.url(), "redis_url": cache.url, "log_format": "json", "demo_delay_s": 0.2}
        with served(tmp_path, workers=WORKERS, **flags) as running:
            yield running


def children(server: Served) -> set[int]:
    """The processes of a server, without its supervisor."""
    listed = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text("ascii")
    return {int(pid) for pid in listed.split()}


def counted(server: Served, metric: str, label: str) -> float:
    """What a metric is, all its label sets together that have this label."""
    lines = server.ask("/metrics").body.decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{metric}{{") and label in line)


def wait_until_ended(server: Served, ids: list[str]) -> None:
    """Wait until every debate has ended; none has a gap."""
    deadline = time.monotonic() + 2 * WAIT_S
    for debate_id in ids:
        while not server.ask(f"/api/debates/{debate_id}").json["completed_at"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        events = server.ask(f"/api/debates/{debate_id}/events?limit=1000").json["events"]
        assert [*range(1, len(events) + 1)] == [event["seq"] for event in events]


def test_processes_are_one_server(server: Served) -> None:
    """Metrics add up, a dead process is replaced, its debates go on, and the end is in order."""
    before = children(server)
    assert WORKERS == len(before)
    for _ in range(60):
        assert 200 == server.ask("/api/leaderboard").status
    assert 60 == counted(server, "aragora_request_total", 'endpoint="/api/leaderboard"')
    ids = [server.ask("/api/debates", BODY).json["id"] for _ in range(12)]
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    wait_until_ended(server, ids)
    deadline = time.monotonic() + WAIT_S
    while len(children(server) - before) < 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert WORKERS == len(children(server))
    said = [json.loads(line) for line in server.lines if line.startswith("{")]
    assert [-9] == [line["code"] for line in said if line["event"] == "a process died and is replaced"]
    assert 0 == server.stop()


def test_sqlite_has_one_process(tmp_path: Path) -> None:
    """On SQLite several processes are refused, with the reason."""
    with pytest.raises(AssertionError, match="must be 1 on SQLite"), served(tmp_path, workers=2):
        pass


def test_server_that_was_suspended_goes_on(server: Served) -> None:
    """However often its supervisor is stopped for longer than it waits, and continued, it takes that for no signal to end."""
    before = children(server)
    for _ in range(5):
        os.kill(server.process.pid, signal.SIGSTOP)
        time.sleep(0.3)  # longer than the supervisor waits at a time
        os.kill(server.process.pid, signal.SIGCONT)
        time.sleep(0.3)  # it would pass on what it thinks it heard within that
    assert before == children(server)
    assert "stopping" not in "".join(server.lines)


@pytest.mark.parametrize("shared", [True, False], ids=["with Redis", "without"])
def test_processes_keep_the_bound_of_a_vendor_together(tmp_path: Path, shared: bool) -> None:
    """Of a model that may be asked once a minute, two processes with many debates ask once; without Redis, each once."""
    with servers.postgres() as database, servers.redis() as cache, models() as vendor:
        bounds = "wire = 'openai'\nkeyless = true\nrequests_per_minute = 1"
        (tmp_path / "aragora.toml").write_text(f"[providers.vendor]\nbase_url = '{vendor}/v1'\n{bounds}\n")
        flags = {"database_url": database.url(), "max_running_debates": 3, "turn_timeout_s": 5}
        if shared:
            flags["redis_url"] = cache.url
        with served(tmp_path, workers=2, **flags) as server:
            body = {"topic": "Who asks?", "agents": ["vendor:ok", "vendor:ok"], "rounds": 1}
            deadline = time.monotonic() + WAIT_S
            while "2" != database.sql("SELECT COUNT(DISTINCT runner) FROM debates", servers.DATABASE):
                assert time.monotonic() < deadline
                wait_until_ended(server, [server.ask("/api/debates", body).json["id"] for _ in range(4)])
        with urllib.request.urlopen(f"{vendor}/calls", timeout=10) as answer:
            assert {"ok": 1 if shared else 2} == json.loads(answer.read())["calls"]
