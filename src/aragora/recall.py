"""Memory in debates: what is recalled after the blind round, and what is kept at the end. May import memory, debate, store.

What was recalled is an event of its own, so a debate that goes on after a crash reads the same, and a receipt holds it. A seat
reads it as dated quotations while it criticises and revises; never before it has answered blind, and never on a ballot.
"""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import msgspec
import structlog

from aragora.debate.events import Event, Recalled
from aragora.debate.memories import NEAR, about, keepsakes, nearness
from aragora.debate.model import Brief, Message, Outcome, Phase, Quotation, Turn
from aragora.errors import AragoraError
from aragora.memory import MEDIUM, SLOW, Memory, Remembered
from aragora.store import Database

log = structlog.get_logger(__name__)

QUOTED_MAX = 3
READING = frozenset({Phase.CRITIQUE, Phase.REVISE, Phase.SYNTHESISE})
RECORDED = "SELECT data FROM events WHERE debate_id = :id AND key = 'recalled'"
OF_DEBATE = "SELECT owner_id, visibility FROM debates WHERE id = :id"
_recalled = msgspec.json.Decoder(Recalled)


class Recall:
    """Memory, as debates use it."""

    def __init__(self, memory: Memory, database: Database) -> None:
        """Use an open database."""
        self._memory, self._db = memory, database

    async def gather(
        self, debate_id: str, brief: Brief, number: int, *, begun: bool, record: Callable[[Event], Awaitable[None]]
    ) -> tuple[Quotation, ...]:
        """What seats read of earlier debates from round `number` on: as recorded, or recorded now if it has not `begun`."""
        if not brief.recall or number < 1:
            return ()
        rows = await self._db.read(RECORDED, {"id": debate_id})
        if rows or begun or number > 1:
            return _recalled.decode(str(rows[0][0])).quotations if rows else ()
        found = await self._near(debate_id, brief)
        if found:
            await record(Recalled(round=number, quotations=found))
        return found

    async def _near(self, debate_id: str, brief: Brief) -> tuple[Quotation, ...]:
        owner_id, visibility = (await self._db.read(OF_DEBATE, {"id": debate_id}))[0]
        words = about(brief.topic)
        known = await self._memory.candidates(sorted(words), owner_id=owner_id, private=visibility == "private")
        near = [(nearness(words, one.content), one) for one in known if one.debate_id != debate_id]
        near = sorted((each for each in near if each[0] >= NEAR), key=lambda each: (each[0], each[1].created_at), reverse=True)
        chosen = list({one.content: one for _, one in near}.values())[:QUOTED_MAX]
        await self._memory.use(chosen)
        return tuple(Quotation(content=one.content, date=one.created_at[:10], source=_source(one)) for one in chosen)

    async def keep(self, debate_id: str, brief: Brief, outcome: Outcome, heard: Sequence[Message]) -> None:
        """Remember what an ended debate settled, once; a debate's end does not depend on it."""
        with contextlib.suppress(AragoraError):
            rows = await self._db.read(OF_DEBATE, {"id": debate_id})
            owner_id = rows[0][0] if rows else None
            for place, one in enumerate(keepsakes(brief, outcome, heard) if rows and brief.recall else ()):
                await self._memory.remember(
                    one.content,
                    tier=SLOW if one.settled else MEDIUM,
                    importance=one.importance,
                    debate_id=debate_id,
                    owner_id=None if owner_id is None else str(owner_id),
                    memory_id=f"{debate_id}-{place}",
                )


def reading(turn: Turn, quotations: tuple[Quotation, ...]) -> Turn:
    """The turn with what its seat reads of earlier debates: nothing before it has answered blind, and nothing on a ballot."""
    return replace(turn, quotations=quotations) if quotations and turn.round > 0 and turn.phase in READING else turn


def _source(one: Remembered) -> str:
    return f"debate {one.debate_id}" if one.debate_id else f"note {one.id}"
