"""From the SQL of the store to that of PostgreSQL: `:name` becomes a typed place. Imports the port only.

PostgreSQL wants to know the type of each parameter, and asks for no server-side statements when it is told in the text; through
a pooler there is nothing else. A type follows from the value, so a text is rewritten once for each set of types and then kept.
"""

import re
from functools import lru_cache

from aragora.store import Params, Value

TEXTS_MAX = 4096
# A literal and a cast are left alone; so is whatever looks like a name in them.
PLACE = re.compile(r"'(?:[^']|'')*'|::|:([a-z_][a-z0-9_]*)")
# A change to one row whose id is known: the row is locked before the statement looks at anything else.
ONE_ROW = re.compile(r"\s*UPDATE (\w+)\s.*?\sWHERE id = :id\b", re.DOTALL)

Types = tuple[tuple[str, str], ...]


def types_of(params: Params) -> Types:
    """The PostgreSQL type of each parameter, in order of name; `null` for what is not there."""
    return tuple(sorted((name, _type(value)) for name, value in params.items()))


def _type(value: Value) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return "text"
    return "float8" if isinstance(value, float) else "bigint"


@lru_cache(maxsize=TEXTS_MAX)
def positional(sql: str, types: Types) -> tuple[str, tuple[str, ...]]:
    """The statement with `$1::text` for `:name`, and the names in order of their numbers."""
    known = dict(types)
    names: list[str] = []

    def place(match: re.Match[str]) -> str:
        name = match[1]
        if name is None or known[name] == "null":
            return match[0] if name is None else "NULL"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}::{known[name]}"

    return PLACE.sub(place, sql), tuple(names)


@lru_cache(maxsize=TEXTS_MAX)
def from_json(sql: str, types: Types) -> str:
    """The statement with its parameters taken out of `$1`, one JSON object."""
    known = dict(types)

    def place(match: re.Match[str]) -> str:
        name = match[1]
        if name is None or known[name] == "null":
            return match[0] if name is None else "NULL"
        return f"($1->>'{name}')::{known[name]}"

    return PLACE.sub(place, sql)


@lru_cache(maxsize=TEXTS_MAX)
def locked_table(sql: str) -> str | None:
    """The table whose row `:id` the statement changes, if it is such a statement."""
    found = ONE_ROW.match(sql)
    return found[1] if found else None


@lru_cache(maxsize=TEXTS_MAX)
def returns(sql: str) -> bool:
    """Whether the statement gives rows back."""
    return re.search(r"\bRETURNING\b", sql) is not None or sql.lstrip()[:6].upper() == "SELECT"
