"""Floors for benchmarks/api.py: what an HTTP answer and a durable write cost at least. As a script, serves one."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import httptools
import uvloop

from aragora.store import Statement
from aragora.store.sqlite import Sqlite


class Bare(asyncio.Protocol):
    """Parses each request and writes the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Parse."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Answer."""
        self._transport.write(self._answer)


async def _serve() -> None:
    answer = sys.stdin.buffer.read()
    server = await asyncio.get_running_loop().create_server(lambda: Bare(answer), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def floor_server(headers: Mapping[str, str], body: bytes) -> Iterator[int]:
    """The port of a bare server that gives this answer."""
    # The answer was given to a client that asks once; wrk asks again on the same connection.
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name.lower() != "connection")
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body)
        process.stdin.close()
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def raw_inserts(folder: Path, text: str, writers: int, seconds: int) -> dict[str, float]:
    """Inserts a second, one row of `text` each, by as many writers at once as there are connections."""
    database = Sqlite(folder / "floor.db")
    await database.write([Statement("CREATE TABLE floor (id INTEGER PRIMARY KEY, text TEXT)", {})])
    insert = [Statement("INSERT INTO floor (text) VALUES (:text) RETURNING id", {"text": text})]
    ends, took = time.perf_counter() + seconds, []

    async def write() -> None:
        while (began := time.perf_counter()) < ends:
            await database.write(insert)
            took.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(writers):
            tasks.create_task(write())
    await database.close()
    took.sort()
    return {"rps": len(took) / seconds, "p99_ms": round(1000 * took[int(0.99 * len(took))], 2)}


if __name__ == "__main__":
    uvloop.run(_serve())
