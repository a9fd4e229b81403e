"""When a debate ends before its last round, and the reason it states. Imports siblings only.

Every reason is computed from the messages alone, so a replay stops where the first run did.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from aragora.debate.costs import spent_usd
from aragora.debate.floor import Floor
from aragora.debate.model import Brief, Fault, Message, Tally
from aragora.debate.similarity import repeats

REASONS: Mapping[str, str] = {
    "agreement": "The rule was met with the support of more than half of all seats.",
    "settled": "The leader could no longer be overtaken: even all seats that had moved or were missing could not do it.",
    "nothing_new": "Nobody said anything new and nobody changed their vote.",
    "uncontested": "The blind vote met the rule, so there was nothing to debate.",
    "converged": "The estimates came within the tolerance of each other.",
    "budget": "Another round could have passed the cost limit.",
    "deadline": "Another round could have passed the time limit.",
    "rounds": "The last round was over.",
    "quorum": "Too few ballots were heard to decide.",
    "nobody": "Nobody gave an answer.",
    "cancelled": "Somebody stopped the debate.",
    "error": "The debate itself broke.",
}
# The reasons that a brief may switch on and off.
OPTIONAL = ("agreement", "settled", "nothing_new")
# Before this round there is nothing that a text could repeat.
FIRST_REPETITION = 2
# It takes two votes to see who moved.
VOTES_COMPARED = 2


def why_stop(brief: Brief, floor: Floor, number: int, tally: Tally) -> str:
    """The reason to end after round `number`; empty: hold another one."""
    if agreed(brief, tally) and ("agreement" in brief.stops or number >= brief.rounds):
        return "agreement"
    if number >= brief.rounds:
        return "rounds"
    if "settled" in brief.stops and settled(floor, tally):
        return "settled"
    if "nothing_new" in brief.stops and nothing_new(floor, number):
        return "nothing_new"
    return _spent(brief, floor, number)


def agreed(brief: Brief, tally: Tally) -> bool:
    """Whether the rule is met by an answer that more than half of all seats chose, or that nobody objects to."""
    return tally.reached and (2 * tally.agreement > 1 or brief.rule == "consent")


def settled(floor: Floor, tally: Tally) -> bool:
    """Whether the leader stays ahead though every seat that moved in the last vote, or was missing, went to one rival.

    A vote in which seats keep moving is never settled, however alike its counts look from round to round.
    """
    if len(floor.chosen) < VOTES_COMPARED or tally.leader is None:
        return False
    before, now = floor.chosen[-VOTES_COMPARED:]
    held = Counter(choice for seat, choice in now.items() if before.get(seat) == choice)
    loose = tally.eligible - held.total()
    ranked = held.most_common(VOTES_COMPARED)
    ahead = [*(votes for _, votes in ranked), 0, 0]
    return ahead[0] > ahead[1] + loose


def nothing_new(floor: Floor, number: int) -> bool:
    """Whether every text of the round repeats an earlier one of the same seat, and no vote changed."""
    if number < FIRST_REPETITION or len(floor.chosen) < VOTES_COMPARED or floor.chosen[-1] != floor.chosen[-2]:
        return False
    texts = floor.said(number)
    return bool(texts) and all(_repeated(floor, text, number) for text in texts)


def _repeated(floor: Floor, text: Message, number: int) -> bool:
    earlier = [m.content for m in floor.heard if m.seat == text.seat and m.round < number and m.spoke and m.ballot is None]
    return repeats(text.content, earlier)


def _spent(brief: Brief, floor: Floor, number: int) -> str:
    """Whether one more round as dear or as long as the dearest or longest so far would pass a limit."""
    if any(m.abstention is not None and m.abstention.fault is Fault.BUDGET for m in floor.heard):
        return "budget"
    costs, seconds = ([of(floor.heard, one) for one in range(number + 1)] for of in (cost_of, seconds_of))
    if brief.cost_usd_max is not None and sum(costs) + max(costs) > brief.cost_usd_max:
        return "budget"
    if brief.seconds_max is not None and sum(seconds) + max(seconds) > brief.seconds_max:
        return "deadline"
    return ""


def cost_of(heard: Sequence[Message], number: int) -> float:
    """What counts against the limit for a round, in dollars."""
    return spent_usd(m for m in heard if m.round == number)


def seconds_of(heard: Sequence[Message], number: int) -> float:
    """How long a round took: its phases follow each other, the seats of a phase speak at once."""
    phases = {m.phase for m in heard if m.round == number}
    return sum(max(m.seconds for m in heard if m.round == number and m.phase == phase) for phase in phases)
