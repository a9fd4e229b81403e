"""Answers that last: byte for byte the same question gets the same answer until somebody writes. May import its siblings.

Only answers that follow from the question and the database alone are kept, by the question's very bytes: so whoever asks with
another token, cookie, tag or coding asks another question, and no rule of access has a second form here. What belongs to the one
request is made anew: its id, what is left of the rate limit, the count of the metrics. Figures: docs/decisions/0060.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import getrandbits
from time import perf_counter
from typing import NamedTuple

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from aragora.limits import Limits, Proxies
from aragora.metrics import Answered, Metrics

# In the scope of a request: its very bytes, and what was noted before its answer was made.
QUESTION, LOOKED = "aragora.question", "aragora.looked"
# Time runs out on what no write takes back: tokens, links, and the health that was looked at.
LASTS_S = 1.0
ENTRIES_MAX, BYTES_MAX = 4096, 16 * 1024 * 1024
QUESTION_BYTES_MAX, ANSWER_BYTES_MAX = 4096, 262_144
# What makes a question one of its kind, so that it is not asked again; and answers that are for one receiver.
ONCE = frozenset({b"x-request-id", b"traceparent"})
FOR_ONE = frozenset({b"set-cookie"})
REQUEST_ID_BITS = 128
WHOLE = frozenset({200, 304})

Headers = Sequence[tuple[bytes, bytes]]


class Looked(NamedTuple):
    """The state of the database before anything was read for an answer, and the limit that the question is counted under."""

    state: int
    limit: str


@dataclass(slots=True)
class _Kept:
    state: int
    until: float
    status: int
    head: bytes
    tail: bytes
    counts: Answered
    limit: str  # under which it is counted; empty: not at all
    caller: str  # in whose name; empty: in that of the address
    forwarded: str
    defaults: Headers = ()  # the headers that the server adds to each answer this second
    start: bytes = b""  # with them, everything up to the request's id

    def starts(self, defaults: Headers) -> bytes:
        """The first lines."""
        self.defaults = defaults
        self.start = b"".join((STATUS_LINE[self.status], lines(defaults), self.head, b"x-request-id: "))
        return self.start


def new_request_id() -> str:
    """What a request is called in answer and log. It need not be hard to guess, and has to be quick."""
    return f"{getrandbits(REQUEST_ID_BITS):032x}"


def lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as they are sent."""
    return b"".join(b"%s: %s\r\n" % header for header in headers)


class Lasting:
    """The answers that were given since the last write, and for a second at most."""

    def __init__(self, state: Callable[[], int | None], limits: Limits, proxies: Proxies, metrics: Metrics) -> None:
        """`state` changes with every write; while it is None, nothing is kept."""
        self._state, self._limits, self._proxies = state, limits, proxies
        self._metrics = metrics
        self._kept: dict[bytes, _Kept] = {}
        self._bytes = 0

    def again(self, question: bytes, client: tuple[str, int] | None, defaults: Headers) -> bytes | None:
        """The whole answer, with the headers that the server adds to each; None when it has to be made."""
        kept = self._kept.get(question)
        if kept is None:
            return None
        began = perf_counter()
        if kept.until < began or kept.state != self._state():
            self._drop(question)
            return None
        spent = b""
        if kept.limit:
            name = kept.caller or f"address/{self._proxies.caller(client[0] if client else '', kept.forwarded)}"
            allowance = self._limits.count_here(kept.limit, name)
            if allowance is not None:
                if not allowance.granted:
                    return None
                spent = lines(allowance.headers)
        start = kept.start if defaults is kept.defaults else kept.starts(defaults)
        answer = b"%s%032x\r\n%s%s" % (start, getrandbits(REQUEST_ID_BITS), spent, kept.tail)
        kept.counts.answered[0] += 1
        kept.counts.seconds.add(perf_counter() - began)
        return answer

    def look(self, scope: Scope, limit: str) -> None:
        """Note the state of the database, before anything is read for an answer that may last."""
        asked = QUESTION in scope and scope["method"] == "GET"
        if asked and not self._metrics.traces.on and (not limit or self._limits.counts_here(limit)):
            state = self._state()
            if state is not None:
                scope[LOOKED] = Looked(state, limit)

    def keep(self, scope: Scope, status: int, headers: Headers, body: bytes) -> None:
        """Keep an answer with the headers that it would have for whoever asks the same, if it was looked for."""
        looked: Looked | None = scope.get(LOOKED)
        if looked is None or status not in WHOLE or not _worth(scope, headers, body):
            return
        question, caller = scope[QUESTION], scope["caller"]
        self._drop(question)
        if len(self._kept) >= ENTRIES_MAX or self._bytes > BYTES_MAX:
            self._kept.clear()
            self._bytes = 0
        forwarded = next((value for name, value in scope["headers"] if name == b"x-forwarded-for"), b"")
        self._kept[question] = _Kept(
            state=looked.state,
            until=perf_counter() + LASTS_S,
            status=status,
            head=lines(headers),
            tail=b"\r\n" + body,
            counts=self._metrics.answered("GET", scope["endpoint_path"], status),
            limit=looked.limit,
            caller=caller.name if caller.user_id else "",
            forwarded=forwarded.decode("latin-1"),
        )
        self._bytes += len(question) + len(self._kept[question].tail)

    def _drop(self, question: bytes) -> None:
        known = self._kept.pop(question, None)
        if known is not None:
            self._bytes -= len(question) + len(known.tail)


def _worth(scope: Scope, headers: Headers, body: bytes) -> bool:
    if len(scope[QUESTION]) > QUESTION_BYTES_MAX or len(body) > ANSWER_BYTES_MAX:
        return False
    return not any(name in ONCE for name, _ in scope["headers"]) and not any(name in FOR_ONE for name, _ in headers)
