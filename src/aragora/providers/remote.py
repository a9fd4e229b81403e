"""One provider over HTTP: puts turns into calls, retries what is safe to retry, counts and pays. May import siblings."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from aragora.debate.costs import NOTHING
from aragora.debate.forms import schema
from aragora.debate.model import Fault, Usage
from aragora.providers import Completion, OnText, Request
from aragora.providers.client import Transport
from aragora.providers.endpoints import Source
from aragora.providers.gate import Condition, Gate, Meters
from aragora.providers.money import usage_of, worst_usd
from aragora.providers.wire import Ask, Failed, Reply, Wire

ATTEMPTS_MAX = 3
BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.5, 8.0
# What no schema was accepted as: the request cannot be right.
REJECTED = ("HTTP 400", "HTTP 422")


class Remote:
    """A provider reached over HTTP."""

    def __init__(
        self, source: Source, wire: Wire, transport: Transport, *, jitter: Callable[[], float], meters: Meters | None = None
    ) -> None:
        """`jitter` says which share of the longest pause is made before a retry; with `meters` processes count together."""
        self._source, self._wire, self._transport, self._jitter, self._meters = source, wire, transport, jitter, meters
        self._gates: dict[str, Gate] = {}
        self._schemaless: set[str] = set()  # models that were found to know no schemas

    async def close(self) -> None:
        """Nothing of its own: the transport is shared."""

    def gate(self, model: str) -> Gate:
        """The gate before a model."""
        if model not in self._gates:
            name, clock = f"{self._source.endpoint.name}:{model}", asyncio.get_running_loop().time
            self._gates[model] = Gate(self._source.limits(model), clock=clock, name=name, meters=self._meters)
        return self._gates[model]

    def conditions(self) -> Mapping[str, Condition]:
        """How each model is that was asked, by its name."""
        return {model: gate.condition for model, gate in self._gates.items()}

    async def complete(self, request: Request, on_text: OnText | None = None) -> Completion:
        """Answer whole, within the turn's deadline, however many calls that takes."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + request.timeout_s
        attempt, lost = 1, NOTHING
        while True:
            try:
                completion = await self._once(request, ends - loop.time(), on_text)
            except Failed as failed:
                lost += failed.usage
                failed.usage = lost
                if self._learns_schemaless(request, failed):
                    continue
                pause_s = self.pause_s(failed, attempt)
                if not failed.again or attempt >= ATTEMPTS_MAX or loop.time() + pause_s >= ends:
                    raise
                attempt += 1
                await asyncio.sleep(pause_s)
            else:
                return replace(completion, usage=completion.usage + lost)

    def pause_s(self, failed: Failed, attempt: int) -> float:
        """How long to wait after a failure: what the vendor says, otherwise longer each time, and never twice the same."""
        if failed.retry_after_s is not None:
            return failed.retry_after_s
        return min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** (attempt - 1)) * self._jitter()

    def worst_usd(self, request: Request) -> float | None:
        """What one call may cost at most."""
        ask = self._ask(request)
        return worst_usd(self._source.price(ask.model), ask.tokens_in, ask.tokens_out_max)

    async def _once(self, request: Request, left_s: float, on_text: OnText | None) -> Completion:
        """Make one call, with money set aside for it and a place within the limits."""
        if left_s <= 0:
            raise Failed(Fault.TIMEOUT, "No time was left for a call.", charged=False)
        ask, price, worst = self._ask(request), self._source.price(request.agent.model), self.worst_usd(request)
        reserved_usd = request.budget.reserve(worst)
        # Whatever ends this call without its cost being known, cancellation too, may have cost the worst.
        unknown = Usage(cost_usd=None if worst is None else 0.0, held_usd=worst or 0.0)
        usage = unknown
        try:
            async with self.gate(ask.model).place(
                request.debate_id, tokens=ask.tokens_in + ask.tokens_out_max, patience_s=left_s
            ) as place:
                reply = await self._send(ask, left_s - place.waited_s, on_text)
                place.counted = reply.tokens
            counted = usage_of(price, reply.tokens)
            usage = (
                counted
                if counted.cost_usd is not None
                else replace(counted, cost_usd=unknown.cost_usd, held_usd=unknown.held_usd)
            )
            return Completion(text=reply.text, usage=usage)
        except Failed as failed:
            failed.usage = usage = unknown if failed.charged else NOTHING
            raise
        finally:
            request.budget.settle(reserved_usd, (usage.cost_usd or 0.0) + usage.held_usd)

    async def _send(self, ask: Ask, left_s: float, on_text: OnText | None) -> Reply:
        endpoint = self._source.endpoint
        patience = replace(self._source.patience, total_s=max(left_s, 0.001))
        call = self._wire.call(endpoint, ask, stream=on_text is not None)
        secrets = (endpoint.key, *endpoint.headers.values())
        return await self._transport.send(call, self._wire, patience=patience, secrets=secrets, on_text=on_text)

    def _ask(self, request: Request) -> Ask:
        agent, prompt = request.agent, request.prompt
        wanted = self._source.endpoint.schemas and agent.model not in self._schemaless
        return Ask(
            model=agent.model,
            system=f"{prompt.system}\n\n{agent.persona}" if agent.persona else prompt.system,
            user=prompt.user,
            tokens_out_max=self._source.table.tokens_out_max,
            schema=schema(request.brief, request.turn) if wanted else None,
        )

    def _learns_schemaless(self, request: Request, failed: Failed) -> bool:
        """Whether a refusal may be owed to the schema; then the model is never sent one again."""
        if self._ask(request).schema is None or not failed.detail.startswith(REJECTED):
            return False
        self._schemaless.add(request.agent.model)
        return True
