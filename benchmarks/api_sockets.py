"""The WebSocket rows of benchmarks/api.py, with the `websockets` library as the client. Imports nothing of ours."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import connect


def _row(took: list[float], seconds: float, errors: int) -> dict[str, float]:
    took.sort()
    p50, p99 = (round(1000 * took[int(share * len(took))], 2) for share in (0.5, 0.99))
    return {"rps": len(took) / seconds, "p50_ms": p50, "p99_ms": p99, "errors": errors}


async def _many(clients: int, seconds: int, client: Callable[[float, list[float]], Awaitable[None]]) -> dict[str, float]:
    took: list[float] = []
    ends, errors = time.perf_counter() + seconds, 0

    async def run() -> None:
        nonlocal errors
        try:
            await client(ends, took)
        except OSError:
            errors += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(run())
    return _row(took, seconds, errors)


async def connects(address: str, clients: int, seconds: int) -> dict[str, float]:
    """From the call to the greeting, over and over."""

    async def client(ends: float, took: list[float]) -> None:
        while (began := time.perf_counter()) < ends:
            async with connect(address, compression=None, close_timeout=1) as socket:
                await socket.recv()
                took.append(time.perf_counter() - began)

    return await _many(clients, seconds, client)


async def messages(address: str, clients: int, seconds: int) -> dict[str, float]:
    """A ping, its pong, and a pause so that no client says more than a client may."""
    pause_s = 1 / 45  # the server closes a connection that says more than 50 things a second

    async def client(ends: float, took: list[float]) -> None:
        async with connect(address, compression=None, close_timeout=1) as socket:
            await socket.recv()
            while (began := time.perf_counter()) < ends:
                await socket.send('{"type":"ping"}')
                await socket.recv()
                took.append(time.perf_counter() - began)
                await asyncio.sleep(max(0.0, pause_s - (time.perf_counter() - began)))

    return await _many(clients, seconds, client)
