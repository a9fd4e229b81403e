"""Metrics, read at scrape from plain cells. Imports the port of traces; names are public API (docs/decisions/0008).

Counting happens in the event loop only, so a cell is a plain number: no lock, no label lookup. A request costs one dictionary
look-up and four additions; prometheus-client turns the cells into text when somebody asks.
"""

import os
import resource
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from aragora.traces import Silent, Traces

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Upper bounds, in seconds. The SLOs are read off at 0.1, 0.2, 0.5 and 2; a request of this server takes under a millisecond.
REQUEST_BUCKETS_S = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 1.0, 2.0, 5.0, 10.0)
STEP_BUCKETS_S = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 30.0)
TURN_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
# Beyond this many label sets of one metric, further ones are counted together as `other`.
SERIES_MAX = 1000
# Two scrapers, or an impatient one, must not make the share of a core a share of nothing.
CPU_INTERVAL_MIN_S = 1.0

Read = Callable[[], float]
Others = Callable[[], Awaitable[Sequence[bytes]]]
T = TypeVar("T")

GAUGES: dict[str, str] = {
    "aragora_active_debates": "Debates that are running now.",
    "aragora_queued_debates": "Debates that wait for a place among the running.",
    "aragora_db_connections": "Open connections to the database.",
    "aragora_bus_up": "Whether live events reach other processes at once: 1 through Redis, 0 by polling every second.",
    "aragora_cache_entries": "Encoded answers that are kept.",
    "aragora_ws_connections": "Open WebSocket connections.",
    "aragora_memory_bytes": "Resident memory of this process.",
    "aragora_memory_limit_bytes": "Memory that this process may use: that of its control group, or of the machine.",
    "aragora_cpu_usage": "Processor time since the last scrape, in percent of one core.",
}


# What several processes of one server know of the same thing is not added up.
SAME = {"aragora_memory_limit_bytes": max, "aragora_queued_debates": max, "aragora_bus_up": min}


