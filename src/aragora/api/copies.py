"""Debates made from others, and many at once, over HTTP: clone, fork, follow-up, batch. May import its siblings."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import msgspec
from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import DebateRow, created_of, reply, row_of
from aragora.api.asked import Asked
from aragora.api.bodies import Check, CreateDebate, brief_of, parse, read_body
from aragora.api.callers import caller_of
from aragora.api.lists import list_of, listed
from aragora.api.query import Query
from aragora.debate.model import Brief, Phase
from aragora.errors import AragoraError, Conflict, Invalid
from aragora.store.records import Batch, Filing, Record
from aragora.webhooks import checked

BATCH_MAX = 50
EXCERPT_CHARS_MAX = 4_000
# What a fork at a round may change without making untrue what was said before.
FREE = frozenset(
    {"rounds", "rule", "threshold", "quorum", "stops", "cost_usd_max", "seconds_max", "alike"}
    | {"context_tokens_max", "history_rounds_max"}
)
FIELDS = frozenset(CreateDebate.__struct_fields__)


class Changes(msgspec.Struct, kw_only=True):
    """What is different from the debate that this one is made from: any field of a new debate."""

    topic: str | None = None
    rounds: int | None = None
    at_round: int | None = None  # a fork only: keep what was said up to this round, ask the rest anew
    cruxId: str | None = None  # noqa: N815 - the public client's; a follow-up only: the dissent to take up
    context: str | None = None
    start: bool = True


class Crux(msgspec.Struct):
    """A dissent that is worth a debate of its own."""

    id: str
    question: str
    position: str


CruxList = list_of("CruxList", Crux, "suggestions", "followups", debate_id=str)


ForkList = list_of("ForkList", DebateRow, "forks", "debates", debate_id=str)


class Many(msgspec.Struct, kw_only=True):
    """Debates to hold together. `items` is another name of `requests`. `callback_url`, or `webhook_url`, hears of the end."""

    requests: list[CreateDebate] | None = None
    items: list[CreateDebate] | None = None
    metadata: dict[str, msgspec.Raw] | None = None
    callback_url: str | None = None
    webhook_url: str | None = None


class Refused(msgspec.Struct):
    """A debate of a batch that could not be accepted."""

    index: int
    error: str
    code: str


class BatchMade(msgspec.Struct):
    """A batch has been accepted."""

    success: bool
    batch_id: str
    status: str
    total: int
    accepted: int
    debate_ids: list[str]
    refused: list[Refused]
    webhook_secret: str | None  # what signs the call to `callback_url`; it is shown this once


class BatchRow(msgspec.Struct):
    """A batch as it stands."""

    batch_id: str
    id: str
    status: str
    total: int
    pending: int
    running: int
    completed: int
    failed: int
    progress: float
    created_at: str


class BatchStatus(BatchRow):
    """A batch as it stands, with its debates."""

    results: list[DebateRow]
    debate_ids: list[str]


BatchList = list_of("BatchList", BatchRow, "batches")


async def clone(parts: Parts, request: Asked) -> Response:
    """Ask the same again, changed as the body says; a new seed unless one is given."""
    record, changes = await _given(parts, request)
    brief, body = _changed(record, {"seed": None, **changes}, parts)
    return await _made(parts, brief, _filing(request, "clone", record), start=body.start)


async def fork(parts: Parts, request: Asked) -> Response:
    """Go on from a debate in another way: the same seed, and with `at_round` what was said up to there is kept."""
    record, changes = await _given(parts, request)
    at_round = changes.pop("at_round", None)
    brief, body = _changed(record, changes, parts)
    if at_round is None:
        return await _made(parts, brief, _filing(request, "fork", record), start=body.start)
    if not isinstance(at_round, int) or isinstance(at_round, bool) or not 0 <= at_round <= record.round:
        raise Invalid(f"at_round must be a round that is over, from 0 to {record.round}.")
    if _kept(brief) != _kept(record.brief):
        raise Invalid("A fork at a round keeps the topic, the agents, the protocol and the seed.")
    return await _branched(parts, brief, record, at_round, _filing(request, "fork", record))


def _kept(brief: Brief) -> dict[str, object]:
    """What a fork at a round may not change, since it would make untrue what was said before."""
    return {name: value for name, value in asdict(brief).items() if name not in FREE}


async def _branched(parts: Parts, brief: Brief, record: Record, at_round: int, filing: Filing) -> Response:
    """A new log that begins with the old one's turns up to a round."""
    told = [message for message in await parts.store.told(record.id) if message.round <= at_round]
    return await _answer(parts, await parts.engine.create(brief, filing=filing, told=told))


