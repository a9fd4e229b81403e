"""The same request twice is done once. May import its siblings and store. What counts as the same: docs/decisions/0021.

With an `Idempotency-Key` the client says so. Without one, a request that starts a debate counts as sent again only when the
earlier answer found nobody: its connection was gone before the answer was sent.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec
import structlog
from starlette.responses import Response

from aragora.api.answers import JSON
from aragora.api.asked import Asked
from aragora.api.server import GONE
from aragora.auth import Caller
from aragora.errors import AragoraError, Conflict, Flaw, Invalid
from aragora.store.repeats import Given, Repeat, Repeats
from aragora.store.stamps import Stamp
from aragora.times import later

log = structlog.get_logger(__name__)

KEY_CHARS_MAX = 255
KEPT_S = 24 * 3600
# No request takes so long; one that was begun before then and has no answer was cut off with its process.
DEAD_S = 120
# The public client waits 30 s for an answer, and before asking again at most the 60 s that a Retry-After may say: 90 s, and some.
LOST_S = 120
RETRY_AFTER_S = 1.0
REPLAYED = "Idempotency-Replayed"
LEFT = 499  # the client has left; nobody reads it but the metrics
NOTHING_KEPT = Given(status=0, body="")

Answer = Callable[[Asked], Awaitable[Response]]
Rebuilt = Callable[[Asked, str], Awaitable[Response]]


class Reused(AragoraError):
    """The key was used for another request."""

    code = "IDEMPOTENCY_KEY_REUSED"
    status = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an endpoint says about being asked twice."""

    keeps: bool = True  # whether its answers may be stored; those with secrets in them may not
    again: bool = False  # whether doing it again changes nothing, so that a lost answer can be made anew
    rebuilt: Rebuilt | None = None  # makes the answer from what was made


@dataclass(slots=True, eq=False)
class _Going:
    """A request that is being handled."""

    gone: Callable[[], bool]
    closed: Callable[[], bool]  # what the loop knows of that, which costs nothing to ask
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Once:
    """Does each request once."""

    def __init__(self, repeats: Repeats, *, now: Callable[[], str]) -> None:
        """Nothing is going on yet."""
        self._repeats, self._now = repeats, now
        self._keyed: set[str] = set()
        self._going: dict[str, set[_Going]] = {}

    async def keyed(self, request: Asked, body: bytes, caller: Caller, path: str, terms: Terms, answer: Answer) -> Response:
        """Answer a request that has an Idempotency-Key. Raises Conflict while the first is going on, Reused for another body."""
        name, print_ = _named(caller, _key(request)), _hash(path, _canonical(body))
        if name in self._keyed and terms.rebuilt is None:
            raise _going_on()
        self._keyed.add(name)
        try:
            at = self._now()
            if not await self._repeats.reserve(name, print_, at=at, before=later(at, -KEPT_S), dead=later(at, -DEAD_S)):
                return await self._again(name, print_, terms, request, answer)
            return await self._first(name, terms, request, answer)
        finally:
            self._keyed.discard(name)

    async def _first(self, name: str, terms: Terms, request: Asked, answer: Answer) -> Response:
        stamp = Stamp(name)
        try:
            with stamp.held():
                response = await answer(request)
        except BaseException:
            await self._release(stamp)
            raise
        if not _good(response):
            await self._release(stamp)
            return response
        # The effect is on disk, and the client gets its answer, whether or not the answer can be kept.
        given = _given(response) if terms.keeps else None
        if given is not None or terms.rebuilt is None:
            with suppress(AragoraError):
                await self._repeats.keep(name, given or NOTHING_KEPT)
        return response

    async def _release(self, stamp: Stamp) -> None:
        """Nothing came of it, so that the same key may be tried again."""
        if not stamp.made:
            with suppress(AragoraError):
                await self._repeats.release(stamp.name)

    async def _again(self, name: str, print_: str, terms: Terms, request: Asked, answer: Answer) -> Response:
        known = await self._repeats.find(name)
        if known is None or known.state == "reserved":
            raise _going_on()
        if known.fingerprint != print_:
            raise Reused("This Idempotency-Key was used for another request.")
        if known.state == "answered":
            if known.given.status:
                return replayed(known.given)
            raise _kept_nothing()
        if terms.rebuilt is None and not terms.again and known.at >= later(self._now(), -DEAD_S):
            raise _going_on()
        return await self._lost(known, terms, request, answer)

    async def _lost(self, known: Repeat, terms: Terms, request: Asked, answer: Answer) -> Response:
        """The effect was committed and the answer was lost with the process."""
        if terms.rebuilt is not None and known.reference:
            response = await terms.rebuilt(request, known.reference)
        elif terms.again:
            response = await answer(request)
        else:
            raise _kept_nothing()
        response.headers[REPLAYED] = "true"
        return response

    async def healed(self, request: Asked, body: bytes, caller: Caller, path: str, answer: Answer) -> Response:
        """Answer a request without a key; the answer to an identical one before it, if nobody received that."""
        name = _named(caller, _hash(path, body))
        looks = request.scope.get("extensions", {}).get(GONE)
        going = _Going(looks["gone"], looks["closed"]) if looks else _Going(_never, _never)
        if going.gone():  # nothing was done yet, and whoever gave up may be asking another process already
            return Response(status_code=LEFT)
        before = [*self._going.get(name, ())]
        self._going.setdefault(name, set()).add(going)
        try:
            if before:
                await asyncio.sleep(0)  # let the loop notice a connection that has just gone
            for twin in before:
                if twin.closed():
                    await twin.done.wait()
            return await self._received(name, going, request, answer)
        finally:
            going.done.set()
            mine = self._going[name]
            mine.discard(going)
            if not mine:
                del self._going[name]

    async def _received(self, name: str, going: _Going, request: Asked, answer: Answer) -> Response:
        """An answer that nobody received, or else a new one; if again nobody is there, it is kept for whoever asks next."""
        given = await self._repeats.take(name, since=later(self._now(), -LOST_S))
        response = await answer(request) if given is None else replayed(given)
        # Nothing is awaited between this look and the first byte of the answer, unless it says that nobody is there.
        if going.gone() and _good(response) and (given := _given(response)) is not None:
            log.info("an answer found nobody; it is kept for whoever asks again")
            with suppress(AragoraError):
                await self._repeats.lose(name, given, at=self._now())
        return response


