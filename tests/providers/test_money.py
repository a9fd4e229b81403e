"""Prices and costs: known, unknown, never invented; reserved before, settled after."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.costs import NOTHING, costs_of, spent_usd
from aragora.debate.model import Brief, Fault, Message, Phase, Usage, seats_for
from aragora.providers import Budget, ProviderError
from aragora.providers.agents import Agents
from aragora.providers.estimate import estimate
from aragora.providers.money import Level, cost_usd, listed, listed_models, prices_date, worst_usd
from aragora.providers.wire import Tokens
from model_builders import a_catalogue

FLAT = (Level(0, 2.0, 10.0, 0.5, 2.5),)
AMOUNTS = st.integers(0, 1000).map(lambda parts: parts / 128)  # which floats add up exactly
STEEP = (Level(0, 2.0, 10.0), Level(200_000, 4.0, 20.0))


def test_cached_tokens_have_their_own_price() -> None:
    """A million read, half of them cached and a fifth stored, and a tenth written."""
    tokens = Tokens(read=1_000_000, written=100_000, cached=500_000, stored=200_000)
    assert cost_usd(FLAT, tokens) == pytest.approx(0.3 * 2.0 + 0.5 * 0.5 + 0.2 * 2.5 + 0.1 * 10.0)


def test_a_long_request_pays_its_level_for_all_tokens() -> None:
    """Vendors charge the dearer price for the whole request, not for what is above the step."""
    assert cost_usd(STEEP, Tokens(read=200_000, written=0)) == pytest.approx(0.4)
    assert cost_usd(STEEP, Tokens(read=200_001, written=0)) == pytest.approx(0.800004)


@pytest.mark.parametrize("tokens", [Tokens(), Tokens(read=5), Tokens(written=5)])
def test_unknown_is_unknown(tokens: Tokens) -> None:
    """Without a count, or without a price, there is no cost; it is not 0."""
    assert cost_usd(FLAT, tokens) is None
    assert cost_usd(None, Tokens(read=1, written=1)) is None
    assert worst_usd(None, 1, 1) is None


def test_the_price_list_is_that_of_its_source() -> None:
    """For every model that both know, by its own name: the same price as the package that it was made from."""
    from genai_prices import Usage as Counted  # noqa: PLC0415 -- 30 MB, for one test
    from genai_prices import calc_price  # noqa: PLC0415 -- as above

    models = {
        "anthropic": ("claude-sonnet-4-6", "claude-haiku-4-5-20251001", "claude-opus-4-6"),
        "openai": ("gpt-4o", "gpt-4o-mini", "gpt-5", "o3"),
        "google": ("gemini-2.5-pro", "gemini-2.5-flash"),
        "mistral": ("mistral-large-latest", "mistral-small-latest"),
        "groq": ("llama-3.3-70b-versatile",),
    }
    made = datetime.fromisoformat(prices_date()).replace(tzinfo=UTC)
    for provider, names in models.items():
        for name in names:
            for read in (10_000, 250_000):
                theirs = calc_price(
                    Counted(input_tokens=read, output_tokens=1000), name, provider_id=provider, genai_request_timestamp=made
                )
                ours = cost_usd(listed(provider, name), Tokens(read=read, written=1000))
                assert ours == pytest.approx(float(theirs.total_price)), (name, read)


def test_models_that_nobody_sells_have_no_price() -> None:
    """A local model, a name that does not exist, and a vendor that is not listed."""
    assert listed("ollama", "llama3") is None
    assert listed("openai", "gpt-nonesuch") is None
    assert listed_models("ollama") == 0


def test_the_price_list_says_when_it_was_true() -> None:
    """It carries its date and its source, and is of a size that a package may have."""
    path = Path(__file__).parents[2] / "src" / "aragora" / "providers" / "prices.json"
    told = json.loads(path.read_text())
    assert told["source"].startswith("genai-prices ")
    assert datetime.fromisoformat(told["date"])
    assert path.stat().st_size < 150_000


@given(AMOUNTS, st.lists(st.tuples(AMOUNTS, st.sampled_from([0.0, 0.25, 0.5, 1.0])), max_size=50))
def test_a_budget_is_never_passed(limit: float, calls: list[tuple[float, float]]) -> None:
    """Whatever is asked for, in whatever order it ends: spent and reserved stay within the limit."""
    budget, running = Budget(limit), list[tuple[float, float]]()
    for worst, share in calls:
        if budget.spent_usd + budget.reserved_usd + worst <= limit:
            running.append((budget.reserve(worst), worst * share))
        else:
            with pytest.raises(ProviderError) as refused:
                budget.reserve(worst)
            assert (refused.value.fault, refused.value.usage) == (Fault.BUDGET, NOTHING)
        if len(running) > 3:
            budget.settle(*running.pop(0))
        assert budget.spent_usd + budget.reserved_usd <= limit + 1e-9
    for reserved, cost in running:
        budget.settle(reserved, cost)
    assert budget.reserved_usd == pytest.approx(0, abs=1e-9)


def test_a_budget_refuses_what_has_no_price() -> None:
    """Under a limit, a model of unknown price is not asked; without one, it is."""
    with pytest.raises(ProviderError, match="not known"):
        Budget(1.0).reserve(None)
    assert Budget().reserve(None) == 0


def test_costs_are_told_by_seat_and_in_all() -> None:
    """A turn of unknown cost makes its seat's sum and the whole unknown, the other seat's not."""
    brief = Brief(topic="t", seats=seats_for(["a", "b"]))
    paid = Usage(tokens_in=10, tokens_out=5, tokens_cached=0, cost_usd=0.01, held_usd=0.002)
    heard = [
        Message(round=1, phase=Phase.PROPOSE, seat="a", usage=paid),
        Message(round=1, phase=Phase.CRITIQUE, seat="a", usage=paid),
        Message(round=1, phase=Phase.PROPOSE, seat="b"),
    ]
    a, b, whole = costs_of(brief, heard)
    assert (a.seat, a.tokens_in, a.usd) == ("a", 20, 0.02)
    assert a.held_usd == pytest.approx(0.004)
    assert (b.seat, b.tokens_in, b.usd) == ("b", None, None)
    assert (whole.seat, whole.usd) == ("", None)
    assert spent_usd(heard) == pytest.approx(0.024)


def test_an_estimate_grows_with_rounds_and_is_below_the_worst() -> None:
    """For a debate of two priced models and a demo agent; one without a price makes the whole unknown."""
    agents = Agents(demo_delay_s=0, catalogue=a_catalogue("http://127.0.0.1:9"))
    names = ["demo", "openai:gpt-4o-mini", "anthropic:claude-sonnet-4-6"]
    short, long = (estimate(Brief(topic="t", seats=seats_for(names), rounds=rounds), agents)[-1] for rounds in (1, 3))
    assert short.usd is not None
    assert long.usd is not None
    assert short.usd_max is not None
    assert 0 < short.usd < short.usd_max
    assert short.usd < long.usd
    assert short.calls < long.calls
    *_, local, whole = estimate(Brief(topic="t", seats=seats_for([*names, "ollama:llama3"])), agents)
    assert (local.usd, whole.usd, whole.usd_max) == (None, None, None)
