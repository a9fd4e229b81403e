"""Draws docs/pictures/dashboard.svg: the panels of the Grafana dashboard, from a Prometheus that watched a loaded server.

    python benchmarks/dashboard.py [SECONDS]

Grafana itself is in no Debian package, so it is not run here: each panel's query is asked of Prometheus (`query_range`), and
drawn where the dashboard places the panel. Titles, queries, legends and units are the dashboard's own.
"""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import chart
from measure import ROOT, folder, served, servers

DASHBOARD = ROOT / "deploy/grafana/dashboard.json"
PICTURE = ROOT / "docs/pictures/dashboard.svg"
SECONDS, STEP_S, USERS = 90, 1, 60
COLUMN, ROW = 58, 25  # px of a dashboard's grid
LEFT, TOP, BOTTOM = 44, 30, 18  # px inside a panel
LEGEND_ROWS = 4
UNITS = {"s": "s", "reqps": "req/s", "percent": "%", "none": ""}
Series = tuple[str, list[tuple[float, float]]]


def asked(address: str, panel: dict[str, Any], began: float, ended: float) -> list[Series]:
    """What the queries of a panel gave over the time, the largest first."""
    found: list[Series] = []
    for target in panel["targets"]:
        about = {"query": target["expr"], "start": f"{began:.0f}", "end": f"{ended:.0f}", "step": str(STEP_S)}
        for row in servers.prometheus_answers(address, "query_range", **about)["result"]:
            points = [(at, float(value)) for at, value in row["values"] if value not in {"NaN", "+Inf", "-Inf"}]
            if points:
                found.append((_legend(target.get("legendFormat", ""), row["metric"]), points))
    return sorted(found, key=lambda series: -max(value for _, value in series[1]))


def _legend(form: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        form = form.replace("{{" + name + "}}", value)
    return form.replace(labels.get("instance", "\0"), "this server")


def lines(series: Sequence[Series], box: tuple[float, float, float, float], unit: str, began: float, ended: float) -> list[str]:
    """A panel of lines over time, with the legend of the largest few."""
    x, y, width, height = box
    top = max(value for _, points in series for _, value in points) or 1.0
    shown = series[:LEGEND_ROWS]
    right, low = x + width - 8, y + height - BOTTOM - 13 * len(shown)
    room, tall = right - x - LEFT, low - y - TOP
    parts = []
    for share in (0.0, 0.5, 1.0):
        at = low - share * tall
        parts.append(chart.box(x + LEFT, at, room, 0.6, chart.RULE))
        parts.append(chart.text(x + LEFT - 4, at + 3, f"{chart.short(share * top)} {unit}".strip(), size=8, anchor="end"))
    for place, (_, points) in reversed([*enumerate(series)]):
        path = " ".join(
            f"{x + LEFT + room * (at - began) / (ended - began):.1f},{low - tall * value / top:.1f}" for at, value in points
        )
        ink = chart.INKS[place % len(chart.INKS)]
        parts.append(f"<polyline points='{path}' fill='none' stroke='{ink}' stroke-width='1.3'/>")
    for place, (name, points) in enumerate(shown):
        at = low + 14 + 13 * place
        parts.append(chart.box(x + 10, at - 7, 8, 3, chart.INKS[place]))
        parts.append(chart.text(x + 22, at, f"{name}: {chart.short(points[-1][1])} {unit}"[:56], size=9))
    if len(series) > len(shown):
        parts.append(chart.text(right, low + 14, f"and {len(series) - len(shown)} more", size=8, anchor="end"))
    return parts


def panel_parts(panel: dict[str, Any], series: Sequence[Series], began: float, ended: float) -> list[str]:
    """A panel where the dashboard has it."""
    place, unit = panel["gridPos"], UNITS[panel["fieldConfig"]["defaults"]["unit"]]
    x, y, width, height = place["x"] * COLUMN + 4, place["y"] * ROW + 40, place["w"] * COLUMN - 8, place["h"] * ROW - 8
    frame = f"<rect x='{x}' y='{y}' width='{width}' height='{height}' fill='none' stroke='{chart.RULE}'/>"
    parts = [frame, chart.text(x + 10, y + 18, panel["title"], size=12, bold=True)]
    if not series:
        return [*parts, chart.text(x + width / 2, y + height / 2, "no data", anchor="middle")]
    if panel["type"] == "timeseries":
        return [*parts, *lines(series, (x, y, width, height), unit, began, ended)]
    last = series[0][1][-1][1]
    said = f"{last:.2f} {unit}" if unit else f"{last:.0f}"
    return [*parts, chart.text(x + width / 2, y + height / 2 + 14, said, size=40, anchor="middle", bold=True)]


def main(seconds: int) -> None:
    """Load a server, watch it, draw."""
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    with (
        folder() as place,
        served(place / "server", demo_delay_s=0.3) as server,
        servers.prometheus(server.api_port, place) as address,
    ):
        began = time.time()
        load = [sys.executable, "-m", "aragora", "loadtest", "--url", f"http://127.0.0.1:{server.api_port}"]
        subprocess.run([*load, "--users", str(USERS), "--seconds", str(seconds)], check=False)  # objectives are not the point
        ended = time.time()
        told = [(panel, asked(address, panel, began, ended)) for panel in panels]
    parts = [part for panel, series in told for part in panel_parts(panel, series, began, ended)]
    said = f"Aragora Performance: {USERS} users of the load test for {seconds} s, scraped by Prometheus twice a second"
    parts.insert(0, chart.text(8, 26, said, size=14, bold=True))
    height = max((panel["gridPos"]["y"] + panel["gridPos"]["h"]) * ROW for panel in panels) + 50
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(chart.page(24 * COLUMN, height, parts, said), "utf-8")
    empty = [panel["title"] for panel, series in told if not series]
    print(f"drew {PICTURE}" + (f"; no data for {', '.join(empty)}" if empty else ""))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