async def follow_up(parts: Parts, request: Asked) -> Response:
    """Take an answer up again: a new debate that reads it as background, and a dissent from it if `cruxId` names one."""
    record, changes = await _given(parts, request)
    if record.outcome is None:
        raise Conflict("A follow-up needs the outcome of the debate.")
    cruxes = {crux.id: crux for crux in await _cruxes(parts, record)}
    wanted = changes.pop("cruxId", None)
    if wanted is not None and (not isinstance(wanted, str) or wanted not in cruxes):
        raise Invalid("cruxId must be one that GET /api/debates/{id}/followups lists.")
    background = [f"The question before: {record.brief.topic}", f"Its answer: {record.outcome.answer}"]
    if wanted is not None:
        background.append(f"A dissent from it: {cruxes[str(wanted)].position}")
    given = changes.pop("context", None)
    if isinstance(given, str) and given:
        background.append(given)
    topic = cruxes[str(wanted)].question if wanted is not None else f"What follows from this? {record.brief.topic}"
    context = "\n\n".join(part[:EXCERPT_CHARS_MAX] for part in background)
    brief, body = _changed(record, {"topic": topic, "seed": None, **changes, "context": context}, parts)
    return await _made(parts, brief, _filing(request, "followup", record), start=body.start)


async def followups(parts: Parts, request: Asked) -> Response:
    """The dissents that a follow-up can take up."""
    record = await parts.store.debate(request.path_params["id"])
    found = await _cruxes(parts, record)
    return listed(found, "suggestions", "followups", debate_id=record.id)


async def _cruxes(parts: Parts, record: Record) -> list[Crux]:
    if record.outcome is None or not record.outcome.dissent:
        return []
    answers = {
        m.seat: m.content for m in await parts.store.told(record.id) if m.phase in (Phase.PROPOSE, Phase.REVISE) and m.spoke
    }
    choices = {m.seat: m.ballot.choice for m in await parts.store.told(record.id) if m.ballot is not None}
    found = []
    for seat in record.outcome.dissent:
        position = answers.get(choices.get(seat, seat), "")
        question = f"Is this objection right? {position}"[: parts.settings.max_topic_chars]
        found.append(Crux(id=seat, question=question, position=position))
    return found


async def forks(parts: Parts, request: Asked) -> Response:
    """Debates that were made from this one."""
    record, query = await parts.store.debate(request.path_params["id"]), Query(request)
    limit, offset = query.page()
    query.done()
    found, total = await parts.shelf.descendants(record.id, limit=limit, offset=offset, reader=caller_of(request).reader)
    rows = [row_of(row) for row in found]
    return listed(rows, "forks", "debates", total=total, limit=limit, offset=offset, debate_id=record.id)


async def _given(parts: Parts, request: Asked) -> tuple[Record, dict[str, object]]:
    """The debate that is copied, and what the body changes; the changes may also be under `changes`."""
    record = await parts.store.debate(request.path_params["id"])
    raw = await read_body(request, parts.settings.max_body_bytes)
    given = parse(raw, dict[str, object]) if raw.strip() else {}
    nested = given.get("changes")
    if isinstance(nested, dict):
        given = {str(name): value for name, value in nested.items()}
    return record, {name: value for name, value in given.items() if value is not None}


def _changed(record: Record, changes: Mapping[str, object], parts: Parts) -> tuple[Brief, CreateDebate]:
    """The brief of a debate with changes, checked as that of any new one."""
    told: dict[str, object] = {name: value for name, value in asdict(record.brief).items() if name in FIELDS}
    judge = record.brief.judge
    told["agents"] = [seat.agent for seat in record.brief.seats]
    told |= {"judge": judge.agent if judge else None, "max_cost_usd": record.brief.cost_usd_max}
    told["options"] = record.brief.options or None
    for name, others in {"topic": ("task", "question"), "rule": ("consensus",)}.items():
        if any(other in changes for other in others):
            del told[name]
    body = parse(msgspec.json.encode({**told, **changes}), CreateDebate)
    return brief_of(body, parts), body


