"""Refit the leaderboard over a million stored results of two hundred agents, and add results while it is served.

What serving costs for each new result is what counting its debate writes, and a share of the time that fits may take.

Run with `python benchmarks/ranking.py [--results 1000000] [--agents 200] [--json]`.
"""

import argparse
import asyncio
import json
import resource
import tempfile
from math import exp
from pathlib import Path
from random import Random
from time import perf_counter

from aragora.debate.lessons import Lesson
from aragora.debate.model import Brief, seats_for
from aragora.debate.ranking import Match
from aragora.debate.strength import Results, fit, leaderboard, starting
from aragora.ranking import PAUSE_S, SHARE
from aragora.store import Statement
from aragora.store.ranks import Ranks
from aragora.store.sqlite import Sqlite
from aragora.store.store import Store
from measure import Section, table

NOW = "2026-01-01T00:00:00.000000Z"
DEBATES = 300
OF_A_DEBATE = 10  # results of five seats
ENDED = "UPDATE debates SET ended_at = created_at WHERE id = :id RETURNING id"


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


def measured(count: int, agents: int) -> dict[str, float]:
    """A refit, and what serving costs: counting one debate, and how often a fit may run."""
    found = measure(count, agents)
    every_s = max(PAUSE_S, SHARE * found["refit_warm_s"])
    found["count_debate_ms"] = round(1000 * asyncio.run(counted(agents)), 3)
    found["refit_every_s"] = round(every_s, 1)
    found["fits_share_of_a_core"] = round(found["refit_warm_s"] / every_s, 3)
    return found


async def counted(agents: int) -> float:
    """Seconds to count one debate of ten results in a SQLite file, one debate at a time."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Sqlite(Path(folder) / "bench.db"))
        await store.migrate(NOW)
        brief = Brief(topic="Which?", seats=seats_for(["demo", "demo"]))
        for number in range(DEBATES):
            await store.create(f"d{number}", brief, at=NOW, start=False)
            await store.database.write([Statement(ENDED, {"id": f"d{number}"})])
        played = simulate(DEBATES * OF_A_DEBATE, agents, seed=3)
        ranks, began = Ranks(store.database), perf_counter()
        for number in range(DEBATES):
            await ranks.count(f"d{number}", Lesson(panel=tuple(played[number * OF_A_DEBATE : (number + 1) * OF_A_DEBATE])))
        took = (perf_counter() - began) / DEBATES
        await store.close()
        return took


def section(long: bool) -> Section:  # noqa: FBT001
    """Refitting the leaderboard."""
    found = measured(1_000_000 if long else 20_000, 200)
    lines = [*table(["what", "here"], [[name, value] for name, value in found.items()])]
    return Section("ranking", "Refitting the leaderboard", lines, found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=1_000_000)
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    figures = measured(asked.results, asked.agents)
    print(json.dumps(figures) if asked.json else "\n".join(f"{name:>14}  {value:,}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
