"""Which experiments there are, and how to run them. Imports siblings only."""

from collections.abc import Callable, Mapping, Sequence

from aragora.bench import Table, faults, panels, proofs

# Each takes how many trials to make of every figure that is drawn by chance.
EXPERIMENTS: Mapping[str, Callable[[int], Table]] = {
    "E1": panels.martingale,
    "E2": panels.condorcet,
    "E2e": faults.through_engine,
    "E3": panels.correlated,
    "E6": lambda trials: proofs.order(min(trials, 200)),
    "E10": proofs.textbooks,
    "E11": proofs.stopping,
    "E12": proofs.forgery,
    "E13": faults.faulty,
}


def run(names: Sequence[str], trials: int, tell: Callable[[str], None]) -> list[Table]:
    """Run the named experiments, or all; `tell` is told the name of each before it begins."""
    tables = []
    for name in names or EXPERIMENTS:
        tell(name)
        tables.append(EXPERIMENTS[name](trials))
    return tables
