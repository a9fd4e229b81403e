"""The package's own client, against a real server that is killed on the way."""

import asyncio
import socket
from pathlib import Path

import pytest

import aragora
from aragora.client import Unreachable
from aragora.errors import AragoraError, Conflict, Invalid, NotFound
from builders import WAIT_S, Served, in_loop, served


def url(server: Served) -> str:
    """Where the server is."""
    return f"http://127.0.0.1:{server.api_port}"


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@in_loop
async def test_debate_is_held_followed_and_read(tmp_path: Path) -> None:
    """Events come once each, without a gap, and the outcome is what the last one says."""
    with served(tmp_path) as server:
        async with aragora.Client(url(server)) as client:
            debate = await client.create("Tea or coffee?", agents=["demo", "demo"], rounds=2)
            async with asyncio.timeout(WAIT_S):
                events = [event async for event in debate.follow()]
                shown = await debate.outcome()
            assert [*range(1, shown.last_seq + 1)] == [event.seq for event in events]
            assert (shown.final_answer, "completed") == (events[-1].data["final_answer"], shown.status)
            later = [event.seq async for event in debate.follow(after=shown.last_seq - 2)]
            assert [shown.last_seq - 1, shown.last_seq] == later
            assert [shown.id] == [row.id async for row in client.debates()]
            assert "demo" in {agent.name for agent in await client.agents()}


@in_loop
async def test_following_goes_on_after_kill(tmp_path: Path) -> None:
    """A server that dies and comes back costs a follower nothing: not an event is missed and none comes twice."""
    port = free_port()
    with served(tmp_path, api_port=port, demo_delay_s=0.1) as server:
        client = aragora.Client(url(server))
        debate = await client.create("Tea or coffee?", agents=["demo", "demo"], rounds=3, rule="unanimous", threshold=1.0)
        events = []
        async with asyncio.timeout(WAIT_S):
            async for event in debate.follow():
                events.append(event)
                if len(events) == 3:
                    break
        server.kill()
    with served(tmp_path, api_port=port):
        async with asyncio.timeout(WAIT_S):
            events += [event async for event in debate.follow(after=events[-1].seq)]
        shown = await debate.read()
        await client.close()
    assert [*range(1, shown.last_seq + 1)] == [event.seq for event in events]


@in_loop
async def test_people_can_do_all_that_they_may(tmp_path: Path) -> None:
    """Suggest, vote, pause, resume, cancel and delete."""
    with served(tmp_path) as server:
        async with aragora.Client(url(server)) as client:
            debate = await client.create("Tea or coffee?", agents=["demo", "person"], rounds=1)
            await debate.suggest("Cost?", user="Ann")
            counted = await debate.vote("demo", voter="Ann", reason="Good.")
            assert {"demo": 1} == counted.tally
            assert ("paused", "cancelled") == ((await debate.pause()).status, (await debate.cancel()).status)
            with pytest.raises(Conflict):
                await debate.resume()
            await debate.delete()
            with pytest.raises(NotFound):
                await debate.read()


@in_loop
async def test_errors_are_those_of_the_server(tmp_path: Path) -> None:
    """Every flaw of a request is in the error; a server that is not there is an error of its own."""
    with served(tmp_path) as server:
        async with aragora.Client(url(server)) as client:
            with pytest.raises(Invalid) as caught:
                await client.create("", agents=["nobody"])
            assert {"topic", "agents[0]"} == {flaw.field for flaw in caught.value.flaws}
    async with aragora.Client(f"http://127.0.0.1:{free_port()}") as client:
        with pytest.raises(Unreachable):
            await client.agents()


def test_only_the_client_is_lazy() -> None:
    """A name that the package does not have is an AttributeError, as anywhere."""
    with pytest.raises(AttributeError):
        _ = aragora.Nothing
    assert issubclass(Unreachable, AragoraError)
