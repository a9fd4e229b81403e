"""Tables as text, JSON, and one HTML page with its plots as SVG. Imports siblings only."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from html import escape

from aragora.bench import Line, Row, Table

WIDTH, HEIGHT, LEFT, BOTTOM = 560.0, 280.0, 46.0, 34.0
COLOURS = ("#2563eb", "#dc2626", "#059669", "#9333ea", "#d97706", "#0891b2", "#be185d")
Place = Callable[[float, float], tuple[float, float]]
STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.15rem .5rem;text-align:left;border-bottom:1px solid #8884}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}"
)


def text(tables: Sequence[Table]) -> Iterator[str]:
    """Lines for a terminal."""
    for table in tables:
        yield f"{table.id}  {table.title}"
        yield f"    {table.says}"
        width = max(len(row.name) for row in table.rows)
        for row in table.rows:
            known = f"{row.known:8.4f}" if row.known is not None else " " * 8
            verdict = "  " if row.known is None else "ok" if row.fits else "NO"
            here = f"here {row.value:8.4f} {interval(row):<18}"
            yield f"    {row.name:<{width}}  known {known}  {here} {verdict} {row.note}".rstrip()
        yield ""


def interval(row: Row) -> str:
    """The interval of a figure; empty where chance plays no part."""
    return "" if row.low is None or row.high is None else f"[{row.low:.4f}, {row.high:.4f}]"


def as_json(tables: Sequence[Table]) -> list[dict[str, object]]:
    """The same for machines."""
    return [
        {**asdict(table), "fits": table.fits, "rows": [{**asdict(row), "fits": row.fits} for row in table.rows]}
        for table in tables
    ]


def html(tables: Sequence[Table]) -> str:
    """One page with nothing to load."""
    parts = [f"<h2>{escape(t.id)} {escape(t.title)}</h2><p>{escape(t.says)}</p>{svg(t)}{_rows(t)}" for t in tables]
    head = f'<meta charset="utf-8"><title>Aragora bench</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body><h1>Aragora bench</h1>{"".join(parts)}</body></html>\n'


def _rows(table: Table) -> str:
    rows = "".join(
        f"<tr><td>{escape(row.name)}</td><td class=n>{'' if row.known is None else f'{row.known:.4f}'}</td>"
        f"<td class=n>{row.value:.4f}</td><td class=n>{interval(row)}</td>"
        f"<td>{'' if row.known is None else 'ok' if row.fits else 'NO'}</td><td>{escape(row.note)}</td></tr>"
        for row in table.rows
    )
    return f"<table><tr><th></th><th>known</th><th>here</th><th>99 % interval</th><th></th><th></th></tr>{rows}</table>"


def svg(table: Table) -> str:
    """The plot of a table's lines with their intervals; empty where it has none."""
    points = [point for line in table.lines for point in line.points]
    if not points:
        return ""
    left, right = min(x for x, *_ in points), max(x for x, *_ in points)
    low, high = min(bound for _, _, bound, _ in points), max(bound for *_, bound in points)
    high, right = (high if high > low else low + 1), (right if right > left else left + 1)

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + (x - left) / (right - left) * (WIDTH - LEFT - 10), 10 + (high - y) / (high - low) * (HEIGHT - BOTTOM - 20)

    drawn = "".join(_line(line, COLOURS[n % len(COLOURS)], n, place) for n, line in enumerate(table.lines))
    ticks = "".join(
        f'<text x="{place(x, low)[0]:.1f}" y="{HEIGHT - BOTTOM + 8:.1f}" text-anchor="middle">{x:g}</text>'
        for x in sorted({x for x, *_ in points})
    ) + "".join(f'<text x="4" y="{place(left, y)[1] + 4:.1f}">{y:.2f}</text>' for y in (low, (low + high) / 2, high))
    axis = f'<text x="{WIDTH / 2:.0f}" y="{HEIGHT - 8:.0f}" text-anchor="middle">{escape(table.axes[0])}</text>'
    height = HEIGHT + 16 * len(table.lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height:.0f}" width="{WIDTH:.0f}" '
        f'font-size="11" font-family="system-ui,sans-serif" fill="currentColor" role="img" aria-label="{escape(table.title)}">'
        f"{ticks}{axis}{drawn}</svg>"
    )


def _line(line: Line, colour: str, number: int, place: Place) -> str:
    spots = [place(x, value) for x, value, _, _ in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    ends = [(*place(x, low), *place(x, high)) for x, _, low, high in line.points]
    bars = "".join(f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{top:.1f}"/>' for x, y, right, top in ends)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in spots)
    label = f'<text x="{LEFT:.0f}" y="{HEIGHT + 12 + 16 * number:.0f}" fill="{colour}">{escape(line.name)}</text>'
    return f'<g stroke="{colour}" fill="none"><polyline points="{path}"/>{bars}</g>{dots}{label}'
