"""What a seat is shown: the newest messages that fit into a bound of tokens. Imports `model` only."""

from collections.abc import Sequence
from dataclasses import replace

from aragora.debate.model import Message

# UTF-8 bytes per token. Close for English text and code, and on the safe side for scripts of three bytes a character.
BYTES_PER_TOKEN = 4
# What fencing and a label cost for each message, in tokens.
OVERHEAD_TOKENS = 24
CUT = " […]"


def tokens(text: str) -> int:
    """Estimate how many tokens a model reads in `text`; the same for every provider, so that a replay sees the same."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return -(-size // BYTES_PER_TOKEN)


def fit(messages: Sequence[Message], tokens_max: int) -> tuple[Message, ...]:
    """Keep the newest messages, in their order, within `tokens_max`.

    What matters most comes last: the standing answers and the critiques of this round. When even the messages of the newest
    turn do not fit, each is shortened to an equal share, so that a long answer cannot push out a short one.
    """
    spent, kept = 0, 0
    for message in reversed(messages):
        spent += tokens(message.content) + OVERHEAD_TOKENS
        if spent > tokens_max:
            break
        kept += 1
    if kept == len(messages):
        return tuple(messages)
    last = messages[-1]
    newest = sum(1 for m in messages if (m.round, m.phase) == (last.round, last.phase))
    if kept >= newest:
        return tuple(messages[len(messages) - kept :])
    share = max(0, tokens_max // newest - OVERHEAD_TOKENS)
    return tuple(
        replace(m, content=shorten(m.content, share)) for m in messages if (m.round, m.phase) == (last.round, last.phase)
    )


def shorten(text: str, tokens_max: int) -> str:
    """Cut `text` to `tokens_max` estimated tokens, saying that it was cut."""
    if tokens(text) <= tokens_max:
        return text
    room = max(0, tokens_max * BYTES_PER_TOKEN - len(CUT.encode()))
    return text.encode("utf-8", "surrogatepass")[:room].decode("utf-8", "ignore") + CUT
