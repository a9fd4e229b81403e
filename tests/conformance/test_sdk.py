"""The public client from the registry, unchanged, against a real server: every method that is served, by both of its clients."""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sdk_calls
from sdk_calls import CALLS, PASSWORD, TOPIC, Call, World

from builders import WAIT_S, Served, in_loop, served

aragora_sdk: Any = pytest.importorskip("aragora_sdk")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all the tests here."""
    with served(tmp_path_factory.mktemp("sdk")) as server:
        yield server


def base_url(server: Served) -> str:
    """Where the client finds it."""
    return f"http://127.0.0.1:{server.api_port}"


def held(server: Served, **body: Any) -> dict[str, Any]:
    """A debate that has ended."""
    asked = {"task": TOPIC, "agents": ["demo:optimist", "demo:sceptic"], "rounds": 2, "consensus": "unanimous", **body}
    debate_id = server.ask("/api/debates", asked).json["id"]
    deadline = time.monotonic() + WAIT_S
    while (shown := server.ask(f"/api/debates/{debate_id}").json)["completed_at"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    found: dict[str, Any] = shown
    return found


def a_world(server: Served) -> World:
    """Debates, matches, a batch and a memory for calls to refer to."""
    # A seat that a person holds keeps a debate running for as long as a test needs it.
    running = server.ask("/api/debates", {"task": "A long one.", "agents": ["demo", "person"], "rounds": 1}).json["id"]
    stored = server.ask("/api/debates", {"task": "Later.", "agents": ["demo"], "rounds": 1, "start": False}).json["id"]
    batch = server.ask("/api/debates/batch", {"requests": [{"task": TOPIC, "agents": ["demo"], "rounds": 1}]}).json
    memory = server.ask("/api/memory/store", {"content": "Remember to conform.", "tier": "medium"}).json["id"]
    shown = next(each for seed in range(50) if (each := held(server, seed=seed))["winner"])
    email = f"{shown['id']}@example.com"
    who = {"email": email, "password": PASSWORD}
    first = server.ask("/api/auth/register", who).json["tokens"]
    second, third = (server.ask("/api/auth/login", who).json["tokens"] for _ in range(2))
    mine = {"Authorization": f"Bearer {first['access_token']}"}
    listed = server.ask("/api/auth/sessions", Authorization=f"Bearer {third['access_token']}").json["sessions"]
    return World(
        debate=shown["id"],
        running=running,
        spare=held(server)["id"],
        doomed=held(server)["id"],
        stored=stored,
        slug=shown["slug"],
        agent="demo:optimist",
        other="demo:sceptic",
        batch=batch["batch_id"],
        memory=memory,
        match=f"{shown['id']}-0",
        share=server.ask(f"/api/debates/{stored}/share", b"").json["token"],
        email=email,
        token=first["access_token"],
        refresh=second["refresh_token"],
        session=next(each["id"] for each in listed if each["current"]),
        key=server.ask("/api/auth/api-keys", b"{}", **mine).json["prefix"],
    )


def made(client: Any, each: Call, world: World) -> Any:
    """Make a call; of an async client, what has to be awaited."""
    namespace, _, method = each.name.partition(".")
    given, named = each.given(world)
    return getattr(getattr(client, namespace), method)(*given, **named)


def failures(client: Any, world: World) -> list[str]:
    """The calls that went wrong, with what they answered."""
    wrong = []
    for each in CALLS:
        try:
            got = made(client, each, world)
            if not each.good(got, world):
                wrong.append(f"{each.name}: {str(got)[:300]}")
        except Exception as error:  # noqa: BLE001 - every call that fails is named, not only the first
            wrong.append(f"{each.name}: {error!r}")
    return wrong


# The client warns that its original server does not serve some of these; this one does.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_served_method_in_threads(server: Served) -> None:
    """Each method answers as its row says."""
    world = a_world(server)
    with aragora_sdk.AragoraClient(base_url=base_url(server), api_key=world.token, max_retries=1) as client:
        assert [] == failures(client, world)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@in_loop
async def test_every_served_method_in_asyncio(server: Served) -> None:
    """The same rows, by the other client."""
    world = await asyncio.to_thread(a_world, server)
    wrong = []
    async with aragora_sdk.AragoraAsyncClient(base_url=base_url(server), api_key=world.token, max_retries=1) as client:
        for each in CALLS:
            try:
                got = made(client, each, world)
                got = await got if sdk_calls.is_awaitable(got) else got
                if not each.good(got, world):
                    wrong.append(f"{each.name}: {str(got)[:300]}")
            except Exception as error:  # noqa: BLE001 - as above
                wrong.append(f"{each.name}: {error!r}")
    assert [] == wrong


def test_every_row_names_a_method() -> None:
    """A row for a method that the client does not have would count as served what nobody can call."""
    assert set() == {each.name for each in CALLS} - set(sdk_calls.methods())
    assert len({each.name for each in CALLS}) == len(CALLS)


@in_loop
async def test_iterators_give_every_row_once(server: Served) -> None:
    """Pages of three give as many debates as there are, in both clients; agents too."""
    for _ in range(4):
        await asyncio.to_thread(held, server)
    with aragora_sdk.AragoraClient(base_url=base_url(server)) as client:
        total = client.debates.list(status="completed")["total"]
        ids = [each["id"] for each in client.debates.list_all(status="completed", page_size=3)]
        names = [each["name"] for each in client.agents.list_all(page_size=2)]
        assert client.agents.list()["total"] == len(set(names)) == len(names)
    assert total == len(set(ids)) == len(ids)
    async with aragora_sdk.AragoraAsyncClient(base_url=base_url(server)) as other:
        assert ids == [each["id"] async for each in other.debates.list_all(status="completed", page_size=3)]


def test_errors_are_the_clients_own(server: Served) -> None:
    """Each status becomes the class that the client has for it, with a message, a code and a trace id."""
    wrong: list[tuple[type, Callable[[Any], Any]]] = [
        (aragora_sdk.NotFoundError, lambda c: c.debates.get("nothing-of-the-kind")),
        (aragora_sdk.ValidationError, lambda c: c.debates.create(task="", agents=["demo"])),
        (aragora_sdk.ValidationError, lambda c: c.debates.create(task=TOPIC, agents=["nobody"])),
        (aragora_sdk.NotFoundError, lambda c: c.agents.get_profile("nobody")),
        (aragora_sdk.NotFoundError, lambda c: c.memory.delete_entry("nothing")),
        (aragora_sdk.AragoraError, lambda c: c.debates.pause(held(server)["id"])),
    ]
    with aragora_sdk.AragoraClient(base_url=base_url(server), max_retries=1) as client:
        for kind, ask in wrong:
            with pytest.raises(kind) as caught:
                ask(client)
            error: Any = caught.value
            assert (True, True, True) == (bool(str(error)), bool(error.error_code), bool(error.trace_id))
        with pytest.raises(aragora_sdk.ValidationError) as refused:
            client.debates.create(task="", agents=["nobody"], rounds=99)
        assert {"topic", "agents[0]", "rounds"} == {flaw["field"] for flaw in refused.value.errors}


def test_rate_limit_is_the_clients_own(tmp_path: Path) -> None:
    """One create too many is a RateLimitError that says when to come back."""
    with (
        served(tmp_path, rate_limit_debates=1) as server,
        aragora_sdk.AragoraClient(base_url=base_url(server), max_retries=1) as client,
    ):
        client.debates.create(task=TOPIC, agents=["demo"], rounds=1)
        with pytest.raises(aragora_sdk.RateLimitError) as caught:
            client.debates.create(task=TOPIC, agents=["demo"], rounds=1)
        assert 1 <= caught.value.retry_after <= 60


@in_loop
async def test_web_socket_class_follows_a_debate(server: Served) -> None:
    """The client's WebSocket gets every event once, typed where it has a type, and ends with the debate."""
    shown = await asyncio.to_thread(held, server)
    stream = aragora_sdk.AragoraWebSocket(base_url(server), options=aragora_sdk.WebSocketOptions(auto_reconnect=False))
    await stream.connect(debate_id=shown["id"])
    events = []
    async with asyncio.timeout(WAIT_S):
        async for event in stream.events():
            events.append(event)
            if event.type == "debate_end":
                break
    await stream.close()
    of_debate = [event for event in events if event.debate_id == shown["id"] and event.type != "subscribed"]
    assert shown["last_seq"] == len(of_debate)
    start, end = of_debate[0].typed_data, of_debate[-1].typed_data
    assert (TOPIC, 2) == (start.task, start.total_rounds)
    assert (shown["final_answer"], shown["consensus_reached"]) == (end.result, end.consensus_reached)
    assert all(event.timestamp for event in of_debate)


@in_loop
async def test_stream_of_client_ends_with_debate(server: Served) -> None:
    """The module's generator, subscribed by URL to a debate that runs, ends with it."""
    created = await asyncio.to_thread(server.ask, "/api/debates", {"task": TOPIC, "agents": ["demo", "demo"], "rounds": 2})
    events = aragora_sdk.stream_debate(base_url(server), created.json["id"])
    async with asyncio.timeout(WAIT_S):
        names = [event.type async for event in events]
    assert ("connected", "debate_end") == (names[0], names[-1])
    assert {"debate_start", "agent_message", "vote_cast", "round_complete"} <= set(names)
