"""Experiments through the engine and a database: faults, and that a stored debate replays to the same outcome."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from aragora.bench import Row, Table, share
from aragora.bench.drive import a_brief
from aragora.bench.panels import majority_of
from aragora.bus import LocalBus
from aragora.debate.model import Brief, Decision, Outcome
from aragora.debate.receipt import receipt
from aragora.engine import Bounds, Engine
from aragora.feed import Feed
from aragora.metrics import Metrics
from aragora.providers.agents import Agents
from aragora.receipts.check import check
from aragora.store.chain import entry
from aragora.store.records import Logged
from aragora.store.sqlite import Sqlite
from aragora.store.store import Store

SEATS = 5
WELL = "sim:p=0.8"
BROKEN = {"times out": "sim:p=0.8;fault=1", "answers nonsense": "sim:p=0.8;garble=1"}
CLOCK = "2026-01-01T00:00:00.000000Z"
LOG_MAX = 10_000


async def hold(briefs: Sequence[Brief]) -> list[tuple[Outcome, list[Logged]]]:
    """Hold debates in a database of their own and return how each ended, with its log."""
    agents = Agents(demo_delay_s=0.0)
    try:
        return await hold_with(agents, briefs)
    finally:
        await agents.close()


async def hold_with(agents: Agents, briefs: Sequence[Brief]) -> list[tuple[Outcome, list[Logged]]]:
    """The same with these agents."""
    with TemporaryDirectory() as folder:
        store, bus = Store(Sqlite(Path(folder) / "bench.db")), LocalBus()
        await store.migrate(CLOCK)
        ids = count(1)
        engine = Engine(
            store=store,
            bus=bus,
            agents=agents,
            bounds=Bounds(),
            metrics=Metrics(),
            now=lambda: CLOCK,
            new_id=lambda: f"{next(ids):032x}",
        )
        try:
            async with Feed(store, bus) as feed, asyncio.TaskGroup() as tasks:
                tasks.create_task(engine.run())
                try:
                    return [await _end(store, feed, await engine.create(brief)) for brief in briefs]
                finally:
                    engine.stop()
        finally:
            await store.close()


async def _end(store: Store, feed: Feed, debate_id: str) -> tuple[Outcome, list[Logged]]:
    async with aclosing(feed.follow(debate_id)) as frames:
        async for _ in frames:
            pass
    record = await store.debate(debate_id)
    assert record.outcome is not None
    return record.outcome, await store.events(debate_id, limit=LOG_MAX)


def faulty(_trials: int) -> Table:
    """E13: let some of five seats fail, and see whether the outcome says so."""
    cases = [(how, agent, broken) for how, agent in BROKEN.items() for broken in range(SEATS + 1)]
    briefs = [a_brief([agent] * k + [WELL] * (SEATS - k), rounds=1, seed=k, rule="plurality") for _, agent, k in cases]
    ended = asyncio.run(hold(briefs))
    rows = []
    for (how, _, broken), (outcome, log) in zip(cases, ended, strict=True):
        named = {missing.seat for missing in outcome.missing}
        honest = outcome.outcome in _expected(broken) and len(named) == broken
        whole = check(json.loads(json.dumps(receipt(log[0].debate_id, [entry(logged) for logged in log])))).whole
        name = f"{broken} of {SEATS} {how}"
        rows.append(Row(name=f"{name}: says so", value=float(honest), known=1.0, note=str(outcome.outcome)))
        rows.append(Row(name=f"{name}: its log replays to the same outcome", value=float(whole), known=1.0))
    return Table(id="E13", title="Faults, through the engine and SQLite", says="1: it is so.", rows=tuple(rows))


def _expected(broken: int) -> Sequence[Decision]:
    """What an honest outcome may be called when so many of five seats never answer."""
    if broken == 0:
        return (Decision.CONSENSUS, Decision.MAJORITY, Decision.SPLIT, Decision.DEADLOCK)
    if broken == SEATS:
        return (Decision.FAILED,)
    return (Decision.INSUFFICIENT_QUORUM,) if 2 * (SEATS - broken) <= SEATS else (Decision.DEGRADED,)


def through_engine(trials: int) -> Table:
    """E2 again, each jury a stored debate: engine, prompts, database and all."""
    rows = []
    for voters in (3, 5):
        briefs = [a_brief(["sim:p=0.7"] * voters, protocol="vote_only@1", seed=seed) for seed in range(max(50, trials // 4))]
        right = sum(outcome.position == "right" for outcome, _ in asyncio.run(hold(briefs)))
        rows.append(share(f"p=0.70, {voters} voters", right, len(briefs), known=round(majority_of(voters, 0.7), 4)))
    return Table(id="E2e", title="Condorcet's jury, through the engine", says="Known: the exact binomial.", rows=tuple(rows))
