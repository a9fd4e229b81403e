"""The cost limit of a debate, over its whole life: what was in flight when a runner died counts against it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from aragora import app
from aragora.bus import LocalBus
from aragora.debate.model import Brief, Fault, Outcome
from aragora.engine import Bounds, Engine
from aragora.metrics import Metrics
from aragora.providers.agents import Agents
from aragora.store.store import Store
from builders import WAIT_S, a_brief, an_engine, store_at
from model_builders import run, some_agents
from models_server import READ, WRITTEN, running

PRICED = {"prices": {"hang": {"input": 1.0, "output": 1000.0}}, "tokens_out_max": 10}
USUAL_USD = (READ * 1.0 + WRITTEN * 1000.0) / 1e6
WORST_USD = 0.0105  # of a call: ten tokens of reply, and a prompt of a few hundred


def test_turns_that_were_lost_count_against_the_limit(tmp_path: Path) -> None:
    """The limit allows one call. The runner dies with it in flight; the next one may not make another."""

    async def main() -> tuple[int, list[Fault], float]:
        async with running() as (server, url), store_at(tmp_path / "debates.db") as store:
            brief = a_brief(agents=["openai:hang"], rounds=1, protocol="vote_only@1", cost_usd_max=1.5 * WORST_USD)
            debate_id = ""
            for life in (1, 2):
                agents = some_agents(url, **PRICED)
                bounds = Bounds(turn_timeout_s=20)
                engine = Engine(
                    store=store, bus=LocalBus(), agents=agents, bounds=bounds, now=app.now, new_id=app.new_id, metrics=Metrics()
                )
                work = asyncio.create_task(engine.run())
                if life == 1:
                    debate_id = await engine.create(brief)
                    async with asyncio.timeout(WAIT_S):
                        while not server.calls:
                            await asyncio.sleep(0.01)
                    engine.abort()
                else:
                    async with asyncio.timeout(WAIT_S):
                        while (await store.debate(debate_id)).ended_at is None:
                            await asyncio.sleep(0.01)
                    engine.stop()
                with suppress(asyncio.CancelledError):
                    await work
                await agents.close()
            outcome = (await store.debate(debate_id)).outcome
            assert outcome is not None
            return server.calls["hang"], [turn.fault for turn in outcome.missing], outcome.costs[-1].usd or 0.0

    called, faults, usd = run(main())
    assert called == 1
    assert set(faults) == {Fault.BUDGET}
    assert usd == 0


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something to be so."""
    async with asyncio.timeout(WAIT_S):
        while not await condition():
            await asyncio.sleep(0.005)


async def held(store: Store, agents: Agents, brief: Brief, rest: str = "") -> Outcome:
    """Hold a debate to its end, over two engines where it rests in between: by `pause`, or as the first is asked to `stop`."""
    debate_id = ""

    async def over() -> bool:
        return (await store.debate(debate_id)).ended_at is not None

    async def begun() -> bool:
        return bool(await store.told(debate_id))

    async def left() -> bool:
        return not engine.running

    engine = an_engine(store, agents=agents)
    work = asyncio.create_task(engine.run())
    debate_id = await engine.create(brief)
    await until(begun if rest else over)
    if rest == "pause":
        await engine.people.pause(debate_id)
        await until(left)
    engine.stop()
    await work
    engine = an_engine(store, agents=agents)
    work = asyncio.create_task(engine.run())
    if rest == "pause":
        await engine.people.go_on(debate_id)
        await engine.resume(debate_id)
    await until(over)
    engine.stop()
    await work
    outcome = (await store.debate(debate_id)).outcome
    assert outcome is not None
    return outcome


@pytest.mark.parametrize("rest", ["pause", "stop"])
def test_rest_costs_nothing(tmp_path: Path, rest: str) -> None:
    """A debate that rests, or whose runner leaves in good order, has lost no turn: its limit holds to the last call."""

    async def main() -> tuple[Outcome, Outcome]:
        async with running(pace_s=0.02) as (_, url), store_at(tmp_path / "debates.db") as store:
            agents = some_agents(url, prices={"ok": {"input": 1.0, "output": 1000.0}}, tokens_out_max=10)
            brief = a_brief(agents=["openai:ok", "openai:ok"], rounds=2, stops=(), rule="unanimous")
            free = await held(store, agents, brief)
            before_last_usd = (free.costs[-1].usd or 0.0) - 2 * USUAL_USD
            limited = await held(store, agents, replace(brief, cost_usd_max=before_last_usd + 2.2 * WORST_USD), rest)
            await agents.close()
            return free, limited

    free, limited = run(main())
    assert ([], []) == (list(free.missing), list(limited.missing))
