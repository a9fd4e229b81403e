"""Which debates this process is to run: all of its own, or its share of a fleet's. May import bus and store."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from time import monotonic
from typing import NamedTuple, Protocol

import structlog

from aragora.bus import WORK, Bus
from aragora.errors import RateLimited, StoreError
from aragora.store.leases import Leases
from aragora.store.store import Store

log = structlog.get_logger(__name__)

FULL_RETRY_AFTER_S = 5.0
LOOK_EVERY_S = 1.0
# Between looks that are asked for by rings; many rings make one look.
LOOK_PAUSE_S = 0.02
# While debates wait that others have places for as well, look again soon.
LOOK_SOON_S = 0.1
# A runner whose number stood still for so many looks of ours is dead, or asleep for so long that it does not matter.
STILL_LOOKS_MAX = 5
# The number of a runner that has debates but never showed up, or was forgotten.
NEVER = -1


class Look(NamedTuple):
    """What a look shows: which debates to run from now on, and which to stop running."""

    start: Sequence[str] = ()
    stop: Sequence[str] = ()


class Dispatch(Protocol):
    """What the engine needs to know which debates are its own."""

    runner: str  # the name under which debates are claimed
    woken: asyncio.Event  # set when there is reason to look
    wait_s: float | None  # how long until the next look without such a reason

    @property
    def queued(self) -> int:
        """How many accepted debates wait for a place."""
        ...

    @property
    def places(self) -> int:
        """How many debates may run at once, here and elsewhere."""
        ...

    def running(self, here: int) -> int:
        """How many debates run, `here` and elsewhere."""
        ...

    def place(self, running: int) -> AbstractContextManager[None]:
        """Hold a place while a debate is being stored, with `running` running here; raises RateLimited when there is none."""
        ...

    def offer(self, debate_id: str) -> None:
        """Say that a debate is stored and started, for whoever is to run it."""
        ...

    async def begin(self, *, resume: bool) -> None:
        """Before the first look; with `resume`, debates that were broken off count too, else only those that are offered."""
        ...

    async def look(self, running: Collection[str]) -> Look:
        """Compare what is to be run here with what is running."""
        ...

    async def left(self, debate_id: str) -> None:
        """Say that a debate is not run here any more, though it has not ended."""
        ...

    async def end(self) -> None:
        """Leave everything to others."""
        ...


class LocalDispatch:
    """One process runs everything."""

    runner = ""
    wait_s = None

    def __init__(self, store: Store, *, running_max: int, queued_max: int) -> None:
        """Nothing waits yet."""
        self._store, self._running_max, self._queued_max = store, running_max, queued_max
        self._waiting: dict[str, None] = {}  # in order of arrival
        self._reserved = 0
        self.woken = asyncio.Event()

    @property
    def queued(self) -> int:
        """How many accepted debates wait for a place."""
        return len(self._waiting)

    @property
    def places(self) -> int:
        """All are here."""
        return self._running_max

    def running(self, here: int) -> int:
        """All are here."""
        return here

    @contextlib.contextmanager
    def place(self, running: int) -> Iterator[None]:
        """Hold a place while a debate is being stored, so that no more are acknowledged than there is room for."""
        if running + self.queued + self._reserved >= self._running_max + self._queued_max:
            raise _full()
        self._reserved += 1
        try:
            yield
        finally:
            self._reserved -= 1

    def offer(self, debate_id: str) -> None:
        """Let a debate wait for a place."""
        self._waiting[debate_id] = None
        self.woken.set()

    async def begin(self, *, resume: bool) -> None:
        """Queue what was started and has not ended. It was accepted before, so no bound turns it away."""
        after = ""
        while resume and (page := await self._store.unfinished(after=after)):
            self._waiting.update(dict.fromkeys(page))
            after = page[-1]
        if self._waiting:
            log.info("resuming debates", debates=len(self._waiting))

    async def look(self, running: Collection[str]) -> Look:
        """Give free places to those who wait longest."""
        start: list[str] = []
        while self._waiting and len(running) + len(start) < self._running_max:
            debate_id = next(iter(self._waiting))
            del self._waiting[debate_id]
            if debate_id not in running:
                start.append(debate_id)
        return Look(start)

    async def left(self, debate_id: str) -> None:
        """Nobody else is there to be told."""

    async def end(self) -> None:
        """What waits will be found again at the next start."""
        self._waiting.clear()


class _Pulses:
    """Which runners are dead: those whose number has stood still, by our own looks. No clock but ours takes part."""

    def __init__(self) -> None:
        self._still: dict[str, tuple[int, int]] = {}  # runner: its number, and for how many looks that has been so

    def look(self, beats: Mapping[str, int]) -> set[str]:
        """Take a look at every runner's number; the names of those that are dead."""
        before = self._still
        self._still = {
            name: (beat, before[name][1] + 1 if name in before and before[name][0] == beat else 0) for name, beat in beats.items()
        }
        return {name for name, (_, looks) in self._still.items() if looks >= STILL_LOOKS_MAX}


