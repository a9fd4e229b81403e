"""The API table of docs/PERFORMANCE.md: each row beside a floor measured in the same run. Run by `make bench`.

    python benchmarks/api.py [--long]

The server, the floor and the loader (wrk, in the Debian package of that name) are three processes on one machine. The floor of a
read is a bare httptools protocol on uvloop that answers the same bytes; that of a write is the same, once it has inserted one row
with the body of the request through our SQLite port, which commits in groups. The floor of a WebSocket does the handshake and
writes our own two frames. Rates on a shared machine say little; the ratio to
the floor says more.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from api_floor import floor_server, socket_floor
from api_sockets import connects, greeting_and_pong, messages
from measure import Row, Section, Served, alone, folder, served, table, wrk

CONNECTIONS = 100
# A client may say 50 things a second, so that it takes many to keep a server busy.
TALKERS = 1000
SHORT_S, LONG_S = 1, 3
LONG_PASSES = 3  # floor and server take turns
# Operations a second on four cores, p99 in ms: the specification's table.
SEEDS = {
    "health": (5247, 8.2),
    "list": (1156, 52.1),
    "get": (2489, 31.4),
    "create": (187, 162.3),
    "vote": (823, 78.6),
    "leaderboard": (892, 65.2),
    "agents": (645, 89.1),
    "WS connect": (1024, 42.1),
    "WS message": (3156, 18.9),
}
CREATE = json.dumps({"topic": "Test debate", "agents": ["demo", "demo"], "rounds": 2, "start": False})


def reads(server: Served, debate_id: str, seconds: int, passes: int) -> Iterator[tuple[str, Row, Row]]:
    """Each reading row, and the same bytes from the bare protocol."""
    paths = {
        "health": "/api/health",
        "list": "/api/debates?limit=20",
        "get": f"/api/debates/{debate_id}",
        "leaderboard": "/api/leaderboard",
        "agents": "/api/agents",
    }
    for name, path in paths.items():
        answer = server.ask(path)
        ours, floors = [], []
        with floor_server(answer.headers, answer.body) as port:
            for _ in range(passes):
                floors.append(wrk(f"http://127.0.0.1:{port}{path}", seconds))
                ours.append(wrk(f"http://127.0.0.1:{server.api_port}{path}", seconds))
        yield name, _best(ours), _best(floors)


def _best(passes: Sequence[Row]) -> Row:
    """The pass that others on this machine disturbed least, with the errors of all."""
    return {**max(passes, key=lambda row: row["rps"]), "errors": sum(row["errors"] for row in passes)}


def writes(server: Served, folder: Path, seconds: int, passes: int) -> Iterator[tuple[str, Row, Row]]:
    """Creating and voting, and one insert of as many bytes with as long an answer."""
    running = server.ask("/api/debates", {"topic": "Open?", "agents": ["demo"], "rounds": 1}).json["id"]
    vote = json.dumps({"choice": "demo", "voter": "VOTER"})
    for name, path, body in (("create", "/api/debates", CREATE), ("vote", f"/api/debates/{running}/vote", vote)):
        answer = server.ask(path, body.encode())
        ours, floors = [], []
        with floor_server(answer.headers, answer.body, str(folder / f"{name}.db"), body) as port:
            for _ in range(passes):
                floors.append(wrk(f"http://127.0.0.1:{port}{path}", seconds, body))
                ours.append(wrk(f"http://127.0.0.1:{server.api_port}{path}", seconds, body))
        yield name, _best(ours), _best(floors)


def sockets(server: Served, seconds: int, passes: int) -> Iterator[tuple[str, Row, Row]]:
    """Connecting, and a ping answered by a pong; and the same frames from a bare protocol."""
    rows: tuple[tuple[str, Callable[[int, int, float], Row], int], ...] = (
        ("WS connect", connects, CONNECTIONS),
        ("WS message", messages, TALKERS),
    )
    with socket_floor(*greeting_and_pong(server.ws_port)) as port:
        for name, measured, clients in rows:
            ours, floors = [], []
            for _ in range(passes):
                floors.append(measured(port, clients, seconds))
                ours.append(measured(server.ws_port, clients, seconds))
            yield name, _best(ours), _best(floors)


def section(long: bool) -> Section:  # noqa: FBT001
    """Every row of the specification's table."""
    seconds, passes = (LONG_S, LONG_PASSES) if long else (SHORT_S, 1)
    rows: dict[str, tuple[Row, Row]] = {}
    with (
        folder() as place,
        served(place / "api", demo_delay_s=60, max_queued_debates=1_000_000, max_connections=2 * TALKERS) as server,
    ):
        ids = [server.ask("/api/debates", json.loads(CREATE)).json["id"] for _ in range(20)]
        for measured in (
            reads(server, ids[0], seconds, passes),
            writes(server, place, seconds, passes),
            sockets(server, seconds, passes),
        ):
            for name, row, floor in measured:
                rows[name] = (row, floor)
    lines = [
        f"{CONNECTIONS} connections, {seconds} s a pass, one worker; server, floor and loader share the machine. The floor of",
        "a read is a bare httptools protocol on uvloop that answers the same bytes, that of a write the same after an insert by",
        "the same SQLite port, which commits in groups, that of a WebSocket a bare protocol that does the handshake and writes",
        f"the same frames; they take turns with the server. Messages are said by {TALKERS:,} clients, 45 a second each at most.",
        "The specification measured on 4 cores.",
        "",
        *rows_of(rows),
    ]
    bars = [
        (name, {"here": row["rps"], **({"floor": floor["rps"]} if floor else {}), "specification": float(SEEDS[name][0])})
        for name, (row, floor) in rows.items()
    ]
    raw = {name: {"here": row, "floor": floor} for name, (row, floor) in rows.items()}
    return Section("api", "The API table", lines, raw, bars, "a second")


def rows_of(rows: dict[str, tuple[Row, Row]]) -> list[str]:
    """The table."""
    heads = ["row", "ops/s", "floor", "of floor", "p50 ms", "p99 ms", "errors", "specification ops/s", "times", "its p99 ms"]
    lines = []
    for name, (row, floor) in rows.items():
        rate, late = SEEDS[name]
        beside = (floor["rps"], f"{row['rps'] / floor['rps']:.0%}") if floor else ("none", "")
        lines.append([name, row["rps"], *beside, row["p50_ms"], row["p99_ms"], int(row["errors"]), rate, row["rps"] / rate, late])
    return table(heads, lines)


if __name__ == "__main__":
    alone(section)
