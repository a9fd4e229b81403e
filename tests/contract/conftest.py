"""Databases for the contract: the same suite runs on each."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

import servers
from aragora.store.postgres import connect
from aragora.store.sqlite import Sqlite
from aragora.store.store import Store

NOW = "2026-01-01T00:00:00.000000Z"
_numbers = count()
Open = Callable[[], AbstractAsyncContextManager[Store]]


@pytest.fixture(scope="session")
def database() -> Iterator[servers.Postgres]:
    """One PostgreSQL for all tests; each makes a database of its own in it."""
    with servers.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def pooler(database: servers.Postgres) -> Iterator[servers.Server]:
    """One PgBouncer before it."""
    with servers.pgbouncer(database) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres", "pgbouncer"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same database each time it is called."""
    if request.param == "sqlite":
        return lambda: _sqlite(tmp_path / "debates.db")
    server: servers.Postgres = request.getfixturevalue("database")
    name = f"t{next(_numbers)}"
    server.sql(f"CREATE DATABASE {name}")
    url = server.url(name)
    if request.param == "pgbouncer":
        pooler: servers.Server = request.getfixturevalue("pooler")
        url = f"postgresql://postgres@127.0.0.1:{pooler.port}/{name}"
    return lambda: _postgres(url)


@asynccontextmanager
async def _sqlite(path: Path) -> AsyncIterator[Store]:
    store = Store(Sqlite(path))
    try:
        await store.migrate(NOW)
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def _postgres(url: str) -> AsyncIterator[Store]:
    async with connect(url, pool_max=5) as database:
        store = Store(database)
        try:
            await store.migrate(NOW)
            yield store
        finally:
            await store.close()
