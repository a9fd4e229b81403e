"""The doorbell between processes, on Redis: one server, one behind sentinels, or a cluster. Imports its sibling only.

Redis may be away at any time: a ring then reaches this process only, and the others read the log every second. Nothing is kept
in Redis. Each debate has a channel, and a process subscribes to those that somebody follows through it. Processes tell each other
which debates they follow, so that pieces of texts are sent only where somebody reads them.
"""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import RedisError

from aragora.bus import Listener, LocalBus

log = structlog.get_logger(__name__)

PREFIX = "aragora:"
# The channel on which processes say which debates they follow.
FOLLOWED = "FOLLOWED"
BEACON_S, BEACON_LASTS_S = 5.0, 15.0
BEACON_IDS = 500
PRESENT_MAX = 100_000
OUTBOX_MAX = 10_000
PIPELINE_MAX = 200
TIMEOUT_S = 2.0
PAUSE_FIRST_S, PAUSE_MAX_S = 0.1, 2.0
ORIGIN_CHARS = 8
AWAY = (RedisError, OSError, TimeoutError)


class Address(NamedTuple):
    """Where Redis is: its kind, the servers to ask first, and how to be let in."""

    kind: str  # one, sentinel or cluster
    hosts: tuple[tuple[str, int], ...]
    path: str = ""  # the number of the database, or the name that sentinels know the master by
    username: str | None = None
    password: str | None = None
    tls: bool = False


def address_of(url: str) -> Address:
    """Read a URL such as redis://host:6379/0, redis+cluster://a:1,b:2 or redis+sentinel://a:1,b:2/name."""
    parts = urlsplit(url)
    login, _, places = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    hosts = []
    for place in places.split(","):
        host, _, port = place.rpartition(":") if place.rpartition(":")[2].isdecimal() else (place, "", "6379")
        hosts.append((host.strip("[]"), int(port)))
    kinds = {"redis+cluster": "cluster", "redis+sentinel": "sentinel"}
    return Address(
        kind=kinds.get(parts.scheme, "one"),
        hosts=tuple(hosts),
        path=parts.path.strip("/"),
        username=unquote(user) or None,
        password=unquote(password) or None,
        tls=parts.scheme == "rediss",
    )


@dataclass(slots=True)
class _Line:
    """A connection to one server: what is said over it and what is heard."""

    client: "Redis"
    ear: PubSub
    outbox: list[tuple[str, str]] = field(default_factory=list)


