"""The OpenAI chat wire, which Mistral, Ollama, vLLM, OpenRouter and many others speak too. May import siblings."""

from collections.abc import Sequence

import msgspec

from aragora.debate.model import Fault
from aragora.providers.faults import broken
from aragora.providers.wire import Ask, Call, Endpoint, Failed, Reply, Tokens, finished, names

DONE = b"[DONE]"


class _Part(msgspec.Struct):
    type: str = ""
    text: str = ""


class _Said(msgspec.Struct):
    # Reasoning models of some vendors send a list of parts, some of them thoughts.
    content: str | list[_Part] | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None


class _Cached(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Cached | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: dict[str, object] | str | None = None
    object: str | None = None


_decoder = msgspec.json.Decoder(_Chunk)


def call(endpoint: Endpoint, ask: Ask, *, stream: bool) -> Call:
    """Put what is asked into a chat completion."""
    body: dict[str, object] = {
        "model": ask.model,
        "messages": [{"role": "system", "content": ask.system}, {"role": "user", "content": ask.user}],
        endpoint.tokens_field: ask.tokens_out_max,
    }
    if stream:
        body["stream"] = True
        if endpoint.asks_usage:
            body["stream_options"] = {"include_usage": True}
    if ask.schema is not None:
        named = {"name": "reply", "strict": True, "schema": ask.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    url = endpoint.base_url.rstrip("/") + endpoint.path
    return Call(url=url, headers=_headers(endpoint), body=msgspec.json.encode(body))


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {"Content-Type": "application/json"} | dict(endpoint.headers)
    return headers | {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else headers


def listing(endpoint: Endpoint) -> Call:
    """Ask which models there are."""
    path = endpoint.path.removesuffix("/chat/completions") + "/models"
    return Call(url=endpoint.base_url.rstrip("/") + path, headers=_headers(endpoint))


def models(body: bytes) -> Sequence[str]:
    """Read which models there are."""
    return names(body, "data", "id")


def whole(body: bytes) -> Reply:
    """Read a chat completion."""
    chunk = _decode(body)
    if not chunk.choices:
        raise Failed(Fault.MALFORMED, "The reply holds no choice.", blame=True)
    choice = chunk.choices[0]
    said = choice.message or _Said()
    return finished(choice.finish_reason, [_text(said)], _tokens(chunk.usage), refusal=said.refusal or "")


def reading() -> "_Reading":
    """Begin to read a streamed reply."""
    return _Reading()


class _Reading:
    """A chat completion while its chunks arrive."""

    def __init__(self) -> None:
        """Nothing has arrived yet."""
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._finish: str | None = None
        self._tokens = Tokens()
        self.over = False

    def take(self, data: bytes) -> str:
        """Read one chunk."""
        if data == DONE:
            self.over = True
            return ""
        chunk = _decode(data)
        if chunk.usage is not None:
            self._tokens = _tokens(chunk.usage)
        if not chunk.choices:
            return ""
        choice = chunk.choices[0]
        self._finish = choice.finish_reason or self._finish
        if choice.delta is None:
            return ""
        if choice.delta.refusal:
            self._refusal.append(choice.delta.refusal)
        text = _text(choice.delta)
        if text:
            self._text.append(text)
        return text

    def reply(self) -> Reply:
        """The whole completion."""
        return finished(self._finish, self._text, self._tokens, refusal="".join(self._refusal))


def _decode(data: bytes) -> _Chunk:
    try:
        chunk = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failed(Fault.MALFORMED, "The reply is not what this API sends.", blame=True) from error
    if chunk.error is not None or chunk.object == "error":
        raise broken(data)
    return chunk


def _text(said: _Said) -> str:
    if isinstance(said.content, list):
        return "".join(part.text for part in said.content if part.type == "text")
    return said.content or ""


def _tokens(usage: _Usage | None) -> Tokens:
    if usage is None:
        return Tokens()
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None
    return Tokens(read=usage.prompt_tokens, written=usage.completion_tokens, cached=cached)
