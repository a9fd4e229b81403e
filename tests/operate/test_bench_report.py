"""`make bench` puts what was measured into one report, and keeps the figures."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

BENCH = Path(__file__).parents[2] / "benchmarks/bench.py"


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    """Run it."""
    return subprocess.run([sys.executable, str(BENCH), *words], capture_output=True, text=True, timeout=100, check=False)


def test_a_section_is_measured_and_reported(tmp_path: Path) -> None:
    """The report has its table and the machine, the raw figures are beside it, the chart is a picture."""
    done = bench("--only", "ranking", "--results", str(tmp_path))
    assert (0, "") == (done.returncode, done.stderr)
    kept = json.loads((tmp_path / "ranking.json").read_text("utf-8"))
    assert kept["raw"]["agents"] == 200
    page = (tmp_path / "bench.md").read_text("utf-8")
    assert [] == [
        part for part in ("## Refitting the leaderboard", "| agents | 200 |", "cores", "load average") if part not in page
    ]
    assert "svg" in ET.parse(tmp_path / "bench.svg").getroot().tag


def test_what_is_kept_is_reported_again_without_measuring(tmp_path: Path) -> None:
    """Sections may be measured one at a time."""
    section = {"name": "memory", "title": "Memory", "lines": ["| x | 1 |"], "raw": {}, "unit": "MB"}
    bars = [["idle", {"MB": 60.0}], ["nothing", {"MB": 0.0}]]
    (tmp_path / "memory.json").write_text(json.dumps({**section, "bars": bars, "machine": "a machine", "seconds": 1.0}), "utf-8")
    assert 0 == bench("--report", "--results", str(tmp_path)).returncode
    assert "| x | 1 |" in (tmp_path / "bench.md").read_text("utf-8")
    assert "idle" in (tmp_path / "bench.svg").read_text("utf-8")


def test_pages_of_the_docs_are_written_from_the_figures_beside_them(tmp_path: Path) -> None:
    """Nothing on them was carried over by hand, and nothing that they name is missing."""
    docs = BENCH.parents[1] / "docs"
    for file in (docs / "figures").glob("*.json"):
        shutil.copy(file, tmp_path)
    assert 0 == bench("--report", "--results", str(tmp_path)).returncode
    made = (tmp_path / "performance.md").read_text("utf-8")
    assert made == (docs / "PERFORMANCE.md").read_text("utf-8")
    assert "<<" not in made
    report = (tmp_path / "bench.md").read_text("utf-8")
    assert report.replace("(bench.svg)", "(pictures/bench.svg)") == (docs / "BENCH.md").read_text("utf-8")


def test_an_unknown_section_is_refused(tmp_path: Path) -> None:
    """With those that there are."""
    done = bench("--only", "speed", "--results", str(tmp_path))
    assert 1 == done.returncode
    assert "there is no section speed; there are api, debates" in done.stderr
