"""Many debates at once whose agents take a fixed time: how long, how much memory and CPU, and what the engine adds to the model.

    python benchmarks/debates.py [--long]

Demo agents take DELAY_S for each turn, so that a debate of nothing but waiting would take as many times that as it has phases;
what is beyond is the engine's, the writing of demo texts included.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from contextlib import suppress

import aiohttp

from measure import Section, Served, alone, folder, metric, rss_kb, served, shown, table, used, within

SIZES, LONG_SIZES = (1, 10, 50), (1, 5, 10, 20, 50, 500, 5000)
DELAY_S, LONG_DELAY_S = 0.1, 4.5  # the specification's agents take 4.2 to 4.8 s
# Duration in s, memory in MB, CPU and errors in percent, on 8 cores.
SEEDS = {1: (45, 280, 15, 0.0), 5: (52, 650, 45, 0.0), 10: (68, 1200, 72, 0.1), 20: (95, 2100, 89, 0.5), 50: (145, 4800, 98, 2.1)}
# Milliseconds of the specification's round of three agents, by what we call the step.
SEED_STEPS_MS = {"context": 500, "agent": 4500, "consensus": 200, "record": 300, "broadcast": 100}
SEED_OVERHEAD_MS = 1500
SEATS = ["demo", "demo:sceptic", "demo:analyst"]
BODY = {
    "topic": "What does the engine add?",
    "agents": ["demo", "demo:sceptic", "demo:analyst"],
    "rounds": 1,
    "rule": "unanimous",
}
# Seats and rounds: seconds and MB.
SHAPES = {(2, 3): (45, 150), (3, 3): (60, 200), (4, 3): (90, 280), (5, 5): (180, 400)}
SHAPE_DELAY_S = 0.5
CALLERS = 50
LEAST_S = 1e-9


async def _hold(server: Served, count: int, agents: Sequence[str] = SEATS) -> list[str]:
    """Start so many debates and wait until all have ended; their ids."""
    url = f"http://127.0.0.1:{server.api_port}/api/debates"
    numbers, ids = iter(range(count)), []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

        async def call() -> None:
            for number in numbers:
                async with http.post(url, json={**BODY, "agents": agents, "seed": number}) as answer:
                    if answer.status == 201:  # noqa: PLR2004  # what is refused is counted as an error
                        ids.append((await answer.json())["id"])

        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(CALLERS, count)):
                tasks.create_task(call())
        left = 1
        while left:
            await asyncio.sleep(0.1)
            left = 0
            for status in ("pending", "active"):
                with suppress(aiohttp.ClientError):
                    async with http.get(f"{url}?limit=1&status={status}") as answer:
                        left += (await answer.json())["total"]
    return ids


def _judge(server: Served, ids: list[str], delay_s: float) -> tuple[list[float], list[float], int]:
    """Of each debate: seconds, seconds beyond the model's; and how many did not come out whole. A sample of a few hundred."""
    took, beyond, wrong = [], [], 0
    for debate_id in ids[:: max(1, len(ids) // 300)]:
        events = server.ask(f"/api/debates/{debate_id}/events?limit=1000").json["events"]
        ended = events[-1]["data"]
        seconds = ended["duration_seconds"]
        asked = {(event["data"]["round"], event["data"]["phase"]) for event in events if event["data"].get("phase")}
        took.append(seconds)
        beyond.append(seconds - len(asked) * delay_s)
        wrong += ended["outcome"] in {"failed", "degraded", "cancelled"}
    return took, beyond, wrong


def _steps(server: Served) -> dict[str, float]:
    sums = metric(server, r'aragora_round_step_seconds_sum\{step="(\w+)"\}')
    rounds = metric(server, r'aragora_events_total\{type="(round_complete)"\}').get("round_complete", 0.0)
    return {**sums, "rounds": rounds}


def measure(count: int, delay_s: float) -> dict[str, float]:
    """So many debates on a fresh server."""
    bounds = {"max_running_debates": 10_000, "max_queued_debates": 10_000, "turn_timeout_s": 300, "round_timeout_s": 3000}
    with folder() as place, served(place, demo_delay_s=delay_s, **bounds) as server:
        # What is imported and opened once is not a debate's; these agents answer at once.
        asyncio.run(_hold(server, 1, ["sim:p=0.7", "sim:p=0.6"]))
        before = _steps(server)
        with used(server) as spent:
            ids = asyncio.run(_hold(server, count))
        steps = {name: value - before.get(name, 0.0) for name, value in _steps(server).items()}
        took, beyond, wrong = _judge(server, ids, delay_s)
    rounds = max(steps.pop("rounds"), 1.0)
    mean = sum(took) / max(len(took), 1)
    return {
        "debates": count,
        "seconds": mean,
        "beyond_s": sum(beyond) / max(len(beyond), 1),
        "p99_s": within(took, 0.99),
        "kb_each": spent.grown_kb / count,
        "cpu_percent": 100 * spent.cpu_s / spent.seconds,
        "cpu_ms_each": 1000 * spent.cpu_s / count,
        "errors_percent": 100 * (count - len(ids) + wrong) / count,
        "rounds": rounds,
        **{f"{name}_ms": 1000 * value / rounds for name, value in steps.items()},
    }


def shapes() -> list[dict[str, float]]:
    """One debate of each shape that the specification names, all on one server."""
    found = []
    with folder() as place, served(place, demo_delay_s=SHAPE_DELAY_S) as server:
        ids = {}
        for seats, rounds in SHAPES:
            ids[seats, rounds] = server.ask("/api/debates", {**BODY, "agents": ["demo"] * seats, "rounds": rounds}).json["id"]
        for (seats, rounds), debate_id in ids.items():
            server.ask(f"/api/debates/{debate_id}/events/stream")
            took, beyond, wrong = _judge(server, [debate_id], SHAPE_DELAY_S)
            phases = round((took[0] - beyond[0]) / SHAPE_DELAY_S)
            found.append({"seats": seats, "rounds": rounds, "phases": phases, "beyond_s": beyond[0], "wrong": wrong})
        found[0]["process_mb"] = rss_kb(server) / 1024
    return found


def section(long: bool) -> Section:  # noqa: FBT001
    """Every size, and the round taken apart at the first and the last."""
    delay_s = LONG_DELAY_S if long else DELAY_S
    sizes = LONG_SIZES if long else SIZES
    rows = [measure(count, delay_s) for count in sizes]
    lines = [
        f"Three demo agents that take {delay_s} s for each turn, one round after the blind answers and votes.",
        "*Beyond* is what a debate took longer than its phases of pure waiting. The specification measured on 8 cores.",
        "",
    ]
    heads = [
        "debates",
        "duration s",
        "beyond the model s",
        "share",
        "p99 s",
        "kB each",
        "CPU % of a core",
        "CPU ms each",
        "errors %",
    ]
    lines += table(
        [*heads, "specification: s", "MB", "CPU %", "errors %"],
        [
            [
                int(row["debates"]),
                *(row[name] for name in ("seconds", "beyond_s")),
                f"{100 * row['beyond_s'] / max(row['seconds'] - row['beyond_s'], LEAST_S):.1f} %",
                *(row[name] for name in ("p99_s", "kb_each", "cpu_percent", "cpu_ms_each", "errors_percent")),
                *SEEDS.get(int(row["debates"]), ("-",) * 4),
            ]
            for row in rows
        ],
    )
    first, last = rows[0], rows[-1]
    steps = list(SEED_STEPS_MS)
    lines += ["", "A round taken apart, in ms: sums over its three seats and all its phases, several of which wait at once.", ""]
    lines += table(
        ["step", f"{int(first['debates'])} at once", f"{int(last['debates'])} at once", "specification"],
        [[step, first.get(f"{step}_ms", 0.0), last.get(f"{step}_ms", 0.0), SEED_STEPS_MS[step]] for step in steps],
    )
    per_round = [1000 * row["beyond_s"] / (row["rounds"] / row["debates"]) for row in (first, last)]
    lines += [
        "",
        f"The engine adds {shown(per_round[0])} ms to a round with one debate, {shown(per_round[1])} ms with the most; the",
    ]
    lines += [f"specification's adds {SEED_OVERHEAD_MS:,} ms. The blind answers and their vote count as a round here."]
    held = shapes()
    said = f"One debate of each shape at once, {SHAPE_DELAY_S} s a turn; a protocol may end before its last round."
    lines += ["", f"{said} The process with all of them weighed {held[0]['process_mb']:.0f} MB.", ""]
    lines += table(
        ["seats", "rounds", "phases", "beyond the model s", "at 4.5 s a turn, s", "specification: s", "MB"],
        [
            [
                *(int(row[name]) for name in ("seats", "rounds", "phases")),
                row["beyond_s"],
                row["phases"] * LONG_DELAY_S + row["beyond_s"],
                *SHAPES[int(row["seats"]), int(row["rounds"])],
            ]
            for row in held
        ],
    )
    bars = [
        (
            f"{int(row['debates'])} at once",
            {"beyond the model, ms a round": 1000 * row["beyond_s"] / (row["rounds"] / row["debates"])},
        )
        for row in rows
    ]
    return Section("debates", "Concurrent debates", lines, {"delay_s": delay_s, "rows": rows, "shapes": held}, bars, "ms a round")


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1].isdigit():
        print(json.dumps(measure(int(sys.argv[1]), LONG_DELAY_S), indent=1))
    else:
        alone(section)
