"""What agents did, over HTTP: rankings, profiles, matches, head to head. May import its siblings and the store.

Nothing here knows how a rating comes about: standings are asked for, matches are counted.
"""

from collections.abc import Callable, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import reply
from aragora.api.callers import caller_of
from aragora.api.lists import list_of, listed
from aragora.api.query import Query
from aragora.api.standings import RankingRow, ranking_of
from aragora.debate.model import held_by_person
from aragora.debate.ranking import START
from aragora.errors import Invalid, NotFound
from aragora.store.matches import Opponent, Played
from aragora.store.records import Reader, Standing

AGENTS_MAX = 1000
NAME_CHARS_MAX = 200
RECENT = 10

SORTS: dict[str, Callable[[RankingRow], float]] = {
    "strength": lambda row: row.strength or 0.0,
    "elo": lambda row: row.elo,
    "wins": lambda row: row.wins,
    "win_rate": lambda row: row.win_rate,
    "recent_activity": lambda row: row.debates,
}


class RankingStats(msgspec.Struct):
    """The ranking in a few figures."""

    total_agents: int
    average_elo: float | None
    mean_elo: float | None
    highest_elo: float | None
    lowest_elo: float | None
    total_matches: int


class MatchRow(msgspec.Struct):
    """Two agents compared by the support that they had in a debate; `score_a` is 1, 0.5 or 0."""

    id: str
    debate_id: str
    topic: str
    agent_a: str
    agent_b: str
    participants: list[str]
    score_a: float
    winner: str | None
    timestamp: str


class OpponentRow(msgspec.Struct):
    """How an agent did against another."""

    agent: str
    matches: int
    wins: int
    losses: int
    draws: int
    win_rate: float


class Profile(msgspec.Struct):
    """An agent: who it is, where it stands and whom it met."""

    name: str
    agent: str
    provider: str | None
    model: str | None
    about: str
    known: bool
    ranking: RankingRow | None
    elo: float
    matches: int
    wins: int
    losses: int
    draws: int
    win_rate: float
    recent_matches: list[MatchRow]
    opponents: list[OpponentRow]


class EloReport(msgspec.Struct):
    """An agent's rating. It follows from matches and cannot be set."""

    agent: str
    name: str
    elo: float
    rated: bool
    matches: int
    wins: int
    losses: int
    draws: int


class HeadToHead(msgspec.Struct):
    """Two agents against each other."""

    agent: str
    opponent: str
    agent1: str
    agent2: str
    matches: int
    agent_wins: int
    opponent_wins: int
    draws: int
    win_rate: float | None
    recent: list[MatchRow]


class Comparison(msgspec.Struct):
    """Two agents side by side, and against each other."""

    agent1: RankingRow
    agent2: RankingRow
    agents: list[RankingRow]
    head_to_head: HeadToHead


class LeaderboardView(msgspec.Struct):
    """The ranking and what led to it, in one answer."""

    rankings: list[RankingRow]
    matches: list[MatchRow]
    stats: RankingStats


MatchList = list_of("MatchList", MatchRow, "matches")
History = list_of("History", MatchRow, "history", "debates", "matches", agent=str)
OpponentList = list_of("OpponentList", OpponentRow, "opponents", "rivals", agent=str)


async def rankings(parts: Parts, request: Request) -> Response:
    """Agents in the order asked for; `rank` is always the place by strength."""
    query = Query(request)
    limit, offset = query.page()
    least = query.whole("min_debates", 0, low=0, high=10**9)
    sort, order = query.text("sort_by") or "elo", query.text("order") or "desc"
    if sort not in SORTS:
        query.wrong("sort_by", f"must be one of {', '.join(SORTS)}")
    if order not in ("asc", "desc"):
        query.wrong("order", "must be asc or desc")
    query.done()
    rows = [row for row in await _ranked(parts) if row.debates >= least]
    rows.sort(key=SORTS[sort], reverse=order == "desc")
    page = rows[offset : offset + limit]
    return listed(page, "rankings", "agents", total=len(rows), limit=limit, offset=offset)


