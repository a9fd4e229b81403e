"""The API table of docs/PERFORMANCE.md: each row beside a floor measured in the same run. Run by `make bench`.

    python benchmarks/api.py [--long]

The server, the floor and the loader (wrk, in the Debian package of that name) are three processes on one machine. The floor of a
read is a bare httptools protocol on uvloop that answers the same bytes; that of a write is a raw insert through our SQLite port,
which commits in groups, by as many writers at once. Rates on a shared machine say little; the ratio to the floor says more.
"""

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
os.environ["PYTHONPATH"] = str(ROOT / "src")

from api_floor import floor_server, raw_inserts  # noqa: E402  # after the path is set
from api_sockets import connects, messages  # noqa: E402
from builders import Served, served  # noqa: E402

CONNECTIONS = 100
SHORT_S, LONG_S = 2, 20
PASSES = 3  # floor and server take turns
STARTS = 3
# Operations a second on four cores, p99 in ms: the specification's table.
SEEDS = {
    "health": (5247, 8.2),
    "list": (1156, 52.1),
    "get": (2489, 31.4),
    "create": (187, 162.3),
    "vote": (823, 78.6),
    "leaderboard": (892, 65.2),
    "agents": (645, 89.1),
    "WS connect": (1024, 42.1),
    "WS message": (3156, 18.9),
}
CREATE = json.dumps({"topic": "Test debate", "agents": ["demo", "demo"], "rounds": 2, "start": False})
LUA = """
local voters = 0
request = function()
  voters = voters + 1
  local body = string.gsub(%s, "VOTER", tostring(math.random(1, 1000000000)) .. "-" .. voters)
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, body)
end
init = function() math.randomseed(os.time()) end
"""
Row = dict[str, float]


