"""What is told about agents, providers and objectives: by a real server whose one vendor cannot be reached."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aragora.metrics import Metrics
from aragora.objectives import EVERY_S, Objectives
from builders import WAIT_S, Served, served
from people import Person

TABLES = """
[providers.openai]
base_url = "http://127.0.0.1:9/v1"
[providers.openai.prices.nobody]
input = 1.25
output = 10.0
[agents.dead]
model = "openai:nobody"
[agents.keyless]
model = "anthropic:claude-sonnet-4-5"
[agents.priceless]
model = "openai:model-of-my-own"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a vendor that cannot be reached, and one without a key."""
    folder = tmp_path_factory.mktemp("status")
    (folder / "aragora.toml").write_text(TABLES, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "sk-for-nobody")
        patch.delenv("ANTHROPIC_API_KEY", raising=False)
        with served(folder) as running:
            yield running


def agents_of(server: Served) -> dict[str, dict[str, Any]]:
    """Agents by name."""
    return {row["name"]: row for row in server.ask("/api/agents").json["agents"]}


def test_agents_say_whether_they_can_be_asked_and_for_how_much(server: Served) -> None:
    """A key that is missing, a price that is unknown and a price of nothing are three different things."""
    shown = agents_of(server)
    told = {name: [shown[name][field] for field in ("provider", "configured", "usd_per_million_in")] for name in shown}
    assert ["demo", True, 0.0] == told["demo"]
    assert ["openai", True, 1.25] == told["dead"]
    assert ["openai", True, None] == told["priceless"]
    assert ["anthropic", False, 3.0] == told["keyless"]
    assert (10.0, 15.0) == (shown["dead"]["usd_per_million_out"], shown["keyless"]["usd_per_million_out"])
    ready = {row["name"] for row in server.ask("/api/v1/agents/availability").json["agents"]}
    assert {*shown} - {"keyless"} == ready


def test_agent_that_fails_is_seen_to_fail(server: Served, tmp_path: Path) -> None:
    """Its breaker opens, its calls are counted as failed, and its provider is as it is; others are well."""
    Person(server).held(agents=["demo", "dead", "dead", "dead"], rounds=1)
    deadline = time.monotonic() + WAIT_S
    while "closed" == (health := agents_of(server)["dead"]["health"])["state"]:
        assert time.monotonic() < deadline  # the list of agents may be two seconds old
        time.sleep(0.05)
    assert (1.0, None, "unavailable") == (health["error_rate"], health["latency_s"], health["last_fault"])
    assert health["calls"] >= 5
    assert {"state": "closed", "calls": 0, "error_rate": None} == {
        name: agents_of(server)["demo"]["health"][name] for name in ("state", "calls", "error_rate")
    }
    providers = {row["name"]: row for row in server.ask("/api/v1/status").json["providers"]}
    assert providers["openai"]["state"] in {"open", "half_open"}
    assert ["nobody"] == [model["model"] for model in providers["openai"]["models"]]
    assert (False, "ANTHROPIC_API_KEY") == (providers["anthropic"]["configured"], providers["anthropic"]["needs"])
    assert (True, None) == (providers["ollama"]["configured"], providers["ollama"]["needs"])


def test_status_tells_what_an_operator_looks_at(server: Served) -> None:
    """Debates with their bounds, and both objectives over two windows, none of whose budget is used up."""
    told = server.ask("/api/status").json
    assert {"running", "running_max", "queued", "queued_max", "followed", "total"} == {*told["debates"]}
    assert ("healthy", told["debates"]["total"]) == (told["status"], told["figures"]["debates_total"])
    burns = [(burn["objective"], burn["window_s"], burn["burn_rate"]) for burn in server.ask("/api/status").json["objectives"]]
    assert [("availability", 300, 0.0), ("latency", 300, 0.0), ("availability", 3600, 0.0), ("latency", 3600, 0.0)] == burns


def test_budget_burns_within_its_window() -> None:
    """One failure and two slow answers in a hundred: ten times and twice what may be; nothing is left of it a window later."""
    now, counted = 0.0, Metrics()
    watched = Objectives(counted, clock=lambda: now)
    assert [None] * 4 == [burn.burn_rate for burn in watched.burns()]
    for number in range(100):
        counted.request("GET", "/x", 500 if number == 0 else 200, 0.6 if number < 2 else 0.5)
    assert [10.0, 2.0, 10.0, 2.0] == [burn.burn_rate for burn in watched.burns()]
    while now < 400:
        now += EVERY_S
        watched.look()
    assert [None, None, 10.0, 2.0] == [burn.burn_rate for burn in watched.burns()]
    assert [300.0, 400.0] == [burn.seconds for burn in watched.burns()][::2]
