"""What several processes on PostgreSQL and Redis cost beside one on SQLite: turns, waits, and what a watcher weighs.

    python benchmarks/processes.py [--long]

The servers, their database and this program share the machine.
"""

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp

from measure import Row, Section, Served, alone, cpu_s, folder, rss_kb, served, servers, table, within, wrk

DEBATES, LIVE, WATCHERS, PRODUCERS = 400, 20, 1000, 50
BODY = {"topic": "What does a fleet cost?", "agents": ["demo", "demo:sceptic", "demo"], "rounds": 2, "rule": "unanimous"}
CREATE = json.dumps({"topic": "Test debate", "agents": ["demo", "demo"], "rounds": 2, "start": False})
SHORT_S, LONG_S = 1, 5
LIVE_DELAY_S = 0.3
ENDPOINTS, LONG_ENDPOINTS = ("create",), ("list", "get", "create")


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


async def throughput(setup: Setup) -> dict[str, float]:
    """As many debates as there is room for, with agents that answer at once."""
    url = f"http://127.0.0.1:{setup.api.api_port}/api/debates"
    before, began = cpu_s(setup.worker), time.monotonic()
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
    return {"events/s": DEBATES * len(events) / took_s, "worker ms/turn": 1000 * (cpu_s(setup.worker) - before) / max(1, turns)}


async def waits(setup: Setup) -> dict[str, float]:
    """How long until the first answer, beyond what its model takes, and from an event's time to its watcher."""
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
                    if frame["type"] == "agent_message" and not heard:
                        first.append(time.monotonic() - began - LIVE_DELAY_S)
                        heard = True
                    if frame.get("seq", 0) > 1:
                        late.append(time.time() - datetime.fromisoformat(frame["timestamp"]).timestamp())
                    if frame["type"] == "debate_end":
                        break
    return {
        "create to first answer, beyond the model, ms p50": 1000 * within(first, 0.5),
        "event to watcher ms p50": 1000 * within(late, 0.5),
        "event to watcher ms p99": 1000 * within(late, 0.99),
    }


async def watching(setup: Setup) -> dict[str, float]:
    """Many watchers of one debate."""
    delivered = 0
    before_kb, before_s = rss_kb(setup.ws), cpu_s(setup.ws)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        async with http.post(f"http://127.0.0.1:{setup.api.api_port}/api/debates", json=BODY) as answer:
            debate_id = (await answer.json())["id"]
        url = f"http://127.0.0.1:{setup.ws.ws_port}/ws?debate_id={debate_id}"
        sockets = [await http.ws_connect(url) for _ in range(WATCHERS)]
        each_kb = (rss_kb(setup.ws) - before_kb) / WATCHERS

        async def read(socket: aiohttp.ClientWebSocketResponse) -> None:
            nonlocal delivered
            async for message in socket:
                delivered += 1
                if '"type":"debate_end"' in message.data:
                    return

        async with asyncio.TaskGroup() as tasks:
            for socket in sockets:
                tasks.create_task(read(socket))
        used_s = cpu_s(setup.ws) - before_s
    return {"kB a watcher": each_kb, "us a delivery": 1e6 * used_s / delivered}


def requests(server: Served, seconds: int, names: Sequence[str]) -> dict[str, Row]:
    """The rows that need the database, at 100 connections."""
    root = f"http://127.0.0.1:{server.api_port}/api/debates"
    ids = [server.ask("/api/debates", json.loads(CREATE)).json["id"] for _ in range(20)]
    asked = {"list": (f"{root}?limit=20", ""), "get": (f"{root}/{ids[0]}", ""), "create": (root, CREATE)}
    return {name: wrk(asked[name][0], seconds, asked[name][1]) for name in names}


def side_by_side(place: Path, seconds: int, names: Sequence[str]) -> dict[str, dict[str, Row]]:
    """SQLite with its one worker, PostgreSQL with one and with two."""
    found = {}
    with served(place / "sqlite", demo_delay_s=60, max_queued_debates=1_000_000) as server:
        found["SQLite, 1 worker"] = requests(server, seconds, names)
    with servers.postgres() as database:
        url = f"postgresql://postgres@127.0.0.1:{database.port}/{servers.DATABASE}"
        for workers in (1, 2):
            flags = {"workers": workers, "database_url": url, "demo_delay_s": 60, "max_queued_debates": 1_000_000}
            with served(place / f"postgres-{workers}", **flags) as server:
                found[f"PostgreSQL, {workers} worker{'s' * (workers > 1)}"] = requests(server, seconds, names)
                server.stop()  # with its children, before their database goes
    return found


def section(long: bool) -> Section:  # noqa: FBT001
    """Both, side by side; the short form leaves out the fleet."""
    found: dict[str, dict[str, float]] = {}
    names = LONG_ENDPOINTS if long else ENDPOINTS
    with folder() as place:
        rates = side_by_side(place, LONG_S if long else SHORT_S, names)
        for name, setup in (("embedded", embedded), ("fleet", fleet)) if long else ():
            with setup(place / name / "quick", 0.0) as quick:
                found[name] = asyncio.run(throughput(quick))
            with setup(place / name / "live", LIVE_DELAY_S) as live:
                found[name] |= asyncio.run(waits(live))
                found[name] |= asyncio.run(watching(live))
    lines = ["Requests a second, p99 in ms in brackets, at 100 connections; the database shares the two cores.", ""]
    lines += table(
        ["row", *rates],
        [[name, *(_rate(rates[setup][name]) for setup in rates)] for name in names],
    )
    if found:
        lines += ["", "One process on SQLite beside three (API, WebSocket, worker) on PostgreSQL, PgBouncer and Redis.", ""]
        lines += table(["", *found], [[figure, *(found[name][figure] for name in found)] for figure in found["embedded"]])
    bars = [(name, {setup: rates[setup][name]["rps"] for setup in rates}) for name in names]
    return Section("processes", "SQLite and PostgreSQL, one worker and two", lines, {"rates": rates, **found}, bars, "a second")


def _rate(row: Row) -> str:
    wrong = f", {row['errors']:.0f} errors" if row["errors"] else ""
    return f"{row['rps']:,.0f} ({row['p99_ms']:.0f}{wrong})"


if __name__ == "__main__":
    alone(section)
