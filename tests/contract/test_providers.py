"""Every wire, streamed and whole, against our own test server: the right answer, and the right fault for each way to fail."""

import itertools
import json

import pytest

from aragora.debate.model import Fault, Phase, Usage
from aragora.providers import Completion, ProviderError
from aragora.providers.client import REPLY_BYTES_MAX
from model_builders import KEY, PROVIDERS, a_request, run, some_agents
from models_server import CACHED, PIECES, READ, WRITTEN, Server, running

TEXT = "".join(PIECES)
BOTH = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
EVERY = pytest.mark.parametrize("provider", PROVIDERS)


async def ask(
    provider: str, model: str, *, streamed: bool, timeout_s: float = 5.0, phase: Phase = Phase.PROPOSE
) -> tuple[Completion | ProviderError, list[str], Server]:
    """Put one turn to a model of the test server: what came of it, the pieces handed on, and the server."""
    pieces: list[str] = []
    async with running() as (server, url):
        agents = some_agents(url)
        try:
            request = a_request(f"{provider}:{model}", timeout_s=timeout_s, phase=phase)
            answer: Completion | ProviderError = await agents.complete(request, pieces.append if streamed else None)
        except ProviderError as error:
            answer = error
        finally:
            await agents.close()
    return answer, pieces, server


@EVERY
@BOTH
def test_an_answer_is_read_whole_with_its_counts(provider: str, streamed: bool) -> None:
    """The text, the pieces and the tokens are those that the vendor sent."""
    answer, pieces, server = run(ask(provider, "ok", streamed=streamed))
    assert isinstance(answer, Completion)
    assert answer.text == TEXT
    assert pieces == (list(PIECES) if streamed else [])
    counted = Usage(tokens_in=READ, tokens_out=WRITTEN, tokens_cached=CACHED)
    assert answer.usage == counted
    assert server.calls == {"ok": 1}


# What each fault is called, and how many calls are made for it: streamed, and whole.
FAULTS = {
    "429-long": (Fault.RATE_LIMITED, 1, 1),
    "500": (Fault.UNAVAILABLE, 3, 3),
    "502-html": (Fault.UNAVAILABLE, 3, 3),
    "529": (Fault.OVERLOADED, 3, 3),
    "400": (Fault.UNAVAILABLE, 1, 1),
    "404": (Fault.UNAVAILABLE, 1, 1),
    "auth": (Fault.AUTH, 1, 1),
    "drop": (Fault.UNAVAILABLE, 3, 3),
    "hang": (Fault.TIMEOUT, 1, 1),
    "stall": (Fault.TIMEOUT, 1, 1),
    "bad-json": (Fault.MALFORMED, 1, 1),
    "cut": (Fault.TRUNCATED, 1, 3),
    "no-finish": (Fault.TRUNCATED, 1, 3),
    "error-event": (Fault.OVERLOADED, 1, 3),
    "empty": (Fault.TRUNCATED, 3, 3),
    "wordless": (Fault.MALFORMED, 1, 1),
    "huge": (Fault.MALFORMED, 1, 1),
    "length": (Fault.TRUNCATED, 1, 1),
    "refusal": (Fault.REFUSED, 1, 1),
}


@EVERY
@BOTH
@pytest.mark.parametrize("model", FAULTS)
def test_a_failure_has_its_name_and_is_repeated_only_where_that_is_safe(provider: str, streamed: bool, model: str) -> None:
    """No failure becomes a text; nothing is asked again once a piece was handed on or where it cannot help."""
    fault, calls_streamed, calls_whole = FAULTS[model]
    answer, pieces, server = run(ask(provider, model, streamed=streamed, timeout_s=1.2))
    assert isinstance(answer, ProviderError)
    assert answer.fault == fault, answer.detail
    assert server.calls[model] == (calls_streamed if streamed else calls_whole), answer.detail
    assert answer.detail
    assert TEXT not in "".join(pieces)


