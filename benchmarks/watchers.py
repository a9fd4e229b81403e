"""Thousands of WebSocket watchers in one process: a bare protocol that counts frames and how late they are.

Imports nothing of ours. A program that measures a server must be much faster than the server, which a library is not.
"""

import asyncio
import base64
import time
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import cast

HEAD_END = b"\r\n\r\n"
SMALL, MIDDLE, PING = 126, 127, 9
KEY = base64.b64encode(b"a watcher's once").decode()


@lru_cache(64)  # all watchers get the same few
def _born(timestamp: bytes) -> float:
    return datetime.fromisoformat(timestamp.decode()).timestamp()


class Watcher(asyncio.Protocol):
    """One watcher. `seq` is the last number that it saw; `late_s` how long after its time each event came."""

    def __init__(self, path: str, *, want: int = 0) -> None:
        """`path` with its query; `reached` is set when event number `want` has come."""
        self.seq = self.frames = 0
        self.late_s: list[float] = []
        self.open, self.reached = asyncio.Event(), asyncio.Event()
        self.want = want
        self.reached_at = 0.0
        self.lost = False
        self._path, self._rest, self._began = path, b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        request = f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._transport.write(f"{request}Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's own
        """Whoever waits for this watcher is told."""
        self.lost = True
        self.open.set()
        self.reached.set()

    def say(self, text: str) -> None:
        """Send a short text, masked with nothing."""
        self._transport.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode())

    def close(self) -> None:
        """Leave."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take what came: the answer first, then frames."""
        self._rest += data
        if not self._began:
            head, found, self._rest = self._rest.partition(HEAD_END)
            if not found:
                self._rest = head
                return
            if b" 101 " not in head[:16]:
                self._transport.abort()
                return
            self._began = True
        now, place = time.time(), 0
        while True:
            length = self._frame(place)
            if not length:
                break
            self._take(self._rest[place : place + length], now)
            place += length
        self._rest = self._rest[place:]

    def _frame(self, place: int) -> int:
        """How long the frame at a place is with its head; 0 while it is not whole."""
        rest = self._rest
        if len(rest) < place + 2:
            return 0
        size, head = rest[place + 1] & 127, 2
        if size == SMALL:
            size, head = int.from_bytes(rest[place + 2 : place + 4], "big"), 4
        elif size == MIDDLE:
            size, head = int.from_bytes(rest[place + 2 : place + 10], "big"), 10
        return head + size if len(rest) >= place + head + size else 0

    def _take(self, frame: bytes, now: float) -> None:
        if frame[0] & 15 == PING:  # who does not answer is closed after half a minute
            payload = frame[2:]
            self._transport.write(bytes([0x8A, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
            return
        self.frames += 1
        at = frame.find(b'"seq":', 0, 160)
        if at < 0:
            self.open.set()  # the greeting, or an answer
            return
        self.seq = int(frame[at + 6 : frame.index(b",", at)])
        when = frame.find(b'"timestamp":"', 0, 240)
        self.late_s.append(now - _born(frame[when + 13 : frame.index(b'"', when + 13)]))
        if self.want and self.seq >= self.want and not self.reached.is_set():
            self.reached_at = time.perf_counter()
            self.reached.set()


async def connect(host: str, port: int, path: str, count: int, *, at_once: int = 200, want: int = 0) -> list[Watcher]:
    """So many watchers, greeted; never more than `at_once` on their way in."""
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(at_once)

    async def one() -> Watcher:
        async with gate:
            _, watcher = await loop.create_connection(lambda: Watcher(path, want=want), host, port)
            await watcher.open.wait()
            assert not watcher.lost, "the server closed a connection"
            return watcher

    async with asyncio.TaskGroup() as tasks:
        made = [tasks.create_task(one()) for _ in range(count)]
    return [task.result() for task in made]


async def all_at(watchers: Sequence[Watcher], seq: int, timeout_s: float) -> bool:
    """Whether every watcher has seen event number `seq` in time."""
    for watcher in watchers:
        watcher.want = seq
        if watcher.seq >= seq:
            watcher.reached.set()
        elif not watcher.lost:
            watcher.reached.clear()
    try:
        async with asyncio.timeout(timeout_s):
            for watcher in watchers:
                await watcher.reached.wait()
    except TimeoutError:
        return False
    return not any(watcher.lost for watcher in watchers)
