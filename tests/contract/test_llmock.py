"""The fault table once more, against `llmock`, a server that others wrote: what we take for the wire is not only our own idea."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence

import pytest

from aragora.debate.model import Fault
from aragora.providers import Completion, ProviderError
from aragora.providers.agents import Agents
from aragora.providers.endpoints import catalogue
from model_builders import KEY, QUICK, a_request, run

BASES = {"openai": "/v1", "anthropic": "/anthropic", "google": "/gemini", "mistral": "/mistral"}
MODELS = {
    "openai": "gpt-4o-mini",
    "anthropic": "claude-sonnet-4-6",
    "google": "gemini-2.5-pro",
    "mistral": "mistral-large-latest",
}
START = "import time; from llmock.testing import LLMockServer; print(LLMockServer().start().url, flush=True); time.sleep(3600)"
Behaviour = Mapping[str, object]
EVERY = pytest.mark.parametrize("provider", BASES)
BOTH = pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The root of a running llmock, in a process of its own."""
    with subprocess.Popen([sys.executable, "-c", START], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def control(url: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, object]:
    """Tell llmock what to do, or ask what it saw."""
    data = json.dumps(body or {}).encode()
    request = urllib.request.Request(url + "/_llmock" + path, data=None if path == "/verdict" else data)
    with urllib.request.urlopen(request, timeout=10) as response:
        told: dict[str, object] = json.loads(response.read())
        return told


def ask(
    url: str, provider: str, behaviours: Sequence[Behaviour], *, streamed: bool
) -> tuple[Completion | ProviderError, list[str], dict[str, object]]:
    """Put one turn to a model that behaves so: what came of it, the pieces handed on, and llmock's verdict on us."""
    control(url, "/reset")
    if behaviours:
        control(url, "/scenario", {"behaviors": [*behaviours]})
    pieces: list[str] = []

    async def main() -> Completion | ProviderError:
        faults: list[str] = []
        tables = {name: {**QUICK, "base_url": url + path, "requests_per_minute": 0} for name, path in BASES.items()}
        known = catalogue({}, tables, lambda name: KEY if name.endswith("_API_KEY") else "", faults)
        agents = Agents(demo_delay_s=0, catalogue=known, jitter=lambda: 0.2)
        try:
            request = a_request(f"{provider}:{MODELS[provider]}", timeout_s=3.0)
            return await agents.complete(request, pieces.append if streamed else None)
        except ProviderError as error:
            return error
        finally:
            await agents.close()

    answer = run(main())
    return answer, pieces, control(url, "/verdict")


@EVERY
@BOTH
def test_an_answer_is_the_same_streamed_and_whole(url: str, provider: str, streamed: bool) -> None:
    """A scripted reply arrives to the letter, with counts where the vendor gives them."""
    text = "Iron sinks. Éclair — 鉄は沈む 🪨."
    answer, pieces, _ = ask(url, provider, [{"type": "reply", "text": text}], streamed=streamed)
    assert isinstance(answer, Completion)
    assert answer.text == text
    assert "".join(pieces) == (text if streamed else "")
    if provider != "mistral":  # where it streams no usage, unlike the vendor
        assert answer.usage.tokens_in
        assert answer.usage.tokens_out


FAILING: dict[str, tuple[Behaviour, Fault]] = {
    "429-long": ({"type": "fail", "status": 429, "retry_after": 300, "times": None}, Fault.RATE_LIMITED),
    "500": ({"type": "fail", "status": 500, "times": None}, Fault.UNAVAILABLE),
    "502": ({"type": "fail", "status": 502, "times": None}, Fault.UNAVAILABLE),
    "503": ({"type": "fail", "status": 503, "times": None}, Fault.OVERLOADED),
    "529": ({"type": "fail", "status": 529, "times": None}, Fault.OVERLOADED),
    "400": ({"type": "fail", "status": 400, "times": None}, Fault.UNAVAILABLE),
    "401": ({"type": "fail", "status": 401, "times": None}, Fault.AUTH),
    "403": ({"type": "fail", "status": 403, "times": None}, Fault.AUTH),
    "404": ({"type": "fail", "status": 404, "times": None}, Fault.UNAVAILABLE),
    "huge": ({"type": "reply", "text": "x" * 10_500_000, "times": None}, Fault.MALFORMED),
}
BROKEN_STREAMS: dict[str, tuple[Behaviour, tuple[Fault, ...]]] = {
    "dropped": ({"kind": "disconnect", "after_chunks": 0}, (Fault.UNAVAILABLE, Fault.TRUNCATED)),
    "cut": ({"kind": "disconnect", "after_chunks": 4}, (Fault.TRUNCATED,)),
    "clean end without finish": ({"kind": "truncate", "after_chunks": 4}, (Fault.TRUNCATED,)),
    "bad json": ({"kind": "malformed", "after_chunks": 4}, (Fault.MALFORMED,)),
    "stall": ({"kind": "stall", "after_chunks": 4, "stall_seconds": 5}, (Fault.TIMEOUT,)),
}


@EVERY
@BOTH
@pytest.mark.parametrize("name", FAILING)
def test_a_refusal_has_its_name(url: str, provider: str, streamed: bool, name: str) -> None:
    """Each status becomes its fault, and llmock finds no retry that could not have helped."""
    behaviour, fault = FAILING[name]
    answer, _, verdict = ask(url, provider, [behaviour], streamed=streamed)
    assert isinstance(answer, ProviderError)
    assert answer.fault == fault, answer.detail
    assert [] == errors(verdict)


@EVERY
@pytest.mark.parametrize("name", BROKEN_STREAMS)
def test_a_broken_stream_has_its_name(url: str, provider: str, name: str) -> None:
    """No broken stream becomes an answer."""
    behaviour, faults = BROKEN_STREAMS[name]
    fault: dict[str, object] = {"type": "stream_fault", "times": None, **behaviour}
    long_reply: dict[str, object] = {"type": "reply", "text": "Iron does not float on water at all.", "times": None}
    answer, _, verdict = ask(url, provider, [long_reply, fault], streamed=True)
    assert isinstance(answer, ProviderError)
    assert answer.fault in faults, answer.detail
    # It cannot see that we refuse what it truncated: to a server, taking and refusing such a stream look alike.
    assert [] == [code for code in errors(verdict) if code != "truncated_stream_accepted"]


@EVERY
@BOTH
def test_a_short_wait_is_made_to_the_second(url: str, provider: str, streamed: bool) -> None:
    """After a 429 the retry comes when `Retry-After` says, by llmock's own clock."""
    limited = {"type": "fail", "status": 429, "retry_after": 1, "times": 1}
    answer, _, verdict = ask(url, provider, [limited], streamed=streamed)
    assert isinstance(answer, Completion)
    assert [] == errors(verdict)


def errors(verdict: Mapping[str, object]) -> list[str]:
    """The findings that llmock holds to be faults of the client."""
    found = verdict["findings"]
    assert isinstance(found, list)
    return [str(finding["code"]) for finding in found if finding["severity"] == "error"]
