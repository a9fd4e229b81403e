"""SQLite behind the store's port: reads and writes in the loop, commits in a thread. Imports the port, errors and `debate`.

What wants to write in one turn of the loop, or while a commit is under way, becomes one transaction, so that `synchronous=FULL`
costs one fsync for many writes. Only the commit waits for the disk, so only it, and what says that it may take long, is done by a
thread (docs/decisions/0061). apsw brings a SQLite that is past the WAL-reset corruption bug; the one inside CPython often is not.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import apsw

from aragora.debate.receipt import chained
from aragora.errors import Overloaded, StoreError
from aragora.store import Dialect, Migration, Params, Row, Statement, Value
from aragora.store.stamps import held, stamped

CACHE_KIB = 64_000
BUSY_TIMEOUT_MS = 5_000
BATCH_MAX = 512
WAITING_MAX = 20_000

Result = list[Row] | Exception


@dataclass(slots=True)
class _Unit:
    """A write that waits for its commit."""

    work: Sequence[Statement]
    done: "asyncio.Future[list[Row]]"
    until: float  # of the loop's clock


class Sqlite:
    """A SQLite file. All methods are called from one event loop."""

    def __init__(self, path: Path, *, wait_s: float = 30.0, on_broken: Callable[[], None] | None = None) -> None:
        """Open or create the file. `wait_s` bounds how long a write waits; `on_broken` is told when the disk fails."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._wait_s = wait_s
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._units: list[_Unit] = []  # accepted, and not yet begun
        self._batch: list[_Unit] = []  # begun, and not yet on disk; the writing connection is the thread's meanwhile
        self._settled = asyncio.Event()  # nothing of either
        self._settled.set()
        self._queue: SimpleQueue[tuple[list[_Unit], list[list[Row]] | None] | None] = SimpleQueue()
        self._writer = _connect(path)
        # What would have to be put back if a statement failed half way is kept for each; in a file that is half of an insert.
        self._writer.pragma("temp_store", "memory")
        self._writer.create_scalar_function("chained", _chained, 3, deterministic=True)
        self._reader = _connect(path)
        self._reader.pragma("query_only", 1)
        self._state: int | None = None
        self._broken = False
        self._closed = False
        self._thread = threading.Thread(target=self._commit_forever, name="aragora-writer", daemon=True)
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
    def lags(self) -> bool:
        """There is one copy."""
        return False

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
        if len(self._units) >= WAITING_MAX:
            raise Overloaded("Too many writes are waiting for the database.", retry_after_s=1)
        stamp = held()
        unit = _Unit(stamped(work, stamp), self._loop.create_future(), self._loop.time() + self._wait_s)
        self._units.append(unit)
        self._soon()
        rows = await unit.done
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
        await self._settled.wait()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._reader.close()
        self._writer.close()

    def _soon(self) -> None:
        """Write what is waiting when this turn of the loop is over, so that whatever wants to write in it is in the group."""
        if self._settled.is_set():
            self._settled.clear()
            self._loop.call_soon(self._group)
            self._alarm = self._loop.call_later(self._wait_s, self._late)

    def _group(self) -> None:
        """Make one transaction of what is waiting, and let the thread commit it."""
        batch = self._batch = self._units[:BATCH_MAX]
        del self._units[:BATCH_MAX]
        writer, rows = self._writer, None
        if not any(unit.work[0].long for unit in batch):
            writer.set_busy_timeout(0)
            with contextlib.suppress(apsw.Error):  # somebody else has the lock, or one write fails: the thread finds out which
                rows = self._begun([unit.work for unit in batch])
            writer.set_busy_timeout(BUSY_TIMEOUT_MS)
        self._queue.put((batch, rows))

    def _late(self) -> None:
        """Nobody waits for longer than they may; what is already with the thread may still be written."""
        now = self._loop.time()
        late = [unit for unit in (*self._batch, *self._units) if unit.until <= now and not unit.done.done()]
        self._units = [unit for unit in self._units if unit.until > now]
        for unit in late:
            unit.done.set_exception(StoreError("The database took too long to write; it may still do so."))
        waiting = [unit.until for unit in (*self._batch, *self._units) if unit.until > now]
        self._alarm = self._loop.call_later(min(waiting, default=now + self._wait_s) - now, self._late)

    def _commit_forever(self) -> None:
        while (given := self._queue.get()) is not None:
            batch, rows = given
            results = self._commit(batch) if rows is None else self._finish(batch, rows)
            # The loop may be gone when a process dies in the middle; then nobody waits for the answer either.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._resolve, batch, results)

    def _finish(self, batch: Sequence[_Unit], rows: list[list[Row]]) -> Sequence[Result]:
        """Commit what the loop has begun."""
        try:
            with self._whole():
                self._writer.execute("COMMIT")
        except apsw.Error as error:
            return [self._explain(error)] * len(batch)
        return rows

    def _commit(self, batch: Sequence[_Unit]) -> Sequence[Result]:
        """Commit a batch as one transaction; when it fails as a whole, each write on its own, so that one cannot fail others."""
        if self._broken:
            return [StoreError("The disk failed.")] * len(batch)
        try:
            rows = self._begun([unit.work for unit in batch])
        except apsw.Error as error:
            if len(batch) == 1 or self._broken:
                return [self._explain(error)] * len(batch)
            return [result for unit in batch for result in self._commit([unit])]
        return self._finish(batch, rows)

    def _begun(self, works: Sequence[Sequence[Statement]]) -> list[list[Row]]:
        """Begin a transaction and do everything but commit it; when that fails, nothing is begun."""
        with self._whole():
            self._writer.execute("BEGIN IMMEDIATE")
            return [_run(self._writer, work) for work in works]

    @contextlib.contextmanager
    def _whole(self) -> Iterator[None]:
        """A part of a transaction, of which nothing is left when it fails."""
        try:
            yield
        except apsw.IOError:
            # After a failed fsync nobody knows what is on disk; trying again would acknowledge what may be lost.
            self._broken = True
            raise
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise

    def _explain(self, error: apsw.Error) -> StoreError:
        if isinstance(error, apsw.FullError):
            return StoreError("The disk is full.", retry_after_s=5)
        if isinstance(error, apsw.BusyError):
            return StoreError("The database is busy with another process.", retry_after_s=1)
        return StoreError(f"The database refused the write: {type(error).__name__}.")

    def _resolve(self, batch: Sequence[_Unit], results: Sequence[Result]) -> None:
        self._state = None
        for unit, result in zip(batch, results, strict=True):
            if unit.done.done():
                continue
            if isinstance(result, Exception):
                unit.done.set_exception(result)
            else:
                unit.done.set_result(result)
        if self._broken and self._on_broken is not None:
            self._on_broken()
        if self._units:
            self._group()
        else:
            self._batch = []
            self._alarm.cancel()
            self._settled.set()


def _chained(*given: Value) -> Value:
    """What PostgreSQL has from `0009_chain`: no head follows from none."""
    head, seq, said = given
    return None if head is None else chained(str(head), int(str(seq)), str(said))


def _connect(path: Path) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    # Else a statement that could use a partial index is planned anew whenever something is bound to it.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
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
            # Takes the write lock, so that two processes cannot both apply it.
            writer.execute("UPDATE migrations SET name = name")
            known = writer.execute("SELECT checksum FROM migrations WHERE name = ?", (migration.name,)).fetchall()
            if known and known[0][0] != migration.checksum:
                raise StoreError(f"Migration {migration.name} was edited after it had been applied.")
            if not known:
                writer.execute(migration.sql)
                values = (migration.name, migration.checksum, now)
                writer.execute("INSERT INTO migrations (name, checksum, applied_at) VALUES (?, ?, ?)", values)
                applied.append(migration.name)
    return applied
