"""What a fleet's dispatch promises beyond what its processes show from outside."""

from contextlib import ExitStack

import pytest

import servers
from aragora.app import run
from aragora.bus import LocalBus
from aragora.dispatch import FleetDispatch
from aragora.errors import RateLimited
from aragora.store.leases import Leases
from aragora.store.postgres import connect
from aragora.store.store import Store

NOW = "2026-01-01T00:00:00.000000Z"


def test_what_is_being_stored_is_not_forgotten_by_a_count(database: servers.Postgres) -> None:
    """The fleet is counted while debates are on their way to the disk; they hold their places all the same."""
    name = "counted"
    database.sql(f"CREATE DATABASE {name}")

    async def main() -> None:
        async with connect(database.url(name)) as opened:
            await Store(opened).migrate(NOW)
            dispatch = FleetDispatch(Leases(opened), LocalBus(), runner="one", places=1, queued_max=1, now=lambda: NOW)
            with ExitStack() as storing:
                for _ in range(2):
                    storing.enter_context(dispatch.place(0))
                await dispatch.look(())
                with pytest.raises(RateLimited), dispatch.place(0):
                    pass

    run(main())
