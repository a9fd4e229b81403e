"""Several processes on the same ports under one supervisor, which replaces those that die. May import metrics.

The supervisor opens the sockets and forks; whichever process is free accepts. It has no event loop and no threads, so that a fork
is safe. Each process offers its metrics to the others on a socket in a private folder, and adds theirs up when it is asked.
"""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

import structlog

from aragora.metrics import Metrics

log = structlog.get_logger(__name__)

HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
# A process that dies this young is not replaced at once: what ails it may ail the next.
YOUNG_S, PAUSE_S = 5.0, 1.0
SCRAPE_TIMEOUT_S = 1.0
PARENT_EVERY_S = 0.5
LOOK_EVERY_S = 0.1
SCRAPE_BYTES_MAX = 16_777_216

Child = Callable[[int, Path, Callable[[], object]], None]


@dataclass(slots=True)
class _Process:
    """A process: its place among its siblings, and since when it lives."""

    place: int
    born: float = field(default_factory=monotonic)


class Supervisor:
    """Keeps `count` processes running until it is told to stop."""

    def __init__(self, count: int, child: Child, ready: Callable[[], object]) -> None:
        """`child` runs one process: its place, the folder of its siblings, and what to call when it serves. `ready`: all do."""
        self._count, self._child, self._ready = count, child, ready
        self._living: dict[int, _Process] = {}
        self._stopping = False

    def run(self) -> int:
        """Supervise; returns the exit code, once every process is gone."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        with tempfile.TemporaryDirectory(prefix="aragora-workers-") as folder:
            told, tell = os.pipe()
            os.set_blocking(told, False)
            for place in range(self._count):
                self._fork(place, Path(folder), tell)
            return self._watch(Path(folder), told, tell)

    def _fork(self, place: int, folder: Path, tell: int) -> None:
        pid = os.fork()
        if pid:
            self._living[pid] = _Process(place)
            return
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        code = 1
        try:
            self._child(place, folder, lambda: os.write(tell, b"."))
            code = 0
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else 1
        finally:
            os._exit(code)

    def _watch(self, folder: Path, told: int, tell: int) -> int:
        """Pass signals on, replace the dead, until all are gone."""
        serving, exit_code = 0, 0
        waiting: list[tuple[float, int]] = []
        while self._living or (waiting and not self._stopping):
            # Not sigtimedwait with a time: when it was interrupted, as by SIGCONT, Python may give what nobody sent.
            sleep(LOOK_EVERY_S)
            heard = signal.sigtimedwait(HEARD, 0)
            if heard is not None and heard.si_signo != signal.SIGCHLD:
                self._stopping = True
                self._pass_on(heard.si_signo)
            for place, young, code in self._buried():
                if serving < self._count and not self._stopping:  # it never got to serve: so would the next
                    self._stopping, exit_code = True, code or 1
                    self._pass_on(signal.SIGTERM)
                elif not self._stopping:
                    log.warning("a process died and is replaced", place=place, code=code)
                    waiting.append((monotonic() + (PAUSE_S if young else 0.0), place))
            due = [place for at, place in waiting if at <= monotonic() and not self._stopping]
            waiting = [(at, place) for at, place in waiting if place not in due]
            for place in due:
                self._fork(place, folder, tell)
            with contextlib.suppress(BlockingIOError):
                before, serving = serving, serving + len(os.read(told, 1024))
                if before < self._count <= serving:
                    self._ready()
        return exit_code

    def _pass_on(self, number: int) -> None:
        for pid in self._living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _buried(self) -> list[tuple[int, bool, int]]:
        """Place, youth and exit code of each process that died."""
        found = []
        while self._living:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            process = self._living.pop(pid, None)
            if process is not None:
                young = monotonic() - process.born < YOUNG_S
                found.append((process.place, young, os.waitstatus_to_exitcode(status)))
        return found


@contextlib.asynccontextmanager
async def among_siblings(place: int, folder: Path, metrics: Metrics) -> AsyncIterator[None]:
    """Offer this process's metrics to its siblings, and let `metrics` ask for theirs."""
    mine = folder / f"{place}.sock"
    mine.unlink(missing_ok=True)  # of the one that died

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(metrics.text())
            await writer.drain()
        writer.close()

    async def others() -> list[bytes]:
        paths = [path for name in os.listdir(folder) if (path := folder / name) != mine]  # noqa: PTH208  # a handful
        return [text for path in paths if (text := await _scrape(path))]

    async with await asyncio.start_unix_server(answer, mine):
        metrics.others = others
        watching = _watch_parent(os.getppid())
        try:
            yield
        finally:
            watching.set()
            metrics.others = None
            mine.unlink(missing_ok=True)


def _watch_parent(parent: int) -> asyncio.Event:
    """End in order when the supervisor is gone, since nobody would replace or stop us; until the event is set."""
    done, loop = asyncio.Event(), asyncio.get_running_loop()

    def look() -> None:
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
        elif not done.is_set():
            loop.call_later(PARENT_EVERY_S, look)

    look()
    return done


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    pieces, length = [], 0
    while length < SCRAPE_BYTES_MAX and (piece := await reader.read(65_536)):
        pieces.append(piece)
        length += len(piece)
    return b"".join(pieces)


async def _scrape(path: Path) -> bytes:
    """A sibling's metrics; empty when it does not answer, since it is being replaced then."""
    try:
        async with asyncio.timeout(SCRAPE_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return await _all_of(reader)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
