"""The real OpenAI client holds debates, streamed and whole."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from builders import WAIT_S, Served, served

openai: Any = pytest.importorskip("openai")

ASKED = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Tea or coffee?"},
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all the tests here."""
    with served(tmp_path_factory.mktemp("openai"), demo_delay_s=0.02) as server:
        yield server


@pytest.fixture
def client(server: Served) -> Iterator[Any]:
    """The client, pointed here."""
    with openai.OpenAI(base_url=f"http://127.0.0.1:{server.api_port}/v1", api_key="any", max_retries=0, timeout=WAIT_S) as client:
        yield client


def test_streamed_debate(server: Served, client: Any) -> None:
    """Progress comes as reasoning, the answer as content; usage is the sum of the log's, and the debate is stored."""
    chunks = [
        *client.chat.completions.create(
            model="aragora/debate", messages=ASKED, stream=True, stream_options={"include_usage": True}
        )
    ]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    reasoning = [delta.reasoning_content for delta in deltas if getattr(delta, "reasoning_content", None)]
    account = next(chunk.aragora for chunk in chunks if getattr(chunk, "aragora", None))
    shown = server.ask(f"/api/debates/{account['debate_id']}").json
    assert ("Tea or coffee?", "system: Be brief.") == (shown["topic"], shown["context"])
    assert shown["final_answer"] == "".join(delta.content or "" for delta in deltas) or not shown["final_answer"]
    assert len(reasoning) > 5
    assert "stop" == [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1]
    costs = server.ask(f"/api/debates/{account['debate_id']}/costs").json
    usage = chunks[-1].usage
    assert (costs["tokens_in"], costs["tokens_out"]) == (usage.prompt_tokens, usage.completion_tokens)


def test_whole_debate(server: Served, client: Any) -> None:
    """The same at once, with seats of one's own choice."""
    wishes = {"aragora": {"agents": ["demo", "demo"], "rounds": 1}}
    made = client.chat.completions.create(model="aragora/quick", messages=ASKED, extra_body=wishes)
    shown = server.ask(f"/api/debates/{made.aragora['debate_id']}").json
    assert (["demo-1", "demo-2"], "vote_only@1") == (shown["agents"], shown["protocol"])
    assert made.choices[0].message.content
    assert "votes for" in made.choices[0].message.reasoning_content
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens


def test_parts_of_content_are_read(server: Served, client: Any) -> None:
    """A message whose content is a list of texts is as good as one text."""
    messages = [{"role": "user", "content": [{"type": "text", "text": "Tea"}, {"type": "text", "text": "or coffee?"}]}]
    made = client.chat.completions.create(model="aragora/quick", messages=messages)
    assert "Tea\nor coffee?" == server.ask(f"/api/debates/{made.aragora['debate_id']}").json["topic"]


def test_models_are_listed(client: Any) -> None:
    """Every preset is a model, by the list and by name."""
    names = [each.id for each in client.models.list()]
    assert "aragora/debate" in names
    assert "aragora/quick" == client.models.retrieve("aragora/quick").id


def test_errors_are_the_clients_own(client: Any) -> None:
    """A model that there is not, and a conversation that asks nothing, are bad requests."""
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="gpt-9", messages=ASKED)
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="aragora/debate", messages=ASKED[:1])


def test_who_leaves_ends_the_debate(server: Served, client: Any) -> None:
    """A stream that is closed early cancels its debate: nobody would read what further turns cost."""
    stream = client.chat.completions.create(
        model="aragora/debate", messages=ASKED, stream=True, extra_body={"aragora": {"agents": ["demo", "person"]}}
    )
    first = next(iter(stream))
    debate_id = first.id.removeprefix("chatcmpl-")
    stream.close()
    frames = server.ask(f"/api/debates/{debate_id}/events/stream").body.decode()
    assert '"outcome":"cancelled"' in frames


def test_key_leads_back_to_the_debate(server: Served, client: Any) -> None:
    """A stream that broke off, asked for again under its key, tells the same debate from its beginning; so does it whole."""
    once = {"extra_headers": {"Idempotency-Key": "once"}}
    asked: dict[str, Any] = {"model": "aragora/debate", "messages": ASKED, **once}
    before = server.ask("/api/debates").json["total"]
    stream = client.chat.completions.create(**asked, stream=True)
    first = next(iter(stream))
    stream.close()
    chunks = [*client.chat.completions.create(**asked, stream=True)]
    assert {first.id} == {chunk.id for chunk in chunks}
    assert "stop" == chunks[-1].choices[0].finish_reason
    told = "".join(chunk.choices[0].delta.reasoning_content or "" for chunk in chunks if _reasons(chunk))
    assert "Outcome: cancelled" not in told
    assert told.startswith("demo:")
    assert chunks[0].id == next(iter(client.chat.completions.create(**asked, stream=True))).id
    with pytest.raises(openai.UnprocessableEntityError):
        client.chat.completions.create(**asked)  # another body under the same key
    assert before + 1 == server.ask("/api/debates").json["total"]


def _reasons(chunk: Any) -> bool:
    return bool(chunk.choices) and hasattr(chunk.choices[0].delta, "reasoning_content")


def test_whole_answer_is_waited_for_twice(server: Served, client: Any) -> None:
    """Whoever asks again while the first answer is being made waits for the same debate."""
    client = client.with_options(max_retries=2)
    asked = {"model": "aragora/debate", "messages": ASKED, "extra_headers": {"Idempotency-Key": "twice"}}
    before = server.ask("/api/debates").json["total"]
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: client.chat.completions.create(**asked), range(2))
    assert (one.id, one.choices[0].message.content) == (two.id, two.choices[0].message.content)
    assert before + 1 == server.ask("/api/debates").json["total"]
