"""A debate as a chat completion: what speaks to OpenAI speaks to this. May import its siblings, engine and feed.

The model `aragora/<preset>` holds a debate on the last message of the user; what was said before it is background. Progress
streams as `reasoning_content`, the answer as `content`, and `usage` is the sum of all turns. Who leaves ends the debate, unless
it was asked for with an `Idempotency-Key`: the same request then tells the same debate again.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

from aragora.api import Parts
from aragora.api.answers import reply
from aragora.api.asked import Asked
from aragora.api.bodies import CONTEXT_CHARS_MAX, brief_of, parse, read_body
from aragora.api.callers import caller_of
from aragora.api.presets import PREFIX, PRESETS, body_of
from aragora.api.streams import BEAT, BEAT_S
from aragora.debate.model import Outcome
from aragora.errors import Flaw, Invalid, NotFound

DONE = "data: [DONE]\n\n"
STOP = "stop"
MADE_AT = 1_750_000_000


class Part(msgspec.Struct, kw_only=True):
    """A piece of a message; only texts are read."""

    type: str = "text"
    text: str = ""


class ChatMessage(msgspec.Struct, kw_only=True):
    """A message of the conversation so far."""

    role: str
    content: str | list[Part] | None = None


class StreamOptions(msgspec.Struct, kw_only=True):
    """How to stream."""

    include_usage: bool = False


class Wishes(msgspec.Struct, kw_only=True):
    """What this server can be told beyond what a model can: seats and rounds."""

    agents: list[str] | None = None
    rounds: int | None = None


class Chat(msgspec.Struct, kw_only=True):
    """A chat completion to make. What only a single model could do, such as a temperature, is ignored."""

    model: str
    messages: list[ChatMessage]
    stream: bool = False
    stream_options: StreamOptions | None = None
    aragora: Wishes | None = None


class Said(msgspec.Struct):
    """The message that a completion gives."""

    role: str
    content: str
    reasoning_content: str


class Choice(msgspec.Struct):
    """The one choice that a completion has."""

    index: int
    message: Said
    finish_reason: str
    logprobs: None = None


class UsageSum(msgspec.Struct):
    """What all turns used; null where no provider told."""

    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    cost_usd: float | None


class Account(msgspec.Struct):
    """How the answer came about."""

    debate_id: str
    outcome: str
    winner: str | None
    agreement: float | None
    dissent: list[str]
    missing: list[str]


class ChatCompletion(msgspec.Struct):
    """A debate's answer, as a chat completion."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: UsageSum
    aragora: Account


class Model(msgspec.Struct):
    """A preset, as a model."""

    id: str
    object: str
    created: int
    owned_by: str
    description: str


class ModelList(msgspec.Struct):
    """The presets, as models."""

    object: str
    data: list[Model]


async def models(parts: Parts, request: Asked) -> Response:  # noqa: ARG001 - every handler takes both
    """The presets, as models."""
    return reply(ModelList(object="list", data=[_model(name) for name in PRESETS]))


async def model(parts: Parts, request: Asked) -> Response:  # noqa: ARG001 - as above
    """One preset, as a model."""
    name = request.path_params["model"].removeprefix(PREFIX)
    if name not in PRESETS:
        raise NotFound("There is no such model.")
    return reply(_model(name))


def _model(name: str) -> Model:
    return Model(id=PREFIX + name, object="model", created=MADE_AT, owned_by="aragora", description=PRESETS[name].about)


async def complete(parts: Parts, request: Asked) -> Response:
    """Hold a debate on the last message and answer with what came of it."""
    chat = await _chat(parts, request)
    preset = PRESETS.get(chat.model.removeprefix(PREFIX))
    if preset is None or not chat.model.startswith(PREFIX):
        names = ", ".join(PREFIX + name for name in PRESETS)
        raise Invalid("There is no such model.", [Flaw("model", f"must be one of {names}")])
    topic, context = _question(chat.messages)
    wishes = chat.aragora or Wishes()
    brief = brief_of(body_of(preset, topic, context, wishes.agents, wishes.rounds), parts)
    return await _tell(parts, request, await parts.engine.create(brief, filing=caller_of(request).filing), chat)


async def again(parts: Parts, request: Asked, debate_id: str) -> Response:
    """Tell a debate from its beginning to whoever asks the same again."""
    return await _tell(parts, request, debate_id, await _chat(parts, request))


async def _chat(parts: Parts, request: Asked) -> Chat:
    return parse(await read_body(request, parts.settings.max_body_bytes), Chat)


async def _tell(parts: Parts, request: Asked, debate_id: str, chat: Chat) -> Response:
    told = _Told(parts, debate_id, chat, stays="idempotency-key" in request.headers)
    if chat.stream:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(told.chunks(), headers=headers, media_type="text/event-stream")
    return reply(await told.whole())


def _question(messages: Sequence[ChatMessage]) -> tuple[str, str]:
    """The last message of the user, and everything else as background; the newest of it where it is too long."""
    texts = [(each.role, _text(each)) for each in messages]
    last = next((place for place in reversed(range(len(texts))) if texts[place][0] == "user"), None)
    if last is None or not texts[last][1].strip():
        raise Invalid("The conversation asks nothing.", [Flaw("messages", "must have a message of the user with a text")])
    before = "\n\n".join(f"{role}: {text}" for place, (role, text) in enumerate(texts) if place != last and text.strip())
    return texts[last][1], before[-CONTEXT_CHARS_MAX:]


