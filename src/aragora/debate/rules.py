"""Decision rules: each a pure function from an election to a score for every answer; the highest leads. Imports siblings only.

Every rule reads the same ballots. One that needs more than a ballot says uses what is there: a ballot with no ranking ranks
by its scores, else puts its choice before all others; a ballot with no scores scores by its ranking.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log
from statistics import median

from aragora.debate import pairwise
from aragora.debate.model import Ballot

# Shares such as 2/3 have no exact float; a count this close below a whole number is that number.
ROUNDING = 1e-9
# Scores this close are equal: sums of thirds must not decide a debate by their last bit.
EQUAL = 1e-9
# A score of at least this approves of an answer.
APPROVES = 0.5
# Stated confidence is trusted within these bounds: nobody is quite sure, and a chosen answer is held likelier than not.
CONFIDENCE_MIN, CONFIDENCE_MAX = 0.55, 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Election:
    """The answers that stand and the ballots that came, each naming standing answers only."""

    answers: tuple[str, ...]
    ballots: tuple[Ballot, ...]


Scores = dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How answers are scored, and how many of the eligible must have chosen the leader."""

    says: str
    scores: Callable[[Election], Scores]
    needed: Callable[[int], int]


def leaders(scores: Mapping[str, float]) -> tuple[str, ...]:
    """The answers with the highest score, sorted; none where nothing was scored."""
    top = max(scores.values(), default=0.0)
    return tuple(sorted(answer for answer, score in scores.items() if top - score <= EQUAL))


def ranks(ballot: Ballot, answers: Sequence[str]) -> dict[str, int]:
    """The place of each answer on a ballot, 0 for the best; equals share a place and those left out the last."""
    if ballot.ranking:
        places = {answer: place for place, answer in enumerate(ballot.ranking)}
    elif ballot.scores:
        steps = sorted(set(ballot.scores.values()), reverse=True)
        places = {answer: steps.index(score) for answer, score in ballot.scores.items()}
    else:
        places = {ballot.choice: 0}
    return {answer: places.get(answer, len(answers)) for answer in answers}


def grades(ballot: Ballot, answers: Sequence[str]) -> Scores:
    """How good a ballot finds each answer, 0 to 1: as it says, or by its ranking, per ballot from 1 down to 0."""
    if ballot.scores:
        return {answer: ballot.scores.get(answer, 0.0) for answer in answers}
    return points(ballot, answers)


def points(ballot: Ballot, answers: Sequence[str]) -> Scores:
    """Borda points of one ballot, from 1 for the best to 0 for the last; equals share the points of their places."""
    last = len(answers) - 1
    if last == 0:
        return dict.fromkeys(answers, 1.0)
    placed = ranks(ballot, answers)
    better = {place: sum(other < place for other in placed.values()) for place in placed.values()}
    equal = Counter(placed.values())
    return {answer: (last - better[place] - (equal[place] - 1) / 2) / last for answer, place in placed.items()}


def plurality(election: Election) -> Scores:
    """Ballots that chose each answer."""
    counts = Counter(ballot.choice for ballot in election.ballots)
    return {answer: float(counts[answer]) for answer in election.answers}


def consent(election: Election) -> Scores:
    """Ballots that chose each answer, among the answers to which nobody objects."""
    refused = {answer for ballot in election.ballots for answer in ballot.objects}
    return {answer: votes for answer, votes in plurality(election).items() if answer not in refused}


def approval(election: Election) -> Scores:
    """Ballots that find each answer good enough: their choice, and whatever they score at a half or more."""
    approved = Counter(
        answer
        for ballot in election.ballots
        for answer in election.answers
        if answer == ballot.choice or ballot.scores.get(answer, 0.0) >= APPROVES
    )
    return {answer: float(approved[answer]) for answer in election.answers}


def score(election: Election) -> Scores:
    """The sum of all grades."""
    return _summed(election, grades)


def borda(election: Election) -> Scores:
    """The sum of all Borda points, each ballot worth the same."""
    return _summed(election, points)


def majority_judgment(election: Election) -> Scores:
    """The order of the answers by their median grade, ties broken as Balinski and Laraki do: take one median out, look again."""
    given = {
        answer: sorted(grades(ballot, election.answers)[answer] for ballot in election.ballots) for answer in election.answers
    }
    gauges = {answer: _gauge(values) for answer, values in given.items()}
    steps = sorted(set(gauges.values()))
    return {answer: float(steps.index(gauge)) for answer, gauge in gauges.items()}