class FleetDispatch:
    """One of many processes, which share the debates and watch each other. With no `places` it only accepts debates."""

    def __init__(self, leases: Leases, bus: Bus, *, runner: str, places: int, queued_max: int, now: Callable[[], str]) -> None:
        """`runner` names this process and no other, ever."""
        self._leases, self._bus, self._own_places, self._queued_max, self._now = leases, bus, places, queued_max, now
        self.runner = runner
        self.woken = asyncio.Event()
        self.wait_s: float | None = LOOK_EVERY_S
        self._offered: set[str] | None = None  # set: nothing but these is run here
        self._pulses = _Pulses()
        self._looked = self._beaten = -LOOK_EVERY_S
        self._alive = 1
        self._others: list[str] = []
        self._polite = True
        self._capacity = places + queued_max
        self._unfinished = 0
        self._storing, self._stored = 0, 0  # accepted here, and not in the last count: on their way to the disk, and there
        self._waiting = 0
        self._stop_listening: Callable[[], None] | None = None

    @property
    def queued(self) -> int:
        """How many debates of the whole fleet wait for a place."""
        return self._waiting

    @property
    def places(self) -> int:
        """How many debates the whole fleet may run at once."""
        return self._capacity - self._queued_max

    def running(self, here: int) -> int:
        """How many debates the whole fleet runs, as of the last count."""
        return max(here, self._unfinished - self._waiting)

    @contextlib.contextmanager
    def place(self, running: int) -> Iterator[None]:  # noqa: ARG002  # the fleet counts
        """Count a debate before it is stored. The fleet is counted every second; until then a process knows of its own only."""
        if self._unfinished + self._stored + self._storing >= self._capacity:
            raise _full()
        self._storing += 1
        try:
            yield
            self._stored += 1
        finally:
            self._storing -= 1

    def offer(self, debate_id: str) -> None:
        """Tell whoever has a free place."""
        if self._offered is not None:
            self._offered.add(debate_id)
        self._bus.ring(WORK)
        self.woken.set()

    async def begin(self, *, resume: bool) -> None:
        """Show up, and hear of work from now on."""
        if not resume:
            self._offered = set()
        self._stop_listening = self._bus.hear(WORK, self.woken.set)

    async def look(self, running: Collection[str]) -> Look:
        """Show that we live, bury the dead, take a fair share of what waits. A database that is away is no reason to stop."""
        await asyncio.sleep(max(0.0, self._looked + LOOK_PAUSE_S - monotonic()))
        self._looked = monotonic()
        # As it is before the database is asked: what ends meanwhile must not be taken for something that is to be started.
        before = set(running)
        try:
            if monotonic() - self._beaten >= LOOK_EVERY_S:
                await self._beat()
            if not self._own_places:
                return Look()
            await self._take(len(before))
            mine = set(await self._leases.mine(self.runner))
            strange = sorted(before - mine)
            stop = await self._leases.cut(self.runner, strange) if strange else []
        except StoreError as error:
            log.warning("cannot look for debates", error=error.message)
            self.wait_s = LOOK_EVERY_S
            return Look()
        return Look(sorted(mine - before), stop)

    async def _beat(self) -> None:
        """Show that we live, free the debates of the dead, count what the fleet has."""
        self._beaten = monotonic()
        if self._own_places:
            await self._leases.beat(self.runner, places=self._own_places, at=self._now())
        counted = self._stored  # these are on disk, so what is counted from now on has them
        runners, counts = await self._leases.runners(), await self._leases.counts()
        beats = dict.fromkeys(filter(None, counts), NEVER) | {runner.id: runner.beat for runner in runners}
        dead = self._pulses.look(beats) - {self.runner}
        if self._own_places:
            for name in sorted(dead):
                freed = await self._leases.bury(name)
                log.warning("a runner is gone", runner=name, debates=freed)
                counts[""] = counts.get("", 0) + freed
        alive = [runner for runner in runners if runner.id not in dead and runner.places]
        self._alive = max(1, len(alive))
        self._others = [runner.id for runner in alive if runner.id != self.runner]
        self._capacity = sum(runner.places for runner in alive) + self._queued_max
        self._unfinished = sum(counts.values())
        self._stored -= counted
        self._waiting = counts.get("", 0)

    async def _take(self, running: int) -> None:
        """Take what waits: when several have places, no more than our share, so that work spreads."""
        self.wait_s = LOOK_EVERY_S
        if self._offered is not None:
            for debate_id in [*self._offered]:
                await self._leases.take_one(self.runner, debate_id)
                self._offered.discard(debate_id)
            return
        free = self._own_places - running
        if free > 0:
            counts = await self._leases.counts()
            self._waiting = counts.pop("", 0)
            if self._waiting and self._polite and any(counts.get(name, 0) < running for name in self._others):
                self._polite, self.wait_s = False, LOOK_SOON_S  # somebody has less to do: let it go first, once
                return
            self._polite = True
            share = min(free, -(-self._waiting // self._alive))
            if share:
                taken = await self._leases.take(self.runner, places=share)
                self._waiting = max(0, self._waiting - len(taken))
                self.wait_s = LOOK_SOON_S if self._waiting else LOOK_EVERY_S

    async def left(self, debate_id: str) -> None:
        """Hand a debate to whoever has a place, at once."""
        with contextlib.suppress(StoreError):  # then it is found by those who see that we are gone
            await self._leases.free(self.runner, debate_id)
            self._bus.ring(WORK)

    async def end(self) -> None:
        """Hand over everything and be gone."""
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None
        if self._own_places:
            with contextlib.suppress(StoreError):
                await self._leases.bury(self.runner)
                self._bus.ring(WORK)


def _full() -> RateLimited:
    return RateLimited("As many debates are running and waiting as this server accepts.", retry_after_s=FULL_RETRY_AFTER_S)
