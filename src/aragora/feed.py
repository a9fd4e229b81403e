"""Follow a debate: past and future events, in order, once each. May import store, bus and errors.

The log is the queue: a follower reads on from its own place, so one that is slow holds up nobody and costs no memory.
Everybody who follows the same debate shares a window of its newest frames, filled by one reader and encoded once.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import NamedTuple, Self

from aragora.bus import Bus
from aragora.errors import StoreError
from aragora.store.records import Logged, Record
from aragora.store.store import Store

WINDOW_FRAMES_MAX = 512
PAGE_EVENTS = 256


class Frame(NamedTuple):
    """What a follower gets: one JSON object as text. `seq` is 0 for a piece that is not in the log.

    `born` is the event's timestamp, in seconds since 1970, when it came live; 0 for what was read later.
    """

    text: str
    seq: int = 0
    last: bool = False
    kind: str = ""
    born: float = 0.0


# Takes a frame at once; false when it cannot, and its follower has to be woken for it.
Push = Callable[[Frame], bool]


class _Follower:
    """One who follows a debate live, and how far it is."""

    __slots__ = ("over", "place", "push", "seq", "woken")

    def __init__(self, place: int, seq: int, push: Push | None) -> None:
        self.place, self.seq, self.push = place, seq, push
        self.over = False
        self.woken: asyncio.Future[None] | None = None  # while it waits

    def takes(self, frame: Frame) -> bool:
        """Whether the next frame is no reason to wake it: it went straight to it, or it had it from the log."""
        known = 0 < frame.seq <= self.seq
        if not known and (self.push is None or not self.push(frame)):
            return False
        self.place += 1
        self.seq, self.over = max(self.seq, frame.seq), frame.last
        return not self.over

    def wake(self) -> None:
        if self.woken is not None and not self.woken.done():
            self.woken.set_result(None)


class _Window:
    """The newest frames of one followed debate."""

    def __init__(self, debate_id: str, seq: int, frames_max: int) -> None:
        self.debate_id = debate_id
        self.seq = seq  # the newest event in the window, or the newest there was when it was opened
        self.first = seq + 1  # from this event on, the window has all up to `seq`
        self.over = False
        self.followers = 0
        self.added = 0  # frames ever added; the place of the next one
        self._frames: deque[Frame] = deque(maxlen=frames_max)
        self._waiting: set[_Follower] = set()  # those that have every frame
        self._rung = asyncio.Event()

    def add(self, frame: Frame) -> None:
        if len(self._frames) == self._frames.maxlen and self._frames[0].seq:
            self.first = self._frames[0].seq + 1
        self._frames.append(frame)
        self.added += 1
        self.seq, self.over = frame.seq or self.seq, self.over or frame.last
        for follower in [follower for follower in self._waiting if not follower.takes(frame)]:
            self._waiting.discard(follower)  # from here on it reads by itself, until it waits again
            follower.wake()

    def heard(self, text: str | None) -> None:
        """What the bus calls: a piece goes straight to the window, anything else means that the log has grown."""
        if text is None:
            self._rung.set()
        else:
            self.add(Frame(text))

    def since(self, place: int) -> list[Frame] | None:
        """The frames from `place` on; None when the window has moved past it."""
        first = self.added - len(self._frames)
        if place < first:
            return None
        return [self._frames[index] for index in range(place - first, len(self._frames))]

    def after(self, seq: int) -> list[Frame] | None:
        """The events above `seq`, as those that come late get them; None when the window has moved past it."""
        if seq + 1 < self.first:
            return None
        found = []
        for frame in reversed(self._frames):
            if 0 < frame.seq <= seq:
                break
            if frame.seq:
                found.append(Frame(frame.text, frame.seq, frame.last))
        found.reverse()
        return found

    async def changed(self, follower: _Follower) -> None:
        """Wait until there is a frame that a follower has not got, or nothing more to wait for."""
        while self.added <= follower.place and not follower.over:
            follower.woken = asyncio.get_running_loop().create_future()
            self._waiting.add(follower)
            try:
                await follower.woken
            finally:
                self._waiting.discard(follower)

    async def rung(self, poll_s: float) -> None:
        """Wait for the doorbell, but not for ever: it may lose a ring."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(poll_s):
                await self._rung.wait()
        self._rung.clear()


