"""`/ws`: follow debates live, resume from a number. May import its siblings and feed.

One JSON object per frame. A client subscribes with `?debate_id=…&after=…` or by messages; each subscription reads the log at its
own pace. A client that does not read is closed with 4008 and resumes from the last number it saw. What needs no waiting is done
when it comes; a client has tasks only for what does: while it is identified, while it subscribes, one for each debate it follows.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import lru_cache, partial
from http import HTTPStatus
from time import monotonic, time
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog
from starlette.requests import HTTPConnection

from aragora import __version__
from aragora.api import Parts
from aragora.api.asked import Knock
from aragora.api.callers import TOKEN_PROTOCOL
from aragora.api.door import Entrance
from aragora.api.guard import Guard
from aragora.api.passes import Pass
from aragora.api.wire import CLOSE_MISTAKE, Socket, framed
from aragora.auth import READ, Access, require
from aragora.errors import AragoraError, Forbidden, Invalid, NotFound, Overloaded, StoreError, Unauthenticated
from aragora.feed import Frame
from aragora.store.records import Record

log = structlog.get_logger(__name__)

PATH = b"/ws"
CLOSE_LATER = 1013  # what the protocol calls "try again later"
CLOSE_UNKNOWN = 4001
CLOSE_FORBIDDEN = 4003
CLOSE_SLOW = 4008
CLOSE_RATE = 4029
# A client sends a handful of messages in its life; more than this within a second is not a client.
MESSAGES_PER_S_MAX = 50
# Events as they go over the wire. Whoever waits for one is given it in the same turn of the loop, so that few are needed.
FRAMES_KEPT = 16
# What has been missed is written in pieces of about so much, each when the client has read the one before.
WRITE_BYTES = 64 * 1024
SEQ_MAX = 2**63 - 1


class _Said(msgspec.Struct):
    """What a client may send. `replay_from_seq` counts from the first event wanted, `after` from the last one seen."""

    type: str
    debate_id: str = ""
    after: int | None = None
    replay_from_seq: int | None = None
    ts: float | int | None = None


_decoder = msgspec.json.Decoder(_Said)


class _Slow(Exception):
    """The client does not read."""


class _Over(Exception):
    """The client's token is no longer valid."""


class Sockets:
    """Lets clients in, and owns the tasks that work for them. Use it as a context manager."""

    def __init__(self, parts: Parts) -> None:
        """Nobody is here yet."""
        self.parts, self.entrance, self.tasks = parts, Entrance(parts), asyncio.TaskGroup()
        self._guard = Guard(parts.settings)

    async def __aenter__(self) -> Self:
        await self.tasks.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.tasks.__aexit__(kind, error, trace)

    def enter(self, socket: Socket, scope: dict[str, Any]) -> None:
        """Let a client in until it leaves, the server stops or it turns out not to read, or not to be who it was."""
        asked = Knock(scope)
        try:
            if scope["raw_path"] != PATH:
                raise NotFound("There is no such socket.")
            self._guard(asked, safe=False)
        except AragoraError:
            socket.refuse(HTTPStatus.FORBIDDEN)
            return
        socket.accept(_spoken(scope["subprotocols"]))
        _Client(self, socket, asked)


def _closed_for(error: AragoraError) -> tuple[int, str]:
    """With which code and reason somebody is turned away at the door."""
    if isinstance(error, StoreError | Overloaded):
        return CLOSE_LATER, "the database is away; try again"
    return (CLOSE_FORBIDDEN, "not allowed") if isinstance(error, Forbidden) else (CLOSE_UNKNOWN, "log in first")


def _spoken(offered: list[str]) -> str | None:
    """The protocol to agree on. A browser that sends its token as one takes an answer only if it names one of its offers."""
    plain = [name for name in offered if not name.startswith(TOKEN_PROTOCOL)]
    return next(iter(plain or offered), None)


