"""Runs debates: asks the turns that a script wants, records what was said, resumes what was broken off. The only driver.

May import debate, dispatch, store, bus and providers. A first run and a resumed one are the same code: messages that the log
holds are given to the script, and only what is missing is asked. So a crash costs at most the calls that were in flight.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic

import structlog

from aragora.bus import WORK, Bus
from aragora.debate.consensus import cancelled, failed
from aragora.debate.costs import accounted, spent_usd
from aragora.debate.events import DebateEnded, DebateStarted, Event, PersonVoted, type_of
from aragora.debate.forms import BALLOTS, mend
from aragora.debate.model import Abstention, Brief, Fault, Message, Outcome, Quotation, Status, Suggestion, Turn, held_by_person
from aragora.debate.prompts import prepare, read
from aragora.debate.protocols import PROTOCOLS
from aragora.dispatch import FULL_RETRY_AFTER_S, Dispatch, LocalDispatch, Look
from aragora.errors import Conflict, Fenced, Invalid, NotFound, Overloaded, StoreError
from aragora.metrics import Metrics
from aragora.people import People
from aragora.pieces import Pieces
from aragora.providers import Budget, Completion, ProviderError, Request
from aragora.providers.agents import Agents
from aragora.recall import Recall, reading
from aragora.store.parents import Parents
from aragora.store.ranks import Ranks
from aragora.store.records import Claim, Filing
from aragora.store.store import UNFILED, Appended, Store
from aragora.times import between

log = structlog.get_logger(__name__)

RETRY_FIRST_S, RETRY_MAX_S = 0.5, 5.0
DETAIL_CHARS_MAX = 500
LATE_S = 1.0
# For so long it is believed that a debate is still ours: less than a model takes to answer, so that whoever takes a debate over
# has recorded nothing yet.
FRESH_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the engine never exceeds."""

    running_max: int = 1000
    queued_max: int = 1000
    turn_timeout_s: float = 60.0
    round_timeout_s: float = 300.0
    person_timeout_s: float = 300.0
    grace_s: float = 25.0  # how long calls in flight may take to end when the engine stops


class HandOver(Exception):
    """The engine is stopping, or the debate rests: it is left as it stands, for whoever runs it next."""


