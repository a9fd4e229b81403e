"""Experiments on panels: does debate help, how good is a majority, what does correlation cost. Known figures beside ours."""

from collections.abc import Sequence
from math import comb

from aragora.bench import Line, Row, Table, mean, share
from aragora.bench.drive import Run, a_brief, drive

# The setting of "Debate or Vote" (Choi et al., NeurIPS 2025): four options, belief 0.4 in the true one.
BELIEF = 0.4
OPTIONS = ("right", "wrong-1", "wrong-2", "wrong-3")
LEARNER = "sim:p=0.4;alpha=5"
ROUNDS = 5
# How far two published or re-run accuracies of this simulation may lie apart by their own chance.
RERUN = 0.02
# Juries of different sizes are drawn apart, so that their figures err independently.
SEEDS_APART = 1_000_000
SIZES = (3, 5, 9)
PHI, PHI_P = 0.5, 0.8
CORRELATED = {3: 0.817, 5: 0.824, 9: 0.828, 15: 0.832}
CORRELATED_SLACK = 0.002  # the known figures were themselves simulated, and rounded


def martingale(trials: int) -> Table:
    """E1: the mean belief in the truth does not move; the vote gets no better by talking; a bias to correction changes both."""
    rows: list[Row] = []
    lines: list[Line] = []
    for seats, topology, known in ((5, "full", (0.508, 0.470)), (15, "full", (0.694, 0.574)), (5, "ring", None)):
        runs = _learn(LEARNER, seats, topology, max(40, trials * 5 // seats))
        name = f"{seats} agents, {topology}"
        beliefs = [mean(f"{name}: belief, round {n}", [run.believed(n) for run in runs], known=BELIEF) for n in range(ROUNDS + 1)]
        right = [_accuracy(f"{name}: vote, round {n}", runs, n) for n in range(ROUNDS + 1)]
        first, last = right[0], right[-1]
        rows += [*beliefs, _known(first, known and known[0]), _known(last, known and known[1]), _change(name, runs)]
        lines += [_line(f"{name}: belief", beliefs), _line(f"{name}: vote", right)]
    taught = _learn(LEARNER + ";correct=0.5", 5, "full", trials)
    rows.append(
        mean("5 agents who weigh true evidence half as much again: belief, round 5", [r.believed(ROUNDS) for r in taught])
    )
    right = [_accuracy("", taught, n) for n in range(ROUNDS + 1)]
    rows.append(_known(_accuracy("the same: vote, round 5", taught, ROUNDS), 0.668))
    lines.append(_line("correcting: vote", right))
    return Table(
        id="E1",
        title="Debate alone is a martingale",
        says="Belief 0.400 in every round (theorem). Votes: a re-run of the published simulation, itself within 0.02.",
        rows=tuple(rows),
        lines=tuple(lines),
        axes=("round", "share"),
    )


def _learn(agent: str, seats: int, topology: str, trials: int) -> list[Run]:
    agents = [agent] * seats
    fields = {"rounds": ROUNDS, "protocol": "collective_refinement@1", "topology": topology, "stops": (), "rule": "plurality"}
    return [drive(a_brief(agents, OPTIONS, seed=seed, **fields)) for seed in range(trials)]


def _accuracy(name: str, runs: Sequence[Run], number: int) -> Row:
    return share(name, sum(run.right(number) for run in runs), len(runs))


def _known(row: Row, known: float | None) -> Row:
    return Row(name=row.name, value=row.value, known=known, low=row.low, high=row.high, slack=RERUN)


def _change(name: str, runs: Sequence[Run]) -> Row:
    """How much better the last vote was than the first, over the same debates."""
    return mean(f"{name}: what debating added to the vote", [run.right(ROUNDS) - run.right(0) for run in runs])


def _line(name: str, rows: Sequence[Row]) -> Line:
    points = [(float(n), row.value, row.low or 0.0, row.high or 0.0) for n, row in enumerate(rows)]
    return Line(name=name, points=tuple(points))


def majority_of(count: int, p: float) -> float:
    """The exact chance that more than half of `count` independent voters are right."""
    return sum(comb(count, k) * p**k * (1 - p) ** (count - k) for k in range(count // 2 + 1, count + 1))


def condorcet(trials: int) -> Table:
    """E2: independent voters through our vote, against the exact binomial."""
    rows = []
    lines = []
    for p in (0.7, 0.8):
        votes = [_jury(f"p={p:.2f}, {n} voters", f"sim:p={p}", n, trials, round(majority_of(n, p), 4)) for n in SIZES]
        rows += votes
        lines.append(
            Line(
                name=f"p={p}",
                points=tuple((float(n), r.value, r.low or 0, r.high or 0) for n, r in zip(SIZES, votes, strict=True)),
            )
        )
    return Table(
        id="E2",
        title="Condorcet's jury, independent voters",
        says="Known: the exact binomial.",
        rows=tuple(rows),
        lines=tuple(lines),
        axes=("voters", "majority is right"),
    )


def correlated(trials: int) -> Table:
    """E3: voters whose errors correlate; more heads add next to nothing."""
    agent = f"sim:p={PHI_P};rho={PHI}"
    rows = [_jury(f"p={PHI_P}, correlation {PHI}, {n} voters", agent, n, trials, known) for n, known in CORRELATED.items()]
    exact = [majority_of(n, PHI_P) for n in CORRELATED]
    points = tuple((float(n), row.value, row.low or 0.0, row.high or 0.0) for n, row in zip(CORRELATED, rows, strict=True))
    fantasy = tuple((float(n), value, value, value) for n, value in zip(CORRELATED, exact, strict=True))
    return Table(
        id="E3",
        title="Condorcet's jury, correlated voters",
        says="Errors correlate at 0.5, as those of the best models on MMLU do (0.554). Known: a simulation, rounded.",
        rows=tuple(rows),
        lines=(Line(name="correlated", points=points), Line(name="if they were independent", points=fantasy)),
        axes=("voters", "majority is right"),
    )


def _jury(name: str, agent: str, count: int, trials: int, known: float) -> Row:
    runs = (drive(a_brief([agent] * count, protocol="vote_only@1", seed=count * SEEDS_APART + n)) for n in range(trials))
    right = sum(run.outcome.position == "right" for run in runs)
    return share(name, right, trials, known=known, slack=CORRELATED_SLACK if "correlation" in name else 0.0)
