"""How a debate was decided, over HTTP: its receipt, whether a receipt is whole, and its last vote under every rule.

May import its siblings, the store and receipts. What takes longer than a moment runs in a thread.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import JSON, listing, reply
from aragora.api.asked import Asked
from aragora.api.bodies import read_body
from aragora.api.lists import list_of
from aragora.api.query import Query
from aragora.debate.model import Tally
from aragora.debate.receipt import Entry, Fields, prove, receipt
from aragora.debate.redecide import last_vote, redecide
from aragora.errors import ConfigError, Conflict, Flaw, Invalid
from aragora.receipts.check import check, load, read_log, sign
from aragora.receipts.show import html, markdown
from aragora.store.chain import entries

FLAWS_MAX = 100
FORMS: dict[str, tuple[str, str, Callable[[Fields], str]]] = {
    "json": (JSON, "json", lambda written: msgspec.json.encode(written).decode()),
    "md": ("text/markdown", "md", markdown),
    "markdown": ("text/markdown", "md", markdown),
    "html": ("text/html", "html", html),
}


class Receipt(msgspec.Struct):
    """What proves how a debate went; its parts are told in docs/howto/receipts.md."""

    schema: str
    debate_id: str
    topic: str | None
    seats: list[dict[str, str]] | None
    terms: dict[str, Any]
    outcome: dict[str, Any]
    tally: dict[str, Any] | None
    blind: dict[str, Any] | None
    judged: str | None
    dissent: list[str] | None
    missing: list[dict[str, Any]] | None
    account: dict[str, Any] | None
    costs: dict[str, Any]
    events: int
    head: str
    root: str
    transcript: list[dict[str, Any]]
    signature: dict[str, str] | None = None


class Proof(msgspec.Struct):
    """One event with the proof that it belongs to the receipt with this root."""

    schema: str
    debate_id: str
    event: dict[str, Any]
    path: list[tuple[str, str]]
    root: str


class Checked(msgspec.Struct):
    """What a check of a receipt found; `altered` is the first field that does not fit."""

    whole: bool
    altered: str | None
    flaws: list[str]
    notes: list[str]
    debate_id: str | None
    events: int | None
    head: str | None
    signed_by: str | None


class DecisionRow(msgspec.Struct):
    """What one rule makes of the last vote, and how close it was."""

    rule: str
    winner: str | None
    reached: bool
    same: bool
    own: bool
    margin: float | None
    pivotal: list[str]
    flip: int | None
    flip_to: str | None
    tally: Tally


class Answer(msgspec.Struct):
    """An answer that was voted on."""

    agent: str
    position: str
    content: str


DecisionList = list_of("DecisionList", DecisionRow, "decisions", debate_id=str, rule=str, answers=list[Answer], note=str | None)


async def show(parts: Parts, request: Asked) -> Response:
    """The receipt of a debate as it stands, signed where the server has a key; with `prove`, the proof of one event instead."""
    query = Query(request)
    form, seq = query.text("format") or "json", query.whole("prove", 0, low=1)
    if form not in FORMS:
        query.wrong("format", f"must be one of {', '.join(FORMS)}")
    query.done()
    debate_id = request.path_params["id"]
    log = await entries(parts.store.database, debate_id)
    if seq > len(log) or not log:
        raise Invalid(f"The log has {len(log)} events.", [Flaw("prove", "must be the number of an event")])
    kind, end, write = FORMS[form]
    text = await asyncio.to_thread(_written, debate_id, log, seq, parts.settings.signing_key, write)
    name = f'inline; filename="debate-{debate_id}-{"proof" if seq else "receipt"}.{"json" if seq else end}"'
    return Response(text, media_type=JSON if seq else kind, headers={"Content-Disposition": name})


def _written(debate_id: str, log: list[Entry], seq: int, key: str, write: Callable[[Fields], str]) -> str:
    if seq:
        return msgspec.json.encode(prove(debate_id, log, seq)).decode()
    drawn = receipt(debate_id, log)
    return write(sign(drawn, key) if key else drawn)


async def verify(parts: Parts, request: Asked) -> Response:
    """Whether a receipt is whole. Nothing is looked up and nothing is kept."""
    query = Query(request)
    key, head = query.text("key"), query.text("head")
    query.done()
    given = load(await read_body(request, parts.settings.max_body_bytes))
    _small_enough(given, parts)
    try:
        found = await asyncio.to_thread(check, given, key=key, head=head)
    except ConfigError:
        raise Conflict("This server lacks the extra that checks signatures; `aragora verify` checks them elsewhere.") from None
    events, debate_id, its_head = given.get("events"), given.get("debate_id"), given.get("head")
    answer = Checked(
        whole=found.whole,
        altered=next(iter(found.flaws), None),
        flaws=list(found.flaws[:FLAWS_MAX]),
        notes=list(found.notes),
        debate_id=debate_id if isinstance(debate_id, str) else None,
        events=events if isinstance(events, int) else None,
        head=its_head if isinstance(its_head, str) else None,
        signed_by=found.signed_by or None,
    )
    return reply(answer)


def _small_enough(given: Fields, parts: Parts) -> None:
    """Refuse to replay what this server would not have run: work grows with seats and rounds, which cost a forger nothing."""
    transcript = given.get("transcript")
    first = transcript[0] if isinstance(transcript, list) and transcript else None
    data = first.get("data") if isinstance(first, dict) else None
    if not isinstance(data, dict):
        return
    seats, rounds = data.get("seats"), data.get("rounds")
    many = isinstance(seats, list) and len(seats) > parts.settings.max_agents
    if many or (isinstance(rounds, int) and rounds > parts.settings.max_rounds):
        raise Invalid("The debate is larger than those of this server; `aragora verify` checks it.")


async def decisions(parts: Parts, request: Asked) -> Response:
    """What each rule makes of a debate's last vote. Raises Conflict while it runs."""
    debate_id = request.path_params["id"]
    log = await entries(parts.store.database, debate_id)
    if not log or log[-1].type != "debate_end":
        raise Conflict("The debate has not ended.")
    return Response(await asyncio.to_thread(_decided, debate_id, log), media_type=JSON)


def _decided(debate_id: str, log: list[Entry]) -> bytes:
    brief, heard, _ = read_log([one.data for one in log], [one.type for one in log])
    ballots, answers = last_vote(brief, [*heard.values()])
    found = redecide(brief, ballots, answers) if answers else []
    rows = [
        DecisionRow(
            rule=one.rule,
            winner=one.tally.leader,
            reached=one.tally.reached,
            same=one.same,
            own=one.rule == brief.rule,
            margin=one.margin,
            pivotal=list(one.pivotal),
            flip=one.flip,
            flip_to=one.flip_to,
            tally=one.tally,
        )
        for one in found
    ]
    said = [Answer(seat, m.position, m.content) for seat, m in answers.items()]
    note = None if answers else "This debate holds no vote on the answers of its seats."
    return listing(
        rows, "decisions", total=len(rows), limit=len(rows), debate_id=debate_id, rule=brief.rule, answers=said, note=note
    )