class Engine:
    """Runs any number of debates, as many at once as its bounds allow."""

    def __init__(
        self,
        *,
        store: Store,
        bus: Bus,
        agents: Agents,
        bounds: Bounds,
        now: Callable[[], str],
        new_id: Callable[[], str],
        metrics: Metrics,
        dispatch: Dispatch | None = None,
        recall: Recall | None = None,
    ) -> None:
        """`now` gives UTC as ISO 8601 text, `new_id` an id that nobody can guess; without `dispatch` this process is alone.

        Without `recall` nothing is remembered.
        """
        self.store, self.bus, self.agents, self.bounds, self.now = store, bus, agents, bounds, now
        self.metrics = metrics
        self._parents = Parents(store.database)
        self.new_id, self.recall = new_id, recall
        self._ranks = Ranks(store.database)
        self.people = People(store=store, bus=bus, now=now, new_id=new_id, timeout_s=bounds.person_timeout_s)
        self.dispatch = dispatch or LocalDispatch(store, running_max=bounds.running_max, queued_max=bounds.queued_max)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()  # to be run once more, since their runner may just be leaving them
        self._tasks: asyncio.TaskGroup | None = None
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()

    @property
    def running(self) -> int:
        """How many debates are being run."""
        return len(self._running)

    @property
    def queued(self) -> int:
        """How many accepted debates wait for a place."""
        return self.dispatch.queued

    @property
    def stopping(self) -> bool:
        """Whether the engine asks no further turns."""
        return self._stopping.is_set()

    async def run(self, *, resume: bool = True) -> None:
        """Run debates until `stop`: those broken off before, and those started from now on."""
        await self.dispatch.begin(resume=resume)
        try:
            async with asyncio.TaskGroup() as self._tasks:
                while not self.stopping:
                    self.dispatch.woken.clear()
                    self._obey(await self.dispatch.look(self._running))
                    await self._woken()
                await self._drain()
        finally:
            self._tasks = None
            await self.dispatch.end()

    def _obey(self, look: Look) -> None:
        """Run and stop running what a look said."""
        for debate_id in look.stop:
            if debate_id in self._running:
                self._running[debate_id].cancel()
        for debate_id in look.start:
            if self._tasks is not None and not self.stopping:
                task = self._tasks.create_task(self._keep_running(debate_id), name=f"debate {debate_id}")
                self._running[debate_id] = task
                task.add_done_callback(partial(self._left, debate_id))

    async def _woken(self) -> None:
        """Wait until there is reason to look again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.dispatch.wait_s):
                await self.dispatch.woken.wait()

    async def _drain(self) -> None:
        """Let calls in flight end, within the grace; then leave what is left for the next run."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.bounds.grace_s):
                while self._running:
                    self._idle.clear()
                    await self._idle.wait()
        self.abort()

    def stop(self) -> None:
        """Ask no further turns; `run` returns when the calls in flight have ended or the grace is over."""
        self._stopping.set()
        self._idle.set()
        self.dispatch.woken.set()

    def abort(self) -> None:
        """Break off everything now. Nothing recorded is lost; the debates resume at the next start."""
        self.stop()
        for task in self._running.values():
            task.cancel()

    async def create(
        self,
        brief: Brief,
        *,
        start: bool = True,
        filing: Filing = UNFILED,
        told: Sequence[Message] = (),
        lap: Callable[[str], object] = lambda _: None,
    ) -> str:
        """Store a debate, with what was `told` before, and start it unless told otherwise; returns its id once it is on disk.

        `lap` is told of each step.
        """
        debate_id = self.new_id()
        with self._place() if start else contextlib.nullcontext():
            brief = replace(brief, alike=await self._ranks.alike([seat.agent for seat in brief.seats]))
            filing = replace(filing, parent=self.metrics.traces.here) if start and self.metrics.traces.on else filing
            lap("logic")
            await self.store.create(debate_id, brief, at=self.now(), start=start, filing=filing, told=told)
            if start:
                log.info("debate started", debate_id=debate_id, seats=len(brief.seats))
                self._offer(debate_id)
        return debate_id

    async def start(self, debate_id: str) -> None:
        """Start a debate that was stored without starting; starting it twice starts it once."""
        record = await self.store.debate(debate_id)
        if record.last_seq:
            if record.ended_at is not None:
                raise Conflict("The debate has ended.")
            return
        with self._place():
            recorded = await self.store.append(debate_id, DebateStarted(brief=record.brief), at=self.now())
            if recorded.fresh:
                self._offer(debate_id)

    async def resume(self, debate_id: str) -> None:
        """Run one debate that was broken off, or that rested; asking twice runs it once."""
        if debate_id in self._running:
            self._again.add(debate_id)
        else:
            self._offer(debate_id)

    async def cancel(self, debate_id: str, detail: str = "") -> None:
        """End a debate now and stop its work. Raises Conflict when it has ended already."""
        record = await self.store.debate(debate_id)
        if not record.last_seq:
            await self.store.append(debate_id, DebateStarted(brief=record.brief), at=self.now())
        ended = DebateEnded(
            outcome=cancelled(rounds=record.round, detail=detail), seconds=_elapsed(record.started_at, self.now())
        )
        try:
            recorded = await self.store.append(debate_id, ended, at=self.now())
        except Fenced as error:
            raise Conflict(error.message) from error
        if not recorded.fresh:
            if record.status is Status.CANCELLED:
                return
            raise Conflict("The debate has ended.")
        if debate_id in self._running:
            self._running[debate_id].cancel()
        else:
            self.bus.ring(WORK)
        self.bus.ring(debate_id)

    def cancel_soon(self, debate_id: str, detail: str) -> None:
        """As `cancel`, for those who cannot wait; nothing happens when the debate has ended or the engine stops."""
        if self._tasks is not None and not self.stopping:
            self._tasks.create_task(self._cancelled(debate_id, detail))

    async def _cancelled(self, debate_id: str, detail: str) -> None:
        with contextlib.suppress(Conflict, NotFound, StoreError, Overloaded):
            await self.cancel(debate_id, detail)

    async def vote(self, debate_id: str, vote: PersonVoted) -> Appended:
        """Count a person's vote and tell the watchers."""
        counted = await self.store.vote(debate_id, vote, at=self.now())
        self.bus.ring(debate_id)
        return counted

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        """Hold a place while a debate is being stored, so that no more are acknowledged than there is room for."""
        if self.stopping:
            raise Overloaded("The server is stopping.", retry_after_s=FULL_RETRY_AFTER_S)
        with self.dispatch.place(self.running):
            yield

    def _offer(self, debate_id: str) -> None:
        self.dispatch.offer(debate_id)
        self.bus.ring(debate_id)

    def _left(self, debate_id: str, _: asyncio.Task[None]) -> None:
        del self._running[debate_id]
        if debate_id in self._again:
            self._again.discard(debate_id)
            self.dispatch.offer(debate_id)
        self._idle.set()
        self.dispatch.woken.set()

    async def _keep_running(self, debate_id: str) -> None:
        """Run a debate to its end. When the database is away, wait and go on; nothing else may stop it."""
        wait_s = RETRY_FIRST_S
        while True:
            try:
                await self._traced(debate_id)
            except (Fenced, NotFound) as left:
                log.info("debate left", debate_id=debate_id, why=left.message)
                return
            except HandOver as left:
                log.info("debate left", debate_id=debate_id, why=str(left))
            except (StoreError, Overloaded) as error:
                log.warning("debate waits for the database", debate_id=debate_id, error=error.message, wait_s=wait_s)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._stopping.wait()
                wait_s = min(2 * wait_s, RETRY_MAX_S)
                if not self.stopping:
                    continue
            else:
                return
            await self.dispatch.left(debate_id)
            return

    async def _traced(self, debate_id: str) -> None:
        """Run a debate in the trace of the request that asked for it, whichever process took that."""
        traces = self.metrics.traces
        if not traces.on:
            await self._run(debate_id)
            return
        with traces.debate(debate_id, await self._parents.of(debate_id)):
            await self._run(debate_id)
        await self._parents.forget(debate_id)

    async def _run(self, debate_id: str) -> None:
        claim = await self.store.claim(debate_id, at=self.now(), runner=self.dispatch.runner)
        run = _Run(self, claim)
        try:
            outcome = await run.play()
        except HandOver:
            with contextlib.suppress(StoreError, Overloaded):
                await self.people.leave(debate_id, claim.epoch)
            raise
        except (Fenced, NotFound, StoreError, Overloaded):
            raise
        except Exception:  # a fault of ours must end this debate honestly, not leave it running for ever
            log.exception("debate broke", debate_id=debate_id)
            broken = failed(rounds=max(run.round, 0), stopped="error", detail="An internal error ended this debate.")
            outcome = accounted(claim.brief, broken, run.heard)
        await run.record(DebateEnded(outcome=outcome, seconds=_elapsed(claim.started_at, self.now())))
        if self.recall:
            await self.recall.keep(debate_id, claim.brief, outcome, run.heard)
        log.info("debate ended", debate_id=debate_id, outcome=str(outcome.outcome), rounds=outcome.rounds)


