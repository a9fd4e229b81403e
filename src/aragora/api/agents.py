"""Agents and their ranking over HTTP. May import its siblings and store records."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import JSON, listing
from aragora.api.lists import listed
from aragora.api.query import Query
from aragora.api.standings import ranking_of, row_of_agent
from aragora.api.strengths import judge_of
from aragora.providers import Agent


async def index(parts: Parts, request: Request) -> Response:
    """Agents with a name of their own, with their record; those that lack a key say so."""
    return await _listed(parts, request, parts.agents.declared(), "agents")


async def available(parts: Parts, request: Request) -> Response:
    """Agents that can be asked now, with their record."""
    return await _listed(parts, request, parts.agents.known(), "available")


async def _listed(parts: Parts, request: Request, known: Sequence[Agent], kind: str) -> Response:
    query = Query(request)
    limit, offset = query.whole("limit", 100, low=1, high=1000), query.whole("offset", 0, low=0, high=10_000)
    query.done()
    key = f"{kind}/{limit}/{offset}"
    kept = parts.cache.get(key)
    if kept is None:
        page = known[offset : offset + limit]
        standings = {standing.agent: standing for agent in page for standing in await parts.ranks.standing(agent.name)}
        rows = [row_of_agent(parts.agents, agent, standings.get(agent.name)) for agent in page]
        kept = listing(rows, "agents", total=len(known), limit=limit, offset=offset)
        parts.cache.put(key, kept, ttl_s=min(AGENTS_TTL_S, parts.settings.cache_ttl_fast))
    return Response(kept, media_type=JSON)


async def leaderboard(parts: Parts, request: Request) -> Response:
    """Agents by strength, those who have played enough first; as the panel judged, or people."""
    query = Query(request)
    limit, offset = query.whole("limit", 20, low=1, high=100), query.whole("offset", 0, low=0, high=10_000)
    judge = judge_of(query)
    query.done()
    found = await parts.ranks.board(judge, limit=limit, offset=offset)
    rows = [ranking_of(offset + place, standing) for place, standing in enumerate(found, 1)]
    total = await parts.ranks.total(judge)
    return listed(rows, "rankings", "agents", total=total, limit=limit, offset=offset)


# An agent's record may be this old in the list of agents; the leaderboard itself is always as last committed.
AGENTS_TTL_S = 2
