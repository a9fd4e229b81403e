"""From a vendor's refusal to a typed fault with the vendor's own words. May import the port and `debate`."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from math import isfinite

import msgspec

from aragora.debate.model import Fault
from aragora.providers.wire import Failed

DETAIL_CHARS_MAX = 400
RETRY_AFTER_S_MAX = 86_400.0
HIDDEN = "[redacted]"
TOO_MANY = 429
STATUS_DIGITS = 3
# What keys look like, for those that come back in another form than the one they were sent in.
KEYS = re.compile(r"\b(?:sk|gsk|xai|AIza|pk|rk|key|Bearer)[-_ ]?[A-Za-z0-9*_.\-]{12,}|\bAIza[A-Za-z0-9*_\-]{8,}", re.ASCII)
MARKUP = re.compile(r"(?s)<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>")

# A vendor's word for what went wrong, as it stands in `type`, `code` or `status` of an error body.
KINDS: Mapping[str, Fault] = {
    "overloaded_error": Fault.OVERLOADED,
    "overloaded": Fault.OVERLOADED,
    "engine_overloaded": Fault.OVERLOADED,
    "rate_limit_error": Fault.RATE_LIMITED,
    "rate_limit_exceeded": Fault.RATE_LIMITED,
    "rate_limited": Fault.RATE_LIMITED,
    "RESOURCE_EXHAUSTED": Fault.RATE_LIMITED,
    "insufficient_quota": Fault.RATE_LIMITED,
    "authentication_error": Fault.AUTH,
    "permission_error": Fault.AUTH,
    "invalid_api_key": Fault.AUTH,
    "API_KEY_INVALID": Fault.AUTH,
    "UNAUTHENTICATED": Fault.AUTH,
    "PERMISSION_DENIED": Fault.AUTH,
    "content_filter": Fault.REFUSED,
    "content_policy_violation": Fault.REFUSED,
    "timeout_error": Fault.TIMEOUT,
    "DEADLINE_EXCEEDED": Fault.TIMEOUT,
}
STATUSES: Mapping[int, Fault] = {
    401: Fault.AUTH,
    403: Fault.AUTH,
    408: Fault.TIMEOUT,
    429: Fault.RATE_LIMITED,
    503: Fault.OVERLOADED,
    529: Fault.OVERLOADED,
}
# More calls cannot help: the account is out of money.
FUTILE = frozenset({"insufficient_quota", "billing_error", "credit_balance_too_low"})
# Statuses of requests that the endpoint did not take, for whatever reason, and that the same request may try again.
AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
BLAMED = frozenset({500, 502, 503, 504, 529})


def refused(status: int, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Failed:
    """The failure that an HTTP reply other than a success stands for."""
    message, kinds = words(body)
    known = next((KINDS[kind] for kind in kinds if kind in KINDS), None)
    fault = STATUSES.get(status, Fault.UNAVAILABLE) if known is None or status == TOO_MANY else known
    detail = f"HTTP {status}: {message}" if message else f"HTTP {status}"
    return Failed(
        fault,
        detail,
        again=status in AGAIN and not FUTILE & kinds,
        blame=status in BLAMED,
        charged=False,
        retry_after_s=retry_after(headers, body, now),
    )


def broken(body: bytes) -> Failed:
    """The failure that an error inside a stream, or in a reply that called itself a success, stands for."""
    message, kinds = words(body)
    statuses = (STATUSES.get(int(kind)) for kind in kinds if kind.isdecimal() and len(kind) == STATUS_DIGITS)
    named = (KINDS[kind] for kind in kinds if kind in KINDS)
    fault = next(chain(named, filter(None, statuses)), Fault.UNAVAILABLE)
    vendor = fault in (Fault.UNAVAILABLE, Fault.OVERLOADED, Fault.TIMEOUT)
    again = (vendor or fault is Fault.RATE_LIMITED) and not FUTILE & kinds
    return Failed(fault, message or "The vendor reported an error.", again=again, blame=vendor)


def words(body: bytes) -> tuple[str, frozenset[str]]:
    """The sentence and the code words of an error body: JSON of any of the vendors, HTML, or plain text."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _plain(body.decode("utf-8", "replace")), frozenset()
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return _plain(str(value)), frozenset()
    inner = value.get("error")
    said = inner if isinstance(inner, dict) else value
    message = inner if isinstance(inner, str) else said.get("message") or said.get("detail") or ""
    kinds = {str(said[name]) for name in ("type", "code", "status") if said.get(name) is not None}
    details = said.get("details")
    if isinstance(details, list):
        kinds |= {str(item["reason"]) for item in details if isinstance(item, dict) and "reason" in item}
    return _plain(message if isinstance(message, str) else str(message)), frozenset(kinds)


def _plain(text: str) -> str:
    return " ".join(MARKUP.sub(" ", text).split())


def redact(text: str, secrets: Iterable[str]) -> str:
    """Take every secret, and whatever looks like one, out of a text, and bound its length."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    text = KEYS.sub(HIDDEN, text)
    return text if len(text) <= DETAIL_CHARS_MAX else text[: DETAIL_CHARS_MAX - 1] + "…"


def retry_after(headers: Mapping[str, str], body: bytes, now: datetime) -> float | None:
    """How long the vendor asks to be left alone, in seconds; None if it does not say."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _clamped(milliseconds / 1000)
    said = headers.get("retry-after", "")
    seconds = _number(said)
    if seconds is None and said:
        seconds = _until(said, now)
    if seconds is None:
        found = re.search(rb'"retryDelay"\s*:\s*"([0-9.]{1,12})s"', body)
        seconds = _number(found[1].decode()) if found else None
    return None if seconds is None else _clamped(seconds)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _until(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return (moment - now).total_seconds() if moment.tzinfo is not None else None


def _clamped(seconds: float) -> float:
    return min(max(seconds, 0.0), RETRY_AFTER_S_MAX)
