"""PostgreSQL behind the store's port: group commit in one round trip, safe through PgBouncer. Imports the port and errors.

Writes that wait are sent together as one call of a function that runs them in one transaction: one statement, so a pooler in
transaction mode carries it, and one fsync for many writes. Each batch has an id that is stored with its answer: when the
connection breaks before the answer is here, the batch is sent again and the database answers what it answered before.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import msgspec
import structlog

from aragora.errors import Overloaded, StoreError
from aragora.store import Dialect, Migration, Params, Row, Statement, Value, position
from aragora.store.rewrite import from_json, locked_table, positional, returns, types_of
from aragora.store.schema import CALL, apply
from aragora.store.stamps import held, stamped

if TYPE_CHECKING:
    from typing import TypeAlias

    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]

T = TypeVar("T")
log = structlog.get_logger(__name__)

BATCH_MAX = 256
WAITING_MAX = 20_000
# Two batches on their way at once: while one waits for the disk, the next is being worked on.
LANES = 2
COMMAND_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
READ_WAIT_S = 5.0
RETRY_FIRST_S, RETRY_MAX_S = 0.02, 0.5
RACES_MAX = 10
STATEMENTS_KEPT_MAX = 200
# Answers of batches are kept for as long as one could be asked for again, and much longer.
FORGET_EVERY_S = 60.0
FORGET = "DELETE FROM write_batches WHERE at < now() - interval '10 minutes'"
LOCK = "SELECT 1 FROM {table} WHERE id = ANY($1) ORDER BY id FOR UPDATE"
SEEN = "SELECT EXISTS (SELECT 1 FROM write_batches WHERE id = $1::text)"

# The server, the pooler or the way there is gone for the moment; what was asked may or may not have been done.
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InternalClientError,
)
# Two transactions met; one of them is to try again.
RACE = (asyncpg.TransactionRollbackError, asyncpg.UniqueViolationError)


class _Unreachable(StoreError):
    """The database is away; whatever else is asked of it now fares no better."""


@dataclass(slots=True)
class _Unit:
    """A write that waits for its commit."""

    work: Sequence[Statement]
    done: "asyncio.Future[tuple[list[Row], str]]"

    @property
    def order(self) -> tuple[int, str]:
        """Where it belongs in its batch: what touches rows that everybody touches comes last, to hold them briefly."""
        return len(self.work), str(self.work[0].params.get("id", ""))


class Postgres:
    """A PostgreSQL database. Use it through `connect`; all methods are called from one event loop."""

    def __init__(self, pool: "Pool", replica: "Pool | None", *, wait_s: float) -> None:
        """Use open pools. `wait_s` bounds how long a write waits."""
        self._pool, self._replica, self._wait_s = pool, replica, wait_s
        self._queue: asyncio.Queue[_Unit | None] = asyncio.Queue()
        self._waiting = 0
        self._closed = False
        self._forgot = monotonic()

    @property
    def dialect(self) -> Dialect:
        """Which database this is, for the few statements that differ."""
        return "postgresql"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return sum(int(pool.get_size()) for pool in (self._pool, self._replica) if pool is not None)

    @property
    def lags(self) -> bool:
        """Whether there is a replica."""
        return self._replica is not None

    @property
    def state(self) -> int | None:
        """Other processes write too, and asking costs as much as reading."""
        return None

    async def read(self, sql: str, params: Params, *, late: bool = False) -> list[Row]:
        """Rows of a query; with `late`, from a replica, unless it lacks what this caller wrote."""
        text, names = positional(sql, types_of(params))
        values = [params[name] for name in names]

        async def fetch(connection: "Connection") -> list[Row]:
            return [tuple(row) for row in await connection.fetch(text, *values)]

        if late and self._replica is not None:
            with contextlib.suppress(*AWAY, asyncpg.PostgresError):
                async with self._replica.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                    if not position.get() or await connection.fetchval(SEEN, position.get()):
                        return await fetch(connection)
        return await self._patiently(fetch, READ_WAIT_S, "read")

    async def write(self, work: Sequence[Statement]) -> list[Row]:
        """Queue `work` for the next batch; returns when its transaction is on disk."""
        if self._closed:
            raise StoreError("The database is closed.")
        if self._waiting >= WAITING_MAX:
            raise Overloaded("Too many writes are waiting for the database.", retry_after_s=1)
        stamp = held()
        unit = _Unit(stamped(work, stamp), asyncio.get_running_loop().create_future())
        self._waiting += 1
        self._queue.put_nowait(unit)
        try:
            async with asyncio.timeout(self._wait_s):
                rows, batch_id = await unit.done
        except TimeoutError:
            raise StoreError("The database took too long to write; it may still do so.") from None
        finally:
            self._waiting -= 1
        position.set(batch_id)
        if stamp is not None and rows:
            stamp.made = True
        return rows

    async def migrate(self, migrations: Sequence[Migration], now: str) -> list[str]:
        """Bring the schema up to date, step by step, never holding up readers for long."""

        async def run(connection: "Connection") -> list[str]:
            return await apply(connection, migrations, now)

        return await self._patiently(run, self._wait_s, "migrated")

    async def close(self) -> None:
        """Commit what was accepted; `connect` then lets go of the server."""
        if not self._closed:
            self._closed = True
            for _ in range(LANES):
                self._queue.put_nowait(None)

    async def lane(self) -> None:
        """Commit batches, one after the other, until the database is closed."""
        while (unit := await self._queue.get()) is not None:
            batch = [unit]
            while len(batch) < BATCH_MAX and not self._queue.empty():
                more = self._queue.get_nowait()
                if more is None:
                    self._queue.put_nowait(None)
                    break
                batch.append(more)
            waited = sorted((each for each in batch if not each.done.cancelled()), key=lambda each: each.order)
            if waited:
                await self._commit(waited)
            await self._forget()

    async def _commit(self, batch: Sequence[_Unit]) -> None:
        """Commit a batch as one transaction; when it is refused, each write on its own, so that one cannot fail others."""
        batch_id = secrets.token_hex(12)
        try:
            answers = await self._send(batch_id, batch)
        except (StoreError, *RACE) as error:
            if len(batch) > 1 and not isinstance(error, _Unreachable):
                for unit in batch:
                    await self._commit([unit])
                return
            known = error if isinstance(error, StoreError) else _refused(error, "write")
            for unit in batch:
                if not unit.done.done():
                    unit.done.set_exception(known)
            return
        for unit, answer in zip(batch, answers, strict=True):
            if not unit.done.done():
                unit.done.set_result(([tuple(row.values()) for row in answer], batch_id))

    async def _send(self, batch_id: str, batch: Sequence[_Unit]) -> "list[list[dict[str, Value]]]":
        text = _encode(batch)

        async def call(connection: "Connection") -> list[list[dict[str, Value]]]:
            answer = await connection.fetchval(CALL, batch_id, text)
            return _answers.decode(str(answer))

        races = RACES_MAX if len(batch) == 1 else 1
        for left in reversed(range(races)):
            try:
                return await self._patiently(call, self._wait_s, "write")
            except RACE:
                if not left:
                    raise
                await asyncio.sleep(RETRY_FIRST_S * secrets.randbelow(10) / 10)
        raise AssertionError  # the last round returns or raises

    async def _patiently(self, ask: "Callable[[Connection], Awaitable[T]]", wait_s: float, verb: str) -> T:
        """Ask over a connection; while the server is away, again, until `wait_s` have passed."""
        ends, pause_s = monotonic() + wait_s, RETRY_FIRST_S
        while True:
            try:
                return await self._once(ask, wait_s)
            except AWAY as error:
                # Whoever closes has nobody left who waits for an answer, and may be all that keeps the process from ending.
                if monotonic() + pause_s > ends or self._closed or self._pool.is_closing():
                    raise _Unreachable("The database cannot be reached.", retry_after_s=1) from error
                log.debug("database away", error=type(error).__name__, pause_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_MAX_S)
            except RACE:
                raise
            except asyncpg.PostgresError as error:
                raise _refused(error, verb) from error

    async def _once(self, ask: "Callable[[Connection], Awaitable[T]]", wait_s: float) -> T:
        connection = await self._pool.acquire(timeout=min(CONNECT_TIMEOUT_S, wait_s))
        try:
            return await ask(connection)
        except AWAY:
            # Whatever state it is in, it is not worth finding out; the pool opens another.
            if not connection.is_closed():
                connection.terminate()
            raise
        finally:
            await self._pool.release(connection)

    async def _forget(self) -> None:
        if monotonic() - self._forgot < FORGET_EVERY_S:
            return
        self._forgot = monotonic()
        with contextlib.suppress(StoreError, *RACE):
            await self._patiently(lambda connection: connection.execute(FORGET), READ_WAIT_S, "write")


_answers = msgspec.json.Decoder(list[list[dict[str, str | int | float | None]]])


def _refused(error: Exception, verb: str) -> StoreError:
    state = getattr(error, "sqlstate", None) or "none"
    return StoreError(f"The database refused the {verb}: {type(error).__name__} ({state}).")


def _encode(batch: Sequence[_Unit]) -> str:
    """A batch as the function of the database takes it: texts once, then for each write the numbers of its texts and values."""
    texts: dict[str, int] = {}
    locks: dict[str, set[str]] = {}

    def number(sql: str, params: Params) -> int:
        return texts.setdefault(from_json(sql, types_of(params)), len(texts))

    work = []
    for unit in batch:
        guard, *rest = unit.work
        table = locked_table(guard.sql)
        if table is not None:
            locks.setdefault(table, set()).add(str(guard.params["id"]))
        text = from_json(guard.sql, types_of(guard.params))
        if returns(guard.sql):
            text = f"WITH g AS ({text}) SELECT json_agg(row_to_json(g)) FROM g"  # noqa: S608  # a text of the store
        steps: list[object] = [[texts.setdefault(text, len(texts)), guard.params, int(returns(guard.sql))]]
        steps += [[number(each.sql, {**each.params, "seq": 0}), each.params] for each in rest]
        work.append(steps)
    held = [[LOCK.format(table=table), sorted(ids)] for table, ids in sorted(locks.items())]
    return msgspec.json.encode({"texts": list(texts), "locks": held, "work": work}).decode()


@contextlib.asynccontextmanager
async def connect(url: str, *, replica_url: str = "", pool_max: int = 20, wait_s: float = 30.0) -> AsyncIterator[Postgres]:
    """An open database. The URL may name several servers, of which the one that accepts writes is used."""
    broke: Exception | None = None
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(_pool(url, pool_max))
        replica = await stack.enter_async_context(_pool(replica_url, pool_max)) if replica_url else None
        lanes = await stack.enter_async_context(asyncio.TaskGroup())
        database = Postgres(pool, replica, wait_s=wait_s)
        stack.push_async_callback(database.close)
        for number in range(LANES):
            lanes.create_task(database.lane(), name=f"database lane {number}")
        try:
            yield database
        except Exception as error:  # noqa: BLE001  # the group of lanes would wrap what is no fault of theirs
            broke = error
    if broke is not None:
        raise broke


@contextlib.asynccontextmanager
async def _pool(url: str, pool_max: int) -> "AsyncIterator[Pool]":
    try:
        pool = await asyncpg.create_pool(
            url,
            min_size=0,
            max_size=pool_max,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=COMMAND_TIMEOUT_S,
            max_inactive_connection_lifetime=300.0,
            connect=_Opening(),
            init=_number_types,
            reset=_nothing_to_reset,
        )
    except (ValueError, *AWAY, asyncpg.PostgresError) as error:
        raise StoreError(f"The database cannot be used as ARAGORA_DATABASE_URL says: {type(error).__name__}.") from error
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()


class _Opening:
    """Opens connections. Statements are prepared once for each where nothing stands between us and the server.

    A pooler gives each statement to another connection of its own, so none may be kept through it. It also makes up the number of
    the process that it says we talk to, which is how we know.
    """

    def __init__(self) -> None:
        self._kept = -1  # statements for each connection; below 0 until that is known

    async def __call__(self, *where: Any, **how: Any) -> "asyncpg.Connection[asyncpg.Record]":  # noqa: ANN401 - asyncpg's own
        connection = await asyncpg.connect(*where, **how, statement_cache_size=max(0, self._kept))
        if self._kept >= 0:
            return connection
        told, true = connection.get_server_pid(), await connection.fetchval("SELECT pg_backend_pid()")
        self._kept = STATEMENTS_KEPT_MAX if told == true else 0
        if not self._kept:
            return connection
        await connection.close()
        return await self(*where, **how)


async def _nothing_to_reset(_: object) -> None:
    """Statements leave no state in a session, so none has to be cleaned away at the price of a round trip."""


async def _number_types(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Sums and averages come as plain numbers."""
    await connection.set_type_codec("numeric", schema="pg_catalog", encoder=str, decoder=_number, format="text")


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
