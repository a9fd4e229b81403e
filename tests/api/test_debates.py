"""The API on a real server: the specification's own request, lists, votes, streams."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from aragora.debate.model import Status
from builders import WAIT_S, Served, served

SEEDS_BODY = {"topic": "Test debate", "agents": ["demo", "demo"], "rounds": 2}
SEEDS_EVENTS = ["debate_start", "agent_message", "vote_cast", "round_complete", "debate_end"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all the tests here."""
    with served(tmp_path_factory.mktemp("api")) as server:
        yield server


def hold(server: Served, **body: Any) -> str:
    """Create a debate and wait for its end; its id."""
    created = server.ask("/api/debates", {**SEEDS_BODY, **body})
    assert 201 == created.status, created.body
    debate_id: str = created.json["id"]
    deadline = time.monotonic() + WAIT_S
    while server.ask(f"/api/debates/{debate_id}").json["completed_at"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return debate_id


def follow(port: int, query: str = "", *said: dict[str, Any]) -> list[dict[str, Any]]:
    """What a WebSocket client gets, up to the end of the debate."""
    frames: list[dict[str, Any]] = []
    with connect(f"ws://127.0.0.1:{port}/ws{query}", open_timeout=WAIT_S) as socket:
        for message in said:
            socket.send(json.dumps(message))
        while not frames or frames[-1]["type"] not in {"debate_end", "error"}:
            frames.append(json.loads(socket.recv(WAIT_S)))
    return frames


def logged(frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those frames that are events of a log."""
    return [frame for frame in frames if "seq" in frame]


def test_seeds_request_yields_seeds_events(server: Served) -> None:
    """The specification's own body gives its five events, first in its order, numbered without a gap, the same on both ports."""
    debate_id = hold(server, recall=False)  # what other tests leave behind would be one more event
    on_api, on_ws = (logged(follow(port, f"?debate_id={debate_id}")) for port in (server.api_port, server.ws_port))
    assert on_api == on_ws
    assert [*range(1, len(on_api) + 1)] == [frame["seq"] for frame in on_api]
    kinds = [frame["type"] for frame in on_api]
    assert SEEDS_EVENTS == list(dict.fromkeys(kinds))
    assert {debate_id} == {frame["debate_id"] for frame in on_api}
    assert all(isinstance(frame["data"], dict) and isinstance(frame["timestamp"], str) for frame in on_api)


@pytest.mark.parametrize("after", [0, 1, 7, 17, 10**15])
def test_resuming_gives_exactly_the_rest(server: Served, after: int) -> None:
    """A client that names the last number it saw gets all later ones, by URL, by message and as server-sent events."""
    debate_id = hold(server, rule="unanimous", rounds=2, seed=3)
    whole = server.ask(f"/api/debates/{debate_id}/events?limit=1000").json["events"]
    rest = whole[after:]
    assert rest == server.ask(f"/api/debates/{debate_id}/events?limit=1000&after={after}").json["events"]
    stream = server.ask(f"/api/debates/{debate_id}/events/stream", Last_Event_ID=str(after))
    assert rest == [json.loads(line[6:]) for line in stream.body.decode().splitlines() if line.startswith("data: ")]
    if rest:
        assert rest == logged(follow(server.ws_port, f"?debate_id={debate_id}&after={after}"))
        said = {"type": "subscribe", "debate_id": debate_id, "after": after}
        assert rest == logged(follow(server.api_port, "", said))


def test_a_watcher_of_a_running_debate_misses_nothing(tmp_path: Path) -> None:
    """Who watches from the start sees the pieces of texts too, and every event as it is logged."""
    with served(tmp_path, demo_delay_s=0.1) as server:
        debate_id = server.ask("/api/v1/debates", SEEDS_BODY).json["debate_id"]
        frames = follow(server.ws_port, f"?debate_id={debate_id}")
        assert server.ask(f"/api/debates/{debate_id}/events?limit=1000").json["events"] == logged(frames)
        assert {"agent_thinking", "agent_delta"} <= {frame["type"] for frame in frames}


def test_lists_carry_what_clients_read(server: Served) -> None:
    """A list has its rows under its own name and under items; pages by offset and by cursor are the same rows."""
    ids = [hold(server, topic=f"Number {number}?", rounds=1) for number in range(5)]
    page = server.ask("/api/debates?limit=2").json
    assert page["debates"] == page["items"]
    assert [ids[4], ids[3]] == [row["id"] for row in page["items"]]
    assert (2, 2, 0, True) == (page["count"], page["limit"], page["offset"], page["has_more"])
    assert page["total"] >= 5
    by_cursor = server.ask(f"/api/debates?limit=2&cursor={page['next_cursor']}").json["items"]
    assert by_cursor == server.ask("/api/v1/debates?limit=2&offset=2").json["items"]
    assert [ids[2], ids[1]] == [row["id"] for row in by_cursor]
    assert [] == server.ask("/api/debates?status=active").json["items"]
    totals = [server.ask(f"/api/debates?limit=1&status={status}").json["total"] for status in Status]
    assert page["total"] == sum(totals)


def test_empty_lists(tmp_path: Path) -> None:
    """A new server answers every list, with nothing in it."""
    with served(tmp_path) as server:
        for path in ("/api/debates", "/api/leaderboard"):
            answer = server.ask(path).json
            assert ([], 0, False, None) == (answer["items"], answer["total"], answer["has_more"], answer["next_cursor"])


def test_votes_count_once_per_person(server: Served, tmp_path: Path) -> None:
    """A vote that is sent again counts once; a changed mind replaces it; after the end votes are closed."""
    created = server.ask("/api/debates", {**SEEDS_BODY, "start": False}).json
    path = f"/api/debates/{created['id']}"
    assert 409 == server.ask(f"{path}/vote", {"choice": "demo-1"}).status
    with served(tmp_path, demo_delay_s=30) as slow:
        debate_id = slow.ask("/api/debates", {**SEEDS_BODY, "agents": ["demo", "demo", "demo"]}).json["id"]
        path = f"/api/debates/{debate_id}/vote"
        first = slow.ask(path, {"choice": "demo-1", "confidence": 0.7, "voter": "ann"})
        again = slow.ask(path, {"choice": "demo-1", "confidence": 0.7, "voter": "ann"})
        assert (201, 200) == (first.status, again.status)
        assert first.json["seq"] == again.json["seq"]
        assert {"demo-1": 1} == again.json["tally"]
        moved = slow.ask(path, {"choice": "demo-2", "voter": "ann"}).json
        back = slow.ask(path, {"choice": "demo-1", "confidence": 0.7, "voter": "ann"})
        assert ({"demo-2": 1}, {"demo-1": 1}, 201) == (moved["tally"], back.json["tally"], back.status)
        with ThreadPoolExecutor(20) as pool:
            votes = [{"choice": f"demo-{1 + number % 3}", "voter": f"person {number % 60}"} for number in range(200)]
            answers = list(pool.map(lambda vote: slow.ask(path, vote), votes))
        assert {200, 201} == {answer.status for answer in answers}
        rows = slow.ask(f"/api/debates/{debate_id}/votes?limit=200").json
        people = [row for row in rows["votes"] if row["kind"] == "person"]
        assert 61 == len(people) == sum(rows["tally"].values())
        slow.ask(f"/api/debates/{debate_id}/cancel", b"")
        late = slow.ask(path, {"choice": "demo-2", "voter": "bob"})
        assert (409, "CONFLICT") == (late.status, late.json["code"])
        events = slow.ask(f"/api/debates/{debate_id}/events?limit=1000").json["events"]
        assert [*range(1, len(events) + 1)] == [event["seq"] for event in events]


def test_start_and_cancel(server: Served) -> None:
    """A stored debate starts when told to, once; an ended one can be neither started nor cancelled."""
    created = server.ask("/api/debates", {**SEEDS_BODY, "start": False}).json
    path = f"/api/debates/{created['id']}"
    assert ("pending", 0) == ((row := server.ask(path).json)["status"], row["last_seq"])
    assert 200 == server.ask(f"{path}/start", b"").status
    assert "debate_end" == logged(follow(server.ws_port, f"?debate_id={created['id']}"))[-1]["type"]
    assert {409} == {server.ask(f"{path}/{verb}", b"").status for verb in ("start", "cancel")}


def test_ranking_follows_decided_debates(tmp_path: Path) -> None:
    """Debates between different agents make a leaderboard whose gains and losses add up to nothing."""
    with served(tmp_path) as server:
        for seed in range(6):
            hold(server, agents=["demo", "demo:sceptic", "demo:analyst"], seed=seed, rounds=3)
        board = server.ask("/api/leaderboard").json
        assert board["rankings"] == board["items"] == board["agents"]
        assert [row["elo"] for row in board["items"]] == sorted((row["elo"] for row in board["items"]), reverse=True)
        assert abs(sum(row["elo"] - 1500 for row in board["items"])) < 0.5
        assert sum(row["wins"] for row in board["items"]) == sum(row["losses"] for row in board["items"])
        known = {row["name"]: row["matches"] for row in server.ask("/api/agents").json["items"]}
        assert {row["agent"]: row["games"] for row in board["items"]}.items() <= known.items()


def test_other_names_of_the_topic(server: Served) -> None:
    """The names that other clients use for the topic, the agents and the rule mean the same."""
    for body in ({"task": "Other?"}, {"question": "Other?"}, {"topic": "Other?", "agents": "demo, demo:sceptic"}):
        created = server.ask("/api/debates", {"start": False, "consensus": "unanimous", "protocol": {"rounds": 1}, **body})
        row = server.ask(f"/api/debates/{created.json['id']}").json
        assert ("Other?", "Other?", "unanimous", 1) == (row["topic"], row["task"], row["rule"], row["total_rounds"])


def test_socket_messages(server: Served) -> None:
    """Ping is answered, nonsense gets an error and no hang-up, unknown debates are said to be unknown."""
    with connect(f"ws://127.0.0.1:{server.ws_port}/ws") as socket:
        assert "connected" == json.loads(socket.recv(WAIT_S))["type"]
        for said, kind in [
            ('{"type":"ping","ts":5}', "pong"),
            ("not json", "error"),
            ('{"type":"dance"}', "error"),
            ("[]", "error"),
            ('{"type":"subscribe","debate_id":"../../etc"}', "error"),
            ('{"type":"subscribe","debate_id":"' + "0" * 32 + '"}', "error"),
            ('{"type":"unsubscribe","debate_id":"x"}', "unsubscribed"),
            ('{"type":"subscribe","debate_id":"\\ud800"}', "error"),
        ]:
            socket.send(said)
            frame = json.loads(socket.recv(WAIT_S))
            assert kind == frame["type"], said
            assert isinstance(frame["data"], dict)
        socket.send(b"\xff\xfe")
        assert "error" == json.loads(socket.recv(WAIT_S))["type"]
        socket.send('{"type":"ping"}')
        assert "pong" == json.loads(socket.recv(WAIT_S))["type"]


def test_estimate_counts_what_models_cost(server: Served) -> None:
    """A seat that a person holds makes no call and costs nothing; the others are as they would be."""
    asked = {"topic": "What would it cost?", "agents": ["demo", "person"], "rounds": 1, "max_cost_usd": 0.01}
    told = server.ask("/api/debates/estimate", asked).json
    (agent, person) = told["seats"]
    assert ("person", 0, 0.0, 0.0) == (person["agent"], person["calls"], person["usd"], person["usd_max"])
    assert (agent["calls"], agent["tokens_in"], 0.0) == (told["calls"], told["tokens_in"], told["cost_usd_at_most"])
    assert told["calls"] > 0
