"""Alerts ring when they should, and everything that rules and dashboard ask for is there on a server under load."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

import servers
from builders import WAIT_S, Served, served
from services import binary

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus"
DASHBOARD = json.loads((DEPLOY / "grafana/dashboard.json").read_text("utf-8"))
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
# The four panels of the specification, query for query.
SEEDS = {
    "Request Rate": ["rate(aragora_request_total[1m])"],
    "Latency p50/p99": [
        f"histogram_quantile({share}, rate(aragora_request_duration_seconds_bucket[5m]))" for share in ("0.5", "0.99")
    ],
    "Error Rate": ['sum(rate(aragora_request_total{status=~"5.."}[5m])) / sum(rate(aragora_request_total[5m])) * 100'],
    "Active Debates": ["aragora_active_debates"],
}
# Each alert's threshold as the specification has it.
THRESHOLDS = (
    "> 2\n",
    "> 0.01\n",
    "aragora_active_debates > 100\n",
    "> 24\n",
    "> 0.8\n",
    "> 80\n",
    "aragora_ws_connections > 1000\n",
)
SUFFIXES = re.compile(r"_(bucket|count|sum)$")


def named(text: str) -> set[str]:
    """The metrics that a text names, without what Prometheus adds for histograms."""
    return {SUFFIXES.sub("", name) for name in re.findall(r"\baragora_[a-z0-9_]+", text)}


def use(server: Served) -> None:
    """Everything that a metric counts: debates, votes, errors of callers, watchers on both kinds of stream."""
    body = {"topic": "Load?", "agents": ["demo", "demo"], "rounds": 2}
    debate_id = server.ask("/api/debates", body).json["id"]
    with connect(f"ws://127.0.0.1:{server.api_port}/ws?debate_id={debate_id}") as socket:
        server.ask(f"/api/debates/{debate_id}/vote", {"choice": "demo", "voter": "me"})
        server.ask(f"/api/debates/{debate_id}/events/stream")
        while '"debate_end"' not in str(socket.recv(WAIT_S)):
            pass
    for path in ("/api/health", "/api/debates?limit=20", f"/api/debates/{debate_id}", "/api/leaderboard", "/api/nothing"):
        server.ask(path)


def scrape(server: Served) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """What /metrics says, by name and labels."""
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for family in text_string_to_metric_families(server.ask("/metrics").body.decode()):
        for each in family.samples:
            found.setdefault(each.name, {})[frozenset(each.labels.items())] = each.value
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose debates take a moment, so that some are watched live."""
    with served(tmp_path_factory.mktemp("operate"), demo_delay_s=0.1) as server:
        use(server)
        yield server


def figures(address: str, query: str) -> list[float]:
    """What a query gives now; nothing while Prometheus starts."""
    found = servers.prometheus_answers(address, "query", query=query)
    return [float(row["value"][1]) for row in found.get("result", [])]


def unanswered(address: str, queries: set[str]) -> set[str]:
    """Those queries that give no number yet; a series of a route that nobody asked lately may be none."""
    return {query for query in queries if all(each != each for each in figures(address, query))}  # noqa: PLR0124  # NaN


def test_promtool_accepts_the_rules_and_the_configuration() -> None:
    """They are what Prometheus reads."""
    for kind, file in (("rules", "rules.yml"), ("config", "prometheus.yml")):
        done = subprocess.run([binary("promtool"), "check", kind, RULES / file], capture_output=True, text=True, check=False)
        assert (0, "") == (done.returncode, done.stderr)


def test_alerts_ring_above_their_thresholds_and_only_there() -> None:
    """What rules.test.yml says of each alert holds."""
    done = subprocess.run(
        [binary("promtool"), "test", "rules", RULES / "rules.test.yml"], capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)


def test_a_wrong_threshold_is_found(tmp_path: Path) -> None:
    """Every threshold moved by a little makes the rules fail their tests."""
    rules, tests = ((RULES / name).read_text("utf-8") for name in ("rules.yml", "rules.test.yml"))
    (tmp_path / "rules.test.yml").write_text(tests)
    for right, wrong in (
        ("> 2\n", "> 6\n"),
        ("> 80\n", "> 79\n"),
        ("> 14.4 * 0.001", "> 24 * 0.001"),
        ("> 6 * 0.01", "> 8 * 0.01"),
    ):
        assert right in rules
        (tmp_path / "rules.yml").write_text(rules.replace(right, wrong))
        command = [binary("promtool"), "test", "rules", str(tmp_path / "rules.test.yml")]
        assert 1 == subprocess.run(command, capture_output=True, check=False).returncode, wrong


def test_thresholds_are_those_of_the_specification() -> None:
    """Seven alerts, seven figures."""
    rules = (RULES / "rules.yml").read_text("utf-8")
    assert [] == [each for each in THRESHOLDS if each not in rules]


def test_every_alert_is_tested_both_ways() -> None:
    """No alert is without a case in which it rings and one in which it is silent."""
    rules, tests = ((RULES / name).read_text("utf-8") for name in ("rules.yml", "rules.test.yml"))
    alerts = set(re.findall(r"alert: (\w+)", rules))
    cases = re.findall(r"alertname: (\w+)\n\s+exp_alerts:( \[\])?", tests)
    assert (alerts, alerts) == ({name for name, silent in cases if silent}, {name for name, silent in cases if not silent})


