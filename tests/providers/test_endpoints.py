"""Providers, aliases and keys from the configuration: what is known, what is refused, and that no value is repeated."""

import subprocess
import sys
from pathlib import Path

import pytest

from aragora.errors import Invalid
from aragora.providers.agents import Agents
from aragora.providers.endpoints import ENDPOINTS, Catalogue, Source, catalogue
from aragora.providers.money import Level

Tables = dict[str, dict[str, object]]


def a_reading(agents: Tables | None = None, providers: Tables | None = None, /, **secrets: str) -> tuple[Catalogue, list[str]]:
    """What the tables and variables make, and their faults."""
    faults: list[str] = []
    return catalogue(agents or {}, providers or {}, lambda name: secrets.get(name, ""), faults), faults


def test_a_key_is_all_that_a_known_vendor_needs() -> None:
    """Each of the four is reached at its own address with its own variable; the others say which one they need."""
    keys = {f"{name}_API_KEY": "k" for name in ("ANTHROPIC", "OPENAI", "GEMINI", "MISTRAL")}
    known, faults = a_reading(None, None, **keys)
    assert faults == []
    usable = {name for name, source in known.sources.items() if source.usable}
    assert usable == {"anthropic", "openai", "google", "mistral", "ollama", "lmstudio", "vllm"}
    assert known.sources["google"].endpoint.base_url == "https://generativelanguage.googleapis.com"
    with pytest.raises(Invalid, match="XAI_API_KEY"):
        Agents(demo_delay_s=0, catalogue=known).find("xai:grok-4")


def test_addresses_come_from_the_file_first_and_then_from_the_variables() -> None:
    """The configuration is the nearer of the two."""
    known, faults = a_reading(
        None,
        {"anthropic": {"base_url": "https://gateway.example/a"}},
        ANTHROPIC_BASE_URL="https://else.example",
        GEMINI_BASE_URL="http://localhost:1/g",
    )
    assert faults == []
    assert known.sources["anthropic"].endpoint.base_url == "https://gateway.example/a"
    assert known.sources["google"].endpoint.base_url == "http://localhost:1/g"


def test_an_alias_has_a_model_a_persona_and_stand_ins() -> None:
    """It is found by its name, and listed only while its provider can be asked."""
    tables: Tables = {"sceptic": {"model": "openai:gpt-4o", "persona": "You doubt.", "fallback": ["demo", "mistral:m"]}}
    known, faults = a_reading(tables, OPENAI_API_KEY="k")
    assert faults == []
    agents = Agents(demo_delay_s=0, catalogue=known)
    agent = agents.find("sceptic")
    assert (agent.provider, agent.model, agent.persona, agent.fallback) == (
        "openai",
        "gpt-4o",
        "You doubt.",
        ("demo", "mistral:m"),
    )
    assert agent in agents.known()
    keyless, _ = a_reading(tables)
    assert "sceptic" not in [each.name for each in Agents(demo_delay_s=0, catalogue=keyless).known()]


def test_limits_and_prices_can_be_set_and_have_defaults() -> None:
    """The specification's table, the package's list, and what the configuration says instead."""
    table: dict[str, object] = {"requests_per_minute": 1000, "prices": {"gpt-4o": {"input": 1.0, "output": 2.0}}}
    known, faults = a_reading(None, {"openai": table})
    assert faults == []
    assert known.sources["openai"].limits("gpt-4o").requests_per_minute == 1000
    assert known.sources["openai"].price("gpt-4o") == (Level(0, 1.0, 2.0),)
    assert known.sources["openai"].price("gpt-4o-mini") is not None
    rates = {
        ("anthropic", "claude-sonnet-4-6"): 60,
        ("anthropic", "claude-haiku-4-5"): 100,
        ("openai", "gpt-4o"): 60,
        ("openai", "gpt-4o-mini"): 200,
        ("google", "gemini-2.5-pro"): 60,
        ("mistral", "mistral-large-latest"): 50,
        ("ollama", "llama3"): 0,
    }
    plain = {name: Source(endpoint=endpoint) for name, endpoint in ENDPOINTS.items()}
    assert rates == {(name, model): plain[name].limits(model).requests_per_minute for name, model in rates}


WRONG: list[tuple[Tables, Tables, str]] = [
    ({}, {"own": {"wire": "openai"}}, "[providers.own]: a provider that is not known by name needs `wire` and `base_url`"),
    ({}, {"own": {"wire": "carrier-pigeon", "base_url": "http://x"}}, "`wire` must be one of"),
    ({}, {"own": {"wire": "openai", "base_url": "ftp://planted"}}, "`base_url` must begin with http"),
    ({}, {"Own!": {"wire": "openai", "base_url": "http://x"}}, "its name must be letters"),
    ({}, {"openai": {"idle_s": 0}}, "waits must be above 0"),
    ({}, {"openai": {"tokens_out_max": 0}}, "must be at least 1"),
    ({}, {"openai": {"headers": {"X": "planted\n"}}}, "`headers` must be plain"),
    ({}, {"openai": {"prices": {"m": {"input": -1, "output": 1}}}}, "prices must be 0 or more"),
    ({}, {"openai": {"speed": "planted"}}, "unknown field `speed`"),
    ({}, {"openai": {"calls_max": "planted"}}, "Expected `int`, got `str`"),
    ({"a": {"model": "planted"}}, {}, "`model` must be `provider:model`"),
    ({"a": {"persona": "planted"}}, {}, "missing required field `model`"),
    ({"demo": {"model": "openai:x"}}, {}, "and not `demo`"),
    ({"a": {"model": "openai:x", "fallback": ["planted"]}}, {}, "`fallback` must name other agents"),
    ({"a": {"model": "openai:x", "fallback": ["a"]}}, {}, "`fallback` must name other agents"),
    ({"a": {"model": "openai:x", "fallback": ["demo"] * 5}}, {}, "at most 4 agents"),
]


@pytest.mark.parametrize(("agents", "providers", "fault"), WRONG)
def test_what_is_wrong_is_said_and_not_repeated(agents: Tables, providers: Tables, fault: str) -> None:
    """Each fault names its table; no value is echoed."""
    _, faults = a_reading(agents, providers)
    assert len(faults) == 1
    assert fault in faults[0]
    assert "planted" not in faults[0]


def test_a_variable_that_cannot_be_read_is_a_fault_of_its_own() -> None:
    """The reason is told by the variable's name."""

    def secret(name: str) -> str:
        if name == "OPENAI_API_KEY":
            raise ValueError("its file cannot be read as text")
        return ""

    faults: list[str] = []
    catalogue({}, {}, secret, faults)
    assert faults == ["OPENAI_API_KEY: its file cannot be read as text"]


@pytest.mark.parametrize("name", ["", "openai", "openai:", "nobody:x", "demo:nobody", "openai:with space", "openai:" + "x" * 200])
def test_names_of_nobody_are_refused_without_being_repeated(name: str) -> None:
    """What is no agent is an error of the request."""
    known, _ = a_reading(OPENAI_API_KEY="k")
    with pytest.raises(Invalid) as refused:
        Agents(demo_delay_s=0, catalogue=known).find(name)
    assert not name or name not in refused.value.message


def test_those_who_ask_no_model_do_not_pay_for_the_client() -> None:
    """Reading the settings and building the agents imports neither aiohttp nor any vendor's package."""
    code = (
        "import sys; from aragora.providers.agents import Agents; Agents(demo_delay_s=0).known();"
        "print(sorted({'aiohttp', 'openai', 'anthropic', 'google', 'mistralai'} & set(sys.modules)))"
    )
    source = Path(__file__).parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(source)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
