"""Simulated agents are what they claim to be, and the bench finds what is known and what is not."""

import asyncio
import json
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models_server
from aragora.bench import Row, Table, mean, share
from aragora.bench.drive import a_brief, drive
from aragora.bench.faults import hold
from aragora.bench.paired import compare, mcnemar, questions
from aragora.bench.panels import majority_of
from aragora.bench.report import as_json, html, svg, text
from aragora.bench.suite import EXPERIMENTS, run
from aragora.debate.model import Phase
from aragora.debate.prompts import PARTS, TASKS
from aragora.debate.protocols import PROTOCOLS
from aragora.errors import Invalid
from aragora.providers.agents import Agents
from aragora.providers.sim import latent, nature
from model_builders import some_agents


@pytest.mark.parametrize("name", ["E10", "E11", "E12", "E13"])
def test_what_is_not_drawn_by_chance_is_met_exactly(name: str) -> None:
    """Textbook elections, stop rules, forgeries and faults."""
    (table,) = run([name], 50, lambda _: None)
    assert table.fits
    assert table.rows


@pytest.mark.parametrize("name", ["E1", "E3", "E6"])
def test_what_is_drawn_by_chance_falls_within_its_interval(name: str) -> None:
    """With few trials and fixed seeds: the full bench makes more."""
    table = EXPERIMENTS[name](120)
    assert table.fits
    assert [row for row in table.rows if row.known is not None]


@pytest.mark.parametrize(("p", "count", "known"), [(0.7, 3, 0.7840), (0.7, 5, 0.8369), (0.7, 9, 0.9012), (0.8, 9, 0.9804)])
def test_exact_majorities(p: float, count: int, known: float) -> None:
    """The figures of Condorcet's theorem."""
    assert known == round(majority_of(count, p), 4)


def accuracy(agent: str, seats: int, trials: int = 600) -> tuple[float, float]:
    """How often one seat is right, and how alike two seats are."""
    runs = [drive(a_brief([agent] * seats, protocol="vote_only@1", seed=seed)) for seed in range(trials)]
    right = [[m.position == "right" for m in list(one.standing[0].values())[:2]] for one in runs]
    p = sum(map(sum, right)) / (2 * trials)
    both = sum(all(pair) for pair in right) / trials
    return p, (both - p * p) / (p * (1 - p))


@pytest.mark.parametrize(("p", "rho"), [(0.7, 0.0), (0.8, 0.5), (0.6, 0.3)])
def test_a_simulated_agent_is_as_right_and_as_alike_as_it_says(p: float, rho: float) -> None:
    """Within what six hundred draws can show."""
    found_p, found_rho = accuracy(f"sim:p={p};rho={rho}", 2)
    assert found_p == pytest.approx(p, abs=0.05)
    assert found_rho == pytest.approx(rho, abs=0.12)


def test_conforming_agents_end_as_one_and_independent_ones_do_not() -> None:
    """Conformity is what it is called."""
    agreed = []
    for conform in (0.0, 1.0):
        brief_of = [a_brief([f"sim:p=0.5;conform={conform}"] * 5, rounds=1, stops=(), seed=seed) for seed in range(60)]
        agreed.append(sum(max(drive(brief).rounds[-1].counts.values()) == 5 for brief in brief_of))
    assert agreed[0] < 15
    assert agreed[1] > 55


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(sorted(PROTOCOLS)),
    st.integers(1, 5),
    st.integers(0, 99),
    st.sampled_from(["", ";alpha=4", ";fault=0.3", ";garble=0.3"]),
)
def test_simulated_agents_sit_at_every_table(protocol: str, seats: int, seed: int, more: str) -> None:
    """Their replies can be read in every protocol, and the same seed gives the same debate."""
    brief = a_brief(["sim:p=0.6" + more] * seats, protocol=protocol, seed=seed, rounds=2)
    first = drive(brief)
    assert first.outcome == drive(brief).outcome
    if "fault" not in more and "garble" not in more:
        assert not first.outcome.missing


def test_the_engine_and_the_driver_hold_the_same_debate() -> None:
    """Through prompts, database and resume points nothing changes but where it is kept."""
    brief = a_brief(["sim:p=0.6", "sim:p=0.7;conform=0.5", "sim:p=0.5"], rounds=2, seed=11)
    ((outcome, log),) = asyncio.run(hold([brief]))
    assert outcome.winner == drive(brief).outcome.winner
    assert outcome.tally == drive(brief).outcome.tally
    assert "debate_end" == log[-1].type


@pytest.mark.parametrize("model", ["p=2", "q=1", "p", "p=nan", "rho=1", "=", "p=0.7,,"])
def test_a_nature_that_cannot_be_is_refused_without_an_echo(model: str) -> None:
    """The message says what there is."""
    with pytest.raises(Invalid) as refused:
        nature(model)
    assert "sim:p=0.7" in refused.value.message


def test_agents_are_found_by_commas_and_semicolons() -> None:
    """Where commas part agents, semicolons part the numbers of one."""
    assert nature("p=0.7,rho=0.3") == nature("p=0.7;rho=0.3")
    assert "sim" == Agents(demo_delay_s=0.0).find("sim:p=0.7;rho=0.3").provider
    assert 0.7 == pytest.approx(latent(0.8, 0.5), abs=0.06)


