"""Thousands of WebSocket watchers in one process: bare sockets that count frames and how late they are.

Imports nothing of ours. A program that measures a server must be much faster than the server, which a library is not.
"""

import asyncio
import base64
import errno
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache

HEAD_END = b"\r\n\r\n"
SMALL, MIDDLE, PING = 126, 127, 9
READ_BYTES = 256 * 1024
KEY = base64.b64encode(b"a watcher's once").decode()


@lru_cache(64)  # all watchers get the same few
def _born(timestamp: bytes) -> float:
    return datetime.fromisoformat(timestamp.decode()).timestamp()


def handshake(path: str) -> bytes:
    """The request for an upgrade."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return f"{request}Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()


def masked(text: str) -> bytes:
    """A short text as a client sends it, masked with nothing."""
    return bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode()


class Watcher:
    """One watcher. `seq` is the last number that it saw; `late_s` how long after its time each event came.

    A socket that is asked when there is something to read: a transport would cost the loader more than it measures.
    """

    def __init__(self, address: tuple[str, int], request: bytes, want: int, greeted: Callable[[], None]) -> None:
        """Connect; `reached` is set when event number `want` has come, `greeted` is called once."""
        self.seq = self.frames = 0
        self.late_s: list[float] = []
        self.reached = asyncio.Event()
        self.want = want
        self.reached_at = 0.0
        self.lost = False
        self._greeted: Callable[[], None] | None = greeted
        self._request, self._rest, self._began = request, b"", False
        self._loop = asyncio.get_running_loop()
        self._line = socket.socket()
        self._line.setblocking(False)
        if self._line.connect_ex(address) == errno.EINPROGRESS:
            self._loop.add_writer(self._line.fileno(), self._connected)
        else:
            self._ask()

    def _connected(self) -> None:
        self._loop.remove_writer(self._line.fileno())
        self._ask()

    def _ask(self) -> None:
        """Ask for the upgrade."""
        self._loop.add_reader(self._line.fileno(), self._read)
        self._write(self._request)

    def _write(self, data: bytes) -> None:
        with suppress(OSError):  # what reads it finds out
            self._line.send(data)

    def close(self) -> None:
        """Leave. Whoever waits for this watcher is told."""
        if self._line.fileno() >= 0:
            self._loop.remove_reader(self._line.fileno())
            self._line.close()
        self.lost = True
        self.reached.set()
        self._open()

    def _open(self) -> None:
        if self._greeted is not None:
            self._greeted()
            self._greeted = None

    def _read(self) -> None:
        """Take what came: the answer first, then frames."""
        try:
            data = self._line.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._rest += data
        if not self._began:
            head, found, self._rest = self._rest.partition(HEAD_END)
            if not found:
                self._rest = head
                return
            if b" 101 " not in head[:16]:
                self.close()
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
            self._write(bytes([0x8A, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
            return
        self.frames += 1
        at = frame.find(b'"seq":', 0, 160)
        if at < 0:
            self._open()  # the greeting, or an answer
            return
        self.seq = int(frame[at + 6 : frame.index(b",", at)])
        when = frame.find(b'"timestamp":"', 0, 240)
        self.late_s.append(now - _born(frame[when + 13 : frame.index(b'"', when + 13)]))
        if self.want and self.seq >= self.want and not self.reached.is_set():
            self.reached_at = time.perf_counter()
            self.reached.set()


async def connect(host: str, port: int, path: str, count: int, *, at_once: int = 200, want: int = 0) -> list[Watcher]:
    """So many watchers, greeted; never more than `at_once` on their way in."""
    gate, request, made = asyncio.Semaphore(at_once), handshake(path), list[Watcher]()
    for _ in range(count):
        await gate.acquire()
        made.append(Watcher((host, port), request, want, gate.release))
    for _ in range(min(at_once, count)):  # the last of them are in when all that may be on their way are not
        await gate.acquire()
    assert not any(watcher.lost for watcher in made), "the server closed a connection"
    return made


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
