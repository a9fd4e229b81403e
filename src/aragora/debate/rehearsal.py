"""A debate held with stand-in texts: which turns it would ask if nobody ever agreed. Imports siblings only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from aragora.debate.context import BYTES_PER_TOKEN
from aragora.debate.model import Ballot, Brief, Message, Phase, Turn
from aragora.debate.protocols import PROTOCOLS

# Tokens of a usual reply; replies of unknown kinds are taken for answers.
USUAL_TOKENS: Mapping[Phase, int] = {Phase.CRITIQUE: 150, Phase.VOTE: 120, Phase.JUDGE: 150}
ANSWER_TOKENS = 400


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A turn that would be asked, and how many tokens a usual reply to it has."""

    turn: Turn
    tokens_out: int


def rehearse(brief: Brief) -> list[Rehearsed]:
    """Every turn of the longest debate that the brief allows."""
    script, asked = PROTOCOLS[brief.protocol](brief), list[Rehearsed]()
    heard: Sequence[Message] = ()
    try:
        step = next(script)
        while True:
            if isinstance(step, Sequence):
                turns = [Rehearsed(turn, USUAL_TOKENS.get(turn.phase, ANSWER_TOKENS)) for turn in step]
                asked += turns
                heard = [_stand_in(each.turn, each.tokens_out, place) for place, each in enumerate(turns)]
            else:
                heard = ()
            step = script.send(heard)
    except StopIteration:
        return asked


def _stand_in(turn: Turn, tokens: int, place: int) -> Message:
    """A message that convinces nobody: no two texts are alike, and no two seats vote alike, nor twice for the same."""
    text = _words(turn.key, tokens)
    message = Message(round=turn.round, phase=turn.phase, seat=turn.seat.name, content=text)
    if not turn.choices:
        return message
    choice = turn.choices[(place + turn.round) % len(turn.choices)]
    return Message(round=turn.round, phase=turn.phase, seat=turn.seat.name, content=text, ballot=Ballot(choice=choice))


def _words(key: str, tokens: int) -> str:
    word = sha256(key.encode()).hexdigest()
    words = (sha256(f"{word}{number}".encode()).hexdigest()[: BYTES_PER_TOKEN * 2 - 1] for number in range(tokens // 2))
    return " ".join(words)
