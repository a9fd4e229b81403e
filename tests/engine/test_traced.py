"""A debate that is asked for in a trace: what is noted of the trace is part of the debate's own transaction, or nothing is."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from aragora import app
from aragora.bus import LocalBus
from aragora.debate.model import Brief
from aragora.engine import Bounds, Engine
from aragora.errors import StoreError
from aragora.metrics import Metrics
from aragora.providers.agents import Agents
from aragora.store.parents import Parents
from aragora.store.repeats import Repeats
from aragora.store.stamps import Stamp
from aragora.store.store import Store
from aragora.traces.otel import OpenTelemetry
from builders import a_brief, store_at

ONE, OTHER = f"{1:032x}", f"{2:032x}"


def _engine(store: Store, ids: Sequence[str], metrics: Metrics) -> Engine:
    """An engine whose debates get these ids, one after the other."""
    left = [*ids]
    return Engine(
        store=store,
        bus=LocalBus(),
        agents=Agents(demo_delay_s=0.0),
        bounds=Bounds(),
        now=app.now,
        new_id=lambda: left.pop(0),
        metrics=metrics,
    )


def test_a_request_is_marked_done_only_with_its_debate(tmp_path: Path) -> None:
    """When the debate cannot be stored, its Idempotency-Key stays reserved, and nothing is kept of its trace."""

    async def check() -> None:
        ids, traces = [ONE, ONE, OTHER], OpenTelemetry(version="0", console=True)
        async with store_at(tmp_path / "traced.db") as store:
            repeats, parents = Repeats(store.database), Parents(store.database)
            engine = _engine(store, ids, Metrics(traces))

            async def asked(key: str, brief: Brief) -> None:
                await repeats.reserve(key, "print", at=app.now(), before="", dead="")
                with traces.step("request"), Stamp(key).held():
                    await engine.create(brief)

            await engine.create(a_brief())
            with pytest.raises(StoreError):
                await asked("taken", a_brief())
            await asked("last", a_brief())
            states = {key: found.state for key in ("taken", "last") if (found := await repeats.find(key))}
            assert {"taken": "reserved", "last": "done"} == states
            assert ("", True) == (await parents.of(ONE), bool(await parents.of(OTHER)))
        traces.close()

    asyncio.run(check())
