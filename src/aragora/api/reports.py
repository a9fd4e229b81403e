"""What a debate's log adds up to, over HTTP: rounds, consensus, summary, timeline, costs. May import its siblings."""

from collections import Counter
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import Consensus, MessageRow, VoteRow, debate_of, message_of, reply, vote_of
from aragora.api.lists import list_of, listed
from aragora.api.query import Query
from aragora.debate.model import Message, Phase, Tally
from aragora.store.records import Record

ALL = 100_000
EXCERPT_CHARS = 280
ROUNDS_MAX, AGENTS_MAX = 100, 100
# A rough guess for estimates: what a turn reads and writes when nothing is known of the question yet.
TURN_TOKENS_IN, TURN_TOKENS_OUT = 1_500, 400
FREE = "demo"


class RoundRow(msgspec.Struct):
    """A round: what was said in it, its ballots, and how they fell."""

    round_number: int
    round: int
    complete: bool
    messages: list[MessageRow]
    votes: list[VoteRow]
    tally: Tally | None
    summary: str


class SeatRow(msgspec.Struct):
    """A seat of a debate, and what it did."""

    name: str
    agent: str
    messages: int
    votes: int
    abstentions: int
    supported_outcome: bool | None


class ConsensusReport(msgspec.Struct):
    """Whether and how far the seats agreed, and what people thought beside them."""

    debate_id: str
    status: str
    reached: bool
    outcome: str | None
    decision: str | None
    agreement: float
    confidence: float
    final_answer: str
    supporting_agents: list[str]
    dissenting_agents: list[str]
    rule: str
    tally: Tally | None
    people: dict[str, int]


class ConvergenceReport(msgspec.Struct):
    """How agreement moved from round to round: the share of all seats behind the leading answer."""

    debate_id: str
    status: str
    converged: bool
    agreement: float | None
    by_round: list[dict[str, float]]
    trend: str


class SummaryReport(msgspec.Struct):
    """A debate in a paragraph and a few figures. Nothing in it is written by a model."""

    debate_id: str
    topic: str
    status: str
    outcome: str | None
    summary: str
    final_answer: str | None
    rounds_used: int
    messages: int
    abstentions: int
    dissent: list[str]


class TimelineRow(msgspec.Struct):
    """An event, in brief."""

    seq: int
    timestamp: str
    type: str
    round: int | None
    phase: str | None
    agent: str | None
    text: str


class PositionRow(msgspec.Struct):
    """Where a seat stands: its last answer, and its last ballot."""

    agent: str
    position: str
    changed: bool
    choice: str | None
    confidence: float | None


class CostReport(msgspec.Struct):
    """What the turns of a debate used. Unknown is null, never 0."""

    debate_id: str
    turns: int
    tokens_in: int | None
    tokens_out: int | None
    total_cost_usd: float | None
    unknown_turns: int
    by_agent: dict[str, float | None]


class CostEstimate(msgspec.Struct):
    """What a debate of a size would use if it went through every round. The price of anything but demo agents is not guessed."""

    num_agents: int
    num_rounds: int
    calls: int
    tokens_in: int
    tokens_out: int
    estimated_tokens: int
    estimated_cost_usd: float | None
    total_estimated_cost_usd: float | None


RoundList = list_of("RoundList", RoundRow, "rounds", debate_id=str)
SeatList = list_of("SeatList", SeatRow, "agents", debate_id=str)
Timeline = list_of("Timeline", TimelineRow, "timeline", "events", debate_id=str)
PositionList = list_of("PositionList", PositionRow, "positions", debate_id=str)


async def rounds(parts: Parts, request: Request) -> Response:
    """The rounds of a debate, with what was said and how the ballots fell."""
    record = await _debate(parts, request)
    rows = await rounds_of(parts, record)
    return listed(rows, "rounds", debate_id=record.id)


async def rounds_of(parts: Parts, record: Record) -> list[RoundRow]:
    """Every round that anything was said in."""
    said = [message_of(place, each) for place, each in enumerate(await parts.store.messages(record.id, limit=ALL))]
    ballots = [vote_of(cast) for cast in await parts.store.votes(record.id, limit=ALL) if cast.kind == "seat"]
    tallies = {each.round: each.tally for each in await parts.store.tallies(record.id)}
    numbers = sorted({row.round for row in said} | {row.round for row in ballots} | set(tallies))
    return [_round(number, said, ballots, tallies.get(number)) for number in numbers]


