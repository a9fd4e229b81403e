"""What the page shows beyond single debates: receipts and rules, records of agents, memory, status; and that it all adds up."""

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from aragora.debate.protocols import PROTOCOLS
from aragora.debate.receipt import Entry
from aragora.debate.receipt import receipt as receipt_of
from browser import WIDE, a_page, ask, until_ended
from builders import WAIT_S, Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ADDED = """async (text) => (await import(document.documentElement.dataset.root + "/receipt.js")).added(text)"""


def test_status_page_reads_metrics(browser: "Browser", server: Served, finished: str) -> None:
    """Operators see readiness, load by route and a chart that is loaded when it is needed."""
    with a_page(browser, server, size=WIDE) as watched:
        page = watched.go("/status")
        page.get_by_text("Takes work.").wait_for()
        page.locator("th", has_text="/api/debates").first.wait_for()
        page.locator(".uplot canvas").wait_for()
        page.locator("tr", has_text="demo").last.wait_for()
        assert [] == watched.wrongs
    assert finished


def test_receipt_is_checked_in_the_browser(browser: "Browser", server: Served, finished: str) -> None:
    """The browser adds up the hashes of a receipt as the server did, and finds the event that was altered."""
    receipt = server.ask(f"/api/debates/{finished}/receipt").body.decode()
    with a_page(browser, server) as watched:
        page = watched.go(f"/d/{finished}")
        page.get_by_role("button", name="Check it").click()
        page.get_by_text("Whole.").wait_for()
        page.get_by_text("These are the events that this page was shown.").wait_for()
        summed_up, told = receipt.replace("I keep this", "I drop this", 1), "I drop this".join(receipt.rsplit("I keep this", 1))
        whole, broken = page.evaluate(ADDED, receipt), page.evaluate(ADDED, told)
        assert not page.evaluate(ADDED, summed_up)["whole"]
        assert (True, None) == (whole["whole"], whole["broken"])
        assert not broken["whole"]
        event = server.ask(f"/api/debates/{finished}/events?limit=1000").json["events"][broken["broken"] - 1]
        assert "I keep this" in str(event["data"])
        assert [] == watched.wrongs


def test_browser_writes_numbers_and_letters_as_the_server_does(browser: "Browser", server: Served) -> None:
    """What is hashed is the same text in both, down to exponents, zeros, signs and letters beyond the first plane."""
    numbers = [1.0, -0.25, 1e-7, 5e-05, 0.00012, 12345678901234567.0, 123.456, 1e22, 1e15, 0.1 + 0.2, 100000.0, 7, -3, 2**53 + 1]
    letters: dict[str, object] = {
        "\U0001f600": '\u05e9\u007f\u2028\t"\\',
        "\uffee": ["z", None, True, {"b": {}, "a": []}],
        "A": "\x01/",
    }
    entries = [Entry(seq=1, type="debate_start", timestamp="2026-01-01T00:00:00Z", data={"numbers": numbers, **letters})]
    with a_page(browser, server) as watched:
        found = watched.go("/").evaluate(ADDED, msgspec.json.encode(receipt_of("some debate", entries)).decode())
        assert {"whole": True, "events": 1, "broken": None} == found


def test_rules_say_how_close_it_was(browser: "Browser", server: Served, finished: str) -> None:
    """The last vote stands under every rule, the debate's own marked."""
    rules = server.ask(f"/api/debates/{finished}/decisions").json["decisions"]
    with a_page(browser, server) as watched:
        page = watched.go(f"/d/{finished}")
        page.locator("summary", has_text="Every rule").click()
        shown = page.locator("#rules ~ details tbody tr")
        assert len(rules) == shown.count()
        assert "majority" in page.locator("#rules ~ details tr.own").inner_text()
        assert [] == watched.wrongs


def test_memory_is_filled_searched_and_filtered(browser: "Browser", server: Served) -> None:
    """What was kept is found by its words and by its tier; it is text, whatever it holds."""
    for tier, content in (
        ("fast", "Zebras <b>outrun</b> lions."),
        ("slow", "w" * 300),
        ("medium", "Buses were free in Tallinn."),
    ):
        answer = server.ask("/api/memory/store", {"content": content, "tier": tier, "importance": 0.8})
        assert 201 == answer.status, answer.body
    with a_page(browser, server) as watched:
        page = watched.go("/memory")
        page.locator(".row", has_text="Zebras <b>outrun</b> lions.").wait_for()
        watched.shot("memory-filled")
        assert [] == watched.flaws()
        page.get_by_placeholder("Search in memory").fill("tallinn")
        page.locator(".row", has_text="Zebras").wait_for(state="detached")
        page.locator(".row", has_text="Tallinn").wait_for()
        page.get_by_placeholder("Search in memory").fill("nothing like it")
        page.get_by_text("Nothing of this kind").wait_for()
        page.get_by_placeholder("Search in memory").fill("")
        page.get_by_role("button", name="Slow").click()
        page.locator(".row", has_text="www").wait_for()
        page.locator(".row", has_text="Zebras").wait_for(state="detached")
        assert [] == watched.wrongs


