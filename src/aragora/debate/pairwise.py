"""Duels between answers, and the rules that decide by them. Imports the standard library only.

Strength is the margin: ballots that prefer the one minus ballots that prefer the other. Nothing here depends on the order or the
names of the answers, so ties stay ties.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations, groupby, permutations

# By how many ballots the first answer of a pair beats the second; negative when it loses.
Duels = dict[tuple[str, str], int]


def duels(answers: Sequence[str], placed: Sequence[Mapping[str, int]]) -> Duels:
    """Hold a duel between every two answers, from each ballot's places."""
    found: Duels = {}
    for one, other in combinations(answers, 2):
        lead = sum((places[one] < places[other]) - (places[one] > places[other]) for places in placed)
        found[one, other], found[other, one] = lead, -lead
    return found


def copeland(answers: Sequence[str], held: Duels) -> dict[str, float]:
    """Duels won, a drawn one counting half."""
    return {
        one: sum((held[one, other] > 0) + (held[one, other] == 0) / 2 for other in answers if other != one) for one in answers
    }


def schulze(answers: Sequence[str], held: Duels) -> dict[str, float]:
    """1 for the answers that none beats along the strongest paths; a path is as strong as its weakest duel."""
    paths = {pair: max(margin, 0) for pair, margin in held.items()}
    for middle in answers:
        for one, other in permutations(answers, 2):
            if middle not in (one, other):
                detour = min(paths[one, middle], paths[middle, other])
                paths[one, other] = max(paths[one, other], detour)
    return _unbeaten(answers, {pair for pair in paths if paths[pair] > paths[pair[::-1]]})


def ranked_pairs(answers: Sequence[str], held: Duels) -> dict[str, float]:
    """Settle the clearest duels first, skipping what contradicts clearer ones; duels of equal margin are settled together."""
    settled: set[tuple[str, str]] = set()
    won = sorted((pair for pair, margin in held.items() if margin > 0), key=lambda pair: -held[pair])
    for _, group in groupby(won, key=lambda pair: held[pair]):
        known = _reachable(answers, settled)
        settled |= {pair for pair in group if pair[::-1] not in known}
    known = _reachable(answers, settled)
    return _unbeaten(answers, {pair for pair in known if pair[::-1] not in known})


def _unbeaten(answers: Sequence[str], beats: set[tuple[str, str]]) -> dict[str, float]:
    """1 for answers that none beats, 0 for the others."""
    beaten = {loser for _, loser in beats}
    return {answer: float(answer not in beaten) for answer in answers}


def _reachable(answers: Sequence[str], settled: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Every pair that is joined by a chain of settled duels."""
    found = set(settled)
    for middle in answers:
        before = [one for one in answers if (one, middle) in found]
        after = [other for other in answers if (middle, other) in found]
        found |= {(one, other) for one in before for other in after if one != other}
    return found
