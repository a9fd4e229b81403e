"""The gate before one model: shared by all debates, it lets calls through within the bounds of `flow`. May import siblings."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from aragora.debate.model import Fault
from aragora.providers.faults import DETAIL_CHARS_MAX
from aragora.providers.flow import Breaker, Lanes, Pace, Recent, State, Window
from aragora.providers.wire import Failed, Tokens

# Faults that say nothing about whether the endpoint works.
SILENT = frozenset({Fault.RATE_LIMITED, Fault.TIMEOUT, Fault.BUDGET})
CONGESTED = frozenset({Fault.RATE_LIMITED, Fault.OVERLOADED})
# How soon it is asked again for tokens: a call takes as many as it may need, and gives back what it did not.
TOKENS_BACK_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one model of a provider is asked for at most."""

    requests_per_minute: int = 0  # 0: no limit
    tokens_per_minute: int = 0  # 0: no limit
    calls_first: int = 32  # in flight at the beginning
    calls_max: int = 256  # in flight at most
    waiting_max: int = 2000  # turns that wait for their call
    failures_max: int = 5  # in a row, before the breaker opens
    open_s: float = 5.0  # how long it stays open before a probe


class Meter(Protocol):
    """Counts what all processes together ask one model, at one `Pace` for requests and one for tokens."""

    async def take(self, tokens: int) -> float:
        """Take one request of so many tokens and return 0; or take nothing and return how many seconds to wait."""
        ...

    async def settle(self, *, tokens: int = 0, hold_s: float = 0.0) -> None:
        """Take more tokens, or give some back where negative; let nobody through for `hold_s`."""
        ...


class Meters(Protocol):
    """Gives the meter of each model."""

    def of(self, name: str, requests: tuple[float, float], tokens: tuple[float, float]) -> Meter:
        """The meter of that name, with `unit_s` and `burst_s` of either pace."""
        ...

    async def close(self) -> None:
        """Let go of what it counts with."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How a model has answered this process of late: within five minutes, and a hundred calls at most."""

    state: State = State.CLOSED  # of its breaker
    calls: int = 0
    error_rate: float | None = None  # 0 to 1; None: nothing was asked
    latency_s: float | None = None  # median of what was answered
    last_fault: Fault | None = None  # what last spoke against it, while its breaker is not closed
    retry_in_s: float | None = None  # until a probe is let through, while its breaker is open
    in_flight: int = 0
    waiting: int = 0


@dataclass(slots=True, eq=False)
class _Ticket:
    """One turn that waits."""

    tokens: int
    let_in: asyncio.Future[None]


@dataclass(slots=True, eq=False)
class Place:
    """One call in flight."""

    started: float
    waited_s: float
    probe: bool
    estimated: int  # tokens
    counted: Tokens | None = None  # to be set by whoever made the call