def test_debate_shows_what_its_seats_remembered(browser: "Browser", server: Served) -> None:
    """Quotations stand beside the rounds in which they were read, with the day and, of a note, no debate to lead to."""
    topic = "Should the orchard of Zwolle be watered at night?"
    note = "The orchard of Zwolle was watered <b>at night</b> in the dry year."
    assert 201 == server.ask("/api/memory/store", {"content": note, "tier": "slow"}).status
    debate_id = ask(server, topic=topic, rounds=1)
    until_ended(server, debate_id)
    with a_page(browser, server) as watched:
        page = watched.go(f"/d/{debate_id}")
        page.get_by_text("1 quotation from earlier debates, read from round 1 on").click()
        page.locator(".recalled q", has_text=note).wait_for()
        assert 0 == page.locator(".recalled a").count()
        watched.shot("recalled")
        assert [] == watched.flaws()
        assert [] == watched.wrongs


def fitted(server: Served) -> list[dict[str, Any]]:
    """The board, once the newest results have been fitted, which happens in the background."""
    deadline = time.monotonic() + WAIT_S
    while True:
        rows: list[dict[str, Any]] = server.ask("/api/leaderboard").json["rankings"]
        points = [server.ask(f"/api/agent/{row['agent']}/ratings").json["points"] for row in rows]
        if all(seen and seen[-1]["games"] == row["games"] for seen, row in zip(points, rows, strict=True)):
            return rows
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_leaderboard_draws_what_is_known(browser: "Browser", tmp_path: Path) -> None:
    """Intervals, ranks, who beats whom, calibration and history are those of the API; people judge apart from panels."""
    agents = ["demo:optimist", "demo:sceptic", "demo:pragmatist", "demo:analyst"]
    with served(tmp_path) as server, a_page(browser, server) as watched:
        for seed in range(8):
            until_ended(server, ask(server, agents=agents, rounds=2, seed=seed))
        rows = fitted(server)
        page = watched.go("/leaderboard")
        page.locator(".matrix").wait_for()
        shown = page.locator(".ranking tbody tr")
        assert [row["agent"] for row in rows] == shown.locator("th").all_inner_texts()
        for place, row in enumerate(rows):
            ranks, _, strength, *_ = shown.nth(place).locator("th, td").all_inner_texts()
            figures = [int(figure) for figure in re.findall(r"\d+", strength)]
            assert [row["strength"], row["strength_low"], row["strength_high"]] == pytest.approx(figures, abs=0.6)
            known = [row["rank_low"], row["rank_high"]] if row["ranked"] else []
            assert sorted(set(known)) == [int(figure) for figure in re.findall(r"\d+", ranks)]
        cells = server.ask("/api/leaderboard/matrix").json["cells"]
        assert len(cells) == page.locator(".matrix .ahead, .matrix .behind").count()
        sure = next(row["agent"] for row in rows if row["forecasts"])
        page.get_by_label("Agent", exact=True).select_option(sure)
        page.get_by_role("img", name="Confidence and what came true").wait_for()
        page.get_by_role("img", name="Strength:").wait_for()
        watched.shot("leaderboard-filled")
        assert [] == watched.flaws()
        page.get_by_role("button", name="People").click()
        page.locator(".empty").wait_for()
        assert [] == watched.wrongs


def test_debate_of_every_protocol_is_shown(browser: "Browser", tmp_path: Path) -> None:
    """Whatever the phases and whatever is voted on, the page tells it without a fault, and claims no vote that was not held."""
    with served(tmp_path) as server, a_page(browser, server) as watched:
        for protocol in PROTOCOLS:
            debate_id = ask(
                server, agents=["demo:optimist", "demo:sceptic", "demo:pragmatist"], protocol=protocol, rounds=1, seed=4
            )
            until_ended(server, debate_id)
            events = server.ask(f"/api/debates/{debate_id}/events?limit=1000").json["events"]
            page = watched.go(f"/d/{debate_id}")
            page.locator(".result").wait_for()
            ballots = [event for event in events if event["type"] == "vote_cast"]
            assert bool(ballots) == bool(page.locator("#minds").count()), protocol
            for empty in page.locator(".result .card:not(:has(p, ul, .prose))").all_inner_texts():
                assert empty == "Nobody changed their vote", protocol
        assert [] == watched.wrongs
