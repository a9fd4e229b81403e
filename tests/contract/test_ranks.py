"""The ranking on every database: counted once, in any order, by any number of processes, and the same as from the logs."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from aragora.app import now, run
from aragora.debate.strength import GAMES_MIN
from aragora.ranking import Ranking
from aragora.store import Statement
from aragora.store.ranks import Ranks
from aragora.store.records import Standing
from aragora.store.shelf import Shelf
from aragora.store.store import Store
from aragora.store.sums import JUDGES
from builders import a_brief, an_engine

Open = Callable[[], AbstractAsyncContextManager[Store]]
AGENTS = ["sim:p=0.95", "sim:p=0.7", "sim:p=0.4"]


async def held(store: Store, count: int, *, first: int = 0) -> list[str]:
    """Debates that have ended."""
    engine = an_engine(store)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(engine.run())
        briefs = [
            a_brief(agents=AGENTS, protocol="vote_only@1", rule="plurality", options=("right", "wrong"), seed=first + n)
            for n in range(count)
        ]
        ids = [await engine.create(brief) for brief in briefs]
        while any([(await store.debate(debate_id)).ended_at is None for debate_id in ids]):
            await asyncio.sleep(0.01)
        engine.stop()
    return ids


def ranking(store: Store) -> Ranking:
    """What counts and fits."""
    return Ranking(ranks=Ranks(store.database), store=store, now=now)


async def boards(store: Store) -> list[list[Standing]]:
    """Both boards."""
    return [await Ranks(store.database).board(judge, limit=100) for judge in JUDGES]


def test_counted_once_by_however_many_and_the_same_from_the_logs(opened: Open) -> None:
    """Two processes count and fit at the same time; a third counts all logs anew and finds what is served."""

    async def main() -> None:
        async with opened() as one, opened() as other:
            await held(one, GAMES_MIN)
            await asyncio.gather(*(ranking(each).settle() for each in (one, other, one)))
            await ranking(other).settle()
            panel, _ = await boards(other)
            assert {"sim:p=0.95", "sim:p=0.7", "sim:p=0.4"} == {row.agent for row in panel}
            for row in panel:
                assert row.strength is not None
                assert row.strength.low < row.strength.rating < row.strength.high
                assert row.wins + row.losses + row.draws == row.strength.games == 2 * row.debates
            assert await ranking(other).recount()
            again, _ = await boards(one)
            for mine, theirs in zip(panel, again, strict=True):
                assert (mine.agent, mine.brier, mine.forecasts) == (theirs.agent, theirs.brier, theirs.forecasts)
                assert mine.strength is not None
                assert theirs.strength is not None
                assert mine.strength.rating == pytest.approx(theirs.strength.rating, abs=1e-6)

    run(main())


def test_sums_that_somebody_changed_are_mended(opened: Open) -> None:
    """What the logs say wins over what was kept, and the difference is told."""

    async def main() -> None:
        async with opened() as store:
            await held(store, 3)
            await ranking(store).settle()
            before = await boards(store)
            await store.database.write([Statement("UPDATE pairs SET won = won + 5", {})])
            await store.database.write([Statement("UPDATE debates SET lesson = '{}'", {})])
            assert not await ranking(store).recount()
            assert await ranking(store).recount()
            after = await boards(store)
            assert [row.agent for row in before[0]] == [row.agent for row in after[0]]

    run(main())


def test_deleted_debate_teaches_nothing(opened: Open) -> None:
    """What a debate taught goes with it: nothing is left that its log could not show."""

    async def main() -> None:
        async with opened() as store:
            kept = await held(store, 2)
            await ranking(store).settle()
            before = await Ranks(store.database).results("panel")
            more = await held(store, 2, first=50)
            await ranking(store).settle()
            assert before != await Ranks(store.database).results("panel")
            for debate_id in more:
                assert await Shelf(store.database).delete(debate_id)
            assert before == await Ranks(store.database).results("panel")
            assert await ranking(store).recount()
            assert kept

    run(main())


def test_an_older_fit_never_replaces_a_newer_one(opened: Open) -> None:
    """Whoever was slow finds that somebody else served more; one fit at a time is begun within a pause."""

    async def main() -> None:
        async with opened() as store:
            await held(store, 2)
            ranks, due = Ranks(store.database), ranking(store)
            assert 2 == await due.count(10)
            known = await ranks.claim("panel", at="2026-01-01T00:00:09Z", before="2026-01-01T00:00:08Z")
            assert known is not None
            assert await ranks.claim("panel", at="2026-01-01T00:00:10Z", before="2026-01-01T00:00:08Z") is None
            await held(store, 1, first=9)
            await due.settle()
            served = await ranks.board(limit=10)
            assert not await ranks.keep("panel", known, [], {}, hour="2026-01-01T00:00:00Z", oldest="")
            assert served == await ranks.board(limit=10)
            assert [] == await ranks.behind()

    run(main())


def test_history_of_choices_is_in_the_first_event_of_the_next_debate(opened: Open) -> None:
    """A brief says how alike its agents chose before, each pair once; whoever never met, and people, are not in it."""

    async def main() -> None:
        async with opened() as store:
            (first, *_) = await held(store, 6)
            assert () == (await store.debate(first)).brief.alike
            await ranking(store).settle()
            engine = an_engine(store)
            debate_id = await engine.create(a_brief(agents=[*AGENTS, "demo", "human:ann"]), start=False)
            known = (await store.debate(debate_id)).brief.alike
            assert known
            assert {(one.one, one.other) for one in known} <= {(a, b) for a in AGENTS for b in AGENTS if a < b}
            assert all(-1 <= one.phi <= 1 and 0 < one.votes <= 6 for one in known)

    run(main())