def _filing(request: Asked, origin: str, record: Record) -> Filing:
    """A copy belongs to whoever makes it, whoever the first one belongs to."""
    return replace(caller_of(request).filing, origin=origin, origin_id=record.id)


async def _made(parts: Parts, brief: Brief, filing: Filing, *, start: bool) -> Response:
    return await _answer(parts, await parts.engine.create(brief, start=start, filing=filing))


async def _answer(parts: Parts, debate_id: str) -> Response:
    record = await parts.store.debate(debate_id)
    return reply(created_of(record.id, record.brief, record.status), 201, {"Location": f"/api/debates/{debate_id}"})


async def batch(parts: Parts, request: Asked) -> Response:
    """Hold several debates. All are checked before any is stored; each counts against the rate limit of debates."""
    body = parse(await read_body(request, parts.settings.max_body_bytes), Many)
    wanted = body.requests if body.requests is not None else body.items
    url = body.callback_url or body.webhook_url
    if url:
        checked(url)
    check = Check()
    if wanted is None or not 1 <= len(wanted) <= BATCH_MAX:
        check.wrong("requests", f"must be from 1 to {BATCH_MAX} debates")
    check.done()
    briefs = [(brief_of(each, parts), each.start) for each in wanted or ()]
    caller = caller_of(request)
    for _ in briefs[1:]:
        await parts.limits.check("debates", caller.name)
    batch_id = parts.engine.new_id()
    metadata = msgspec.json.decode(msgspec.json.encode(body.metadata or {}), type=dict[str, object])
    kept = Batch(id=batch_id, n=len(briefs), metadata=metadata, created_at=parts.now())
    await parts.shelf.add_batch(kept, caller.filing.owner_id)
    accepted, refused = await _create_all(parts, briefs, replace(caller.filing, batch_id=batch_id))
    hook = await parts.webhooks.await_batch(url, batch_id, owner_id=caller.filing.owner_id) if url else None
    made = BatchMade(
        success=bool(accepted),
        batch_id=batch_id,
        status="accepted" if not refused else "partial",
        total=len(briefs),
        accepted=len(accepted),
        debate_ids=accepted,
        refused=refused,
        webhook_secret=hook.secret if hook else None,
    )
    return reply(made, 201, {"Location": f"/api/debates/batch/{batch_id}/status"})


async def _create_all(parts: Parts, briefs: Sequence[tuple[Brief, bool]], filing: Filing) -> tuple[list[str], list[Refused]]:
    accepted: list[str] = []
    refused: list[Refused] = []
    for index, (brief, start) in enumerate(briefs):
        try:
            accepted.append(await parts.engine.create(brief, start=start, filing=filing))
        except AragoraError as error:
            refused.append(Refused(index=index, error=error.message, code=error.code))
    return accepted, refused


async def batches(parts: Parts, request: Asked) -> Response:
    """Batches, newest first."""
    query = Query(request)
    limit, offset = query.page()
    query.done()
    found, total = await parts.shelf.batches(limit=limit, offset=offset, reader=caller_of(request).reader)
    rows = [_batch(each) for each in found]
    return listed(rows, "batches", total=total, limit=limit, offset=offset)


async def batch_status(parts: Parts, request: Asked) -> Response:
    """A batch and its debates as they stand."""
    reader = caller_of(request).reader
    known = await parts.shelf.batch(request.path_params["batch_id"], reader)
    debates = [row_of(each) for each in await parts.shelf.of_batch(known.id, limit=BATCH_MAX, reader=reader)]
    row = msgspec.structs.asdict(_batch(known))
    return reply(BatchStatus(**row, results=debates, debate_ids=[each.id for each in debates]))


def _batch(known: Batch) -> BatchRow:
    counts = known.statuses
    waiting = counts.get("pending", 0) + counts.get("paused", 0)
    running, done = counts.get("active", 0), counts.get("completed", 0)
    failed = counts.get("failed", 0) + counts.get("cancelled", 0)
    status = "completed" if not waiting + running else "processing"
    progress = round((done + failed) / known.n, 4) if known.n else 1.0
    return BatchRow(
        batch_id=known.id,
        id=known.id,
        status=status,
        total=known.n,
        pending=waiting,
        running=running,
        completed=done,
        failed=failed,
        progress=progress,
        created_at=known.created_at,
    )
