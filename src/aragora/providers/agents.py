"""Which agents there are, and how one of them is asked. May import its siblings, `debate` and the port of traces."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from random import uniform
from typing import TYPE_CHECKING, cast

from aragora.debate.context import tokens
from aragora.debate.costs import NOTHING
from aragora.debate.model import StandIn
from aragora.errors import Invalid
from aragora.providers import Agent, Completion, OnText, Provider, ProviderError, Request
from aragora.providers.demo import VARIANTS, Demo
from aragora.providers.endpoints import MODEL, Catalogue, Source, variable
from aragora.providers.money import cost_usd, worst_usd
from aragora.providers.sim import Sim, nature
from aragora.providers.wire import Patience, Tokens, Wire
from aragora.traces import Silent, Traces

if TYPE_CHECKING:
    from aragora.providers.client import Transport
    from aragora.providers.gate import Condition, Meters
    from aragora.providers.remote import Remote

# The module of each wire, imported when a provider that speaks it is first asked.
WIRES = {
    "openai": "aragora.providers.openai",
    "anthropic": "aragora.providers.anthropic",
    "gemini": "aragora.providers.gemini",
}

DEMO = {name: Agent(name=name, provider="demo", model=name.partition(":")[2], persona=said) for name, said in VARIANTS.items()}
LOOK = Patience(connect_s=5.0, total_s=10.0)


def pause_share() -> float:
    """Between half and all of the longest pause, so that retries of many turns do not fall together."""
    return uniform(0.5, 1.0)  # noqa: S311 -- no secret depends on it


class Agents:
    """The agents that this installation can ask."""

    def __init__(
        self,
        *,
        demo_delay_s: float,
        catalogue: Catalogue | None = None,
        jitter: Callable[[], float] = pause_share,
        traces: Traces | None = None,
        meters: "Meters | None" = None,
    ) -> None:
        """`demo_delay_s` is how long a demo agent takes; `jitter` says which share of the longest pause precedes a retry.

        With `meters` the calls of all processes to a model are counted together.
        """
        self.catalogue = catalogue or Catalogue()
        self._jitter = jitter
        self._traces, self._meters = traces or Silent(), meters
        self._providers: dict[str, Provider] = {"demo": Demo(demo_delay_s), "sim": Sim()}
        self._transport: Transport | None = None

    def find(self, name: str) -> Agent:
        """The agent of that name; raises Invalid, without repeating the name, when there is none that can be asked."""
        agent = self.catalogue.aliases.get(name) or DEMO.get(name) or self._named(name)
        source = self.catalogue.sources.get(agent.provider)
        if source is not None and not source.usable:
            needed = variable(agent.provider, "API_KEY")
            raise Invalid(f"needs a key of {agent.provider}: set {needed} or {needed}_FILE")
        return agent

    def _named(self, name: str) -> Agent:
        provider, _, model = name.partition(":")
        if provider == "sim":
            nature(model)
            return Agent(name=name, provider=provider, model=model)
        if provider in self.catalogue.sources and MODEL.match(model):
            return Agent(name=name, provider=provider, model=model)
        raise Invalid("names no agent that this server knows; GET /api/agents lists them")

    def known(self) -> Sequence[Agent]:
        """Every agent that can be asked by name alone."""
        return [agent for agent in self.declared() if self.usable(agent)]

    def declared(self) -> Sequence[Agent]:
        """Every agent with a name of its own, also those that lack a key."""
        return [*(self.find(name) for name in VARIANTS), *self.catalogue.aliases.values()]

    def usable(self, agent: Agent) -> bool:
        """Whether the agent can be asked as things are."""
        source = self.catalogue.sources.get(agent.provider)
        return source is None or source.usable

    async def complete(self, request: Request, on_text: OnText | None = None) -> Completion:
        """Ask the agent of `request`, and those declared in its place where it cannot answer. Raises ProviderError."""
        if not request.agent.fallback:
            return await self._once(request, on_text)
        loop = asyncio.get_running_loop()
        ends = loop.time() + request.timeout_s
        names = request.agent.fallback
        first: ProviderError | None = None
        lost, handed = NOTHING, False

        def hand(text: str) -> None:
            nonlocal handed
            handed = True
            if on_text is not None:
                on_text(text)

        for place in range(len(names) + 1):
            agent = self.find(names[place - 1]) if place else request.agent
            share_s = (ends - loop.time()) / (len(names) + 1 - place)
            # Watchers who have read the beginning of one answer are not shown the pieces of another on top of it.
            follow = hand if on_text is not None and not handed else None
            try:
                completion = await self._once(replace(request, agent=agent, timeout_s=share_s), follow)
            except ProviderError as error:
                lost += error.usage
                first = first or error
                continue
            stand_in = StandIn(agent=agent.name, fault=first.fault, detail=first.detail) if first else None
            return replace(completion, usage=completion.usage + lost, stand_in=stand_in)
        assert first is not None
        first.usage = lost
        raise first

    async def _once(self, request: Request, on_text: OnText | None) -> Completion:
        """Ask one agent, in a span of its own."""
        agent = request.agent
        with self._traces.call(agent.provider, agent.model, agent.name, request.debate_id) as call:
            try:
                completion = await self._provider(agent).complete(request, on_text)
            except ProviderError as error:
                call.failed(str(error.fault), error.detail)
                raise
            call.answered(completion.usage.tokens_in, completion.usage.tokens_out)
            return completion

    def worst_usd(self, request: Request) -> float | None:
        """What the next call for a turn may cost at most; None: its price is unknown."""
        return self.quote(request.agent, tokens(request.prompt.system) + tokens(request.prompt.user), None)

    def quote(self, agent: Agent, tokens_in: int, tokens_out: int | None) -> float | None:
        """US dollars of a call of so many tokens; with `tokens_out` None, at its worst. None: unknown."""
        source = self.catalogue.sources.get(agent.provider)
        if source is None:
            return 0.0
        price = source.price(agent.model)
        if tokens_out is None:
            return worst_usd(price, tokens_in, source.table.tokens_out_max)
        return cost_usd(price, Tokens(read=tokens_in, written=tokens_out))

    def price(self, agent: Agent) -> tuple[float, float] | None:
        """US dollars for a million tokens read, and written, in requests of usual length; None: unknown."""
        source = self.catalogue.sources.get(agent.provider)
        if source is None:
            return 0.0, 0.0
        levels = source.price(agent.model)
        return (levels[0].input, levels[0].output) if levels else None

    def conditions(self, provider: str) -> "Mapping[str, Condition]":
        """How each model of a provider is that this process has asked, by its name."""
        known = self._providers.get(provider)
        return {} if known is None or provider not in self.catalogue.sources else cast("Remote", known).conditions()

    def provider_of(self, name: str) -> str:
        """The provider behind an agent's name; `unknown` where there is no such agent."""
        with contextlib.suppress(Invalid):
            return self.find(name).provider
        return "unknown"

    async def models(self, source: Source) -> Sequence[str]:
        """The models that a provider says it has: proof that the address and the key are right. Raises ProviderError."""
        wire, endpoint = self._wire(source), source.endpoint
        body = await self.transport.fetch(
            wire.listing(endpoint), patience=LOOK, secrets=(endpoint.key, *endpoint.headers.values())
        )
        return wire.models(body)

    def _provider(self, agent: Agent) -> Provider:
        """The provider of an agent, made when it is first asked."""
        known = self._providers.get(agent.provider)
        if known is None:
            known = self._providers[agent.provider] = self._remote(self.catalogue.sources[agent.provider])
        return known

    def _remote(self, source: Source) -> Provider:
        from aragora.providers.remote import Remote  # noqa: PLC0415 -- aiohttp is for those who ask real models

        return Remote(source, self._wire(source), self.transport, jitter=self._jitter, meters=self._meters)

    def _wire(self, source: Source) -> "Wire":
        return cast("Wire", import_module(WIRES[source.endpoint.wire]))

    @property
    def transport(self) -> "Transport":
        """The one pool of connections, opened when it is first needed."""
        if self._transport is None:
            from aragora.providers.client import Transport  # noqa: PLC0415 -- as above

            self._transport = Transport()
        return self._transport

    async def close(self) -> None:
        """Give back connections."""
        for provider in self._providers.values():
            await provider.close()
        if self._meters is not None:
            await self._meters.close()
        if self._transport is not None:
            await self._transport.close()
