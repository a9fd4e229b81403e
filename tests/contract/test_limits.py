"""Limits count together in Redis, and do without it."""

import asyncio

import pytest

import servers
from aragora.app import run
from aragora.errors import Overloaded, RateLimited
from aragora.limits import Limits

PER_MINUTE = {"default": 5, "auth": 5, "debates": 0}


async def passed(limits: Limits, kind: str, times: int) -> int:
    """How many of so many requests are let through."""
    count = 0
    for _ in range(times):
        try:
            await limits.check(kind, "ann")
            count += 1
        except RateLimited:
            continue
    return count


@pytest.mark.parametrize("kind", ["redis", "cluster", "sentinel"])
def test_processes_count_together(kind: str) -> None:
    """What one process lets through the other does not let through again."""

    async def main(url: str) -> None:
        one, other = Limits(PER_MINUTE, redis_url=url), Limits(PER_MINUTE, redis_url=url)
        assert 3 == await passed(one, "default", 3)
        assert 2 == await passed(other, "default", 4)
        assert 0 == await passed(one, "default", 1)
        assert 9 == await passed(one, "debates", 9)
        await one.close()
        await other.close()

    if kind == "redis":
        with servers.redis() as cache:
            run(main(cache.url))
    elif kind == "sentinel":
        with servers.redis() as cache, servers.redis_sentinel(cache) as port:
            run(main(f"redis+sentinel://127.0.0.1:{port}/main"))
    else:
        with servers.redis_cluster() as nodes:
            run(main(servers.cluster_url(nodes)))


def test_limits_do_without_redis() -> None:
    """While Redis is away reads are counted by each process and attempts to log in refused; then both are counted together."""

    async def main() -> None:
        with servers.redis() as cache:
            limits = Limits(PER_MINUTE, redis_url=cache.url)
            assert 1 == await passed(limits, "auth", 1)
            cache.kill()
            assert 5 == await passed(limits, "default", 8)
            with pytest.raises(Overloaded):
                await limits.check("auth", "ann")
            cache.start()
            await asyncio.sleep(1.5)
            assert 5 == await passed(limits, "auth", 8)
            await limits.close()

    run(main())


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1", "rediss://me:p%40ss@[::1]/2", "redis+cluster://a,b:7", "redis+sentinel://:x@a,b:7/main"]
)
def test_redis_needs_no_port(url: str) -> None:
    """Whatever the settings take for a Redis is one here as well; it need not be there."""

    async def main() -> None:
        limits = Limits(PER_MINUTE, redis_url=url)
        assert await limits.count("debates", "ann") is None
        await limits.close()

    run(main())
