"""What the hash chain costs an append: the same appends to a SQLite file with heads and without, in turns.

Run with `python benchmarks/chain.py [--appends 20000] [--chars 2000]`.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from unittest.mock import patch

import msgspec

from aragora.debate.events import Event, data_of, type_of
from aragora.debate.model import Brief, Message, Phase, seats_for
from aragora.store import Statement, chain, store
from aragora.store.sqlite import Sqlite
from aragora.store.store import Store

NOW = "2026-01-01T00:00:00.000000Z"
ROUNDS = 5
WAITING = 200
PLAIN = "INSERT INTO events (debate_id, seq, key, type, data, created_at) VALUES (:id, :seq, :key, :type, :data, :at)"


def unchained(debate_id: str, event: Event, at: str) -> Statement:
    """An event written as it would be without a chain."""
    data = msgspec.json.encode(data_of(event)).decode()
    values = {"id": debate_id, "key": event.key, "type": type_of(event), "data": data, "at": at}
    return Statement(PLAIN, values)


async def appended(folder: Path, debate_id: str, count: int, chars: int) -> float:
    """Microseconds for one append, of many that wait together."""
    kept = Store(Sqlite(folder / "bench.db"))
    await kept.migrate(NOW)
    await kept.create(debate_id, Brief(topic="Which?", seats=seats_for(["demo", "demo"])), at=NOW, start=True)
    messages = [Message(round=n, phase=Phase.PROPOSE, seat="demo-1", content="x" * chars) for n in range(count)]
    began = perf_counter()
    for place in range(0, count, WAITING):
        await asyncio.gather(*(kept.append(debate_id, each, at=NOW) for each in messages[place : place + WAITING]))
    took = perf_counter() - began
    await kept.close()
    return took * 1e6 / count


async def main() -> None:
    """Measure in turns and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--appends", type=int, default=20_000)
    parser.add_argument("--chars", type=int, default=2_000)
    asked = parser.parse_args()
    count = asked.appends // ROUNDS
    found: dict[str, list[float]] = {"with": [], "without": []}
    for number in range(ROUNDS):
        for name, times in found.items():
            with (
                tempfile.TemporaryDirectory() as folder,
                patch.object(store, "written", unchained if name == "without" else chain.written),
            ):
                times.append(await appended(Path(folder), f"d{number}", count, asked.chars))
    one, other = median(found["with"]), median(found["without"])
    print(f"with heads {one:.1f} us an append, without {other:.1f} us: {one / other:.2f} times")


if __name__ == "__main__":
    asyncio.run(main())