def _round(number: int, said: Sequence[MessageRow], ballots: Sequence[VoteRow], tally: Tally | None) -> RoundRow:
    words = "The round is not over."
    if tally is not None:
        lead = f"{tally.leader} leads" if tally.leader else "Nobody leads"
        words = f"{lead}: {max(tally.counts.values(), default=0)} of {tally.eligible}, {tally.received} heard."
    return RoundRow(
        round_number=number,
        round=number,
        complete=tally is not None,
        messages=[row for row in said if row.round == number],
        votes=[row for row in ballots if row.round == number],
        tally=tally,
        summary=words,
    )


async def agents(parts: Parts, request: Request) -> Response:
    """The seats of a debate, and what each did."""
    record = await _debate(parts, request)
    told = await parts.store.told(record.id)
    texts = Counter(m.seat for m in told if m.spoke and m.ballot is None)
    ballots = Counter(m.seat for m in told if m.ballot is not None)
    missing = Counter(m.seat for m in told if not m.spoke)
    outcome = record.outcome
    rows = [
        SeatRow(
            name=seat.name,
            agent=seat.agent,
            messages=texts[seat.name],
            votes=ballots[seat.name],
            abstentions=missing[seat.name],
            supported_outcome=_supported(told, seat.name, outcome.winner) if outcome and outcome.winner else None,
        )
        for seat in record.brief.seats
    ]
    return listed(rows, "agents", debate_id=record.id)


def _supported(told: Sequence[Message], seat: str, winner: str) -> bool | None:
    last = [m.ballot for m in told if m.seat == seat and m.ballot is not None]
    return last[-1].choice == winner if last else None


async def consensus(parts: Parts, request: Request) -> Response:
    """Whether and how far the seats agreed; people's votes stand beside theirs, never among them."""
    record = await _debate(parts, request)
    shown, outcome = debate_of(record), record.outcome
    agreed = shown.consensus or Consensus(
        reached=False, agreement=0.0, confidence=0.0, final_answer="", supporting_agents=[], dissenting_agents=[]
    )
    report = ConsensusReport(
        debate_id=record.id,
        status=shown.status,
        reached=agreed.reached,
        outcome=shown.outcome,
        decision=shown.decision,
        agreement=agreed.agreement,
        confidence=agreed.confidence,
        final_answer=agreed.final_answer,
        supporting_agents=agreed.supporting_agents,
        dissenting_agents=agreed.dissenting_agents,
        rule=shown.rule,
        tally=outcome.tally if outcome else None,
        people=await parts.store.people(record.id),
    )
    return reply(report)


async def convergence(parts: Parts, request: Request) -> Response:
    """How agreement moved from round to round, as the ballots have it."""
    record = await _debate(parts, request)
    tallies = await parts.store.tallies(record.id)
    shares = [each.tally.agreement for each in tallies]
    report = ConvergenceReport(
        debate_id=record.id,
        status=record.status,
        converged=bool(tallies) and tallies[-1].tally.reached,
        agreement=shares[-1] if shares else None,
        by_round=[{"round": float(each.round), "agreement": each.tally.agreement} for each in tallies],
        trend=_trend(shares),
    )
    return reply(report)


def _trend(shares: Sequence[float]) -> str:
    if len(shares) < 2:  # noqa: PLR2004 - a trend takes two points
        return "unknown"
    change = shares[-1] - shares[0]
    return "steady" if change == 0 else "converging" if change > 0 else "diverging"


async def summary(parts: Parts, request: Request) -> Response:
    """A debate in a paragraph and a few figures, from its log."""
    record = await _debate(parts, request)
    told, outcome = await parts.store.told(record.id), record.outcome
    report = SummaryReport(
        debate_id=record.id,
        topic=record.brief.topic,
        status=record.status,
        outcome=outcome.outcome if outcome else None,
        summary=_paragraph(record),
        final_answer=outcome.answer if outcome else None,
        rounds_used=record.round,
        messages=sum(1 for m in told if m.spoke and m.ballot is None),
        abstentions=sum(1 for m in told if not m.spoke),
        dissent=list(outcome.dissent) if outcome else [],
    )
    return reply(report)


def _paragraph(record: Record) -> str:
    outcome, seats = record.outcome, len(record.brief.seats)
    if outcome is None:
        return f"{seats} seats debate; {record.round} of at most {record.brief.rounds} rounds are over."
    words = [f"{seats} seats debated for {outcome.rounds} rounds; the outcome is {outcome.outcome}."]
    if outcome.winner and outcome.tally is not None:
        words.append(f"{outcome.tally.counts.get(outcome.winner, 0)} of {outcome.tally.eligible} stood behind {outcome.winner}.")
    if outcome.dissent:
        words.append(f"Others chose differently: {', '.join(outcome.dissent)}.")
    if outcome.missing:
        words.append(f"{len(outcome.missing)} turns went unanswered.")
    return " ".join(words)


