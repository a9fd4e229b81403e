"""How many independent votes a panel is worth. Imports `model` only.

Models err alike, so five seats are fewer than five votes. Without a history of their own, pairs are taken to be as alike as
published measurements found language models to be.
"""

from collections.abc import Sequence
from itertools import combinations

from aragora.debate.model import Alike, Brief, Seat

# Mean correlation of being right on one question, over 2,485 pairs of 71 models in the public HELM table on MMLU.
PHI_SAME_VENDOR = 0.46
PHI_OTHER_VENDOR = 0.415
# One agent asked twice adds no vote until its history shows that it does.
PHI_SAME_AGENT = 1.0
# How many votes of history weigh as much as the published figures.
PRIOR_VOTES = 20


def effective_votes(brief: Brief, voters: Sequence[str]) -> float:
    """Kish's effective size of the panel that voted: n squared over the sum of all pairwise correlations."""
    seats = [seat for seat in brief.seats if seat.name in voters]
    if not seats:
        return 0.0
    shared = sum(max(0.0, correlation(brief.alike, one, other)) for one, other in combinations(seats, 2))
    return len(seats) ** 2 / (len(seats) + 2 * shared)


def correlation(alike: Sequence[Alike], one: Seat, other: Seat) -> float:
    """How alike two seats are expected to vote: their history, drawn towards the published figure while it is short."""
    pair = {one.agent, other.agent}
    known = next((past for past in alike if {past.one, past.other} == pair), None)
    prior = _prior(one.agent, other.agent)
    if known is None:
        return prior
    return (known.phi * known.votes + prior * PRIOR_VOTES) / (known.votes + PRIOR_VOTES)


def confidence_bound(share: float, votes: float) -> float:
    """The confidence that so many independent votes can carry, by Laplace's rule of succession: never certainty."""
    return (share * votes + 1) / (votes + 2)


def measure(pairs: Sequence[tuple[str, str]]) -> float:
    """Agreement beyond chance (Cohen's kappa) of two agents, from their choices in the same votes; 0 where nothing varied."""
    if not pairs:
        return 0.0
    total = len(pairs)
    agreed = sum(one == other for one, other in pairs) / total
    ones, others = [one for one, _ in pairs], [other for _, other in pairs]
    chance = sum(ones.count(option) * others.count(option) for option in set(ones)) / total**2
    return (agreed - chance) / (1 - chance) if chance < 1 else 0.0


def _prior(one: str, other: str) -> float:
    if one == other:
        return PHI_SAME_AGENT
    return PHI_SAME_VENDOR if one.partition(":")[0] == other.partition(":")[0] else PHI_OTHER_VENDOR
