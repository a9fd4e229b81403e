"""A debate that was broken off goes on as if it had not been."""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aragora import app
from aragora.debate.events import Event, key_of
from aragora.debate.model import Brief, Message, Phase
from aragora.providers import Completion, OnText, Request
from aragora.providers.agents import Agents
from aragora.store.records import Logged
from aragora.store.store import Appended, Store
from builders import a_brief, an_engine, store_at


class PowerCut(BaseException):
    """The process ends here; nothing that catches errors may catch it."""


class Fuse:
    """Blows once, at the n-th time that it is passed."""

    def __init__(self, at: int | None) -> None:
        self._left = at

    def passed(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise PowerCut


class FusedAgents(Agents):
    """The real agents, behind a fuse; counts who was asked what."""

    def __init__(self, fuse: Fuse) -> None:
        super().__init__(demo_delay_s=0.0)
        self._fuse = fuse
        self.asked: Counter[str] = Counter()

    async def complete(self, request: Request, on_text: OnText | None = None) -> Completion:
        self._fuse.passed()
        self.asked[request.turn.key] += 1
        await asyncio.sleep(0)
        return await super().complete(request, on_text)


class FusedStore(Store):
    """The real store, behind two fuses: one blows before a write, the other when it is done but not yet known."""

    def __init__(self, store: Store, before: Fuse, after: Fuse) -> None:
        super().__init__(store._db)
        self._before, self._after = before, after

    async def append(self, debate_id: str, event: Event, *, at: str, epoch: int = 0) -> Appended:
        self._before.passed()
        appended = await super().append(debate_id, event, at=at, epoch=epoch)
        self._after.passed()
        return appended


async def hold(store: Store, brief: Brief, fuses: Iterator[tuple[str, int]]) -> tuple[list[Logged], list[FusedAgents]]:
    """Hold a debate to its end, through one power cut for each fuse; its log and who was asked in each life."""
    debate_id = app.new_id()
    await store.create(debate_id, brief, at=app.now(), start=True)
    lives: list[FusedAgents] = []
    for where, at in [*fuses, ("", 0)]:
        fused = {name: Fuse(at if name == where else None) for name in ("ask", "before", "after")}
        agents = FusedAgents(fused["ask"])
        lives.append(agents)
        engine = an_engine(FusedStore(store, fused["before"], fused["after"]), agents=agents)
        await engine.resume(debate_id)
        with suppress(BaseExceptionGroup):
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(engine.run(resume=False))
                while not running.done() and (await store.debate(debate_id)).ended_at is None:
                    await asyncio.sleep(0)
                engine.stop()
    return await store.events(debate_id, limit=10_000), lives


def essence(log: list[Logged]) -> dict[str, Any]:
    """What a log says, whatever the order of those who spoke at the same time and however long it took."""
    return {event.key: _without_clocks(event.data) for event in log}


def _without_clocks(data: str) -> str:
    """What differs between two runs of the same debate is how long things took."""
    return re.sub(r'"(seconds|duration_seconds)":[0-9.e-]+', "", data)


CUTS = st.lists(st.tuples(st.sampled_from(["ask", "before", "after"]), st.integers(0, 30)), min_size=1, max_size=4)
AGENTS = st.lists(st.sampled_from(["demo", "demo:sceptic", "demo:analyst"]), min_size=1, max_size=4)


power_cuts = given(
    agents=AGENTS,
    rounds=st.integers(1, 3),
    seed=st.integers(0, 2**53),
    cuts=CUTS,
    protocol=st.sampled_from(["critique@1", "vote_only@1"]),
)
a_try = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def cut(file: Path, brief: Brief, cuts: list[tuple[str, int]]) -> None:
    """Hold a debate without power cuts and with them, and compare."""
    async with store_at(file) as store:
        whole, _ = await hold(store, brief, iter(()))
        broken, lives = await hold(store, brief, iter(cuts))
    assert essence(whole) == essence(broken)
    assert [event.seq for event in broken] == [*range(1, len(broken) + 1)]
    assert {key: 1 for life in lives for key in life.asked if life.asked[key] > 1} == {}
    again = Counter(key for life in lives for key in life.asked)
    # A call is repeated only if it was in flight at a cut, and a cut finds at most one call of each seat in flight.
    assert sum(again.values()) - len(again) <= len(cuts) * len(brief.seats)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@settings(a_try, max_examples=300)
@power_cuts
def test_power_cuts_change_nothing(tmp_path: Path, cuts: list[tuple[str, int]], **given: Any) -> None:
    """Cut the power at any call or append, any number of times: the log says what it would have said, without gaps."""
    asyncio.run(cut(tmp_path / "log.db", a_brief(**given), cuts))


@pytest.mark.parametrize("database_kind", ["postgres", "pgbouncer"], indirect=True)
@settings(a_try, max_examples=10)
@power_cuts
def test_power_cuts_change_nothing_on_a_server(tmp_path: Path, cuts: list[tuple[str, int]], **given: Any) -> None:
    """The same on PostgreSQL, where each try takes longer, a few times."""
    asyncio.run(cut(tmp_path / "log.db", a_brief(**given), cuts))


@pytest.mark.parametrize("where", ["ask", "before", "after"])
def test_each_fuse_blows(tmp_path: Path, where: str) -> None:
    """The power cuts of the test above do happen: a first life with a fuse records less than a whole debate."""

    async def check() -> None:
        async with store_at(tmp_path / "log.db") as store:
            _, lives = await hold(store, a_brief(), iter([(where, 4)]))
        assert lives[0].asked
        assert lives[1].asked

    asyncio.run(check())


def test_recording_twice_records_once(tmp_path: Path) -> None:
    """An event that is appended again takes no number and changes nothing."""

    async def check() -> None:
        async with store_at(tmp_path / "log.db") as store:
            log, _ = await hold(store, a_brief(), iter(()))
            fresh = a_brief(seed=8)
            debate_id = app.new_id()
            await store.create(debate_id, fresh, at=app.now(), start=True)
            said = Message(round=1, phase=Phase.PROPOSE, seat="demo-1", content="Once.")
            first = await store.append(debate_id, said, at=app.now())
            second = await store.append(debate_id, said, at=app.now())
            assert (2, True) == (first.seq, first.fresh)
            assert (2, False) == (second.seq, second.fresh)
            assert ["start", key_of(said)] == [event.key for event in await store.events(debate_id)]
        assert log

    asyncio.run(check())
