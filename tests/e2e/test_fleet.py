"""A whole fleet behind nginx through every fault there is; one ledger counts what was acknowledged, lost, doubled and repeated.

Short by default. FLEET_SOAK=1 (`make soak`) runs it as long and as full as docs/explanation/RELIABILITY.md reports.
"""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import servers
from aragora.app import run
from fleet import NEVER, Fleet, Member, a_fleet, show

SOAK = os.environ.get("FLEET_SOAK") == "1"
DEBATES, WATCHERS, ROUNDS = (100, 500, 5) if SOAK else (20, 40, 1)
KILL_EVERY_S = 3.0
ROLES = {"api": 3, "ws": 2, "worker": 3} if SOAK else {"api": 2, "ws": 2, "worker": 2}
RUNNERS = "SELECT COUNT(*) FROM runners"
Fault = Callable[[Fleet], Awaitable[None]]

pytestmark = pytest.mark.timeout(900)


@contextmanager
def whole_picture(folder: Path) -> Iterator[tuple[Fleet, servers.Postgres, servers.Server, servers.Redis]]:
    """The fleet, PostgreSQL behind PgBouncer, and Redis."""
    with servers.postgres() as database, servers.pgbouncer(database) as pooler, servers.redis() as cache:
        url = f"postgresql://postgres@127.0.0.1:{pooler.port}/{servers.DATABASE}"
        with a_fleet(folder, url=url, direct_url=database.url(), roles=ROLES, redis_url=cache.url) as fleet:
            yield fleet, database, pooler, cache


def hold(title: str, fleet: Fleet, fault: Fault, database_url: str) -> None:
    """Load the fleet, let the fault happen, and settle: nothing acknowledged is lost, nothing doubled, nobody missed anything."""

    async def main() -> dict[str, int]:
        await fleet.load(debates=DEBATES, watchers=WATCHERS, faults=lambda: fault(fleet))
        return await fleet.settle(database_url)

    figures = run(main())
    show(title, {**figures, "refused": dict(fleet.ledger.refused), "takeovers": [round(s, 1) for s in fleet.ledger.takeovers_s]})
    assert {} == {name: figures[name] for name in NEVER if figures[name]}
    assert [] == [fault for member in fleet.members for fault in member.faults()]
    assert figures["debates acknowledged"] >= DEBATES / 2
    assert figures["watchers"] >= WATCHERS


async def pause(seconds: float) -> None:
    """Let the fleet be for a while."""
    await asyncio.sleep(seconds)


def test_any_process_is_killed(tmp_path: Path) -> None:
    """Every process is killed with -9, one after the other, while the others go on."""
    choose = random.Random(0)

    async def kills(fleet: Fleet) -> None:
        for _ in range(ROUNDS):
            for member in choose.sample(fleet.members, len(fleet.members)):
                pid = member.kill()
                if member.role == "worker":
                    await fleet.taken_over(pid)
                await pause(1)
                member.start()
                await pause(KILL_EVERY_S - 1)

    with whole_picture(tmp_path) as (fleet, database, _, _):
        hold("any process killed", fleet, kills, database.url())


def test_what_the_fleet_stands_on_is_taken_away(tmp_path: Path) -> None:
    """PostgreSQL is restarted and crashes, PgBouncer is restarted, Redis dies and is back, a worker sleeps past its lease."""
    with whole_picture(tmp_path) as (fleet, database, pooler, cache):

        async def faults(fleet: Fleet) -> None:
            for fault in (database.stop, database.kill):
                await asyncio.to_thread(fault)
                await pause(1)
                await asyncio.to_thread(database.start)
                await pause(3)
            await asyncio.to_thread(pooler.kill)
            await pause(1)
            await asyncio.to_thread(pooler.start)
            await pause(3)
            cache.kill()
            await pause(4)
            await asyncio.to_thread(cache.start)
            await pause(2)
            sleeper = fleet.of("worker")[0]
            assert sleeper.process is not None
            sleeper.send(signal.SIGSTOP)
            await fleet.taken_over(sleeper.process.pid)
            await pause(3)
            sleeper.send(signal.SIGCONT)
            await pause(4)

        hold("PostgreSQL, PgBouncer and Redis taken away, a worker asleep", fleet, faults, database.url())


def test_postgresql_fails_over(tmp_path: Path) -> None:
    """The primary dies, its synchronous standby is promoted: nothing that was acknowledged is missing there."""
    settings = ["synchronous_standby_names=b"]
    with servers.postgres() as primary, servers.standby(primary, "b") as standby, servers.redis() as cache:
        primary.stop()
        primary.command += [part for setting in settings for part in ("-c", setting)]
        primary.start()
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        url = f"postgresql://postgres@{hosts}/{servers.DATABASE}?target_session_attrs=primary"
        servers.wait_for(lambda: "sync" in primary.sql("SELECT sync_state FROM pg_stat_replication"), "the standby")

        async def failover(fleet: Fleet) -> None:
            await pause(2)
            await asyncio.to_thread(primary.kill)
            await pause(1)
            await asyncio.to_thread(standby.promote)
            fleet.database_url = standby.url()
            await pause(5)

        with a_fleet(tmp_path, url=url, direct_url=primary.url(), roles=ROLES, redis_url=cache.url) as fleet:
            hold("PostgreSQL failed over", fleet, failover, standby.url())


def test_worker_is_cut_off(tmp_path: Path) -> None:
    """The network between a worker and everything else swallows all packets for a while; others take over, it writes nothing."""
    with servers.cable() as line, servers.postgres(settings=["listen_addresses=*"]) as database, servers.redis() as cache:
        with (database.data / "pg_hba.conf").open("a", encoding="utf-8") as file:
            file.write(f"host all all {line.network} trust\n")
        database.sql("SELECT pg_reload_conf()")
        # Too few places for the others, so that it has its share.
        roles, places = {**ROLES, "worker": 1}, DEBATES * 2 // 3
        flags = {"redis_url": cache.url, "max_running_debates": places}
        with a_fleet(tmp_path, url=database.url(), direct_url=database.url(), roles=roles, **flags) as fleet:
            url = database.url().replace("127.0.0.1", line.address)
            far = Member("worker", tmp_path / "far", {"database_url": url, "max_running_debates": places}, wrap=line.wrap)

            async def cut(fleet: Fleet) -> None:
                assert far.process is not None
                await pause(4)
                line.plug("down")
                await fleet.taken_over(far.process.pid)
                await pause(12)
                line.plug("up")
                await pause(6)

            far.start()
            fleet.members.append(far)
            try:
                servers.wait_for(lambda: int(database.sql(RUNNERS, servers.DATABASE)) > roles["worker"], "the far worker")
                hold("a worker cut off", fleet, cut, database.url())
            finally:
                far.kill()
        assert [*far.asked()]
