"""Agents and their ranking over HTTP. May import its siblings and store records."""

from starlette.requests import Request
from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import JSON, AgentRow, listing, ranking_of
from aragora.api.query import Query
from aragora.debate.ranking import START
from aragora.providers import Agent
from aragora.store.records import Standing


async def index(parts: Parts, request: Request) -> Response:
    """Agents that can be asked, with their record."""
    query = Query(request)
    limit, offset = query.whole("limit", 100, low=1, high=1000), query.whole("offset", 0, low=0, high=10_000)
    query.done()
    key = f"agents/{limit}/{offset}"
    kept = parts.cache.get(key)
    if kept is None:
        known = parts.agents.known()
        standings = {standing.agent: standing for agent in known for standing in await parts.store.standing(agent.name)}
        rows = [row_of_agent(agent, standings.get(agent.name)) for agent in known[offset : offset + limit]]
        kept = listing(rows, "agents", total=len(known), limit=limit, offset=offset)
        parts.cache.put(key, kept, ttl_s=min(AGENTS_TTL_S, parts.settings.cache_ttl_fast))
    return Response(kept, media_type=JSON)


async def leaderboard(parts: Parts, request: Request) -> Response:
    """Agents by rating, best first."""
    query = Query(request)
    limit, offset = query.whole("limit", 20, low=1, high=100), query.whole("offset", 0, low=0, high=10_000)
    query.done()
    found = await parts.store.leaderboard(limit=limit, offset=offset)
    rows = [ranking_of(offset + place, standing) for place, standing in enumerate(found, 1)]
    total = await parts.store.ranked()
    return Response(listing(rows, "rankings", "agents", total=total, limit=limit, offset=offset), media_type=JSON)


# An agent's record may be this old in the list of agents; the leaderboard itself is always as last committed.
AGENTS_TTL_S = 2


def row_of_agent(agent: Agent, standing: Standing | None) -> AgentRow:
    """An agent for a list, with its record if it has one."""
    known = standing or Standing(agent=agent.name, elo=START, wins=0, losses=0, draws=0, debates=0)
    return AgentRow(
        name=agent.name,
        provider=agent.provider,
        model=agent.model,
        about=agent.persona,
        elo=round(known.elo, 1),
        matches=known.wins + known.losses + known.draws,
        wins=known.wins,
        losses=known.losses,
        draws=known.draws,
    )
