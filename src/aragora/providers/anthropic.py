"""The Anthropic messages wire. May import siblings."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from aragora.debate.model import Fault
from aragora.providers.faults import broken
from aragora.providers.wire import Ask, Call, Endpoint, Failed, Reply, Tokens, finished, names

T = TypeVar("T")
VERSION = "2023-06-01"


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Block(msgspec.Struct):
    type: str = ""
    text: str = ""


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    stop_reason: str | None = None


class _Message(msgspec.Struct):
    type: str = ""
    content: list[_Block] = []
    stop_reason: str | None = None
    usage: _Usage | None = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None


_event_decoder = msgspec.json.Decoder(_Event)
_message_decoder = msgspec.json.Decoder(_Message)


def call(endpoint: Endpoint, ask: Ask, *, stream: bool) -> Call:
    """Put what is asked into a message."""
    body: dict[str, object] = {
        "model": ask.model,
        "max_tokens": ask.tokens_out_max,
        "system": ask.system,
        "messages": [{"role": "user", "content": ask.user}],
    }
    if stream:
        body["stream"] = True
    if ask.schema is not None:
        body["output_config"] = {"format": {"type": "json_schema", "schema": ask.schema}}
    url = endpoint.base_url.rstrip("/") + "/v1/messages"
    return Call(url=url, headers=_headers(endpoint), body=msgspec.json.encode(body))


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "anthropic-version": VERSION} | dict(endpoint.headers)
    return headers | {"x-api-key": endpoint.key} if endpoint.key else headers


def listing(endpoint: Endpoint) -> Call:
    """Ask which models there are."""
    return Call(url=endpoint.base_url.rstrip("/") + "/v1/models?limit=1000", headers=_headers(endpoint))


def models(body: bytes) -> Sequence[str]:
    """Read which models there are."""
    return names(body, "data", "id")


def whole(body: bytes) -> Reply:
    """Read a message."""
    message = _decode(_message_decoder, body)
    if message.type != "message":
        raise broken(body) if message.type == "error" else Failed(Fault.MALFORMED, "The reply is no message.", blame=True)
    texts = [block.text for block in message.content if block.type == "text"]
    return finished(message.stop_reason, texts, _tokens(message.usage or _Usage()))


def reading() -> "_Reading":
    """Begin to read a streamed reply."""
    return _Reading()


class _Reading:
    """A message while its events arrive."""

    def __init__(self) -> None:
        """Nothing has arrived yet."""
        self._text: list[str] = []
        self._stop: str | None = None
        self._usage = _Usage()
        self.over = False

    def take(self, data: bytes) -> str:
        """Read one event. Kinds of event that are not known are skipped, as the vendor asks."""
        event = _decode(_event_decoder, data)
        match event.type:
            case "content_block_delta" if event.delta is not None and event.delta.type == "text_delta":
                self._text.append(event.delta.text)
                return event.delta.text
            case "content_block_start" if event.content_block is not None and event.content_block.type == "text":
                self._text.append(event.content_block.text)
                return event.content_block.text
            case "message_start" if event.message is not None:
                self._count(event.message.usage)
            case "message_delta":
                self._count(event.usage)
                self._stop = (event.delta.stop_reason if event.delta else None) or self._stop
            case "message_stop":
                self.over = True
            case "error":
                raise broken(data)
        return ""

    def reply(self) -> Reply:
        """The whole message."""
        return finished(self._stop, self._text, _tokens(self._usage))

    def _count(self, usage: _Usage | None) -> None:
        """Later counts are cumulative, and may leave out what was said before."""
        for name in _Usage.__struct_fields__:
            value = getattr(usage, name, None)
            if value is not None:
                setattr(self._usage, name, value)


def _decode(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failed(Fault.MALFORMED, "The reply is not what this API sends.", blame=True) from error


def _tokens(usage: _Usage) -> Tokens:
    """The counts of one reply: this vendor counts cached tokens beside the others, not among them."""
    cached, stored = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    read = None if usage.input_tokens is None else usage.input_tokens + (cached or 0) + (stored or 0)
    return Tokens(read=read, written=usage.output_tokens, cached=cached, stored=stored)
