"""What clients get: the shapes of every answer, and how records become them. May import `debate` and store records.

The public client reads other names for some things; where it does, both are there. A list carries its rows under its own name
and under `items`.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from starlette.responses import Response

from aragora.debate.events import ROLES
from aragora.debate.model import Brief, Outcome, Phase, Status
from aragora.errors import Flaw, Invalid
from aragora.providers.estimate import Estimate
from aragora.store.records import Cast, Cursor, Record, Spoken, Summary
from aragora.store.slugs import slug_of
from aragora.store.store import SUGGEST
from aragora.times import between

JSON = "application/json"


class Consensus(msgspec.Struct):
    """Whether and how far the seats agreed."""

    reached: bool
    agreement: float
    confidence: float
    final_answer: str
    supporting_agents: list[str]
    dissenting_agents: list[str]


class Debate(msgspec.Struct):
    """A debate as it stands."""

    id: str
    debate_id: str
    topic: str
    task: str
    context: str
    status: str
    outcome: str | None
    decision: str | None
    winner: str | None
    final_answer: str | None
    consensus_reached: bool
    consensus: Consensus | None
    confidence: float
    result: Outcome | None
    agents: list[str]
    seats: list[dict[str, str]]
    protocol: str
    rule: str
    threshold: float | None
    total_rounds: int
    rounds_used: int
    last_seq: int
    seed: int
    slug: str
    title: str
    tags: list[str]
    metadata: msgspec.Raw
    archived: bool
    origin: str | None
    origin_id: str | None
    created_at: str
    started_at: str | None
    completed_at: str | None
    duration_seconds: float | None


class Estimated(msgspec.Struct):
    """What a debate would use if it went through every round. Unknown is null, never 0."""

    calls: int
    tokens_in: int
    tokens_out: int
    cost_usd: float | None  # with replies of usual length
    cost_usd_at_most: float | None  # with replies as long as they may be
    max_cost_usd: float | None
    prices_of: str  # the day of the price list in this package
    seats: list[Estimate]


class DebateRow(msgspec.Struct):
    """A debate in a list."""

    id: str
    debate_id: str
    topic: str
    task: str
    status: str
    outcome: str | None
    consensus_reached: bool
    final_answer: str | None
    agents: list[str]
    protocol: str
    total_rounds: int
    rounds_used: int
    slug: str
    title: str
    tags: list[str]
    created_at: str
    completed_at: str | None


class Created(msgspec.Struct):
    """A debate that has been stored."""

    success: bool
    id: str
    debate_id: str
    slug: str
    status: str
    topic: str
    task: str
    agents: list[str]
    websocket_url: str
    events_url: str


class Done(msgspec.Struct):
    """Something was done to a debate."""

    success: bool
    debate_id: str
    status: str
    message: str


class MessageRow(msgspec.Struct):
    """What a seat said."""

    index: int
    seq: int
    round: int
    phase: str
    role: str
    agent: str
    target: str
    content: str
    timestamp: str


class VoteRow(msgspec.Struct):
    """A ballot of a seat, or the vote of a person."""

    seq: int
    kind: str
    voter: str
    agent: str | None
    round: int
    choice: str
    confidence: float | None
    reason: str
    timestamp: str


class VoteCast(msgspec.Struct):
    """A person's vote has been counted. `tally` counts the people; agents' ballots are never among them."""

    success: bool
    vote_id: str
    debate_id: str
    seq: int
    voter: str
    choice: str
    changed: bool
    tally: dict[str, int]


class EventRow(msgspec.Struct):
    """An event as it goes over the wire."""

    type: str
    debate_id: str
    seq: int
    timestamp: str
    data: dict[str, Any]


class Health(msgspec.Struct):
    """Whether the server is well."""

    status: str
    version: str
    timestamp: str
    uptime_seconds: float
    checks: dict[str, str]


class Fault(msgspec.Struct):
    """One flaw of a request."""

    field: str
    message: str


class Problem(msgspec.Struct, omit_defaults=True):
    """Every error: RFC 9457's members, and beside them the flat ones that the public client reads."""

    type: str
    title: str
    status: int
    detail: str
    error: str
    code: str
    trace_id: str
    errors: list[Fault] = []
    retry_after: int | None = None


class ListOf(msgspec.Struct):
    """What every list carries beside its rows."""

    count: int
    total: int
    limit: int
    offset: int
    has_more: bool
    next_cursor: str | None


# A list's rows under the name that its clients read, and under `items`.
DebateList = msgspec.defstruct("DebateList", [("debates", list[DebateRow]), ("items", list[DebateRow])], bases=(ListOf,))
MessageList = msgspec.defstruct(
    "MessageList", [("debate_id", str), ("messages", list[MessageRow]), ("items", list[MessageRow])], bases=(ListOf,)
)
VoteList = msgspec.defstruct(
    "VoteList",
    [("debate_id", str), ("votes", list[VoteRow]), ("items", list[VoteRow]), ("tally", dict[str, int])],
    bases=(ListOf,),
)
EventList = msgspec.defstruct(
    "EventList",
    [("debate_id", str), ("events", list[EventRow]), ("items", list[EventRow]), ("next_seq", int)],
    bases=(ListOf,),
)
_encode = msgspec.json.Encoder().encode


