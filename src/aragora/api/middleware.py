"""What happens around every request: identity, errors, headers, counting. Plain ASGI. May import its siblings."""

import re
import secrets
from time import perf_counter

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from aragora.api import Parts
from aragora.api.answers import Fault, Problem
from aragora.api.asked import Asked, Serve
from aragora.api.cookie import forget
from aragora.api.guard import Guard
from aragora.api.lasting import LOOKED, new_request_id
from aragora.api.repeats import LEFT
from aragora.errors import AragoraError, Invalid, Unauthenticated

log = structlog.get_logger(__name__)

# An answer of this kind goes on for as long as somebody watches.
EVENT_STREAM = "text/event-stream"
PROBLEM_JSON = "application/problem+json"
TITLES = {
    400: "Bad request",
    401: "Who are you?",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    422: "Not this request",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available",
}
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
TRACE = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})\Z")
SPAN_BYTES = 8
CORS_MAX_AGE_S = 600
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
SENDABLE = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, X-Request-ID, traceparent"
READABLE = (
    "ETag, Location, Retry-After, Idempotency-Replayed, X-Request-ID, traceparent, RateLimit, RateLimit-Policy, "
    "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
)
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
UNROUTED = "other"
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
# For everything but the pages, which bring their own.
POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")


class Edge:
    """The outermost layer: the application. It answers every error itself, in one form, and lets none through."""

    def __init__(self, serve: Serve, parts: Parts) -> None:
        """Requests are for `serve`."""
        self._serve, self._parts = serve, parts
        self._origins, self._guard = frozenset(parts.settings.origins), Guard(parts.settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        began = perf_counter()
        request = Asked(scope, receive)
        given = request.headers.get("x-request-id")
        trace_id = given if given and REQUEST_ID.match(given) else new_request_id()
        scope["trace_id"], scope["began"] = trace_id, began
        structlog.contextvars.bind_contextvars(request_id=trace_id)
        status, streams = LEFT, False
        try:
            response = await self._answered(request)
            status, streams = response.status_code, response.media_type == EVENT_STREAM
            self._dress(response, request)
            await response(scope, receive, send)
        except ClientDisconnect:
            pass
        finally:
            seconds = None if streams else perf_counter() - began
            self._parts.metrics.request(scope["method"], scope.get("endpoint_path", UNROUTED), status, seconds)

    async def _answered(self, request: Asked) -> Response:
        """The answer, whatever goes wrong, unless nobody is left to hear it."""
        try:
            self._guard(request, safe=request.method in SAFE)
            return _allowed() if self._preflight(request, request.method) else await self._serve(request)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - said and logged in one place
            said = problem(error, request.scope["trace_id"])
            return forget(said, request) if request.scope.get("stale_cookie") else said

    def _dress(self, response: Response, request: Asked) -> None:
        """Add the headers that every answer has, and keep the answer for whoever asks the same, where that is right."""
        scope, headers = request.scope, response.raw_headers
        if not any(name == POLICY[0] for name, _ in headers):
            headers.append(POLICY)
        headers += HEADERS
        headers += self._shown_to(request)
        if LOOKED in scope:
            self._parts.lasting.keep(scope, response.status_code, [*headers], bytes(response.body))
        headers.append((b"x-request-id", scope["trace_id"].encode()))
        headers += _traced(request)
        if allowance := scope.get("allowance"):
            headers += allowance.headers

    def _preflight(self, connection: HTTPConnection, method: str) -> bool:
        """Whether a browser asks if a page of an allowed origin may ask."""
        asks = method == "OPTIONS" and "access-control-request-method" in connection.headers
        return asks and connection.headers.get("origin") in self._origins

    def _shown_to(self, connection: HTTPConnection) -> list[tuple[bytes, bytes]]:
        """Whether a page of the asking origin may read the answer: only if it is on the list, and without a cookie."""
        if not self._origins:
            return []
        origin = connection.headers.get("origin", "")
        if origin not in self._origins:
            return [(b"vary", b"Origin")]
        allow = [(b"access-control-allow-origin", origin.encode()), (b"access-control-expose-headers", READABLE.encode())]
        return [*allow, (b"vary", b"Origin")]


def _allowed() -> Response:
    headers = {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": SENDABLE,
        "Access-Control-Max-Age": str(CORS_MAX_AGE_S),
    }
    return Response(status_code=204, headers=headers)


def _traced(connection: HTTPConnection) -> list[tuple[bytes, bytes]]:
    """The trace that a request is part of, with a span of ours; nothing for one that is part of none."""
    given = connection.headers.get("traceparent")
    found = TRACE.match(given) if given else None
    if found is None:
        return []
    return [(b"traceparent", f"00-{found[1]}-{secrets.token_hex(SPAN_BYTES)}-{found[2]}".encode())]


def problem(error: Exception, trace_id: str) -> Response:
    """The answer that says what went wrong; for a fault of ours, only that there was one."""
    headers: dict[str, str] = {}
    body = Problem(type="about:blank", title="", status=500, detail="", error="", code="INTERNAL_ERROR", trace_id=trace_id)
    if isinstance(error, AragoraError) and error.status != AragoraError.status:
        body.status, body.detail, body.code = error.status, error.message, error.code
        if error.retry_after_s is not None:
            body.retry_after = max(1, round(error.retry_after_s))
            headers["Retry-After"] = str(body.retry_after)
        if isinstance(error, Unauthenticated):
            headers["WWW-Authenticate"] = "Bearer"
        if isinstance(error, Invalid):
            body.errors = [Fault(field=flaw.field, message=flaw.message) for flaw in error.flaws]
    elif isinstance(error, HTTPException):
        body.status, body.code = (
            error.status_code,
            {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}.get(error.status_code, "HTTP_ERROR"),
        )
        body.detail = TITLES.get(error.status_code, "Not possible") + "."
        headers |= error.headers or {}
    else:
        log.error("request failed", trace_id=trace_id, exc_info=error)
        body.detail = "The server made a mistake; its log says more under this trace_id."
    body.title = TITLES.get(body.status, "Not possible")
    body.error = body.detail
    return Response(msgspec.json.encode(body), body.status, headers, PROBLEM_JSON)
