"""Refit the leaderboard over a million stored results of two hundred agents, and add results while it is served.

Run with `python benchmarks/ranking.py [--results 1000000] [--agents 200] [--json]`.
"""

import argparse
import json
import resource
from math import exp
from random import Random
from time import perf_counter

from aragora.debate.ranking import Match
from aragora.debate.strength import Results, fit, leaderboard, starting
from measure import Section, table


def simulate(count: int, agents: int, seed: int = 1) -> list[Match]:
    """Draw results between agents of known strength, about one in seven of them a tie."""
    random = Random(seed)
    names = [f"agent-{n:03}" for n in range(agents)]
    truth = [random.gauss(0, 1) for _ in names]
    played = []
    for _ in range(count):
        one, other = random.randrange(agents), random.randrange(agents - 1)
        other += other >= one
        win, draw, lose = exp((truth[one] - truth[other]) / 2), exp(-1.0), exp((truth[other] - truth[one]) / 2)
        drawn = random.random() * (win + draw + lose)
        score = 1.0 if drawn < win else 0.5 if drawn < win + draw else 0.0
        played.append(Match(a=names[one], b=names[other], score=score))
    return played


def measure(count: int, agents: int) -> dict[str, float]:
    """How long each step takes, in seconds, and microseconds for one result."""
    played = simulate(count, agents)
    began = perf_counter()
    results = Results.of(played)
    counted = perf_counter()
    found = fit(results)
    fitted = perf_counter()
    rows = leaderboard(results, found)
    ranked = perf_counter()
    more = simulate(1000, agents, seed=2)
    adding = perf_counter()
    for match in more:
        results.add(match)
    added = perf_counter()
    again = fit(results, starting(found))
    refitted = perf_counter()
    return {
        "results": count,
        "agents": len(rows),
        "pairs": len(results.pairs),
        "count_s": round(counted - began, 3),
        "fit_s": round(fitted - counted, 3),
        "rank_s": round(ranked - fitted, 3),
        "whole_refit_s": round(ranked - began, 3),
        "add_one_us": round((added - adding) * 1e6 / len(more), 2),
        "refit_warm_s": round(refitted - added, 3),
        "steps_cold": found.steps,
        "steps_warm": again.steps,
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def section(long: bool) -> Section:  # noqa: FBT001
    """Refitting the leaderboard."""
    found = measure(1_000_000 if long else 20_000, 200)
    lines = [*table(["what", "here"], [[name, value] for name, value in found.items()])]
    return Section("ranking", "Refitting the leaderboard", lines, found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=1_000_000)
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    figures = measure(asked.results, asked.agents)
    print(json.dumps(figures) if asked.json else "\n".join(f"{name:>14}  {value:,}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
