"""The readable name of a debate, for URLs. Imports nothing of ours."""

import re
import unicodedata

SLUG_CHARS_MAX, SLUG_TAIL_CHARS = 60, 10


def slug_of(topic: str, debate_id: str) -> str:
    """The topic as a piece of a URL, made unique by the random end of the id."""
    plain = unicodedata.normalize("NFKD", topic).encode("ascii", "ignore").decode().lower()
    words = "-".join(re.findall(r"[a-z0-9]+", plain))[:SLUG_CHARS_MAX].strip("-")
    return "-".join(part for part in (words, debate_id[-SLUG_TAIL_CHARS:]) if part)
