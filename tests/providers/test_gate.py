"""The gate in a running loop: fair between debates, bounded, clean after cancellation, one probe after failures."""

import asyncio
import contextlib

import pytest

from aragora.debate.model import Fault
from aragora.providers.flow import State
from aragora.providers.gate import Condition, Gate, Limits
from aragora.providers.wire import Failed, Tokens
from model_builders import run


def a_gate(**limits: float) -> Gate:
    """A gate on the running loop's clock."""
    return Gate(Limits(**limits), clock=asyncio.get_running_loop().time)  # type: ignore[arg-type]


async def call(gate: Gate, lane: str, *, seconds: float = 0.0, fault: Failed | None = None, patience_s: float = 5.0) -> None:
    """One call through a gate."""
    async with gate.place(lane, tokens=100, patience_s=patience_s) as place:
        await asyncio.sleep(seconds)
        if fault is not None:
            raise fault
        place.counted = Tokens(read=10, written=10)


def test_a_debate_of_many_turns_does_not_starve_one_of_few() -> None:
    """With one call at a time, the only turn of `b` comes second, not after all twenty of `a`."""
    order: list[str] = []

    async def one(gate: Gate, lane: str) -> None:
        async with gate.place(lane, tokens=1, patience_s=5):
            order.append(lane)
            await asyncio.sleep(0)

    async def main() -> None:
        gate = a_gate(calls_first=1, calls_max=1)
        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(one(gate, "a"))
            group.create_task(one(gate, "b"))

    run(main())
    assert order.index("b") <= 2
    assert len(order) == 21


def test_no_more_calls_are_in_flight_than_the_window_allows() -> None:
    """Fifty turns at once, at most four calls."""
    most = 0

    async def one(gate: Gate, number: int) -> None:
        nonlocal most
        async with gate.place(f"d{number}", tokens=1, patience_s=5):
            most = max(most, gate.window.in_flight)
            await asyncio.sleep(0.001)

    async def main() -> int:
        gate = a_gate(calls_first=4, calls_max=4)
        async with asyncio.TaskGroup() as group:
            for number in range(50):
                group.create_task(one(gate, number))
        return gate.window.in_flight

    assert run(main()) == 0
    assert most == 4


def test_turns_that_are_cancelled_give_back_their_places() -> None:
    """Neither a waiting turn nor one in flight leaves anything behind."""

    async def main() -> tuple[int, int]:
        gate = a_gate(calls_first=1, calls_max=1)
        tasks = [asyncio.create_task(call(gate, "a", seconds=30)) for _ in range(5)]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await call(gate, "b")
        return gate.waiting, gate.window.in_flight

    assert run(main()) == (0, 0)


def test_a_place_granted_to_a_turn_that_is_being_cancelled_is_passed_on() -> None:
    """Cancelled between being let in and noticing it, a turn does not keep the place for ever."""

    async def main() -> int:
        gate = a_gate(calls_first=1, calls_max=1)
        release = asyncio.Event()

        async def first() -> None:
            async with gate.place("a", tokens=1, patience_s=5):
                await release.wait()

        holder, waiter = asyncio.create_task(first()), asyncio.create_task(call(gate, "b"))
        await asyncio.sleep(0.01)
        release.set()
        holder.add_done_callback(lambda _: waiter.cancel())
        await holder
        with contextlib.suppress(asyncio.CancelledError):
            await waiter
        await call(gate, "c", patience_s=1)
        return gate.window.in_flight

    assert run(main()) == 0


def test_a_queue_that_is_full_refuses_at_once() -> None:
    """More turns than may wait are told so, and are not charged."""

    async def main() -> Failed:
        gate = a_gate(calls_first=1, calls_max=1, waiting_max=2)
        tasks = [asyncio.create_task(call(gate, "a", seconds=0.05)) for _ in range(3)]
        await asyncio.sleep(0.01)
        with pytest.raises(Failed) as refused:
            await call(gate, "a")
        await asyncio.wait(tasks)
        return refused.value

    refused = run(main())
    assert refused.fault is Fault.RATE_LIMITED
    assert not refused.charged