def replayed(given: Given) -> Response:
    """An answer that was given before."""
    headers = {REPLAYED: "true"} | ({"Location": given.location} if given.location else {})
    return Response(given.body.encode(), given.status, headers, JSON)


def _given(response: Response) -> Given | None:
    """What can be kept of an answer; None of a stream."""
    body = getattr(response, "body", None)
    if not isinstance(body, bytes) or response.media_type != JSON:
        return None
    return Given(status=response.status_code, body=body.decode(), location=response.headers.get("location", ""))


def _good(response: Response) -> bool:
    return 200 <= response.status_code < 300  # noqa: PLR2004 - done


def _key(request: Asked) -> str:
    key = request.headers["idempotency-key"]
    if not 0 < len(key) <= KEY_CHARS_MAX or not key.isascii() or not key.isprintable():
        flaw = f"must be 1 to {KEY_CHARS_MAX} printable ASCII characters"
        raise Invalid(f"Idempotency-Key {flaw}.", [Flaw("Idempotency-Key", flaw)])
    return key


def _named(caller: Caller, rest: str) -> str:
    return _hash(caller.name, rest)


def _hash(*parts: str | bytes) -> str:
    whole = sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        whole.update(len(raw).to_bytes(8, "big") + raw)
    return whole.hexdigest()


def _canonical(body: bytes) -> bytes:
    """The same bytes for the same JSON, however it is spaced and ordered; what is not JSON, as it is."""
    try:
        return msgspec.json.encode(msgspec.json.decode(body), order="deterministic")
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError):
        return body


def _going_on() -> Conflict:
    error = Conflict("The first request with this Idempotency-Key is still going on.", retry_after_s=RETRY_AFTER_S)
    error.code = "IDEMPOTENCY_IN_FLIGHT"
    return error


def _kept_nothing() -> Conflict:
    error = Conflict("The first request with this Idempotency-Key was done; its answer is not kept. Look at what it made.")
    error.code = "IDEMPOTENCY_ANSWER_LOST"
    return error


def _never() -> bool:
    return False
