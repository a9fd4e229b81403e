"""What a process weighs: started, importing, and for each debate, seat and WebSocket.

python benchmarks/memory.py [--long]
"""

import asyncio
import subprocess
import sys
import time

import watchers
from measure import Section, Served, alone, folder, many_files, rss_kb, served, table

STARTS, LONG_STARTS, SETTLE_S = 1, 5, 0.5
DEBATES, LONG_DEBATES = 100, 1000
SOCKETS, LONG_SOCKETS = 500, 2000
FEW, MANY = 2, 6  # seats
PARKED_S = 60  # how long a turn takes, so that debates stand still while they are weighed
# MB of the specification: base process, debate context, an agent's state, 100 WebSockets.
SEED_BASE_MB, SEED_DEBATE_MB, SEED_SEAT_MB, SEED_SOCKETS_MB = 120, 50, 30, 1


def starting(times: int) -> dict[str, float]:
    """Start to the first 200, idle memory, and what importing the application takes; the best of a few."""
    starts, idle = [], []
    for _ in range(times):
        with folder() as place:
            began = time.perf_counter()
            with served(place) as server:
                assert server.ask("/api/health").json
                starts.append(time.perf_counter() - began)
                time.sleep(SETTLE_S)
                idle.append(rss_kb(server) / 1024)
    code = "import time; t = time.perf_counter(); import aragora.app; print(time.perf_counter() - t)"
    imports = [float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) for _ in range(times)]
    return {"start_s": min(starts), "idle_mb": max(idle), "import_s": min(imports)}


def _debates(server: Served, count: int, seats: int) -> None:
    body = {"topic": "What does a debate weigh?", "agents": ["demo"] * seats, "rounds": 2}
    for seed in range(count):
        assert server.ask("/api/debates", {**body, "seed": seed}).status == 201  # noqa: PLR2004


def debates(count: int) -> dict[str, float]:
    """Running debates whose seats are all being asked: of few seats, then of many."""
    grown = {}
    for seats in (FEW, MANY):
        with folder() as place, served(place, demo_delay_s=PARKED_S, max_running_debates=10_000) as server:
            _debates(server, 20, seats)  # what is made once is not a debate's
            time.sleep(SETTLE_S)
            before = rss_kb(server)
            _debates(server, count, seats)
            time.sleep(SETTLE_S)
            grown[seats] = (rss_kb(server) - before) / count
    seat_kb = (grown[MANY] - grown[FEW]) / (MANY - FEW)
    return {"seat_kb": seat_kb, "debate_kb": grown[FEW] - FEW * seat_kb, "debate_3_kb": grown[FEW] + seat_kb}


async def _open(server: Served, count: int) -> list[watchers.Watcher]:
    return await watchers.connect("127.0.0.1", server.ws_port, "/ws", count)


def sockets(count: int) -> dict[str, float]:
    """Open WebSockets that say nothing."""

    async def weigh(server: Served) -> float:
        opened = await _open(server, 50)
        await asyncio.sleep(SETTLE_S)
        before = rss_kb(server)
        opened += await _open(server, count)
        await asyncio.sleep(SETTLE_S)
        grown = rss_kb(server) - before
        for watcher in opened:
            watcher.close()
        return grown / count

    many_files()
    with folder() as place, served(place, max_connections=count + 1000) as server:
        return {"socket_kb": asyncio.run(weigh(server))}


def section(long: bool) -> Section:  # noqa: FBT001
    """All of it."""
    found = {
        **starting(LONG_STARTS if long else STARTS),
        **debates(LONG_DEBATES if long else DEBATES),
        **sockets(LONG_SOCKETS if long else SOCKETS),
    }
    lines = table(
        ["what", "here", "specification", "aim"],
        [
            ["start to the first 200, s", found["start_s"], "-", "< 1"],
            ["import of the application, s", found["import_s"], "-", "-"],
            ["idle process, MB", found["idle_mb"], SEED_BASE_MB, "<= 60"],
            ["a running debate of three seats, kB", found["debate_3_kb"], (SEED_DEBATE_MB + 3 * SEED_SEAT_MB) * 1024, "<= 50"],
            ["of that the debate, kB", found["debate_kb"], SEED_DEBATE_MB * 1024, "-"],
            ["of that each seat, kB", found["seat_kb"], SEED_SEAT_MB * 1024, "-"],
            ["a WebSocket, kB", found["socket_kb"], SEED_SOCKETS_MB * 1024 / 100, "<= 30"],
            ["100 WebSockets, MB", found["socket_kb"] * 100 / 1024, SEED_SOCKETS_MB, "-"],
        ],
    )
    lines += [
        "",
        "Resident memory from /proc, while nobody else is served; debates are weighed while all of their seats are asked.",
    ]
    bars = [
        (name, {"MB": found[key] / 1024 * times})
        for name, key, times in (("1,000 debates of 3", "debate_3_kb", 1000), ("1,000 WebSockets", "socket_kb", 1000))
    ]
    bars.insert(0, ("idle process", {"MB": found["idle_mb"]}))
    return Section("memory", "Memory and start", lines, found, bars, "MB")


if __name__ == "__main__":
    alone(section)
