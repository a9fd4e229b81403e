"""Keeps the ranking up to date beside the debates: counts what ended, fits what changed. May import `debate`, store.

A request never waits for it. Counting a debate costs a few rows; a fit costs what the pairs cost, and its share of
the time is bounded.
"""

import asyncio
import contextlib
from collections.abc import Callable
from time import monotonic

import structlog

from aragora.debate.lessons import Lesson, learn
from aragora.debate.strength import Record, Results, Strength, fit, leaderboard, starting
from aragora.errors import AragoraError, Conflict
from aragora.store import Row
from aragora.store.ranks import Ended, Ranks, text_of
from aragora.store.store import Store
from aragora.store.sums import Sums
from aragora.times import later

log = structlog.get_logger(__name__)

POLL_S = 1.0
AT_ONCE = 100
ATTEMPTS = 5
# Between two fits passes at least this long, and so many times as long as the last one took: one part in twenty of one core.
PAUSE_S, SHARE = 2.0, 20
HISTORY_DAYS = 60


class Ranking:
    """Counts and fits, in this process or in any other on the same database."""

    def __init__(self, *, ranks: Ranks, store: Store, now: Callable[[], str]) -> None:
        """`now` gives UTC as ISO 8601 text."""
        self._ranks, self._store, self._now = ranks, store, now
        self._pause_s = PAUSE_S
        self._starts: dict[str, dict[str, float]] = {}  # of each judge, where the next fit begins

    async def run(self) -> None:
        """Keep up, until cancelled."""
        while True:
            with contextlib.suppress(AragoraError):  # the database is away: what is due stays due
                while await self.count(AT_ONCE) == AT_ONCE:
                    await self.refit(self._pause_s)
                await self.refit(self._pause_s)
            await asyncio.sleep(POLL_S)

    async def settle(self) -> None:
        """Count and fit all that is due, now."""
        while await self.count(AT_ONCE):
            pass
        await self.refit(0.0)

    async def count(self, limit: int) -> int:
        """Count debates that have ended; how many were due."""
        due = await self._ranks.uncounted(limit=limit)
        for ended in due:
            await self._ranks.count(ended.id, await self._lesson(ended))
        return len(due)

    async def refit(self, pause_s: float) -> None:
        """Fit what changed, unless a fit was begun within `pause_s`, here or elsewhere."""
        for judge in await self._ranks.behind():
            at = self._now()
            known = await self._ranks.claim(judge, at=at, before=later(at, -pause_s))
            if known is None:
                continue
            results = await self._ranks.results(judge)
            began = monotonic()
            rows, records, self._starts[judge] = await asyncio.to_thread(_fitted, results, self._starts.get(judge, {}))
            self._pause_s = max(PAUSE_S, SHARE * (monotonic() - began))
            oldest = later(at, -HISTORY_DAYS * 86_400)
            await self._ranks.keep(judge, known, rows, records, hour=_hour(at), oldest=_hour(oldest))

    async def recount(self) -> bool:
        """Count every debate anew from its log and fit; whether that gives what was kept. Raises Conflict while debates end."""
        for _ in range(ATTEMPTS):
            await self.settle()
            changes, before = await self._ranks.changes(), await self._ranks.sums()
            sums, lessons = await self._recounted()
            if await self._ranks.replace(sums, lessons, changes=changes):
                await self.refit(0.0)
                return not lessons and _rounded(before) == _rounded(await self._ranks.sums())
        raise Conflict("Debates ended while they were counted; try again.")

    async def _recounted(self) -> tuple[Sums, dict[str, str]]:
        """The sums over all logs, and the lessons that are not what was counted."""
        sums, differing, after = Sums(), dict[str, str](), ""
        while page := await self._ranks.counted(after=after, limit=AT_ONCE):
            for ended in page:
                lesson = await self._lesson(ended)
                sums.add(lesson)
                if text_of(lesson) != ended.lesson:
                    differing[ended.id] = text_of(lesson)
            after = page[-1].id
        return sums, differing

    async def _lesson(self, ended: Ended) -> Lesson:
        try:
            people = await self._store.people(ended.id)
            return learn(ended.brief, ended.outcome, await self._store.told(ended.id), people)
        except (KeyError, ValueError) as error:  # rows that somebody changed: one debate must not hold up all others
            log.warning("debate teaches nothing", debate=ended.id, error=type(error).__name__)
            return Lesson()


def _fitted(results: Results, start: dict[str, float]) -> tuple[tuple[Strength, ...], dict[str, Record], dict[str, float]]:
    found = fit(results, start)
    return leaderboard(results, found), results.records(), starting(found)


def _hour(at: str) -> str:
    return f"{at[:13]}:00:00Z"


def _rounded(tables: list[list[Row]]) -> list[list[Row]]:
    """Sums without what rounding adds to them, and without rows that came to nothing."""
    digits = 6
    rows = [
        [tuple(round(value, digits) if isinstance(value, float) else value for value in row) for row in table] for table in tables
    ]
    return [[row for row in table if any(isinstance(value, int | float) and value for value in row)] for table in rows]
