"""Full-text search: one table of texts, and the one place where the two databases are asked in different words.

SQLite has an FTS5 index of the table, PostgreSQL a GIN index. Both find the newest texts that have every word of a query, or a
word that begins with it. Of a query that fits more than `WITHIN_MAX` texts the newest are found, so no query can cost more.
Imports the port only.
"""

import re
from collections.abc import Sequence

from aragora.store import Dialect

WORDS_MAX = 16
WITHIN_MAX = 10_000

# Ids of the newest texts of a kind that fit.
FOUND: dict[Dialect, str] = {
    "sqlite": """
SELECT texts.id FROM texts_fts JOIN texts ON texts.n = texts_fts.rowid
WHERE texts_fts MATCH :words AND texts.kind = :kind ORDER BY texts_fts.rowid DESC LIMIT :within
""",
    "postgresql": """
SELECT id FROM texts WHERE to_tsvector('simple', body) @@ to_tsquery('simple', :words) AND kind = :kind
ORDER BY n DESC LIMIT :within
""",
}
# How a word is written so that it is none of their operators, and how words are joined: all of them, or any.
FORMS: dict[Dialect, tuple[str, str, str]] = {"sqlite": ('"{}"*', " ", " OR "), "postgresql": ("{}:*", " & ", " | ")}

ADD_TEXT = "INSERT INTO texts (kind, id, body) VALUES (:kind, :text_id, :body)"
CHANGE_TEXT = "UPDATE texts SET body = :body WHERE kind = :kind AND id = :text_id"
DELETE_TEXT = "DELETE FROM texts WHERE kind = :kind AND id = :text_id"


def words_of(dialect: Dialect, query: str) -> str:
    """The query in the words of a database: letters and digits only, so nothing in it is an operator; empty if it has none."""
    form, between, _ = FORMS[dialect]
    found = re.findall(r"[^\W_]+", query)[:WORDS_MAX]
    return between.join(form.format(word) for word in found)


def any_of(dialect: Dialect, words: Sequence[str]) -> str:
    """A query for texts that have any of these words, which are letters and digits only."""
    form, _, between = FORMS[dialect]
    return between.join(form.format(word) for word in words[:WORDS_MAX])
