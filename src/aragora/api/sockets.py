"""`/ws`: follow debates live, resume from a number. May import its siblings and feed.

One JSON object per frame. A client subscribes with `?debate_id=…&after=…` or by messages; each subscription reads the log at its
own pace. A client that does not read is closed with 4008 and resumes from the last number it saw.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import lru_cache, partial
from time import time

import msgspec
import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.frames import Frame as Wire
from websockets.frames import Opcode

from aragora import __version__
from aragora.api import Parts
from aragora.api.passes import Pass
from aragora.api.wire import SOCKET
from aragora.auth import READ, Access, Caller, require
from aragora.errors import AragoraError, Forbidden, Invalid, NotFound, Overloaded, StoreError, Unauthenticated
from aragora.feed import Frame

log = structlog.get_logger(__name__)

CLOSE_LATER = 1013  # what the protocol calls "try again later"
CLOSE_UNKNOWN = 4001
CLOSE_FORBIDDEN = 4003
CLOSE_SLOW = 4008
CLOSE_RATE = 4029
# A client sends a handful of messages in its life; more than this within a second is not a client.
MESSAGES_PER_S_MAX = 50
# Events as they go over the wire. Whoever waits for one is given it in the same turn of the loop, so that few are needed.
FRAMES_KEPT = 16
TOKEN_PROTOCOL = "access_token."  # noqa: S105 - what comes before one
SEQ_MAX = 2**63 - 1


class _Said(msgspec.Struct):
    """What a client may send. `replay_from_seq` counts from the first event wanted, `after` from the last one seen."""

    type: str
    debate_id: str = ""
    after: int | None = None
    replay_from_seq: int | None = None
    ts: float | int | None = None


class _Slow(Exception):
    """The client does not read."""


class _Over(Exception):
    """The client's token is no longer valid."""


async def serve(parts: Parts, socket: WebSocket, identify: Callable[[WebSocket], Awaitable[Caller]]) -> None:
    """Serve one client until it leaves, the server stops or it turns out not to read, or not to be who it was."""
    await socket.accept(subprotocol=_spoken(socket.scope.get("subprotocols", [])))
    try:
        caller = await identify(socket)
        # With a share link a debate may be watched by anybody; which one, is looked at when it is asked for.
        if caller.user_id or not socket.query_params.get("share"):
            require(caller, Access.CALLER, READ)
    except AragoraError as error:
        await _Connection(parts, socket, parts.accounts.nobody("")).fail(error)
        await socket.close(*_closed_for(error))
        return
    connection = _Connection(parts, socket, caller)
    try:
        async with asyncio.TaskGroup() as tasks:
            await connection.run(tasks)
    except* WebSocketDisconnect:
        pass
    except* _Slow:
        connection.drop(CLOSE_SLOW, "reading too slowly; resume with after=<last seq>")
    except* _Over:
        connection.drop(CLOSE_UNKNOWN, "the token is no longer valid")
    except* (StoreError, Overloaded) as away:
        log.warning("a watcher has to come back", error=str(away.exceptions[0]))
        connection.drop(CLOSE_LATER, "the database is away; resume with after=<last seq>")


def _closed_for(error: AragoraError) -> tuple[int, str]:
    """With which code and reason somebody is turned away at the door."""
    if isinstance(error, StoreError | Overloaded):
        return CLOSE_LATER, "the database is away; try again"
    return (CLOSE_FORBIDDEN, "not allowed") if isinstance(error, Forbidden) else (CLOSE_UNKNOWN, "log in first")


def _spoken(offered: list[str]) -> str | None:
    """The protocol to agree on. A browser that sends its token as one takes an answer only if it names one of its offers."""
    plain = [name for name in offered if not name.startswith(TOKEN_PROTOCOL)]
    return next(iter(plain or offered), None)


