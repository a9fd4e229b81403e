"""From ballots to a tally: who counts, which answers are one position, what the rule makes of it. Imports siblings only."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

from aragora.debate.model import Ballot, Brief, Decision, Message, Tally
from aragora.debate.rules import RULES, Election, Scores, at_least, leaders, majority

# The rules that only a stricter agreement than a majority meets.
STRICT = frozenset({"supermajority", "unanimous"})
Answers = Mapping[str, Message]


def count(brief: Brief, ballots: Sequence[Message], answers: Answers | None = None) -> Tally:
    """Count the ballots of one vote under the brief's rule. Seats that were missing stay in the denominator.

    Answers that stand for the same position are counted as one, under the name of the first seat that gave it.
    """
    election, received = election_of(brief, ballots, answers or {})
    votes = Counter(ballot.choice for ballot in election.ballots)
    scores = RULES[brief.rule].scores(election) if election.ballots and election.answers else {}
    eligible = len(brief.seats)
    lead = leaders(scores)
    leader = lead[0] if len(lead) == 1 else None
    support = votes[leader] if leader is not None else max(votes.values(), default=0)
    needed = RULES[brief.rule].needed(eligible)
    if brief.threshold is not None:
        needed = max(needed, at_least(brief.threshold, eligible))
    return Tally(
        leader=leader,
        agreement=support / eligible,
        reached=leader is not None and support >= needed and received >= brief.quorum_needed,
        # Sorted, so that equal ballots give equal bytes whatever the order in which they came.
        counts=dict(sorted(votes.items(), key=lambda item: (-item[1], item[0]))),
        eligible=eligible,
        received=received,
        tied=lead if len(lead) > 1 else (),
        scores=dict(sorted(scores.items(), key=lambda item: (-item[1], item[0]))),
    )


def election_of(brief: Brief, ballots: Sequence[Message], answers: Answers) -> tuple[Election, int]:
    """The election that a rule decides, and how many valid ballots it had. A veto takes an answer off the list."""
    valid = cast(brief, ballots)
    first = representatives(brief, valid, answers)
    merged = tuple(merge(m.ballot, first) for m in valid if m.ballot is not None)
    standing = dict.fromkeys(first.values() if answers else sorted({ballot.choice for ballot in merged}))
    refused = {answer for ballot in merged for answer in ballot.objects} if brief.veto else set[str]()
    return Election(answers=tuple(answer for answer in standing if answer not in refused), ballots=merged), len(merged)


def cast(brief: Brief, ballots: Sequence[Message]) -> list[Message]:
    """The messages with a ballot that counts: a vote for oneself does not where the brief forbids it."""
    return [m for m in ballots if m.ballot is not None and (brief.self_vote or m.ballot.choice != m.seat)]


def representatives(brief: Brief, ballots: Sequence[Message], answers: Answers) -> dict[str, str]:
    """The seat under whose name each standing answer is counted: the first one of the same position.

    Answers to a closed question are the same when they name the same option; those to an open one when more than half of all
    seats say that they are. Likeness of wording plays no part: it cannot tell a claim from its denial.
    """
    first = {seat.name: seat.name for seat in brief.seats if seat.name in answers}
    first |= {name: name for name in answers if name not in first}
    said = [m.ballot.same for m in ballots if m.ballot is not None and m.ballot.same]
    for one, other in combinations(first, 2):
        declared = answers[one].position != "" and answers[one].position == answers[other].position
        if declared or _held_same(brief, said, one, other):
            old, new = first[other], first[one]
            first = {seat: new if name == old else name for seat, name in first.items()}
    return first


def _held_same(brief: Brief, said: Sequence[tuple[tuple[str, ...], ...]], one: str, other: str) -> bool:
    needed = majority(len(brief.seats))
    if len(said) < needed:
        return False
    return sum(any(one in group and other in group for group in groups) for groups in said) >= needed


def merge(ballot: Ballot, first: Mapping[str, str]) -> Ballot:
    """The same ballot over positions instead of answers; a position is worth the best that is said of any of its answers."""
    scores: Scores = {}
    for seat, value in ballot.scores.items():
        name = first.get(seat, seat)
        scores[name] = max(scores.get(name, 0.0), value)
    return Ballot(
        choice=first.get(ballot.choice, ballot.choice),
        confidence=ballot.confidence,
        reason=ballot.reason,
        ranking=tuple(dict.fromkeys(first.get(seat, seat) for seat in ballot.ranking)),
        scores=scores,
        objects=tuple(sorted({first.get(seat, seat) for seat in ballot.objects})),
        same=ballot.same,
    )


def stances(brief: Brief, ballots: Sequence[Message], answers: Answers) -> dict[str, str]:
    """What each voter stood for: the declared position of its choice, else the answer itself."""
    valid = cast(brief, ballots)
    first = representatives(brief, valid, answers)
    chosen = {m.seat: m.ballot.choice for m in valid if m.ballot is not None}
    return {seat: position(choice, answers) or first.get(choice, choice) for seat, choice in chosen.items()}


def position(choice: str, answers: Answers) -> str:
    """The position that an answer declared; empty if it declared none."""
    return answers[choice].position if choice in answers else ""


def decide(brief: Brief, tally: Tally) -> Decision:
    """Say in one word what a tally means."""
    if tally.received < brief.quorum_needed:
        return Decision.INSUFFICIENT_QUORUM
    if tally.leader is None:
        return Decision.DEADLOCK
    votes = tally.counts.get(tally.leader, 0)
    if votes == tally.eligible or (tally.reached and brief.rule in STRICT):
        return Decision.CONSENSUS
    return Decision.MAJORITY if 2 * votes > tally.eligible else Decision.SPLIT
