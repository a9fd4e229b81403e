"""Whether a text says again what another said. Imports the standard library only.

For repetition and nothing else: likeness of wording cannot tell agreement from disagreement ("I agree that ..." and "I disagree
that ..." are nearly the same text), so no vote, position or consensus ever depends on it.
"""

import re
from collections.abc import Iterable

WORDS = re.compile(r"\w+", re.UNICODE)
SHINGLE_WORDS = 3
# The share of a text's word triples that an earlier text already had, from which on it is a repetition.
REPEATS = 0.8
NEGATIONS = frozenset({"not", "no", "never", "none", "neither", "nor", "cannot", "without", "t"})


def repeats(text: str, earlier: Iterable[str]) -> bool:
    """Whether one of the earlier texts already said nearly all of `text`; a new negation or number makes it new."""
    mine = _shingles(text)
    return any(len(mine & _shingles(old)) >= REPEATS * len(mine) and _turns(text) <= _turns(old) for old in earlier)


def _words(text: str) -> list[str]:
    return WORDS.findall(text.casefold())


def _shingles(text: str) -> set[tuple[str, ...]]:
    words = _words(text)
    size = min(SHINGLE_WORDS, max(1, len(words)))
    return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)} or {()}


def _turns(text: str) -> set[str]:
    """The words that turn a sentence round or change a figure."""
    return {word for word in _words(text) if word in NEGATIONS or word.isdigit()}
