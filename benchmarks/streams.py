"""Many streams in flight in one process: our client beside the openai SDK, on the same machine, one after the other.

    python benchmarks/streams.py [STREAMS]

Each client runs in a process of its own against the models server of the tests, which streams 60 pieces at 10 a second. Memory
is what the process grows by while every stream waits for its first piece, per stream; CPU is what the client's process spent
from the first piece on, per piece. Plain HTTP on the loopback: TLS costs more memory, the same for both.
"""

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

import uvloop

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

CHUNKS, PARKED_S = 60, 6.0
CLIENTS = ("ours", "openai SDK")
Ask = Callable[[], Coroutine[None, None, int]]
Close = Callable[[], Awaitable[None]]


def rss_kb() -> int:
    """What this process holds in memory, in kB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def cpu_s() -> float:
    """What this process has spent so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def ours(url: str) -> tuple[Ask, Close]:
    """Our client, through everything that a turn goes through."""
    from model_builders import a_request, some_agents

    agents = some_agents(url, first_token_s=60.0, idle_s=30.0, calls_max=100_000)
    source = agents.catalogue.sources["openai"]
    provider = agents._provider(agents.find("openai:many"))
    gate = provider.gate("many")  # type: ignore[attr-defined]
    gate.window.size = float(source.table.calls_max)

    async def ask() -> int:
        pieces: list[str] = []
        await agents.complete(a_request("openai:many", timeout_s=120.0), pieces.append)
        return len(pieces)

    return ask, agents.close


def openai_sdk(url: str) -> tuple[Ask, Close]:
    """The vendor's client, with retries off and nothing else changed."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=url + "/v1", api_key="none", max_retries=0, timeout=120.0)

    async def ask() -> int:
        pieces = 0
        stream = await client.chat.completions.create(
            model="many", messages=[{"role": "user", "content": "Does iron float?"}], stream=True
        )
        async for chunk in stream:
            pieces += bool(chunk.choices and chunk.choices[0].delta.content)
        return pieces

    return ask, client.close


async def measure(client: str, url: str, streams: int) -> dict[str, object]:
    """Run all streams at once and say what they cost."""
    ask, close = {"ours": ours, "openai SDK": openai_sdk}[client](url)
    lags: list[float] = []
    before_kb, began = rss_kb(), time.perf_counter()
    tasks = [asyncio.create_task(ask()) for _ in range(streams)]
    await asyncio.sleep(PARKED_S * 0.8)
    parked_kb, parked_cpu = rss_kb(), cpu_s()
    while not all(task.done() for task in tasks):
        asked = time.perf_counter()
        await asyncio.sleep(0.05)
        lags.append(time.perf_counter() - asked - 0.05)
    done = [task.result() for task in tasks if task.exception() is None]
    await close()
    lags.sort()
    return {
        "client": client,
        "whole": sum(pieces == CHUNKS for pieces in done),
        "kb_per_stream": (parked_kb - before_kb) / streams,
        "us_per_piece": (cpu_s() - parked_cpu) / (streams * CHUNKS) * 1e6,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "lag_p99_ms": lags[int(len(lags) * 0.99)] * 1000,
        "seconds": time.perf_counter() - began,
    }


def main(streams: int) -> None:
    """Measure each client in a fresh process and print a table."""
    command = [sys.executable, str(ROOT / "tests" / "models_server.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        print(f"{'client':<12} {'whole':>6} {'kB/stream':>10} {'us/piece':>9} {'peak MB':>8} {'lag p99 ms':>11} {'seconds':>8}")
        for client in CLIENTS:
            done = subprocess.run([sys.executable, __file__, client, url, str(streams)], stdout=subprocess.PIPE, check=True)
            row = json.loads(done.stdout)
            print(
                f"{client:<12} {row['whole']:>6} {row['kb_per_stream']:>10.1f} {row['us_per_piece']:>9.1f}"
                f" {row['rss_mb']:>8.1f} {row['lag_p99_ms']:>11.1f} {row['seconds']:>8.1f}"
            )
        server.kill()


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in CLIENTS:
        print(json.dumps(uvloop.run(measure(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
