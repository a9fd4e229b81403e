"""The cost limit of a debate, over its whole life: what was in flight when a runner died counts against it."""

import asyncio
from contextlib import suppress
from pathlib import Path

from aragora import app
from aragora.bus import LocalBus
from aragora.debate.model import Fault
from aragora.engine import Bounds, Engine
from aragora.metrics import Metrics
from builders import WAIT_S, a_brief, store_at
from model_builders import run, some_agents
from models_server import running

PRICED = {"prices": {"hang": {"input": 1.0, "output": 1000.0}}, "tokens_out_max": 10}
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
