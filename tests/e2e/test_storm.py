"""The public client, unmodified, in a storm: the server stands still, is killed and is restarted, and nothing is held twice."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aragora_sdk import AragoraClient

from builders import WAIT_S, Served, served
from services import locust

LOAD = Path(__file__).parents[1] / "load"
CLIENTS, CREATES = 8, 12
TIMEOUT_S, PACE_S = 0.5, 0.02
BODY = {"agents": ["demo", "demo"], "rounds": 1}


@dataclass
class Storm:
    """Clients that create debates, each on a topic of its own, and what they were told."""

    port: int
    made: dict[str, str] = field(default_factory=dict)  # id by topic
    refused: Counter[str] = field(default_factory=Counter)  # errors that reached a caller, by class
    over: threading.Event = field(default_factory=threading.Event)

    def client(self, number: int) -> None:
        """Create one debate after the other, with the client's own retries, until told to stop."""
        wishes: dict[str, Any] = {"timeout": TIMEOUT_S, "max_retries": 20, "retry_delay": 0.02}
        with AragoraClient(base_url=f"http://127.0.0.1:{self.port}", **wishes) as client:
            place = 0
            while place < CREATES or not self.over.is_set():
                topic = f"Storm {number}.{place}"
                place += 1
                try:
                    self.made[topic] = client.request("POST", "/api/v1/debates", json={**BODY, "topic": topic})["debate_id"]
                except Exception as error:  # noqa: BLE001 - the client lets its transport's errors through
                    self.refused[type(error).__name__] += 1
                self.over.wait(PACE_S)

    @contextmanager
    def raging(self) -> Iterator[None]:
        """Clients at work; all have come to an end afterwards."""
        threads = [threading.Thread(target=self.client, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join(2 * WAIT_S)
        assert not [thread for thread in threads if thread.is_alive()]


def stored(server: Served) -> dict[str, list[str]]:
    """The debates of the storm, by topic."""
    found: dict[str, list[str]] = {}
    cursor: str | None = ""
    while cursor is not None:
        page = server.ask(f"/api/debates?limit=100&cursor={cursor}").json
        for row in page["debates"]:
            if row["topic"].startswith("Storm "):
                found.setdefault(row["topic"], []).append(row["id"])
        cursor = page["next_cursor"]
    return found


def stand_still(server: Served) -> None:
    """Let the server stand still for longer than a client waits."""
    os.kill(server.process.pid, signal.SIGSTOP)
    time.sleep(2.4 * TIMEOUT_S)  # long enough that two attempts are given up, and the third is waiting when it goes on
    os.kill(server.process.pid, signal.SIGCONT)


def a_port() -> int:
    """A port that is free now, to be used by one server after the other."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def grown(storm: Storm, by: int) -> None:
    """Wait until so many more creates were answered."""
    wanted, deadline = len(storm.made) + by, time.monotonic() + WAIT_S
    while len(storm.made) < wanted:
        assert time.monotonic() < deadline, storm.refused
        time.sleep(0.01)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("end", [Served.kill, Served.stop], ids=["killed", "stopped"])
def test_nothing_is_held_twice_by_servers_that_come_and_go(
    tmp_path: Path, end: Callable[[Served], object], say: Callable[[str], None]
) -> None:
    """Three after each other on one port and one file: each topic has one debate at most, and the one that was answered."""
    storm = Storm(a_port())
    with ExitStack() as stack:
        with storm.raging():
            for _ in range(2):
                with served(tmp_path, api_port=storm.port) as server:
                    grown(storm, CLIENTS)
                    end(server)
            last = stack.enter_context(served(tmp_path, api_port=storm.port))
            grown(storm, CLIENTS)
            stand_still(last)
            grown(storm, CLIENTS)
        found = stored(last)
    assert {1} == {len(ids) for ids in found.values()}
    assert storm.made == {topic: found[topic][0] for topic in storm.made}
    say(f"{len(storm.made)} answered, {len(found)} stored, errors that reached a caller: {dict(storm.refused)}")


@pytest.mark.timeout(180)
def test_load_and_storm_run_clean_together(tmp_path: Path) -> None:
    """The specification's load, and clients that time out and ask again: no request fails, and each call holds one debate."""
    report = tmp_path / "results"
    with served(tmp_path / "server") as server:
        storm = Storm(server.api_port)
        host = f"--host=http://127.0.0.1:{server.api_port}"
        command = [locust(), "-f", str(LOAD / "locustfile.py"), host, "--headless", f"--csv={report}"]
        times = ["--users=20", "--spawn-rate=20", "--run-time=10s"]
        with subprocess.Popen([*command, *times], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as load:
            with storm.raging():
                for _ in range(3):
                    grown(storm, 5 * CLIENTS)
                    stand_still(server)
            said, _ = load.communicate(timeout=90)
        found = stored(server)
        other = sum(
            1 for line in server.ask("/metrics").body.decode().splitlines() if ' status="5' in line and not line.endswith(" 0")
        )
    assert (0, 0) == (load.returncode, other), said[-2000:]
    assert {} == dict(storm.refused)
    assert storm.made == {topic: ids[0] for topic, ids in found.items()}
    assert {1} == {len(ids) for ids in found.values()}
