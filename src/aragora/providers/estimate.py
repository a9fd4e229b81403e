"""What a debate may cost, before it is held. May import siblings and `debate`."""

from collections.abc import Sequence
from dataclasses import dataclass

from aragora.debate.context import tokens
from aragora.debate.model import Brief, held_by_person
from aragora.debate.prompts import prepare
from aragora.debate.rehearsal import rehearse
from aragora.providers.agents import Agents

# A ballot that cannot be read is asked for once more, and a call may be repeated; the worst case does not count either,
# since the debate's limit holds for them too.


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What one seat, or the whole debate, may use if it goes through every round. Unknown is None, never 0."""

    seat: str  # empty: all of them
    agent: str
    calls: int
    tokens_in: int
    tokens_out: int  # with replies of usual length
    usd: float | None  # with replies of usual length
    usd_max: float | None  # with replies as long as they may be


def estimate(brief: Brief, agents: Agents) -> tuple[Estimate, ...]:
    """One for each seat, then one for the debate. People cost nothing. Raises Invalid for an agent that cannot be asked."""
    asked = rehearse(brief)
    names = {each.turn.seat.name: each.turn.seat.agent for each in asked}
    seats = []
    for seat, agent in names.items():
        if held_by_person(agent):
            seats.append(Estimate(seat=seat, agent=agent, calls=0, tokens_in=0, tokens_out=0, usd=0.0, usd_max=0.0))
            continue
        known, rows = agents.find(agent), [each for each in asked if each.turn.seat.name == seat]
        prompts = [prepare(brief, each.turn) for each in rows]
        read = [tokens(prompt.system) + tokens(prompt.user) + tokens(known.persona) for prompt in prompts]
        usual = [agents.quote(known, size, each.tokens_out) for size, each in zip(read, rows, strict=True)]
        worst = [agents.quote(known, size, None) for size in read]
        seats.append(
            Estimate(
                seat=seat,
                agent=agent,
                calls=len(rows),
                tokens_in=sum(read),
                tokens_out=sum(each.tokens_out for each in rows),
                usd=_sum(usual),
                usd_max=_sum(worst),
            )
        )
    return (*seats, _whole(seats))


def _whole(seats: Sequence[Estimate]) -> Estimate:
    return Estimate(
        seat="",
        agent="",
        calls=sum(seat.calls for seat in seats),
        tokens_in=sum(seat.tokens_in for seat in seats),
        tokens_out=sum(seat.tokens_out for seat in seats),
        usd=_sum([seat.usd for seat in seats]),
        usd_max=_sum([seat.usd_max for seat in seats]),
    )


def _sum(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None
