"""Agents and the providers behind them: the port, the errors, and the table of what there is. May import `debate`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from aragora.debate.model import Brief, Fault, Turn, Usage
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One turn put to an agent. Models read `prompt`; simulated agents may read the structured `brief` and `turn`."""

    agent: Agent
    brief: Brief
    turn: Turn
    prompt: Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A whole reply."""

    text: str
    usage: Usage = Usage()


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
