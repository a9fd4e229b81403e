"""The WebSocket rows of benchmarks/api.py: sockets in a loop over epoll, which costs a fraction of what is measured.

Imports nothing of ours.
"""

import select
import socket
import time
from collections import deque
from dataclasses import dataclass

from measure import Row, within
from watchers import handshake, masked

PING = masked('{"type":"ping"}')
# The server closes a client that says more than 50 things in a second.
PAUSE_S = 1 / 45
GREETED, ANSWERED = b'"connected"', b'"pong"'
READ_BYTES, PATIENCE_S = 4096, 1.0


@dataclass(slots=True)
class Line:
    """One client: since when it waits, and what it has read of what it waits for."""

    socket: socket.socket
    began: float
    read: bytes = b""


class Clients:
    """Clients of one server, and how long each thing took them."""

    def __init__(self, port: int) -> None:
        """Nobody is connected yet."""
        self.took: list[float] = []
        self.errors = 0
        self._port, self._request = port, handshake("/ws")
        self._ready = select.epoll()
        self._lines: dict[int, Line] = {}

    def open(self) -> None:
        """One client more. It asks for its upgrade with the connection, which the loopback makes at once."""
        began, line = time.perf_counter(), socket.create_connection(("127.0.0.1", self._port))
        line.sendall(self._request)
        line.setblocking(False)
        self._lines[line.fileno()] = Line(line, began)
        self._ready.register(line.fileno(), select.EPOLLIN)

    def heard(self, word: bytes, timeout_s: float) -> list[Line]:
        """Those who have now read a word; whoever was hung up on is an error, and replaced."""
        found, lines = [], self._lines
        for number, _ in self._ready.poll(timeout_s):
            line = lines[number]
            got = line.socket.recv(READ_BYTES)
            if word in got or word in line.read + got:
                line.read = b""
                found.append(line)
            elif got:
                line.read += got
            else:
                self.errors += 1
                self.close(line)
                self.open()
        return found

    def close(self, line: Line) -> None:
        """One client less."""
        del self._lines[line.socket.fileno()]
        line.socket.close()

    def row(self, seconds: float) -> Row:
        """What was measured; everybody leaves."""
        for line in [*self._lines.values()]:
            self.close(line)
        p50, p99 = (round(1000 * within(self.took, share), 2) for share in (0.5, 0.99))
        return {"rps": len(self.took) / seconds, "p50_ms": p50, "p99_ms": p99, "errors": self.errors}


def connects(port: int, count: int, seconds: float) -> Row:
    """From the call to the greeting, over and over."""
    clients = Clients(port)
    for _ in range(count):
        clients.open()
    ends = time.perf_counter() + seconds
    while (now := time.perf_counter()) < ends:
        for line in clients.heard(GREETED, PATIENCE_S):
            clients.took.append(now - line.began)
            clients.close(line)
            clients.open()
    return clients.row(seconds)


def messages(port: int, count: int, seconds: float) -> Row:
    """A ping, its pong, and a pause so that no client says more than a client may."""
    clients = Clients(port)
    due: deque[Line] = deque()
    for _ in range(count):
        clients.open()
    while len(due) < count:
        due += clients.heard(GREETED, PATIENCE_S)
    began = time.perf_counter()
    for number, line in enumerate(due):
        line.began = began - PAUSE_S + PAUSE_S * number / count  # not all at the same moment
    ends = began + seconds
    while (now := time.perf_counter()) < ends:
        while due and due[0].began + PAUSE_S <= now:
            line = due.popleft()
            line.began = now
            line.socket.send(PING)
        wait_s = due[0].began + PAUSE_S - now if due else PATIENCE_S
        for line in clients.heard(ANSWERED, wait_s):
            clients.took.append(time.perf_counter() - line.began)
            due.append(line)
    return clients.row(seconds)


def greeting_and_pong(port: int) -> tuple[bytes, bytes]:
    """The two frames that a server sends to whoever connects and says ping."""
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(handshake("/ws"))
        said = b""
        while GREETED not in said:
            said += line.recv(READ_BYTES)
        line.sendall(PING)
        return said.partition(b"\r\n\r\n")[2], line.recv(READ_BYTES)
