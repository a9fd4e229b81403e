"""What clients get of agents and their ranking. May import its siblings, `debate`, providers and store records."""

import msgspec

from aragora.api.lists import list_of
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
    calibration_score: float | None  # 1 less the Brier score; null: it never said how sure it was


class RankingRow(msgspec.Struct):
    """An agent's place on the leaderboard. Strength is fitted over all results at once; Elo follows their order."""

    rank: int
    agent: str
    name: str
    agent_name: str
    strength: float | None  # null: not fitted yet
    strength_low: float | None  # of the 95 % interval
    strength_high: float | None
    rank_low: int | None  # the best place that the results allow
    rank_high: int | None  # the worst
    ranked: bool  # whether it has played enough for a rank to mean anything
    brier: float | None  # how well its stated confidence foretold; 0 is perfect
    forecasts: int
    elo: float
    wins: int
    losses: int
    draws: int
    games: int
    matches: int
    debates: int
    win_rate: float


AgentList = list_of("AgentList", AgentRow, "agents")
Leaderboard = list_of("Leaderboard", RankingRow, "rankings", "agents")


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
        calibration_score=None if known.brier is None else round(1 - known.brier, 4),
    )


def ranking_of(rank: int, standing: Standing) -> RankingRow:
    """A place on the leaderboard."""
    games, fitted = standing.wins + standing.losses + standing.draws, standing.strength
    return RankingRow(
        rank=rank,
        agent=standing.agent,
        name=standing.agent,
        agent_name=standing.agent,
        strength=round(fitted.rating, 1) if fitted else None,
        strength_low=round(fitted.low, 1) if fitted else None,
        strength_high=round(fitted.high, 1) if fitted else None,
        rank_low=fitted.rank_low if fitted else None,
        rank_high=fitted.rank_high if fitted else None,
        ranked=fitted is not None and fitted.ranked,
        brier=None if standing.brier is None else round(standing.brier, 4),
        forecasts=standing.forecasts,
        elo=round(standing.elo, 1),
        wins=standing.wins,
        losses=standing.losses,
        draws=standing.draws,
        games=games,
        matches=games,
        debates=standing.debates,
        win_rate=round((standing.wins + standing.draws / 2) / games, 4) if games else 0.0,
    )