@EVERY
@BOTH
def test_a_short_wait_that_the_vendor_asks_for_is_made(provider: str, streamed: bool) -> None:
    """After one 429 with `Retry-After: 1` the second call brings the answer."""
    answer, _, server = run(ask(provider, "429-once", streamed=streamed))
    assert isinstance(answer, Completion)
    assert answer.text == TEXT
    assert server.calls["429-once"] == 2


@EVERY
@pytest.mark.parametrize("fault", ["500-once", "529-once", "drop-once"])
def test_what_fails_once_is_answered_at_the_second_call(provider: str, fault: str) -> None:
    """A passing fault before the first piece costs a pause, not the turn."""
    answer, _, server = run(ask(provider, fault, streamed=True))
    assert isinstance(answer, Completion)
    assert server.calls[fault] == 2


@EVERY
def test_a_wait_longer_than_the_turn_is_reported_at_once(provider: str) -> None:
    """`Retry-After: 300` is told to the caller instead of slept through."""
    answer, _, _ = run(ask(provider, "429-long", streamed=False))
    assert isinstance(answer, ProviderError)
    assert answer.retry_after_s == 300


@EVERY
@BOTH
def test_the_vendors_words_are_kept_and_its_copy_of_the_key_is_not(provider: str, streamed: bool) -> None:
    """An error that quotes the key is shown without it."""
    answer, _, _ = run(ask(provider, "auth", streamed=streamed))
    assert isinstance(answer, ProviderError)
    assert "Incorrect API key provided" in answer.detail
    assert KEY not in f"{answer!r} {answer} {answer.__cause__!r} {answer.__context__!r}"


@EVERY
def test_a_page_of_html_is_told_as_text(provider: str) -> None:
    """A proxy's error page is reduced to its words."""
    answer, _, _ = run(ask(provider, "502-html", streamed=True))
    assert isinstance(answer, ProviderError)
    assert answer.detail == "HTTP 502: 502 Bad Gateway Bad Gateway"


@EVERY
@BOTH
def test_a_ballot_is_asked_for_by_schema_and_without_where_that_is_refused(provider: str, streamed: bool) -> None:
    """A model that knows no schemas is asked once with one, and never again."""
    answer, _, server = run(ask(provider, "plain-only", streamed=streamed, phase=Phase.VOTE))
    assert isinstance(answer, Completion)
    assert '"choice"' in answer.text
    with_schema = ["schema" in json.dumps(seen["body"]).casefold() for seen in server.seen]
    assert with_schema == [True, False]


def test_requests_are_worded_as_each_vendor_expects() -> None:
    """The path, the key's header, and where the rules of the house and the question go."""

    async def asked() -> list[dict[str, object]]:
        async with running() as (server, url):
            agents = some_agents(url)
            for provider, streamed in itertools.product(PROVIDERS, (True, False)):
                await agents.complete(a_request(f"{provider}:ok"), (lambda _: None) if streamed else None)
            await agents.close()
            return server.seen

    seen = run(asked())
    paths = [str(one["path"]) for one in seen]
    assert paths == [
        *["/v1/chat/completions"] * 2,
        *["/v1/messages"] * 2,
        "/v1beta/models/ok:streamGenerateContent?alt=sse",
        "/v1beta/models/ok:generateContent",
        *["/v1/chat/completions"] * 2,
    ]
    openai, _, anthropic, _, google, _, mistral, _ = (one["body"] for one in seen)
    assert isinstance(openai, dict)
    assert openai["stream_options"] == {"include_usage": True}
    assert "max_completion_tokens" in openai
    assert isinstance(anthropic, dict)
    assert anthropic["messages"][0]["role"] == "user"
    assert "system" in anthropic
    assert isinstance(google, dict)
    assert "systemInstruction" in google
    assert isinstance(mistral, dict)
    assert "stream_options" not in mistral
    assert "max_tokens" in mistral


def test_the_bound_on_a_reply_is_below_what_the_server_sends() -> None:
    """The 10 MB reply of the fault table is really over the bound."""
    assert REPLY_BYTES_MAX < 10 * 2**20
