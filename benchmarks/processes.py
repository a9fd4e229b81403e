"""What several processes on PostgreSQL and Redis cost beside one on SQLite: turns, waits, and what a watcher weighs.

    PYTHONPATH=src:tests python benchmarks/processes.py

Prints a table. The servers, their database and this program share the machine.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import servers
from builders import Served, served

DEBATES, LIVE, WATCHERS, PRODUCERS = 400, 20, 1000, 50
BODY = {"topic": "What does a fleet cost?", "agents": ["demo", "demo:sceptic", "demo"], "rounds": 2, "rule": "unanimous"}


@dataclass
class Setup:
    """The processes by what they do; in one process all are the same."""

    api: Served
    ws: Served
    worker: Served


@contextmanager
def embedded(folder: Path, delay_s: float) -> Iterator[Setup]:
    """One process on SQLite."""
    with served(folder, demo_delay_s=delay_s, max_connections=5000) as one:
        yield Setup(one, one, one)


@contextmanager
def fleet(folder: Path, delay_s: float) -> Iterator[Setup]:
    """Three processes on PostgreSQL through PgBouncer, and Redis."""
    with servers.postgres() as database, servers.pgbouncer(database) as pooler, servers.redis() as cache, ExitStack() as stack:
        url = f"postgresql://postgres@127.0.0.1:{pooler.port}/{servers.DATABASE}"
        flags = {"database_url": url, "redis_url": cache.url, "db_pool_size": 8, "db_max_overflow": 0, "max_connections": 5000}
        found = {
            role: stack.enter_context(served(folder / role, role=role, demo_delay_s=delay_s, **flags))
            for role in ("api", "ws", "worker")
        }
        yield Setup(**found)


def spent_s(server: Served) -> float:
    """Processor time of a process."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kb(server: Served) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{server.process.pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1000


async def throughput(setup: Setup) -> dict[str, float]:
    """As many debates as there is room for, with agents that answer at once."""
    url = f"http://127.0.0.1:{setup.api.api_port}/api/debates"
    before, began = spent_s(setup.worker), time.monotonic()
    numbers = iter(range(DEBATES))
    async with aiohttp.ClientSession() as http:

        async def produce() -> None:
            for number in numbers:
                async with http.post(url, json={**BODY, "seed": number}) as answer:
                    answer.raise_for_status()

        async with asyncio.TaskGroup() as tasks:
            for _ in range(PRODUCERS):
                tasks.create_task(produce())
        left = DEBATES
        while left:
            await asyncio.sleep(0.1)
            left = 0
            for status in ("pending", "active"):
                async with http.get(f"{url}?limit=1&status={status}") as answer:
                    left += (await answer.json())["total"]
        took_s = time.monotonic() - began
        async with http.get(f"{url}?limit=1") as answer:
            debate_id = (await answer.json())["debates"][0]["id"]
        async with http.get(f"{url}/{debate_id}/events?limit=1000") as answer:
            events = (await answer.json())["events"]
    turns = DEBATES * sum(event["type"] in {"agent_message", "vote_cast", "critique"} for event in events)
    return {"events/s": DEBATES * len(events) / took_s, "worker ms/turn": 1000 * (spent_s(setup.worker) - before) / max(1, turns)}


async def waits(setup: Setup) -> dict[str, float]:
    """How long until the first turn, and from an event's time to its watcher."""
    first: list[float] = []
    late: list[float] = []
    async with aiohttp.ClientSession() as http:
        for number in range(LIVE):
            began, heard = time.monotonic(), False
            async with http.post(f"http://127.0.0.1:{setup.api.api_port}/api/debates", json={**BODY, "seed": number}) as answer:
                debate_id = (await answer.json())["id"]
            async with http.ws_connect(f"http://127.0.0.1:{setup.ws.ws_port}/ws?debate_id={debate_id}") as socket:
                async for message in socket:
                    frame = json.loads(message.data)
                    if frame["type"] == "agent_thinking" and not heard:
                        first.append(time.monotonic() - began)
                        heard = True
                    if frame.get("seq", 0) > 1:
                        late.append(time.time() - datetime.fromisoformat(frame["timestamp"]).timestamp())
                    if frame["type"] == "debate_end":
                        break
    first.sort()
    late.sort()
    return {
        "create to first turn ms p50": 1000 * first[len(first) // 2],
        "event to watcher ms p50": 1000 * late[len(late) // 2],
        "event to watcher ms p99": 1000 * late[int(len(late) * 0.99)],
    }


async def watching(setup: Setup) -> dict[str, float]:
    """Many watchers of one debate."""
    delivered = 0
    before_kb, before_s = memory_kb(setup.ws), spent_s(setup.ws)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        async with http.post(f"http://127.0.0.1:{setup.api.api_port}/api/debates", json=BODY) as answer:
            debate_id = (await answer.json())["id"]
        url = f"http://127.0.0.1:{setup.ws.ws_port}/ws?debate_id={debate_id}"
        sockets = [await http.ws_connect(url) for _ in range(WATCHERS)]
        each_kb = (memory_kb(setup.ws) - before_kb) / WATCHERS

        async def read(socket: aiohttp.ClientWebSocketResponse) -> None:
            nonlocal delivered
            async for message in socket:
                delivered += 1
                if '"type":"debate_end"' in message.data:
                    return

        async with asyncio.TaskGroup() as tasks:
            for socket in sockets:
                tasks.create_task(read(socket))
        used_s = spent_s(setup.ws) - before_s
    return {"kB a watcher": each_kb, "us a delivery": 1e6 * used_s / delivered}


def main() -> None:
    """Measure both and print them side by side."""
    found: dict[str, dict[str, float]] = {}
    for name, setup in (("embedded", embedded), ("fleet", fleet)):
        with tempfile.TemporaryDirectory() as folder:
            with setup(Path(folder) / "quick", 0.0) as quick:
                found[name] = asyncio.run(throughput(quick))
            with setup(Path(folder) / "live", 0.3) as live:
                found[name] |= asyncio.run(waits(live))
                found[name] |= asyncio.run(watching(live))
    print("| | embedded | fleet |\n|---|---|---|")
    for figure in found["embedded"]:
        print(f"| {figure} | {found['embedded'][figure]:.1f} | {found['fleet'][figure]:.1f} |")


if __name__ == "__main__":
    main()
