"""Everything that is measured, and one report of it. Run by `make bench`.

    python benchmarks/bench.py [--long] [--only NAME,NAME] [--report] [--publish]

The short form takes less than a minute and shows that everything runs; its figures are rough. `--long` takes its time: about half
an hour. Each section is kept as results/NAME.json; the report, results/bench.md with bench.svg, is made of what is kept, so that
sections can be measured one at a time with `--only`. `--report` only writes it again, `--publish` puts it into
docs/ as well, docs/PERFORMANCE.md included.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import api
import chart
import debates
import fanout
import growth
import memory
import performance
import processes
import ranking
import tuning
from measure import RESULTS, ROOT, Section, machine, services, stored

DOCS = ROOT / "docs"
# Those that a short run leaves out: they show what only a quiet machine can.
LONG_ONLY = ("tuning",)
PACKAGES = "wrk, postgresql, pgbouncer and redis-server of Debian"
# Other people's programs that a section needs; without them it is left out, which the report says.
NEEDS = {
    **dict.fromkeys(("api", "growth", "tuning"), ("wrk",)),
    "processes": ("wrk", "postgres", "initdb", "pgbouncer", "redis-server"),
}
SECTIONS: dict[str, Callable[[bool], Section]] = {
    module.__name__: module.section for module in (api, debates, memory, fanout, growth, processes, ranking, tuning)
}


def measured(name: str, results: Path, *, long: bool) -> Section:
    """Measure a section and keep it."""
    began, where = time.perf_counter(), machine()
    found = SECTIONS[name](long)
    found.machine, found.seconds = where, round(time.perf_counter() - began, 1)
    found.save(results)
    print(f"{name}: {found.seconds:.0f} s", flush=True)
    return found


def page(sections: list[Section]) -> str:
    """The report as Markdown."""
    lines = ["# Bench", "", "Written by `make bench`, which keeps the raw figures in `results/`, one file for each section.", ""]
    lines += ["![What was measured](bench.svg)", ""]
    for found in sections:
        lines += [f"## {found.title}", "", *found.lines, "", f"{found.machine}; took {found.seconds:.0f} s.", ""]
    return "\n".join(lines)


def publish(kept: list[Section], results: Path) -> None:
    """Put the report, its page and its figures into docs/."""
    for found in kept:
        found.save(DOCS / "figures")
    (DOCS / "BENCH.md").write_text(page(kept).replace("(bench.svg)", "(pictures/bench.svg)"), "utf-8")
    for name, where in (("bench.svg", "pictures/bench.svg"), ("performance.md", "PERFORMANCE.md")):
        (DOCS / where).write_text((results / name).read_text("utf-8"), "utf-8")


def main() -> None:
    """Measure what is asked for, and write the report of everything that is kept."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--long", action="store_true", help="take the time that figures need")
    options.add_argument("--only", default="", help="some sections, with commas between them")
    options.add_argument("--report", action="store_true", help="measure nothing; write the report of what is kept")
    options.add_argument("--results", type=Path, default=RESULTS, help="the folder to write to")
    options.add_argument("--publish", action="store_true", help="put the report into docs/ as well")
    asked = options.parse_args()
    names = asked.only.split(",") if asked.only else [name for name in SECTIONS if asked.long or name not in LONG_ONLY]
    if strangers := set(names) - set(SECTIONS):
        sys.exit(f"there is no section {', '.join(sorted(strangers))}; there are {', '.join(SECTIONS)}")
    lacking = {name: missing for name in names if (missing := [each for each in NEEDS.get(name, ()) if not services.found(each)])}
    for name in () if asked.report else [name for name in names if name not in lacking]:
        measured(name, asked.results, long=asked.long)
    kept = [found for name in SECTIONS if (found := stored(name, asked.results)) is not None]
    picture = chart.report([(found.title, found.unit, found.bars) for found in kept], "What was measured")
    (asked.results / "bench.md").write_text(page(kept), "utf-8")
    (asked.results / "bench.svg").write_text(picture, "utf-8")
    (asked.results / "performance.md").write_text(performance.page(kept), "utf-8")
    if asked.publish:
        publish(kept, asked.results)
    for name, missing in lacking.items():
        print(f"{name} was left out, since {', '.join(missing)} cannot be found: {PACKAGES}")
    print(f"the report is in {asked.results / 'bench.md'}, its chart in bench.svg, the raw figures in *.json beside it")


if __name__ == "__main__":
    main()
