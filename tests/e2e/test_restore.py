"""A backup that was never restored is a hope: dumped under load, destroyed, restored, and everything in it goes on."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import servers
from builders import WAIT_S, Served, served
from services import binary

DEBATES = 10
BODY = {"topic": "Is it backed up?", "agents": ["demo", "demo", "demo"], "rounds": 2, "rule": "unanimous"}


def wait_until_ended(server: Served, ids: list[str]) -> None:
    """Wait until every debate has ended; none has a gap."""
    deadline = time.monotonic() + 2 * WAIT_S
    for debate_id in ids:
        while not server.ask(f"/api/debates/{debate_id}").json["completed_at"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        events = server.ask(f"/api/debates/{debate_id}/events?limit=1000").json["events"]
        assert [*range(1, len(events) + 1)] == [event["seq"] for event in events]


def test_postgresql_is_restored(tmp_path: Path, say: Callable[[str], None]) -> None:
    """Debates that ran when the dump was taken are there afterwards and end."""
    dump = tmp_path / "backup.dump"
    with servers.postgres() as lost, served(tmp_path / "old", database_url=lost.url(), demo_delay_s=0.5) as server:
        ids = [server.ask("/api/debates", BODY).json["id"] for _ in range(DEBATES)]
        time.sleep(1)
        began = time.monotonic()
        subprocess.run([binary("pg_dump"), "-Fc", "-d", lost.url(), "-f", str(dump)], check=True, capture_output=True)
        dumped_s = time.monotonic() - began
        server.kill()
    began = time.monotonic()
    with servers.postgres() as database:
        subprocess.run([binary("pg_restore"), "-d", database.url(), str(dump)], check=True, capture_output=True)
        restored_s = time.monotonic() - began
        with served(tmp_path / "new", database_url=database.url(), demo_delay_s=0) as server:
            serving_s = time.monotonic() - began
            wait_until_ended(server, ids)
    say(f"dump {dumped_s:.1f} s, restored in {restored_s:.1f} s, serving after {serving_s:.1f} s")
