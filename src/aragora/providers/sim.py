"""Simulated agents of known accuracy, correlation, conformity and faults, for experiments. May import `debate`.

`sim:p=0.7,rho=0.3` is right 7 times in 10, and its errors go with those of other simulated agents at a correlation of 0.3. The
first option of a closed question is the true one. Everything follows from the brief's seed, the seat and the turn.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from random import Random
from statistics import NormalDist

from aragora.debate.context import tokens
from aragora.debate.model import Brief, Fault, Message, Phase, Turn, Usage
from aragora.debate.prompts import labels
from aragora.errors import Invalid
from aragora.providers import Completion, OnText, ProviderError, Request

TRUTH, ERROR = "right", "wrong"
NORMAL = NormalDist()
# How finely the distribution of what all agents share is cut up to find the latent correlation; 0.0005 near enough.
CUTS = 400
HALVINGS = 24
RHO_MAX = 0.99
ALPHA_MAX = 1000.0
SPREAD = 10.0  # of estimates around 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature:
    """How a simulated agent behaves; every number is a chance, from 0 to 1, unless it says otherwise."""

    p: float = 0.7  # is right before it has read anybody
    rho: float = 0.0  # correlation of being right with other simulated agents
    conform: float = 0.0  # joins the majority of what it reads
    correct: float = 0.0  # takes over the truth where it reads it; with alpha: the extra weight of true evidence
    fault: float = 0.0  # does not answer a turn
    garble: float = 0.0  # answers with what nobody can read
    alpha: float = 0.0  # above 0: samples its answers from a belief of so many observations, and learns from what it reads


def nature(model: str) -> Nature:
    """Read `p=0.7,rho=0.3` (or with semicolons, where commas part agents); raises Invalid, without repeating it."""
    fields = {"p": 1.0, "rho": RHO_MAX, "conform": 1.0, "correct": 1.0, "fault": 1.0, "garble": 1.0, "alpha": ALPHA_MAX}
    given: dict[str, float] = {}
    for part in model.replace(";", ",").split(",") if model else ():
        name, _, text = part.partition("=")
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if name not in fields or not 0 <= value <= fields[name]:
            raise Invalid(
                f"names no simulated agent: sim:p=0.7 takes {', '.join(fields)}, each from 0 to 1 (alpha to {ALPHA_MAX:.0f})"
            )
        given[name] = value
    return Nature(**given)


class Sim:
    """The provider of simulated agents. They answer at once."""

    async def complete(self, request: Request, on_text: OnText | None = None) -> Completion:
        """Answer, or fail as often as the agent's nature says. Raises ProviderError."""
        text = reply(nature(request.agent.model), request.brief, request.turn)
        if text is None:
            raise ProviderError(Fault.TIMEOUT, "The simulated agent did not answer in time.")
        if on_text is not None:
            on_text(text)
        asked = tokens(request.prompt.system) + tokens(request.prompt.user)
        return Completion(text=text, usage=Usage(tokens_in=asked, tokens_out=tokens(text), cost_usd=0.0))

    async def close(self) -> None:
        """There is nothing to give back."""


def reply(kind: Nature, brief: Brief, turn: Turn) -> str | None:
    """What a simulated agent says in a turn; None when it does not answer."""
    random = Random(f"{brief.seed}/{turn.key}")  # noqa: S311 - a simulation is to be repeatable
    drawn = random.random()
    if drawn < kind.fault:
        return None
    if drawn < kind.fault + kind.garble:
        return "…"
    return _Speaker(kind, brief, turn, random).reply()


