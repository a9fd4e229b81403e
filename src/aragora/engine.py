"""Runs debates: accepts, starts, cancels and resumes them, as many at once as there is room for. `run` beside it holds one.

May import debate, dispatch, run, store, bus and providers. A first run and a resumed one are the same code: messages that the log
holds are given to the script, and only what is missing is asked. So a crash costs at most the calls that were in flight.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic

import structlog

from aragora.bus import WORK, Bus
from aragora.debate.consensus import cancelled, failed
from aragora.debate.costs import accounted
from aragora.debate.events import DebateEnded, DebateStarted, PersonVoted
from aragora.debate.model import Brief, Message, Status
from aragora.dispatch import FULL_RETRY_AFTER_S, Dispatch, LocalDispatch, Look
from aragora.errors import Conflict, Fenced, NotFound, Overloaded, StoreError
from aragora.metrics import Metrics
from aragora.people import People
from aragora.providers.agents import Agents
from aragora.recall import Recall
from aragora.run import HandOver, Means, Run
from aragora.store.parents import Parents
from aragora.store.ranks import Ranks
from aragora.store.records import Filing
from aragora.store.store import UNFILED, Appended, Store
from aragora.times import between

log = structlog.get_logger(__name__)

RETRY_FIRST_S, RETRY_MAX_S = 0.5, 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the engine never exceeds."""

    running_max: int = 1000
    queued_max: int = 1000
    turn_timeout_s: float = 60.0
    round_timeout_s: float = 300.0
    person_timeout_s: float = 300.0
    grace_s: float = 25.0  # how long calls in flight may take to end when the engine stops


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
        self._stopping = asyncio.Event()
        self._means = Means(
            store=store,
            bus=bus,
            agents=agents,
            people=self.people,
            recall=recall,
            metrics=metrics,
            now=now,
            stopping=self._stopping,
            turn_timeout_s=bounds.turn_timeout_s,
            round_timeout_s=bounds.round_timeout_s,
        )
        self._running: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()  # to be run once more, since their runner may just be leaving them
        self._tasks: asyncio.TaskGroup | None = None
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
            if alike := await self._ranks.alike([seat.agent for seat in brief.seats]):
                brief = replace(brief, alike=alike)
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
        began = monotonic()
        claim = await self.store.claim(debate_id, at=self.now(), runner=self.dispatch.runner)
        run = Run(self._means, claim, began)
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


def _elapsed(started_at: str | None, now: str) -> float:
    """Seconds since a debate was started; 0 for one that never was."""
    return 0.0 if started_at is None else between(started_at, now)