def test_the_dashboard_has_the_panels_of_the_specification() -> None:
    """Its titles and its queries."""
    panels = {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in DASHBOARD["panels"]}
    assert SEEDS == {title: panels[title] for title in SEEDS}


def test_every_metric_that_is_asked_for_exists(server: Served) -> None:
    """On a server that is used, /metrics has what rules and dashboard name, every gauge and every step."""
    asked = named((RULES / "rules.yml").read_text("utf-8")) | named("\n".join(QUERIES))
    found = scrape(server)
    assert set() == asked - {SUFFIXES.sub("", name) for name in found}
    steps = {dict(labels)["step"] for labels in found["aragora_round_step_seconds_count"]}
    assert {"context", "agent", "consensus", "record", "broadcast"} == steps
    created = {dict(labels)["step"] for labels in found["aragora_request_step_seconds_count"]}
    assert {"auth", "parse", "validate", "logic", "write", "read", "serialize"} == created


def test_every_documented_metric_is_live(server: Served) -> None:
    """What the reference lists is what a used server says; the bus is told of only where there is Redis."""
    listed = set(
        re.findall(r"^\| `(aragora_\w+)`", (DEPLOY.parent / "docs/reference/metrics.md").read_text("utf-8"), re.MULTILINE)
    )
    assert {"aragora_bus_up"} == listed - {SUFFIXES.sub("", name) for name in scrape(server)}


def test_an_event_is_delivered_to_both_kinds_of_watcher(server: Served) -> None:
    """Live events are timed, once for each watcher; what is read later from the log is not."""
    name, end = "aragora_event_delivery_seconds_count", frozenset({("type", "debate_end")})
    before = scrape(server)[name][end]
    debate_id = server.ask("/api/debates", {"topic": "Late?", "agents": ["demo"], "rounds": 1}).json["id"]
    server.ask(f"/api/debates/{debate_id}/events/stream")
    live = scrape(server)[name][end]
    server.ask(f"/api/debates/{debate_id}/events/stream")
    assert [before + 1, before + 1] == [live, scrape(server)[name][end]]


def test_a_stream_is_counted_and_not_timed(server: Served) -> None:
    """It lasts as long as somebody watches, which would make a nonsense of the latency of answers."""
    route = {("method", "GET"), ("endpoint", "/api/debates/{id}/events/stream")}
    found = scrape(server)
    assert 1 <= found["aragora_request_total"][frozenset({*route, ("status", "200")})]
    assert 0 == found["aragora_request_duration_seconds_count"][frozenset(route)]


def test_every_panel_has_data(server: Served, tmp_path: Path) -> None:
    """A Prometheus that scraped a server under load answers every query of the dashboard and knows our rules."""
    with servers.prometheus(server.api_port, tmp_path) as address:
        waiting, end = set(QUERIES), time.monotonic() + 60
        while waiting and time.monotonic() < end:
            use(server)
            waiting = unanswered(address, waiting)
        assert set() == waiting
        groups = servers.prometheus_answers(address, "rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert {"ok"} == {rule["health"] for rule in rules}


def ringing(address: str) -> set[str]:
    """The alerts that ring now."""
    found = servers.prometheus_answers(address, "alerts").get("alerts", [])
    return {alert["labels"]["alertname"] for alert in found if alert["state"] == "firing"}


def until(address: str, wanted: set[str], work: Callable[[], object]) -> set[str]:
    """Do the work again and again until these ring; everything that rings then."""
    end = time.monotonic() + 60
    while not wanted <= (found := ringing(address)) and time.monotonic() < end:
        work()
    return found


def test_alerts_ring_on_a_real_server(tmp_path: Path) -> None:
    """None on one that is used and well; each when its fault is there: too many debates, then a server that is gone."""
    watched = 'aragora:errors:ratio_5m == 0 and aragora:slow:ratio_5m < 0.01 and on() count_over_time(up{job="aragora"}[1m]) > 10'
    with (
        served(tmp_path / "server", demo_delay_s=60) as server,
        servers.prometheus(server.api_port, tmp_path, alerts_after="1s") as address,
    ):
        end = time.monotonic() + 60
        while not figures(address, watched) and time.monotonic() < end:
            server.ask("/api/debates?limit=20")
        assert set() == ringing(address) - {"AragoraCpu"}  # what else this machine does may keep the server busy
        for _ in range(101):
            server.ask("/api/debates", {"topic": "Too many?", "agents": ["demo", "demo"], "rounds": 1})
        rung = until(address, {"AragoraActiveDebates"}, lambda: time.sleep(0.1))
        assert {"AragoraActiveDebates"} == rung - {"AragoraCpu"}
        server.kill()
        assert "AragoraDown" in until(address, {"AragoraDown"}, lambda: time.sleep(0.1))


def test_the_picture_shows_every_panel_with_data() -> None:
    """`make dashboard` drew it; a panel that is new is missing in it until that is done again."""
    picture = (DEPLOY.parent / "docs/pictures/dashboard.svg").read_text("utf-8")
    assert [] == [panel["title"] for panel in DASHBOARD["panels"] if f">{escape(panel['title'])}<" not in picture]
    assert "no data" not in picture
