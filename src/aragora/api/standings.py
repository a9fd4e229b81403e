"""What clients get of agents and their ranking. May import its siblings, `debate`, providers and store records."""

import msgspec

from aragora.api.answers import ListOf
from aragora.debate.ranking import START
from aragora.providers import Agent
from aragora.providers.agents import Agents
from aragora.providers.gate import Condition
from aragora.store.records import Standing


class AgentRow(msgspec.Struct):
    """An agent with a name of its own: who it is, whether it can be asked, what it costs, how it has been, and its record."""

    name: str
    provider: str
    model: str
    about: str
    configured: bool  # whether it can be asked: its provider has a key, or needs none
    usd_per_million_in: float | None  # US dollars for a million tokens read; null: unknown
    usd_per_million_out: float | None  # and written
    health: Condition
    elo: float
    matches: int
    wins: int
    losses: int
    draws: int


class RankingRow(msgspec.Struct):
    """An agent's place on the leaderboard."""

    rank: int
    agent: str
    name: str
    agent_name: str
    elo: float
    wins: int
    losses: int
    draws: int
    games: int
    matches: int
    debates: int
    win_rate: float


AgentList = msgspec.defstruct("AgentList", [("agents", list[AgentRow]), ("items", list[AgentRow])], bases=(ListOf,))
Leaderboard = msgspec.defstruct(
    "Leaderboard",
    [("rankings", list[RankingRow]), ("agents", list[RankingRow]), ("items", list[RankingRow])],
    bases=(ListOf,),
)


def row_of_agent(agents: Agents, agent: Agent, standing: Standing | None) -> AgentRow:
    """An agent for a list, with its record if it has one."""
    known = standing or Standing(agent=agent.name, elo=START, wins=0, losses=0, draws=0, debates=0)
    usd_in, usd_out = agents.price(agent) or (None, None)
    return AgentRow(
        name=agent.name,
        provider=agent.provider,
        model=agent.model,
        about=agent.persona,
        configured=agents.usable(agent),
        usd_per_million_in=usd_in,
        usd_per_million_out=usd_out,
        health=agents.conditions(agent.provider).get(agent.model, Condition()),
        elo=round(known.elo, 1),
        matches=known.wins + known.losses + known.draws,
        wins=known.wins,
        losses=known.losses,
        draws=known.draws,
    )


def ranking_of(rank: int, standing: Standing) -> RankingRow:
    """A place on the leaderboard."""
    games = standing.wins + standing.losses + standing.draws
    return RankingRow(
        rank=rank,
        agent=standing.agent,
        name=standing.agent,
        agent_name=standing.agent,
        elo=round(standing.elo, 1),
        wins=standing.wins,
        losses=standing.losses,
        draws=standing.draws,
        games=games,
        matches=games,
        debates=standing.debates,
        win_rate=round((standing.wins + standing.draws / 2) / games, 4) if games else 0.0,
    )