def _text(message: ChatMessage) -> str:
    if isinstance(message.content, list):
        return "\n".join(part.text for part in message.content if part.text)
    return message.content or ""


class _Told:
    """One debate, told as a completion."""

    def __init__(self, parts: Parts, debate_id: str, chat: Chat, *, stays: bool) -> None:
        """The debate goes on when whoever asked leaves, if it `stays`: they may come back with their key."""
        self._parts, self._id, self._chat, self._stays = parts, debate_id, chat, stays
        self._created = int(datetime.fromisoformat(parts.now()).timestamp())

    async def chunks(self) -> AsyncGenerator[str, None]:
        """The answer piece by piece, as server-sent events."""
        yield self._chunk({"role": "assistant", "content": ""})
        async with aclosing(self._progress()) as progress:
            async for line in progress:
                yield self._chunk({"reasoning_content": line}) if line else BEAT
        outcome, usage = await self._end()
        yield self._chunk({"content": _answer(outcome)})
        account = msgspec.to_builtins(_account(self._id, outcome))
        yield self._chunk({}, finish_reason=STOP, aragora=account)
        if self._chat.stream_options is not None and self._chat.stream_options.include_usage:
            yield self._frame({"choices": [], "usage": msgspec.to_builtins(usage)})
        yield DONE

    async def whole(self) -> ChatCompletion:
        """The answer at once."""
        async with aclosing(self._progress()) as progress:
            reasoning = "".join([line async for line in progress])
        outcome, usage = await self._end()
        said = Said(role="assistant", content=_answer(outcome), reasoning_content=reasoning)
        return ChatCompletion(
            id=f"chatcmpl-{self._id}",
            object="chat.completion",
            created=self._created,
            model=self._chat.model,
            choices=[Choice(index=0, message=said, finish_reason=STOP)],
            usage=usage,
            aragora=_account(self._id, outcome),
        )

    async def _progress(self) -> AsyncGenerator[str, None]:
        """Each event in words as it comes; empty when there was nothing for long. Who stops listening ends the debate."""
        over = False
        try:
            async with aclosing(self._parts.feed.follow(self._id, beat_s=BEAT_S)) as frames:
                async for frame in frames:
                    line = _words(msgspec.json.decode(frame.text)) if frame.seq else ""
                    over = over or frame.last
                    if line or not frame.text:
                        yield line
        finally:
            if not over and not self._stays:
                self._parts.engine.cancel_soon(self._id, "Whoever asked has left.")

    async def _end(self) -> tuple[Outcome | None, UsageSum]:
        record = await self._parts.store.debate(self._id)
        used = [message.usage for message in await self._parts.store.told(self._id)]
        read = [each.tokens_in for each in used if each.tokens_in is not None]
        written = [each.tokens_out for each in used if each.tokens_out is not None]
        costs = [each.cost_usd for each in used if each.cost_usd is not None]
        total = sum(read) + sum(written) if read or written else None
        usage = UsageSum(
            prompt_tokens=sum(read) if read else None,
            completion_tokens=sum(written) if written else None,
            total_tokens=total,
            cost_usd=sum(costs) if costs else None,
        )
        return record.outcome, usage

    def _chunk(self, delta: Mapping[str, str], *, finish_reason: str | None = None, **more: object) -> str:
        return self._frame({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}], **more})

    def _frame(self, fields: Mapping[str, object]) -> str:
        head = {"id": f"chatcmpl-{self._id}", "object": "chat.completion.chunk", "created": self._created}
        return f"data: {msgspec.json.encode({**head, 'model': self._chat.model, **fields}).decode()}\n\n"


def _answer(outcome: Outcome | None) -> str:
    """The answer; where there is none, what happened instead."""
    if outcome is not None and outcome.answer:
        return outcome.answer
    happened = outcome.outcome if outcome is not None else "cancelled"
    detail = f" {outcome.detail}" if outcome is not None and outcome.detail else ""
    return f"The debate came to no answer ({happened}).{detail}"


def _account(debate_id: str, outcome: Outcome | None) -> Account:
    return Account(
        debate_id=debate_id,
        outcome=outcome.outcome if outcome else "cancelled",
        winner=outcome.winner if outcome else None,
        agreement=outcome.tally.agreement if outcome and outcome.tally else None,
        dissent=list(outcome.dissent) if outcome else [],
        missing=sorted({each.seat for each in outcome.missing}) if outcome else [],
    )


def _words(event: Mapping[str, Any]) -> str:
    """An event of the log in a line or two; empty for those that say nothing to a reader."""
    data, line = event["data"], ""
    match event["type"]:
        case "debate_start":
            line = f"{', '.join(data['agents'])} debate.\n\n"
        case "agent_message":
            line = f"**{data['seat']}** ({data['phase']}, round {data['round']}): {data['content']}\n\n"
        case "agent_abstained":
            line = f"**{data['seat']}** does not answer ({data['abstention']['fault']}).\n\n"
        case "vote_cast" if data.get("kind") == "seat":
            line = f"**{data['voter']}** votes for {data['choice']}. {data.get('reasoning') or ''}\n\n"
        case "round_complete":
            leads = f"{data['leader']} leads" if data["leader"] else "nobody leads"
            line = f"Round {data['round']}: {leads}, {data['received']} of {data['eligible']} ballots heard.\n\n"
        case "debate_end":
            line = f"Outcome: {data['outcome']}.\n"
    return line
