"""The engine and the feed on each database: the same tests, and nothing in them that says on which."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builders import elsewhere

if TYPE_CHECKING:
    import servers


@pytest.fixture(autouse=True, params=["sqlite", "postgres", "pgbouncer"])
def database_kind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let whatever a test opens be on this kind of database; the same path is the same database."""
    if request.param == "sqlite":
        yield
        return
    server: servers.Postgres = request.getfixturevalue("database")
    port = request.getfixturevalue("pooler").port if request.param == "pgbouncer" else server.port
    names: dict[Path, str] = {}

    def url(path: Path) -> str:
        if path not in names:
            names[path] = f"e{server.sql('SELECT count(*) FROM pg_database')}"
            server.sql(f"CREATE DATABASE {names[path]}")
        return f"postgresql://postgres@127.0.0.1:{port}/{names[path]}"

    elsewhere.append(url)
    try:
        yield
    finally:
        elsewhere.pop()