class _Run:
    """One debate being run by one runner."""

    def __init__(self, engine: Engine, claim: Claim) -> None:
        self._engine, self._claim = engine, claim
        self._brief, self._id = claim.brief, claim.debate_id
        self.round = -1
        self.heard: list[Message] = []
        self._known_at = -math.inf  # when it was last seen that turns may be asked
        self._round_ends = 0.0  # set when the first turns of a round are asked; round 0 is the first
        self._suggestions: tuple[Suggestion, ...] = ()
        self._quotations: tuple[Quotation, ...] = ()
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
                with self._engine.metrics.round_step("consensus"):
                    step = script.send(heard)
        except StopIteration as ended:
            outcome: Outcome = ended.value
            return outcome

    async def hear(self, turns: Sequence[Turn]) -> Sequence[Message]:
        """One message for each turn, in order: from the log where it has one, else asked, all at once."""
        known = {turn.key: self._claim.recorded[turn.key] for turn in turns if turn.key in self._claim.recorded}
        if len(known) < len(turns):
            self._known_at = -math.inf
            await self._may_ask()
        if turns and turns[0].round != self.round:
            await self._begin(turns[0].round)
        told = [replace(turn, suggestions=self._suggestions) for turn in turns if turn.key not in known]
        missing = [reading(turn, self._quotations) for turn in told]
        self._charge_for_lost(missing)
        if missing:
            await self._may_ask()
        about: dict[str, str | int] = {"round": turns[0].round, "phase": turns[0].phase} if turns else {}
        try:
            with self._engine.metrics.traces.step("turns", **about):
                async with asyncio.TaskGroup() as group:
                    asked = {turn.key: group.create_task(self._speak(turn)) for turn in missing}
        except* (Fenced, NotFound, StoreError, Overloaded) as errors:
            raise _first(errors) from errors
        messages = [known.get(turn.key) or asked[turn.key].result() for turn in turns]
        self.heard += messages
        return messages

    def _charge_for_lost(self, missing: Sequence[Turn]) -> None:
        """Charge the debate for the turns that were in flight when its last runner died: they may be paid for twice."""
        if missing and self._unsure:
            self._unsure = False
            for turn in missing:
                with contextlib.suppress(Invalid):  # nobody can be asked, so nobody was
                    self._budget.spent_usd += self._engine.agents.worst_usd(self._request(turn, 0)) or 0.0

    async def _may_ask(self) -> None:
        """Raise when no turn may be asked. What was true before a sleep is not believed: others may have taken over meanwhile."""
        while monotonic() - self._known_at > FRESH_S:
            if self._engine.stopping:
                raise HandOver("the engine is stopping")
            began = monotonic()
            if await self._engine.people.rests(self._id, self._claim.epoch):
                raise HandOver("the debate rests")
            self._known_at = began

    async def _begin(self, number: int) -> None:
        """Start the clock of a round, and settle what its turns are told of the suggestions of people."""
        self.round, self._round_ends = number, monotonic() + self._engine.bounds.round_timeout_s
        begun = any(message.round == number for message in self._claim.recorded.values())
        self._suggestions = await self._engine.people.gather(self._id, number, begun=begun, record=self.record)
        if self._engine.recall:
            self._quotations = await self._engine.recall.gather(self._id, self._brief, number, begun=begun, record=self.record)

    async def record(self, event: Event) -> None:
        """Append an event under this runner's epoch, then ring."""
        metrics = self._engine.metrics
        with metrics.round_step("record"):
            recorded = await self._engine.store.append(self._id, event, at=self._engine.now(), epoch=self._claim.epoch)
        if recorded.fresh:
            metrics.event(type_of(event))
            with metrics.round_step("broadcast"):
                self._engine.bus.ring(self._id)

    async def _speak(self, turn: Turn) -> Message:
        """Ask one turn and record what came of it: a message or an abstention, never an error."""
        if held_by_person(turn.seat.agent):
            return await self._engine.people.answer(self._id, turn, self.record)
        began = monotonic()
        message = await self._ask(turn)
        seconds = monotonic() - began
        message = replace(message, seconds=round(seconds, 3))
        fault = message.abstention.fault if message.abstention else "spoke"
        provider, usage = self._engine.agents.provider_of(turn.seat.agent), message.usage
        self._engine.metrics.turn(provider, str(fault), seconds)
        self._engine.metrics.used(provider, usage.tokens_in, usage.tokens_out, usage.cost_usd)
        await self.record(message)
        return message

    async def _ask(self, turn: Turn) -> Message:
        left_s = max(0.0, min(self._engine.bounds.turn_timeout_s, self._round_ends - monotonic()))
        try:
            # A provider is told the deadline and keeps it; this is for one that does not.
            async with asyncio.timeout(left_s + LATE_S):
                return await self._answer(self._request(turn, left_s))
        except TimeoutError:
            return _abstain(turn, Fault.TIMEOUT, f"No answer within {left_s:.0f} s.")
        except ProviderError as error:
            return replace(_abstain(turn, error.fault, error.detail), usage=error.usage)
        except Invalid as error:
            return _abstain(turn, Fault.UNAVAILABLE, f"The agent of this seat {error.message}.")
        except Exception:  # one agent's fault must never stop the others
            log.exception("provider broke", debate_id=self._id, seat=turn.seat.name)
            return _abstain(turn, Fault.UNAVAILABLE, "The provider failed in an unexpected way.")

    def _request(self, turn: Turn, timeout_s: float) -> Request:
        with self._engine.metrics.round_step("context"):
            prompt = prepare(self._brief, turn)
        return Request(
            agent=self._engine.agents.find(turn.seat.agent),
            brief=self._brief,
            turn=turn,
            prompt=prompt,
            debate_id=self._id,
            timeout_s=timeout_s,
            budget=self._budget,
        )

    async def _answer(self, request: Request) -> Message:
        """The message of a turn. A ballot that cannot be read is asked for once more."""
        turn, ends = request.turn, monotonic() + request.timeout_s
        log.debug("asking", debate_id=self._id, turn=turn.key)
        pieces = Pieces(self._engine.bus, self._id, turn, now=self._engine.now) if self._engine.bus.followed(self._id) else None
        with self._engine.metrics.round_step("agent"):
            completion = await self._engine.agents.complete(request, pieces.add if pieces else None)
        message = self._message(turn, completion)
        if message.spoke or turn.phase not in BALLOTS:
            return message
        prompt = mend(self._brief, turn, request.prompt, completion.text)
        left_s = max(0.0, ends - monotonic())
        try:
            mended = await self._engine.agents.complete(replace(request, prompt=prompt, timeout_s=left_s))
        except ProviderError as error:
            return replace(message, usage=message.usage + error.usage)
        return replace(self._message(turn, mended), usage=message.usage + mended.usage)

    def _message(self, turn: Turn, completion: Completion) -> Message:
        message = read(self._brief, turn, completion.text)
        return replace(message, usage=completion.usage, stand_in=completion.stand_in)


def _abstain(turn: Turn, fault: Fault, detail: str) -> Message:
    abstention = Abstention(fault=fault, detail=detail[:DETAIL_CHARS_MAX])
    return Message(round=turn.round, phase=turn.phase, seat=turn.seat.name, abstention=abstention)


def _first(errors: ExceptionGroup[Exception]) -> Exception:
    """One error out of a group; a fenced runner must stop, whatever else went wrong."""
    found: Exception = errors.subgroup((Fenced, NotFound)) or errors
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    return found


def _elapsed(started_at: str | None, now: str) -> float:
    """Seconds since a debate was started; 0 for one that never was."""
    return 0.0 if started_at is None else between(started_at, now)
