"""Which agents there are, and how one of them is asked. May import its siblings and `debate`."""

from collections.abc import Sequence

from aragora.errors import Invalid
from aragora.providers import Agent, Completion, OnText, Provider, Request
from aragora.providers.demo import VARIANTS, Demo
from aragora.providers.sim import Sim, nature


class Agents:
    """The agents that this installation can ask."""

    def __init__(self, *, demo_delay_s: float) -> None:
        """`demo_delay_s` is how long a demo agent takes for a turn."""
        self._providers: dict[str, Provider] = {"demo": Demo(demo_delay_s), "sim": Sim()}

    def find(self, name: str) -> Agent:
        """The agent of that name; raises Invalid, without repeating the name, when there is none."""
        if name in VARIANTS:
            return Agent(name=name, provider="demo", model=name.partition(":")[2], persona=VARIANTS[name])
        provider, _, model = name.partition(":")
        if provider == "sim":
            nature(model)
            return Agent(name=name, provider=provider, model=model)
        raise Invalid("names no agent that this server knows; GET /api/agents lists them")

    def known(self) -> Sequence[Agent]:
        """Every agent that can be asked by name alone."""
        return [self.find(name) for name in VARIANTS]

    async def complete(self, request: Request, on_text: OnText | None = None) -> Completion:
        """Ask the agent of `request`. Raises ProviderError."""
        return await self._providers[request.agent.provider].complete(request, on_text)

    async def close(self) -> None:
        """Give back connections."""
        for provider in self._providers.values():
            await provider.close()
