"""Gates keep a model's bounds alone, and all processes together through Redis; without it each goes on for itself."""

import asyncio
import contextlib
import io
import json
import sys
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

import servers
from aragora.debate.model import Fault
from aragora.limits import AWAY_S, Meters
from aragora.log import configure
from aragora.providers.gate import Gate, Limits
from aragora.providers.wire import Failed, Tokens
from model_builders import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LONG_S, SHORT_S = 30.0, 0.5  # for a server on a busy machine, and less than any wait that is meant here


@pytest.fixture(scope="module", params=["alone", "redis", "cluster", "sentinel"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where gates count together; empty: one process, one gate."""
    if request.param == "alone":
        yield ""
    elif request.param == "redis":
        with servers.redis() as cache:
            yield cache.url
    elif request.param == "sentinel":
        with servers.redis() as cache, servers.redis_sentinel(cache) as port:
            yield f"redis+sentinel://127.0.0.1:{port}/main"
    else:
        with servers.redis_cluster() as nodes:
            yield servers.cluster_url(nodes)


@asynccontextmanager
async def two_gates(url: str, name: str, **limits: int) -> "AsyncIterator[tuple[Gate, Gate]]":
    """The gates of two processes before one model; without Redis there is one of either."""
    bounds, clock = Limits(**limits), asyncio.get_running_loop().time
    if not url:
        gate = Gate(bounds, clock=clock)
        yield gate, gate
        return
    processes = [Meters(url), Meters(url)]
    one, other = (Gate(bounds, clock=clock, name=name, meters=meters) for meters in processes)
    try:
        yield one, other
    finally:
        for meters in processes:
            await meters.close()


async def passes(gate: Gate, *, tokens: int = 1, used: int | None = None, lane: str = "d", patience_s: float = SHORT_S) -> bool:
    """Whether a call is let through in time; `used` is how many tokens it turns out to have."""
    try:
        async with gate.place(lane, tokens=tokens, patience_s=patience_s) as place:
            place.counted = Tokens(read=tokens if used is None else used, written=0)
    except Failed as failed:
        if failed.fault is not Fault.RATE_LIMITED or failed.charged:
            raise
        return False
    return True


def test_requests_are_counted_together(url: str) -> None:
    """Whatever debates of either process ask at once, what may be asked at once is let through once, not once by each."""

    async def main() -> tuple[int, float]:
        async with two_gates(url, "requests", requests_per_minute=12) as gates:
            began = asyncio.get_running_loop().time()
            let_in = await asyncio.gather(*(passes(gate, lane=f"d{i}") for i in range(8) for gate in gates))
            return sum(let_in), asyncio.get_running_loop().time() - began

    let_in, seconds = run(main())
    assert 2 <= let_in <= 2 + seconds / 5


def test_minute_is_never_exceeded(url: str) -> None:
    """One a minute is one, whoever asks."""

    async def main() -> list[bool]:
        async with two_gates(url, "minute", requests_per_minute=1) as (one, other):
            return [await passes(gate) for gate in (one, other, other, one)]

    assert [True, False, False, False] == run(main())


def test_tokens_are_counted_together(url: str) -> None:
    """A call takes as many as it may need; what it did not need is there for the other process."""

    async def main() -> list[bool]:
        async with two_gates(url, "tokens", tokens_per_minute=60) as (one, other):
            seen = [await passes(one, tokens=10, patience_s=LONG_S), await passes(other, tokens=5)]
            one.tokens.correct(-10)  # only what all processes know is in the way
            other.tokens.correct(-10)
            return seen

    async def given_back() -> list[bool]:
        async with two_gates(url, "given back", tokens_per_minute=60) as (one, other):
            seen = [await passes(one, tokens=10, used=1, patience_s=LONG_S)]
            return [*seen, await passes(other, tokens=5, patience_s=LONG_S), await passes(other, tokens=10)]

    assert [True, False] == run(main())
    assert [True, True, False] == run(given_back())


def test_vendors_wait_holds_every_process(url: str) -> None:
    """After `Retry-After` to one process, the other does not ask either."""

    async def main() -> bool:
        async with two_gates(url, "held", requests_per_minute=6000) as (one, other):
            with contextlib.suppress(Failed):
                async with one.place("d", tokens=1, patience_s=LONG_S):
                    raise Failed(Fault.RATE_LIMITED, "HTTP 429", again=True, charged=False, retry_after_s=20.0)
            return await passes(other)

    assert not run(main())


def test_turn_that_leaves_lets_the_next_one_ask(url: str) -> None:
    """Cancelled while it waits for a place that the other process took, a turn is in nobody's way, and has taken nothing."""

    async def main() -> tuple[list[bool], int, int]:
        async with two_gates(url, "leaves", requests_per_minute=120) as (one, other):
            taken = [await passes(one) for _ in range(20)]
            leaving = [asyncio.create_task(passes(other, lane=lane, patience_s=LONG_S)) for lane in "abc"]
            staying = asyncio.create_task(passes(other, lane="d", patience_s=LONG_S))
            for task in leaving:
                await asyncio.sleep(0.02)
                task.cancel()
            await asyncio.wait(leaving)
            return [*taken, await staying], other.waiting, other.window.in_flight

    assert ([True] * 21, 0, 0) == run(main())


def test_turns_that_wait_do_not_ask_over_and_over() -> None:
    """Ten turns of five debates wait for a place that the other process took: one question when it is due, and one for each."""

    async def main(cache: servers.Redis) -> int:
        async with two_gates(cache.url, "waits", requests_per_minute=600) as (one, other):
            assert all([await passes(one) for _ in range(100)])
            cache.ask("CONFIG", "RESETSTAT")
            order: list[str] = []

            async def turn(lane: str) -> None:
                async with other.place(lane, tokens=1, patience_s=LONG_S):
                    order.append(lane)

            await asyncio.gather(*(turn(lane) for lane in "aaaaaabcde"))
            assert set("abcde") == set(order[:6])  # the first turn of all went ahead
            return int(cache.ask("INFO", "commandstats").partition("cmdstat_evalsha:calls=")[2].partition(",")[0])

    with servers.redis() as cache:
        asked = run(main(cache))
    assert 10 <= asked <= 2 * 10 + 2


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """What is warned of."""
    stream = io.StringIO()
    configure(level="warning", form="json", stream=stream)
    yield stream
    configure(level="error", form="text", stream=sys.stderr)


def test_gates_do_without_redis(said: io.StringIO) -> None:
    """While Redis is away each process keeps the bounds for itself, and says so once; then they count together again."""

    async def both(name: str, processes: list[Meters]) -> int:
        """How many calls two processes make of a model that may be asked once a minute, and that nobody has asked yet."""
        clock = asyncio.get_running_loop().time
        gates = [Gate(Limits(requests_per_minute=1), clock=clock, name=name, meters=meters) for meters in processes]
        return sum([await passes(gate) for _ in range(2) for gate in gates])

    async def main(cache: servers.Redis) -> None:
        processes, ends, number = [Meters(cache.url), Meters(cache.url)], time.monotonic() + LONG_S, 0
        assert await both("there", processes) == 1
        cache.kill()
        assert await both("away", processes) == 2
        assert await both("still away", processes) == 2
        cache.start()
        while await both(f"back {number}", processes) != 1:
            assert time.monotonic() < ends
            await asyncio.sleep(AWAY_S / 4)
            number += 1
        for meters in processes:
            await meters.close()

    with servers.redis() as cache:
        run(main(cache))
    events = [json.loads(line)["event"] for line in said.getvalue().splitlines()]
    assert 2 * ["calls of models are counted by each process"] == events
