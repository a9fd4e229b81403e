"""SQLite behind the store's port: one writer thread with group commit, reads in the loop. Imports the port, errors and `debate`.

The thread takes whatever is waiting and commits it as one transaction, so that `synchronous=FULL` costs one fsync for many
writes. apsw brings a SQLite that is past the WAL-reset corruption bug, which the one inside CPython often is not.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

import apsw

from aragora.debate.receipt import chained
from aragora.errors import Overloaded, StoreError
from aragora.store import Dialect, Migration, Params, Row, Statement, Value
from aragora.store.stamps import held, stamped

CACHE_KIB = 64_000
BUSY_TIMEOUT_MS = 5_000
BATCH_MAX = 256
WAITING_MAX = 20_000


@dataclass(slots=True)
class _Unit:
    """A write that waits for its commit."""

    work: Sequence[Statement]
    done: "asyncio.Future[list[Row]]"


class Sqlite:
    """A SQLite file. All methods are called from one event loop."""

    def __init__(self, path: Path, *, wait_s: float = 30.0, on_broken: Callable[[], None] | None = None) -> None:
        """Open or create the file. `wait_s` bounds how long a write waits; `on_broken` is told when the disk fails."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._wait_s = wait_s
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Unit | None] = SimpleQueue()
        self._waiting = 0
        self._writer = _connect(path)
        self._writer.create_scalar_function("chained", _chained, 3, deterministic=True)
        self._reader = _connect(path)
        self._reader.pragma("query_only", 1)
        self._state: int | None = None
        self._broken = False
        self._closed = False
        self._thread = threading.Thread(target=self._write_forever, name="aragora-writer", daemon=True)
        self._thread.start()

    @property
    def dialect(self) -> Dialect:
        """SQLite's."""
        return "sqlite"

    @property
    def connections(self) -> int:
        """The writer and the reader."""
        return 0 if self._closed else 2

    @property
    def state(self) -> int | None:
        """A number that changes with every commit of any process, as of this turn of the loop; None when it cannot be read."""
        if self._state is None:
            try:
                self._state = self._reader.pragma("data_version")
            except apsw.Error:
                return None
            self._loop.call_soon(self._forget_state)
        return self._state

    def _forget_state(self) -> None:
        self._state = None

    async def read(self, sql: str, params: Params, *, late: bool = False) -> list[Row]:  # noqa: ARG002  # there is one copy
        """Rows of a query. Runs in the loop: a point read takes about ten microseconds, a thread hop takes eighty."""
        try:
            return self._reader.execute(sql, params).fetchall()
        except apsw.Error as error:
            raise StoreError(f"The database could not be read: {type(error).__name__}.") from error

    async def write(self, work: Sequence[Statement]) -> list[Row]:
        """Queue `work` for the writer; returns when its transaction is on disk."""
        if self._broken or self._closed:
            raise StoreError("The database is closed.")
        if self._waiting >= WAITING_MAX:
            raise Overloaded("Too many writes are waiting for the database.", retry_after_s=1)
        self._waiting += 1
        stamp = held()
        unit = _Unit(stamped(work, stamp), self._loop.create_future())
        self._queue.put(unit)
        try:
            async with asyncio.timeout(self._wait_s):
                rows = await unit.done
        except TimeoutError:
            raise StoreError("The database took too long to write; it may still do so.") from None
        if stamp is not None and rows:
            stamp.made = True
        return rows

    async def migrate(self, migrations: Sequence[Migration], now: str) -> list[str]:
        """Bring the schema up to date before anything is served."""
        return _migrate(self._writer, migrations, now)

    async def close(self) -> None:
        """Commit what was accepted, then close."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._reader.close()
        self._writer.close()

    def _write_forever(self) -> None:
        stop = False
        while not stop:
            unit = self._queue.get()
            batch: list[_Unit] = []
            while unit is not None:
                batch.append(unit)
                if len(batch) >= BATCH_MAX:
                    break
                try:
                    unit = self._queue.get_nowait()
                except Empty:
                    break
            stop = unit is None
            if batch:
                results = self._commit(batch)
                # The loop may be gone when a process dies in the middle; then nobody waits for the answer either.
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._resolve, batch, results)

    def _commit(self, batch: Sequence[_Unit]) -> list[list[Row] | Exception]:
        """Commit a batch as one transaction; when it fails as a whole, each write on its own, so that one cannot fail others."""
        try:
            return list(self._transact([unit.work for unit in batch]))
        except apsw.Error as error:
            if len(batch) == 1 or self._broken:
                return [self._explain(error)] * len(batch)
        return [result for unit in batch for result in self._commit([unit])]

    def _transact(self, works: Sequence[Sequence[Statement]]) -> list[list[Row]]:
        writer = self._writer
        try:
            writer.execute("BEGIN IMMEDIATE")
            rows = [_run(writer, work) for work in works]
            writer.execute("COMMIT")
        except apsw.IOError:
            # After a failed fsync nobody knows what is on disk; trying again would acknowledge what may be lost.
            self._broken = True
            raise
        except BaseException:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
            raise
        return rows

    def _explain(self, error: apsw.Error) -> StoreError:
        if isinstance(error, apsw.FullError):
            return StoreError("The disk is full.", retry_after_s=5)
        if isinstance(error, apsw.BusyError):
            return StoreError("The database is busy with another process.", retry_after_s=1)
        return StoreError(f"The database refused the write: {type(error).__name__}.")

    def _resolve(self, batch: Sequence[_Unit], results: Sequence[list[Row] | Exception]) -> None:
        self._waiting -= len(batch)
        self._state = None
        for unit, result in zip(batch, results, strict=True):
            if unit.done.cancelled():
                continue
            if isinstance(result, Exception):
                unit.done.set_exception(result)
            else:
                unit.done.set_result(result)
        if self._broken and self._on_broken is not None:
            self._on_broken()


def _chained(*given: Value) -> Value:
    """What PostgreSQL has from `0009_chain`: no head follows from none."""
    head, seq, said = given
    return None if head is None else chained(str(head), int(str(seq)), str(said))


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("cache_size", -CACHE_KIB)
    return connection


def _run(writer: apsw.Connection, work: Sequence[Statement]) -> list[Row]:
    guard, *rest = work
    rows: list[Row] = writer.execute(guard.sql, guard.params).fetchall()
    if rows:
        seq: dict[str, Value] = {"seq": rows[0][0]}
        for statement in rest:
            writer.execute(statement.sql, {**statement.params, **seq})
    return rows


def _migrate(writer: apsw.Connection, migrations: Sequence[Migration], now: str) -> list[str]:
    writer.execute(
        "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, checksum TEXT NOT NULL, applied_at TEXT NOT NULL)"
    )
    applied = []
    for migration in migrations:
        with writer:
            writer.execute(
                "UPDATE migrations SET name = name"
            )  # takes the write lock, so that two processes cannot both apply it
            known = writer.execute("SELECT checksum FROM migrations WHERE name = ?", (migration.name,)).fetchall()
            if known and known[0][0] != migration.checksum:
                raise StoreError(f"Migration {migration.name} was edited after it had been applied.")
            if not known:
                writer.execute(migration.sql)
                values = (migration.name, migration.checksum, now)
                writer.execute("INSERT INTO migrations (name, checksum, applied_at) VALUES (?, ?, ?)", values)
                applied.append(migration.name)
    return applied
