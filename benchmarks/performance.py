"""docs/PERFORMANCE.md, out of its template and the figures that are kept. Used by `make bench ARGS=--publish`.

In benchmarks/performance.md a figure is a path into the sections: `<<api.health.here.rps>>`, with a form behind a bar where it
needs one: a number of digits, or %. What was not measured says so. The table of aims is made here, since each aim is compared.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from api import SEEDS
from growth import AIM as FLAT
from measure import Section, shown, table

TEMPLATE = Path(__file__).with_suffix(".md")
FIGURE = re.compile(r"<<([\w. ]+)(?:\|([\d%]))?>>")
MISSING = "not measured"
AGENT_S = 4.5
# What was aimed at.
FLOOR_SHARE, TIMES, DELIVERIES, CONNECTS = 0.8, 10, 50_000, 2_000
IDLE_MB, SOCKET_KB, DEBATE_KB, START_S, ADDED_SHARE, ADDED_MS = 60, 30, 50, 1, 0.05, 10

Figures = Mapping[str, object]


class Aim(NamedTuple):
    """What was aimed at, what came of it, and what bounds it where that is less."""

    text: str
    here: str
    met: bool
    bound: str = ""


def page(sections: Iterable[Section]) -> str:
    """The whole page."""
    kept = figures(sections)

    def figure(found: re.Match[str]) -> str:
        return written(kept.get(found[1]), found[2] or "")

    text = TEMPLATE.read_text("utf-8").replace("<<aims>>", "\n".join(rows(aims(kept))))
    return FIGURE.sub(figure, text)


def figures(sections: Iterable[Section]) -> dict[str, object]:
    """Every figure by its path, those that follow from others too."""
    kept: dict[str, object] = {}
    for section in sections:
        kept |= flat(section.name, section.raw)
    _rows_by_size(kept)
    names = [name for name in SEEDS if f"api.{name}.here.rps" in kept]
    for name in names:
        rps = number(kept, f"api.{name}.here.rps")
        kept[f"api.{name}.of_floor"] = rps / number(kept, f"api.{name}.floor.rps")
        kept[f"api.{name}.times"] = rps / SEEDS[name][0]
    kept["api.errors"] = sum(int(number(kept, f"api.{name}.here.errors")) for name in names) if names else None
    kept["memory.sockets_100_mb"] = number(kept, "memory.socket_kb") * 100 / 1024
    sizes = sorted(int(path.split(".")[1]) for path in kept if path.startswith("growth.") and path.endswith(".bytes"))
    for size in sizes:
        kept[f"growth.{size}.mb"] = number(kept, f"growth.{size}.bytes") / 2**20
    if len(sizes) > 1:
        kept |= {f"flat.{name}": ratio for name, ratio in _grown(kept, sizes[0], sizes[-1])}
        kept["growth.last_by_first"] = each(kept, "flat", "{:.2f}")
    return kept


def _rows_by_size(kept: dict[str, object]) -> None:
    """Rows of lists under what they are about: the number of debates or watchers, a setting's name and value."""
    for path, value in [*kept.items()]:
        section, _, rest = path.partition(".")
        if found := re.fullmatch(r"rows\.(\d+)\.(\w+)", rest):
            size = kept.get(f"{section}.rows.{found[1]}.debates", kept.get(f"{section}.rows.{found[1]}.watchers"))
            if isinstance(size, int | float):
                kept[f"{section}.{int(size)}.{found[2]}"] = value
        if found := re.fullmatch(r"rows\.(\d+)\.0", rest):
            setting = str(value).strip("`").removeprefix("ARAGORA_").lower()
            kept[f"tuning.{setting}.{kept[f'tuning.rows.{found[1]}.2']}"] = kept[f"tuning.rows.{found[1]}.6"]
        if found := re.fullmatch(r"shapes\.(\d+)\.phases", rest):
            beyond = number(kept, f"debates.shapes.{found[1]}.beyond_s")
            kept[f"debates.shapes.{found[1]}.whole_s"] = number(kept, path) * AGENT_S + beyond
        if found := re.fullmatch(r"(\d+)\.beyond_s", rest.removeprefix("rows.")):
            row = f"debates.rows.{found[1]}"
            size = int(number(kept, f"{row}.debates"))
            kept[f"debates.{size}.round_ms"] = 1000 * number(kept, path) / (number(kept, f"{row}.rounds") / size)
            kept[f"debates.{size}.share"] = number(kept, path) / (number(kept, f"{row}.seconds") - number(kept, path))


def _grown(kept: Figures, first: int, last: int) -> Iterator[tuple[str, float]]:
    for path in kept:
        if found := re.fullmatch(rf"growth\.{last}\.rows\.([\w ]+)\.cpu_us", path):
            yield found[1], number(kept, path) / number(kept, f"growth.{first}.rows.{found[1]}.cpu_us")


def flat(path: str, value: object) -> dict[str, object]:
    """What is in a tree of dicts and lists, by path."""
    if isinstance(value, Mapping):
        inner = [(str(name), each) for name, each in value.items()]
    elif isinstance(value, Sequence) and not isinstance(value, str):
        inner = [(str(place), each) for place, each in enumerate(value)]
    else:
        return {path: value}
    return {name: leaf for part, each in inner for name, leaf in flat(f"{path}.{part}", each).items()}


def number(kept: Figures, path: str) -> float:
    """A figure; NaN when it was not measured."""
    value = kept.get(path)
    return float(value) if isinstance(value, int | float) else math.nan