def reply(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(_encode(value), status, headers, JSON)


def listing(
    rows: Sequence[object] | bytes,
    *names: str,
    total: int,
    limit: int,
    offset: int = 0,
    count: int | None = None,
    next_cursor: str | None = None,
    has_more: bool | None = None,
    **more: object,
) -> bytes:
    """Encode a list body: the rows (or a JSON list of `count` rows) once, given under each of `names` and under `items`."""
    encoded = msgspec.Raw(rows if isinstance(rows, bytes) else _encode(rows))
    number = len(rows) if count is None else count
    left = offset + number < total if has_more is None else has_more
    body: dict[str, object] = dict.fromkeys((*names, "items"), encoded)
    body |= {"count": number, "total": total, "limit": limit, "offset": offset, "has_more": left, "next_cursor": next_cursor}
    return _encode(body | more)


def debate_of(record: Record) -> Debate:
    """A debate for its own page."""
    brief, outcome = record.brief, record.outcome
    reached = outcome is not None and outcome.reached
    return Debate(
        id=record.id,
        debate_id=record.id,
        topic=brief.topic,
        task=brief.topic,
        context=brief.context,
        status=record.status,
        outcome=outcome.outcome if outcome else None,
        decision=outcome.decision if outcome else None,
        winner=outcome.winner if outcome else None,
        final_answer=outcome.answer if outcome else None,
        consensus_reached=reached,
        consensus=_consensus(record, outcome) if outcome else None,
        confidence=outcome.tally.agreement if outcome and outcome.tally else 0.0,
        result=outcome,
        agents=[seat.name for seat in brief.seats],
        seats=[{"name": seat.name, "agent": seat.agent} for seat in brief.seats],
        protocol=brief.protocol,
        rule=brief.rule,
        threshold=brief.threshold,
        total_rounds=brief.rounds,
        rounds_used=record.round,
        last_seq=record.last_seq,
        seed=brief.seed,
        slug=record.slug,
        title=record.title,
        tags=list(record.tags),
        metadata=msgspec.Raw(record.metadata.encode()),
        archived=record.archived_at is not None,
        origin=record.origin,
        origin_id=record.origin_id,
        created_at=record.created_at,
        started_at=record.started_at,
        completed_at=record.ended_at,
        duration_seconds=_seconds(record.started_at, record.ended_at),
    )


def _consensus(record: Record, outcome: Outcome) -> Consensus:
    agreement = outcome.tally.agreement if outcome.tally else 0.0
    heard = {seat.name for seat in record.brief.seats} - {missing.seat for missing in outcome.missing} - set(outcome.dissent)
    return Consensus(
        reached=outcome.reached,
        agreement=agreement,
        confidence=agreement,
        final_answer=outcome.answer,
        supporting_agents=sorted(heard) if outcome.winner else [],
        dissenting_agents=list(outcome.dissent),
    )


def created_of(debate_id: str, brief: Brief, status: Status = Status.PENDING) -> Created:
    """A debate that has just been stored."""
    return Created(
        success=True,
        id=debate_id,
        debate_id=debate_id,
        slug=slug_of(brief.topic, debate_id),
        status=status,
        topic=brief.topic,
        task=brief.topic,
        agents=[seat.name for seat in brief.seats],
        websocket_url=f"/ws?debate_id={debate_id}",
        events_url=f"/api/debates/{debate_id}/events/stream",
    )


def row_of(summary: Summary) -> DebateRow:
    """A debate for a list."""
    outcome = summary.outcome
    return DebateRow(
        id=summary.id,
        debate_id=summary.id,
        topic=summary.topic,
        task=summary.topic,
        status=summary.status,
        outcome=outcome.outcome if outcome else None,
        consensus_reached=outcome is not None and outcome.reached,
        final_answer=outcome.answer if outcome else None,
        agents=list(summary.agents),
        protocol=summary.protocol,
        total_rounds=summary.rounds,
        rounds_used=summary.round,
        slug=summary.slug,
        title=summary.title,
        tags=list(summary.tags),
        created_at=summary.created_at,
        completed_at=summary.ended_at,
    )


def message_of(index: int, spoken: Spoken) -> MessageRow:
    """A message for a list."""
    return MessageRow(
        index=index,
        seq=spoken.seq,
        round=spoken.round,
        phase=spoken.phase,
        role="user" if spoken.phase == SUGGEST else ROLES[Phase(spoken.phase)],
        agent=spoken.seat,
        target=spoken.target,
        content=spoken.content,
        timestamp=spoken.at,
    )


def vote_of(cast: Cast) -> VoteRow:
    """A vote for a list."""
    return VoteRow(
        seq=cast.seq,
        kind=cast.kind,
        voter=cast.voter,
        agent=cast.voter if cast.kind == "seat" else None,
        round=cast.round,
        choice=cast.choice,
        confidence=cast.confidence,
        reason=cast.reason,
        timestamp=cast.at,
    )


def cursor_text(summary: Summary) -> str:
    """A place in the list, for the client to hand back."""
    return base64.urlsafe_b64encode(f"{summary.created_at}|{summary.id}".encode()).decode().rstrip("=")


def cursor_of(text: str) -> Cursor | None:
    """The place that a client handed back; None when it gave none. Raises Invalid for anything we did not give out."""
    if not text:
        return None
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
        created_at, _, debate_id = plain.partition("|")
        datetime.fromisoformat(created_at)
    except (binascii.Error, ValueError):
        raise Invalid("The cursor is not one that this server gave out.", [Flaw("cursor", "must be a next_cursor")]) from None
    return Cursor(created_at, debate_id)


def _seconds(start: str | None, end: str | None) -> float | None:
    return None if start is None or end is None else between(start, end)
