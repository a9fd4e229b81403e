"""What somebody may see of what many own, as conditions in SQL. Imports its siblings.

Every list asks one of these, so that no list shows what its debate's own page would not.
"""

from aragora.store import Value
from aragora.store.records import Reader


def seen(reader: Reader | None, params: dict[str, Value], table: str = "debates") -> str:
    """A condition on debates: the public ones, and the reader's own; nothing where all may be seen."""
    if reader is None:
        return ""
    params["reader"] = reader.user_id
    return f" AND ({table}.visibility = 'public' OR {table}.owner_id = :reader)"


def owned(reader: Reader | None, params: dict[str, Value]) -> str:
    """A condition on what is nobody's else: the reader's own, and what was made when nobody had to log in."""
    if reader is None:
        return ""
    params["reader"] = reader.user_id
    return " AND (owner_id IS NULL OR owner_id = :reader)"
