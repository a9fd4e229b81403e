"""Charts as SVG, in a few lines: bars with a logarithmic axis, lines over time. Imports the standard library only."""

import math
from collections.abc import Sequence
from html import escape

INKS = ("#2563a8", "#d08a1d", "#8a8f98", "#3a8f5c", "#a8435b", "#6b5bb0", "#3d8f93", "#7a6a4f")
PAPER, INK, RULE = "#ffffff", "#22262b", "#dfe3e8"
FONT = "font-family='DejaVu Sans, Verdana, sans-serif'"
WIDTH, LABEL, BAR, GAP, HEAD = 860, 190, 13, 9, 46
Groups = Sequence[tuple[str, dict[str, float]]]


def text(x: float, y: float, said: str, *, size: int = 12, anchor: str = "start", ink: str = INK, bold: bool = False) -> str:
    """One line of text."""
    look = f"font-size='{size}' text-anchor='{anchor}' fill='{ink}' {FONT}" + " font-weight='600'" * bold
    return f"<text x='{x:.1f}' y='{y:.1f}' {look}>{escape(said)}</text>"


def box(x: float, y: float, width: float, height: float, ink: str) -> str:
    """A filled box."""
    return f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}' fill='{ink}'/>"


def page(width: float, height: float, parts: Sequence[str], title: str) -> str:
    """A whole picture; `title` is what it shows, for those who cannot see it."""
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' width='{width:.0f}' role='img'>"
    back = f"<rect width='{width:.0f}' height='{height:.0f}' fill='{PAPER}'/>"
    return "\n".join([head, f"<title>{escape(title)}</title>", back, *parts, "</svg>", ""])


def short(value: float) -> str:
    """A figure in as few characters as say something."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"


def bars(title: str, unit: str, groups: Groups, top: float) -> tuple[list[str], float]:
    """Groups of bars on a logarithmic axis from `top` on; the parts, and where they end."""
    names = list(dict.fromkeys(name for _, values in groups for name in values))
    known = [value for _, values in groups for value in values.values() if value > 0]
    low = 10.0 ** math.floor(math.log10(min(known, default=1)))
    high = 10.0 ** math.ceil(math.log10(max(known, default=10) * 1.01))
    room = WIDTH - LABEL - 90
    parts = [text(16, top + 20, f"{title}, {unit}; a logarithmic scale", size=14, bold=True)]
    for place, name in enumerate(names):
        x = LABEL + place * 215
        parts += [
            f"<rect x='{x}' y='{top + 27:.0f}' width='10' height='10' fill='{INKS[place]}'/>",
            text(x + 15, top + 36, name, size=11),
        ]
    y = top + HEAD
    for label, values in groups:
        parts.append(text(LABEL - 8, y + BAR * len(values) / 2 + 4, label, anchor="end"))
        for name, value in values.items():
            wide = max(1.0, room * math.log10(max(value, low) / low) / math.log10(high / low)) if value > 0 else 1.0
            parts += [
                box(LABEL, y, wide, BAR - 2, INKS[names.index(name)]),
                text(LABEL + wide + 5, y + BAR - 3, short(value), size=10),
            ]
            y += BAR
        y += GAP
    return parts, y


def report(sections: Sequence[tuple[str, str, Groups]], title: str) -> str:
    """One picture of several groups of bars."""
    parts: list[str] = []
    y = 10.0
    for name, unit, groups in sections:
        if groups:
            found, y = bars(name, unit, groups, y)
            parts += found
            y += 8
    return page(WIDTH, y + 10, parts, title)
