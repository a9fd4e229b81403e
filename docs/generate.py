"""Writes the reference pages that the code itself can tell: settings, metrics and routes. Run by `make docs`."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields
from pathlib import Path

from aragora.api import Endpoint, Param
from aragora.api.routes import API, ROOT
from aragora.config import PREFIX, TOML_NAME, Settings, about, env_name
from aragora.metrics import GAUGES, SERIES_MAX, Counts, Metrics

REFERENCE = Path(__file__).parent / "reference"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in (head, ["---"] * len(head), *rows)]


def settings() -> str:
    """Every setting, with its default, bounds and help."""
    lines = [
        "# Settings",
        "",
        "Generated from `src/aragora/config.py` by `make docs`.",
        "",
        f"A flag wins over the environment, the environment over `{TOML_NAME}` in the working directory, and the file over the",
        f"default. In the file a setting has its name in small letters, without `{PREFIX}`. All faults are reported at once; a",
        "name that does not exist is a fault. A secret may be given in a file of its own: then `NAME_FILE` holds the path.",
    ]
    sections: dict[str, list[list[str]]] = {}
    section = ""
    for known in fields(Settings):
        section = about(known).section or section
        sections.setdefault(section, []).append(_setting(known))
    for section, rows in sections.items():
        lines += ["", f"## {section}", "", *table(["Environment variable", "Default", "Bounds", "What it is"], rows)]
    return "\n".join(lines) + "\n"


def _setting(known: "Field[object]") -> list[str]:
    rules = about(known)
    default = f"`{known.default}`" if known.default != "" else "empty"
    limits = rules.bounds.removeprefix("from ") if rules.high < math.inf else ", ".join(rules.choices) or "text"
    also = f" Also read from `{rules.alias}`." if rules.alias else ""
    return [f"`{env_name(known.name)}`", default, limits, rules.text + also + (" Secret." if rules.secret else "")]


def metrics() -> str:
    """Every metric, with its type, labels and help."""
    rows = [
        [f"`{each.name}`", "counter" if isinstance(each, Counts) else "histogram", ", ".join(each.labels), each.text]
        for each in Metrics().labelled
    ]
    rows += [[f"`{name}`", "gauge", "", text] for name, text in GAUGES.items()]
    lines = [
        "# Metrics",
        "",
        "Generated from `src/aragora/metrics.py` by `make docs`. Names and labels are public API: they change only with a major",
        "version. `endpoint` is the template of a route, never a path that was asked for. Beyond a bound on the label sets of a",
        f"metric ({SERIES_MAX}) further ones are counted together, with every label `other`.",
        "",
        *table(["Metric", "Type", "Labels", "What it is"], rows),
    ]
    return "\n".join(lines) + "\n"


def api() -> str:
    """Every route, with its parameters and statuses."""
    head = ["Request", "Path", "What it does", "Parameters", "Statuses", "Limit", "Who"]
    lines = [
        "# HTTP API",
        "",
        "Generated from `src/aragora/api/routes.py` by `make docs`; `/openapi.json` has the same with every field. Whatever is",
        "under `/api` is under `/api/v1` too. `/ws` is the WebSocket, on both ports. Limit names the rate limit that applies, as",
        "in `ARAGORA_RATE_LIMIT_DEFAULT`. Who says what is asked of a caller: nothing (anyone), a login where `ARAGORA_AUTH` is",
        "`required` (caller), a login in any case (account), to be the server's admin, to be allowed to read the debate (reader)",
        "or to own it (owner). The [guide to users and keys](../howto/users-and-keys.md) says more.",
        "",
        *table(head, [_route("/api", each) for each in API]),
        "",
        *table(head, [_route("", each) for each in ROOT]),
    ]
    return "\n".join(lines) + "\n"


def _route(prefix: str, endpoint: Endpoint) -> list[str]:
    statuses = ", ".join(map(str, sorted({endpoint.status, *endpoint.also, *endpoint.errors})))
    params = ", ".join(map(_param, endpoint.params))
    return [endpoint.method, f"`{prefix}{endpoint.path}`", endpoint.summary, params, statuses, endpoint.limit, endpoint.access]


def _param(param: Param) -> str:
    if param.choices:
        return f"`{param.name}`: {', '.join(param.choices)}"
    return f"`{param.name}`" if param.low is None else f"`{param.name}`: {param.low} to {param.high}"


def sdk() -> str:
    """Every method of the public client, and whether it is served."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests/conformance"))
    from sdk_calls import page  # noqa: PLC0415 - a test's table, found only now

    return page()


PAGES: Mapping[str, Callable[[], str]] = {"settings": settings, "metrics": metrics, "api": api, "sdk": sdk}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (REFERENCE / f"{name}.md").write_text(page(), "utf-8")