def test_a_missed_figure_is_called_missed() -> None:
    """The bench can fail."""
    missed = Table(id="X", title="X", says="", rows=(share("coin", 50, 100, known=0.9), mean("m", [1.0, 1.0], known=1.0)))
    assert [False, True] == [row.fits for row in missed.rows]
    assert not missed.fits
    assert any("NO" in line for line in text([missed]))
    assert Row(name="exact", value=1.0, known=1.0).fits


def test_reports_have_plots_and_load_nothing() -> None:
    """The page is whole by itself."""
    tables = run(["E3"], 50, lambda _: None)
    page = html(tables)
    assert svg(tables[0]) in page
    assert "polyline" in page
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert json.loads(json.dumps(as_json(tables)))[0]["id"] == "E3"


@pytest.mark.parametrize(("wins", "losses", "p"), [(0, 0, 1.0), (5, 5, 1.0), (10, 0, 2 / 1024), (1, 9, 22 / 1024)])
def test_mcnemar_is_exact(wins: int, losses: int, p: float) -> None:
    """Twice the smaller tail of a fair coin."""
    assert p == pytest.approx(mcnemar(wins, losses))


def lines(count: int) -> str:
    """Build questions whose first option is right, as simulated agents need it."""
    return "\n".join(json.dumps({"topic": f"Q{n}?", "options": ["yes", "no"], "answer": "yes"}) for n in range(count))


def figures(panel: Sequence[str], count: int) -> dict[str, float]:
    """Compare a panel and return the figures by name."""
    table = asyncio.run(compare(Agents(demo_delay_s=0.0), questions(lines(count)), panel, "critique@1"))
    return {row.name: row.value for row in table.rows}


def test_a_panel_is_compared_with_its_best_member_question_by_question() -> None:
    """A panel of one expert and two guessers that take over what is true beats the guessers and not the expert."""
    found = figures(["sim:p=0.95", "sim:p=0.4;correct=1", "sim:p=0.3;correct=1"], 40)
    assert found["panel, after debate"] > found["panel, blind vote"]
    assert found["sim:p=0.95 alone"] > found["sim:p=0.3;correct=1 alone"]
    assert found["debate helped: wrong before, right after"] > found["debate hurt: right before, wrong after"]


def test_models_are_compared_over_the_wire_with_cost_and_test() -> None:
    """Two models that know and one that does not, asked over HTTP: who was right, what it cost, whether that is chance."""

    async def compared() -> Table:
        async with models_server.running() as (_, url):
            agents = some_agents(url)
            try:
                panel = ["openai:gpt-4o", "openai:gpt-4o-mini", "anthropic:claude-sonnet-4-5"]
                return await compare(agents, questions(lines(6)), panel, "critique@1")
            finally:
                await agents.close()

    rows = {row.name: row for row in asyncio.run(compared()).rows}
    assert (1.0, 0.0) == (rows["openai:gpt-4o alone"].value, rows["anthropic:claude-sonnet-4-5 alone"].value)
    assert 1.0 == rows["openai:gpt-4o asked 3 times, vote"].value
    costs = [
        float(rows[name].note.removeprefix("cost ")) for name in ("panel, after debate", "openai:gpt-4o asked 3 times, vote")
    ]
    assert costs[0] > costs[1] > 0
    for name in ("McNemar, panel against best member", "McNemar, panel against self-consistency"):
        assert 0 < rows[name].value <= 1
        assert rows[name].note.startswith("p; ")


@pytest.mark.parametrize("conform", [0.0, 0.5, 1.0])
def test_no_degree_of_agreement_beats_the_blind_vote(conform: float) -> None:
    """Whether seats that debate give way to others or hold out, the panel is not right more often than when it voted blind."""
    runs = [drive(a_brief([f"sim:p=0.7;conform={conform}"] * 5, rounds=2, stops=(), seed=seed)) for seed in range(300)]
    blind, final = (sum(one.right(place) for one in runs) for place in (0, -1))
    assert final <= blind + 25  # three standard deviations of so many trials


def test_nobody_is_told_how_much_to_agree() -> None:
    """No task of any phase or part has a dial of agreement in it: it asks for reasons, and to change for reasons only."""
    for said in (*TASKS.values(), *PARTS.values()):
        assert not re.search(r"(slightly|strongly|mostly|always) (dis)?agree|intensity|\d+ ?%", said, re.IGNORECASE)


@pytest.mark.parametrize("content", ["", "nonsense", "{}", '{"topic": "Q", "options": ["a"], "answer": "b"}'])
def test_questions_that_cannot_be_are_refused(content: str) -> None:
    """With the number of the line, and without its text."""
    with pytest.raises(Invalid):
        questions(content)


def test_every_phase_is_answered() -> None:
    """No protocol has a phase that simulated agents do not know."""
    asked = {Phase.PROPOSE, Phase.CRITIQUE, Phase.REVISE, Phase.VOTE, Phase.JUDGE, Phase.SYNTHESISE}
    assert asked == set(Phase)
