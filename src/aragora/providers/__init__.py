"""Agents and the providers behind them: the port, the errors, and the table of what there is. May import `debate`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from aragora.debate.costs import NOTHING
from aragora.debate.model import Brief, Fault, StandIn, Turn, Usage
from aragora.debate.prompts import Prompt
from aragora.errors import AragoraError

OnText = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Who can speak: a provider, a model of it, and what the agent is told about itself."""

    name: str  # as people write it: `demo:sceptic`, `anthropic:claude-…`, or an alias of the configuration
    provider: str
    model: str
    persona: str = ""
    fallback: tuple[str, ...] = ()  # agents that answer in its place, first to last, when it cannot


class Budget:
    """What one debate may spend. A call is reserved at its worst before it is made, and settled at what it cost."""

    def __init__(self, limit_usd: float | None = None, *, spent_usd: float = 0.0) -> None:
        """`limit_usd` None is no limit; `spent_usd` is what the log says was spent before."""
        self.limit_usd, self.spent_usd, self.reserved_usd = limit_usd, spent_usd, 0.0

    def reserve(self, worst_usd: float | None) -> float:
        """Set aside what a call may cost at most; None: price unknown. Raises ProviderError over the limit."""
        if self.limit_usd is None:
            return worst_usd or 0.0
        if worst_usd is None:
            raise ProviderError(Fault.BUDGET, "This debate has a cost limit, and the price of this model is not known.")
        left_usd = self.limit_usd - self.spent_usd - self.reserved_usd
        if worst_usd > left_usd:
            detail = f"The call may cost ${worst_usd:.4f}; ${max(left_usd, 0):.4f} is left of the debate's ${self.limit_usd:.4f}."
            raise ProviderError(Fault.BUDGET, detail)
        self.reserved_usd += worst_usd
        return worst_usd

    def settle(self, reserved_usd: float, cost_usd: float) -> None:
        """A reserved call is over, and cost this."""
        if self.limit_usd is not None:
            self.reserved_usd -= reserved_usd
        self.spent_usd += cost_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One turn put to an agent. Models read `prompt`; simulated agents may read the structured `brief` and `turn`."""

    agent: Agent
    brief: Brief
    turn: Turn
    prompt: Prompt
    debate_id: str = ""  # whose turn it is, where turns of several debates wait for one model
    timeout_s: float = 60.0  # from now; whatever is tried again is tried within it
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A whole reply. `stand_in` says who gave it, where that was not the agent that was asked."""

    text: str
    usage: Usage = Usage()
    stand_in: StandIn | None = None


class Provider(Protocol):
    """A source of replies."""

    async def complete(self, request: Request, on_text: OnText | None = None) -> Completion:
        """Answer whole. With `on_text`, hand over each piece as it arrives as well. Raises ProviderError; safe to cancel."""
        ...

    async def close(self) -> None:
        """Give back connections."""
        ...


class ProviderError(AragoraError):
    """A model did not answer. `fault` says why in one word, `detail` in the provider's own, secrets redacted."""

    code = "PROVIDER_ERROR"
    status = 502

    def __init__(self, fault: Fault, detail: str, *, retry_after_s: float | None = None) -> None:
        """Say why there is no answer."""
        super().__init__(detail, retry_after_s=retry_after_s)
        self.fault = fault
        self.detail = detail
        self.usage = NOTHING  # what the failed calls used, as far as anybody but the vendor can know
