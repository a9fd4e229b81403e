"""What keeps calls to one model within bounds: pace, window, breaker, fair queue. Pure: `now` is given. Imports no sibling."""

from collections import OrderedDict, deque
from enum import StrEnum
from statistics import median
from typing import Generic, TypeVar

T = TypeVar("T")

BURST_S = 10.0  # how much of a minute's allowance may be spent at once
CUT = 0.5  # what is left of a window when the vendor says that it is too much
RECENT_MAX, RECENT_S = 100, 300.0  # how many calls, and of how long ago, say how a model is


class State(StrEnum):
    """Whether a breaker lets calls through: all, none, or one probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Pace:
    """So many units a minute (requests, tokens), some of them at once: the generic cell rate algorithm.

    The vendor's word to wait (`Retry-After`) holds everybody.
    """

    def __init__(self, per_minute: float) -> None:
        """`per_minute` units; 0 is no limit."""
        self.unit_s = 60.0 / per_minute if per_minute else 0.0
        self.burst_s = max(BURST_S, self.unit_s) if per_minute else 0.0
        self._due = float("-inf")  # when all that was taken will have been paid off
        self._held = float("-inf")

    def wait_s(self, now: float, units: float = 1.0) -> float:
        """How long to wait before `units` may be taken; more than fits at once need an empty account, no more."""
        needed = min(units * self.unit_s, self.burst_s)
        return max(0.0, self._held - now, max(self._due, now) + needed - self.burst_s - now)

    def take(self, now: float, units: float = 1.0) -> None:
        """Take `units`."""
        self._due = max(self._due, now) + units * self.unit_s

    def correct(self, units: float) -> None:
        """Take `units` more, or give some back, once the real number is known."""
        self._due += units * self.unit_s

    def hold(self, until: float) -> None:
        """Let nobody through before `until`."""
        self._held = max(self._held, until)


class Window:
    """How many calls may be in flight: one more for each window full of successes, half as many when the vendor has too much."""

    def __init__(self, *, first: int, most: int) -> None:
        """Begin with `first`, never exceed `most`."""
        self.size = float(min(first, most))
        self.in_flight = 0
        self._most = most
        self._cut_at = float("-inf")

    @property
    def free(self) -> bool:
        """Whether one more may start."""
        return self.in_flight < int(self.size)

    def start(self) -> None:
        """One more is in flight."""
        self.in_flight += 1

    def end(self) -> None:
        """One less is in flight."""
        self.in_flight -= 1

    def grow(self) -> None:
        """A call succeeded."""
        self.size = min(float(self._most), self.size + 1 / self.size)

    def cut(self, *, started: float, now: float) -> None:
        """The vendor had too much when a call came that was `started` then; calls of the same burst cut once."""
        if started >= self._cut_at:
            self.size = max(1.0, self.size * CUT)
            self._cut_at = now


class Breaker:
    """Lets nothing through after so many failures in a row, then one probe at a time until one succeeds."""

    def __init__(self, *, failures_max: int, open_s: float) -> None:
        """Open after `failures_max` failures, for `open_s` seconds."""
        self._failures_max, self._open_s = failures_max, open_s
        self._failures = 0
        self._open_until: float | None = None
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether calls are refused, except for a probe."""
        return self._open_until is not None

    def state(self, now: float) -> State:
        """What it does to a call that comes now."""
        if self._open_until is None:
            return State.CLOSED
        return State.HALF_OPEN if self._probing or now >= self._open_until else State.OPEN

    def wait_s(self, now: float) -> float:
        """0 when a call may be made; otherwise when to ask again."""
        if self._open_until is None:
            return 0.0
        if self._probing:
            return self._open_s
        return max(0.0, self._open_until - now)

    def enter(self) -> bool:
        """A call that was let through begins; True if it is the probe."""
        self._probing = self._probing or self.open
        return self.open

    def succeeded(self) -> None:
        """A call succeeded: all is well."""
        self._failures, self._open_until, self._probing = 0, None, False

    def failed(self, now: float, *, probe: bool) -> None:
        """A call failed by the endpoint's fault."""
        self._failures += 1
        self._probing = self._probing and not probe
        if probe or (self._open_until is None and self._failures >= self._failures_max):
            self._open_until = now + self._open_s

    def left(self, *, probe: bool) -> None:
        """A call ended without saying anything about the endpoint."""
        self._probing = self._probing and not probe


class Recent:
    """How the last calls went: the newest RECENT_MAX of them, none older than RECENT_S."""

    def __init__(self) -> None:
        """Nothing was called."""
        self._calls: deque[tuple[float, float | None]] = deque(maxlen=RECENT_MAX)  # when it ended; its seconds, None: failed

    def add(self, now: float, seconds: float | None) -> None:
        """A call ended: answered in so many seconds, or failed."""
        self._calls.append((now, seconds))

    def look(self, now: float) -> tuple[int, float | None, float | None]:
        """How many calls, which share of them failed, and the median seconds of the others; None where there was none."""
        calls = [seconds for at, seconds in self._calls if now - at <= RECENT_S]
        answered = [seconds for seconds in calls if seconds is not None]
        failed = 1 - len(answered) / len(calls) if calls else None
        return len(calls), failed, median(answered) if answered else None


class Lanes(Generic[T]):
    """A queue that serves its lanes in turn, one item each, so that a lane with many items holds up nobody else."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._lanes: OrderedDict[str, deque[T]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, lane: str, item: T) -> None:
        """Put `item` at the end of its lane."""
        self._lanes.setdefault(lane, deque()).append(item)
        self._size += 1

    def first(self) -> T | None:
        """The item that is next; it stays."""
        return next(iter(self._lanes.values()))[0] if self._lanes else None

    def pop(self) -> T:
        """Take the item that is next; its lane goes to the end."""
        lane, items = self._lanes.popitem(last=False)
        item = items.popleft()
        self._size -= 1
        if items:
            self._lanes[lane] = items
        return item

    def drop(self, lane: str, item: T) -> None:
        """Take an item that waits no longer out of its lane."""
        items = self._lanes.get(lane)
        if items is not None and item in items:
            items.remove(item)
            self._size -= 1
            if not items:
                del self._lanes[lane]
