"""One debate being run: asks the turns that its script wants, records what was said, or reads it where it has been recorded.

May import debate, people, recall, store, bus and providers. `engine` decides which debates run, and when they have to stop.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from time import monotonic

import structlog

from aragora.bus import Bus
from aragora.debate.costs import spent_usd
from aragora.debate.events import Event, type_of
from aragora.debate.forms import BALLOTS, mend
from aragora.debate.model import (
    Abstention,
    Fault,
    Message,
    Outcome,
    Quotation,
    Suggestion,
    Turn,
    Usage,
    held_by_person,
)
from aragora.debate.prompts import NOTHING_KNOWN, prepare, read
from aragora.debate.protocols import PROTOCOLS
from aragora.errors import Fenced, Invalid, NotFound, Overloaded, StoreError
from aragora.metrics import Metrics
from aragora.people import People
from aragora.pieces import Pieces
from aragora.providers import Budget, Completion, ProviderError, Request
from aragora.providers.agents import Agents
from aragora.recall import Recall, reading
from aragora.store.records import Claim
from aragora.store.store import Store

log = structlog.get_logger(__name__)

DETAIL_CHARS_MAX = 500
LATE_S = 1.0
# For so long it is believed that a debate is still ours: less than a model takes to answer, so that whoever takes a debate over
# has recorded nothing yet.
FRESH_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every run of an engine works with."""

    store: Store
    bus: Bus
    agents: Agents
    people: People
    recall: Recall | None  # None: nothing is remembered
    metrics: Metrics
    now: Callable[[], str]
    stopping: asyncio.Event  # set: no further turns are asked
    turn_timeout_s: float
    round_timeout_s: float


class HandOver(Exception):
    """The engine is stopping, or the debate rests: it is left as it stands, for whoever runs it next."""


