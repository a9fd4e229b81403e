"""The Gemini wire of Google. May import siblings."""

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from aragora.debate.model import Fault
from aragora.providers.faults import broken
from aragora.providers.wire import Ask, Call, Endpoint, Failed, Reply, Tokens, finished, names


class _Part(msgspec.Struct):
    text: str = ""
    thought: bool = False


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None


class _Response(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: _Usage | None = None
    error: dict[str, object] | str | None = None


_decoder = msgspec.json.Decoder(_Response)


def call(endpoint: Endpoint, ask: Ask, *, stream: bool) -> Call:
    """Put what is asked into a request to generate content."""
    generation: dict[str, object] = {"maxOutputTokens": ask.tokens_out_max}
    if ask.schema is not None:
        generation |= {"responseMimeType": "application/json", "responseJsonSchema": ask.schema}
    body = {
        "systemInstruction": {"parts": [{"text": ask.system}]},
        "contents": [{"role": "user", "parts": [{"text": ask.user}]}],
        "generationConfig": generation,
    }
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    url = f"{endpoint.base_url.rstrip('/')}/v1beta/models/{quote(ask.model, safe='')}:{method}"
    return Call(url=url, headers=_headers(endpoint), body=msgspec.json.encode(body))


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {"Content-Type": "application/json"} | dict(endpoint.headers)
    return headers | {"x-goog-api-key": endpoint.key} if endpoint.key else headers


def listing(endpoint: Endpoint) -> Call:
    """Ask which models there are."""
    return Call(url=endpoint.base_url.rstrip("/") + "/v1beta/models?pageSize=1000", headers=_headers(endpoint))


def models(body: bytes) -> Sequence[str]:
    """Read which models there are."""
    return [name.removeprefix("models/") for name in names(body, "models", "name")]


def whole(body: bytes) -> Reply:
    """Read generated content."""
    response = _Reading()
    response.take(body)
    return response.reply()


def reading() -> "_Reading":
    """Begin to read a streamed reply."""
    return _Reading()


class _Reading:
    """Generated content while its pieces arrive, each of which has the shape of a whole reply."""

    def __init__(self) -> None:
        """Nothing has arrived yet."""
        self._text: list[str] = []
        self._finish: str | None = None
        self._blocked = ""
        self._tokens = Tokens()
        self.over = False

    def take(self, data: bytes) -> str:
        """Read one piece."""
        response = _decode(data)
        if response.usage_metadata is not None:
            self._tokens = _tokens(response.usage_metadata)
        if response.prompt_feedback is not None and response.prompt_feedback.block_reason:
            self._blocked = f"The question was blocked ({response.prompt_feedback.block_reason[:64]})."
        if not response.candidates:
            return ""
        candidate = response.candidates[0]
        self._finish = candidate.finish_reason or self._finish
        parts = candidate.content.parts if candidate.content else None
        text = "".join(part.text for part in parts or () if not part.thought)
        if text:
            self._text.append(text)
        return text

    def reply(self) -> Reply:
        """The whole content."""
        return finished(self._finish, self._text, self._tokens, refusal=self._blocked)


def _decode(data: bytes) -> _Response:
    try:
        response = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failed(Fault.MALFORMED, "The reply is not what this API sends.", blame=True) from error
    if response.error is not None:
        raise broken(data)
    return response


def _tokens(usage: _Usage) -> Tokens:
    """The counts of one reply: this vendor counts hidden reasoning beside the reply; both are paid for as output."""
    written = usage.candidates_token_count
    if usage.thoughts_token_count is not None:
        written = (written or 0) + usage.thoughts_token_count
    return Tokens(read=usage.prompt_token_count, written=written, cached=usage.cached_content_token_count)
