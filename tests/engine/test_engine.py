"""The engine keeps its bounds, isolates failures, and stops when it is told to."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aragora import app
from aragora.debate.model import Decision, Fault, Message, Phase, Status
from aragora.errors import Conflict, Fenced, Invalid, NotFound, RateLimited
from aragora.metrics import memory_bytes
from aragora.providers import Completion, OnText, ProviderError, Request
from aragora.providers.agents import Agents
from builders import a_brief, an_engine, elsewhere, ended, parts_at, store_at


class Odd(Agents):
    """The real agents, of whom some seats hang, fail, break or answer nonsense."""

    def __init__(self, **odd: str) -> None:
        super().__init__(demo_delay_s=0.0)
        self.odd = {name.replace("_", "-"): how for name, how in odd.items()}
        self.asking = 0

    async def complete(self, request: Request, on_text: OnText | None = None) -> Completion:
        self.asking += 1
        try:
            match self.odd.get(request.turn.seat.name):
                case "hangs":
                    await asyncio.sleep(3600)
                case "fails":
                    raise ProviderError(Fault.OVERLOADED, "Come back later.")
                case "breaks":
                    raise KeyError("a fault of ours")
                case "mumbles":
                    return Completion(text="   ")
            return await super().complete(request, on_text)
        finally:
            self.asking -= 1


@pytest.mark.parametrize(
    ("how", "fault"),
    [("hangs", Fault.TIMEOUT), ("fails", Fault.OVERLOADED), ("breaks", Fault.UNAVAILABLE), ("mumbles", Fault.MALFORMED)],
)
def test_one_bad_agent_is_an_abstention(tmp_path: Path, how: str, fault: Fault) -> None:
    """An agent that hangs, fails, breaks or mumbles neither stops nor holds up the others, and is named in the outcome."""

    async def check() -> None:
        async with store_at(tmp_path / "log.db") as store:
            engine = an_engine(store, agents=Odd(demo_2=how), turn_timeout_s=0.05)
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(engine.run())
                debate_id = await engine.create(a_brief(rounds=1))
                while (record := await store.debate(debate_id)).outcome is None:
                    await asyncio.sleep(0.01)
                engine.stop()
                await running
            assert Decision.DEGRADED is record.outcome.outcome
            assert {fault} == {missing.fault for missing in record.outcome.missing}
            assert {"demo-2"} == {missing.seat for missing in record.outcome.missing}
            said = {event.type for event in await store.events(debate_id) if '"demo-2"' in event.data and "turn/" in event.key}
            assert "agent_abstained" in said
            texts = [spoken.content for spoken in await store.messages(debate_id) if spoken.seat == "demo-2"]
            assert [] == texts

    asyncio.run(check())


def test_nobody_answers(tmp_path: Path) -> None:
    """When every agent fails, the debate fails and says so; it does not hang."""

    async def check() -> None:
        async with store_at(tmp_path / "log.db") as store:
            engine = an_engine(store, agents=Odd(demo_1="fails", demo_2="fails"))
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(engine.run())
                debate_id = await engine.create(a_brief(agents=["demo", "demo"]))
                while (record := await store.debate(debate_id)).outcome is None:
                    await asyncio.sleep(0.01)
                engine.stop()
            assert (Status.FAILED, Decision.FAILED) == (record.status, record.outcome.outcome)
            assert "nobody" == record.outcome.stopped

    asyncio.run(check())


def test_no_more_than_accepted(tmp_path: Path) -> None:
    """Beyond the running and the queued, a debate is refused with a time to wait, and nothing of it is stored."""

    async def check() -> None:
        async with store_at(tmp_path / "log.db") as store:
            engine = an_engine(store, agents=Odd(demo_1="hangs"), running_max=2, queued_max=3)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(engine.run())
                results = await asyncio.gather(*(engine.create(a_brief()) for _ in range(20)), return_exceptions=True)
                refused = [result for result in results if isinstance(result, RateLimited)]
                assert 15 == len(refused)
                assert all(error.retry_after_s for error in refused)
                assert (2, 3) == (engine.running, engine.queued)
                assert 5 == await store.total()
                engine.abort()

    asyncio.run(check())


def test_cancel_stops_the_work(tmp_path: Path) -> None:
    """A cancelled debate ends at once, its calls are broken off, and cancelling again changes nothing."""

    async def check() -> None:
        async with store_at(tmp_path / "log.db") as store:
            agents = Odd(demo_1="hangs", demo_2="hangs", demo_3="hangs")
            engine = an_engine(store, agents=agents)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(engine.run())
                debate_id = await engine.create(a_brief())
                while agents.asking < 3:
                    await asyncio.sleep(0.01)
                await engine.cancel(debate_id, "no longer needed")
                while engine.running:
                    await asyncio.sleep(0.01)
                assert 0 == agents.asking
                await engine.cancel(debate_id)
                record = await store.debate(debate_id)
                assert record.outcome is not None
                assert (Status.CANCELLED, "no longer needed") == (record.status, record.outcome.detail)
                assert "debate_end" == (await store.events(debate_id))[-1].type
                with pytest.raises(NotFound):
                    await engine.cancel("0" * 32)
                engine.stop()

    asyncio.run(check())


def test_ended_debates_take_nothing_more(tmp_path: Path) -> None:
    """After the last event there is no vote, no cancelling, no start and no claim."""

    async def check() -> None:
        async with parts_at(tmp_path) as parts:
            debate_id = await parts.engine.create(a_brief(rounds=1))
            await ended(parts, debate_id)
            with pytest.raises(Conflict):
                await parts.engine.cancel(debate_id)
            with pytest.raises(Conflict):
                await parts.engine.start(debate_id)
            with pytest.raises(Fenced):
                await parts.store.claim(debate_id, at=app.now())

    asyncio.run(check())


def test_stop_hands_over(tmp_path: Path) -> None:
    """A stopping engine lets calls in flight end, asks nothing new, and the next one goes on from there."""

    async def check() -> None:
        async with store_at(tmp_path / "log.db") as store:
            slow = Agents(demo_delay_s=0.05)
            engine = an_engine(store, agents=slow)
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(engine.run())
                debate_id = await engine.create(a_brief(rounds=3, rule="unanimous"))
                await asyncio.sleep(0.08)
                engine.stop()
                await running
            before = await store.events(debate_id)
            assert (await store.debate(debate_id)).ended_at is None
            assert len([event for event in before if event.key.startswith("turn/0/propose/")]) == 3
            engine = an_engine(store)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(engine.run())
                while (await store.debate(debate_id)).ended_at is None:
                    await asyncio.sleep(0.01)
                engine.stop()
            after = await store.events(debate_id, limit=1000)
            assert before == after[: len(before)]

    asyncio.run(check())


def test_a_runner_that_was_overtaken_stops(tmp_path: Path) -> None:
    """When another runner takes a debate, what the first one still says is refused."""

    async def check() -> None:
        async with store_at(tmp_path / "log.db") as store:
            debate_id = app.new_id()
            await store.create(debate_id, a_brief(), at=app.now(), start=True)
            first = await store.claim(debate_id, at=app.now())
            second = await store.claim(debate_id, at=app.now())
            said = Message(round=1, phase=Phase.PROPOSE, seat="demo-1", content="Mine.")
            with pytest.raises(Fenced):
                await store.append(debate_id, said, at=app.now(), epoch=first.epoch)
            assert (await store.append(debate_id, said, at=app.now(), epoch=second.epoch)).fresh

    asyncio.run(check())


def test_a_debate_can_wait_to_be_started(tmp_path: Path) -> None:
    """A debate stored without starting has no events, survives a restart as it is, and starts once."""

    async def check() -> None:
        async with parts_at(tmp_path) as parts:
            debate_id = await parts.engine.create(a_brief(rounds=1), start=False)
        async with parts_at(tmp_path) as parts:
            assert (Status.PENDING, 0) == ((record := await parts.store.debate(debate_id)).status, record.last_seq)
            await parts.engine.start(debate_id)
            await parts.engine.start(debate_id)
            events = await ended(parts, debate_id)
            assert "debate_start" == events[0]["type"]
            assert 1 == sum(event["type"] == "debate_start" for event in events)

    asyncio.run(check())


def test_a_thousand_debates_at_once(tmp_path: Path, say: Callable[[str], None]) -> None:
    """A thousand debates run at once in one process, all complete without a gap; what each costs in memory is printed.

    On PostgreSQL, where one process of a fleet has its share, it is two hundred.
    """
    many = 200 if elsewhere else 1000

    async def check() -> None:
        async with parts_at(tmp_path, demo_delay_s=2, max_running_debates=many, max_queued_debates=0) as parts:
            before, began = memory_bytes(), time.monotonic()
            ids = await asyncio.gather(*(parts.engine.create(a_brief(rounds=2, seed=seed)) for seed in range(many)))
            with pytest.raises(RateLimited):
                await parts.engine.create(a_brief())
            running, most = 0, 0.0
            while await parts.store.unfinished(limit=1) or parts.engine.running:
                running, most = max(running, parts.engine.running), max(most, memory_bytes())
                await asyncio.sleep(0.05)
            seconds = time.monotonic() - began
            assert many == running
            for debate_id in ids:
                events = await parts.store.events(debate_id, limit=1000)
                assert [*range(1, len(events) + 1)] == [event.seq for event in events]
                assert "debate_end" == events[-1].type
                assert json.loads(events[-1].data)["outcome"] not in {"degraded", "failed"}
        each = (most - before) / many / 1000
        say(f"{many} debates at once: {each:.0f} kB each, {seconds:.1f} s, {most / 1e6:.0f} MB in all")

    asyncio.run(check())


def test_unknown_agents_are_refused(tmp_path: Path) -> None:
    """A brief that names an agent that nobody knows is refused before anything is stored, without repeating the name."""

    async def check() -> None:
        async with parts_at(tmp_path) as parts:
            with pytest.raises(Invalid) as refused:
                app.brief(parts, topic="Who?", agents=["nobody-knows-me"])
            assert "nobody-knows-me" not in refused.value.message
            assert 0 == await parts.store.total()

    asyncio.run(check())
