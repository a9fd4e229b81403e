"""The form of replies that are read by a program: a JSON schema for each, and the request to mend one. Imports siblings only."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from aragora.debate.context import shorten
from aragora.debate.model import Brief, Phase, Turn
from aragora.debate.prompts import Prompt, labels

BALLOTS = frozenset({Phase.VOTE, Phase.JUDGE})
MEND = "No choice could be read in it. Reply again, with nothing but the JSON object that was asked for."
MEND_TOKENS_MAX = 500

Schema = dict[str, object]
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}


def schema(brief: Brief, turn: Turn) -> Schema | None:
    """The JSON schema that the reply to a turn must follow; None where plain text is asked for."""
    names = labels(brief, turn)
    if turn.phase in BALLOTS:
        return _ballot(sorted(names[seat] for seat in turn.choices))
    targets = sorted({names[message.seat] for message in turn.sees if message.seat in names})
    if turn.phase is Phase.CRITIQUE and targets:
        return _object({"target": _one_of(targets), "text": TEXT})
    return None


def _ballot(choices: Sequence[str]) -> Schema:
    label = _one_of(choices)
    return _object(
        {
            "choice": label,
            "confidence": NUMBER,
            "reason": TEXT,
            "ranking": _list(label),
            "scores": _object(dict.fromkeys(choices, NUMBER)),
            "objects": _list(label),
            "same": _list(_list(label)),
            "cites": _list({"type": "integer"}),
        }
    )


def _one_of(choices: Sequence[str]) -> Schema:
    return {"type": "string", "enum": [*choices]}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(fields: Schema) -> Schema:
    """Vendors take a subset of JSON Schema: every field is required, there are none besides, and numbers have no bounds."""
    return {"type": "object", "properties": fields, "required": [*fields], "additionalProperties": False}


def mend(brief: Brief, turn: Turn, prompt: Prompt, reply: str) -> Prompt:
    """Ask once more for a ballot that could not be read. What was replied is fenced like any text."""
    marker = sha256(f"{brief.seed}/{turn.key}/mend".encode()).hexdigest()[:16]
    said = f"Your reply:\n<<{marker}>>\n{shorten(reply, MEND_TOKENS_MAX)}\n<</{marker}>>"
    return replace(prompt, user=f"{prompt.user}\n\n{said}\n\n{MEND}")
