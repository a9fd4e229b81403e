"""Queries about what people do in a debate: suggest, let it rest, hold a seat. May import `debate`, errors and its siblings."""

import msgspec

from aragora.debate.events import PersonSuggested, SuggestionsHeard, Switched, TurnAsked
from aragora.debate.model import Message, Status, Suggestion
from aragora.errors import Conflict, Fenced, NotFound
from aragora.store import Database, Statement
from aragora.store.chain import written
from aragora.store.leases import TAKEN
from aragora.store.records import Asked

STATUS = "SELECT status, last_seq, epoch FROM debates WHERE id = :id"
LEAVE = "UPDATE debates SET left_epoch = :epoch WHERE id = :id AND epoch = :epoch RETURNING epoch AS seq"
PAUSE = """
UPDATE debates SET last_seq = last_seq + 1, status = 'paused'
WHERE id = :id AND status IN ('pending', 'active') AND last_seq > 0
RETURNING last_seq AS seq
"""
GO_ON = """
UPDATE debates SET last_seq = last_seq + 1, status = CASE WHEN started_at IS NULL THEN 'pending' ELSE 'active' END
WHERE id = :id AND status = 'paused'
RETURNING last_seq AS seq
"""
# The newest of one kind, by the prefix of its key; the index on (debate_id, key) keeps this within the debate.
OF_KIND = """
SELECT data, created_at FROM events WHERE debate_id = :id AND key LIKE :prefix ORDER BY seq DESC LIMIT :limit
"""
BY_KEY = "SELECT data FROM events WHERE debate_id = :id AND key = :key"
COUNT_KIND = "SELECT COUNT(*) FROM events WHERE debate_id = :id AND key LIKE :prefix"

_suggested = msgspec.json.Decoder(PersonSuggested)
_heard = msgspec.json.Decoder(SuggestionsHeard)
_asked = msgspec.json.Decoder(TurnAsked)
_messages = msgspec.json.Decoder(Message)


class Audience:
    """What people did, on one database."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._db = database

    async def status(self, debate_id: str, epoch: int) -> Status:
        """Where a debate is in its life, for its runner; raises NotFound, and Fenced when another has taken it over."""
        found = await self._db.read(STATUS, {"id": debate_id})
        if not found:
            raise NotFound("There is no such debate.")
        if found[0][2] != epoch:
            raise Fenced(TAKEN)
        return Status(str(found[0][0]))

    async def leave(self, debate_id: str, epoch: int) -> None:
        """Note that a runner leaves a debate with no call in flight."""
        await self._db.write([Statement(LEAVE, {"id": debate_id, "epoch": epoch})])

    async def switch(self, debate_id: str, event: Switched, *, at: str) -> bool:
        """Let a debate rest or go on, and record that; false when it did so already. Raises Conflict and NotFound."""
        guard = Statement(PAUSE if event.paused else GO_ON, {"id": debate_id})
        if await self._db.write([guard, written(debate_id, event, at, again=True)]):
            return True
        found = await self._db.read(STATUS, {"id": debate_id})
        if not found:
            raise NotFound("There is no such debate.")
        status, last_seq, _ = found[0]
        if not last_seq:
            raise Conflict("The debate has not been started.")
        running = {Status.PENDING, Status.ACTIVE}
        if status not in ({Status.PAUSED} if event.paused else running):
            raise Conflict("The debate has ended.")
        return False

    async def suggestions(self, debate_id: str, limit: int) -> tuple[Suggestion, ...]:
        """The newest suggestions, in their order."""
        rows = await self._db.read(OF_KIND, {"id": debate_id, "prefix": "suggestion/%", "limit": limit})
        found = [_suggested.decode(str(data)) for data, _ in reversed(rows)]
        return tuple(Suggestion(person=each.person, content=each.content) for each in found)

    async def suggested(self, debate_id: str) -> int:
        """How many suggestions a debate has been given."""
        rows = await self._db.read(COUNT_KIND, {"id": debate_id, "prefix": "suggestion/%"})
        return int(str(rows[0][0]))

    async def heard(self, debate_id: str, number: int) -> tuple[Suggestion, ...] | None:
        """The suggestions that were recorded when a round began; None when none were."""
        rows = await self._db.read(BY_KEY, {"id": debate_id, "key": f"round/{number}/suggestions"})
        return _heard.decode(str(rows[0][0])).suggestions if rows else None

    async def message(self, debate_id: str, key: str) -> Message | None:
        """The message of a turn, if it has been recorded."""
        rows = await self._db.read(BY_KEY, {"id": debate_id, "key": key})
        return _messages.decode(str(rows[0][0])) if rows else None

    async def open_turns(self, debate_id: str, limit: int) -> list[Asked]:
        """The turns that people have been asked and have not answered, newest first."""
        rows = await self._db.read(OF_KIND, {"id": debate_id, "prefix": "asked/%", "limit": limit})
        asked = [Asked(turn=_asked.decode(str(data)), at=str(at)) for data, at in rows]
        return [each for each in asked if await self.message(debate_id, each.turn.turn) is None]
