"""How fast the budgets of the two objectives are used up, from what this process has counted. May import metrics.

The objectives are those of `deploy/prometheus/rules.yml`: 99.9 % of requests are answered without a 5xx, and 99 % of the timed
ones within half a second. A burn rate of 1 uses up exactly the budget of 30 days; 14.4 uses it up in two days.
"""

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from aragora.metrics import REQUEST_BUCKETS_S, Metrics

AVAILABILITY, LATENCY = 0.999, 0.99
SLOW_S = 0.5
EVERY_S = 10.0
WINDOWS_S = (300, 3600)


class Totals(NamedTuple):
    """What had been counted at a time."""

    at: float
    requests: int
    failed: int
    timed: int
    slow: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """One objective over one window."""

    objective: str  # availability or latency
    target: float
    window_s: int
    seconds: float  # that it was really watched
    requests: int
    bad: int
    burn_rate: float | None  # None: nothing was asked


class Objectives:
    """Remembers what was counted, so that it can be told what happened within a window."""

    def __init__(self, metrics: Metrics, *, clock: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds."""
        self._metrics, self._clock = metrics, clock
        self._past: deque[Totals] = deque([Totals(clock(), 0, 0, 0, 0)], maxlen=int(WINDOWS_S[-1] / EVERY_S) + 1)

    async def run(self) -> None:
        """Look every EVERY_S, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.look()

    def look(self) -> None:
        """Remember what has been counted until now."""
        self._past.append(self._totals())

    def burns(self) -> list[Burn]:
        """Every objective over every window; a window longer than this process lives is as long as that."""
        last = self._totals()
        found = []
        for window_s in WINDOWS_S:
            first = next((each for each in reversed(self._past) if last.at - each.at >= window_s), self._past[0])
            seconds = last.at - first.at
            for name, target, count, bad in (
                ("availability", AVAILABILITY, last.requests - first.requests, last.failed - first.failed),
                ("latency", LATENCY, last.timed - first.timed, last.slow - first.slow),
            ):
                rate = round(bad / count / (1 - target), 3) if count else None
                found.append(
                    Burn(
                        objective=name,
                        target=target,
                        window_s=window_s,
                        seconds=round(seconds, 3),
                        requests=count,
                        bad=bad,
                        burn_rate=rate,
                    )
                )
        return found

    def _totals(self) -> Totals:
        answered = self._metrics.requests.cells
        spreads = self._metrics.request_seconds.cells.values()
        quick = bisect_left(REQUEST_BUCKETS_S, SLOW_S) + 1
        return Totals(
            self._clock(),
            round(sum(cell[0] for cell in answered.values())),
            round(sum(cell[0] for (_, _, status), cell in answered.items() if status.startswith("5"))),
            sum(sum(spread.buckets) for spread in spreads),
            sum(sum(spread.buckets[quick:]) for spread in spreads),
        )
