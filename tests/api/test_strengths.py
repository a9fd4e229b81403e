"""The served ranking: fitted beside the debates, never in a request; calibration, matrix and history as a page draws them."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from aragora.debate.lessons import BINS
from aragora.debate.strength import GAMES_MIN
from builders import WAIT_S, Served, served
from people import Person

AGENTS = ["sim:p=0.95", "sim:p=0.7", "sim:p=0.4"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on which enough debates were held for ranks, in one of which people voted."""
    with served(tmp_path_factory.mktemp("strengths")) as server:
        nobody = Person(server)
        body = {"agents": AGENTS, "protocol": "vote_only", "rounds": 1, "rule": "plurality", "options": ["right", "wrong"]}
        for seed in range(GAMES_MIN):
            nobody.hold("Which?", **body, seed=seed)
        watched = nobody.hold("Who?", agents=["demo", "human:ann"], rounds=1)
        for voter in ("ann", "bob"):
            assert 201 == server.ask(f"/api/debates/{watched}/vote", {"choice": "demo", "voter": voter}).status
        server.ask(f"/api/debates/{watched}/cancel", b"")
        wait(server, "/api/leaderboard?judged_by=people", lambda shown: shown["total"] == 2)
        wait(server, "/api/leaderboard", lambda shown: all(row["ranked"] for row in shown["rankings"]) and shown["total"] == 3)
        yield server


def wait(server: Served, path: str, done: Any) -> dict[str, Any]:
    """Ask until it is so."""
    deadline = time.monotonic() + WAIT_S
    while not done(shown := server.ask(path).json):
        assert time.monotonic() < deadline, shown
        time.sleep(0.05)
    found: dict[str, Any] = shown
    return found


def test_the_board_is_in_the_order_of_strength(server: Served) -> None:
    """Each row has an interval, a range of ranks and how well it foretold; Elo is beside it."""
    rows = server.ask("/api/leaderboard").json["rankings"]
    assert sorted(rows, key=lambda row: -row["strength"]) == rows
    assert [1, 2, 3] == [row["rank"] for row in rows]
    assert "sim:p=0.4" == rows[-1]["agent"]
    for row in rows:
        assert row["strength_low"] < row["strength"] < row["strength_high"]
        assert 1 <= row["rank_low"] <= row["rank_high"] <= 3
        assert 0 <= row["brier"] <= 1
        assert row["forecasts"] > 0
        assert 1000 < row["elo"] < 2000
    by_elo = server.ask("/api/rankings?sort_by=elo").json["rankings"]
    assert sorted(by_elo, key=lambda row: -row["elo"]) == by_elo


def test_people_judge_on_a_board_of_their_own(server: Served) -> None:
    """Votes of people move their board alone, even where the panel decided nothing."""
    rows = server.ask("/api/leaderboard?judged_by=people").json["rankings"]
    assert [("demo", 1, 0), ("human:ann", 0, 1)] == [(row["agent"], row["wins"], row["losses"]) for row in rows]
    assert "demo" not in {row["agent"] for row in server.ask("/api/leaderboard").json["rankings"]}
    assert 400 == server.ask("/api/leaderboard?judged_by=dice").status


def test_calibration_has_what_a_plot_needs(server: Served) -> None:
    """Ten classes of confidence; what was said in each beside what came true; the figures agree with the board."""
    curve = server.ask("/api/agent/sim:p=0.7/calibration-curve").json
    assert (BINS, 0.0, 1.0) == (len(curve["buckets"]), curve["buckets"][0]["low"], curve["buckets"][-1]["high"])
    for one in curve["buckets"]:
        assert (one["count"] == 0) == (one["expected"] is None) == (one["actual"] is None)
        assert one["expected"] is None or one["low"] - 1e-4 <= one["expected"] <= one["high"] + 1e-4
    summary = server.ask("/api/agent/sim:p=0.7/calibration-summary").json
    board = {row["agent"]: row for row in server.ask("/api/leaderboard").json["rankings"]}
    assert (board["sim:p=0.7"]["brier"], curve["count"]) == (summary["brier"], summary["forecasts"])
    assert 0 <= summary["ece"] <= 1
    listed = server.ask("/api/calibration/leaderboard").json["agents"]
    assert sorted(one["brier"] for one in listed) == [one["brier"] for one in listed]
    assert server.ask("/api/agent/demo/calibration-summary").json["brier"] is None
    assert 404 == server.ask("/api/agent/nobody/calibration-curve").status


def test_matrix_is_the_same_seen_from_both_sides(server: Served) -> None:
    """What one won the other lost; it adds up to the board."""
    shown = server.ask("/api/leaderboard/matrix").json
    cells = {(cell["agent"], cell["opponent"]): cell for cell in shown["cells"]}
    assert set(AGENTS) == set(shown["agents"])
    assert 6 == len(cells)
    for (one, other), cell in cells.items():
        assert (cell["wins"], cell["draws"]) == (cells[other, one]["losses"], cells[other, one]["draws"])
    for row in server.ask("/api/leaderboard").json["rankings"]:
        assert row["games"] == sum(cell["matches"] for (one, _), cell in cells.items() if one == row["agent"])


def test_history_ends_with_what_is_served(server: Served) -> None:
    """A point for each hour in which an agent played, the last of which is the strength on the board."""
    board = {row["agent"]: row for row in server.ask("/api/leaderboard").json["rankings"]}
    for agent, row in board.items():
        points = server.ask(f"/api/agent/{agent}/ratings").json["points"]
        assert sorted(point["timestamp"] for point in points) == [point["timestamp"] for point in points]
        assert (row["strength"], row["games"]) == (points[-1]["strength"], points[-1]["games"])
