"""A whole fleet behind nginx through every fault there is; one ledger counts what was acknowledged, lost, doubled and repeated.

Short by default. FLEET_SOAK=1 (`make soak`) runs it long and full, with a ledger for each fault: docs/RUNBOOK.md has them.
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
from fleet import NEVER, Fleet, Ledger, Member, a_fleet, show

SOAK = os.environ.get("FLEET_SOAK") == "1"
# In the long form agents take as long as a quick model, so that two cores carry it.
DEBATES, WATCHERS, ROUNDS, DELAY_S = (100, 500, 3, 4.0) if SOAK else (20, 40, 1, 0.4)
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
        with a_fleet(folder, url=url, direct_url=database.url(), roles=ROLES, redis_url=cache.url, demo_delay_s=DELAY_S) as fleet:
            yield fleet, database, pooler, cache


def hold(title: str, fleet: Fleet, fault: Fault, database_url: str) -> None:
    """Load the fleet, let the fault happen, and settle: nothing acknowledged is lost, nothing doubled, nobody missed anything."""
    fleet.ledger = Ledger()

    async def main() -> dict[str, int]:
        await fleet.load(debates=DEBATES, watchers=WATCHERS, faults=lambda: fault(fleet))
        return await fleet.settle(database_url)

    figures = run(main())
    show(title, fleet.ledger, figures)
    assert {} == {name: figures[name] for name in NEVER if figures[name]}
    assert [] == [fault for member in fleet.members for fault in member.faults()]
    assert figures["debates"] >= DEBATES / 2
    assert figures["watchers"] >= WATCHERS


async def pause(seconds: float) -> None:
    """Let the fleet be for a while."""
    await asyncio.sleep(seconds)


async def kills(fleet: Fleet) -> None:
    """Every process is killed with -9, one after the other, while the others go on."""
    choose = random.Random(0)
    for _ in range(ROUNDS):
        for member in choose.sample(fleet.members, len(fleet.members)):
            pid = member.kill()
            if member.role == "worker":
                await fleet.taken_over(pid)
            await pause(1)
            member.start()
            await pause(KILL_EVERY_S - 1)


async def sleeps(fleet: Fleet) -> None:
    """A worker is stopped for longer than its lease, and woken."""
    sleeper = fleet.of("worker")[0]
    assert sleeper.process is not None
    sleeper.send(signal.SIGSTOP)
    await fleet.taken_over(sleeper.process.pid)
    await pause(3)
    sleeper.send(signal.SIGCONT)
    await pause(4)


def away(end: Callable[[], None], start: Callable[[], None], seconds: float) -> Fault:
    """Something that the fleet stands on is away for a while."""

    async def fault(_: Fleet) -> None:
        await pause(2)
        await asyncio.to_thread(end)
        await pause(seconds)
        await asyncio.to_thread(start)
        await pause(3)

    return fault


DEATHS = (
    "any process killed",
    "PostgreSQL restarted",
    "PostgreSQL crashed",
    "PgBouncer killed",
    "Redis killed",
    "a worker asleep past its lease",
)


@pytest.mark.parametrize("titles", [DEATHS[:1], DEATHS[1:]] if SOAK else [("all of these",)], ids=lambda titles: titles[0])
def test_whatever_can_die_dies(tmp_path: Path, titles: tuple[str, ...]) -> None:
    """Any process is killed, PostgreSQL restarts and crashes, PgBouncer and Redis die, a worker sleeps past its lease."""
    with whole_picture(tmp_path) as (fleet, database, pooler, cache):
        faults = (
            kills,
            away(database.stop, database.start, 1),
            away(database.kill, database.start, 1),
            away(pooler.kill, pooler.start, 1),
            away(cache.kill, cache.start, 4),
            sleeps,
        )

        async def all_of_them(fleet: Fleet) -> None:
            for fault in faults:
                await fault(fleet)

        for title in titles:
            hold(title, fleet, dict(zip(DEATHS, faults, strict=True)).get(title, all_of_them), database.url())


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

        with a_fleet(
            tmp_path, url=url, direct_url=primary.url(), roles=ROLES, redis_url=cache.url, demo_delay_s=DELAY_S
        ) as fleet:
            hold("PostgreSQL failed over to its standby", fleet, failover, standby.url())


def test_worker_is_cut_off(tmp_path: Path) -> None:
    """The network between a worker and everything else swallows all packets for a while; others take over, it writes nothing."""
    with servers.cable() as line, servers.postgres(settings=["listen_addresses=*"]) as database, servers.redis() as cache:
        with (database.data / "pg_hba.conf").open("a", encoding="utf-8") as file:
            file.write(f"host all all {line.network} trust\n")
        database.sql("SELECT pg_reload_conf()")
        # Too few places for the others, so that it has its share.
        roles, places = {**ROLES, "worker": 1}, DEBATES * 2 // 3
        flags = {"redis_url": cache.url, "max_running_debates": places, "demo_delay_s": DELAY_S}
        with a_fleet(tmp_path, url=database.url(), direct_url=database.url(), roles=roles, **flags) as fleet:
            url = database.url().replace("127.0.0.1", line.address)
            far = Member(
                "worker",
                tmp_path / "far",
                {"database_url": url, "max_running_debates": places, "demo_delay_s": DELAY_S},
                wrap=line.wrap,
            )

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
                hold("a worker cut off from the network", fleet, cut, database.url())
            finally:
                far.kill()
        assert [*far.asked()]
