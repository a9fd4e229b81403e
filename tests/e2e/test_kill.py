"""A server that is killed loses nothing that it acknowledged, and asks nothing again that was recorded."""

import json
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from builders import WAIT_S, Served, served

DEBATES = 50
KILLS = 10
BODY = {"topic": "Does it survive?", "agents": ["demo", "demo:sceptic", "demo"], "rounds": 2, "rule": "unanimous"}


def asked(server: Served) -> Counter[tuple[str, str]]:
    """Which turns a server asked, as its log says."""
    lines = [json.loads(line) for line in server.lines if '"asking"' in line]
    return Counter((line["debate_id"], line["turn"]) for line in lines)


def recorded(folder: Path) -> set[tuple[str, str]]:
    """Which turns are on disk, as another program reads them."""
    with sqlite3.connect(folder / ".nomic" / "aragora_debates.db") as database:
        return {(row[0], row[1]) for row in database.execute("SELECT debate_id, key FROM events WHERE key LIKE 'turn/%'")}


def check_log(server: Served, debate_id: str) -> int:
    """A debate's log has no gap and ends once; how many events it has."""
    events = server.ask(f"/api/debates/{debate_id}/events?limit=1000").json["events"]
    assert [*range(1, len(events) + 1)] == [event["seq"] for event in events]
    assert ["debate_end"] == [event["type"] for event in events if event["type"] == "debate_end"]
    assert "debate_end" == events[-1]["type"]
    return len(events)


def test_kill_and_restart(tmp_path: Path, say: Callable[[str], None]) -> None:
    """Fifty running debates, killed at ten random moments: all complete, no gap, no recorded turn asked again."""
    moments = random.Random(0)
    settings = {"demo_delay_s": 0.3, "log_level": "debug", "log_format": "json"}
    ids: list[str] = []
    repeated = 0
    for life in range(KILLS + 1):
        before = recorded(tmp_path) if life else set()
        with served(tmp_path, **settings) as server:
            while len(ids) < DEBATES:
                created = server.ask("/api/debates", {**BODY, "seed": len(ids)})
                assert 201 == created.status
                ids.append(created.json["id"])
            if life < KILLS:
                time.sleep(moments.uniform(0.1, 0.5))
                server.kill()
            else:
                deadline = time.monotonic() + 2 * WAIT_S
                while server.ask("/api/debates?limit=1&status=active").json["total"]:
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
                events = sum(check_log(server, debate_id) for debate_id in ids)
        again = asked(server).keys() & before
        assert set() == again
        repeated += sum(count - 1 for count in asked(server).values())
    assert 0 == repeated
    say(f"{KILLS} kills, {DEBATES} debates, {events} events, nothing lost and nothing recorded asked again")


def test_acknowledged_votes_survive(tmp_path: Path) -> None:
    """Every vote that was answered with 201 is there after kill -9, once."""
    with served(tmp_path, demo_delay_s=60) as server:
        debate_id = server.ask("/api/debates", BODY).json["id"]
        for number in range(100):
            vote = {"choice": "demo-1", "voter": f"person {number}"}
            assert 201 == server.ask(f"/api/debates/{debate_id}/vote", vote).status
        server.kill()
    with served(tmp_path, demo_delay_s=60) as server:
        rows = server.ask(f"/api/debates/{debate_id}/votes?limit=200").json["votes"]
        assert {f"person {number}" for number in range(100)} == {row["voter"] for row in rows}
        assert 100 == len(rows)


def test_sigterm_hands_over(tmp_path: Path) -> None:
    """SIGTERM lets calls in flight end, answers until then, leaves with 0, and the next start goes on; a second one ends now."""
    with served(tmp_path, demo_delay_s=1, log_level="debug", log_format="json") as server:
        debate_id = server.ask("/api/debates", BODY).json["id"]
        time.sleep(0.3)
        server.process.terminate()
        time.sleep(0.1)
        assert 503 == server.ask("/readyz").status
        assert 200 == server.ask("/livez").status
        assert 503 == server.ask("/api/debates", BODY).status
        assert 0 == server.process.wait(WAIT_S)
        first = asked(server)
    assert first.keys() == recorded(tmp_path)
    with served(tmp_path, demo_delay_s=0, log_level="debug", log_format="json") as server:
        deadline = time.monotonic() + WAIT_S
        while server.ask(f"/api/debates/{debate_id}").json["completed_at"] is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        check_log(server, debate_id)
    assert set() == first.keys() & asked(server).keys()
    with served(tmp_path, demo_delay_s=30) as server:
        server.ask("/api/debates", BODY)
        time.sleep(0.3)
        server.process.terminate()
        time.sleep(0.2)
        assert server.process.poll() is None
        server.process.terminate()
        assert 0 == server.process.wait(WAIT_S)
