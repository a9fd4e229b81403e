"""Log lines: their form, what is hidden in them, and that nobody can forge one."""

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.contextvars import bound_contextvars
from structlog.typing import FilteringBoundLogger

from aragora import log

KEYS = [
    "sk-proj-abcdefgh12345678",
    "AIzaSyA1234567890abcdefgh",
    "Bearer abc.def",
    "gsk_1234567890abcdefgh",
    "ara_1234567890abcdefgh",
]
BARE = [key.removeprefix("Bearer ") for key in KEYS]


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Give other tests the logging that they had."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def written(say: Callable[[FilteringBoundLogger], object], *, form: str = "json", level: str = "info") -> str:
    """What is written when something is said."""
    stream = io.StringIO()
    log.configure(level=level, form=form, stream=stream)
    say(structlog.get_logger())
    return stream.getvalue()


def test_line_is_json_with_its_context() -> None:
    """A machine reads the event, its level, its time and what it belongs to."""
    with bound_contextvars(request_id="r1", debate_id="d1"):
        line = json.loads(written(lambda logger: logger.info("debate started", seats=3)))
    assert line.pop("timestamp").endswith("Z")
    assert {"event": "debate started", "level": "info", "request_id": "r1", "debate_id": "d1", "seats": 3} == line


def test_auto_is_text_on_a_terminal_only() -> None:
    """People get text, pipes get JSON."""
    screen, pipe = Terminal(), io.StringIO()
    for stream in (screen, pipe):
        log.configure(level="info", form="auto", stream=stream)
        structlog.get_logger().info("hello")
    assert "\x1b[" in screen.getvalue()
    assert "hello" == json.loads(pipe.getvalue())["event"]


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("key", KEYS)
def test_keys_of_providers_are_hidden_everywhere(key: str, form: str) -> None:
    """In the message, in values however deep, in names, in objects, in exceptions, and in what libraries say."""

    def say(logger: FilteringBoundLogger) -> None:
        logger.info(key, header=key, deep={"list": [{"x": key}], key: 1}, raw=key.encode(), error=ValueError(key))
        logging.getLogger("uvicorn.error").warning("cannot use %s", key)
        logger.error("failed", exc_info=ValueError(key))

    lines = written(say, form=form)
    assert lines.count(log.HIDDEN) >= 7
    assert not [bare for bare in BARE if bare in lines]


@pytest.mark.parametrize(
    "name", ["authorization", "Authorization", "api_key", "X-Api-Key", "access_token", "PASSWORD", "set-cookie"]
)
def test_values_under_secret_names_are_hidden(name: str) -> None:
    """The name is enough, at the top and inside."""
    line = json.loads(written(lambda logger: logger.info("x", **{name: "plain"}, headers={name: "plain"})))
    assert log.HIDDEN == line[name] == line["headers"][name]


def test_counts_of_tokens_are_shown() -> None:
    """What a turn cost is no secret."""
    line = json.loads(written(lambda logger: logger.info("x", tokens_in=3, max_tokens=4, tokens=5)))
    assert (3, 4, 5) == (line["tokens_in"], line["max_tokens"], line["tokens"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:hunter2@db/x", "postgresql://[hidden]@db/x"),
        ("GET /ws?ticket=abc&after=3", "GET /ws?ticket=[hidden]&after=3"),
        ("a task-force of 12 risk-averse people", "a task-force of 12 risk-averse people"),
    ],
)
def test_passwords_in_urls_are_hidden_and_prose_is_not(text: str, shown: str) -> None:
    """What looks like a secret goes, what does not stays."""
    assert shown == log.scrub(text)


@pytest.mark.parametrize("form", ["json", "text"])
@given(text=st.text())
def test_text_of_others_makes_no_second_line(form: str, text: str) -> None:
    """Whatever is logged, a call writes one line, without a control character."""
    line = written(lambda logger: logger.info(text, value=text, many=[text], by_name={text: text}), form=form)
    assert line.endswith("\n")
    assert line[:-1].isprintable()


def test_json_can_be_read_whatever_was_said() -> None:
    """Not a number, a lone surrogate, bytes, an object and a thing without end are all shown somehow."""
    endless: list[object] = []
    endless.append(endless)
    line = json.loads(
        written(lambda logger: logger.info("x", nan=float("nan"), odd="\ud800", raw=b"\xff", thing=object(), endless=endless)),
        parse_constant=pytest.fail,
    )
    assert ("nan", "\ud800", "b'\\xff'") == (line["nan"], line["odd"], line["raw"])


def test_long_text_is_cut() -> None:
    """A line has a bound; how much is missing is said."""
    line = json.loads(written(lambda logger: logger.info("x" * (log.TEXT_CHARS_MAX + 7))))
    assert line["event"].endswith("x [7 characters cut]")


def test_exception_is_told_apart_from_lines() -> None:
    """In text a traceback has several lines, and none of them can be taken for a log line."""

    def say(logger: FilteringBoundLogger) -> None:
        logger.error("failed", exc_info=ValueError("x\n2026-01-01T00:00:00Z [info] forged\x1b[2J"))

    first, *rest = written(say, form="text").splitlines()
    assert "failed" in first
    assert rest
    assert [] == [line for line in rest if not line.startswith("  | ")]
    assert "\x1b" not in "".join(rest)


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "some.library"])
def test_libraries_write_the_same_lines(name: str) -> None:
    """A library's line has our form, its own name, and the context."""
    with bound_contextvars(request_id="r1"):
        text = written(lambda _: logging.getLogger(name).info("Started %s", "x", extra={"color_message": "\x1b[1m"}))
    line = json.loads(text)
    line.pop("timestamp")
    assert {"event": "Started x", "level": "info", "logger": name, "request_id": "r1"} == line


def test_less_severe_lines_are_left_out() -> None:
    """The level holds for us and for libraries."""

    def say(logger: FilteringBoundLogger) -> None:
        logger.info("ours")
        logging.getLogger("uvicorn.error").info("theirs")
        logger.warning("kept")

    assert "kept" == json.loads(written(say, level="warning"))["event"]