class _Lines:
    """The servers at hand, and which of them has which channel."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._sharded = address.kind == "cluster"
        self.lines: dict[tuple[str, int], _Line] = {}
        self._slots: list[tuple[int, int, tuple[str, int]]] = []

    async def open(self) -> None:
        """Find the servers; raises what AWAY names when there are none."""
        if self._address.kind == "cluster":
            await self._find_slots()
        elif self._address.kind == "sentinel":
            sentinel = Sentinel(  # type: ignore[no-untyped-call]
                [*self._address.hosts], sentinel_kwargs={"socket_timeout": TIMEOUT_S}
            )
            try:
                self._line(await sentinel.discover_master(self._address.path))
            finally:
                for each in sentinel.sentinels:
                    await each.aclose()
        else:
            self._line(self._address.hosts[0])
        for line in self.lines.values():
            await line.ear.connect()  # type: ignore[no-untyped-call]

    async def _find_slots(self) -> None:
        """Ask the first node that answers who has what."""
        for place in self._address.hosts:
            client = self._client(place)
            try:
                found = await client.execute_command("CLUSTER SLOTS")  # type: ignore[no-untyped-call]
            except AWAY:
                continue
            finally:
                await client.aclose()
            for first, last, (host, port, *_), *_ in found:
                master = (host.decode() or place[0], port)
                self._slots.append((first, last, master))
                self._line(master)
            return
        raise TimeoutError("no node of the cluster answers")

    def _client(self, place: tuple[str, int]) -> "Redis":
        address = self._address
        number = int(address.path) if address.kind == "one" and address.path.isdecimal() else 0
        return Redis(
            host=place[0],
            port=place[1],
            db=number,
            username=address.username,
            password=address.password,
            ssl=address.tls,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),  # a broken connection is for `run` to know of: it may be another server's turn
        )

    def _line(self, place: tuple[str, int]) -> None:
        if place not in self.lines:
            client = self._client(place)
            self.lines[place] = _Line(client, client.pubsub())

    def of(self, topic: str) -> _Line:
        """The line that carries a topic."""
        if not self._sharded:
            return next(iter(self.lines.values()))
        slot = key_slot((PREFIX + topic).encode())
        for first, last, place in self._slots:
            if first <= slot <= last:
                return self.lines[place]
        raise TimeoutError("no node of the cluster has this channel")

    async def subscribe(self, topics: Sequence[str]) -> None:
        """Hear what is said on these topics."""
        for topic in topics:
            ear = self.of(topic).ear
            await (ear.ssubscribe if self._sharded else ear.subscribe)(PREFIX + topic)

    async def unsubscribe(self, topic: str) -> None:
        """Hear a topic no more."""
        ear = self.of(topic).ear
        await (ear.sunsubscribe if self._sharded else ear.unsubscribe)(PREFIX + topic)

    async def publish(self, spoken: Sequence[tuple[str, str]]) -> None:
        """Say all of it, in order, in one round trip to each server."""
        command = "SPUBLISH" if self._sharded else "PUBLISH"
        for topic, text in spoken:
            self.of(topic).outbox.append((topic, text))
        for line in self.lines.values():
            if line.outbox:
                pipeline = line.client.pipeline(transaction=False)
                for topic, text in line.outbox:
                    pipeline.execute_command(command, PREFIX + topic, text)
                line.outbox.clear()
                await pipeline.execute()

    async def close(self) -> None:
        """Hang up."""
        for line in self.lines.values():
            with contextlib.suppress(*AWAY):
                await line.ear.aclose()  # type: ignore[no-untyped-call]
                await line.client.aclose()


class RedisBus(LocalBus):
    """The doorbell of many processes. Use it through `connect`."""

    def __init__(self, url: str) -> None:
        """Nobody listens yet, and nobody is connected."""
        super().__init__()
        self._address = address_of(url)
        self._origin = secrets.token_hex(ORIGIN_CHARS // 2)
        self._outbox: deque[tuple[str, str]] = deque(maxlen=OUTBOX_MAX)
        self._wishes: deque[str] = deque()
        self._subscribed: set[str] = set()
        self._wake = asyncio.Event()
        self._present: dict[str, float] = {}
        self._up = False

    @property
    def shared(self) -> bool:
        """Whether Redis is there."""
        return self._up

    def ring(self, debate_id: str, frame: str | None = None) -> None:
        """Wake the listeners here at once, and those elsewhere through Redis."""
        super().ring(debate_id, frame)
        if self._up and (frame is None or self._elsewhere(debate_id)):
            self._say(debate_id, frame or "")

    def listen(self, debate_id: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` at each ring, here or elsewhere, until the returned function is called."""
        first = debate_id not in self.listeners
        leave = super().listen(debate_id, listener)
        self._wish(debate_id)
        if first:
            self._say(FOLLOWED, debate_id)

        def stop() -> None:
            leave()
            self._wish(debate_id)

        return stop

    def hear(self, debate_id: str, rung: Callable[[], None]) -> Callable[[], None]:
        """Call `rung` whenever the log has grown, here or elsewhere; does not count as following."""
        leave = super().hear(debate_id, rung)
        self._wish(debate_id)

        def stop() -> None:
            leave()
            self._wish(debate_id)

        return stop

    def followed(self, debate_id: str) -> bool:
        """Whether anybody follows this debate, here or elsewhere."""
        return super().followed(debate_id) or self._elsewhere(debate_id)

    def _elsewhere(self, topic: str) -> bool:
        return self._present.get(topic, 0.0) > monotonic()

    def _say(self, topic: str, text: str) -> None:
        self._outbox.append((topic, self._origin + text))
        self._wake.set()

    def _wish(self, topic: str) -> None:
        """See to it that we are subscribed to a topic exactly while somebody here wants to hear of it."""
        if self._up:  # else all that is wanted is subscribed to as soon as there is a connection
            self._wishes.append(topic)
            self._wake.set()

    def _wanted(self) -> set[str]:
        return {FOLLOWED, *self.listeners, *self.hearers}

    async def run(self) -> None:
        """Stay connected, for ever."""
        pause_s = PAUSE_FIRST_S
        while True:
            lines = _Lines(self._address)
            try:
                await lines.open()
                await self._talk(lines)
            except* AWAY as away:
                if self._up:
                    pause_s = PAUSE_FIRST_S
                    log.warning("Redis is away; events reach other processes by polling", error=type(_first(away)).__name__)
                self._up = False
            finally:
                await lines.close()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    async def _talk(self, lines: _Lines) -> None:
        """Say and hear until a connection breaks."""
        self._subscribed = self._wanted()
        await lines.subscribe([*self._subscribed])
        self._outbox.clear()
        self._wishes = deque(self._wanted() ^ self._subscribed)  # what changed meanwhile
        self._up = True
        for topic in [*self.listeners, *self.hearers]:  # whatever was rung meanwhile was missed
            super().ring(topic)
        async with asyncio.TaskGroup() as tasks:
            for line in lines.lines.values():
                tasks.create_task(self._hear(line))
            tasks.create_task(self._speak(lines))
            tasks.create_task(self._beacon())

    async def _hear(self, line: _Line) -> None:
        while True:
            message = await line.ear.get_message(ignore_subscribe_messages=False, timeout=BEACON_S)
            if message is None:
                continue
            topic = message["channel"].decode().removeprefix(PREFIX)
            if message["type"] in {"message", "smessage"}:
                self._heard(topic, message["data"].decode())
            elif message["type"] == "sunsubscribe" and topic in self._wanted():
                raise TimeoutError("the channel has moved to another node")

    def _heard(self, topic: str, text: str) -> None:
        origin, said = text[:ORIGIN_CHARS], text[ORIGIN_CHARS:]
        if origin == self._origin:
            return
        if topic != FOLLOWED:
            super().ring(topic, said or None)
            return
        until = monotonic() + BEACON_LASTS_S
        for debate_id in said.split(",") if said else ():
            self._present[debate_id] = until
        if len(self._present) > PRESENT_MAX:
            self._present.clear()

    async def _speak(self, lines: _Lines) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._wishes:
                topic = self._wishes.popleft()
                # What was wished may not be wanted any more; what counts is who listens now.
                wanted = topic in self.listeners or topic in self.hearers
                if wanted and topic not in self._subscribed:
                    self._subscribed.add(topic)
                    await lines.subscribe([topic])
                elif not wanted and topic in self._subscribed:
                    self._subscribed.discard(topic)
                    await lines.unsubscribe(topic)
            while self._outbox:
                await lines.publish([self._outbox.popleft() for _ in range(min(PIPELINE_MAX, len(self._outbox)))])

    async def _beacon(self) -> None:
        """Say which debates are followed here; said to nobody too, because it shows whether Redis still answers."""
        while True:
            ids = [*self.listeners]
            for start in range(0, max(1, len(ids)), BEACON_IDS):
                self._say(FOLLOWED, ",".join(ids[start : start + BEACON_IDS]))
            now = monotonic()
            self._present = {topic: until for topic, until in self._present.items() if until > now}
            await asyncio.sleep(BEACON_S)


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@contextlib.asynccontextmanager
async def connect(url: str) -> AsyncIterator[RedisBus]:
    """A bus that stays connected while it is open; it is there at once, whether Redis is or not."""
    bus = RedisBus(url)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(bus.run(), name="redis bus")
        try:
            yield bus
        finally:
            running.cancel()
