"""What people do in a running debate: suggest, hold a seat, let it rest. May import debate, store, bus and errors.

A person's answer to a turn is recorded as the message of that turn, whoever runs the debate: the runner hears the doorbell and
reads it from the log. So a restart neither loses an answer nor asks for it twice.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from aragora.bus import Bus
from aragora.debate.events import Event, PersonSuggested, SuggestionsHeard, Switched, TurnAsked
from aragora.debate.model import Abstention, Fault, Message, Phase, Status, Suggestion, Turn
from aragora.errors import Conflict, Fenced
from aragora.store.audience import Audience
from aragora.store.records import Asked
from aragora.store.store import Appended, Store

SUGGESTIONS_MAX = 200  # of one debate
SUGGESTIONS_SHOWN_MAX = 10  # to the agents, the newest
OPEN_TURNS_MAX = 100
# How late an answer may be noticed when a ring was lost.
POLL_S = 1.0

Record = Callable[[Event], Awaitable[None]]


class People:
    """What people may do in the debates of one store."""

    def __init__(self, *, store: Store, bus: Bus, now: Callable[[], str], new_id: Callable[[], str], timeout_s: float) -> None:
        """`timeout_s` is how long a person has for a turn."""
        self._store, self._bus, self._now, self._new_id = store, bus, now, new_id
        self._audience = Audience(store.database)
        self._timeout_s = timeout_s

    async def suggest(self, debate_id: str, person: str, content: str) -> Appended:
        """Put something to the agents; they read it from the next round on. Raises Conflict when the debate has ended."""
        record = await self._store.debate(debate_id)
        if await self._audience.suggested(debate_id) >= SUGGESTIONS_MAX:
            raise Conflict(f"A debate takes {SUGGESTIONS_MAX} suggestions and no more.")
        event = PersonSuggested(id=self._new_id(), person=person, content=content, round=record.round)
        return await self._append(debate_id, event)

    async def pause(self, debate_id: str) -> bool:
        """Ask no further turns once those in flight have ended, across restarts too; false when it rests already."""
        changed = await self._audience.switch(debate_id, Switched(paused=True), at=self._now())
        self._bus.ring(debate_id)
        return changed

    async def go_on(self, debate_id: str) -> bool:
        """Let a debate that rests go on; false when it does not rest. The engine still has to be told to run it."""
        changed = await self._audience.switch(debate_id, Switched(paused=False), at=self._now())
        self._bus.ring(debate_id)
        return changed

    async def rests(self, debate_id: str, epoch: int) -> bool:
        """Whether no turn may be asked; raises Fenced when another runner has the debate, as after a long sleep."""
        return await self._audience.status(debate_id, epoch) is Status.PAUSED

    async def leave(self, debate_id: str, epoch: int) -> None:
        """Note that a runner leaves a debate with no call in flight."""
        await self._audience.leave(debate_id, epoch)

    async def open_turns(self, debate_id: str) -> Sequence[Asked]:
        """The turns that wait for a person."""
        record = await self._store.debate(debate_id)
        return [] if record.ended_at is not None else await self._audience.open_turns(debate_id, OPEN_TURNS_MAX)

    async def speak(self, debate_id: str, message: Message) -> Appended:
        """Record a person's answer to an open turn. Raises Conflict when the turn was answered before, or is over."""
        recorded = await self._append(debate_id, message)
        if not recorded.fresh:
            raise Conflict("The turn has been answered already, or its time was up.")
        return recorded

    async def _append(self, debate_id: str, event: Event) -> Appended:
        try:
            recorded = await self._store.append(debate_id, event, at=self._now())
        except Fenced as error:
            raise Conflict(error.message) from error
        self._bus.ring(debate_id)
        return recorded

    async def gather(self, debate_id: str, number: int, *, begun: bool, record: Record) -> tuple[Suggestion, ...]:
        """What people suggested before round `number` began: as recorded then, or recorded now if it has not `begun`."""
        heard = await self._audience.heard(debate_id, number)
        if heard is not None or begun:
            return heard or ()
        fresh = await self._audience.suggestions(debate_id, SUGGESTIONS_SHOWN_MAX)
        if fresh:
            await record(SuggestionsHeard(round=number, suggestions=fresh))
        return fresh

    async def answer(self, debate_id: str, turn: Turn, record: Record) -> Message:
        """The message of a person's turn: what the person said in time, else an abstention, as the log has it."""
        asked = TurnAsked(
            round=turn.round,
            phase=turn.phase,
            seat=turn.seat.name,
            choices=turn.choices,
            timeout_s=self._timeout_s,
            positions=turn.positions,
            part=turn.part,
        )
        began = monotonic()
        await record(asked)
        said = await self._wait(debate_id, turn, began + self._timeout_s)
        if said is not None:
            return said
        late = Abstention(fault=Fault.TIMEOUT, detail=f"The person did not answer within {self._timeout_s:.0f} s.")
        seconds = round(monotonic() - began, 3)
        message = Message(round=turn.round, phase=turn.phase, seat=turn.seat.name, abstention=late, seconds=seconds)
        await record(message)
        # An answer may have come between the last look and this record; the log decides.
        return await self._audience.message(debate_id, turn.key) or message

    async def _wait(self, debate_id: str, turn: Turn, until: float) -> Message | None:
        rung = asyncio.Event()
        stop = self._bus.hear(debate_id, rung.set)
        try:
            while (said := await self._audience.message(debate_id, turn.key)) is None:
                left_s = until - monotonic()
                if left_s <= 0:
                    return None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(left_s, POLL_S)):
                        await rung.wait()
                rung.clear()
            return said
        finally:
            stop()


def ballots(phase: Phase) -> bool:
    """Whether a turn of this phase is answered by a choice."""
    return phase in (Phase.VOTE, Phase.JUDGE)
