"""Whoever follows a debate gets every event, in order, once each: early, late, slow, or behind a doorbell that loses rings."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aragora import app
from aragora.bus import LocalBus
from aragora.debate.consensus import cancelled
from aragora.debate.events import DebateEnded
from aragora.debate.model import Message, Phase
from aragora.errors import NotFound
from aragora.feed import WINDOW_FRAMES_MAX, Feed, Frame
from aragora.store.records import Logged
from aragora.store.store import Store
from builders import WAIT_S, a_brief, store_at

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
            while not got:  # what there was before is read; what follows is offered
                await asyncio.sleep(0.001)
            tasks.create_task(say(store, bell, debate_id, 60))
        assert list(range(1, 63)) == got
        assert pushed

    asyncio.run(check())


class CountingStore:
    """A store that counts how often a log is read, and reads it as slowly as told."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads = 0
        self.pause_s = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def events(self, debate_id: str, **given: Any) -> list[Logged]:
        self.reads += 1
        await asyncio.sleep(self.pause_s)
        return await self._store.events(debate_id, **given)


async def quiet(store: CountingStore) -> int:
    """How often the log was read, once nobody reads it any more."""
    before = -1
    while before != store.reads:
        before = store.reads
        await asyncio.sleep(0.02)
    return before


async def settled(store: Store, debate_id: str, early: Sequence[int]) -> None:
    """Wait until a follower has all that there is."""
    while len(early) < (await store.debate(debate_id)).last_seq:
        await asyncio.sleep(0.001)


def test_whoever_comes_back_to_a_followed_debate_is_served_from_its_window(tmp_path: Path) -> None:
    """A storm of returns costs no reading of the log, as long as the window has what they missed; and one that lags reads it."""

    async def check() -> None:
        bell, early = LocalBus(), list[int]()
        async with a_feed(tmp_path, bell) as (store, _, debate_id):
            counting = CountingStore(store)
            async with Feed(cast("Store", counting), bell, poll_s=10) as feed, asyncio.TaskGroup() as tasks:
                early_task = tasks.create_task(collect(feed, debate_id, 0, early))
                await asyncio.sleep(0)
                await talk(store, bell, debate_id, WINDOW_FRAMES_MAX + 20)
                await settled(store, debate_id, early)
                newest = len(early)
                for after, read in ((newest, 0), (newest - 1, 0), (newest - 50, 0), (newest - WINDOW_FRAMES_MAX // 3, 0), (7, 3)):
                    got, before = list[int](), await quiet(counting)
                    task = tasks.create_task(collect(feed, debate_id, after, got))
                    async with asyncio.timeout(WAIT_S):
                        while after + len(got) < newest:
                            await asyncio.sleep(0)
                    assert (list(range(after + 1, newest + 1)), before + read) == (got, counting.reads)
                    task.cancel()
                early_task.cancel()

    asyncio.run(check())


async def collect(feed: Feed, debate_id: str, after: int, into: list[int], pieces: list[str] | None = None) -> None:
    """Follow for ever."""
    async with aclosing(feed.follow(debate_id, after)) as frames:
        async for frame in frames:
            if frame.seq:
                into.append(frame.seq)
            elif pieces is not None:
                pieces.append(frame.text)


async def talk(store: Store, bus: LocalBus, debate_id: str, count: int) -> None:
    """Append so many messages, with a piece of a text before each."""
    for _ in range(count):
        bus.ring(debate_id, '{"type":"agent_delta"}')
        number = (await store.debate(debate_id)).last_seq
        await store.append(debate_id, Message(round=number, phase=Phase.CRITIQUE, seat="demo-1", content="So."), at=app.now())
        bus.ring(debate_id)
        await asyncio.sleep(0)


# What happens next: somebody comes with a number, the log grows, everybody who takes what is pushed does or does not.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.integers(0, 40)),
        st.tuples(st.just("talk"), st.integers(1, 12)),
        st.tuples(st.just("take"), st.booleans()),
        st.tuples(st.just("turn"), st.integers(1, 5)),
    ),
    min_size=3,
    max_size=14,
)


@settings(max_examples=25, deadline=None)
@given(steps=steps, window=st.integers(1, 9), slow=st.booleans(), lossy=st.booleans())
def test_no_order_of_things_loses_or_repeats_an_event(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], window: int, slow: bool, lossy: bool
) -> None:
    """Whoever comes when, with any window, a log that is slow to read and rings that are lost: each gets its rest once."""

    async def check() -> None:
        bell, taking = (DeafBus if lossy else LocalBus)(), [True]
        followers: list[tuple[int, list[int]]] = []
        async with a_feed(tmp_path_factory.mktemp("feed"), bell) as (store, _, debate_id):
            counting = CountingStore(store)
            counting.pause_s = 0.001 if slow else 0.0
            async with (
                Feed(cast("Store", counting), bell, poll_s=0.01, window_frames=window) as feed,
                asyncio.TaskGroup() as tasks,
            ):
                for name, number in [*steps, ("talk", 1)]:
                    if name == "come":
                        after, got = min(number, (await store.debate(debate_id)).last_seq), list[int]()
                        followers.append((after, got))
                        tasks.create_task(taker(feed, debate_id, after, got, taking))
                    elif name == "talk":
                        await talk(store, bell, debate_id, number)
                    elif name == "take":
                        taking[0] = bool(number)
                    for _ in range(number):
                        await asyncio.sleep(0)
                await say(store, bell, debate_id, 1)
            last = (await store.debate(debate_id)).last_seq
        assert [list(range(after + 1, last + 1)) for after, _ in followers] == [got for _, got in followers]

    asyncio.run(check())


async def taker(feed: Feed, debate_id: str, after: int, got: list[int], taking: list[bool]) -> None:
    """Follow to the end, taking what is pushed while everybody does."""

    def push(frame: Frame) -> bool:
        if taking[0] and frame.seq:
            got.append(frame.seq)
        return taking[0]

    async with aclosing(feed.follow(debate_id, after, push=push)) as frames:
        async for frame in frames:
            got += [frame.seq] if frame.seq else []
