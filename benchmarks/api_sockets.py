"""The WebSocket rows of benchmarks/api.py. Imports nothing of ours."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import watchers
from measure import Row, within

PING = '{"type":"ping"}'


async def _many(clients: int, seconds: float, client: Callable[[float, list[float]], Awaitable[None]]) -> Row:
    took: list[float] = []
    ends, errors = time.perf_counter() + seconds, 0

    async def run() -> None:
        nonlocal errors
        try:
            await client(ends, took)
        except (OSError, AssertionError):
            errors += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(run())
    p50, p99 = (round(1000 * within(took, share), 2) for share in (0.5, 0.99))
    return {"rps": len(took) / seconds, "p50_ms": p50, "p99_ms": p99, "errors": errors}


async def connects(port: int, clients: int, seconds: float) -> Row:
    """From the call to the greeting, over and over."""

    async def client(ends: float, took: list[float]) -> None:
        while (began := time.perf_counter()) < ends:
            (watcher,) = await watchers.connect("127.0.0.1", port, "/ws", 1)
            took.append(time.perf_counter() - began)
            watcher.close()

    return await _many(clients, seconds, client)


async def messages(port: int, clients: int, seconds: float) -> Row:
    """A ping, its pong, and a pause so that no client says more than a client may."""
    pause_s = 1 / 45  # the server closes a connection that says more than 50 things a second

    async def client(ends: float, took: list[float]) -> None:
        (watcher,) = await watchers.connect("127.0.0.1", port, "/ws", 1)
        while (began := time.perf_counter()) < ends:
            watcher.open.clear()
            watcher.say(PING)
            await watcher.open.wait()
            assert not watcher.lost
            took.append(time.perf_counter() - began)
            await asyncio.sleep(max(0.0, pause_s - (time.perf_counter() - began)))
        watcher.close()

    return await _many(clients, seconds, client)
