"""What is worth remembering of a debate, and how near an old text comes to a new question. Imports siblings only."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aragora.debate.model import Brief, Decision, Message, Outcome

# A kept text has at most this many characters, of which the answer or claim gets what the question leaves.
CHARS_MAX = 600
CLAIMS_MAX = 3
# Of the words of a question that say what it is about, this share has to stand in a text that is recalled.
NEAR = 0.5
WORD = re.compile(r"[^\W_]+")
# Words that say nothing about what a question is about.
EMPTY = frozenset(
    """
    about after against also always and any are because been before being better between both but can could did does each else
    ever every few for from get had has have her here him his how into its just less like make many may might more most much must
    near need never not now off once one only other our out over own per same shall she should since some still such than that
    the their them then there these they this those too under until upon use very was well were what when where which while who
    whom whose why will with within without would yes yet you your
    """.split()  # noqa: SIM905 - a list of words is read as words
)
WORD_CHARS_MIN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepsake:
    """A text to remember; `settled` is what the whole panel stood behind."""

    content: str
    importance: float
    settled: bool


def keepsakes(brief: Brief, outcome: Outcome, heard: Sequence[Message]) -> tuple[Keepsake, ...]:
    """The outcome of a debate that was decided by more than half, and the claims that changed somebody's mind on the way."""
    if outcome.decision not in (Decision.CONSENSUS, Decision.MAJORITY) or not outcome.answer:
        return ()
    sure = outcome.account.confidence or 0.0
    settled = outcome.decision is Decision.CONSENSUS and not outcome.account.hollow
    votes = f"{outcome.tally.counts.get(outcome.winner or '', 0)} of {outcome.tally.eligible}" if outcome.tally else "no"
    asked = f"Question: {_short(brief.topic, CHARS_MAX // 2)}\n"
    stand = f"{outcome.position}. " if outcome.position else ""
    text = f"{asked}Decided ({outcome.decision}, {votes} votes): {stand}{outcome.answer}"
    said = {m.key: m.content for m in heard if m.spoke}
    cited = dict.fromkeys(key for switch in outcome.account.switches for key in switch.cites if key in said)
    claims = [f"{asked}A claim that changed a mind: {said[key]}" for key in list(cited)[:CLAIMS_MAX]]
    return (
        Keepsake(content=_short(text, CHARS_MAX), importance=sure, settled=settled),
        *(Keepsake(content=_short(claim, CHARS_MAX), importance=sure / 2, settled=False) for claim in claims),
    )


def about(text: str) -> frozenset[str]:
    """The words that say what a text is about."""
    return frozenset(word for word in WORD.findall(text.lower()) if len(word) >= WORD_CHARS_MIN and word not in EMPTY)


def nearness(question: frozenset[str], text: str) -> float:
    """The share of the words of a question that stand in a text."""
    return len(question & about(text)) / len(question) if question else 0.0


def _short(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"
