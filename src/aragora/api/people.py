"""People in a debate over HTTP: suggest, hold a seat, let it rest and go on. May import its siblings and `people`."""

from dataclasses import replace

import msgspec
from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import JSON, Done, ListOf, MessageRow, listing, reply
from aragora.api.asked import Asked
from aragora.api.bodies import ANONYMOUS, REASON_CHARS_MAX, VOTER_CHARS_MAX, Check, parse, read_body
from aragora.api.callers import voter_of
from aragora.debate.model import Ballot, Message, Phase, Status
from aragora.debate.prompts import is_number
from aragora.errors import Conflict, Invalid
from aragora.people import ballots
from aragora.store import records

SUGGESTION_CHARS_MAX = 2_000
SPEECH_CHARS_MAX = 20_000


class Suggest(msgspec.Struct, kw_only=True):
    """Something for the agents to read. `input` is another name of `content`; `user` says who, while authentication is off."""

    content: str = ""
    input: str = ""
    user: str = ANONYMOUS
    role: str = ""
    type: str = "suggestion"


class Speak(msgspec.Struct, kw_only=True):
    """A person's answer to the turn of a seat: a text, or for a vote the choice and its reason.

    `position` says which of the options of a closed question, or which number, the text stands for.
    """

    seat: str = ""
    content: str = ""
    target: str = ""
    position: str = ""
    choice: str = ""
    confidence: float | None = None
    reason: str = ""


class TurnRow(msgspec.Struct):
    """A turn that waits for a person."""

    seat: str
    round: int
    phase: str
    choices: list[str]
    positions: list[str]
    part: str
    asked_at: str
    timeout_seconds: float


class Spoke(msgspec.Struct):
    """What a person said has been recorded."""

    success: bool
    debate_id: str
    seat: str
    round: int
    phase: str
    seq: int


TurnList = msgspec.defstruct(
    "TurnList", [("debate_id", str), ("turns", list[TurnRow]), ("items", list[TurnRow])], bases=(ListOf,)
)


class Suggested(MessageRow):
    """A suggestion has been recorded; it is among the messages."""

    success: bool
    debate_id: str


async def suggest(parts: Parts, request: Asked) -> Response:
    """Put something to the agents: they read it from the next round on that begins."""
    debate_id = request.path_params["id"]
    body = parse(await read_body(request, parts.settings.max_body_bytes), Suggest)
    check = Check()
    content = check.text("content", body.content or body.input, chars_max=SUGGESTION_CHARS_MAX, needed=True)
    person = check.text("user", body.user, chars_max=VOTER_CHARS_MAX, needed=True)
    if body.type != "suggestion":
        check.wrong("type", "must be suggestion; votes go to POST /api/debates/{id}/vote")
    check.done()
    person = voter_of(request, person)
    recorded = await parts.engine.people.suggest(debate_id, person, content)
    record = await parts.store.debate(debate_id)
    answer = Suggested(
        success=True,
        debate_id=debate_id,
        index=await parts.store.count(debate_id, "messages") - 1,
        seq=recorded.seq,
        round=record.round,
        phase="suggest",
        role="user",
        agent=person,
        target="",
        content=content,
        timestamp=parts.now(),
    )
    return reply(answer, 201)


async def turns(parts: Parts, request: Asked) -> Response:
    """The turns that wait for a person."""
    debate_id = request.path_params["id"]
    found = [_row(asked) for asked in await parts.engine.people.open_turns(debate_id)]
    body = listing(found, "turns", total=len(found), limit=len(found), debate_id=debate_id)
    return Response(body, media_type=JSON)


def _row(asked: records.Asked) -> TurnRow:
    turn = asked.turn
    return TurnRow(
        seat=turn.seat,
        round=turn.round,
        phase=turn.phase,
        choices=list(turn.choices),
        positions=list(turn.positions),
        part=turn.part,
        asked_at=asked.at,
        timeout_seconds=turn.timeout_s,
    )


async def speak(parts: Parts, request: Asked) -> Response:
    """Answer an open turn of a seat that a person holds; what is recorded first counts."""
    record = await parts.store.debate(request.path_params["id"])
    body = parse(await read_body(request, parts.settings.max_body_bytes), Speak)
    waiting = await parts.engine.people.open_turns(record.id)
    wanted = [asked for asked in waiting if body.seat in ("", asked.turn.seat)]
    if not wanted:
        raise Conflict("No turn of a person is open here.")
    if len(wanted) > 1 and not body.seat:
        raise Invalid("seat must say which of the open turns is meant.")
    message = _message(body, wanted[0], record)
    recorded = await parts.engine.people.speak(record.id, message)
    spoke = Spoke(
        success=True, debate_id=record.id, seat=message.seat, round=message.round, phase=message.phase, seq=recorded.seq
    )
    return reply(spoke, 201)


def _message(body: Speak, asked: records.Asked, record: records.Record) -> Message:
    turn, check = asked.turn, Check()
    ballot: Ballot | None = None
    if ballots(turn.phase):
        reason = check.text("reason", body.reason or body.content, chars_max=REASON_CHARS_MAX)
        check.share("confidence", body.confidence)
        if body.choice not in turn.choices:
            check.wrong("choice", f"must be one of {', '.join(turn.choices)}")
        content, ballot = reason, Ballot(choice=body.choice, confidence=body.confidence, reason=reason)
    else:
        content = check.text("content", body.content, chars_max=SPEECH_CHARS_MAX, needed=True)
    target = body.target if turn.phase is Phase.CRITIQUE else ""
    if target and target not in {seat.name for seat in record.brief.seats}:
        check.wrong("target", "must be a seat of this debate")
    position = "" if ballot is not None else body.position
    if ballot is None and turn.positions and position not in turn.positions:
        check.wrong("position", f"must be one of {', '.join(turn.positions)}")
    if ballot is None and turn.part == "estimate" and not is_number(position):
        check.wrong("position", "must be a number")
    check.done()
    said = Message(round=turn.round, phase=turn.phase, seat=turn.seat, content=content, target=target, ballot=ballot)
    return replace(said, position=position if turn.positions or turn.part == "estimate" else "")


async def pause(parts: Parts, request: Asked) -> Response:
    """Ask no further turns once those in flight have ended; it rests across restarts too. Pausing twice pauses once."""
    debate_id = request.path_params["id"]
    await parts.store.debate(debate_id)
    await parts.engine.people.pause(debate_id)
    return reply(Done(success=True, debate_id=debate_id, status=Status.PAUSED, message="The debate rests."))


async def resume(parts: Parts, request: Asked) -> Response:
    """Let a debate that rests go on; one that runs is left as it is."""
    debate_id = request.path_params["id"]
    await parts.store.debate(debate_id)
    if await parts.engine.people.go_on(debate_id):
        await parts.engine.resume(debate_id)
    record = await parts.store.debate(debate_id)
    return reply(Done(success=True, debate_id=debate_id, status=record.status, message="The debate goes on."))
