"""HTTP to models: one connection pool, four deadlines, a bound on what is read, typed failures. May import siblings.

Imported only when a real provider is used: aiohttp costs 15 MB and 0.13 s that a demo server need not pay.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import TypeVar

import aiohttp

from aragora.debate.model import Fault
from aragora.providers import OnText
from aragora.providers.faults import redact, refused
from aragora.providers.sse import Events
from aragora.providers.wire import Call, Failed, Patience, Reading, Reply, Wire

REPLY_BYTES_MAX = 8 * 2**20
REFUSAL_BYTES_MAX = 64 * 2**10
OK = 200

T = TypeVar("T")
Secrets = tuple[str, ...]


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

    async def send(self, call: Call, wire: Wire, *, patience: Patience, secrets: Secrets, on_text: OnText | None) -> Reply:
        """Make one call. Raises Failed, whatever goes wrong; nothing is tried twice."""
        waiting = _Waiting(patience, streamed=on_text is not None)
        return await _guarded(self._exchange(call, wire, waiting, on_text), waiting, secrets)

    async def fetch(self, call: Call, *, patience: Patience, secrets: Secrets) -> bytes:
        """Read one document. Raises Failed."""
        waiting = _Waiting(patience, streamed=False)
        return await _guarded(self._document(call, waiting), waiting, secrets)

    async def _exchange(self, call: Call, wire: Wire, waiting: "_Waiting", on_text: OnText | None) -> Reply:
        async with waiting.scope, self._open("POST", call, waiting) as response:
            await self._check(response)
            if on_text is None:
                return wire.whole(await _whole(response.content))
            return await self._follow(response.content, wire.reading(), waiting, on_text)

    async def _document(self, call: Call, waiting: "_Waiting") -> bytes:
        async with waiting.scope, self._open("GET", call, waiting) as response:
            await self._check(response)
            return await _whole(response.content)

    def _open(self, method: str, call: Call, waiting: "_Waiting") -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=None, connect=waiting.patience.connect_s)
        headers = dict(call.headers)
        return self._session.request(method, call.url, data=call.body, headers=headers, timeout=timeout, allow_redirects=False)

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status != OK:
            body = await _head(response.content, REFUSAL_BYTES_MAX)
            headers = {name.lower(): value for name, value in response.headers.items()}
            raise refused(response.status, headers, body, now=self._utcnow())

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

    def __init__(self, patience: Patience, *, streamed: bool) -> None:
        self.patience = patience
        self.handed = False  # whether a piece of text was handed on: from then on the call may not be repeated
        self._loop = asyncio.get_running_loop()
        self._began = self._set = self._loop.time()
        self._for = "the first token" if streamed else "the whole reply"
        first_s = min(patience.total_s, patience.first_token_s) if streamed else patience.total_s
        self.scope = asyncio.timeout_at(self._began + first_s)  # the time within which all must happen

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
        self.scope.reschedule(min(now + self.patience.idle_s, self._began + self.patience.total_s))

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


async def _guarded(work: Coroutine[None, None, T], waiting: _Waiting, secrets: Secrets) -> T:
    """Do the work of a call; raise Failed, without secrets, whatever goes wrong."""
    try:
        return await work
    except Failed as error:
        failed = error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        failed = waiting.failure(error)
    # Raised here and not above, so that no traceback leads to an error that quotes a key.
    raise _told(failed, secrets, handed=waiting.handed)


def _told(failed: Failed, secrets: Secrets, *, handed: bool) -> Failed:
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
