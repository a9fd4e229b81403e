"""What a request costs as debates pile up: each endpoint at 1,000 to 1,000,000 stored debates.

    python benchmarks/growth.py [--long]

A held debate is copied under new ids in the file itself: the row of the debate every time, its log, messages and votes for one in
LOGS_ONE_IN, so that a million fit on a disk. Each request asks for another debate and has an id of its own, so that no answer is
given again from memory. The cost is the server's CPU for a request: with the loader on the same two cores, rates say less.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import apsw

from measure import Row, Section, Served, Used, alone, folder, served, table, wrk

SIZES, LONG_SIZES = (500, 2_000), (1_000, 10_000, 100_000, 1_000_000)
LOGS_ONE_IN = 20
CONNECTIONS = 10
SHORT_S, LONG_S = 1, 3
AIM = 1.3
ENDPOINTS = ("list", "get", "create")
LONG_ENDPOINTS = (*ENDPOINTS, "list by status", "vote", "health", "leaderboard", "agents")
TABLES = """
SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = 'debate_id'
"""
PAGE = 50_000
CREATE = json.dumps({"topic": "Test debate", "agents": ["demo", "demo"], "rounds": 2, "start": False})
VOTE = json.dumps({"choice": "demo-1", "voter": "VOTER"})
DEBATE_ID = "printf('%032x', number)"
HELD_AT = "strftime('%Y-%m-%dT%H:%M:%f000Z', 1750000000 + number, 'unixepoch')"


def _copied(db: apsw.Connection, name: str, key: str, first: int, last: int, step: int, source: str) -> None:
    """Rows of a table that belong to the source, once for each number."""
    told: dict[str, str] = {key: DEBATE_ID, **({"slug": DEBATE_ID, "created_at": HELD_AT} if name == "debates" else {})}
    columns = [str(row[0]) for row in db.execute("SELECT name FROM pragma_table_info(?)", (name,))]
    values = ", ".join(told.get(column, f"t.{column}") for column in columns)
    more = f"SELECT number + {step} FROM numbers WHERE number + {step} <= {last}"
    numbers = f"WITH RECURSIVE numbers (number) AS (VALUES ({first}) UNION ALL {more})"
    rows = f"SELECT {values} FROM numbers, {name} t WHERE t.{key} = ?"
    db.execute(f"{numbers} INSERT INTO {name} ({', '.join(columns)}) {rows}", (source,))


def fill(path: Path, source: str, held: int, wanted: int) -> None:
    """Copies of the debate `source` until there are so many; `held` there are already."""
    db = apsw.Connection(str(path))
    db.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF")
    tables = [str(row[0]) for row in db.execute(TABLES)]
    for first in range(held + 1, wanted + 1, PAGE):
        last = min(first + PAGE - 1, wanted)
        with db:
            _copied(db, "debates", "id", first, last, 1, source)
            full = first + -first % LOGS_ONE_IN
            for name in tables:
                if name not in {"parents", "shares", "deliveries", "memories"} and full <= last:
                    _copied(db, name, "debate_id", full, last, LOGS_ONE_IN, source)
    db.execute("UPDATE counters SET n = n + ? WHERE name IN ('debates', 'debates/public')", (wanted - held,))
    db.close()


def costs(server: Served, size: int, seconds: int, names: Sequence[str]) -> dict[str, Row]:
    """CPU for a request of each endpoint, in us, with rate and waits."""
    root = f"http://127.0.0.1:{server.api_port}/api"
    running = server.ask("/api/debates", {"topic": "Open?", "agents": ["demo", "demo"], "rounds": 1}).json["id"]
    asked = {
        "health": ("/health", "", size),
        "list": ("/debates?limit=20", "", size),
        "list by status": ("/debates?limit=20&status=completed", "", size),
        "get": ("/debates/ID", "", size),
        "create": ("/debates", CREATE, 0),
        "vote": (f"/debates/{running}/vote", VOTE, 0),
        "leaderboard": ("/leaderboard", "", size),
        "agents": ("/agents", "", size),
    }
    found = {}
    for name in names:
        path, body, ids = asked[name]
        used = Used(server)
        row = wrk(root + path, seconds, body, connections=CONNECTIONS, ids=ids)
        used.look()
        found[name] = {**row, "cpu_us": 1e6 * used.cpu_s / (row["rps"] * seconds)}
    return found


def section(long: bool) -> Section:  # noqa: FBT001
    """Each size in turn, in one file that grows."""
    seconds, sizes, held = LONG_S if long else SHORT_S, LONG_SIZES if long else SIZES, 0
    rows: dict[int, dict[str, Row]] = {}
    names = LONG_ENDPOINTS if long else ENDPOINTS
    bytes_held: dict[int, int] = {}
    with folder() as place:
        path = place / "grown.db"
        flags = {"database_url": f"sqlite:///{path}", "demo_delay_s": 60, "max_queued_debates": 1_000_000}
        with served(place, **{**flags, "demo_delay_s": 0}) as server:
            source = server.ask("/api/debates", {"topic": "What grows?", "agents": ["demo", "demo:sceptic"], "rounds": 2}).json[
                "id"
            ]
            server.ask(f"/api/debates/{source}/events/stream")
            server.stop()
        for size in sizes:
            fill(path, source, held, size)
            held = size
            with served(place, **flags) as server:
                rows[size] = costs(server, size, seconds, names)
            bytes_held[size] = path.stat().st_size
    lines = [
        f"The server's CPU for one request, in us, at {CONNECTIONS} connections; SQLite. Debates are asked for at random.",
        "",
    ]
    lines += table(
        ["endpoint", *(f"{size:,} debates" for size in sizes), f"last by first (aim <= {AIM})", "p99 ms at the last"],
        [
            [
                name,
                *(rows[size][name]["cpu_us"] for size in sizes),
                rows[sizes[-1]][name]["cpu_us"] / rows[sizes[0]][name]["cpu_us"],
                rows[sizes[-1]][name]["p99_ms"],
            ]
            for name in names
        ],
    )
    lines += ["", f"The file, with the whole log of one debate in {LOGS_ONE_IN} and the row of each: "]
    lines[-1] += ", ".join(f"{bytes_held[size] / 2**20:,.0f} MB at {size:,}" for size in sizes) + "."
    bars = [(name, {f"{size:,}": rows[size][name]["cpu_us"] for size in (sizes[0], sizes[-1])}) for name in names]
    raw = {str(size): {"rows": rows[size], "bytes": bytes_held[size]} for size in sizes}
    return Section("growth", "Growth", lines, raw, bars, "us of CPU a request")


if __name__ == "__main__":
    alone(section)
