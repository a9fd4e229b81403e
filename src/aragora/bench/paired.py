"""The comparison that needs real models: a panel against its best member, asked once and as often. Imports siblings.

Each question is a debate through the engine. What every member alone would have said is the blind round of the same debate, so
the comparison is paired; the best member asked once per seat and voting is self-consistency, at the same number of answers.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from aragora.bench import Row, Table, share
from aragora.bench.faults import hold_with
from aragora.debate.model import Brief, Outcome, Phase, seats_for
from aragora.errors import Invalid
from aragora.providers.agents import Agents
from aragora.store.records import Logged

QUESTIONS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """A closed question with its known answer."""

    topic: str
    options: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Tried:
    """One question as a panel took it: what each seat said blind, what the panel said blind and in the end, what it cost."""

    alone: dict[str, bool]
    blind: bool
    final: bool
    cost_usd: float | None  # None: a call did not say what it cost


def questions(text: str) -> list[Question]:
    """Read one JSON object a line: topic, options, answer. Raises Invalid with the number of the line."""
    found: list[Question] = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            fields = json.loads(line)
            question = Question(str(fields["topic"]), tuple(map(str, fields["options"])), str(fields["answer"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Invalid(f"Line {number} holds no question: it needs topic, options and answer.") from None
        if question.answer not in question.options or len(found) == QUESTIONS_MAX:
            raise Invalid(f"Line {number}: the answer must be one of the options, and there may be {QUESTIONS_MAX} questions.")
        found.append(question)
    if not found:
        raise Invalid("The file holds no question.")
    return found


async def compare(agents: Agents, asked: Sequence[Question], panel: Sequence[str], protocol: str) -> Table:
    """Hold every question with the panel, then with its best member in every seat, and compare question by question."""
    council = await _try(agents, asked, panel, protocol)
    names = [seat.name for seat in seats_for(panel)]
    right = {name: sum(one.alone.get(name, False) for one in council) for name in names}
    best = max(names, key=lambda name: right[name])
    member = panel[names.index(best)]
    alone = await _try(agents, asked, [member] * len(panel), "vote_only@1")
    trials = len(asked)
    wins, losses = _discordant([one.final for one in council], [one.alone.get(best, False) for one in council])
    sc_wins, sc_losses = _discordant([one.final for one in council], [one.blind for one in alone])
    rows = (
        *(share(f"{name} alone", right[name], trials) for name in names),
        share("panel, blind vote", sum(one.blind for one in council), trials),
        share("panel, after debate", sum(one.final for one in council), trials, note=_cost(council)),
        share(f"{member} asked {len(panel)} times, vote", sum(one.blind for one in alone), trials, note=_cost(alone)),
        Row(name="debate helped: wrong before, right after", value=sum(one.final and not one.blind for one in council)),
        Row(name="debate hurt: right before, wrong after", value=sum(one.blind and not one.final for one in council)),
        Row(name="McNemar, panel against best member", value=mcnemar(wins, losses), note=f"p; {wins} won, {losses} lost"),
        Row(
            name="McNemar, panel against self-consistency",
            value=mcnemar(sc_wins, sc_losses),
            note=f"p; {sc_wins} won, {sc_losses} lost",
        ),
    )
    says = "The best member is chosen on these very questions, which flatters it. Cost is in US dollars for all questions."
    return Table(
        id="paired", title=f"{protocol} of {len(panel)} against its best member, {trials} questions", says=says, rows=rows
    )


async def _try(agents: Agents, asked: Sequence[Question], panel: Sequence[str], protocol: str) -> list[Tried]:
    briefs = [
        Brief(topic=one.topic, options=one.options, seats=seats_for(panel), protocol=protocol, seed=number)
        for number, one in enumerate(asked)
    ]
    held = await hold_with(agents, briefs)
    return [_tried(question, outcome, log) for question, (outcome, log) in zip(asked, held, strict=True)]


def _tried(question: Question, outcome: Outcome, log: Sequence[Logged]) -> Tried:
    data = [json.loads(logged.data) for logged in log]
    blind = {one["seat"]: str(one["position"]) for one in data if one.get("phase") == Phase.PROPOSE and one.get("round") == 0}
    leader = outcome.blind.leader if outcome.blind is not None else None
    used = [one["usage"]["cost_usd"] for one in data if isinstance(one.get("usage"), dict)]
    return Tried(
        alone={seat: position == question.answer for seat, position in blind.items()},
        blind=leader is not None and blind.get(leader) == question.answer,
        final=outcome.position == question.answer,
        cost_usd=None if None in used else sum(used),
    )


def _discordant(one: Sequence[bool], other: Sequence[bool]) -> tuple[int, int]:
    """How often only the first was right, and how often only the second."""
    pairs = list(zip(one, other, strict=True))
    return sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)


def mcnemar(wins: int, losses: int) -> float:
    """The exact two-sided chance of so uneven a split of the discordant pairs, if there were no difference."""
    total = wins + losses
    tail = sum(comb(total, k) for k in range(min(wins, losses) + 1)) / 2**total
    return float(min(1.0, 2 * tail))


def _cost(tried: Sequence[Tried]) -> str:
    costs = [one.cost_usd for one in tried]
    known = [cost for cost in costs if cost is not None]
    return f"cost {sum(known):.4f}" if len(known) == len(costs) else "cost unknown"
