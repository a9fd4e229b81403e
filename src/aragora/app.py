"""Where the parts are built and joined. Nothing imports it but `cli`."""

import asyncio
import gc
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from aragora import __version__
from aragora.api import Parts
from aragora.api.bodies import CreateDebate, brief_of
from aragora.api.cache import Cache
from aragora.api.lasting import Lasting
from aragora.api.routes import build
from aragora.api.server import Server, server_for
from aragora.api.sockets import Sockets
from aragora.auth import Mode
from aragora.auth.accounts import Accounts
from aragora.auth.enrolment import Enrolment
from aragora.bus import Bus, LocalBus
from aragora.config import Loaded, Settings
from aragora.debate.model import Brief
from aragora.dispatch import Dispatch, FleetDispatch
from aragora.engine import Bounds, Engine
from aragora.errors import ConfigError
from aragora.feed import Feed
from aragora.limits import Limits, Meters, Proxies
from aragora.memory import FAST, MEDIUM, Memory
from aragora.metrics import Metrics
from aragora.objectives import Objectives
from aragora.providers.agents import Agents
from aragora.providers.endpoints import catalogue
from aragora.ranking import Ranking
from aragora.recall import Recall
from aragora.store.copy import copy
from aragora.store.hooks import Hooks
from aragora.store.leases import Leases
from aragora.store.matches import Matches
from aragora.store.ownership import Ownership
from aragora.store.ranks import Ranks
from aragora.store.repeats import Repeats
from aragora.store.shelf import Shelf
from aragora.store.sqlite import Sqlite
from aragora.store.store import Store
from aragora.store.users import Users
from aragora.times import written
from aragora.traces import Silent, Traces
from aragora.webhooks import Webhooks
from aragora.workers import Supervisor, among_siblings

if TYPE_CHECKING:
    from aragora.store import Database

T = TypeVar("T")
log = structlog.get_logger(__name__)

# A seed that every JSON reader can hold exactly.
SEED_BITS = 53
BACKLOG = 1024
# Objects made before the youngest are looked through, and how often that happens before older ones are.
GC_EVERY = (50_000, 100, 100)
EXIT_DISK_FAILED = 74
# Where each role listens; a worker says on the port of the API how it is.
PORTS = {"all": ("api_port", "ws_port"), "api": ("api_port",), "ws": ("ws_port",), "worker": ("api_port",)}


def now() -> str:
    """The time as the log writes it: UTC, ISO 8601, always of the same length."""
    return written(datetime.now(UTC))


def new_id() -> str:
    """128 bits: milliseconds first, so that ids sort by age; the rest random, so that they cannot be guessed."""
    return f"{time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def new_seed() -> int:
    """The number that fixes what is arbitrary in a debate."""
    return secrets.randbits(SEED_BITS)


def _disk_failed() -> None:
    """After a failed fsync nothing more may be acknowledged; a fresh start reads what is really on disk."""
    log.critical("the disk failed; leaving at once, so that nothing is acknowledged that may be lost")
    os._exit(EXIT_DISK_FAILED)


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Store]:
    """The store that the settings name, whatever its schema."""
    async with AsyncExitStack() as stack:
        database: Database
        if settings.on_postgres:
            connect = _extra("postgres", "aragora.store.postgres").connect
            database = await stack.enter_async_context(
                connect(
                    settings.database_url,
                    replica_url=settings.database_replica_url,
                    pool_max=settings.db_pool_size + settings.db_max_overflow,
                    wait_s=settings.db_pool_timeout,
                )
            )
        else:
            database = Sqlite(settings.database_path, wait_s=settings.db_pool_timeout, on_broken=_disk_failed)
        store = Store(database)
        try:
            yield store
        finally:
            await store.close()


def _extra(name: str, module: str) -> Any:  # noqa: ANN401  # a module
    """A module that needs an extra; it is imported when a setting asks for it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(f"This needs `pip install 'aragora[{name}]'`: {error.name} is missing.") from error


@asynccontextmanager
async def open_bus(settings: Settings) -> AsyncIterator[Bus]:
    """The doorbell that the settings name."""
    if not settings.redis_url:
        yield LocalBus()
        return
    async with _extra("redis", "aragora.bus.redis").connect(settings.redis_url) as bus:
        yield bus


def dispatch_for(settings: Settings, store: Store, bus: Bus) -> Dispatch | None:
    """How a process of a fleet finds its debates; None where there is no fleet."""
    if not settings.on_postgres:
        return None
    places = settings.max_running_debates if settings.role in {"all", "worker"} else 0
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
    return FleetDispatch(Leases(store.database), bus, runner=name, places=places, queued_max=settings.max_queued_debates, now=now)


async def copy_database(source: Settings, target: Settings) -> dict[str, int]:
    """Copy everything from one database to another, empty one; how many rows of each table."""
    async with open_store(source) as old, open_store(target) as new:
        return await copy(old.database, new.database)


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store that the settings name, with its schema up to date."""
    async with open_database(settings) as store:
        await store.migrate(now())
        yield store


