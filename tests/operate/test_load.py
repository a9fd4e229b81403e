"""The Locust file runs clean against a real server, and what checks its report finds what is wrong."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from builders import served
from services import locust

ROOT = Path(__file__).parents[2]
LOAD = ROOT / "tests/load"
HEADS = ("Type", "Name", "Request Count", "Failure Count", "99%")
GOOD = tuple(("GET", f"/{number}", "1000", "0", "499") for number in range(5))


def flaws(report: Path) -> list[str]:
    """What the check says of a report."""
    done = subprocess.run([sys.executable, LOAD / "check_slos.py", report], capture_output=True, text=True, check=False)
    assert (done.returncode == 1) == bool(done.stderr)
    return done.stderr.splitlines()


def a_report(folder: Path, *rows: tuple[str, ...]) -> Path:
    """A report as Locust writes it, as far as the check reads it."""
    path = folder / "stats.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADS, *rows])
    return path


def test_the_load_runs_clean(tmp_path: Path) -> None:
    """Every request of the specification's user and of a watcher is asked, and none fails."""
    environ = {**os.environ, "ARAGORA_WS_USERS": "1"}
    with served(tmp_path / "server") as server:
        command = [locust(), "-f", str(LOAD / "locustfile.py"), f"--host=http://127.0.0.1:{server.api_port}", "--headless"]
        times = ["--users=22", "--spawn-rate=22", "--run-time=12s", f"--csv={tmp_path / 'results'}"]
        done = subprocess.run([*command, *times], env=environ, capture_output=True, text=True, check=False, timeout=90)
    assert 0 == done.returncode, done.stderr[-2000:]
    with (tmp_path / "results_stats.csv").open(encoding="utf-8") as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    wanted = {"/api/health", "/api/debates?limit=20", "/api/debates/test-debate-id", "/api/debates", "WS /ws (to the end)"}
    assert set() == wanted - set(rows)
    assert {"0"} == {row["Failure Count"] for row in rows.values()}


def test_a_report_within_the_objectives_is_right(tmp_path: Path) -> None:
    """Just below both bounds there is nothing to say."""
    assert [] == flaws(a_report(tmp_path, *GOOD))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("GET", "/slow", "1000", "0", "500"), "GET /slow: p99 is 500 ms, at most 500"),
        (("GET", "/failing", "1000", "1", "10"), "GET /failing: 1 of 1000 failed"),
        (("GET", "/idle", "0", "0", "N/A"), "GET /idle: never asked"),
    ],
)
def test_one_bad_row_is_enough(row: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """A mean over all rows could hide it."""
    assert [said] == flaws(a_report(tmp_path, *GOOD, row))


def test_an_empty_report_is_wrong(tmp_path: Path) -> None:
    """A load test that asked nothing has shown nothing."""
    assert ["only 0 rows"] == flaws(a_report(tmp_path))