async def _ranked(parts: Parts) -> list[RankingRow]:
    standings = await parts.ranks.board(limit=AGENTS_MAX)
    return [ranking_of(place, standing) for place, standing in enumerate(standings, 1)]


async def stats(parts: Parts, request: Request) -> Response:  # noqa: ARG001 - every handler takes the request
    """The ranking in a few figures."""
    return reply(await _stats(parts, await _ranked(parts)))


async def _stats(parts: Parts, rows: Sequence[RankingRow]) -> RankingStats:
    ratings = [row.elo for row in rows]
    mean = round(sum(ratings) / len(ratings), 1) if ratings else None
    return RankingStats(
        total_agents=len(rows),
        average_elo=mean,
        mean_elo=mean,
        highest_elo=max(ratings, default=None),
        lowest_elo=min(ratings, default=None),
        total_matches=await parts.matches.total(),
    )


async def view(parts: Parts, request: Request) -> Response:
    """The ranking, its figures and the newest matches."""
    rows = await _ranked(parts)
    found = [_match(each) for each in await parts.matches.recent(limit=RECENT, offset=0, reader=caller_of(request).reader)]
    return reply(LeaderboardView(rankings=rows[:100], matches=found, stats=await _stats(parts, rows)))


async def profile(parts: Parts, request: Request) -> Response:
    """Who an agent is, where it stands and whom it met."""
    name = _name(request.path_params["name"])
    known = None
    try:
        known = parts.agents.find(name)
    except Invalid:
        if not held_by_person(name) and not await parts.ranks.standing(name):
            raise NotFound("There is no such agent.") from None
    row = await _row(parts, name)
    rated = [each for each in await _ranked(parts) if each.agent == name]
    met = await parts.matches.opponents(name, limit=RECENT)
    recent = await parts.matches.of(name, limit=RECENT, offset=0, reader=caller_of(request).reader)
    answer = Profile(
        name=name,
        agent=name,
        provider=known.provider if known else None,
        model=known.model if known else None,
        about=known.persona if known else "",
        known=known is not None,
        ranking=rated[0] if rated else None,
        elo=row.elo,
        matches=row.matches,
        wins=row.wins,
        losses=row.losses,
        draws=row.draws,
        win_rate=row.win_rate,
        recent_matches=[_match(each) for each in recent],
        opponents=[_opponent(each) for each in met],
    )
    return reply(answer)


async def elo(parts: Parts, request: Request) -> Response:
    """An agent's rating; of one that has not played, where everybody starts."""
    row = await _row(parts, await agent_of(parts, request.path_params["name"]))
    answer = EloReport(
        agent=row.agent,
        name=row.agent,
        elo=row.elo,
        rated=row.rank > 0,
        matches=row.matches,
        wins=row.wins,
        losses=row.losses,
        draws=row.draws,
    )
    return reply(answer)


async def history(parts: Parts, request: Request) -> Response:
    """An agent's matches, newest first."""
    name, query = await agent_of(parts, request.path_params["name"]), Query(request)
    limit, offset = query.page()
    query.done()
    reader = caller_of(request).reader
    rows = [_match(each) for each in await parts.matches.of(name, limit=limit, offset=offset, reader=reader)]
    total = await parts.matches.total(name, reader=reader)
    return listed(rows, "history", "debates", "matches", total=total, limit=limit, offset=offset, agent=name)


async def opponents(parts: Parts, request: Request) -> Response:
    """Whom an agent met, most often first, and how it did."""
    name = await agent_of(parts, request.path_params["name"])
    rows = [_opponent(each) for each in await parts.matches.opponents(name, limit=100)]
    return listed(rows, "opponents", "rivals", agent=name)


