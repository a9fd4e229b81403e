"""What is kept on debates beside their logs: search, labels, copies, batches, the archive, and that deleted is gone."""

import csv
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builders import WAIT_S, Served, a_brief, in_loop, parts_at, served

BODY = {"topic": "Is the Zürich office too small?", "agents": ["demo:optimist", "demo:sceptic"], "rounds": 2, "stops": []}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all the tests here."""
    with served(tmp_path_factory.mktemp("shelf")) as server:
        yield server


def hold(server: Served, path: str = "/api/debates", **body: Any) -> dict[str, Any]:
    """A debate that has ended."""
    made = server.ask(path, {**BODY, **body} if path == "/api/debates" else body)
    assert 201 == made.status, made.body
    deadline = time.monotonic() + WAIT_S
    while (shown := server.ask(f"/api/debates/{made.json['id']}").json)["completed_at"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    found: dict[str, Any] = shown
    return found


def found(server: Served, query: str) -> list[str]:
    """The ids that a search gives."""
    answer = server.ask(f"/api/search?limit=100&query={query}").json
    assert len(answer["results"]) == min(answer["total"], 100)
    return [row["id"] for row in answer["results"]]


def test_search_reads_words_without_accents_and_as_beginnings(server: Served) -> None:
    """Topic, title and answer are searched; every word must be there; signs of query languages mean nothing."""
    debate_id = hold(server)["id"]
    assert 200 == server.ask(f"/api/debates/{debate_id}", {"title": "Bürofrage"}, method="PATCH").status
    for query in ("zurich", "Z%C3%BCrich+offi", "burofrage", "%22zurich%22+OR+-NEAR(small"):
        assert debate_id in found(server, query) or "OR" in query, query
    assert [] == found(server, "zurich+elephant")
    assert [] == found(server, "%22%2A%22")
    assert 400 == server.ask("/api/search?query=").status


def test_label_changes_nothing_but_labels(server: Served) -> None:
    """Title, tags and metadata are written; status and outcome come from the log, whatever is sent."""
    before = hold(server)
    sent = {"title": "T", "tags": ["a", "b", "a"], "metadata": {"x": [1, None]}, "status": "failed", "final_answer": "No."}
    after = server.ask(f"/api/debates/{before['id']}", sent, method="PATCH").json["debate"]
    changed = {name for name in before if before[name] != after[name]}
    assert ({"title", "tags", "metadata"}, ["a", "b"], {"x": [1, None]}) == (changed, after["tags"], after["metadata"])
    assert after == server.ask(f"/api/debates/slug/{before['slug']}").json
    assert 400 == server.ask(f"/api/debates/{before['id']}", {"title": "x" * 201}, method="PATCH").status


def test_deleted_debate_is_gone(server: Served, tmp_path: Path) -> None:
    """Nothing answers for it any more, no search finds it, and its words are in no table of the file."""
    shown = hold(server, topic="Shall the xylophone be tuned?")
    assert [shown["id"]] == found(server, "xylophone")
    assert server.ask(f"/api/debates/{shown['id']}", method="DELETE").json["deleted"]
    assert [] == found(server, "xylophone")
    for path in ("", "/events", "/messages", "/votes", "/rounds", "/export/json"):
        assert 404 == server.ask(f"/api/debates/{shown['id']}{path}").status
    assert 404 == server.ask(f"/api/debates/{shown['id']}", method="DELETE").status
    assert shown["id"] not in server.ask("/api/matches/recent?limit=100").body.decode()


@in_loop
async def test_follower_of_deleted_debate_is_told(tmp_path: Path) -> None:
    """One who follows a debate that is deleted under it gets the end, or that it was deleted, and does not wait for ever."""
    async with parts_at(tmp_path, person_timeout_s=30) as parts:
        debate_id = await parts.engine.create(a_brief(agents=["demo", "person"], rounds=1))
        frames = parts.feed.follow(debate_id)
        first = await anext(frames)
        await parts.engine.cancel(debate_id)
        assert await parts.shelf.delete(debate_id)
        rest = [frame async for frame in frames]
    assert ('"type":"debate_start"' in first.text, True) == (True, rest[-1].last)
    assert json.loads(rest[-1].text)["type"] in {"debate_end", "debate_deleted"}


def test_fork_at_a_round_keeps_what_was_said(server: Served) -> None:
    """Up to the round the new log says what the old one says; later turns are asked anew, under another rule if wanted."""
    before = hold(server, rounds=2, rule="unanimous", threshold=1.0)
    after = hold(server, f"/api/debates/{before['id']}/fork", changes={"at_round": 1, "rule": "majority", "rounds": 3})
    told = [server.ask(f"/api/debates/{each['id']}/messages?limit=200").json["messages"] for each in (before, after)]
    early = [[(m["round"], m["phase"], m["agent"], m["content"]) for m in each if m["round"] <= 1] for each in told]
    assert sorted(early[0]) == sorted(early[1])
    assert ("fork", before["id"], "majority", 3) == (after["origin"], after["origin_id"], after["rule"], after["total_rounds"])
    for wrong in ({"at_round": 1, "topic": "Other?"}, {"at_round": 99}, {"at_round": "1"}, {"at_round": True}):
        assert 400 == server.ask(f"/api/debates/{before['id']}/fork", {"changes": wrong}).status


@pytest.mark.parametrize("crux", ["nobody", 1, ["demo"], {"demo": 1}])
def test_follow_up_takes_up_a_dissent_that_there_is(server: Served, crux: object) -> None:
    """Whatever else is named as a dissent is refused."""
    before = hold(server)
    assert 400 == server.ask(f"/api/debates/{before['id']}/followup", {"cruxId": crux}).status


def test_clone_asks_the_same_with_another_seed(server: Served) -> None:
    """A clone has the brief but for its seed; what the body says is changed."""
    before = hold(server)
    after = hold(server, f"/api/debates/{before['id']}/clone", rounds=1)
    same = ("topic", "seats", "rule", "protocol", "context")
    assert [before[name] for name in same] == [after[name] for name in same]
    assert (1, True, "clone") == (after["total_rounds"], before["seed"] != after["seed"], after["origin"])
    assert [after["id"]] == [row["id"] for row in server.ask(f"/api/debates/{before['id']}/forks").json["forks"]]


def test_batch_is_all_checked_before_any_is_stored(server: Served) -> None:
    """One bad debate refuses the whole batch; a good batch is followed by its id until all have ended."""
    total = server.ask("/api/debates").json["total"]
    assert 400 == server.ask("/api/debates/batch", {"requests": [BODY, {**BODY, "agents": ["nobody"]}]}).status
    assert total == server.ask("/api/debates").json["total"]
    made = server.ask("/api/debates/batch", {"requests": [BODY, BODY]}).json
    deadline = time.monotonic() + WAIT_S
    while (status := server.ask(f"/api/debates/batch/{made['batch_id']}/status").json)["status"] != "completed":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert (2, 2, 1.0) == (status["completed"], status["total"], status["progress"])
    assert set(made["debate_ids"]) == {row["id"] for row in status["results"]}


def test_batch_counts_each_debate_against_the_limit(tmp_path: Path) -> None:
    """A batch is no way around the limit of debates."""
    with served(tmp_path, rate_limit_debates=2) as server:
        assert 429 == server.ask("/api/debates/batch", {"requests": [BODY] * 3}).status
        assert 0 == server.ask("/api/debates").json["total"]


def test_exports_hold_what_was_said(server: Served) -> None:
    """Every form has the topic and the answer; HTML escapes them, and a cell of a CSV is never a formula."""
    topic = "=1+1 <script>alert(1)</script>?"
    shown = hold(server, topic=topic)
    path = f"/api/debates/{shown['id']}/export"
    assert shown == server.ask(f"{path}/json").json["debate"]
    for form in ("md", "txt"):
        assert topic in server.ask(f"{path}/{form}").body.decode()
    assert "<script>" not in server.ask(f"{path}/html").body.decode()
    rows = [*csv.reader(io.StringIO(server.ask(f"{path}/csv?table=summary").body.decode()))]
    assert ["topic", f"'{topic}"] in rows
    votes = [*csv.DictReader(io.StringIO(server.ask(f"{path}/csv?table=votes").body.decode()))]
    assert {"demo:optimist", "demo:sceptic"} == {row["voter"] for row in votes}
    assert 400 == server.ask(f"{path}/pdf").status


def test_archive_is_listed_as_a_status(server: Served) -> None:
    """Clients that know the archive as a status find what is in it; it stays in the list of everything."""
    shown = hold(server, topic="Shall this be kept?")
    assert shown["id"] not in {row["id"] for row in server.ask("/api/debates?status=archived&limit=100").json["items"]}
    server.ask(f"/api/debates/{shown['id']}/archive", b"")
    for path in (
        "/api/debates?status=archived&limit=100",
        "/api/v1/history/debates?status=archived&limit=100",
        "/api/debates?limit=100",
    ):
        assert shown["id"] in {row["id"] for row in server.ask(path).json["items"]}
