"""Whether each row of a Locust report is within the objectives; run as `python tests/load/check_slos.py results_stats.csv`."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

P99_MS_MAX = 500.0
ERROR_RATE_MAX = 0.001
ROWS_MIN = 5  # four requests of the user and the sum; a report with fewer tested something else


def flaws(report: Path) -> Iterator[str]:
    """What is wrong with each row; a row without figures is wrong, as is a report without rows."""
    with report.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if len(rows) < ROWS_MIN:
        yield f"only {len(rows)} rows"
    for row in rows:
        name, asked, failed = f"{row['Type']} {row['Name']}".strip(), int(row["Request Count"]), int(row["Failure Count"])
        if not asked:
            yield f"{name}: never asked"
            continue
        if not float(row["99%"]) < P99_MS_MAX:
            yield f"{name}: p99 is {row['99%']} ms, at most {P99_MS_MAX:.0f}"
        if not failed / asked < ERROR_RATE_MAX:
            yield f"{name}: {failed} of {asked} failed"


if __name__ == "__main__":
    found = list(flaws(Path(sys.argv[1])))
    sys.exit("\n".join(found) or 0)