def written(value: object, form: str = "") -> str:
    """A figure as people read it."""
    if not isinstance(value, int | float) or math.isnan(value):
        return MISSING if value is None or isinstance(value, float) else str(value)
    if form == "%":
        return f"{value:.0%}"
    return f"{value:,.{form}f}" if form else shown(value)


def each(kept: Figures, prefix: str, form: str, suffix: str = "") -> str:
    """All rows of a kind: each name with its figure."""
    pattern = re.compile(rf"{re.escape(prefix)}\.([\w ]+){re.escape(suffix)}")
    named = [(found[1], number(kept, path)) for path in kept if (found := pattern.fullmatch(path))]
    return ", ".join(f"{name} {form.format(value)}" for name, value in named) or MISSING


def rows(found: Iterable[Aim]) -> list[str]:
    """The table of aims, its heads left out: they stand in the template."""
    cells = [[aim.text, aim.here, "**met**" if aim.met else "**not met**", "" if aim.met else aim.bound] for aim in found]
    return table(["", "", "", ""], cells)[2:]


def short(kept: Figures, suffix: str, least: float) -> list[str]:
    """The rows of the API table whose figure is below what was aimed at."""
    return [name for name in SEEDS if not number(kept, f"api.{name}.{suffix}") >= least]


def aims(kept: Figures) -> Iterator[Aim]:
    """Every aim on two cores that also run the load generator, with one worker."""
    below = short(kept, "of_floor", FLOOR_SHARE)
    create, vote = (number(kept, f"growth.1000.rows.{name}.cpu_us") for name in ("create", "vote"))
    yield Aim(
        "every row >= 80 % of its floor",
        each(kept, "api", "{:.0%}", ".of_floor"),
        not below,
        f"below it: {', '.join(below)}. A floor inserts one row and looks at nothing; a creation or a vote is checked, done once "
        f"however often it is sent, chained, indexed and counted: {create:.0f} and {vote:.0f} us of CPU at 1,000 debates",
    )
    below = short(kept, "times", TIMES)
    said = each(kept, "api", "{:.1f}", ".times")
    yield Aim(">= 10 times the specification's figure", said, not below, f"below it: {', '.join(below)}; CPU, as above")
    late = [name for name, (_, most) in SEEDS.items() if not number(kept, f"api.{name}.here.p99_ms") < most]
    said = each(kept, "api", "{:.1f} ms", ".here.p99_ms")
    yield Aim("p99 below the specification's", said, not late, f"above it: {', '.join(late)}")
    rate = max(number(kept, "fanout.1000.deliveries_per_s"), number(kept, "fanout.5000.deliveries_per_s"))
    us = number(kept, "fanout.1000.us_each")
    yield Aim("fan-out >= 50,000 deliveries a second", f"{rate:,.0f}", rate >= DELIVERIES, f"{us:.0f} us of CPU for each")
    rate = number(kept, "api.WS connect.here.rps")
    yield Aim("WebSocket connects >= 2,000 a second", f"{rate:,.0f}", rate >= CONNECTS)
    yield from _sizes(kept)
    share, wrong = number(kept, "debates.5000.share"), number(kept, "debates.5000.errors_percent")
    each_ms = number(kept, "debates.5000.cpu_ms_each")
    yield Aim(
        "5,000 debates at once: no errors, < 5 % added",
        f"{wrong:.1f} % errors, {share:.1%} added",
        wrong == 0 and share < ADDED_SHARE,
        f"each debate takes {each_ms:.1f} ms of CPU, and all of them speak at the same time",
    )
    added, waits = number(kept, "debates.1.round_ms"), number(kept, "debates.1.record_ms")
    bound = f"of it the waits for the disk: `record` sums to {waits:.0f} ms over the events of a round"
    yield Aim("the engine adds < 10 ms to a round of three", f"{added:.1f} ms with one debate", round(added, 1) < ADDED_MS, bound)
    grown = {path.removeprefix("flat."): number(kept, path) for path in kept if path.startswith("flat.")}
    above = ", ".join(name for name, ratio in grown.items() if ratio > FLAT)
    met = bool(grown) and not above
    bound = f"above it: {above}; the file is a hundred times as large as what SQLite keeps of it in memory"
    yield Aim(f"flat to 1,000,000 debates, <= {FLAT}", each(kept, "flat", "{:.2f}"), met, bound)


def _sizes(kept: Figures) -> Iterator[Aim]:
    idle, socket, debate = (number(kept, f"memory.{name}") for name in ("idle_mb", "socket_kb", "debate_3_kb"))
    start, imports = number(kept, "memory.start_s"), number(kept, "memory.import_s")
    most = number(kept, "debates.500.kb_each")
    yield Aim("idle process <= 60 MB", f"{idle:.0f} MB", idle <= IDLE_MB)
    yield Aim("<= 30 kB for a WebSocket", f"{socket:.0f} kB", socket <= SOCKET_KB)
    said = f"{debate:.0f} kB while its seats are asked; over its life at most {most:.0f} kB, with 500 at once"
    bound = "all that the process grows by is counted, the pages that its database keeps in memory too"
    yield Aim("<= 50 kB for a running debate", said, max(debate, most) <= DEBATE_KB, bound)
    yield Aim("start to the first 200 < 1 s", f"{start:.2f} s, {imports:.2f} s of it imports", start < START_S)
