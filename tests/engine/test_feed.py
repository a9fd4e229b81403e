"""Whoever follows a debate gets every event, in order, once each: early, late, slow, or behind a doorbell that loses rings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from aragora import app
from aragora.bus import LocalBus
from aragora.debate.consensus import cancelled
from aragora.debate.events import DebateEnded
from aragora.debate.model import Message, Phase
from aragora.errors import NotFound
from aragora.feed import WINDOW_FRAMES_MAX, Feed, Frame
from aragora.store.store import Store
from builders import a_brief, store_at

MANY = 3 * WINDOW_FRAMES_MAX


class DeafBus(LocalBus):
    """A doorbell that loses two rings of three."""

    rings = 0

    def ring(self, debate_id: str, frame: str | None = None) -> None:
        self.rings += 1
        if self.rings % 3 == 0:
            super().ring(debate_id, frame)


@asynccontextmanager
async def a_feed(tmp_path: Path, bus: LocalBus) -> AsyncIterator[tuple[Store, Feed, str]]:
    """A feed over a store that holds one started debate."""
    async with store_at(tmp_path / "log.db") as store, Feed(store, bus, poll_s=0.05) as feed:
        debate_id = app.new_id()
        await store.create(debate_id, a_brief(), at=app.now(), start=True)
        yield store, feed, debate_id


async def say(store: Store, bus: LocalBus, debate_id: str, count: int) -> None:
    """Append messages, ringing after each, then the end."""
    for number in range(count):
        message = Message(round=number, phase=Phase.CRITIQUE, seat="demo-1", content=f"Number {number}.")
        await store.append(debate_id, message, at=app.now())
        bus.ring(debate_id)
    await store.append(debate_id, DebateEnded(outcome=cancelled(rounds=1, detail=""), seconds=1), at=app.now())
    bus.ring(debate_id)


async def seen(feed: Feed, debate_id: str, after: int = 0, *, pause_s: float = 0.0) -> list[int]:
    """The numbers that a follower sees; one that pauses falls behind the window."""
    numbers = []
    async with aclosing(feed.follow(debate_id, after)) as frames:
        async for frame in frames:
            numbers.append(frame.seq)
            if pause_s and len(numbers) % 50 == 0:
                await asyncio.sleep(pause_s)
    return numbers


@pytest.mark.parametrize("bus", [LocalBus, DeafBus])
def test_everybody_sees_everything(tmp_path: Path, bus: type[LocalBus]) -> None:
    """Early, late, slow and resuming followers see the same numbers without a gap, even when rings are lost."""

    async def check() -> None:
        bell = bus()
        async with a_feed(tmp_path, bell) as (store, feed, debate_id):
            async with asyncio.TaskGroup() as tasks:
                early = [tasks.create_task(seen(feed, debate_id)) for _ in range(20)]
                slow = tasks.create_task(seen(feed, debate_id, pause_s=0.1))
                talking = tasks.create_task(say(store, bell, debate_id, MANY))
                while (await store.debate(debate_id)).last_seq < 17:
                    await asyncio.sleep(0.001)
                resumed = tasks.create_task(seen(feed, debate_id, after=17))
                late = tasks.create_task(seen(feed, debate_id))
            await talking
            whole = [*range(1, MANY + 3)]
            assert all(whole == task.result() for task in [*early, slow, late])
            assert whole[17:] == resumed.result()
            assert whole == await seen(feed, debate_id)
            assert [] == await seen(feed, debate_id, after=len(whole))
            assert 0 == feed.followed

    asyncio.run(check())


def test_a_number_from_the_future_counts_as_the_newest(tmp_path: Path) -> None:
    """A follower that names a number not yet reached misses nothing that comes."""

    async def check() -> None:
        bell = LocalBus()
        async with a_feed(tmp_path, bell) as (store, feed, debate_id), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(seen(feed, debate_id, after=10**12))
            await asyncio.sleep(0.01)
            await say(store, bell, debate_id, 3)
            assert [2, 3, 4, 5] == await task

    asyncio.run(check())


def test_pieces_of_texts_reach_those_who_follow(tmp_path: Path) -> None:
    """A frame that is not in the log is passed on and takes no number; nobody following, nobody is rung."""

    async def check() -> None:
        bell = LocalBus()
        async with a_feed(tmp_path, bell) as (_, feed, debate_id):
            assert not bell.followed(debate_id)
            async with aclosing(feed.follow(debate_id)) as frames:
                assert 1 == (await anext(frames)).seq
                assert bell.followed(debate_id)
                bell.ring(debate_id, '{"type":"agent_delta"}')
                assert Frame('{"type":"agent_delta"}') == await anext(frames)
            while bell.followed(debate_id):
                await asyncio.sleep(0)

    asyncio.run(check())


def test_unknown_debates_cannot_be_followed(tmp_path: Path) -> None:
    """Following what does not exist says so at once."""

    async def check() -> None:
        async with a_feed(tmp_path, LocalBus()) as (_, feed, _debate_id):
            for name in ("0" * 32, "", "../etc/passwd", "x" * 1000, "\x00"):
                with pytest.raises(NotFound):
                    await anext(feed.follow(name))

    asyncio.run(check())


@pytest.mark.parametrize("every", [1, 2, 7])
@pytest.mark.parametrize("bus", [LocalBus, DeafBus])
def test_what_is_pushed_and_what_is_read_make_one_order(tmp_path: Path, bus: type[LocalBus], every: int) -> None:
    """A follower that takes some frames at once, and is woken for the others, gets each once and in order, the last one too."""

    async def check() -> None:
        bell, got, offered, pushed = bus(), list[int](), 0, 0

        def push(frame: Frame) -> bool:
            nonlocal offered, pushed
            offered += 1
            if offered % every:
                return False
            got.append(frame.seq)
            pushed += 1
            return True

        async def follow(feed: Feed, debate_id: str) -> None:
            async with aclosing(feed.follow(debate_id, push=push)) as frames:
                async for frame in frames:
                    got.append(frame.seq)

        async with a_feed(tmp_path, bell) as (store, feed, debate_id), asyncio.TaskGroup() as tasks:
            tasks.create_task(follow(feed, debate_id))
            await asyncio.sleep(0)
            tasks.create_task(say(store, bell, debate_id, 60))
        assert list(range(1, 63)) == got
        assert pushed

    asyncio.run(check())
