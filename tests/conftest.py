"""Puts this folder and docs on the path, so that tests can import what they share and what writes the reference pages."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "conformance"), str(Path(__file__).parents[1] / "docs")]

import servers  # noqa: E402  # after the path is set
from aragora.log import configure  # noqa: E402

configure(level="error", form="text", stream=sys.stderr)

# A machine that is busy with something else is no fault of what is tested.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


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
