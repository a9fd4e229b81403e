"""The bench: tables that anybody can reproduce without a key. May import debate, providers, receipts, engine, store and bus.

A table is a list of rows; a row says what was published or computed exactly, what came out here, and how sure that is.
"""

from dataclasses import dataclass, field
from math import sqrt

Z_99 = 2.575829


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure. `low` and `high` bound it at 99 %; a figure that is not drawn by chance has none.

    Not at 95 %: of a hundred true rows a bench would then call five wrong.
    """

    name: str
    value: float
    known: float | None = None
    low: float | None = None
    high: float | None = None
    slack: float = 0.0  # how far the known figure itself may be off, being measured or rounded
    note: str = ""

    @property
    def fits(self) -> bool:
        """Whether the known figure lies within the interval, or is met where there is none."""
        if self.known is None:
            return True
        low, high = (self.value if self.low is None else self.low), (self.value if self.high is None else self.high)
        return low - self.slack - 1e-9 <= self.known <= high + self.slack + 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a plot: points with intervals, and the known values where there are any."""

    name: str
    points: tuple[tuple[float, float, float, float], ...]  # x, value, low, high


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One experiment."""

    id: str
    title: str
    says: str  # what it shows, and where the known figures come from
    rows: tuple[Row, ...]
    lines: tuple[Line, ...] = field(default=())
    axes: tuple[str, str] = ("", "")

    @property
    def fits(self) -> bool:
        """Whether every known figure is met."""
        return all(row.fits for row in self.rows)


def share(name: str, hits: float, trials: int, *, known: float | None = None, slack: float = 0.0, note: str = "") -> Row:
    """A share of trials, with Wilson's interval."""
    p = hits / trials
    middle = (p + Z_99**2 / (2 * trials)) / (1 + Z_99**2 / trials)
    half = Z_99 * sqrt(p * (1 - p) / trials + Z_99**2 / (4 * trials**2)) / (1 + Z_99**2 / trials)
    return Row(name=name, value=p, known=known, low=middle - half, high=middle + half, slack=slack, note=note)


def mean(name: str, values: list[float], *, known: float | None = None) -> Row:
    """A mean over independent trials, with the normal interval."""
    middle = sum(values) / len(values)
    spread = sum((value - middle) ** 2 for value in values) / max(1, len(values) - 1)
    half = Z_99 * sqrt(spread / len(values))
    return Row(name=name, value=middle, known=known, low=middle - half, high=middle + half)
