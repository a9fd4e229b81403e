"""What the benchmarks share: a server to measure, what a process uses, wrk, tables. Import it first: it sets the path.

Each program here has `section(long)`, which measures and returns a Section; `benchmarks/bench.py` puts them into one report.
"""

import json
import math
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]
os.environ["PYTHONPATH"] = str(ROOT / "src")

# Handed on, so that whoever measures imports one module, and that one first.
import builders as builders  # noqa: E402, PLC0414
import servers as servers  # noqa: E402, PLC0414
import services as services  # noqa: E402, PLC0414
from builders import Served as Served  # noqa: E402, PLC0414
from builders import served as served  # noqa: E402, PLC0414

RESULTS = ROOT / "results"
SAMPLE_EVERY_S = 0.05
Row = dict[str, float]


@dataclass
class Section:
    """A part of the report: prose and tables as Markdown, bars for the chart, and everything that was measured."""

    name: str
    title: str
    lines: list[str]
    raw: Mapping[str, object]
    bars: list[tuple[str, dict[str, float]]] = field(default_factory=list)  # a label, and a value for each colour
    unit: str = ""
    machine: str = ""
    seconds: float = 0.0

    def save(self, results: Path = RESULTS) -> None:
        """Keep it as NAME.json in a folder."""
        results.mkdir(exist_ok=True)
        (results / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")


def stored(name: str, results: Path) -> Section | None:
    """A section as it was kept; None when it was not."""
    path = results / f"{name}.json"
    return Section(**json.loads(path.read_text("utf-8"))) if path.exists() else None


def machine() -> str:
    """What this was measured on, and how busy it was before."""
    cpu = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ""
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    where = f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GiB, Linux {os.uname().release}, Python {sys.version.split()[0]}"
    return f"{where}; load average {os.getloadavg()[0]:.1f} when it began"


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """A Markdown table; numbers are written as people read them."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return [*lines, *("| " + " | ".join(map(shown, row)) + " |" for row in rows)]


def shown(value: object) -> str:
    """A figure with as many digits as mean something."""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if math.isnan(value):
        return "-"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(digits, 3)}f}"


def within(took: Sequence[float], share: float) -> float:
    """The value that this share of all is at most; NaN of nothing."""
    ordered = sorted(took)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan


def rss_kb(server: Served) -> float:
    """Resident memory of a server."""
    return int(Path(f"/proc/{server.process.pid}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def cpu_s(server: Served) -> float:
    """Processor time that a server has used."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Used:
    """What a server used while it was watched."""

    def __init__(self, server: Served) -> None:
        """Take note of how it is."""
        self._server = server
        self._began, self._cpu_s, self._rss_kb = time.perf_counter(), cpu_s(server), rss_kb(server)
        self.seconds = self.cpu_s = self.grown_kb = 0.0

    def look(self) -> None:
        """Take note of the most that it has grown."""
        self.grown_kb = max(self.grown_kb, rss_kb(self._server) - self._rss_kb)
        self.seconds = time.perf_counter() - self._began
        self.cpu_s = cpu_s(self._server) - self._cpu_s


@contextmanager
def used(server: Served) -> Iterator[Used]:
    """Watch a server from outside; complete when the block ends."""
    found, over = Used(server), threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_EVERY_S):
            found.look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
        found.look()


def metric(server: Served, pattern: str) -> dict[str, float]:
    """Values of the server's metrics, by the first group of a pattern for what stands before the value."""
    text = server.ask("/metrics").body.decode()
    return {name: float(value) for name, value in re.findall(rf"^{pattern} (\S+)$", text, re.MULTILINE)}


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="aragora-bench-") as name:
        yield Path(name)


def many_files() -> None:
    """Allow as many open sockets as the system lets us."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


LUA = """
local asked = 0
local body = %s
local path = %s
request = function()
  asked = asked + 1
  if body then
    local told = string.gsub(body, "VOTER", tostring(math.random(1, 1000000000)) .. "-" .. asked)
    return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, told)
  end
  local id = string.format("%%032x", math.random(1, %d))
  return wrk.format("GET", (string.gsub(path, "ID", id)), {["X-Request-ID"] = "bench-" .. asked})
end
init = function() math.randomseed(os.time()) end
"""


def wrk(url: str, seconds: float, body: str = "", *, connections: int = 100, ids: int = 0) -> Row:
    """Requests a second, p50 and p99 in ms, and how many answers were no 2xx.

    `VOTER` in a body is another each time; so is `ID` in a path, one of so many `ids`; such requests have an id of their own.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency", "--timeout=10s"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        if body or ids:
            path = "/" + url.split("/", 3)[3]
            script.write(LUA % (json.dumps(body) if body else "nil", json.dumps(path), max(ids, 1)))
            script.flush()
            command += ["-s", script.name]
        told = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    lost = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", told)
    errors = (int(wrong[1]) if wrong else 0) + (sum(map(int, lost.groups())) if lost else 0)
    return {"rps": _number(told, r"Requests/sec:\s+([\d.]+)"), "p50_ms": _ms(told, 50), "p99_ms": _ms(told, 99), "errors": errors}


def _number(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    assert found, text
    return float(found[1])


def _ms(text: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text)
    assert found, text
    return round(float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]], 2)


def alone(section: Callable[[bool], Section]) -> None:
    """Run one section by itself; `--long` takes its time."""
    began, where = time.perf_counter(), machine()
    found = section("--long" in sys.argv[1:])
    found.machine, found.seconds = where, round(time.perf_counter() - began, 1)
    found.save()
    print("\n".join([f"## {found.title}", "", *found.lines, "", f"{where}; {found.seconds:.0f} s."]))