async def head_to_head(parts: Parts, request: Request) -> Response:
    """Two agents against each other."""
    first = await agent_of(parts, request.path_params["name"])
    second = await agent_of(parts, request.path_params["other"])
    return reply(await _met(parts, first, second, caller_of(request).reader))


async def compare(parts: Parts, request: Request) -> Response:
    """Two agents side by side."""
    query = Query(request)
    given = [query.text("agent1"), query.text("agent2")]
    for place, name in enumerate(given, 1):
        if not name:
            query.wrong(f"agent{place}", "must be given")
    query.done()
    names = [await agent_of(parts, name) for name in given]
    one, two = [await _row(parts, name) for name in names]
    met = await _met(parts, names[0], names[1], caller_of(request).reader)
    answer = Comparison(agent1=one, agent2=two, agents=[one, two], head_to_head=met)
    return reply(answer)


async def matches(parts: Parts, request: Request) -> Response:
    """Matches of everybody, newest first."""
    query = Query(request)
    limit, offset = query.page()
    query.done()
    reader = caller_of(request).reader
    rows = [_match(each) for each in await parts.matches.recent(limit=limit, offset=offset, reader=reader)]
    return listed(rows, "matches", total=await parts.matches.total(reader=reader), limit=limit, offset=offset)


async def match(parts: Parts, request: Request) -> Response:
    """One match."""
    debate_id, _, place = request.path_params["match_id"].rpartition("-")
    known = place.isascii() and place.isdigit() and len(place) < 7  # noqa: PLR2004 - digits of a place
    found = await parts.matches.one(debate_id, int(place), caller_of(request).reader) if known else []
    if not found:
        raise NotFound("There is no such match.")
    return reply(_match(found[0]))


async def _met(parts: Parts, name: str, other: str, reader: Reader | None) -> HeadToHead:
    found = [each for each in await parts.matches.opponents(name, limit=AGENTS_MAX) if each.agent == other]
    met = found[0] if found else Opponent(agent=other, matches=0, score=0.0, wins=0, losses=0)
    return HeadToHead(
        agent=name,
        opponent=other,
        agent1=name,
        agent2=other,
        matches=met.matches,
        agent_wins=met.wins,
        opponent_wins=met.losses,
        draws=met.matches - met.wins - met.losses,
        win_rate=round(met.score / met.matches, 4) if met.matches else None,
        recent=[_match(each) for each in await parts.matches.between(name, other, limit=RECENT, reader=reader)],
    )


def _name(given: str) -> str:
    if len(given) > NAME_CHARS_MAX:
        raise NotFound("There is no such agent.")
    return given


async def agent_of(parts: Parts, given: str) -> str:
    """The name of an agent that can be asked, or that has played."""
    name = _name(given)
    try:
        return parts.agents.find(name).name
    except Invalid:
        if held_by_person(name) or await parts.ranks.standing(name):
            return name
    raise NotFound("There is no such agent.")


async def _row(parts: Parts, name: str) -> RankingRow:
    """Where an agent stands; rank 0 when it has not played."""
    found = [row for row in await _ranked(parts) if row.agent == name]
    if found:
        return found[0]
    return ranking_of(0, Standing(agent=name, elo=START, wins=0, losses=0, draws=0, debates=0))


def _match(played: Played) -> MatchRow:
    winner = None if played.score == 0.5 else played.a if played.score > 0.5 else played.b  # noqa: PLR2004 - a draw
    return MatchRow(
        id=f"{played.debate_id}-{played.place}",
        debate_id=played.debate_id,
        topic=played.topic,
        agent_a=played.a,
        agent_b=played.b,
        participants=[played.a, played.b],
        score_a=played.score,
        winner=winner,
        timestamp=played.at,
    )


def _opponent(met: Opponent) -> OpponentRow:
    return OpponentRow(
        agent=met.agent,
        matches=met.matches,
        wins=met.wins,
        losses=met.losses,
        draws=met.matches - met.wins - met.losses,
        win_rate=round(met.score / met.matches, 4),
    )