class Run:
    """One debate being run by one runner."""

    def __init__(self, means: Means, claim: Claim, claimed_at: float) -> None:
        """Take up a debate where its log ends; `claimed_at` is of the clock that only runs on."""
        self._means, self._claim = means, claim
        self._brief, self._id = claim.brief, claim.debate_id
        self._log = log.bind(debate_id=self._id)  # else each line that is not written would cost as much as one that is
        self.round = -1
        self.heard: list[Message] = []
        self._known_at = claimed_at  # when it was last seen that turns may be asked
        self._rested = False  # whether that was seen to have changed since
        # Numbers have no gaps: while the newest one is how many events there are of ours, there is none of anybody else.
        self._newest, self._ours = claim.last_seq, 1 + len(claim.recorded)
        self._round_ends = 0.0  # set when the first turns of a round are asked; round 0 is the first
        self._suggestions: tuple[Suggestion, ...] = ()
        self._quotations: tuple[Quotation, ...] = ()
        self._recalled = False  # whether it is settled what they are
        self._budget = Budget(self._brief.cost_usd_max, spent_usd=spent_usd(claim.recorded.values()))
        # A runner before this one may have died with calls in flight, of which the log knows nothing.
        self._unsure = not claim.whole

    async def play(self) -> Outcome:
        """Drive the script to its outcome."""
        script = PROTOCOLS[self._brief.protocol](self._brief)
        heard: Sequence[Message] = ()
        try:
            step = next(script)
            while True:
                if isinstance(step, Sequence):
                    heard = await self.hear(step)
                else:
                    await self.record(step)
                    heard = ()
                with self._means.metrics.round_step("consensus"):
                    step = script.send(heard)
        except StopIteration as ended:
            outcome: Outcome = ended.value
            return outcome

    async def hear(self, turns: Sequence[Turn]) -> Sequence[Message]:
        """One message for each turn, in order: from the log where it has one, else asked, all at once."""
        recorded = self._claim.recorded
        keyed = [(turn.key, turn) for turn in turns]
        known = {key: recorded[key] for key, _ in keyed if key in recorded}
        if len(known) < len(turns):
            await self._may_ask()
        if turns and turns[0].round != self.round:
            await self._begin(turns[0].round)
        missing = {key: self._told(turn) for key, turn in keyed if key not in known}
        self._charge_for_lost(missing.values())
        if missing:
            await self._may_ask()
        about: dict[str, str | int] = {"round": turns[0].round, "phase": turns[0].phase} if turns else {}
        try:
            with self._means.metrics.traces.step("turns", **about):
                async with asyncio.TaskGroup() as group:
                    asked = {key: group.create_task(self._speak(turn)) for key, turn in missing.items()}
        except* (Fenced, NotFound, StoreError, Overloaded) as errors:
            raise _first(errors) from errors
        messages = [known.get(key) or asked[key].result() for key, _ in keyed]
        self.heard += messages
        return messages

    def _told(self, turn: Turn) -> Turn:
        """The turn with what people suggested and what is remembered."""
        turn = replace(turn, suggestions=self._suggestions) if self._suggestions else turn
        return reading(turn, self._quotations)

    def _charge_for_lost(self, missing: Collection[Turn]) -> None:
        """Charge the debate for the turns that were in flight when its last runner died: they may be paid for twice."""
        if missing and self._unsure:
            self._unsure = False
            for turn in missing:
                with contextlib.suppress(Invalid):  # nobody can be asked, so nobody was
                    self._budget.spent_usd += self._means.agents.worst_usd(self._request(turn, 0)) or 0.0

    async def _may_ask(self) -> None:
        """Raise when no turn may be asked. The claim, and each event as it is recorded, tell that it may.

        What was true before a sleep is not believed: others may have taken over meanwhile.
        """
        if self._means.stopping.is_set():
            raise HandOver("the engine is stopping")
        while self._rested or monotonic() - self._known_at > FRESH_S:
            began = monotonic()
            if await self._means.people.rests(self._id, self._claim.epoch):
                raise HandOver("the debate rests")
            self._known_at, self._rested = began, False

    async def _begin(self, number: int) -> None:
        """Start the clock of a round, and settle what its turns are told of the suggestions of people."""
        self.round, self._round_ends = number, monotonic() + self._means.round_timeout_s
        begun = any(message.round == number for message in self._claim.recorded.values())
        self._suggestions = ()
        if self._newest != self._ours:
            self._suggestions = await self._means.people.gather(self._id, number, begun=begun, record=self.record)
        if self._means.recall and number and not self._recalled:
            self._recalled = True
            self._quotations = await self._means.recall.gather(self._id, self._brief, number, begun=begun, record=self.record)

    async def record(self, event: Event) -> None:
        """Append an event under this runner's epoch, then ring."""
        metrics = self._means.metrics
        with metrics.round_step("record"):
            began = monotonic()
            recorded = await self._means.store.append(self._id, event, at=self._means.now(), epoch=self._claim.epoch)
        if recorded.fresh:
            self._known_at, self._rested = began, self._rested or recorded.rested
            self._newest, self._ours = max(self._newest, recorded.seq), self._ours + 1
            metrics.event(type_of(event))
            with metrics.round_step("broadcast"):
                self._means.bus.ring(self._id)

    async def _speak(self, turn: Turn) -> Message:
        """Ask one turn and record what came of it: a message or an abstention, never an error."""
        if held_by_person(turn.seat.agent):
            return await self._means.people.answer(self._id, turn, self.record)
        message = await self._ask(turn, monotonic())
        fault = message.abstention.fault if message.abstention else "spoke"
        provider, usage = self._means.agents.provider_of(turn.seat.agent), message.usage
        self._means.metrics.turn(provider, str(fault), message.seconds)
        self._means.metrics.used(provider, usage.tokens_in, usage.tokens_out, usage.cost_usd)
        await self.record(message)
        return message

    async def _ask(self, turn: Turn, began: float) -> Message:
        left_s = max(0.0, min(self._means.turn_timeout_s, self._round_ends - monotonic()))
        try:
            # A provider is told the deadline and keeps it; this is for one that does not.
            async with asyncio.timeout(left_s + LATE_S):
                return await self._answer(self._request(turn, left_s), began)
        except TimeoutError:
            return _abstain(turn, began, Fault.TIMEOUT, f"No answer within {left_s:.0f} s.")
        except ProviderError as error:
            return _abstain(turn, began, error.fault, error.detail, error.usage)
        except Invalid as error:
            return _abstain(turn, began, Fault.UNAVAILABLE, f"The agent of this seat {error.message}.")
        except Exception:  # one agent's fault must never stop the others
            log.exception("provider broke", debate_id=self._id, seat=turn.seat.name)
            return _abstain(turn, began, Fault.UNAVAILABLE, "The provider failed in an unexpected way.")

    def _request(self, turn: Turn, timeout_s: float) -> Request:
        with self._means.metrics.round_step("context"):
            prompt = prepare(self._brief, turn)
        return Request(
            agent=self._means.agents.find(turn.seat.agent),
            brief=self._brief,
            turn=turn,
            prompt=prompt,
            debate_id=self._id,
            timeout_s=timeout_s,
            budget=self._budget,
        )

    async def _answer(self, request: Request, began: float) -> Message:
        """The message of a turn. A ballot that cannot be read is asked for once more."""
        turn, ends = request.turn, monotonic() + request.timeout_s
        self._log.debug("asking", turn=turn.key)
        pieces = Pieces(self._means.bus, self._id, turn, now=self._means.now) if self._means.bus.followed(self._id) else None
        with self._means.metrics.round_step("agent"):
            completion = await self._means.agents.complete(request, pieces.add if pieces else None)
        message = self._message(turn, completion, completion.usage, began)
        if message.spoke or turn.phase not in BALLOTS:
            return message
        prompt = mend(self._brief, turn, request.prompt, completion.text)
        left_s = max(0.0, ends - monotonic())
        try:
            mended = await self._means.agents.complete(replace(request, prompt=prompt, timeout_s=left_s))
        except ProviderError as error:
            return replace(message, usage=message.usage + error.usage, seconds=_since(began))
        return self._message(turn, mended, message.usage + mended.usage, began)

    def _message(self, turn: Turn, said: Completion, usage: Usage, began: float) -> Message:
        return read(self._brief, turn, said.text, usage=usage, stand_in=said.stand_in, seconds=_since(began))


def _abstain(turn: Turn, began: float, fault: Fault, detail: str, usage: Usage = NOTHING_KNOWN) -> Message:
    abstention = Abstention(fault=fault, detail=detail[:DETAIL_CHARS_MAX])
    seat = turn.seat.name
    return Message(round=turn.round, phase=turn.phase, seat=seat, abstention=abstention, usage=usage, seconds=_since(began))


def _since(began: float) -> float:
    """Seconds from a time of the clock that only runs on, to the millisecond."""
    return round(monotonic() - began, 3)


def _first(errors: ExceptionGroup[Exception]) -> Exception:
    """One error out of a group; a fenced runner must stop, whatever else went wrong."""
    found: Exception = errors.subgroup((Fenced, NotFound)) or errors
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    return found
