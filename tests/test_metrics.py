"""Metrics: their names, their figures, and that the specification's queries can be asked of them."""

import http.server
import itertools
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from aragora import metrics
from aragora.metrics import CpuUsage, Metrics
from services import binary

QUERIES = (
    "rate(aragora_request_total[5m])",
    'sum(rate(aragora_request_total{status=~"5.."}[5m])) / sum(rate(aragora_request_total[5m]))',
    "histogram_quantile(0.99, rate(aragora_request_duration_seconds_bucket[5m]))",
    "aragora_active_debates",
    "aragora_memory_bytes / aragora_memory_limit_bytes * 100",
    "rate(aragora_request_total[1m])",
    "histogram_quantile(0.5, rate(aragora_request_duration_seconds_bucket[5m]))",
    'sum(rate(aragora_request_total{status=~"5.."}[5m])) / sum(rate(aragora_request_total[5m])) * 100',
)


def watched() -> Metrics:
    """Metrics with every gauge read from somewhere."""
    counted = Metrics()
    for name in ("aragora_active_debates", "aragora_queued_debates", "aragora_db_connections", "aragora_ws_connections"):
        counted.watch(name, lambda: 3)
    return counted


def samples(counted: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """What a scrape reads, by name and labels."""
    families = text_string_to_metric_families(counted.text().decode())
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def value(counted: Metrics, name: str, **labels: str) -> float:
    """One figure of a scrape."""
    return samples(counted)[name, frozenset(labels.items())]


def test_names_and_labels_are_those_of_the_specification() -> None:
    """Seven metrics and a limit, as dashboards expect them."""
    counted = watched()
    counted.request("GET", "/api/health", 200, 0.001)
    labels = {name: {key for key, _ in labels} for name, labels in samples(counted)}
    assert {"method", "endpoint", "status"} == labels["aragora_request_total"]
    assert {"method", "endpoint", "le"} == labels["aragora_request_duration_seconds_bucket"]
    gauges = {"active_debates", "db_connections", "memory_bytes", "memory_limit_bytes", "cpu_usage", "ws_connections"}
    assert set() == {f"aragora_{name}" for name in gauges} - {name for name, keys in labels.items() if not keys}


def test_requests_are_counted_by_route_and_status() -> None:
    """Statuses of a route are counted apart, its seconds together."""
    counted = Metrics()
    for status, seconds in ((200, 0.1), (200, 0.3), (503, 1.0)):
        counted.request("GET", "/api/debates", status, seconds)
    assert 2 == value(counted, "aragora_request_total", method="GET", endpoint="/api/debates", status="200")
    assert 1 == value(counted, "aragora_request_total", method="GET", endpoint="/api/debates", status="503")
    assert 3 == value(counted, "aragora_request_duration_seconds_count", method="GET", endpoint="/api/debates")
    assert 1.4 == pytest.approx(value(counted, "aragora_request_duration_seconds_sum", method="GET", endpoint="/api/debates"))


@given(st.lists(st.floats(min_value=0, max_value=20)))
def test_buckets_hold_what_is_at_most_their_bound(seconds: list[float]) -> None:
    """Each cumulative bucket is the number of observations that are not above it."""
    counted = Metrics()
    for each in seconds:
        counted.request("GET", "/", 200, each)
    if seconds:
        for bound in (*metrics.REQUEST_BUCKETS_S, float("inf")):
            le = "+Inf" if bound == float("inf") else str(bound)
            actual = value(counted, "aragora_request_duration_seconds_bucket", method="GET", endpoint="/", le=le)
            assert sum(each <= bound for each in seconds) == actual


def test_slos_are_bounds_of_buckets() -> None:
    """Whether a target is met can be read off, not estimated."""
    assert {0.1, 0.2, 0.5, 2.0} <= set(metrics.REQUEST_BUCKETS_S)


def test_share_of_errors_is_a_number_before_the_first_error() -> None:
    """A series of server errors exists from the start, at 0."""
    assert 0 == value(Metrics(), "aragora_request_total", method="GET", endpoint="other", status="500")


def test_turns_and_events_are_counted() -> None:
    """By provider and result, by type."""
    counted = Metrics()
    counted.turn("demo", "spoke", 0.5)
    counted.turn("demo", "timeout", 60.0)
    counted.event("vote_cast")
    assert 1 == value(counted, "aragora_turns_total", provider="demo", result="timeout")
    assert 2 == value(counted, "aragora_turn_seconds_count", provider="demo")
    assert 1 == value(counted, "aragora_events_total", type="vote_cast")


def test_tokens_and_money_are_counted() -> None:
    """By provider; what a vendor does not tell is not made up."""
    counted = Metrics()
    counted.used("openai", 1200, 300, 0.0125)
    counted.used("openai", None, 30, None)
    assert (1200, 330) == tuple(
        value(counted, "aragora_tokens_total", provider="openai", direction=direction) for direction in ("read", "written")
    )
    assert 0.0125 == value(counted, "aragora_cost_usd_total", provider="openai")


def test_series_are_bounded_and_nothing_is_lost() -> None:
    """Beyond the bound requests are still counted, together."""
    counted = Metrics()
    for number in range(metrics.SERIES_MAX + 50):
        counted.request("GET", f"/{number}", 200, 0.001)
    totals = {labels: figure for (name, labels), figure in samples(counted).items() if name == "aragora_request_total"}
    assert metrics.SERIES_MAX + 1 >= len(totals)
    assert metrics.SERIES_MAX + 50 == sum(totals.values())


def test_label_values_are_escaped() -> None:
    """A value with a quote and a line break comes back as it was."""
    counted = Metrics()
    counted.event('a"\n\\b')
    assert 1 == value(counted, "aragora_events_total", type='a"\n\\b')


def test_gauge_is_read_at_scrape_and_absent_when_nobody_reads_it() -> None:
    """A figure that was never measured is not shown as 0."""
    counted, figures = Metrics(), itertools.count(5)
    assert ("aragora_active_debates", frozenset[tuple[str, str]]()) not in samples(counted)
    counted.watch("aragora_active_debates", lambda: next(figures))
    assert [5, 6] == [value(counted, "aragora_active_debates") for _ in range(2)]
    with pytest.raises(KeyError):
        counted.watch("aragora_active_debate", lambda: 0)


def test_two_registries_know_nothing_of_each_other() -> None:
    """There is nothing global."""
    one, other = Metrics(), Metrics()
    one.event("vote_cast")
    assert not [name for name, _ in samples(other) if name == "aragora_events_total"]


def test_cpu_is_percent_of_one_core_since_the_last_scrape() -> None:
    """Two busy cores are 200; a scrape too soon gets the last answer and disturbs nothing."""
    clock, used = iter([0.0, 10.0, 10.5, 20.0]), iter([0.0, 20.0, 25.0])
    usage = CpuUsage(lambda: next(clock), lambda: next(used))
    assert [200.0, 200.0, 50.0] == [usage.percent() for _ in range(3)]


def test_memory_is_below_its_limit() -> None:
    """A process that runs is within its memory."""
    assert 1_000_000 < metrics.memory_bytes() < metrics.memory_limit_bytes()


@pytest.mark.parametrize(
    ("groups", "file", "text", "limit"),
    [
        ("0::/a/b", "a/b/memory.max", "5000", 5000),
        ("0::/a/b", "a/memory.max", "4000", 4000),
        ("0::/outside", "memory.max", "3000", 3000),
        ("3:memory:/a", "memory/a/memory.limit_in_bytes", "2000", 2000),
        ("0::/a", "a/memory.max", "max", None),
        ("3:memory:/a", "memory/memory.limit_in_bytes", "9223372036854771712", None),
        ("2:cpu:/a", "cpu/a/memory.limit_in_bytes", "1000", None),
    ],
)
def test_memory_limit_is_the_least_of_all_groups(groups: str, file: str, text: str, limit: int | None, tmp_path: Path) -> None:
    """Both versions of control groups, our group and those around it; without a limit, the machine's memory."""
    path = tmp_path / "sys/fs/cgroup" / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups + "\n")
    machine = metrics.memory_limit_bytes(tmp_path / "nothing")
    assert (limit or machine) == metrics.memory_limit_bytes(tmp_path)


