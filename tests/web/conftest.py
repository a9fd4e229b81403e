"""One browser, and one server with a finished debate, for all tests of the page."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from browser import a_browser, ask, until_ended
from builders import Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium. While it is there this thread has a running loop, which tests of other modules could not bear."""
    with a_browser() as started:
        yield started


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose demo agents are quick but can be watched."""
    with served(tmp_path_factory.mktemp("page"), demo_delay_s=0.25) as started:
        yield started


@pytest.fixture(scope="session")
def lively(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose demo turns leave time to do something meanwhile."""
    with served(tmp_path_factory.mktemp("lively"), demo_delay_s=0.6) as started:
        yield started


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server where everybody logs in."""
    with served(tmp_path_factory.mktemp("guarded"), demo_delay_s=0.4, auth="required") as started:
        yield started


@pytest.fixture(scope="session")
def finished(server: Served) -> str:
    """A debate that has ended with dissent: its id."""
    agents = ["demo:optimist", "demo:sceptic", "demo:pragmatist"]
    debate_id = ask(server, topic="Should a small team build its own login or buy one?", agents=agents, seed=4, rounds=2)
    until_ended(server, debate_id)
    return debate_id