class _Client:
    """One client and the debates that it follows."""

    __slots__ = ("_caller", "_following", "_heard", "_link", "_parts", "_second", "_socket", "_sockets", "_tasks", "_waiting")

    def __init__(self, sockets: Sockets, socket: Socket, asked: HTTPConnection) -> None:
        """Greet who need not say who it is; ask about everybody else."""
        self._sockets, self._parts, self._socket = sockets, sockets.parts, socket
        self._tasks: set[asyncio.Task[None]] = set()
        self._following: dict[str, asyncio.Task[None]] = {}
        # What was said and has to wait for what was said before; None while nothing takes any time.
        self._waiting: deque[_Said | str | bytes] | None = None
        self._second, self._heard = 0.0, 0
        socket.said, socket.gone = self._said, self._gone
        query = asked.query_params if asked.scope["query_string"] else {}
        self._link = query.get("share", "")
        stranger = sockets.entrance.stranger(asked)
        self._caller = stranger or self._parts.accounts.nobody("")
        if stranger is None:
            self._wait(partial(self._identify, asked, query))
        else:
            self._greet(query)

    # Who it is

    async def _identify(self, asked: HTTPConnection, query: Mapping[str, str]) -> None:
        try:
            self._caller = await self._sockets.entrance.identify_socket(asked)
        except AragoraError as error:
            self._turn_away(error)
            return
        self._greet(query)

    def _greet(self, query: Mapping[str, str]) -> None:
        """Say hello to who may be here, and subscribe as the URL says."""
        try:
            # With a share link a debate may be watched by anybody; which one, is looked at when it is asked for.
            if self._caller.user_id or not self._link:
                require(self._caller, Access.CALLER, READ)
        except AragoraError as error:
            self._turn_away(error)
            return
        self._say("connected", {"server_version": __version__, "heartbeat_s": self._parts.settings.ws_ping_s})
        if self._caller.credential_id:
            self._start(self._watch)
        if debate_id := query.get("debate_id"):
            after = query.get("after", "0")
            said = _Said(type="subscribe", debate_id=debate_id, after=int(after) if _digits(after) else 0)
            if self._waiting is None:
                self._wait(partial(self._subscribe, said))
            else:
                self._waiting.appendleft(said)

    def _turn_away(self, error: AragoraError) -> None:
        self._fail(error)
        self._socket.close(*_closed_for(error))

    async def _watch(self) -> None:
        """End the connection when its token is no longer valid."""
        with Pass(self._parts, self._caller).heard() as right:
            await right.over()
        raise _Over

    # What it works on

    def _start(self, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        task = self._sockets.tasks.create_task(self._guarded(work))
        self._tasks.add(task)
        return task

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something for this client; whatever goes wrong is the end of this connection and of no other."""
        try:
            await work()
        except _Slow:
            self._socket.close(CLOSE_SLOW, "reading too slowly; resume with after=<last seq>")
        except _Over:
            self._socket.close(CLOSE_UNKNOWN, "the token is no longer valid")
        except (StoreError, Overloaded) as away:
            log.warning("a watcher has to come back", error=str(away))
            self._socket.close(CLOSE_LATER, "the database is away; resume with after=<last seq>")
        except Exception:
            log.exception("a watcher could not be served")
            self._socket.close(CLOSE_MISTAKE, "the server made a mistake")
        finally:
            self._tasks.discard(asyncio.current_task())

    def _gone(self) -> None:
        """The client has left, or was told to."""
        for task in self._tasks:
            task.cancel()

    # What it says

    def _said(self, message: str | bytes) -> None:
        """Do what was said, or remember it until what was said before is done and the client has read what it was sent."""
        now = monotonic()
        if now - self._second >= 1:
            self._second, self._heard = now, 0
        self._heard += 1
        if self._heard > MESSAGES_PER_S_MAX:
            self._socket.close(CLOSE_RATE, "too many messages")
        elif self._waiting is not None:
            self._waiting.append(message)
            self._socket.transport.pause_reading()
        elif not self._socket.writable:
            self._wait(partial(self._later, message))
        else:
            wanted = self._take(message)
            if wanted is not None:
                self._wait(partial(self._subscribe, wanted))

    def _wait(self, work: Callable[[], Awaitable[None]]) -> None:
        self._waiting = deque()
        self._start(partial(self._work, work))

    async def _work(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do what takes time, and then what was said meanwhile."""
        await work()
        while self._waiting:
            await self._later(self._waiting.popleft())
        self._waiting = None
        self._socket.listen()

    async def _later(self, message: _Said | str | bytes) -> None:
        await self._room()
        wanted = self._take(message)
        if wanted is not None:
            await self._subscribe(wanted)

    def _take(self, message: _Said | str | bytes) -> _Said | None:
        """Do what was said; a wish to subscribe takes time, and is handed back."""
        if not isinstance(message, _Said):
            try:
                message = _decoder.decode(message)
            except (msgspec.DecodeError, RecursionError, UnicodeError):
                self._fail(Invalid("A message is one JSON object with a type.", code="INVALID_JSON"))
                return None
        match message.type:
            case "ping":
                self._say("pong", {"client_ts": message.ts})
            case "subscribe":
                return message
            case "unsubscribe":
                task = self._following.pop(message.debate_id, None)
                if task is not None:
                    task.cancel()
                self._say("unsubscribed", {}, message.debate_id if task else "")
            case _:
                self._fail(Invalid("Known types are subscribe, unsubscribe and ping."))
        return None

    async def _subscribe(self, said: _Said) -> None:
        after = said.after if said.after is not None else (said.replay_from_seq or 1) - 1
        try:
            await self._parts.accounts.admit(self._caller, said.debate_id, link=self._link)
            record = await self._parts.store.debate(said.debate_id)
            if len(self._following) >= self._parts.settings.ws_max_subscriptions:
                raise Invalid("This connection follows as many debates as it may.")
        except (StoreError, Overloaded):
            raise
        except AragoraError as error:
            self._fail(error)
            return
        before = self._following.pop(record.id, None)
        if before is not None:
            before.cancel()
        self._say("subscribed", {"last_seq": record.last_seq, "status": record.status}, record.id)
        self._following[record.id] = self._start(partial(self._follow, record, min(max(after, 0), SEQ_MAX)))

    # What it watches

    async def _follow(self, record: Record, after: int) -> None:
        """Send a debate's events as fast as this client reads them."""
        right = Pass(self._parts, self._caller, debate_id=record.id, link=self._link)
        try:
            with right.heard():
                async with aclosing(self._parts.feed.batches(record, after, push=partial(self._push, right))) as batches:
                    async for frames in batches:
                        await self._send(right, frames)
        except (NotFound, Unauthenticated) as error:
            if isinstance(error, Unauthenticated) and self._caller.credential_id:
                raise _Over from None
            await self._room()
            self._fail(error)
        if self._following.get(record.id) is asyncio.current_task():
            del self._following[record.id]

    async def _send(self, right: Pass, frames: Sequence[Frame]) -> None:
        """Write events in pieces, each when the client has read what came before and may still have it."""
        waiting, size = list[bytes](), 0
        for frame in frames:
            waiting.append(framed(frame.text.encode()))
            size += len(waiting[-1])
            if size >= WRITE_BYTES:
                await self._pour(right, waiting)
                waiting, size = [], 0
        if waiting:
            await self._pour(right, waiting)
        for frame in frames:
            self._sent(frame)

    async def _pour(self, right: Pass, frames: list[bytes]) -> None:
        if right.due:
            await right.look()
        if not self._socket.writable:
            await self._room()
        self._socket.write(b"".join(frames))

    def _push(self, right: Pass, frame: Frame) -> bool:
        """Send an event at once, unless it is time to look whether it may be sent, or the client lags."""
        if right.due or not self._socket.put(encoded(frame.text)):
            return False
        self._sent(frame)
        return True

    def _sent(self, frame: Frame) -> None:
        if frame.born:
            self._parts.metrics.delivered(frame.kind, time() - frame.born)

    def _say(self, name: str, data: dict[str, object], debate_id: str = "") -> None:
        """Send something that is not in a log."""
        frame = {"type": name, "debate_id": debate_id, "timestamp": self._parts.now(), "data": data}
        self._socket.write(framed(msgspec.json.encode(frame)))

    def _fail(self, error: AragoraError) -> None:
        """Say that something could not be done."""
        self._say("error", {"error": error.message, "code": error.code})

    async def _room(self) -> None:
        """Wait until the client has read what came before. Raises _Slow when it takes too long."""
        if self._socket.writable:
            return
        try:
            async with asyncio.timeout(self._parts.settings.ws_send_timeout_s):
                await self._socket.room()
        except TimeoutError:
            raise _Slow from None


@lru_cache(FRAMES_KEPT)
def encoded(text: str) -> bytes:
    """An event as it goes over every WebSocket: encoded once, however many follow."""
    return framed(text.encode())


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < len(str(SEQ_MAX))
