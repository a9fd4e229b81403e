"""Floors for benchmarks/api.py: what an HTTP answer, a durable write and a WebSocket cost at least. As a script, serves one."""

import asyncio
import base64
import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import httptools
import uvloop

from aragora.store import Statement
from aragora.store.sqlite import Sqlite

UPGRADE, BACKLOG = "upgrade", 2048
KEY, MAGIC = b"Sec-WebSocket-Key: ", b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "


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


class Writing(Bare):
    """Inserts one row for each request, and answers once it is on disk."""

    def __init__(self, answer: bytes, database: Sqlite, text: str, tasks: asyncio.TaskGroup) -> None:
        super().__init__(answer)
        self._database, self._tasks = database, tasks
        self._insert = [Statement("INSERT INTO floor (text) VALUES (:text) RETURNING id", {"text": text})]

    def on_message_complete(self) -> None:
        """Answer, later."""
        self._tasks.create_task(self._write())

    async def _write(self) -> None:
        await self._database.write(self._insert)
        if not self._transport.is_closing():
            self._transport.write(self._answer)


class Upgraded(asyncio.Protocol):
    """Answers the first bytes as a handshake, with a greeting; and whatever comes then with the same frame."""

    def __init__(self, greeting: bytes, pong: bytes) -> None:
        self._greeting, self._pong = greeting, pong

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to write."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer."""
        if not self._greeting:
            self._transport.write(self._pong)
            return
        key = data.partition(KEY)[2].partition(b"\r\n")[0]
        accept = base64.b64encode(hashlib.sha1(key + MAGIC, usedforsecurity=False).digest())
        self._transport.write(b"%b%b\r\n\r\n%b" % (SWITCHING, accept, self._greeting))
        self._greeting = b""


async def _upgrade() -> None:
    greeting, pong = (bytes.fromhex(line) for line in sys.stdin.read().split())
    server = await asyncio.get_running_loop().create_server(lambda: Upgraded(greeting, pong), "127.0.0.1", 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _serve(file: str = "", text: str = "") -> None:
    answer = sys.stdin.buffer.read()
    async with asyncio.TaskGroup() as tasks:

        def protocol() -> Bare:
            return Writing(answer, database, text, tasks) if database else Bare(answer)

        database = Sqlite(Path(file)) if file else None
        if database:
            await database.write([Statement("CREATE TABLE floor (id INTEGER PRIMARY KEY, text TEXT)", {})])
        server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


@contextmanager
def floor_server(headers: Mapping[str, str], body: bytes, *insert: str) -> Iterator[int]:
    """The port of a bare server that gives this answer; with a file and a text, once it has inserted the text there."""
    # The answer was given to a client that asks once; wrk asks again on the same connection.
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if name.lower() != "connection")
    with _started(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body, *insert) as port:
        yield port


@contextmanager
def socket_floor(greeting: bytes, pong: bytes) -> Iterator[int]:
    """The port of a bare server that does the handshake, and sends these two frames: one with it, one for whatever comes."""
    with _started(f"{greeting.hex()}\n{pong.hex()}".encode(), UPGRADE) as port:
        yield port


@contextmanager
def _started(told: bytes, *words: str) -> Iterator[int]:
    command = [sys.executable, __file__, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(told)
        process.stdin.close()
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


if __name__ == "__main__":
    uvloop.run(_upgrade() if sys.argv[1:] == [UPGRADE] else _serve(*sys.argv[1:]))
