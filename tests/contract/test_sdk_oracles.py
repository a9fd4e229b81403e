"""The vendors' own SDKs read our test server's replies as we do: what we take for the wire is what they take for it.

They are imported by the tests that use them, since together they cost seconds, and never by the product.
"""

from collections.abc import Awaitable, Callable

import pytest

from aragora.debate.model import Usage
from model_builders import KEY, a_request, run, some_agents
from models_server import CACHED, PIECES, READ, WRITTEN, Server, running

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs, not ours

# What a whole reply is to an SDK: its text, its word for the end, tokens read, tokens written, tokens cached.
Told = tuple[str, str, int | None, int | None, int | None]
TEXT = "".join(PIECES)


async def by_openai(url: str, model: str) -> Told:
    """Stream a chat completion with the `openai` package."""
    from openai import AsyncOpenAI

    text, end, usage = "", "", None
    async with AsyncOpenAI(base_url=url + "/v1", api_key=KEY, max_retries=0) as client:
        stream = await client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "Does iron float?"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                end = choice.finish_reason or end
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    return text, end, usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details.cached_tokens


async def by_anthropic(url: str, model: str) -> Told:
    """Stream a message with the `anthropic` package."""
    from anthropic import AsyncAnthropic

    async with AsyncAnthropic(base_url=url, api_key=KEY, max_retries=0) as client:
        asked = client.messages.stream(
            model=model, max_tokens=100, messages=[{"role": "user", "content": "Does iron float?"}], system="Be brief."
        )
        async with asked as stream:
            message = await stream.get_final_message()
    usage = message.usage
    text = "".join(block.text for block in message.content if block.type == "text")
    read = usage.input_tokens + (usage.cache_read_input_tokens or 0)
    return text, str(message.stop_reason), read, usage.output_tokens, usage.cache_read_input_tokens


async def by_google(url: str, model: str) -> Told:
    """Stream content with the `google-genai` package, whose paths are newer than ours."""
    from google import genai
    from google.genai.types import HttpOptions

    text, end, usage = "", "", None
    client = genai.Client(api_key=KEY, http_options=HttpOptions(base_url=url))
    async for piece in await client.aio.models.generate_content_stream(model=model, contents="Does iron float?"):
        text += piece.text or ""
        usage = piece.usage_metadata or usage
        finish = piece.candidates[0].finish_reason if piece.candidates else None
        end = finish.value if finish else end
    await client.aio.aclose()
    assert usage is not None
    return text, end, usage.prompt_token_count, usage.candidates_token_count, usage.cached_content_token_count


async def by_mistral(url: str, model: str) -> Told:
    """Stream a chat completion with the `mistralai` package."""
    from mistralai.client import Mistral

    text, end, usage = "", "", None
    async with Mistral(server_url=url, api_key=KEY) as client:
        stream = await client.chat.stream_async(model=model, messages=[{"role": "user", "content": "Does iron float?"}])
        async for event in stream:
            usage = event.data.usage or usage
            for choice in event.data.choices:
                text += str(choice.delta.content or "")
                end = choice.finish_reason or end
    assert usage is not None
    return text, str(end), usage.prompt_tokens, usage.completion_tokens, CACHED  # it has no field for cached tokens


SDKS: dict[str, tuple[Callable[[str, str], Awaitable[Told]], str]] = {
    "openai": (by_openai, "stop"),
    "anthropic": (by_anthropic, "end_turn"),
    "google": (by_google, "STOP"),
    "mistral": (by_mistral, "stop"),
}
EVERY = pytest.mark.parametrize("provider", SDKS)


@EVERY
def test_the_sdk_and_we_read_the_same(provider: str) -> None:
    """Text, end and counts agree, and the SDK asks at the place where we ask or a newer one of the same vendor."""
    sdk, end = SDKS[provider]

    async def main() -> tuple[Told, str, Usage, Server]:
        async with running() as (server, url):
            told = await sdk(url, "ok")
            agents = some_agents(url)
            completion = await agents.complete(a_request(f"{provider}:ok"), lambda _: None)
            await agents.close()
            return told, completion.text, completion.usage, server

    told, text, usage, server = run(main())
    assert told == (TEXT, end, READ, WRITTEN, CACHED)
    assert told == (text, end, usage.tokens_in, usage.tokens_out, usage.tokens_cached)
    theirs, ours = (str(seen["path"]) for seen in server.seen)
    if provider == "google":
        assert theirs.replace("/v1/", "/v1beta/") == ours  # the newest SDK asks v1; v1beta is what all before it asked
    else:
        assert theirs.partition("#")[0] == ours


@EVERY
def test_the_sdk_takes_for_whole_what_we_refuse(provider: str) -> None:
    """The reason for wires of our own: half an answer, ended without its sign, is an answer to every SDK."""
    sdk, _ = SDKS[provider]

    async def main() -> str:
        async with running() as (_, url):
            try:
                return (await sdk(url, "no-finish"))[0]
            except AssertionError:
                return "accepted, without counts"

    assert run(main())


@EVERY
def test_the_key_goes_where_the_sdk_puts_it(provider: str) -> None:
    """The header that carries the key is the same, but for a vendor that takes two and whose SDK changed over in 2026."""
    sdk, _ = SDKS[provider]

    async def main() -> list[set[str]]:
        async with running() as (server, url):
            await sdk(url, "ok")
            agents = some_agents(url)
            await agents.complete(a_request(f"{provider}:ok"))
            await agents.close()
            headers = [seen["headers"] for seen in server.seen]
            return [{name for name, value in one.items() if KEY in value} for one in headers if isinstance(one, dict)]

    theirs, ours = run(main())
    assert theirs == ({"authorization"} if provider == "anthropic" else ours)
    assert ours == {"anthropic": {"x-api-key"}, "google": {"x-goog-api-key"}}.get(provider, {"authorization"})