class Counts:
    """A counter with labels."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...]) -> None:
        self.name, self.text, self.labels = name, text, labels
        self.cells: dict[tuple[str, ...], list[float]] = {}

    def cell(self, *values: str) -> list[float]:
        """The number kept for these label values, in a list of one, to be kept and raised."""
        return self.cells.get(values) or _bounded(self.cells, values, lambda: [0])

    def collect(self) -> Iterator[Metric]:
        """The counter as it stands."""
        family = CounterMetricFamily(self.name, self.text, labels=self.labels)
        for values, cell in self.cells.items():
            family.add_metric(values, cell[0])
        yield family


class Spread:
    """Observations of one label set: how many in each bucket, and their sum."""

    __slots__ = ("bounds", "buckets", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one observation."""
        self.buckets[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds


class Histogram:
    """A histogram with labels."""

    def __init__(self, name: str, text: str, labels: tuple[str, ...], bounds: tuple[float, ...]) -> None:
        self.name, self.text, self.labels, self.bounds = name, text, labels, bounds
        self.cells: dict[tuple[str, ...], Spread] = {}

    def cell(self, *values: str) -> Spread:
        """The observations kept for these label values."""
        return self.cells.get(values) or _bounded(self.cells, values, lambda: Spread(self.bounds))

    def collect(self) -> Iterator[Metric]:
        """The histogram as it stands; buckets are cumulative, as the format wants them."""
        family = HistogramMetricFamily(self.name, self.text, labels=self.labels)
        for values, spread in self.cells.items():
            below, rows = 0, []
            for bound, count in zip((*map(str, self.bounds), "+Inf"), spread.buckets, strict=True):
                below += count
                rows.append((bound, below))
            family.add_metric(values, rows, spread.total)
        yield family


class _Gauges(Collector):
    def __init__(self, reads: dict[str, Read]) -> None:
        self.reads = reads

    def collect(self) -> Iterator[Metric]:
        for name, read in self.reads.items():
            yield GaugeMetricFamily(name, GAUGES[name], value=read())


class Answered(NamedTuple):
    """The cells of one route and status."""

    answered: list[float]
    seconds: Spread


class Metrics:
    """Everything that is counted, in a registry of its own."""

    def __init__(self, traces: Traces | None = None) -> None:
        """Count; each step that is timed is a span of `traces` too."""
        self.traces = traces or Silent()
        self.registry = CollectorRegistry()
        self.requests = Counts(
            "aragora_request_total", "Requests answered, by route and status.", ("method", "endpoint", "status")
        )
        self.request_seconds = Histogram(
            "aragora_request_duration_seconds", "Time to answer a request.", ("method", "endpoint"), REQUEST_BUCKETS_S
        )
        self.turns = Counts("aragora_turns_total", "Turns asked of a provider, by what came of them.", ("provider", "result"))
        self.tokens = Counts("aragora_tokens_total", "Tokens that models read and wrote.", ("provider", "direction"))
        self.cost_usd = Counts("aragora_cost_usd_total", "US dollars that calls cost, as far as prices are known.", ("provider",))
        self.turn_seconds = Histogram("aragora_turn_seconds", "Time that a turn took.", ("provider",), TURN_BUCKETS_S)
        self.events = Counts("aragora_events_total", "Events recorded in the logs of debates, by type.", ("type",))
        self.request_steps = Histogram(
            "aragora_request_step_seconds",
            "Time that a step of creating a debate or voting took.",
            ("endpoint", "step"),
            STEP_BUCKETS_S,
        )
        self.round_steps = Histogram(
            "aragora_round_step_seconds", "Time that a step of a debate's round took.", ("step",), STEP_BUCKETS_S
        )
        self.deliveries = Histogram(
            "aragora_event_delivery_seconds",
            "Time from an event's timestamp in the log to its sending to a live watcher.",
            ("type",),
            REQUEST_BUCKETS_S,
        )
        self._bound: dict[tuple[str, str, int], Answered] = {}
        self._reads: dict[str, Read] = {}
        self.others: Others | None = None  # asks the other processes of this server for their text
        self.watch("aragora_memory_bytes", memory_bytes)
        self.watch("aragora_memory_limit_bytes", memory_limit_bytes)
        self.watch("aragora_cpu_usage", CpuUsage(time.monotonic, time.process_time).percent)
        self.requests.cell("GET", "other", "500")  # else the share of errors is no number until the first error
        for family in (*self.labelled, _Gauges(self._reads)):
            self.registry.register(family)

    @property
    def labelled(self) -> tuple[Counts | Histogram, ...]:
        """Everything with labels."""
        return (
            *(self.requests, self.request_seconds, self.request_steps),
            *(self.turns, self.tokens, self.cost_usd, self.turn_seconds, self.round_steps),
            *(self.events, self.deliveries),
        )

    def watch(self, name: str, read: Read) -> None:
        """Read the gauge `name` of GAUGES from `read` at each scrape. A gauge that nobody reads is not shown."""
        if name not in GAUGES:
            raise KeyError(name)
        self._reads[name] = read

    def request(self, method: str, endpoint: str, status: int, seconds: float | None) -> None:
        """Count an answered request. `endpoint` is the template of the route, never the path that was asked for.

        Without `seconds` it is counted and not timed: a stream lasts as long as somebody watches, which is no latency.
        """
        bound = self._bound.get((method, endpoint, status)) or self.answered(method, endpoint, status)
        bound.answered[0] += 1
        if seconds is not None:
            bound.seconds.add(seconds)

    def answered(self, method: str, endpoint: str, status: int) -> Answered:
        """Where requests of a route are counted that are answered with this status."""
        bound = Answered(self.requests.cell(method, endpoint, str(status)), self.request_seconds.cell(method, endpoint))
        if len(self._bound) < SERIES_MAX:
            self._bound[method, endpoint, status] = bound
        return bound

    def laps(self, endpoint: str, began: float) -> "Laps":
        """A clock for the steps of one request that began at `began`."""
        return Laps(partial(self.request_steps.cell, endpoint), self.traces if self.traces.on else None, began)

    def round_step(self, step: str) -> "RoundStep":
        """Time one step of a round, also one that fails."""
        return RoundStep(self.round_steps.cell(step), self.traces.step(step))

    def delivered(self, kind: str, seconds: float) -> None:
        """Count an event that was sent to a watcher; clocks of two machines may differ, time never runs backwards."""
        self.deliveries.cell(kind).add(max(0.0, seconds))

    def turn(self, provider: str, result: str, seconds: float) -> None:
        """Count a turn: `result` is `spoke`, or the fault of the abstention."""
        self.turns.cell(provider, result)[0] += 1
        self.turn_seconds.cell(provider).add(seconds)

    def used(self, provider: str, read: int | None, written: int | None, cost_usd: float | None) -> None:
        """Count what a turn used; what is not known is not counted."""
        self.tokens.cell(provider, "read")[0] += read or 0
        self.tokens.cell(provider, "written")[0] += written or 0
        self.cost_usd.cell(provider)[0] += cost_usd or 0.0

    def event(self, kind: str) -> None:
        """Count an event that was recorded, by its name on the wire."""
        self.events.cell(kind)[0] += 1

    def text(self) -> bytes:
        """All of it, in the format whose media type is CONTENT_TYPE."""
        return generate_latest(self.registry)

    async def whole(self) -> bytes:
        """All of it, of every process of this server."""
        if self.others is None:
            return self.text()
        return added_up([self.text(), *await self.others()])


class _Sums(Collector):
    def __init__(self, families: dict[str, Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        yield from self._families.values()


def added_up(texts: Sequence[bytes]) -> bytes:
    """Several processes' metrics as if they were one's."""
    families: dict[str, Metric] = {}
    for text in texts:
        for family in text_string_to_metric_families(text.decode()):
            known = families.get(family.name)
            if known is None:
                families[family.name] = family
                continue
            join = SAME.get(family.name, _sum)
            values = {(sample.name, *sorted(sample.labels.items())): sample for sample in known.samples}
            for sample in family.samples:
                key = (sample.name, *sorted(sample.labels.items()))
                values[key] = sample._replace(value=join(values[key].value, sample.value)) if key in values else sample
            known.samples = [*values.values()]
    registry = CollectorRegistry()
    registry.register(_Sums(families))
    return generate_latest(registry)


def _sum(one: float, other: float) -> float:
    return one + other


class Laps:
    """Times the steps of one request, one after the other."""

    __slots__ = ("_began", "_cell", "_traces")

    def __init__(self, cell: Callable[[str], Spread], traces: Traces | None, began: float) -> None:
        self._cell, self._traces, self._began = cell, traces, began

    def __call__(self, step: str, made: T) -> T:
        """What a step made, whose time was that since the last one."""
        self.lap(step)
        return made

    def lap(self, step: str) -> None:
        """The time since the last lap was this step's."""
        now = perf_counter()
        self._cell(step).add(now - self._began)
        if self._traces is not None:
            self._traces.lap(step, now - self._began)
        self._began = now


class RoundStep:
    """Times one step of a round. A class, since a generator would take three times as long, several times in each turn."""

    __slots__ = ("_began", "_span", "_spread")

    def __init__(self, spread: Spread, span: AbstractContextManager[None]) -> None:
        self._spread, self._span = spread, span

    def __enter__(self) -> None:
        self._began = perf_counter()
        self._span.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._span.__exit__(kind, error, trace)
        finally:
            self._spread.add(perf_counter() - self._began)


def _bounded(cells: dict[tuple[str, ...], T], values: tuple[str, ...], new: Callable[[], T]) -> T:
    if values not in cells and len(cells) >= SERIES_MAX:
        values = ("other",) * len(values)
    found = cells.get(values)
    if found is None:
        found = cells[values] = new()
    return found


class CpuUsage:
    """The share of one core that this process used between two scrapes."""

    def __init__(self, clock: Read, used: Read) -> None:
        self._clock, self._used = clock, used
        self._at, self._spent, self._last = clock(), used(), 0.0

    def percent(self) -> float:
        """Percent of one core since the last call; the last answer again within CPU_INTERVAL_MIN_S."""
        now = self._clock()
        elapsed = now - self._at
        if elapsed >= CPU_INTERVAL_MIN_S:
            spent = self._used()
            self._last = 100 * (spent - self._spent) / elapsed
            self._at, self._spent = now, spent
        return self._last


def memory_bytes() -> float:
    """Resident memory of this process; where the system does not tell, the most that it ever was."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * os.sysconf("SC_PAGE_SIZE")


def memory_limit_bytes(root: Path = Path("/")) -> float:
    """The least of the machine's memory and the limits of this process's control groups, of either version."""
    limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in _limit_files(root):
        try:
            text = file.read_text("ascii").strip()
        except OSError:
            continue
        if text.isdecimal():  # it may be `max`
            limit = min(limit, int(text))
    return limit


def _limit_files(root: Path) -> Iterator[Path]:
    """Where limits may stand: in each group from ours up to the root, which inside a container is the container's own."""
    try:
        groups = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return
    for group in groups:
        _, controllers, path = group.split(":", 2)
        if controllers in {"", "memory"}:
            top = root / "sys/fs/cgroup" / controllers
            inner = Path(path.lstrip("/"))
            for folder in (inner, *inner.parents):
                yield top / folder / ("memory.limit_in_bytes" if controllers else "memory.max")
