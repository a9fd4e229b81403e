"""Builders for tests that ask models: endpoints on the test server, requests, and what it takes to run them."""

import asyncio
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from aragora.debate.model import Brief, Phase, Turn, seats_for
from aragora.debate.prompts import prepare
from aragora.providers import Agent, Budget, Request
from aragora.providers.agents import Agents
from aragora.providers.endpoints import Catalogue, catalogue

T = TypeVar("T")

KEY = "sk-planted-0123456789abcdef"
# A provider for each wire, and what stands between the root of the test server and the base URL that its vendor's SDK takes.
PROVIDERS = {"openai": "/v1", "anthropic": "", "google": "", "mistral": ""}
QUICK = {"first_token_s": 0.6, "idle_s": 0.6, "connect_s": 2.0}


@contextmanager
def models(pace_s: float = 0.0) -> Iterator[str]:
    """A models server in a process of its own, and its root URL."""
    command = [sys.executable, str(Path(__file__).with_name("models_server.py")), str(pace_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def run(task: Coroutine[Any, Any, T]) -> T:
    """Run on the loop that the product uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(task)


def a_catalogue(url: str, agents: dict[str, dict[str, object]] | None = None, /, **table: object) -> Catalogue:
    """Every vendor, reached at the test server with a planted key."""
    faults: list[str] = []
    tables = {name: {**QUICK, "base_url": url + path, "requests_per_minute": 0, **table} for name, path in PROVIDERS.items()}
    made = catalogue(agents or {}, tables, lambda name: KEY if name.endswith("_API_KEY") else "", faults)
    assert not faults
    return made


def some_agents(url: str, agents: dict[str, dict[str, object]] | None = None, /, **table: object) -> Agents:
    """Agents that ask the test server, without pauses between retries."""
    return Agents(demo_delay_s=0, catalogue=a_catalogue(url, agents, **table), jitter=lambda: 0.0)


def a_request(
    agent: Agent | str,
    *,
    timeout_s: float = 5.0,
    phase: Phase = Phase.PROPOSE,
    budget: Budget | None = None,
    debate_id: str = "d",
) -> Request:
    """A turn of the first seat, put to an agent."""
    if isinstance(agent, str):
        provider, _, model = agent.partition(":")
        agent = Agent(name=agent, provider=provider, model=model)
    brief = Brief(topic="Does iron float?", seats=seats_for([agent.name, "demo"]))
    choices = tuple(seat.name for seat in brief.seats) if phase is Phase.VOTE else ()
    turn = Turn(round=1, phase=phase, seat=brief.seats[0], choices=choices)
    return Request(
        agent=agent,
        brief=brief,
        turn=turn,
        prompt=prepare(brief, turn),
        timeout_s=timeout_s,
        budget=budget or Budget(),
        debate_id=debate_id,
    )
