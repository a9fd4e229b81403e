"""Write src/aragora/providers/prices.json from the genai-prices package, a development dependency. Run it, read the diff, commit.

Of prices that change with the hour of the day the dearest is kept, so that no reservation is too small.
"""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from genai_prices.data import providers
from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    ModelInfo,
    ModelPrice,
    TieredPrices,
)

PROVIDERS = ("anthropic", "openai", "google", "mistral", "deepseek", "groq", "openrouter", "x-ai")
FIELDS = ("input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok")
TARGET = Path(__file__).parent.parent / "src" / "aragora" / "providers" / "prices.json"


def pattern(clause: object) -> str:
    """The regular expression that matches the same lower-case names as a clause."""
    match clause:
        case ClauseEquals():
            return f"^{re.escape(clause.equals.lower())}$"
        case ClauseStartsWith():
            return f"^{re.escape(clause.starts_with.lower())}"
        case ClauseEndsWith():
            return f"{re.escape(clause.ends_with.lower())}$"
        case ClauseContains():
            return re.escape(clause.contains.lower())
        case ClauseRegex():
            return clause.regex
        case ClauseOr():
            return "|".join(f"(?:{pattern(part)})" for part in clause.or_)
        case ClauseAnd():
            return "^" + "".join(f"(?=.*?(?:{pattern(part)}))" for part in clause.and_)
    raise TypeError(type(clause).__name__)


def level(price: ModelPrice, tokens: int) -> list[float | None]:
    """The price of each kind of token in a request of more than `tokens` tokens."""
    values: list[float | None] = []
    for name in FIELDS:
        value = getattr(price, name, None)
        if isinstance(value, TieredPrices):
            value = next((tier.price for tier in reversed(value.tiers) if tier.start <= tokens), value.base)
        values.append(None if value is None else float(value))
    return values


def levels(price: ModelPrice) -> list[list[float | None]]:
    """Every level of a price: above how many tokens of request it holds, and what it is."""
    tiered = [value for name in FIELDS if isinstance(value := getattr(price, name, None), TieredPrices)]
    starts = sorted({0} | {tier.start for value in tiered for tier in value.tiers})
    return [[start, *level(price, start)] for start in starts]


def row(model: ModelInfo, now: datetime) -> list[object] | None:
    """A model in the list; None for what is not sold by the token."""
    hours = [model.get_prices(now.replace(hour=0, minute=30) + timedelta(hours=hour)) for hour in range(24)]
    found = max((levels(price) for price in hours), key=lambda some: [value or 0 for value in some[0]])
    if any(some[1] is None or some[2] is None for some in found):
        return None
    return [pattern(model.match), *found]


def main() -> None:
    """Write the list."""
    now = datetime.now(UTC)
    listed = {
        provider.id: [found for model in provider.models if (found := row(model, now)) is not None]
        for provider in providers
        if provider.id in PROVIDERS
    }
    lines = [f'"{name}": [\n' + ",\n".join(json.dumps(found) for found in rows) + "\n]" for name, rows in listed.items()]
    head = f'"date": "{now:%Y-%m-%d}",\n"source": "genai-prices {version("genai-prices")}"'
    TARGET.write_text("{\n" + head + ',\n"providers": {\n' + ",\n".join(lines) + "\n}}\n")
    sys.stdout.write(f"{sum(map(len, listed.values()))} models\n")


if __name__ == "__main__":
    main()
