"""Who can be asked now, and what that costs. May import `app`."""

import sys

import msgspec

from aragora import app
from aragora.cli.running import write_rows
from aragora.cli.terminal import clean, table
from aragora.config import Loaded
from aragora.providers import Agent
from aragora.providers.agents import Agents
from aragora.providers.endpoints import variable
from aragora.providers.money import listed_models, prices_date

HEADINGS = ("agent", "model", "USD per million tokens in", "out", "about")


class Row(msgspec.Struct):
    """An agent that can be asked by name, and the price of its model."""

    agent: str
    model: str
    usd_in: float | None
    usd_out: float | None
    about: str


def list_agents(loaded: Loaded, *, as_json: bool) -> None:
    """Agents by name, then the providers that take any model."""
    agents = app.agents_of(loaded)
    rows = [_row(agents, agent) for agent in agents.known()]
    if as_json:
        write_rows(rows)
        return
    table([(row.agent, row.model, _price(row.usd_in), _price(row.usd_out), clean(row.about)) for row in rows], HEADINGS)
    sys.stdout.writelines(f"{line}\n" for line in _providers(agents))


def _row(agents: Agents, agent: Agent) -> Row:
    model = f"{agent.provider}:{agent.model}" if agent.model else agent.provider
    about = agent.persona + "".join(f" Falls back to {name}." for name in agent.fallback)
    usd_in, usd_out = agents.price(agent) or (None, None)
    return Row(agent.name, model, usd_in, usd_out, about)


def _price(usd: float | None) -> str:
    return "unknown" if usd is None else f"{usd:g}"


def _providers(agents: Agents) -> list[str]:
    lines = [""]
    for name, source in agents.catalogue.sources.items():
        if source.usable and source.chosen:
            lines.append(f"{name}:MODEL can be asked; the prices of {listed_models(name)} models are known.")
        elif source.usable:
            lines.append(f"{name}:MODEL is asked at {source.endpoint.base_url}, if something answers there.")
        else:
            lines.append(f"{name}:MODEL needs a key: set {variable(name, 'API_KEY')} or {variable(name, 'API_KEY')}_FILE.")
    return [*lines, f"Prices of {prices_date()}, where none are set in aragora.toml."]
