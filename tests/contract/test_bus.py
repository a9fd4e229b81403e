"""What the doorbell promises, within a process and between processes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

import servers
from aragora.app import run
from aragora.bus import WORK, Bus, LocalBus
from aragora.bus.redis import Address, address_of, connect

Open = Callable[[], AbstractAsyncContextManager[tuple[Bus, Bus]]]
SOON_S = 10.0


@pytest.fixture(scope="session")
def cache() -> Iterator[servers.Redis]:
    """One Redis for the tests that leave it alone."""
    with servers.redis() as server:
        yield server


@pytest.fixture(scope="session")
def cluster() -> Iterator[list[servers.Redis]]:
    """Three masters and three replicas."""
    with servers.redis_cluster() as nodes:
        yield nodes


@pytest.fixture(params=["local", "redis", "cluster", "sentinel"])
def pair(request: pytest.FixtureRequest) -> Open:
    """Opens two ends of the same bus: the same object, or two processes' worth."""
    if request.param == "local":
        return _local
    if request.param == "cluster":
        nodes: list[servers.Redis] = request.getfixturevalue("cluster")
        return lambda: _two(servers.cluster_url(nodes))
    cache: servers.Redis = request.getfixturevalue("cache")
    if request.param == "redis":
        return lambda: _two(cache.url)
    return lambda: _sentinel(cache)


@asynccontextmanager
async def _local() -> AsyncIterator[tuple[Bus, Bus]]:
    bus = LocalBus()
    yield bus, bus


@asynccontextmanager
async def _two(url: str) -> AsyncIterator[tuple[Bus, Bus]]:
    async with connect(url) as one, connect(url) as other:
        await until(lambda: one.shared and other.shared)
        yield one, other


@asynccontextmanager
async def _sentinel(cache: servers.Redis) -> AsyncIterator[tuple[Bus, Bus]]:
    with servers.redis_sentinel(cache) as port:
        async with _two(f"redis+sentinel://127.0.0.1:{port}/main") as both:
            yield both


async def until(true: Callable[[], bool], within_s: float = SOON_S) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within_s):
        while not true():  # what is waited for has no event
            await asyncio.sleep(0.05)


def test_ring_is_heard_at_the_other_end(pair: Open) -> None:
    """Rings and frames of a debate reach who listens to it, in order, and nobody else."""

    async def main() -> None:
        heard: list[str | None] = []
        others: list[str | None] = []
        async with pair() as (one, other):
            stop = one.listen("d1", heard.append)
            one.listen("d2", others.append)
            await until(lambda: other.followed("d1"))
            await asyncio.sleep(0.1)
            for frame in ("a", "ü" * 5000, None):
                other.ring("d1", frame)
            await until(lambda: len(heard) == 3)
            assert ["a", "ü" * 5000, None] == heard
            stop()
            other.ring("d1")
            await asyncio.sleep(0.1)
            assert 3 == len(heard)
            assert [] == others

    run(main())


def test_own_ring_is_heard_once(pair: Open) -> None:
    """Who rings and listens hears it at once, and not again from outside."""

    async def main() -> None:
        heard: list[str | None] = []
        async with pair() as (one, _):
            one.listen("d1", heard.append)
            one.ring("d1", "a")
            assert ["a"] == heard
            await asyncio.sleep(0.1)
            assert ["a"] == heard

    run(main())


def test_many_debates_are_followed(pair: Open) -> None:
    """Each of many debates has its own ring, wherever in a cluster its channel is; waiting for work is following nothing."""

    async def main() -> None:
        heard: list[str] = []
        async with pair() as (one, other):
            one.hear(WORK, lambda: heard.append(WORK))
            for number in range(50):
                one.listen(f"d{number}", lambda _, number=number: heard.append(f"d{number}"))  # type: ignore[misc]
            await until(lambda: all(other.followed(f"d{number}") for number in range(50)))
            await asyncio.sleep(0.2)
            assert not other.followed("d50")
            for number in range(50):
                other.ring(f"d{number}")
            other.ring(WORK)
            await until(lambda: len(heard) >= 51)
            assert {WORK, *(f"d{number}" for number in range(50))} == set(heard)

    run(main())


def test_bus_does_without_redis_and_comes_back() -> None:
    """Without Redis a ring is heard in its own process and nothing fails; when Redis is back, so are the others."""

    async def main() -> None:
        heard: list[str | None] = []
        with servers.redis() as cache:
            async with _two(cache.url) as (one, other):
                one.listen("d1", heard.append)
                cache.kill()
                await until(lambda: not one.shared and not other.shared)
                one.ring("d1")
                other.ring("d1")
                assert [None] == heard
                cache.start()
                await until(lambda: one.shared and other.shared and other.followed("d1"))
                await asyncio.sleep(0.2)
                heard.clear()
                other.ring("d1", "back")
                await until(lambda: "back" in heard)

    run(main())


def test_bus_follows_a_cluster_through_a_failover() -> None:
    """When a master dies, its channels are heard again from the replica that takes over."""

    async def main() -> None:
        heard: set[str] = set()
        with servers.redis_cluster() as nodes:
            url = "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in nodes)
            async with _two(url) as (one, other):
                topics = [f"d{number}" for number in range(30)]
                for topic in topics:
                    one.listen(topic, lambda _, topic=topic: heard.add(topic))  # type: ignore[misc]
                nodes[0].kill()

                def ring_all() -> bool:
                    for topic in topics:
                        other.ring(topic)
                    return heard == set(topics)

                await asyncio.sleep(0.5)
                heard.clear()
                await until(ring_all, within_s=30)

    run(main())


def test_bus_is_there_before_redis() -> None:
    """A process starts whether Redis is there or not."""

    async def main() -> None:
        async with connect(f"redis://127.0.0.1:{servers.free_port()}/0") as bus:
            heard: list[str | None] = []
            bus.listen("d1", heard.append)
            bus.ring("d1", "a")
            assert (["a"], False) == (heard, bus.shared)

    run(main())


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://cache", Address("one", (("cache", 6379),))),
        ("rediss://me:p%40ss@cache:1/2", Address("one", (("cache", 1),), "2", "me", "p@ss", tls=True)),
        ("redis+cluster://a:1,b:2", Address("cluster", (("a", 1), ("b", 2)))),
        ("redis+sentinel://:x@[::1]:1,b/main", Address("sentinel", (("::1", 1), ("b", 6379)), "main", None, "x")),
    ],
)
def test_address_is_read(url: str, address: Address) -> None:
    """A URL says where Redis is and how to be let in."""
    assert address == address_of(url)
