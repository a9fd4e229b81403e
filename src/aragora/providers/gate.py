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

    async def settle(self, *, requests: int = 0, tokens: int = 0, hold_s: float = 0.0) -> None:
        """Take more, or give some back where negative; let nobody through for `hold_s`."""
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
    until: float  # the loop's time
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

    What its own pace allows is then asked of the meter, where there is one: for the turn that is next, one question at a time. So
    nothing is asked in vain while this process alone has spent the minute, and without the meter the own pace still holds.
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
        self._asking: asyncio.Task[None] | None = None
        self._ask_at = float("-inf")  # the loop's time before which the meter need not be asked
        self._told: set[asyncio.Task[None]] = set()

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
                self._learn(place, failed)
                raise
            except BaseException:
                self.breaker.left(probe=place.probe)
                raise
            self.breaker.succeeded()
            self._recent.add(self._clock(), self._clock() - place.started)
            self.window.grow()
            counted = place.counted
            if counted is not None and counted.read is not None and counted.written is not None:
                self._settle(tokens=counted.read + counted.written - place.estimated)
        finally:
            self.window.end()
            self._pump()

    def _refuse_if_open(self) -> None:
        wait_s = self.breaker.wait_s(self._clock())
        if wait_s > 0:
            detail = f"Not asked, after too many failures in a row; the last was: {self._last.detail}"[:DETAIL_CHARS_MAX]
            raise Failed(self._last.fault, detail, charged=False, retry_after_s=wait_s)

    def _learn(self, place: Place, failed: Failed) -> None:
        now = self._clock()
        self._recent.add(now, None)
        if failed.fault in CONGESTED:
            self.window.cut(started=place.started, now=now)
            if failed.again and failed.retry_after_s is not None:
                self.requests.hold(now + failed.retry_after_s)
                self._tell(hold_s=failed.retry_after_s)
        if failed.blame:
            self._last = failed
            self.breaker.failed(now, probe=place.probe)
        elif failed.fault in SILENT:
            self.breaker.left(probe=place.probe)
        else:
            self.breaker.succeeded()  # whatever is wrong with the request, the endpoint is there

    async def _enter(self, lane: str, tokens: int, patience_s: float) -> None:
        """Wait for one's turn, for `patience_s` at most."""
        if self._meter is None and not self._lanes and self._wait_s(tokens) == 0 and self.window.free:
            self._let_in(tokens)
            return
        held_s = self._wait_s(tokens)
        if held_s > patience_s:
            raise _held(held_s)
        if self.waiting >= self._limits.waiting_max:
            raise Failed(Fault.RATE_LIMITED, "As many turns wait for this model as may.", charged=False, retry_after_s=1.0)
        ticket = _Ticket(tokens, self._clock() + patience_s, asyncio.get_running_loop().create_future())
        self._lanes.add(lane, ticket)
        self._pump()
        try:
            async with asyncio.timeout(patience_s):
                await ticket.let_in
        except BaseException as error:
            if ticket.let_in.done() and not ticket.let_in.cancelled() and ticket.let_in.exception() is None:
                self.window.end()
            self._lanes.drop(lane, ticket)
            self._pump()
            if isinstance(error, TimeoutError):
                raise Failed(
                    Fault.RATE_LIMITED, f"No place within the limits of this model in {patience_s:.0f} s.", charged=False
                ) from error
            raise

    def _wait_s(self, tokens: int) -> float:
        now = self._clock()
        return max(self.requests.wait_s(now), self.tokens.wait_s(now, tokens), self._ask_at - now)

    def _let_in(self, tokens: int) -> None:
        now = self._clock()
        self.requests.take(now)
        self.tokens.take(now, tokens)
        self.window.start()

    def _pump(self) -> None:
        """Let in whoever may go; if only the pace is in the way, come back when it is not."""
        while (ticket := self._lanes.first()) is not None and self.window.free and self._asking is None:
            if ticket.let_in.done():  # it was cancelled, and does not know yet
                self._lanes.pop()
                continue
            wait_s = self._wait_s(ticket.tokens)
            if wait_s > 0:
                self._later(wait_s)
                return
            if self._meter is not None:
                self._asking = asyncio.get_running_loop().create_task(self._ask(self._meter, ticket))
                return
            self._admit(ticket)

    def _admit(self, ticket: _Ticket) -> None:
        """Let in the turn that is next."""
        self._lanes.pop()
        self._let_in(ticket.tokens)
        ticket.let_in.set_result(None)

    async def _ask(self, meter: Meter, ticket: _Ticket) -> None:
        """Ask the meter for the turn that is next, and stays so meanwhile unless it leaves."""
        wait_s = await meter.take(ticket.tokens)
        now, self._asking = self._clock(), None
        if wait_s > 0:
            self._ask_at = now + (min(wait_s, TOKENS_BACK_S) if self._limits.tokens_per_minute else wait_s)
            if now + wait_s > ticket.until and not ticket.let_in.done():
                self._lanes.pop()
                ticket.let_in.set_exception(_held(wait_s))
        elif ticket.let_in.done():
            self._tell(requests=-1, tokens=-ticket.tokens)
        else:
            self._admit(ticket)
        self._pump()

    def _settle(self, *, tokens: int) -> None:
        """Take more tokens, or give some back, once it is known how many a call had."""
        self.tokens.correct(tokens)
        if self._limits.tokens_per_minute:
            self._tell(tokens=tokens)

    def _tell(self, *, requests: int = 0, tokens: int = 0, hold_s: float = 0.0) -> None:
        """Let the meter know, while the turn goes on."""
        if self._meter is not None:
            task = asyncio.get_running_loop().create_task(self._told_of(self._meter, requests, tokens, hold_s))
            self._told.add(task)
            task.add_done_callback(self._told.discard)

    async def _told_of(self, meter: Meter, requests: int, tokens: int, hold_s: float) -> None:
        await meter.settle(requests=requests, tokens=tokens, hold_s=hold_s)
        if requests < 0 or tokens < 0:  # the next turn may be let in earlier than it was told
            self._ask_at = float("-inf")
            self._pump()

    async def close(self) -> None:
        """Wait until the meter knows everything."""
        if self._asking is not None:
            await asyncio.wait([self._asking])
        if self._told:
            await asyncio.wait(self._told)

    def _later(self, wait_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._pump)


def _held(wait_s: float) -> Failed:
    """What a turn is told that cannot wait so long."""
    why = f"The limits of this model leave no call for {wait_s:.0f} s."
    return Failed(Fault.RATE_LIMITED, why, charged=False, retry_after_s=wait_s)
