"""What the commands of the terminal do: hold a debate in this process and show it, or show what is stored. May import `app`."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import Protocol

import msgspec

from aragora import app
from aragora.api import Parts
from aragora.api.answers import row_of
from aragora.cli.running import write_rows
from aragora.cli.terminal import Lines, dollars, table
from aragora.config import Loaded, Settings
from aragora.debate.model import Outcome
from aragora.errors import Conflict
from aragora.providers.estimate import Estimate
from aragora.providers.estimate import estimate as estimated
from aragora.providers.money import prices_date


class Shower(Protocol):
    """Shows events, one at a time."""

    def show(self, event: Mapping[str, object]) -> None:
        """Show one wire event."""
        ...


class _JsonLines:
    """The very wire events, one a line; pieces of texts are left out, since the whole texts follow."""

    def show(self, event: Mapping[str, object]) -> None:
        if "seq" in event:
            write_rows([event])
            sys.stdout.flush()


def shower(*, as_json: bool, plain: bool) -> Shower:
    """Columns on a terminal, lines when piped or asked for, JSON lines when asked for."""
    if as_json:
        return _JsonLines()
    if plain or not sys.stdout.isatty():
        return Lines()
    from aragora.cli.columns import Columns  # noqa: PLC0415 - brings rich, which plain output does without

    return Columns()


class Session:
    """One debate held by this process."""

    def __init__(self, loaded: Loaded, shows: Shower) -> None:
        """`debate_id` is known once the debate is stored, and stays so when it is interrupted."""
        self._loaded, self._shows = loaded, shows
        self.debate_id = ""

    async def hold(self, resume: str | None, **asked: object) -> Outcome:
        """Hold a new debate, or go on with one that was broken off; returns when it has ended."""
        async with app.open_parts(self._loaded) as parts, asyncio.TaskGroup() as tasks:
            if resume is None:
                self.debate_id = await parts.engine.create(app.brief(parts, **asked))
            else:
                await self._take_up(parts, resume)
            tasks.create_task(parts.engine.run(resume=False))
            try:
                await self._follow(parts)
            finally:
                parts.engine.abort()
            return await _outcome(parts, self.debate_id)

    async def _take_up(self, parts: Parts, debate_id: str) -> None:
        record = await parts.store.debate(debate_id)
        self.debate_id = record.id
        if not record.last_seq:
            await parts.engine.start(record.id)
        elif record.ended_at is None:
            await parts.engine.resume(record.id)

    async def _follow(self, parts: Parts) -> None:
        drawn = self._shows if isinstance(self._shows, AbstractContextManager) else nullcontext()
        with drawn:
            async with aclosing(parts.feed.follow(self.debate_id)) as frames:
                async for frame in frames:
                    self._shows.show(msgspec.json.decode(frame.text))


async def _outcome(parts: Parts, debate_id: str) -> Outcome:
    record = await parts.store.debate(debate_id)
    if record.outcome is None:
        raise Conflict("The debate has not ended.")
    return record.outcome


async def estimate(loaded: Loaded, *, as_json: bool, **asked: object) -> None:
    """Say what a debate would use and cost if it went through every round."""
    async with app.open_parts(loaded) as parts:
        found = estimated(app.brief(parts, **asked), parts.agents)
    if as_json:
        write_rows(found)
        return
    rows = [
        (each.seat or "all", each.agent, str(each.calls), f"{each.tokens_in:,}", f"{each.tokens_out:,}", *_usd(each))
        for each in found
    ]
    table(rows, ("seat", "agent", "calls", "tokens in", "tokens out", "usual cost", "at most"))
    sys.stdout.write(
        f"Prices of {prices_date()}, where none are set. An early agreement costs less; a repeated call costs more.\n"
    )


def _usd(each: Estimate) -> tuple[str, str]:
    return dollars(each.usd), dollars(each.usd_max)


async def replay(settings: Settings, debate_id: str, shows: Shower) -> None:
    """Show what a debate's log holds."""
    async with app.open_store(settings) as store:
        record = await store.debate(debate_id)
        after = 0
        while page := await store.events(record.id, after=after):
            for event in page:
                shows.show(msgspec.json.decode(event.frame))
            after = page[-1].seq


async def list_debates(settings: Settings, *, limit: int, as_json: bool) -> None:
    """List debates, newest first."""
    async with app.open_store(settings) as store:
        found = [row_of(summary) for summary in await store.debates(limit=limit)]
    if as_json:
        write_rows(found)
        return
    rows = [(row.id, row.status, row.outcome or "", ", ".join(row.agents), row.created_at[:16], row.topic) for row in found]
    table(rows, ("id", "status", "outcome", "agents", "created", "topic"))


async def migrate(settings: Settings) -> list[str]:
    """Bring the schema up to date; the names of the steps taken."""
    async with app.open_database(settings) as store:
        return await store.migrate(app.now())
