"""Pace, window, breaker and lanes as state machines: whatever happens, the bound holds and nobody starves."""

from collections import Counter, deque
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.providers.flow import BURST_S, RECENT_MAX, RECENT_S, Breaker, Lanes, Pace, Recent, Window

RATES = st.integers(1, 6000)
GAPS = st.lists(st.floats(0, 30), min_size=1, max_size=200)


@given(RATES, GAPS, st.integers(1, 50))
def test_pace_never_lets_more_through_than_its_rate(rate: int, gaps: list[float], units: int) -> None:
    """Whoever asks whenever: in any span, no more is taken than the rate allows, plus one burst and one request."""
    pace, now = Pace(rate), 0.0
    taken: list[float] = []
    for gap in gaps:
        now += gap
        if pace.wait_s(now, units) == 0:
            pace.take(now, units)
            taken.append(now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            allowed = (taken[last] - taken[first]) * rate / 60 + max(BURST_S * rate / 60, 1) + units
            assert (last - first + 1) * units <= allowed + 1e-6


@given(RATES, st.integers(1, 100))
def test_pace_keeps_its_word(rate: int, units: int) -> None:
    """After the wait that it names, and a rounding error, units may be taken: nobody waits for ever."""
    pace = Pace(rate)
    for _ in range(5):
        pace.take(0.0, units)
    wait = pace.wait_s(0.0, units)
    assert pace.wait_s(wait + 1e-6, units) <= 1e-6


def test_pace_holds_everybody_while_the_vendor_says_so() -> None:
    """`Retry-After` stops all, for as long as it says and no longer."""
    pace = Pace(0)
    pace.hold(10.0)
    assert pace.wait_s(4.0) == 6.0
    assert pace.wait_s(10.0) == 0.0


def test_pace_gives_back_what_was_not_used() -> None:
    """An estimate that was too high does not slow down the next call."""
    pace = Pace(60)
    pace.take(0.0, 100)
    slow = pace.wait_s(0.0, 1)
    pace.correct(-99)
    assert slow > 0
    assert pace.wait_s(0.0, 1) == 0


@given(st.lists(st.sampled_from(["ok", "much", "other"]), max_size=300), st.integers(1, 20), st.integers(1, 100))
def test_window_stays_within_its_bounds(ends: list[str], first: int, most: int) -> None:
    """Between one and the most, and no more in flight than it says."""
    window, now = Window(first=first, most=most), 0.0
    running: deque[float] = deque()
    for end in ends:
        while window.free:
            window.start()
            running.append(now)
            now += 1.0
        assert window.in_flight <= max(window.size, len(running))
        started = running.popleft()
        if end == "ok":
            window.grow()
        elif end == "much":
            window.cut(started=started, now=now)
        window.end()
        assert 1 <= window.size <= max(most, first)


def test_window_is_cut_once_for_a_burst() -> None:
    """Ten calls that were in flight together and all came too much halve it once; a later one halves it again."""
    window = Window(first=16, most=64)
    for _ in range(10):
        window.cut(started=0.0, now=5.0)
    assert window.size == 8
    window.cut(started=6.0, now=7.0)
    assert window.size == 4


@given(st.lists(st.tuples(st.sampled_from(["ok", "bad", "left"]), st.floats(0, 20)), max_size=200))
def test_breaker_lets_one_probe_through_at_a_time(ends: list[tuple[str, float]]) -> None:
    """While it is open, calls come one by one and no more often than every `open_s` after a failure."""
    breaker, now = Breaker(failures_max=3, open_s=5.0), 0.0
    failed_probes: list[float] = []
    for end, gap in ends:
        now += gap
        if breaker.wait_s(now) > 0:
            continue
        probe = breaker.enter()
        if probe:
            assert breaker.wait_s(now) > 0  # nobody else while the probe is out
        if end == "ok":
            breaker.succeeded()
            failed_probes.clear()
        elif end == "bad":
            breaker.failed(now, probe=probe)
            if probe:
                failed_probes.append(now)
        else:
            breaker.left(probe=probe)
        assert all(later - earlier >= 5.0 for earlier, later in pairwise(failed_probes))


def test_breaker_opens_after_failures_in_a_row_and_closes_at_a_success() -> None:
    """A success between failures starts the count again."""
    breaker = Breaker(failures_max=3, open_s=5.0)
    for _ in range(2):
        breaker.failed(0.0, probe=breaker.enter())
    breaker.succeeded()
    for _ in range(2):
        breaker.failed(0.0, probe=breaker.enter())
    assert breaker.wait_s(0.0) == 0
    breaker.failed(0.0, probe=breaker.enter())
    assert breaker.wait_s(1.0) == 4.0
    assert breaker.wait_s(5.0) == 0
    assert breaker.enter()
    breaker.succeeded()
    assert not breaker.open


def test_breaker_is_not_kept_open_by_calls_from_before() -> None:
    """A late failure of a call that started before it opened does not push the probe away."""
    breaker = Breaker(failures_max=1, open_s=5.0)
    breaker.failed(0.0, probe=False)
    breaker.failed(4.0, probe=False)
    assert breaker.wait_s(5.0) == 0


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=100))
def test_lanes_serve_in_turn_and_in_order(lanes: list[str]) -> None:
    """Each lane keeps its order, and until a lane is empty nobody is served twice before it is served once."""
    queue: Lanes[tuple[str, int]] = Lanes()
    waiting: Counter[str] = Counter(lanes)
    for number, lane in enumerate(lanes):
        queue.add(lane, (lane, number))
    served: list[tuple[str, int]] = []
    while queue:
        round_size = sum(1 for left in waiting.values() if left)
        turn = [queue.pop() for _ in range(round_size)]
        assert len({lane for lane, _ in turn}) == round_size
        waiting.subtract(lane for lane, _ in turn)
        served += turn
    for lane in "abc":
        numbers = [number for name, number in served if name == lane]
        assert numbers == sorted(numbers)
    assert len(served) == len(lanes)


def test_lanes_forget_who_left() -> None:
    """An item that was dropped is not served, and its empty lane is gone."""
    queue: Lanes[int] = Lanes()
    queue.add("a", 1)
    queue.add("b", 2)
    queue.drop("a", 1)
    queue.drop("a", 7)
    assert queue.first() == 2
    assert len(queue) == 1
    assert queue.pop() == 2
    with pytest.raises(KeyError):
        queue.pop()


def test_breaker_says_what_it_does_to_a_call() -> None:
    """Closed until it has seen enough, open for its time, half open while one probe finds out."""
    breaker = Breaker(failures_max=2, open_s=5.0)
    seen = [breaker.state(0.0)]
    for _ in range(2):
        breaker.failed(0.0, probe=False)
    seen += [breaker.state(4.9), breaker.state(5.0)]
    breaker.enter()
    seen.append(breaker.state(5.0))
    breaker.succeeded()
    assert ["closed", "open", "half_open", "half_open", "closed"] == [*seen, breaker.state(5.0)]


def test_what_is_long_past_says_nothing() -> None:
    """Failures are a share of the recent calls; the middle of the answered ones is the latency."""
    recent = Recent()
    assert (0, None, None) == recent.look(0.0)
    for seconds in (None, 1.0, 2.0, 30.0):
        recent.add(0.0, seconds)
    assert (4, 0.25, 2.0) == recent.look(RECENT_S)
    recent.add(RECENT_S, None)
    assert (1, 1.0, None) == recent.look(RECENT_S + 1)
    for _ in range(RECENT_MAX):
        recent.add(RECENT_S, 3.0)
    assert (RECENT_MAX, 0.0, 3.0) == recent.look(RECENT_S + 1)
