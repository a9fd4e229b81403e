"""Puts this folder and docs on the path, so that tests can import what they share and what writes the reference pages."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "conformance"), str(Path(__file__).parents[1] / "docs")]

import servers  # noqa: E402  # after the path is set
from aragora.log import configure  # noqa: E402

configure(level="error", form="text", stream=sys.stderr)

# A machine that is busy with something else is no fault of what is tested.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture(scope="session")
def database() -> Iterator[servers.Postgres]:
    """One PostgreSQL for all tests; each makes a database of its own in it."""
    with servers.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def pooler(database: servers.Postgres) -> Iterator[servers.Server]:
    """One PgBouncer before it."""
    with servers.pgbouncer(database) as server:
        yield server


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Have a figure printed with the summary of the run, whichever process ran the test."""
    return lambda line: request.node.user_properties.append(("figure", line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests saw; they are for reading, and no test depends on them."""
    reports = [
        report for reports in terminalreporter.stats.values() for report in reports if getattr(report, "when", "") == "call"
    ]
    figures = [line for report in reports for name, line in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(figures))
