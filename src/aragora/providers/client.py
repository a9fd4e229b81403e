"""HTTP to models: one connection pool, four deadlines, a bound on what is read, typed failures. May import siblings.

Imported only when a real provider is used: aiohttp costs 30 MB that a demo server need not pay.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp

from aragora.debate.model import Fault
from aragora.providers import OnText
from aragora.providers.faults import redact, refused
from aragora.providers.sse import Events
from aragora.providers.wire import Call, Failed, Reading, Reply, Wire

REPLY_BYTES_MAX = 8 * 2**20
REFUSAL_BYTES_MAX = 64 * 2**10
OK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds: for a connection, for the first piece of text, between pieces, and in all."""

    connect_s: float = 10.0
    first_token_s: float = 60.0
    idle_s: float = 30.0
    total_s: float = 120.0
    fair_s: float = 5.0  # a call that was given less time than this says nothing about its endpoint


class Transport:
    """Sends calls and reads replies. Belongs to the loop it was made in."""

    def __init__(self, *, utcnow: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Open nothing yet. How many calls are in flight is bounded by the gates of the providers, not by this pool."""
        connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
        self._utcnow = utcnow

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def send(
        self, call: Call, wire: Wire, *, patience: Patience, secrets: tuple[str, ...], on_text: OnText | None
    ) -> Reply:
        """Make one call. Raises Failed, whatever goes wrong; nothing is tried twice."""
        waiting = _Waiting(patience)
        try:
            return await self._exchange(call, wire, waiting, on_text)
        except Failed as error:
            failed = error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            failed = waiting.failure(error)
        # Raised here and not above, so that no traceback leads to an error that quotes a key.
        raise _told(failed, secrets, handed=waiting.handed)

    async def _exchange(self, call: Call, wire: Wire, waiting: "_Waiting", on_text: OnText | None) -> Reply:
        patience = waiting.patience
        timeout = aiohttp.ClientTimeout(total=None, connect=patience.connect_s)
        async with (
            waiting.scope(streamed=on_text is not None),
            self._session.post(
                call.url, data=call.body, headers=dict(call.headers), timeout=timeout, allow_redirects=False
            ) as response,
        ):
            if response.status != OK:
                body = await _head(response.content, REFUSAL_BYTES_MAX)
                headers = {name.lower(): value for name, value in response.headers.items()}
                raise refused(response.status, headers, body, now=self._utcnow())
            if on_text is None:
                return wire.whole(await _whole(response.content))
            return await self._follow(response.content, wire.reading(), waiting, on_text)

    async def _follow(self, content: aiohttp.StreamReader, reading: Reading, waiting: "_Waiting", on_text: OnText) -> Reply:
        events, size = Events(), 0
        while not reading.over:
            piece = await content.readany()
            if not piece:
                break
            size += len(piece)
            if size > REPLY_BYTES_MAX:
                raise _too_long()
            waiting.heard()
            for event in events.feed(piece):
                text = reading.take(event)
                if text:
                    waiting.spoken()
                    on_text(text)
        return reading.reply()


class _Waiting:
    """Which of the deadlines is running."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.handed = False  # whether a piece of text was handed on: from then on the call may not be repeated
        self._loop = asyncio.get_running_loop()
        self._began = self._set = self._loop.time()
        self._scope = asyncio.Timeout(None)
        self._for = "the whole reply"

    def scope(self, *, streamed: bool) -> asyncio.Timeout:
        """The time within which all must happen."""
        first_s = self.patience.total_s
        if streamed:
            self._for = "the first token"
            first_s = min(first_s, self.patience.first_token_s)
        self._scope = asyncio.timeout_at(self._began + first_s)
        return self._scope

    def heard(self) -> None:
        """Bytes arrived. The deadline moves once in a quarter of its length: for each piece would cost more than reading it."""
        now = self._loop.time()
        if self.handed and now - self._set > self.patience.idle_s / 4:
            self._wait_until(now)

    def spoken(self) -> None:
        """Text arrived."""
        if not self.handed:
            self.handed = True
            self._for = "the next token"
            self._wait_until(self._loop.time())

    def _wait_until(self, now: float) -> None:
        self._set = now
        self._scope.reschedule(min(now + self.patience.idle_s, self._began + self.patience.total_s))

    def failure(self, error: Exception) -> Failed:
        """What an error of the transport means at this moment."""
        match error:
            case aiohttp.ConnectionTimeoutError():
                return Failed(Fault.TIMEOUT, "Waited too long for a connection.", again=True, blame=True, charged=False)
            case TimeoutError():
                fair = self._loop.time() - self._began >= self.patience.fair_s
                return Failed(Fault.TIMEOUT, f"Waited too long for {self._for}.", blame=fair)
            case aiohttp.InvalidURL():
                return Failed(Fault.UNAVAILABLE, "The address of this provider cannot be used.", charged=False)
            case aiohttp.ClientConnectorError():
                return Failed(Fault.UNAVAILABLE, f"No connection: {_reason(error)}.", again=True, blame=True, charged=False)
            case aiohttp.ClientPayloadError():
                return Failed(Fault.TRUNCATED, "The connection was cut before the end of the reply.", again=True, blame=True)
        fault = Fault.TRUNCATED if self.handed else Fault.UNAVAILABLE
        return Failed(fault, f"The connection broke: {_reason(error)}.", again=True, blame=True)


def _told(failed: Failed, secrets: tuple[str, ...], *, handed: bool) -> Failed:
    """The failure as it may be shown: no secrets, bounded, and not to be tried again once watchers have read a part."""
    return Failed(
        failed.fault,
        redact(failed.detail, secrets),
        again=failed.again and not handed,
        blame=failed.blame,
        charged=failed.charged,
        retry_after_s=failed.retry_after_s,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or type(error.os_error).__name__
    return type(error).__name__


def _too_long() -> Failed:
    return Failed(Fault.MALFORMED, f"The reply is longer than {REPLY_BYTES_MAX} bytes.", blame=True)


async def _whole(content: aiohttp.StreamReader) -> bytes:
    body = await _head(content, REPLY_BYTES_MAX + 1)
    if not body:
        raise Failed(Fault.TRUNCATED, "The reply ended before it began.", again=True, blame=True)
    if len(body) > REPLY_BYTES_MAX:
        raise _too_long()
    return body


async def _head(content: aiohttp.StreamReader, bytes_max: int) -> bytes:
    pieces, size = [], 0
    while size < bytes_max:
        piece = await content.readany()
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)[:bytes_max]
