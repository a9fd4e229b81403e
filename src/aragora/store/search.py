"""Full-text search: one table of texts, and the one place where the two databases are asked in different words.

SQLite has FTS5 indices of the table, PostgreSQL GIN indices; memories have one of their own. Both find the newest texts that have
every word of a query, or a word that begins with it. Of a query that fits more than `WITHIN_MAX` texts the newest are found, so
that none can cost more. Imports the port only.
"""

import re
from collections.abc import Sequence
from typing import Literal

from aragora.store import Dialect

Kind = Literal["debate", "memory"]

WORDS_MAX = 16
WITHIN_MAX = 10_000

# SQLite's index of the words of each kind.
INDICES: dict[Kind, str] = {"debate": "texts_fts", "memory": "memories_fts"}
# How a word is written so that it is none of their operators, and how words are joined: all of them, or any.
FORMS: dict[Dialect, tuple[str, str, str]] = {"sqlite": ('"{}"*', " ", " OR "), "postgresql": ("{}:*", " & ", " | ")}

ADD_TEXT = "INSERT INTO texts (kind, id, body) VALUES (:kind, :text_id, :body)"
CHANGE_TEXT = "UPDATE texts SET body = :body WHERE kind = :kind AND id = :text_id"
DELETE_TEXT = "DELETE FROM texts WHERE kind = :kind AND id = :text_id"


def found(dialect: Dialect, kind: Kind) -> str:
    """The query for the ids of the newest texts of a kind that fit `:words`, at most `:within`."""
    if dialect == "sqlite":
        index = INDICES[kind]
        texts = f"{index} JOIN texts ON texts.n = {index}.rowid WHERE {index} MATCH :words"
        newest = f"{index}.rowid"
    else:
        texts, newest = "texts WHERE to_tsvector('simple', body) @@ to_tsquery('simple', :words)", "n"
    return f"SELECT texts.id FROM {texts} AND texts.kind = '{kind}' ORDER BY {newest} DESC LIMIT :within"  # noqa: S608 - ours


def words_of(dialect: Dialect, query: str) -> str:
    """The query in the words of a database: letters and digits only, so nothing in it is an operator; empty if it has none."""
    form, between, _ = FORMS[dialect]
    found = re.findall(r"[^\W_]+", query)[:WORDS_MAX]
    return between.join(form.format(word) for word in found)


def any_of(dialect: Dialect, words: Sequence[str]) -> str:
    """A query for texts that have any of these words, which are letters and digits only."""
    form, _, between = FORMS[dialect]
    return between.join(form.format(word) for word in words[:WORDS_MAX])