class _Connection:
    """One client and the debates that it follows."""

    def __init__(self, parts: Parts, socket: WebSocket, caller: Caller) -> None:
        self._parts, self._socket, self._caller = parts, socket, caller
        self._link = socket.query_params.get("share", "")
        self._following: dict[str, asyncio.Task[None]] = {}
        self._timeout_s = parts.settings.ws_send_timeout_s
        self._way: dict[str, Callable[..., bool]] | None = socket.scope["extensions"].get(SOCKET)

    async def run(self, tasks: asyncio.TaskGroup) -> None:
        """Greet, subscribe as the URL says, then do what the client says."""
        await self.say("connected", {"server_version": __version__, "heartbeat_s": self._parts.settings.ws_ping_s})
        query = self._socket.query_params
        if debate_id := query.get("debate_id"):
            after = query.get("after", "0")
            await self._obey(tasks, _Said(type="subscribe", debate_id=debate_id, after=int(after) if _digits(after) else 0))
        loop, second, heard = asyncio.get_running_loop(), 0.0, 0
        watch = [tasks.create_task(self._watch())] if self._caller.credential_id else []
        try:
            while True:
                text = await self._receive()
                if loop.time() - second >= 1:
                    second, heard = loop.time(), 0
                heard += 1
                if heard > MESSAGES_PER_S_MAX:
                    await self._socket.close(CLOSE_RATE, "too many messages")
                    return
                await self._take(tasks, text)
        finally:
            for task in (*watch, *self._following.values()):
                task.cancel()

    async def _watch(self) -> None:
        """End the connection when its token is no longer valid."""
        with Pass(self._parts, self._caller).heard() as right:
            await right.over()
        raise _Over

    async def _receive(self) -> str | bytes:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text: str | bytes = message.get("text") or message.get("bytes") or b""
        return text

    async def _take(self, tasks: asyncio.TaskGroup, text: str | bytes) -> None:
        try:
            said = msgspec.json.decode(text, type=_Said)
        except (msgspec.DecodeError, RecursionError, UnicodeError):
            await self.fail(Invalid("A message is one JSON object with a type.", code="INVALID_JSON"))
            return
        await self._obey(tasks, said)

    async def _obey(self, tasks: asyncio.TaskGroup, said: _Said) -> None:
        match said.type:
            case "subscribe":
                await self._subscribe(tasks, said)
            case "unsubscribe":
                task = self._following.pop(said.debate_id, None)
                if task is not None:
                    task.cancel()
                await self.say("unsubscribed", {}, said.debate_id if task else "")
            case "ping":
                await self.say("pong", {"client_ts": said.ts})
            case _:
                await self.fail(Invalid("Known types are subscribe, unsubscribe and ping."))

    async def _subscribe(self, tasks: asyncio.TaskGroup, said: _Said) -> None:
        after = said.after if said.after is not None else (said.replay_from_seq or 1) - 1
        try:
            await self._parts.accounts.admit(self._caller, said.debate_id, link=self._link)
            record = await self._parts.store.debate(said.debate_id)
            if len(self._following) >= self._parts.settings.ws_max_subscriptions:
                raise Invalid("This connection follows as many debates as it may.")
        except (StoreError, Overloaded):
            raise
        except AragoraError as error:
            await self.fail(error)
            return
        before = self._following.pop(record.id, None)
        if before is not None:
            before.cancel()
        await self.say("subscribed", {"last_seq": record.last_seq, "status": record.status}, record.id)
        self._following[record.id] = tasks.create_task(self._follow(record.id, min(max(after, 0), SEQ_MAX)))

    async def _follow(self, debate_id: str, after: int) -> None:
        """Send a debate's events as fast as this client reads them."""
        right = Pass(self._parts, self._caller, debate_id=debate_id, link=self._link)
        try:
            with right.heard():
                async with aclosing(self._parts.feed.follow(debate_id, after, push=partial(self._push, right))) as frames:
                    async for frame in frames:
                        if right.due:
                            await right.look()
                        await self._send(frame.text)
                        self._sent(frame)
        except (NotFound, Unauthenticated) as error:
            if isinstance(error, Unauthenticated) and self._caller.credential_id:
                raise _Over from None
            await self.fail(error)
        if self._following.get(debate_id) is asyncio.current_task():
            del self._following[debate_id]

    def _push(self, right: Pass, frame: Frame) -> bool:
        """Send an event at once, unless it is time to look whether it may be sent, or the client lags."""
        if right.due or not self._put(encoded(frame.text)):
            return False
        self._sent(frame)
        return True

    def _sent(self, frame: Frame) -> None:
        if frame.born:
            self._parts.metrics.delivered(frame.kind, time() - frame.born)

    async def say(self, name: str, data: dict[str, object], debate_id: str = "") -> None:
        """Send something that is not in a log."""
        frame = {"type": name, "debate_id": debate_id, "timestamp": self._parts.now(), "data": data}
        await self._send(msgspec.json.encode(frame).decode())

    async def fail(self, error: AragoraError) -> None:
        """Say that something could not be done."""
        await self.say("error", {"error": error.message, "code": error.code})

    async def _send(self, text: str) -> None:
        if self._put(encoded(text)):
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._socket.send({"type": "websocket.send", "text": text})
        except TimeoutError:
            raise _Slow from None
        except RuntimeError:  # the client left, or was closed, while this was on its way
            raise WebSocketDisconnect from None

    def drop(self, code: int, reason: str) -> None:
        """Close without waiting for the client to read."""
        if self._way is not None:
            self._way["drop"](code, reason)

    def _put(self, frame: bytes) -> bool:
        """Write a frame without waiting; false when that cannot be done."""
        return self._way is not None and self._way["put"](frame)


@lru_cache(FRAMES_KEPT)
def encoded(text: str) -> bytes:
    """An event as it goes over every WebSocket: encoded once, however many follow."""
    return Wire(Opcode.TEXT, text.encode()).serialize(mask=False)


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < len(str(SEQ_MAX))