def test_promtool_finds_nothing_to_complain_of() -> None:
    """Names, types and help texts are as Prometheus wants them."""
    counted = watched()
    counted.request("GET", "/api/health", 200, 0.001)
    counted.turn("demo", "spoke", 0.5)
    counted.event("vote_cast")
    done = subprocess.run([binary("promtool"), "check", "metrics"], input=counted.text(), capture_output=True, check=False)
    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)


@contextmanager
def scraped(counted: Metrics, folder: Path) -> Iterator[str]:
    """A Prometheus that scrapes these metrics, while requests are being answered; its address."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            counted.request("GET", "/api/health", 200, 0.0004)
            counted.request("POST", "/api/debates", 500, 0.15)
            self.send_response(200)
            self.send_header("Content-Type", metrics.CONTENT_TYPE)
            self.end_headers()
            self.wfile.write(counted.text())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as page:
        threading.Thread(target=page.serve_forever, daemon=True).start()
        target = {"job_name": "aragora", "static_configs": [{"targets": [f"127.0.0.1:{page.server_port}"]}]}
        config = folder / "prometheus.yml"
        config.write_text(
            json.dumps({"global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"}, "scrape_configs": [target]})
        )
        command = [binary("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}"]
        with subprocess.Popen(
            [*command, "--web.listen-address=127.0.0.1:0", "--log.format=json"], stderr=subprocess.PIPE, text=True
        ) as server:
            try:
                assert server.stderr is not None
                address = next(found[1] for line in server.stderr if (found := re.search(r"(127\.0\.0\.1:[1-9]\d*)", line)))
                threading.Thread(target=server.stderr.read, daemon=True).start()
                yield f"http://{address}"
            finally:
                server.terminate()
                page.shutdown()


def answer(address: str, query: str) -> list[float]:
    """The figures that a query gives now."""
    try:
        with urlopen(f"{address}/api/v1/query?{urlencode({'query': query})}", timeout=5) as reply:
            found = json.load(reply)
    except OSError:
        return []
    assert "success" == found["status"], query
    return [float(row["value"][1]) for row in found["data"]["result"]]


def test_queries_of_the_specification_have_answers(tmp_path: Path) -> None:
    """A Prometheus that scrapes us can answer every query and panel of the specification with numbers."""
    with scraped(watched(), tmp_path) as address:
        waiting, end = set(QUERIES), time.monotonic() + 60
        answers: dict[str, list[float]] = {}
        while waiting and time.monotonic() < end:
            time.sleep(0.2)
            answers |= {query: answer(address, query) for query in waiting}
            waiting = {query for query in waiting if not answers[query] or any(each != each for each in answers[query])}  # noqa: PLR0124
    assert set() == waiting
    assert 0.5 == pytest.approx(answers[QUERIES[1]][0], abs=0.2)
    assert [3.0] == answers["aragora_active_debates"]