def traces_of(loaded: Loaded) -> Traces:
    """What sends traces where the settings want it; where its packages are missing, a warning and nothing."""
    if not loaded.traces:
        return Silent()
    try:
        otel = _extra("otel", "aragora.traces.otel")
    except ConfigError as error:  # OTEL_* is shared by every program of a machine: it may not have been meant for this one
        log.warning("no traces are sent", why=error.message)
        return Silent()
    traces: Traces = otel.OpenTelemetry(version=__version__, console=loaded.traces == "console")
    return traces


@asynccontextmanager
async def open_enrolment(settings: Settings) -> AsyncIterator[Enrolment]:
    """The accounts of the server that the settings name, for whoever runs it."""
    async with open_store(settings) as store:
        yield Enrolment(_accounts(store, settings))


def agents_of(loaded: Loaded, traces: Traces | None = None) -> Agents:
    """The agents that the settings and keys allow; raises ConfigError with every fault of their tables."""
    faults: list[str] = []
    known = catalogue(loaded.agents, loaded.providers, loaded.secret, faults)
    if faults:
        raise ConfigError("These settings cannot be used:\n" + "\n".join(f"  {fault}" for fault in faults))
    settings = loaded.settings
    meters = Meters(settings.redis_url) if settings.redis_url else None
    return Agents(demo_delay_s=settings.demo_delay_s, catalogue=known, traces=traces, meters=meters)


def memory_of(settings: Settings, store: Store) -> Memory:
    """What is remembered in a store, for as long as the settings say."""
    ttl_s = {FAST: settings.cache_ttl_fast, MEDIUM: settings.cache_ttl_medium}
    return Memory(store.database, ttl_s=ttl_s, now=now, new_id=new_id)


def bounds_of(settings: Settings) -> Bounds:
    """What the engine never exceeds."""
    return Bounds(
        running_max=settings.max_running_debates,
        queued_max=settings.max_queued_debates,
        turn_timeout_s=settings.turn_timeout_s,
        round_timeout_s=settings.round_timeout_s,
        person_timeout_s=settings.person_timeout_s,
        grace_s=settings.shutdown_grace_s,
    )


@asynccontextmanager
async def open_parts(loaded: Loaded) -> AsyncIterator[Parts]:
    """Everything but the sockets: what `serve` and `debate` have in common."""
    settings = loaded.settings
    metrics = Metrics(traces_of(loaded))
    agents = agents_of(loaded, metrics.traces)
    async with open_store(settings) as store, open_bus(settings) as bus, Feed(store, bus) as feed:
        memory = memory_of(settings, store)
        engine = Engine(
            store=store,
            bus=bus,
            agents=agents,
            bounds=bounds_of(settings),
            now=now,
            new_id=new_id,
            metrics=metrics,
            dispatch=dispatch_for(settings, store, bus),
            recall=Recall(memory, store.database),
        )
        metrics.watch("aragora_active_debates", lambda: engine.running)
        metrics.watch("aragora_queued_debates", lambda: engine.queued)
        metrics.watch("aragora_db_connections", lambda: store.connections)
        if settings.redis_url:
            metrics.watch("aragora_bus_up", lambda: float(bus.shared))
        limits, cache = _limits(settings), Cache(entries_max=settings.cache_max_entries, clock=monotonic)
        metrics.watch("aragora_cache_entries", lambda: len(cache))
        try:
            yield Parts(
                settings=settings,
                store=store,
                shelf=Shelf(store.database),
                matches=Matches(store.database),
                ranks=(ranks := Ranks(store.database)),
                ranking=Ranking(ranks=ranks, store=store, now=now),
                webhooks=Webhooks(
                    hooks=Hooks(store.database),
                    store=store,
                    now=now,
                    new_id=new_id,
                    private=settings.webhook_targets == "any",
                ),
                memory=memory,
                accounts=_accounts(store, settings),
                repeats=Repeats(store.database),
                engine=engine,
                feed=feed,
                agents=agents,
                metrics=metrics,
                objectives=Objectives(metrics, clock=monotonic),
                limits=limits,
                cache=cache,
                lasting=Lasting(lambda: store.state, limits, Proxies(settings.trusted_networks), metrics),
                new_seed=new_seed,
                now=now,
                started=monotonic(),
            )
        finally:
            await limits.close()
            await agents.close()
            await asyncio.to_thread(metrics.traces.close)


def _limits(settings: Settings) -> Limits:
    per_minute = {
        "default": settings.rate_limit_default,
        "auth": settings.rate_limit_auth,
        "debates": settings.rate_limit_debates,
    }
    return Limits(per_minute, redis_url=settings.redis_url)


