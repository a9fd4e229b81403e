"""Databases for the contract: the same suite runs on each."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aragora.store.postgres import connect
from aragora.store.sqlite import Sqlite
from aragora.store.store import Store

if TYPE_CHECKING:
    import servers

NOW = "2026-01-01T00:00:00.000000Z"
_numbers = count()
Open = Callable[[], AbstractAsyncContextManager[Store]]


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