def irv(election: Election) -> Scores:
    """Instant run-off: the round in which an answer fell out; those with the fewest first places fall together."""
    standing, fell = list(election.answers), dict[str, float]()
    placed = [ranks(ballot, election.answers) for ballot in election.ballots]
    number = 0
    while standing:
        number += 1
        firsts = dict.fromkeys(standing, 0.0)
        for places in placed:
            best = min(places[answer] for answer in standing)
            top = [answer for answer in standing if places[answer] == best]
            for answer in top:
                firsts[answer] += 1 / len(top)
        fewest = min(firsts.values())
        out = [answer for answer, votes in firsts.items() if votes - fewest <= EQUAL]
        fell |= dict.fromkeys(out, float(number))
        standing = [answer for answer in standing if answer not in fell]
    return fell


def confidence_weighted(election: Election) -> Scores:
    """Ballots that chose each answer, weighted by the log-odds of their confidence; unsaid is the middle of what was said."""
    said = [ballot.confidence for ballot in election.ballots if ballot.confidence is not None]
    unsaid = median(said) if said else CONFIDENCE_MIN
    totals = dict.fromkeys(election.answers, 0.0)
    for ballot in election.ballots:
        sure = min(max(unsaid if ballot.confidence is None else ballot.confidence, CONFIDENCE_MIN), CONFIDENCE_MAX)
        if ballot.choice in totals:
            totals[ballot.choice] += log(sure / (1 - sure))
    return totals


def copeland(election: Election) -> Scores:
    """Duels won, a drawn one counting half."""
    return pairwise.copeland(election.answers, _duels(election))


def schulze(election: Election) -> Scores:
    """1 for the answers that none beats along the strongest paths of won duels."""
    return pairwise.schulze(election.answers, _duels(election))


def ranked_pairs(election: Election) -> Scores:
    """1 for the answers that no won duel speaks against, once the clearest duels have been settled first."""
    return pairwise.ranked_pairs(election.answers, _duels(election))


def at_least(share: float, eligible: int) -> int:
    """The smallest count that is `share` of `eligible`, at least 1."""
    return max(1, ceil(share * eligible - ROUNDING))


def anybody(_eligible: int) -> int:
    """No more than having the highest score."""
    return 0


def majority(eligible: int) -> int:
    """More than half."""
    return eligible // 2 + 1


def supermajority(eligible: int) -> int:
    """Two thirds or more."""
    return at_least(2 / 3, eligible)


def unanimous(eligible: int) -> int:
    """Everybody."""
    return eligible


RULES: dict[str, Rule] = {
    "plurality": Rule(says="more votes than any other answer", scores=plurality, needed=anybody),
    "majority": Rule(says="votes of more than half of all seats", scores=plurality, needed=majority),
    "supermajority": Rule(says="votes of two thirds of all seats", scores=plurality, needed=supermajority),
    "unanimous": Rule(says="votes of all seats", scores=plurality, needed=unanimous),
    "consent": Rule(says="most votes among the answers to which nobody objects", scores=consent, needed=anybody),
    "approval": Rule(says="found good enough by most", scores=approval, needed=anybody),
    "score": Rule(says="the highest sum of grades", scores=score, needed=anybody),
    "majority_judgment": Rule(says="the highest median grade", scores=majority_judgment, needed=anybody),
    "borda": Rule(says="the most points over all places of all rankings", scores=borda, needed=anybody),
    "copeland": Rule(says="wins the most duels", scores=copeland, needed=anybody),
    "schulze": Rule(says="beats the others along the strongest paths of duels", scores=schulze, needed=anybody),
    "ranked_pairs": Rule(says="stands when the clearest duels are settled first", scores=ranked_pairs, needed=anybody),
    "irv": Rule(says="outlasts the others as the answer with the fewest first places drops out", scores=irv, needed=anybody),
    "confidence_weighted": Rule(
        says="most votes, each weighing as much as it is sure", scores=confidence_weighted, needed=anybody
    ),
}


def _summed(election: Election, worth: Callable[[Ballot, Sequence[str]], Scores]) -> Scores:
    totals = dict.fromkeys(election.answers, 0.0)
    for ballot in election.ballots:
        for answer, value in worth(ballot, election.answers).items():
            totals[answer] += value
    return totals


def _gauge(values: Sequence[float]) -> tuple[float, ...]:
    """Lower medians in the order in which they are taken out; comparing two such sequences is majority judgment."""
    left, taken = list(values), []
    while left:
        taken.append(left.pop((len(left) - 1) // 2))
    return tuple(taken)


def _duels(election: Election) -> pairwise.Duels:
    return pairwise.duels(election.answers, [ranks(ballot, election.answers) for ballot in election.ballots])