def _accounts(store: Store, settings: Settings) -> Accounts:
    users, ownership = Users(store.database), Ownership(store.database)
    return Accounts(users, ownership, mode=Mode(settings.auth), registration=settings.registration, now=now, new_id=new_id)


def brief(parts: Parts, **given: object) -> Brief:
    """A brief from the same fields that `POST /api/debates` takes, checked in the same way."""
    return brief_of(CreateDebate(**given), parts)  # type: ignore[arg-type]  # checked by the command line


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports that were bound, which matters where the settings asked for any."""

    api: int
    ws: int


def _bind(settings: Settings) -> list[socket.socket]:
    """Sockets for the ports of this role; raises ConfigError when one is taken."""
    bound: list[socket.socket] = []
    for name in PORTS[settings.role]:
        port = getattr(settings, name)
        family = socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.api_host, port))
        except OSError as error:
            for each in (*bound, listener):
                each.close()
            why = f"ARAGORA_{name.upper()}: port {port} of {settings.api_host} cannot be had: {error.strerror}."
            raise ConfigError(why) from error
        listener.listen(BACKLOG)
        listener.setblocking(False)
        bound.append(listener)
    return bound


def _collect_seldom() -> None:
    """Look for circles of garbage less often than Python does by itself, and not among what a server holds until it ends."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_EVERY)


async def serve(
    loaded: Loaded,
    *,
    ready: Callable[[Ports], object],
    examples: Sequence[str] = (),
    sockets: Sequence[socket.socket] = (),
    place: tuple[int, Path] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. The first lets calls in flight end and hands the debates over; the second ends now.

    One of several processes is given the `sockets` that they share, and its `place` among them.
    """
    settings = loaded.settings
    sockets = list(sockets) or _bind(settings)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(settings.thread_pool_size, thread_name_prefix="aragora"))
    for note in loaded.notes:
        log.warning("setting has no effect", note=note)
    _collect_seldom()
    async with open_parts(loaded) as parts, Sockets(parts) as watchers:
        server = server_for(
            parts.metrics.traces.around(build(parts)),
            lasting=parts.lasting,
            enter=watchers.enter,
            connections_max=settings.max_connections,
            timeout_s=settings.connection_timeout,
            ws_message_bytes_max=settings.ws_max_message_bytes,
            ws_ping_s=settings.ws_ping_s,
            grace_s=settings.shutdown_grace_s,
        )
        parts.metrics.watch("aragora_ws_connections", lambda: server.websockets)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, parts.engine, server)
        siblings = among_siblings(*place, parts.metrics) if place else nullcontext()
        async with siblings, asyncio.TaskGroup() as tasks:
            tasks.create_task(server.serve(sockets=list(sockets)))
            beside = [tasks.create_task(parts.webhooks.run()), tasks.create_task(parts.objectives.run())]
            if settings.role in {"all", "worker"}:
                beside.append(tasks.create_task(parts.ranking.run()))
                beside.append(tasks.create_task(parts.memory.run()))
            tasks.create_task(_run(parts.engine, server, beside))
            for topic in examples:
                await parts.engine.create(brief(parts, topic=topic, agents=["demo", "demo", "demo"], rounds=2))
            ready(_ports(sockets))
        for number in (signal.SIGTERM, signal.SIGINT):
            # Everything is handed over; a signal more must not turn a clean end into a failed one.
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


def serve_many(
    loaded: Loaded,
    *,
    ready: Callable[[Ports], object],
    run: Callable[[Coroutine[None, None, None]], None],
    examples: Sequence[str] = (),
) -> int:
    """Serve with as many processes as the settings say, on the same ports, each in a `run` of its own; returns the exit code."""
    sockets = _bind(loaded.settings)

    def child(place: int, folder: Path, serving: Callable[[], object]) -> None:
        shown = examples if place == 0 else ()
        run(serve(loaded, ready=lambda _: serving(), examples=shown, sockets=sockets, place=(place, folder)))

    return Supervisor(loaded.settings.workers, child, lambda: ready(_ports(sockets))).run()


def _ports(sockets: Sequence[socket.socket]) -> Ports:
    return Ports(sockets[0].getsockname()[1], sockets[-1].getsockname()[1])


async def _run(engine: Engine, server: Server, beside: Sequence[asyncio.Task[None]]) -> None:
    """Run debates; when the engine has stopped, stop serving. Watchers are told to come back."""
    try:
        await engine.run()
    finally:
        for task in beside:
            task.cancel()
        server.should_exit = True


def _stop(engine: Engine, server: Server) -> None:
    if engine.stopping:
        engine.abort()
        server.force_exit = server.should_exit = True
    else:
        log.info("stopping; once more to stop at once")
        engine.stop()


def run(main: Coroutine[None, None, T]) -> T:
    """Run a coroutine to its end, on uvloop where there is one."""
    if sys.platform == "win32":
        return asyncio.run(main)
    import uvloop  # noqa: PLC0415 - not on every system

    return uvloop.run(main)
