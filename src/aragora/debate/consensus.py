"""From the last vote to an outcome. Imports siblings only; never calls a model."""

from collections.abc import Sequence

from aragora.debate.account import account_of
from aragora.debate.costs import accounted
from aragora.debate.floor import Floor
from aragora.debate.model import Brief, Decision, Message, Missing, Outcome, Tally
from aragora.debate.rules import RULES, at_least, majority, supermajority, unanimous
from aragora.debate.tallies import count, decide, representatives

__all__ = ["RULES", "at_least", "cancelled", "conclude", "count", "decide", "failed", "majority", "supermajority", "unanimous"]


def conclude(brief: Brief, floor: Floor, *, rounds: int, stopped: str, verdict: Message | None = None) -> Outcome:
    """Draw up the outcome from all that was said; `verdict` is the judge's message where the lead was tied."""
    return accounted(brief, _outcome(brief, floor, rounds=rounds, stopped=stopped, verdict=verdict), floor.heard)


def _outcome(brief: Brief, floor: Floor, *, rounds: int, stopped: str, verdict: Message | None) -> Outcome:
    missing = missing_of(floor.heard)
    if not floor.answers:
        return failed(rounds=rounds, stopped="nobody", detail="No seat gave an answer.", missing=missing)
    tally = floor.tally or count(brief, floor.ballots, floor.answers)
    decision = decide(brief, tally)
    decided = decision is not Decision.INSUFFICIENT_QUORUM
    winner, judged = _winner(tally, verdict) if decided else (None, "")
    first = representatives(brief, floor.ballots, floor.answers)
    given = {m.seat: first.get(m.ballot.choice, m.ballot.choice) for m in floor.ballots if m.ballot is not None}
    counted = len(floor.tallies) == len(floor.votes)
    blind = (floor.tallies[0] if counted else count(brief, floor.votes[0], floor.opening)) if floor.votes else None
    return Outcome(
        outcome=decision if tally.received == tally.eligible or not decided else Decision.DEGRADED,
        decision=decision,
        reached=tally.reached,
        stopped=stopped if decided else "quorum",
        rounds=rounds,
        winner=winner,
        answer=floor.answers[winner].content if winner else "",
        position=floor.answers[winner].position if winner else "",
        tally=tally,
        blind=blind,
        judged=judged,
        dissent=tuple(seat for seat, choice in given.items() if winner and choice != winner),
        missing=missing,
        account=account_of(brief, floor, winner=winner, tally=tally, blind=blind),
    )


def _winner(tally: Tally, verdict: Message | None) -> tuple[str | None, str]:
    """Who won, and the judge if it took one. A judge chooses between those that lead together; it does not make an agreement."""
    if verdict is not None and verdict.ballot is not None and verdict.ballot.choice in tally.tied:
        return verdict.ballot.choice, verdict.seat
    return tally.leader, ""


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
