"""From ballots to a tally, from a tally to an outcome. Imports `model` only; never calls a model."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import ceil

from aragora.debate.model import Brief, Decision, Message, Missing, Outcome, Tally

# A rule says how many of the eligible must stand behind the leader.
Rule = Callable[[int], int]

# Shares such as 2/3 have no exact float; a count this close below a whole number is that number.
ROUNDING = 1e-9


def at_least(share: float, eligible: int) -> int:
    """The smallest count that is `share` of `eligible`, at least 1."""
    return max(1, ceil(share * eligible - ROUNDING))


def majority(eligible: int) -> int:
    """More than half."""
    return eligible // 2 + 1


def supermajority(eligible: int) -> int:
    """Two thirds or more."""
    return at_least(2 / 3, eligible)


def unanimous(eligible: int) -> int:
    """Everybody."""
    return eligible


RULES: dict[str, Rule] = {"majority": majority, "supermajority": supermajority, "unanimous": unanimous}


def count(brief: Brief, ballots: Sequence[Message]) -> Tally:
    """Count the ballots of one vote under the brief's rule. Seats that were missing stay in the denominator."""
    counts = Counter(message.ballot.choice for message in ballots if message.ballot is not None)
    eligible = len(brief.seats)
    received = counts.total()
    top = max(counts.values(), default=0)
    ahead = [choice for choice, votes in counts.items() if votes == top]
    needed = RULES[brief.rule](eligible)
    if brief.threshold is not None:
        needed = max(needed, at_least(brief.threshold, eligible))
    leader = ahead[0] if len(ahead) == 1 else None
    reached = leader is not None and top >= needed and received >= brief.quorum_needed
    # Sorted, so that equal ballots give equal bytes whatever the order in which they came.
    ordered = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return Tally(leader=leader, agreement=top / eligible, reached=reached, counts=ordered, eligible=eligible, received=received)


def decide(brief: Brief, tally: Tally) -> Decision:
    """Say in one word what a tally means."""
    if tally.received < brief.quorum_needed:
        return Decision.INSUFFICIENT_QUORUM
    if tally.leader is None:
        return Decision.DEADLOCK
    votes = tally.counts[tally.leader]
    if votes == tally.eligible or (tally.reached and brief.rule != "majority"):
        return Decision.CONSENSUS
    return Decision.MAJORITY if 2 * votes > tally.eligible else Decision.SPLIT


def conclude(
    brief: Brief,
    *,
    answers: Mapping[str, Message],
    ballots: Sequence[Message],
    heard: Sequence[Message],
    rounds: int,
    stopped: str,
) -> Outcome:
    """Draw up the outcome from the standing answers, the ballots of the deciding vote and every message of the debate."""
    missing = missing_of(heard)
    if not answers:
        return failed(rounds=rounds, stopped="nobody", detail="No seat gave an answer.", missing=missing)
    tally = count(brief, ballots)
    decision = decide(brief, tally)
    decided = decision is not Decision.INSUFFICIENT_QUORUM
    whole = tally.received == tally.eligible
    winner = tally.leader if decided else None
    return Outcome(
        outcome=decision if whole or not decided else Decision.DEGRADED,
        decision=decision,
        reached=tally.reached,
        stopped=stopped if decided else "quorum",
        rounds=rounds,
        winner=winner,
        answer=answers[winner].content if winner else "",
        tally=tally,
        dissent=tuple(m.seat for m in ballots if winner and m.ballot is not None and m.ballot.choice != winner),
        missing=missing,
    )


def missing_of(heard: Sequence[Message]) -> tuple[Missing, ...]:
    """Name every turn that went unanswered."""
    return tuple(
        Missing(seat=m.seat, round=m.round, phase=m.phase, fault=m.abstention.fault, detail=m.abstention.detail)
        for m in heard
        if m.abstention is not None
    )


def failed(*, rounds: int, stopped: str, detail: str, missing: tuple[Missing, ...] = ()) -> Outcome:
    """The outcome of a debate that could not decide anything because it broke."""
    return _undecided(Decision.FAILED, rounds=rounds, stopped=stopped, detail=detail, missing=missing)


def cancelled(*, rounds: int, detail: str) -> Outcome:
    """The outcome of a debate that somebody stopped."""
    return _undecided(Decision.CANCELLED, rounds=rounds, stopped="cancelled", detail=detail, missing=())


def _undecided(decision: Decision, *, rounds: int, stopped: str, detail: str, missing: tuple[Missing, ...]) -> Outcome:
    return Outcome(
        outcome=decision, decision=decision, reached=False, stopped=stopped, rounds=rounds, detail=detail, missing=missing
    )
