"""Asking an agent, over real HTTP: stand-ins, the turn's deadline, the breaker that all debates share, and money."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from aragora.debate.model import Fault
from aragora.providers import Agent, Budget, Completion, ProviderError
from aragora.providers.agents import Agents
from model_builders import a_catalogue, a_request, run, some_agents
from models_server import PIECES, READ, WRITTEN, Server, running

TEXT = "".join(PIECES)


def an_agent(model: str, *fallback: str) -> Agent:
    """A model of the test server, and who stands in for it."""
    return Agent(name=f"openai:{model}", provider="openai", model=model, fallback=fallback)


def tried(work: Callable[[Agents, Server], Awaitable[object]], **table: object) -> tuple[object, Server]:
    """Do something with agents of a test server: what came of it, or the error, and the server."""

    async def main() -> tuple[object, Server]:
        async with running() as (server, url):
            agents = some_agents(url, **table)
            try:
                return await work(agents, server), server
            except ProviderError as error:
                return error, server
            finally:
                await agents.close()

    return run(main())


def test_a_stand_in_answers_after_a_stream_that_broke() -> None:
    """Watchers saw the beginning of the first answer; what is recorded is the second, whole, and who gave it and why."""
    pieces: list[str] = []
    agent = an_agent("cut", "anthropic:ok")
    answer, server = tried(lambda agents, _: agents.complete(a_request(agent), pieces.append))
    assert isinstance(answer, Completion)
    assert answer.text == TEXT
    assert answer.stand_in is not None
    assert (answer.stand_in.agent, answer.stand_in.fault) == ("anthropic:ok", Fault.TRUNCATED)
    assert pieces == list(PIECES[:2])
    assert server.calls == {"cut": 1, "ok": 1}


def test_a_stand_in_gets_its_share_of_the_time() -> None:
    """A model that hangs uses up its own share, and leaves the rest to those who come after."""
    agent = an_agent("hang", "google:hang", "mistral:ok")
    answer, _ = tried(lambda agents, _: agents.complete(a_request(agent, timeout_s=1.5)))
    assert isinstance(answer, Completion)
    assert answer.stand_in is not None
    assert (answer.stand_in.agent, answer.stand_in.fault) == ("mistral:ok", Fault.TIMEOUT)


def test_where_nobody_can_answer_the_first_fault_is_told() -> None:
    """It is the agent's own that matters, not that of its last stand-in."""
    agent = an_agent("auth", "openai:404", "openai:length")
    error, server = tried(lambda agents, _: agents.complete(a_request(agent)))
    assert isinstance(error, ProviderError)
    assert error.fault is Fault.AUTH
    assert server.calls == {"auth": 1, "404": 1, "length": 1}


def test_nothing_stands_in_that_was_not_declared() -> None:
    """Without a fallback a fault is a fault."""
    error, server = tried(lambda agents, _: agents.complete(a_request("openai:404")))
    assert isinstance(error, ProviderError)
    assert server.calls == {"404": 1}


def test_no_retry_is_begun_that_the_turn_would_not_outlast() -> None:
    """With a fifth of a second left and a pause of half a second to make, the failure is told at once."""

    async def main() -> tuple[ProviderError, Server]:
        async with running() as (server, url):
            agents = Agents(demo_delay_s=0, catalogue=a_catalogue(url), jitter=lambda: 1.0)
            with pytest.raises(ProviderError) as failed:
                await agents.complete(a_request("openai:529", timeout_s=0.2))
            await agents.close()
            return failed.value, server

    error, server = run(main())
    assert error.fault is Fault.OVERLOADED
    assert server.calls["529"] == 1


def test_all_debates_share_the_breaker_of_a_model() -> None:
    """Thirty turns of thirty debates on a dead model make a handful of calls, and another model of the vendor is not hit."""

    async def work(agents: Agents, _: Server) -> list[Fault]:
        faults = []
        for number in range(30):
            try:
                await agents.complete(a_request("openai:500", debate_id=f"d{number}"))
            except ProviderError as error:
                faults.append(error.fault)
        await agents.complete(a_request("openai:ok"))
        return faults

    faults, server = tried(work)
    assert faults == [Fault.UNAVAILABLE] * 30
    assert server.calls == {"500": 5, "ok": 1}


def test_turns_of_many_debates_are_all_answered_under_a_small_window() -> None:
    """Sixty turns, four calls at a time: nobody is refused."""

    async def work(agents: Agents, _: Server) -> list[str]:
        async with asyncio.TaskGroup() as group:
            turns = [group.create_task(agents.complete(a_request("openai:ok", debate_id=f"d{n % 7}"))) for n in range(60)]
        return [turn.result().text for turn in turns]

    answers, server = tried(work, calls_max=4)
    assert answers == [TEXT] * 60
    assert server.calls["ok"] == 60


PRICED = {"prices": {name: {"input": 1.0, "output": 10.0} for name in ("ok", "cut", "529", "hang")}, "tokens_out_max": 100}


def test_a_call_is_paid_at_what_the_vendor_counted() -> None:
    """The reservation is given back, the cost kept."""
    budget = Budget(1.0)
    answer, _ = tried(lambda agents, _: agents.complete(a_request("openai:ok", budget=budget)), **PRICED)
    assert isinstance(answer, Completion)
    assert answer.usage.cost_usd == pytest.approx((READ * 1.0 + WRITTEN * 10.0) / 1e6)
    assert (budget.spent_usd, budget.reserved_usd) == (answer.usage.cost_usd, 0)


def test_a_refused_call_costs_nothing_and_a_lost_one_may() -> None:
    """What a vendor turned away is free; what broke off in the middle counts at its worst."""
    refused, broken = Budget(1.0), Budget(1.0)
    error, _ = tried(lambda agents, _: agents.complete(a_request("openai:529", budget=refused)), **PRICED)
    assert isinstance(error, ProviderError)
    assert (refused.spent_usd, error.usage.cost_usd, error.usage.held_usd) == (0, 0, 0)
    error, _ = tried(lambda agents, _: agents.complete(a_request("openai:cut", budget=broken), lambda _: None), **PRICED)
    assert isinstance(error, ProviderError)
    assert error.usage.held_usd > 100 * 10.0 / 1e6
    assert broken.spent_usd == error.usage.held_usd


def test_a_cancelled_call_gives_back_its_reservation_as_spent() -> None:
    """A debate that is cancelled in the middle of a call leaves no reservation behind."""
    budget = Budget(1.0)

    async def work(agents: Agents, _: Server) -> None:
        call = asyncio.create_task(agents.complete(a_request("openai:hang", budget=budget)))
        await asyncio.sleep(0.1)
        assert budget.reserved_usd > 0
        call.cancel()
        await asyncio.wait([call])

    tried(work, **PRICED)
    assert budget.reserved_usd == 0
    assert budget.spent_usd > 0


def test_calls_that_would_pass_the_limit_are_not_made() -> None:
    """Not one byte is sent for a turn that is refused."""
    error, server = tried(lambda agents, _: agents.complete(a_request("openai:ok", budget=Budget(0.0001))), **PRICED)
    assert isinstance(error, ProviderError)
    assert error.fault is Fault.BUDGET
    assert server.calls == {}
