"""One debate and very many watchers: how late events come, how many go out in a second, and how long a storm of returns takes.

    python benchmarks/fanout.py [--long]

Events are votes of people, sent one after the other for the delays and all at once for the rate. Watchers are in this process.
"""

import asyncio
import math
import time

import aiohttp
import uvloop

import watchers
from measure import Section, Served, Used, alone, folder, many_files, metric, served, table, within

CROWDS, LONG_CROWDS = (200,), (1000, 5000)
STORM, LONG_STORM = 200, 2000
PACED, BURST = 20, 100
PACE_S, PACE_EACH_S = 0.05, 0.0002  # between events: at least, and for each watcher
CASTERS = 20
BEHIND = 50  # events that whoever comes back has missed
PATIENCE_S = 120.0
PARKED_S = 60
# The specification's table: publish and delivery together, in ms, by event; one client.
SEED_MS = {"debate_start": 7, "agent_message": 11, "round_complete": 8, "vote_cast": 5, "debate_end": 7}
TYPES = tuple(SEED_MS)


async def _vote(http: aiohttp.ClientSession, url: str, voters: "list[int]") -> None:
    while voters:
        async with http.post(url, json={"choice": "demo-1", "voter": f"v{voters.pop()}"}) as answer:
            answer.raise_for_status()


async def crowd(server: Served, size: int, storm: int) -> dict[str, float]:
    """So many watchers of one debate; then as many that return."""
    root = f"http://127.0.0.1:{server.api_port}/api/debates"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        async with http.post(root, json={"topic": "Who watches?", "agents": ["demo", "demo"], "rounds": 1}) as answer:
            debate_id = (await answer.json())["id"]
        began = time.perf_counter()
        path = f"/ws?debate_id={debate_id}"
        watching = await watchers.connect("127.0.0.1", server.ws_port, path, size, want=1)
        connect_s = time.perf_counter() - began
        assert await watchers.all_at(watching, 1, PATIENCE_S)
        vote = f"{root}/{debate_id}/vote"
        for watcher in watching:
            watcher.late_s.clear()
        for number in range(PACED):
            await _vote(http, vote, [number])
            await asyncio.sleep(max(PACE_S, size * PACE_EACH_S))
        assert await watchers.all_at(watching, 1 + PACED, PATIENCE_S)
        late = [each for watcher in watching for each in watcher.late_s]
        used, voters = Used(server), [*range(PACED, PACED + BURST)]
        began = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CASTERS):
                tasks.create_task(_vote(http, vote, voters))
        whole = await watchers.all_at(watching, 1 + PACED + BURST, PATIENCE_S)
        took_s = time.perf_counter() - began
        used.look()
        for watcher in watching:
            watcher.close()
        returned = await _storm(server, path, storm, 1 + PACED + BURST)
    return {
        "watchers": size,
        "connects_per_s": size / connect_s,
        "p50_ms": 1000 * within(late, 0.5),
        "p99_ms": 1000 * within(late, 0.99),
        "deliveries_per_s": size * BURST / took_s,
        "us_each": 1e6 * used.cpu_s / (size * BURST),
        "lost": float(not whole),
        **returned,
    }


async def _storm(server: Served, path: str, count: int, last: int) -> dict[str, float]:
    """All come back at once and have missed the same events."""
    began = time.perf_counter()
    back = await watchers.connect("127.0.0.1", server.ws_port, f"{path}&after={last - BEHIND}", count, at_once=count, want=last)
    whole = await watchers.all_at(back, last, PATIENCE_S)
    took = [watcher.reached_at - began for watcher in back if watcher.reached_at]
    wrong = sum(watcher.frames < BEHIND for watcher in back)
    for watcher in back:
        watcher.close()
    return {
        "storm": count,
        "storm_p50_s": within(took, 0.5),
        "storm_p99_s": within(took, 0.99),
        "storm_lost": wrong + (not whole),
    }


def events() -> dict[str, float]:
    """How late each of the specification's events is to one watcher, mean in ms, in whole debates, by the server's own metric."""
    with folder() as place, served(place, demo_delay_s=0.02) as server:
        for seed in range(20):
            body = {"topic": "How late?", "agents": ["demo", "demo:sceptic", "demo"], "rounds": 2, "seed": seed}
            debate_id = server.ask("/api/debates", body).json["id"]
            server.ask(f"/api/debates/{debate_id}/events/stream")
        sums, counts = (metric(server, rf'aragora_event_delivery_seconds_{what}\{{type="(\w+)"\}}') for what in ("sum", "count"))
    return {kind: 1000 * sums[kind] / counts[kind] if counts.get(kind) else math.nan for kind in TYPES}


def section(long: bool) -> Section:  # noqa: FBT001
    """Each size of crowd on a server of its own."""
    many_files()
    rows = []
    for size in LONG_CROWDS if long else CROWDS:
        with folder() as place, served(place, demo_delay_s=PARKED_S, max_connections=2 * size + 5000) as server:
            rows.append(uvloop.run(crowd(server, size, LONG_STORM if long else STORM)))
    late = events()
    names = {
        "watchers": "watchers of one debate",
        "connects_per_s": "connects a second, greeted (aim 2,000)",
        "p50_ms": "event to watcher, p50 ms",
        "p99_ms": "event to watcher, p99 ms",
        "deliveries_per_s": "deliveries a second in a burst (aim 50,000)",
        "us_each": "server's CPU for a delivery, us",
        "lost": "watchers that missed an event",
        "storm": "watchers that come back at once",
        "storm_p50_s": f"until they have what they missed ({BEHIND} events), p50 s",
        "storm_p99_s": "the same, p99 s",
        "storm_lost": "of these without all of it",
    }
    lines = table(["", *("here" for _ in rows)], [[text, *(row[name] for row in rows)] for name, text in names.items()])
    lines += [
        "",
        "From an event's time to its sending, one watcher, mean in ms; the specification's publish and delivery together:",
        "",
    ]
    lines += table(["event", "here", "specification"], [[kind, late[kind], SEED_MS[kind]] for kind in TYPES])
    bars = [(f"{int(row['watchers']):,} watchers", {"deliveries a second": row["deliveries_per_s"]}) for row in rows]
    return Section("fanout", "Fan-out", lines, {"rows": rows, "late_ms": late}, bars, "deliveries a second")


if __name__ == "__main__":
    alone(section)