@dataclass(slots=True)
class _Speaker:
    kind: Nature
    brief: Brief
    turn: Turn
    random: Random

    def reply(self) -> str:
        match self.turn.phase:
            case Phase.CRITIQUE:
                return self.critique()
            case Phase.VOTE | Phase.JUDGE:
                return self.vote()
            case _ if self.turn.part == "estimate":
                return f"I reckon.\nEstimate: {self.random.gauss(100.0, SPREAD * (1 - self.kind.p)):.2f}"
            case _:
                return self.answer()

    @property
    def options(self) -> Sequence[str]:
        return self.turn.positions or self.brief.options or (TRUTH, ERROR)

    @property
    def held(self) -> Mapping[str, str]:
        """The option of each standing answer that this turn shows."""
        return {m.seat: option for m in self.turn.sees if m.phase is not Phase.CRITIQUE and (option := self.option_of(m))}

    def option_of(self, message: Message) -> str:
        first = message.content.partition("\n")[0].removeprefix("I stand for ").removesuffix(".")
        return message.position or (first if first in self.options else "")

    def answer(self) -> str:
        if self.kind.alpha > 0:
            return self.learned()
        mine = self.held.get(self.turn.seat.name)
        option = self.first() if mine is None else self.revised(mine)
        return self.worded(option)

    def worded(self, option: str, *more: str) -> str:
        return "\n".join([f"I stand for {option}.", *more, f"Position: {option}"])

    def first(self) -> str:
        """The answer before reading anybody: right or wrong by a draw that is partly shared by all at the table."""
        shared = Random(f"{self.brief.seed}/shared").gauss(0, 1)  # noqa: S311
        weight = latent(self.kind.p, self.kind.rho)
        drawn = sqrt(weight) * shared + sqrt(1 - weight) * self.random.gauss(0, 1)
        right = NORMAL.cdf(drawn) < self.kind.p
        return self.options[0] if right or len(self.options) == 1 else self.random.choice(self.options[1:])

    def revised(self, mine: str) -> str:
        others = [option for seat, option in self.held.items() if seat != self.turn.seat.name]
        truth = self.options[0]
        if mine != truth and truth in others and self.random.random() < self.kind.correct:
            return truth
        counts = Counter(others).most_common(2)
        clear = counts and (len(counts) == 1 or counts[0][1] > counts[1][1])
        return counts[0][0] if clear and self.random.random() < self.kind.conform else mine

    def learned(self) -> str:
        """Answer by a belief (Dirichlet) that every answer read adds to, as in the theorem that debate is a martingale."""
        own = next((m for m in reversed(self.turn.sees) if m.seat == self.turn.seat.name and "\nEvidence: " in m.content), None)
        if own is None:
            rest = (1 - self.kind.p) / max(1, len(self.options) - 1)
            evidence = [self.kind.alpha * share for share in (self.kind.p, *[rest] * (len(self.options) - 1))]
        else:
            evidence = [float(number) for number in own.content.partition("\nEvidence: ")[2].partition("\n")[0].split()]
            for seat, option in self.held.items():
                if seat != self.turn.seat.name and option in self.options:
                    place = self.options.index(option)
                    evidence[place] += 1.0 + (self.kind.correct if place == 0 else 0.0)
        shares = [self.random.gammavariate(weight, 1.0) if weight else 0.0 for weight in evidence]
        (option,) = self.random.choices(self.options, shares)
        return self.worded(option, "Evidence: " + " ".join(f"{weight:.6g}" for weight in evidence))

    def critique(self) -> str:
        mine = self.held.get(self.turn.seat.name)
        others = [seat for seat, option in self.held.items() if seat != self.turn.seat.name and option != mine]
        names = labels(self.brief, self.turn)
        target = names[self.random.choice(others)] if others else ""
        return json.dumps({"target": target, "text": f"Why not {mine or self.options[0]}? {self.turn.round}"})

    def vote(self) -> str:
        """Choose one's own answer, else one that says the same, else any; a judge is right as often as its nature says."""
        held, me = self.held, self.turn.seat.name
        mine = self.first() if self.turn.phase is Phase.JUDGE or me not in held else held[me]
        same = [seat for seat in self.turn.choices if held.get(seat) == mine] or [*self.turn.choices]
        choice = me if me in same else self.random.choice(same)
        names = labels(self.brief, self.turn)
        ranking = sorted(self.turn.choices, key=lambda seat: (seat != choice, held.get(seat) != mine, names[seat]))
        ballot = {"choice": names[choice], "confidence": self.kind.p, "ranking": [names[seat] for seat in ranking]}
        return json.dumps(ballot | {"reason": f"It stands for {held.get(choice, mine)}."})


@lru_cache(maxsize=256)
def latent(p: float, rho: float) -> float:
    """How much of a normal draw agents must share for their being right to correlate at `rho` (a Gaussian copula)."""
    if rho <= 0 or not 0 < p < 1:
        return 0.0
    edge = NORMAL.inv_cdf(p)
    cuts = [NORMAL.inv_cdf((n + 0.5) / CUTS) for n in range(CUTS)]
    low, high = 0.0, RHO_MAX + (1 - RHO_MAX) / 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        both = sum(NORMAL.cdf((edge - sqrt(middle) * z) / sqrt(1 - middle)) ** 2 for z in cuts) / CUTS
        low, high = (middle, high) if (both - p * p) / (p * (1 - p)) < rho else (low, middle)
    return (low + high) / 2