def wrk(url: str, seconds: int, body: str = "") -> Row:
    """Requests a second, p50 and p99 in ms, and how many answers were no 2xx."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "--timeout=10s"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if body:
            script.write(LUA % json.dumps(body))
            script.flush()
            command += ["-s", script.name]
        told = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    lost = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", told)
    errors = (int(wrong[1]) if wrong else 0) + (sum(map(int, lost.groups())) if lost else 0)
    return {"rps": _number(told, r"Requests/sec:\s+([\d.]+)"), "p50_ms": _ms(told, 50), "p99_ms": _ms(told, 99), "errors": errors}


def _number(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found[1])


def _ms(text: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text)
    assert found, text
    return round(float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]], 2)


def reads(server: Served, debate_id: str, seconds: int) -> Iterator[tuple[str, Row, Row]]:
    """Each reading row, and the same bytes from the bare protocol."""
    paths = {
        "health": "/api/health",
        "list": "/api/debates?limit=20",
        "get": f"/api/debates/{debate_id}",
        "leaderboard": "/api/leaderboard",
        "agents": "/api/agents",
    }
    for name, path in paths.items():
        answer = server.ask(path)
        ours, floors = [], []
        with floor_server(answer.headers, answer.body) as port:
            for _ in range(PASSES):
                floors.append(wrk(f"http://127.0.0.1:{port}{path}", seconds))
                ours.append(wrk(f"http://127.0.0.1:{server.api_port}{path}", seconds))
        yield name, _best(ours), _best(floors)


def _best(passes: Sequence[Row]) -> Row:
    """The pass that others on this machine disturbed least, with the errors of all."""
    return {**max(passes, key=lambda row: row["rps"]), "errors": sum(row["errors"] for row in passes)}


def writes(server: Served, folder: Path, seconds: int) -> Iterator[tuple[str, Row, Row]]:
    """Creating and voting, beside raw inserts of as many bytes."""
    url = f"http://127.0.0.1:{server.api_port}/api/debates"
    floor = asyncio.run(raw_inserts(folder / "floor-create", CREATE, CONNECTIONS, seconds))
    yield "create", wrk(url, seconds, CREATE), floor
    running = server.ask("/api/debates", {"topic": "Open?", "agents": ["demo"], "rounds": 1}).json["id"]
    vote = json.dumps({"choice": "demo", "voter": "VOTER"})
    floor = asyncio.run(raw_inserts(folder / "floor-vote", vote, CONNECTIONS, seconds))
    yield "vote", wrk(f"{url}/{running}/vote", seconds, vote), floor


def sockets(server: Served, seconds: int) -> Iterator[tuple[str, Row, Row]]:
    """Connecting, and a ping answered by a pong; there is no floor for these."""
    address = f"ws://127.0.0.1:{server.ws_port}/ws"
    yield "WS connect", asyncio.run(connects(address, CONNECTIONS, seconds)), {}
    yield "WS message", asyncio.run(messages(address, CONNECTIONS, seconds)), {}


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="aragora-bench-") as name:
        yield Path(name)


def _memory_mb(server: Served) -> float:
    return round(_number(Path(f"/proc/{server.process.pid}/status").read_text(), r"VmRSS:\s+(\d+)") / 1024, 1)


def process(folder: Path) -> Row:
    """Start to the first 200, idle memory, and what importing the application takes; the best of a few."""
    starts, memory = [], []
    for number in range(STARTS):
        began = time.perf_counter()
        with served(folder / f"start-{number}") as server:
            assert server.ask("/api/health").json
            starts.append(time.perf_counter() - began)
            time.sleep(0.5)
            memory.append(_memory_mb(server))
    code = "import time; t = time.perf_counter(); import aragora.app; print(time.perf_counter() - t)"
    imports = [float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) for _ in range(STARTS)]
    return {"start_s": round(min(starts), 3), "idle_mb": max(memory), "import_s": round(min(imports), 3)}


def rounds(server: Served) -> Row:
    """What the engine adds to a round of three agents that answer at once, and where, from its own metrics."""
    debates = 20
    for _ in range(debates):
        body = {"topic": "Overhead?", "agents": ["demo", "demo", "demo"], "rounds": 3}
        debate_id = server.ask("/api/debates", body).json["id"]
        server.ask(f"/api/debates/{debate_id}/events/stream")
    text = server.ask("/metrics").body.decode()
    held = _number(text, r'aragora_events_total\{type="round_complete"\} ([\d.]+)')
    found = re.findall(r'aragora_round_step_seconds_sum\{step="(\w+)"\} (\S+)', text)
    return {"rounds": held, **{f"{step}_ms": round(1000 * float(total) / held, 3) for step, total in found}}


def table(rows: dict[str, tuple[Row, Row]]) -> Iterator[str]:
    """The rows as Markdown."""
    yield "| row | ops/s | floor | of floor | p50 ms | p99 ms | errors | specification ops/s | times | its p99 ms |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for name, (row, floor) in rows.items():
        rate, late = SEEDS[name]
        beside = f"{floor['rps']:,.0f} | {row['rps'] / floor['rps']:.0%}" if floor else "none | "
        ours = f"{row['p50_ms']:.1f} | {row['p99_ms']:.1f} | {row['errors']:.0f}"
        yield f"| {name} | {row['rps']:,.0f} | {beside} | {ours} | {rate:,} | {row['rps'] / rate:.1f} | {late} |"


def main() -> None:
    """Measure everything and write results/bench.md and results/bench.json."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--long", action="store_true", help=f"{LONG_S} s a pass instead of {SHORT_S}")
    seconds = LONG_S if options.parse_args().long else SHORT_S
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing; it is in the Debian package wrk")
    rows: dict[str, tuple[Row, Row]] = {}
    with _folder() as folder:
        once = process(folder)
        with served(folder / "rounds") as server:
            engine = rounds(server)
        with served(folder / "api", demo_delay_s=60, max_queued_debates=1_000_000) as server:
            ids = [server.ask("/api/debates", json.loads(CREATE)).json["id"] for _ in range(20)]
            for measured in (reads(server, ids[0], seconds), writes(server, folder, seconds), sockets(server, seconds)):
                for name, row, floor in measured:
                    rows[name] = (row, floor)
                    print(name, row, floor, flush=True)
    results = ROOT / "results"
    results.mkdir(exist_ok=True)
    load = os.getloadavg()
    raw: dict[str, object] = {"at": datetime.now(UTC).isoformat(), "cores": os.cpu_count(), "load": load, "seconds": seconds}
    raw |= {"rows": rows, "process": once, "round": engine}
    (results / "bench.json").write_text(json.dumps(raw, indent=1) + "\n", "utf-8")
    about = f"{os.cpu_count()} cores, load {load[0]:.1f} with ours, {CONNECTIONS} connections, {seconds} s a pass, one worker."
    tail = [f"- {name}: {value:g}" for part in (once, engine) for name, value in part.items()]
    page = ["# Bench", "", about, "", *table(rows), "", "Process, and milliseconds per round of three seats:", "", *tail]
    (results / "bench.md").write_text("\n".join(page) + "\n", "utf-8")
    print("\n".join(page))


if __name__ == "__main__":
    main()
