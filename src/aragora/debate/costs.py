"""What a debate cost, who answered for whom, and what one may cost before it is held. Imports siblings only."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from aragora.debate.model import Brief, Cost, Decision, Message, Outcome, Replaced, Usage

# These say nothing about a vote, so that a stand-in does not change them.
UNDECIDED = frozenset({Decision.FAILED, Decision.CANCELLED, Decision.INSUFFICIENT_QUORUM})
NOTHING = Usage(tokens_in=0, tokens_out=0, tokens_cached=0, cost_usd=0.0)


def accounted(brief: Brief, outcome: Outcome, heard: Sequence[Message]) -> Outcome:
    """The outcome with what it cost and who stood in for whom; a decision with stand-ins is a degraded one."""
    replaced = replaced_of(heard)
    headline = outcome.outcome if outcome.outcome in UNDECIDED or not replaced else Decision.DEGRADED
    return replace(outcome, outcome=headline, replaced=replaced, costs=costs_of(brief, heard))


def replaced_of(heard: Iterable[Message]) -> tuple[Replaced, ...]:
    """Name every turn that a stand-in took."""
    return tuple(
        Replaced(
            seat=m.seat, round=m.round, phase=m.phase, agent=m.stand_in.agent, fault=m.stand_in.fault, detail=m.stand_in.detail
        )
        for m in heard
        if m.stand_in is not None
    )


def costs_of(brief: Brief, heard: Sequence[Message]) -> tuple[Cost, ...]:
    """What each seat cost, and last what all of them did."""
    names = dict.fromkeys([seat.name for seat in brief.seats] + [m.seat for m in heard])
    seats = [_cost(name, [m.usage for m in heard if m.seat == name]) for name in names]
    return (*seats, _cost("", [m.usage for m in heard]))


def _cost(seat: str, used: Sequence[Usage]) -> Cost:
    total = NOTHING
    for usage in used:
        total += usage
    return Cost(seat=seat, tokens_in=total.tokens_in, tokens_out=total.tokens_out, usd=total.cost_usd, held_usd=total.held_usd)


def spent_usd(heard: Iterable[Message]) -> float:
    """What counts against a debate's limit: what was paid, and what failed calls may have cost."""
    return sum((m.usage.cost_usd or 0.0) + m.usage.held_usd for m in heard)