async def timeline(parts: Parts, request: Request) -> Response:
    """A debate's events in brief, in order."""
    record, query = await _debate(parts, request), Query(request)
    limit, offset = query.whole("limit", 100, low=1, high=1000), query.whole("offset", 0, low=0, high=10**9)
    query.done()
    rows = [
        _brief(event.seq, event.at, event.type, msgspec.json.decode(event.data, type=dict[str, object]))
        for event in await parts.store.events(record.id, after=offset, limit=limit)
    ]
    names = ("timeline", "events")
    return listed(rows, *names, total=record.last_seq, limit=limit, offset=offset, debate_id=record.id)


def _brief(seq: int, at: str, name: str, data: dict[str, object]) -> TimelineRow:
    number, phase = data.get("round"), data.get("phase")
    text = data.get("content") or data.get("reason") or data.get("choice") or data.get("answer") or data.get("topic") or ""
    who = data.get("seat") or data.get("voter") or data.get("person")
    return TimelineRow(
        seq=seq,
        timestamp=at,
        type=name,
        round=number if isinstance(number, int) else None,
        phase=str(phase) if phase else None,
        agent=str(who) if who else None,
        text=str(text)[:EXCERPT_CHARS],
    )


async def positions(parts: Parts, request: Request) -> Response:
    """Where each seat stands: its last answer and its last ballot."""
    record = await _debate(parts, request)
    told = await parts.store.told(record.id)
    rows = [row for seat in record.brief.seats if (row := _position(seat.name, told)) is not None]
    return listed(rows, "positions", debate_id=record.id)


def _position(seat: str, told: Sequence[Message]) -> PositionRow | None:
    answers = [m.content for m in told if m.seat == seat and m.spoke and m.phase in (Phase.PROPOSE, Phase.REVISE)]
    ballots = [m.ballot for m in told if m.seat == seat and m.ballot is not None]
    if not answers:
        return None
    last = ballots[-1] if ballots else None
    return PositionRow(
        agent=seat,
        position=answers[-1],
        changed=answers[-1] != answers[0],
        choice=last.choice if last else None,
        confidence=last.confidence if last else None,
    )


async def costs(parts: Parts, request: Request) -> Response:
    """What the turns of a debate used, as their providers told."""
    record = await _debate(parts, request)
    told = await parts.store.told(record.id)
    seats = {seat.name: [m.usage.cost_usd for m in told if m.seat == seat.name] for seat in record.brief.seats}
    report = CostReport(
        debate_id=record.id,
        turns=len(told),
        tokens_in=_sum([m.usage.tokens_in for m in told]),
        tokens_out=_sum([m.usage.tokens_out for m in told]),
        total_cost_usd=_sum([m.usage.cost_usd for m in told]),
        unknown_turns=sum(1 for m in told if m.usage.cost_usd is None),
        by_agent={name: _sum(each) for name, each in seats.items()},
    )
    return reply(report)


N = TypeVar("N", int, float)


def _sum(figures: Sequence[N | None]) -> N | None:
    """The sum of what is known; None when nothing is."""
    total: N | None = None
    for figure in figures:
        if figure is not None:
            total = figure if total is None else total + figure
    return total


async def estimate_cost(parts: Parts, request: Request) -> Response:  # noqa: ARG001 - every handler takes the parts
    """How many calls a debate of a size takes at most, and roughly how many tokens."""
    query = Query(request)
    seats, number = query.whole("num_agents", 3, low=1, high=AGENTS_MAX), query.whole("num_rounds", 3, low=1, high=ROUNDS_MAX)
    query.done()
    kinds = {kind.strip().partition(":")[0] for kind in query.text("model_types").split(",") if kind.strip()}
    calls = seats * (1 + 3 * number)
    cost = 0.0 if kinds == {FREE} else None
    answer = CostEstimate(
        num_agents=seats,
        num_rounds=number,
        calls=calls,
        tokens_in=calls * TURN_TOKENS_IN,
        tokens_out=calls * TURN_TOKENS_OUT,
        estimated_tokens=calls * (TURN_TOKENS_IN + TURN_TOKENS_OUT),
        estimated_cost_usd=cost,
        total_estimated_cost_usd=cost,
    )
    return reply(answer)


async def _debate(parts: Parts, request: Request) -> Record:
    return await parts.store.debate(request.path_params["id"])
