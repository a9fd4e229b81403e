"""Prices of models, and what a call costs. Unknown is None, never 0. May import siblings and `debate`."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

import msgspec

from aragora.debate.model import Usage
from aragora.providers.wire import Tokens

MILLION = 1_000_000
# The estimate of a prompt is close, not safe: a reservation allows for half as much again.
WORST_READ = 1.5
# The names that the price list gives to some providers.
LISTED_AS: Mapping[str, str] = {"xai": "x-ai"}


class Level(NamedTuple):
    """US dollars for a million tokens, in requests of more than `above` tokens."""

    above: int
    input: float
    output: float
    cached: float | None = None  # read from the vendor's cache; None: like any other
    stored: float | None = None  # put into the vendor's cache; None: like any other


# The levels of one price, dearest and longest requests last.
Price = tuple[Level, ...]


class _List(msgspec.Struct):
    date: str
    source: str
    providers: dict[str, list[list[str | list[float | None]]]]  # of each: a pattern, then the levels


@cache
def _listed() -> _List:
    text = resources.files("aragora.providers").joinpath("prices.json").read_bytes()
    return msgspec.json.decode(text, type=_List)


def prices_date() -> str:
    """The day on which the prices in this package were true, as `2026-11-24`."""
    return _listed().date


def listed_models(provider: str) -> int:
    """How many models of a provider have a price in this package."""
    return len(_listed().providers.get(LISTED_AS.get(provider, provider), ()))


@cache
def listed(provider: str, model: str) -> Price | None:
    """The price of a model as listed in this package; None: unknown. Names are compared in lower case."""
    for pattern, *levels in _listed().providers.get(LISTED_AS.get(provider, provider), ()):
        if isinstance(pattern, str) and re.search(pattern, model.lower()):
            return tuple(_level(level) for level in levels if isinstance(level, list))
    return None


def _level(row: Sequence[float | None]) -> Level:
    above, read, written, cached, stored = row
    return Level(int(above or 0), read or 0.0, written or 0.0, cached, stored)


def level_of(price: Price, tokens_in: float) -> Level:
    """What is paid in a request of so many tokens."""
    return next((level for level in reversed(price) if tokens_in > level.above), price[0])


def cost_usd(price: Price | None, tokens: Tokens) -> float | None:
    """What a call cost; None where the price or a count is unknown."""
    if price is None or tokens.read is None or tokens.written is None:
        return None
    level, cached, stored = level_of(price, tokens.read), tokens.cached or 0, tokens.stored or 0
    total = max(0, tokens.read - cached - stored) * level.input + tokens.written * level.output
    total += cached * (level.input if level.cached is None else level.cached)
    total += stored * (level.input if level.stored is None else level.stored)
    return total / MILLION


def worst_usd(price: Price | None, tokens_in: int, tokens_out_max: int) -> float | None:
    """What a call may cost at most; None: its price is unknown."""
    if price is None:
        return None
    read = tokens_in * WORST_READ
    level = level_of(price, read)
    return (read * max(level.input, level.stored or 0.0) + tokens_out_max * level.output) / MILLION


def usage_of(price: Price | None, tokens: Tokens) -> Usage:
    """What a turn used, as it is recorded."""
    return Usage(tokens_in=tokens.read, tokens_out=tokens.written, tokens_cached=tokens.cached, cost_usd=cost_usd(price, tokens))