class Gate:
    """Lets calls through one by one, fairly to debates.

    What its own pace allows is then asked of the meter, where there is one, by one turn at a time. So nothing is asked in vain
    while this process alone has spent the minute, and without the meter its own pace still holds.
    """

    def __init__(self, limits: Limits, *, clock: Callable[[], float], name: str = "", meters: Meters | None = None) -> None:
        """`clock` is the loop's, in seconds; `name` is what all processes call the model."""
        self._limits, self._clock = limits, clock
        self.requests = Pace(limits.requests_per_minute)
        self.tokens = Pace(limits.tokens_per_minute)
        self.window = Window(first=limits.calls_first, most=limits.calls_max)
        self.breaker = Breaker(failures_max=limits.failures_max, open_s=limits.open_s)
        self._recent = Recent()
        self._lanes: Lanes[_Ticket] = Lanes()
        self._timer: asyncio.TimerHandle | None = None
        self._last = Failed(Fault.UNAVAILABLE, "")  # the failure that last spoke against the endpoint
        self._meter: Meter | None = None
        if meters is not None and (limits.requests_per_minute or limits.tokens_per_minute):
            paces = [(pace.unit_s, pace.burst_s) for pace in (self.requests, self.tokens)]
            self._meter = meters.of(name, *paces)
        self._asking = False  # whether the turn that was let in last waits for the meter's word
        self._returned = asyncio.Event()  # tokens were given back

    @property
    def waiting(self) -> int:
        """How many turns wait."""
        return len(self._lanes)

    @property
    def condition(self) -> Condition:
        """How the model is."""
        now = self._clock()
        state, (calls, error_rate, latency_s) = self.breaker.state(now), self._recent.look(now)
        return Condition(
            state=state,
            calls=calls,
            error_rate=None if error_rate is None else round(error_rate, 4),
            latency_s=None if latency_s is None else round(latency_s, 3),
            last_fault=None if state is State.CLOSED else self._last.fault,
            retry_in_s=round(self.breaker.wait_s(now), 3) if state is State.OPEN else None,
            in_flight=self.window.in_flight,
            waiting=self.waiting,
        )

    @contextlib.asynccontextmanager
    async def place(self, lane: str, *, tokens: int, patience_s: float) -> AsyncIterator[Place]:
        """Hold a place while a call is made; the call's failure, if any, is learned from as it passes. Raises Failed."""
        self._refuse_if_open()
        came = self._clock()
        await self._enter(lane, tokens, patience_s)
        try:
            self._refuse_if_open()
            now = self._clock()
            place = Place(started=now, waited_s=now - came, probe=self.breaker.enter(), estimated=tokens)
            try:
                yield place
            except Failed as failed:
                await self._learn(place, failed)
                raise
            except BaseException:
                self.breaker.left(probe=place.probe)
                raise
            self.breaker.succeeded()
            self._recent.add(self._clock(), self._clock() - place.started)
            self.window.grow()
            counted = place.counted
            if counted is not None and counted.read is not None and counted.written is not None:
                await self._settle(counted.read + counted.written - place.estimated)
        finally:
            self.window.end()
            self._pump()

    def _refuse_if_open(self) -> None:
        wait_s = self.breaker.wait_s(self._clock())
        if wait_s > 0:
            detail = f"Not asked, after too many failures in a row; the last was: {self._last.detail}"[:DETAIL_CHARS_MAX]
            raise Failed(self._last.fault, detail, charged=False, retry_after_s=wait_s)

    async def _learn(self, place: Place, failed: Failed) -> None:
        now = self._clock()
        self._recent.add(now, None)
        if failed.fault in CONGESTED:
            self.window.cut(started=place.started, now=now)
            if failed.again and failed.retry_after_s is not None:
                self.requests.hold(now + failed.retry_after_s)
                if self._meter is not None:
                    await self._meter.settle(hold_s=failed.retry_after_s)
        if failed.blame:
            self._last = failed
            self.breaker.failed(now, probe=place.probe)
        elif failed.fault in SILENT:
            self.breaker.left(probe=place.probe)
        else:
            self.breaker.succeeded()  # whatever is wrong with the request, the endpoint is there

    async def _enter(self, lane: str, tokens: int, patience_s: float) -> None:
        """Wait for one's turn, for `patience_s` at most."""
        until = self._clock() + patience_s
        if not self._asking and not self._lanes and self._wait_s(tokens) == 0 and self.window.free:
            self._let_in(tokens)
        else:
            await self._queue(lane, tokens, patience_s)
        if self._meter is not None:
            await self._ask(self._meter, tokens, until)

    async def _queue(self, lane: str, tokens: int, patience_s: float) -> None:
        """Wait until this gate lets the turn in."""
        held_s = self._wait_s(tokens)
        if held_s > patience_s:
            raise _held(held_s)
        if self.waiting >= self._limits.waiting_max:
            raise Failed(Fault.RATE_LIMITED, "As many turns wait for this model as may.", charged=False, retry_after_s=1.0)
        ticket = _Ticket(tokens, asyncio.get_running_loop().create_future())
        self._lanes.add(lane, ticket)
        self._pump()
        try:
            async with asyncio.timeout(patience_s):
                await ticket.let_in
        except BaseException as error:
            if ticket.let_in.done() and not ticket.let_in.cancelled():
                self.window.end()
                self._asking = False
            self._lanes.drop(lane, ticket)
            self._pump()
            if isinstance(error, TimeoutError):
                raise _late() from error
            raise

    def _wait_s(self, tokens: int) -> float:
        now = self._clock()
        return max(self.requests.wait_s(now), self.tokens.wait_s(now, tokens))

    def _let_in(self, tokens: int) -> None:
        now = self._clock()
        self.requests.take(now)
        self.tokens.take(now, tokens)
        self.window.start()
        self._asking = self._meter is not None

    async def _ask(self, meter: Meter, tokens: int, until: float) -> None:
        """Have the meter let in the turn that this gate has let in; meanwhile nobody else is."""
        try:
            async with asyncio.timeout(max(0.0, until - self._clock())):
                await self._taken(meter, tokens, until)
        except BaseException as error:
            self.requests.correct(-1)
            self.tokens.correct(-tokens)
            self.window.end()
            if isinstance(error, TimeoutError):
                raise _late() from error
            raise
        finally:
            self._asking = False
            self._pump()

    async def _taken(self, meter: Meter, tokens: int, until: float) -> None:
        """Ask until the meter says yes, each time not before it may."""
        while (wait_s := await meter.take(tokens)) > 0:
            if self._clock() + wait_s > until:
                raise _held(wait_s)
            self._returned.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(wait_s, TOKENS_BACK_S) if self._limits.tokens_per_minute else wait_s):
                    await self._returned.wait()

    async def _settle(self, tokens: int) -> None:
        """Take more tokens, or give some back, once it is known how many a call had."""
        self.tokens.correct(tokens)
        if self._meter is not None and self._limits.tokens_per_minute:
            await self._meter.settle(tokens=tokens)
            self._returned.set()

    def _pump(self) -> None:
        """Let in whoever may go; if only the pace is in the way, come back when it is not."""
        while (ticket := self._lanes.first()) is not None and self.window.free and not self._asking:
            wait_s = self._wait_s(ticket.tokens)
            if wait_s > 0:
                self._later(wait_s)
                return
            self._lanes.pop()
            if not ticket.let_in.done():
                self._let_in(ticket.tokens)
                ticket.let_in.set_result(None)

    def _later(self, wait_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._pump)


def _late() -> Failed:
    """What a turn is told that waited in vain."""
    return Failed(Fault.RATE_LIMITED, "No place within the limits of this model in the time of the turn.", charged=False)


def _held(wait_s: float) -> Failed:
    """What a turn is told that cannot wait so long."""
    why = f"The limits of this model leave no call for {wait_s:.0f} s."
    return Failed(Fault.RATE_LIMITED, why, charged=False, retry_after_s=wait_s)