class Feed:
    """Follows debates for any number of watchers. Use it as a context manager: it owns one reading task per followed debate."""

    def __init__(self, store: Store, bus: Bus, *, poll_s: float = 1.0, window_frames: int = WINDOW_FRAMES_MAX) -> None:
        """`poll_s` bounds how late an event can be when a ring was lost; of each followed debate so many frames are kept."""
        self._window_frames = window_frames
        self._store = store
        self._bus = bus
        self._poll_s = poll_s
        self._windows: dict[str, _Window] = {}
        self._readers = asyncio.TaskGroup()
        self._closed = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._readers.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed.set()
        for window in [*self._windows.values()]:
            window.heard(None)
        await self._readers.__aexit__(kind, error, trace)

    @property
    def followed(self) -> int:
        """How many debates are being followed."""
        return len(self._windows)

    async def follow(
        self, debate_id: str, after: int = 0, *, beat_s: float | None = None, push: Push | None = None
    ) -> AsyncGenerator[Frame, None]:
        """Every event numbered above `after`, until the last, and the pieces of texts as they are written.

        With `beat_s`, an empty frame whenever there was nothing for so long. With `push`, a frame that comes while its follower
        waits for it is given to that first, and comes here only if it is not taken there. Raises NotFound. A number above the
        newest event counts as the newest.
        """
        record = await self._store.debate(debate_id)
        async with contextlib.aclosing(self.batches(record, after, beat_s=beat_s, push=push)) as batches:
            async for frames in batches:
                for frame in frames:
                    yield frame

    async def batches(
        self, record: Record, after: int, *, beat_s: float | None = None, push: Push | None = None
    ) -> AsyncGenerator[Sequence[Frame], None]:
        """The same of a debate that was just read, with as many frames together as there are; never none."""
        if record.ended_at is not None:
            async for page in self._log(record.id, after, record.last_seq):
                yield page
            return
        with self._open(record.id, record.last_seq) as window:
            follower = _Follower(window.added, min(after, max(record.last_seq, window.seq)), push)
            follower.over = window.over
            async for frames in self._missed(window, follower.seq):
                follower.seq, follower.over = frames[-1].seq, frames[-1].last
                yield frames
            async for frames in self._live(window, follower, beat_s):
                yield frames

    async def _live(self, window: _Window, follower: _Follower, beat_s: float | None) -> AsyncGenerator[Sequence[Frame], None]:
        """Frames as they come, from the follower's place on; whatever the window has moved past is read from the log."""
        while not follower.over:
            try:
                async with asyncio.timeout(beat_s):
                    await window.changed(follower)
            except TimeoutError:
                yield [Frame("")]
                continue
            frames = window.since(follower.place)
            if frames is None:
                follower.place = window.added
                async for missed in self._missed(window, follower.seq):
                    follower.seq, follower.over = missed[-1].seq, missed[-1].last
                    yield missed
                continue
            follower.place += len(frames)
            fresh = _unseen(frames, follower.seq)
            if fresh:
                follower.seq, follower.over = max(follower.seq, *(frame.seq for frame in fresh)), fresh[-1].last
                yield fresh

    async def _missed(self, window: _Window, seq: int) -> AsyncGenerator[Sequence[Frame], None]:
        """The events above `seq` that the window has seen: from itself if it still has them, else from the log."""
        upto, found = window.seq, window.after(seq)
        if found is None:
            async for page in self._log(window.debate_id, seq, upto):
                yield page
        elif found:
            yield found

    async def _log(self, debate_id: str, after: int, upto: int) -> AsyncGenerator[Sequence[Frame], None]:
        """Events above `after` up to `upto`, read in pages."""
        while after < upto:
            page = await self._store.events(debate_id, after=after, limit=min(PAGE_EVENTS, upto - after))
            if not page:
                return
            yield [_frame(event) for event in page]
            after = page[-1].seq

    @contextlib.contextmanager
    def _open(self, debate_id: str, seq: int) -> Iterator[_Window]:
        """The window of a debate, with one follower more while it is open."""
        window = self._windows.get(debate_id)
        if window is None:
            window = self._windows[debate_id] = _Window(debate_id, seq, self._window_frames)
            stop = self._bus.listen(debate_id, window.heard)
            self._readers.create_task(self._read(window, stop), name=f"feed {debate_id}")
        window.followers += 1
        try:
            yield window
        finally:
            window.followers -= 1
            if not window.followers:
                # The next follower opens a new window; this one's reader sees that nobody is left.
                self._windows.pop(debate_id, None)
                window.heard(None)

    async def _read(self, window: _Window, stop: Callable[[], None]) -> None:
        """Keep one window up to date while somebody follows it."""
        try:
            while window.followers and not self._closed.is_set():
                with contextlib.suppress(StoreError):  # the database is away: watchers wait, and go on where they were
                    while page := await self._store.events(window.debate_id, after=window.seq, limit=PAGE_EVENTS):
                        for event in page:
                            window.add(_live(event))
                    if not await self._store.exists(window.debate_id):
                        window.add(_gone(window.debate_id))
                        return
                await window.rung(self._poll_s)
        finally:
            stop()


def _unseen(frames: Sequence[Frame], seq: int) -> list[Frame]:
    """What a follower has not got that is at `seq`, up to the last frame that there will be."""
    fresh = []
    for frame in frames:
        if not 0 < frame.seq <= seq:
            fresh.append(frame)
            if frame.last:
                break
    return fresh


def _gone(debate_id: str) -> Frame:
    """What followers of a debate get, after all else, when it has been deleted."""
    return Frame(f'{{"type":"debate_deleted","debate_id":"{debate_id}","timestamp":"","data":{{}}}}', last=True)


def _live(event: Logged) -> Frame:
    return _frame(event)._replace(kind=event.type, born=datetime.fromisoformat(event.at).timestamp())


def _frame(event: Logged) -> Frame:
    return Frame(event.frame, event.seq, event.last)