def test_a_wait_that_outlasts_the_turn_is_a_rate_limit() -> None:
    """A turn that gets no place in its time says so, with the reason."""

    async def main() -> Failed:
        gate = a_gate(calls_first=1, calls_max=1)
        holder = asyncio.create_task(call(gate, "a", seconds=0.3))
        await asyncio.sleep(0.01)
        with pytest.raises(Failed) as refused:
            await call(gate, "b", patience_s=0.05)
        await holder
        return refused.value

    assert run(main()).fault is Fault.RATE_LIMITED


def test_requests_per_minute_are_kept_and_then_go_on() -> None:
    """600 a minute with a burst of 100: the hundred-and-first call waits, and is made."""

    async def main() -> tuple[float, float]:
        gate, loop = a_gate(requests_per_minute=600), asyncio.get_running_loop()
        began = loop.time()
        for _ in range(100):
            await call(gate, "a")
        burst = loop.time() - began
        for _ in range(3):
            await call(gate, "a")
        return burst, loop.time() - began

    burst, whole = run(main())
    assert whole - burst > 0.1


def test_a_vendors_wait_holds_every_debate() -> None:
    """After a 429 with `Retry-After`, a turn of another debate is refused at once if it cannot wait that long."""

    async def main() -> Failed:
        gate = a_gate()
        limited = Failed(Fault.RATE_LIMITED, "HTTP 429", again=True, charged=False, retry_after_s=30.0)
        with contextlib.suppress(Failed):
            await call(gate, "a", fault=limited)
        with pytest.raises(Failed) as refused:
            await call(gate, "b", patience_s=1.0)
        return refused.value

    refused = run(main())
    assert refused.fault is Fault.RATE_LIMITED
    assert refused.retry_after_s is not None
    assert refused.retry_after_s > 20


def test_after_failures_in_a_row_only_a_probe_is_let_through() -> None:
    """All debates share the breaker; what it refuses names the last failure; a success of the probe opens the way."""

    async def main() -> tuple[Failed, list[str]]:
        gate = a_gate(failures_max=3, open_s=0.05)
        for lane in "abc":
            with contextlib.suppress(Failed):
                await call(gate, lane, fault=Failed(Fault.OVERLOADED, "HTTP 529: busy", again=True, blame=True))
        with pytest.raises(Failed) as refused:
            await call(gate, "d")
        await asyncio.sleep(0.06)
        results = []

        async def one(lane: str) -> None:
            try:
                await call(gate, lane, seconds=0.02)
            except Failed:
                results.append("refused")
            else:
                results.append("made")

        async with asyncio.TaskGroup() as group:
            for lane in "efg":
                group.create_task(one(lane))
        await one("h")
        return refused.value, results

    refused, results = run(main())
    assert refused.fault is Fault.OVERLOADED
    assert "HTTP 529: busy" in refused.detail
    assert results == ["refused", "refused", "made", "made"]


def test_faults_of_the_request_do_not_open_the_breaker() -> None:
    """A wrong key or a question too long says nothing about whether the model is there."""

    async def main() -> None:
        gate = a_gate(failures_max=1)
        for fault in (Fault.AUTH, Fault.UNAVAILABLE, Fault.REFUSED, Fault.BUDGET, Fault.RATE_LIMITED):
            with contextlib.suppress(Failed):
                await call(gate, "a", fault=Failed(fault, "no"))
        await call(gate, "a")

    run(main())


def test_gate_says_how_its_model_has_been() -> None:
    """Answered and failed calls are counted, a full window shows, and an open breaker says until when."""

    async def main() -> list[Condition]:
        gate, seen = a_gate(failures_max=2), []
        await call(gate, "a")
        seen.append(gate.condition)
        for _ in range(2):
            with contextlib.suppress(Failed):
                await call(gate, "a", fault=Failed(Fault.UNAVAILABLE, "gone", blame=True))
        with contextlib.suppress(Failed):
            await call(gate, "a")  # refused, so not a call
        return [*seen, gate.condition]

    well, ill = run(main())
    assert (State.CLOSED, 1, 0.0, None, None) == (well.state, well.calls, well.error_rate, well.last_fault, well.retry_in_s)
    assert (State.OPEN, 3, 0.6667, Fault.UNAVAILABLE) == (ill.state, ill.calls, ill.error_rate, ill.last_fault)
    assert ill.retry_in_s is not None
    assert well.latency_s is not None
