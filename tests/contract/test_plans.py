"""No operation reads a whole table, however many debates there are; `benchmarks/plans.py` says what each costs."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aragora.app import run

if TYPE_CHECKING:
    import servers

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import plans  # after the path is set

SIZES = (500, 5_000)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_no_operation_reads_a_whole_table(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The planner finds an index for each, and what is found at ten times the size is the same."""
    url = f"sqlite:///{tmp_path / 'grown.db'}"
    if kind == "postgres":
        server: servers.Postgres = request.getfixturevalue("database")
        server.sql("CREATE DATABASE grown")
        url = server.url("grown")
    small, large = run(plans.measure(tmp_path, url, SIZES))
    assert {} == large.whole
    assert small.ms.keys() == large.ms.keys()
    assert large.gigabytes > small.gigabytes
    assert "| get |" in plans.table([small, large])
