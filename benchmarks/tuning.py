"""Which settings matter: the same work with one of them changed, and the ratio of what it cost.

    python benchmarks/tuning.py [--long]

Also what the specification advises and is not done here: compressing what is stored. Its thresholds of the garbage collector are
the subject of decision 63.
"""

import json
import time
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from measure import Section, Served, Used, alone, folder, served, table, wrk

SHORT_S, LONG_S = 1, 2
LONG_PASSES = 3  # both values take turns, and the pass that others disturbed least counts
CONNECTIONS = 20
CREATE = json.dumps({"topic": "Test debate", "agents": ["demo", "demo"], "rounds": 2, "start": False})
ROUNDS = {
    "topic": "How much is read?",
    "agents": ["demo", "demo:sceptic", "demo:analyst"],
    "rounds": 8,
    "rule": "unanimous",
    "seed": 5,
}
Work = Callable[[Served, float], float]
Start = Callable[[Path], AbstractContextManager[Served]]


def creates(server: Served, seconds: float) -> float:
    """CPU for storing a debate, in us."""
    return _cpu_us(server, seconds, "/api/debates", CREATE)


def lists(server: Served, seconds: float) -> float:
    """CPU for a list that nobody asked before, in us."""
    for _ in range(20):
        server.ask("/api/debates", json.loads(CREATE))
    return _cpu_us(server, seconds, "/api/debates?limit=20", ids=1)


def gets(server: Served, seconds: float) -> float:
    """CPU for an ended debate that nobody asked for with these headers before, in us."""
    debate_id = server.ask("/api/debates", {"topic": "Read again?", "agents": ["demo", "demo"], "rounds": 1}).json["id"]
    server.ask(f"/api/debates/{debate_id}/events/stream")
    return _cpu_us(server, seconds, f"/api/debates/{debate_id}", ids=1)


def debates(server: Served, seconds: float) -> float:
    """CPU for a whole debate, in us."""
    used, held, ends = Used(server), 0, time.perf_counter() + seconds
    while time.perf_counter() < ends:
        body = {"topic": "What does it cost?", "agents": ["demo"] * 3, "rounds": 2, "seed": held}
        server.ask(f"/api/debates/{server.ask('/api/debates', body).json['id']}/events/stream")
        held += 1
    used.look()
    return 1e6 * used.cpu_s / held


def tokens(server: Served, _: float) -> float:
    """Tokens that the models of one long debate read."""
    debate_id = server.ask("/api/debates", ROUNDS).json["id"]
    server.ask(f"/api/debates/{debate_id}/events/stream")
    ended = server.ask(f"/api/debates/{debate_id}/events?limit=1000").json["events"][-1]["data"]
    return float(sum(seat["tokens_in"] or 0 for seat in ended["costs"]))


def _cpu_us(server: Served, seconds: float, path: str, body: str = "", *, ids: int = 0) -> float:
    used = Used(server)
    row = wrk(f"http://127.0.0.1:{server.api_port}{path}", seconds, body, connections=CONNECTIONS, ids=ids)
    used.look()
    return 1e6 * used.cpu_s / (row["rps"] * round(seconds))


# Setting, its default, another value, and the work that shows it.
TRIED: tuple[tuple[str, object, object, Work], ...] = (
    ("max_history_rounds", 5, 1, tokens),
    ("max_context_tokens", 8000, 500, tokens),
    ("cache_max_entries", 10_000, 0, gets),
    ("rate_limit_default", 0, 1_000_000, lists),
    ("auth", "off", "optional", lists),
    ("log_level", "info", "warning", debates),
    ("log_level", "info", "debug", debates),
    ("thread_pool_size", 20, 2, creates),
    ("max_connections", 1000, 10_000, lists),
)


def packed() -> tuple[float, float]:
    """What compressing the events of a debate, one by one, leaves of them; and us of CPU for each."""
    with folder() as place, served(place) as server:
        debate_id = server.ask("/api/debates", ROUNDS).json["id"]
        server.ask(f"/api/debates/{debate_id}/events/stream")
        events = server.ask(f"/api/debates/{debate_id}/events?limit=1000").json["events"]
    texts = [json.dumps(event["data"]).encode() for event in events]
    began = time.process_time()
    small = [zlib.compress(text) for text in texts]
    return sum(map(len, small)) / sum(map(len, texts)), 1e6 * (time.process_time() - began) / len(texts)


def _with(name: str, value: object) -> Start:
    return lambda place: served(place, **{name: value})


def both(one: Start, other: Start, work: Work, *, long: bool) -> tuple[float, float]:
    """What the work costs on each of two servers."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(LONG_PASSES if long else 1):
        for start, values in zip((one, other), took, strict=True):
            with folder() as place, start(place / "server") as server:
                values.append(work(server, LONG_S if long else SHORT_S))
    return min(took[0]), min(took[1])


def section(long: bool) -> Section:  # noqa: FBT001
    """Every setting once, as it is and changed."""
    rows: list[list[object]] = []
    for name, usual, other, work in TRIED:
        found = both(_with(name, usual), _with(name, other), work, long=long)
        said = (work.__doc__ or "").rstrip(".")
        rows.append([f"`ARAGORA_{name.upper()}`", str(usual), str(other), said, *found, found[1] / found[0]])
    share, us_each = packed()
    lines = table(["setting", "default", "instead", "measured", "default", "instead", "ratio"], rows)
    lines += ["", f"zlib on each stored event leaves {share:.0%} of the bytes and takes {us_each:.0f} us of CPU."]
    return Section("tuning", "Settings that were tried", lines, {"rows": rows, "zlib": [share, us_each]})


if __name__ == "__main__":
    alone(section)
