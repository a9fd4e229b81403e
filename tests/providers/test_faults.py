"""What vendors say when they refuse: the fault, the words, the wait, and never a key."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.model import Fault
from aragora.providers.faults import DETAIL_CHARS_MAX, RETRY_AFTER_S_MAX, broken, redact, refused, retry_after, words

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
BODIES = {
    "openai": (b'{"error": {"message": "Slow down", "type": "requests", "code": "rate_limit_exceeded"}}', "Slow down"),
    "anthropic": (b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}', "Overloaded"),
    "gemini": (b'{"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}}', "API key not valid."),
    "gemini, in a list": (b'[{"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}}]', "Quota"),
    "mistral": (b'{"object": "error", "message": "Unauthorized", "type": "invalid_request_error"}', "Unauthorized"),
    "ollama": (b'{"error": "model \\"llama9\\" not found"}', 'model "llama9" not found'),
    "fastapi": (b'{"detail": "Not authenticated"}', "Not authenticated"),
    "html": (b"<html><style>p{}</style><body><h1>502</h1>\n<p>Bad   Gateway</p></body></html>", "502 Bad Gateway"),
    "text": (b"upstream connect error", "upstream connect error"),
    "nothing": (b"", ""),
    "a number": (b"42", "42"),
    "bytes": (b"\xff\xfe{", "\ufffd\ufffd{"),
}


@pytest.mark.parametrize("vendor", BODIES)
def test_the_sentence_is_found_in_every_vendors_envelope(vendor: str) -> None:
    """Whatever the shape of the error, its sentence is kept."""
    body, sentence = BODIES[vendor]
    assert words(body)[0] == sentence


REFUSALS = [
    (429, b'{"error": {"message": "m", "code": "insufficient_quota"}}', Fault.RATE_LIMITED, False),
    (429, b"{}", Fault.RATE_LIMITED, True),
    (400, b'{"error": {"message": "m", "code": "content_policy_violation"}}', Fault.REFUSED, False),
    (400, b'{"error": {"status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}', Fault.AUTH, False),
    (402, b"{}", Fault.UNAVAILABLE, False),
    (408, b"{}", Fault.TIMEOUT, True),
    (413, b"{}", Fault.UNAVAILABLE, False),
    (500, b"{}", Fault.UNAVAILABLE, True),
    (504, b"{}", Fault.UNAVAILABLE, True),
    (307, b"", Fault.UNAVAILABLE, False),
]


@pytest.mark.parametrize(("status", "body", "fault", "again"), REFUSALS)
def test_a_status_and_a_code_word_make_a_fault(status: int, body: bytes, fault: Fault, again: bool) -> None:
    """What may be tried again, and what it is called."""
    failed = refused(status, {}, body, now=NOW)
    assert (failed.fault, failed.again, failed.charged) == (fault, again, False)


def test_an_error_inside_a_stream_is_read_by_its_words() -> None:
    """Word or number, the vendor's code decides."""
    assert broken(b'{"error": {"message": "m", "code": 429}}').fault is Fault.RATE_LIMITED
    assert broken(b'{"type": "error", "error": {"type": "api_error", "message": "m"}}').fault is Fault.UNAVAILABLE


WAITS = [
    ({"retry-after": "2"}, 2.0),
    ({"retry-after": "0.5"}, 0.5),
    ({"retry-after": "-3"}, 0.0),
    ({"retry-after": "1e9"}, RETRY_AFTER_S_MAX),
    ({"retry-after": "inf"}, None),
    ({"retry-after": "soon"}, None),
    ({"retry-after": f"{NOW + timedelta(seconds=90):%a, %d %b %Y %H:%M:%S} GMT"}, 90.0),
    ({"retry-after": "Tue, 99 Nov 2026 12:00:00 GMT"}, None),
    ({"retry-after-ms": "250", "retry-after": "2"}, 0.25),
    ({}, None),
]


@pytest.mark.parametrize(("headers", "seconds"), WAITS)
def test_a_wait_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, milliseconds, a date; nonsense is no wait, and no wait is longer than a day."""
    assert retry_after(headers, b"", NOW) == seconds


def test_a_wait_in_a_body_is_read() -> None:
    """Google says it in the details of the error."""
    assert retry_after({}, b'{"error": {"details": [{"retryDelay": "34s"}]}}', NOW) == 34.0


@given(st.text(min_size=1, max_size=40), st.text(max_size=600), st.text(max_size=600))
def test_a_secret_is_never_shown(secret: str, before: str, after: str) -> None:
    """Wherever it stands, it is taken out, and the text stays bounded."""
    shown = redact(before + secret + after, [secret])
    assert len(shown) <= DETAIL_CHARS_MAX
    assert secret not in shown.replace("[redacted]", "").replace("…", "") or len(secret) < 3


@pytest.mark.parametrize(
    "key", ["sk-proj-abcdefghijkl", "sk-abc***************xyz1", "gsk_0123456789abcdef", "AIzaSyD-0123456789abcdef"]
)
def test_what_looks_like_a_key_is_never_shown(key: str) -> None:
    """A key that is not ours, or comes back in another form."""
    assert key not in redact(f"Incorrect API key provided: {key}.", [])
