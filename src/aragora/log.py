"""Log lines: JSON for machines, text on a terminal; secrets and line breaks stay out. Imports nothing of ours.

Configured once, by app. Every other module says `structlog.get_logger()`, and binds `request_id` and `debate_id` with
`structlog.contextvars`, so that each line tells which request and which debate it belongs to.
"""

import logging
import math
import re
from collections.abc import Mapping, MutableMapping, Sequence
from functools import lru_cache
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "[hidden]"
DEPTH_MAX = 6
TEXT_CHARS_MAX = 10_000  # of one value; an exception may quote a whole body
# Up to here a word of nothing but letters and digits, such as an id, is seen to be none of the secrets below at a glance.
ID_CHARS_MAX = 64
# A key with one of these names is secret whatever its value; `tokens_in` and `max_tokens` are counts.
SECRET_KEY = re.compile(r"(?:^|_)(?:authorization|api_?key|token|password|secret|cookie|ticket)$", re.IGNORECASE)
# What keys of providers and of this product look like, wherever they turn up.
SECRET_TEXT = re.compile(
    r"\b(?:sk|xai|pplx)-[\w-]{8,}"
    r"|\bAIza[\w-]{16,}"
    r"|\b(?:ara|aat|art|atk|ash|gsk|hf)_[\w-]{16,}"
    r"|(?<=\bBearer )\s*\S+"
    r"|(?<=://)[^\s/@]+(?=@)"
    r"|(?<=[?&]key=)[^\s&]+"
    r"|(?<=[?&]token=)[^\s&]+"
    r"|(?<=[?&]ticket=)[^\s&]+"
    r"|(?<=[?&]share=)[^\s&]+",
    re.IGNORECASE,
)


def scrub(text: str) -> str:
    """The text, cut at a bound, without what looks like a key, a password in a URL or a bearer token."""
    if len(text) <= ID_CHARS_MAX and text.isalnum() and "aiza" not in text.lower():
        return text
    scrubbed = SECRET_TEXT.sub(HIDDEN, text[:TEXT_CHARS_MAX])
    return scrubbed if len(text) <= TEXT_CHARS_MAX else f"{scrubbed} [{len(text) - TEXT_CHARS_MAX} characters cut]"


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide what must not be logged; a structlog processor."""
    return {key: HIDDEN if _is_secret(key) else _plain(value, 0) for key, value in event.items()}


@lru_cache(1024)  # names in code are few, and each line has the same ones
def _is_secret(key: object) -> bool:
    return isinstance(key, str) and SECRET_KEY.search(key.replace("-", "_")) is not None


def _plain(value: object, depth: int) -> object:
    """The value in JSON's own types, scrubbed; what is no such type, or too deep, becomes its scrubbed text."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, str):
        return scrub(value)
    if depth < DEPTH_MAX and isinstance(value, Mapping):
        return {scrub(str(key)): HIDDEN if _is_secret(key) else _plain(item, depth + 1) for key, item in value.items()}
    if depth < DEPTH_MAX and isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_plain(item, depth + 1) for item in value]
    return scrub(repr(value))


def one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape what could start a new line or command a terminal; a structlog processor for text (JSON escapes by itself)."""
    event["event"] = _printable(str(event.get("event", "")))
    if "exception" in event:
        event["exception"] = "\n".join("  | " + _printable(line) for line in str(event["exception"]).split("\n"))
    return event


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _without_colour_twin(_logger: WrappedLogger, _method: str, event: MutableMapping[str, object]) -> EventDict:
    event.pop("color_message", None)  # uvicorn sends its messages a second time, with terminal codes
    return event


def configure(*, level: str, form: str, stream: TextIO) -> None:
    """Send the lines of this product and of every library to `stream`; `form` is json, text, or auto (text on a terminal)."""
    text = form == "text" or (form == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
    ]
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    last: list[Processor] = [structlog.processors.format_exc_info, redact, stamp, *_renderers(text=text, colours=stream.isatty())]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _without_colour_twin, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=number, force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


def _renderers(*, text: bool, colours: bool) -> list[Processor]:
    if not text:
        return [structlog.processors.JSONRenderer()]
    return [one_line, structlog.dev.ConsoleRenderer(colors=colours, repr_native_str=True, pad_event_to=0)]
