"""What people do on the page, in a real browser: ask, watch, vote, come back, lose the line, swipe, use the keyboard alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browser import PHONE, Watched, a_page, ask, until_ended
from builders import Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

LINE_PX = 20
# Where a column is once it has been painted: browsers keep what is read in place with each frame, not before.
PLACE = """() => new Promise((done) => {
  const place = () => done(Math.round(document.querySelector(".column h3").getBoundingClientRect().top));
  requestAnimationFrame(() => requestAnimationFrame(place));
})"""
# Somebody who stays at the end of the page: where a column was in the last frame before the result, and where it is beneath it.
AT_THE_END = """() => new Promise((done) => {
  let before;
  const frame = () => {
    const now = Math.round(document.querySelector(".column h3").getBoundingClientRect().top);
    if (document.querySelector("#rules") && document.querySelector(".ended")) return done([before, now]);
    if (!document.querySelector(".result")) {
      scrollTo(0, document.documentElement.scrollHeight);
      before = Math.round(document.querySelector(".column h3").getBoundingClientRect().top);
    }
    requestAnimationFrame(frame);
  };
  frame();
})"""
LOW = (1440, 600)  # a window in which a page whose round has just begun is still long enough to be scrolled to its board
SLOW_S = 0.6  # a demo turn that leaves time to do something meanwhile


def log_of(server: Served, debate_id: str) -> list[dict[str, Any]]:
    """Every event of a debate."""
    found: list[dict[str, Any]] = server.ask(f"/api/debates/{debate_id}/events?limit=1000").json["events"]
    return found


def told(page: "Page") -> dict[str, list[str]]:
    """Everything that the page shows of a debate, round by round: who criticised, who voted, whose texts are there."""
    found: dict[str, list[str]] = {"critiques": [], "votes": [], "texts": []}
    for number in range(page.locator(".timeline li:not(.later) button").count()):
        page.locator(".timeline li:not(.later) button").nth(number).click()
        found["critiques"] += page.locator(".critiques blockquote .prose").all_text_contents()
        found["votes"] += page.locator(".board .vote .prose").all_text_contents()
        found["texts"] += page.locator(".column .text .prose").all_text_contents()
    return {kind: sorted(" ".join(text.split()) for text in texts) for kind, texts in found.items()}


def logged(events: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The same, from the log."""
    found: dict[str, list[str]] = {"critiques": [], "votes": [], "texts": []}
    for event in events:
        data = event["data"]
        if event["type"] == "vote_cast" and data["kind"] == "seat":
            found["votes"].append(data["reasoning"])
        elif event["type"] == "agent_message":
            found["critiques" if data["phase"] == "critique" else "texts"].append(data["content"])
    return {kind: sorted(" ".join(plain(text).split()) for text in texts) for kind, texts in found.items()}


def plain(text: str) -> str:
    """A demo agent's text as it reads on the page, where a mention is a chip without its sign."""
    return text.replace("@demo", "demo")


def ids(page: "Page") -> str:
    """The debate that the page shows."""
    return page.url.rpartition("/")[2]


def test_first_visit_example_to_its_end(browser: "Browser", lively: Served, say: Callable[[str], None]) -> None:
    """One click on an example leads to a debate, streamed and decided, with nothing asked of anybody else."""
    with a_page(browser, lively, calm=False) as watched:
        page = watched.go("/")
        painted = page.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
        page.locator(".example").first.click()
        page.locator(".writing").first.wait_for()
        page.locator(".critiques blockquote").first.wait_for()
        page.locator(".result .answer .prose").wait_for()
        events = log_of(lively, ids(page))
        assert told(page) == logged(events)
        assert events[-1]["data"]["winner"] in page.locator(".result").inner_text()
        watched.shot("result-first-visit")
        say(f"first paint after {painted:.0f} ms; {len(watched.requests)} requests, to other origins: 0")
        assert [] == watched.wrongs


def test_first_paint_waits_for_no_data(browser: "Browser", server: Served) -> None:
    """The page is drawn while the API says nothing at all."""
    with a_page(browser, server) as watched:
        watched.page.route("**/api/**", lambda _: None)
        page = watched.go("/")
        page.locator("textarea").wait_for()
        assert page.locator(".example").count() > 0


def test_own_question_with_chosen_seats(browser: "Browser", server: Served) -> None:
    """A question of one's own, with a seat more and other rounds, becomes that debate."""
    with a_page(browser, server) as watched:
        page = watched.go("/")
        page.get_by_label("Your question").fill("Should we <b>test</b> & measure first?")
        page.get_by_label("Add demo:analyst").click()
        page.get_by_label("Fewer rounds").click()
        page.get_by_role("button", name="another model").click()
        page.keyboard.type("nobody:<b>knows</b>")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Hold the debate").click()
        page.get_by_role("alert").wait_for()
        page.get_by_label("Remove nobody:<b>knows</b>").click()
        page.get_by_role("button", name="Hold the debate").click()
        page.locator(".board").wait_for()
        assert page.locator("h1").inner_text() == "Should we <b>test</b> & measure first?"
        debate = server.ask(f"/api/debates/{ids(page)}").json
        assert (4, 2) == (len(debate["agents"]), debate["total_rounds"])
        assert [] == [wrong for wrong in watched.wrongs if "status of 400" not in wrong]


def test_reload_in_the_middle_and_two_tabs(browser: "Browser", lively: Served) -> None:
    """A reload in the middle loses nothing and repeats nothing; a second tab shows the same."""
    with a_page(browser, lively) as watched:
        debate_id = ask(lively, rounds=1)
        page = watched.go(f"/d/{debate_id}")
        page.locator(".critiques blockquote").first.wait_for()
        page.reload()
        tab = watched.context.new_page()
        tab.goto(page.url)
        for each in (page, tab):
            each.locator(".result").wait_for()
            assert told(each) == logged(log_of(lively, debate_id))
        assert [] == watched.wrongs


def test_server_killed_and_restarted_in_the_middle(browser: "Browser", tmp_path: Path) -> None:
    """A power cut is survived in an open page: it says so, comes back by itself, and shows every event once."""
    with served(tmp_path, demo_delay_s=SLOW_S) as first, a_page(browser, first, size=LOW) as watched:
        debate_id = ask(first, rounds=2)
        page = watched.go(f"/d/{debate_id}")
        page.locator(".critiques blockquote").first.wait_for()
        page.evaluate("() => scrollTo(0, document.querySelector('.board').getBoundingClientRect().top)")
        before = page.evaluate(PLACE)
        first.kill()
        page.get_by_text("Connection lost").wait_for()
        assert before == page.evaluate(PLACE)
        watched.shot("connection-lost", whole=False)
        with served(tmp_path, demo_delay_s=SLOW_S, api_port=first.api_port, ws_port=first.ws_port) as second:
            page.locator("#rules").wait_for(state="attached")
            assert page.get_by_text("Connection lost").count() == 0
            page.get_by_role("link", name="See the answer").wait_for()
            assert abs(before - page.evaluate(PLACE)) < LINE_PX  # the result is put above what is read, which stays
            page.get_by_role("link", name="See the answer").click()
            page.get_by_role("link", name="See the answer").wait_for(state="detached")
            assert told(page) == logged(log_of(second, debate_id))
        assert [] == watched.wrongs


def at_its_critiques(watched: Watched, server: Served) -> "Page":
    """A page that was there before its debate began, with most of the debate still to come."""
    debate_id = ask(server, rounds=2, start=False)
    page = watched.go(f"/d/{debate_id}")
    page.locator("h1").wait_for(state="attached")
    server.ask(f"/api/debates/{debate_id}/start", {})
    page.locator(".critiques blockquote").first.wait_for()
    return page


def test_result_moves_nothing_for_whoever_is_at_the_end_of_the_page(browser: "Browser", lively: Served) -> None:
    """What ends with the debate leaves the page shorter below, and yet what is read stays where it is."""
    with a_page(browser, lively) as watched:
        page = at_its_critiques(watched, lively)
        before, after = page.evaluate(AT_THE_END)
        assert abs(before - after) < LINE_PX
        assert [] == watched.wrongs


def test_late_part_of_the_result_pushes_nothing_away(browser: "Browser", lively: Served) -> None:
    """What the result shows only when the server has answered makes it longer, above what is read, which stays."""
    row = {"winner": None, "own": False, "same": False, "reached": False, "flip": None}
    rows = [{**row, "rule": f"rule_{n}"} for n in range(200)]
    held: list[Route] = []
    tall = "() => document.querySelector('.result').offsetHeight"
    with a_page(browser, lively) as watched:
        watched.page.route("**/decisions", lambda route: held.append(route))  # noqa: PLW0108 - it is marked, which methods cannot be
        page = at_its_critiques(watched, lively)
        page.evaluate("() => scrollTo(0, 300)")
        page.get_by_role("link", name="See the answer").wait_for()
        page.evaluate("() => scrollBy(0, document.querySelector('.said-so').getBoundingClientRect().bottom - 10)")
        before, height = page.evaluate(PLACE), page.evaluate(tall)
        held[0].fulfill(json={"decisions": rows})
        page.locator("#rules").wait_for(state="attached")
        assert height < page.evaluate(tall)
        assert abs(before - page.evaluate(PLACE)) < LINE_PX
        assert [] == watched.wrongs


def test_phone_swipes_between_seats(browser: "Browser", server: Served, finished: str) -> None:
    """On a phone one column is seen at a time, a tab leads to each, and nothing sticks out at the side."""
    with a_page(browser, server, size=PHONE, has_touch=True, is_mobile=True) as watched:
        page = watched.go(f"/d/{finished}")
        page.locator(".result").wait_for()
        page.locator(".tabs button").nth(2).click()
        page.locator(".tabs button[aria-pressed='true']", has_text="pragmatist").wait_for()
        seen = page.evaluate("() => Math.round(document.querySelectorAll('.column')[2].getBoundingClientRect().left)")
        assert 0 <= seen < 40
        page.locator(".board").evaluate("node => node.scrollTo(0, 0)")
        page.locator(".tabs button[aria-pressed='true']", has_text="optimist").wait_for()
        last = page.locator(".bar nav a").last
        last.click()
        page.get_by_role("heading", name=last.inner_text()).wait_for()
        for path in ("/", "/debates", "/leaderboard", "/memory", "/status", f"/d/{finished}"):
            watched.go(path).locator("h1").wait_for()
            assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        assert [] == watched.wrongs


def press_until(page: "Page", wanted: str, *, presses_max: int = 60) -> None:
    """Press Tab until what has the focus is called so."""
    for _ in range(presses_max):
        page.keyboard.press("Tab")
        name = page.evaluate("() => document.activeElement.getAttribute('aria-label') || document.activeElement.innerText || ''")
        if wanted in name:
            outline = page.evaluate("() => getComputedStyle(document.activeElement).boxShadow")
            assert outline != "none", f"{wanted} has the focus and nobody can see it"
            return
    raise AssertionError(f"the keyboard does not reach {wanted}")


def test_keyboard_alone(browser: "Browser", lively: Served) -> None:
    """Everything from the question to the vote is done without a pointer, and the focus is always seen."""
    with a_page(browser, lively) as watched:
        page = watched.go("/")
        page.keyboard.press("Tab")
        assert "Skip to content" == page.evaluate("() => document.activeElement.innerText")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("Should we test first?")
        press_until(page, "Add demo:analyst")
        page.keyboard.press("Space")
        press_until(page, "Hold the debate")
        page.keyboard.press("Enter")
        page.locator(".pick").first.wait_for()
        page.locator(".critiques blockquote").first.wait_for()
        press_until(page, "Round 1")
        page.keyboard.press("Enter")
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("() => document.activeElement.type") == "radio":
                break
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_text("is counted").wait_for()
        assert [] == watched.wrongs


def test_list_finds_and_shows_status(browser: "Browser", server: Served, finished: str) -> None:
    """The list is searched as one types and filtered by status, and leads to the debate."""
    ask(server, topic="Is a zebra quicker than a gnu?", rounds=1)
    with a_page(browser, server) as watched:
        page = watched.go("/debates")
        page.get_by_placeholder("Search in topics").fill("zebra")
        page.locator(".row", has_text="login").first.wait_for(state="detached")
        page.locator(".row", has_text="zebra").first.wait_for()
        page.get_by_placeholder("Search in topics").fill("")
        page.get_by_role("button", name="Decided").click()
        page.locator(".row a", has_text="login").first.click()
        page.locator(".result").first.wait_for()
        page.go_back()
        page.locator(".rows").wait_for()
        assert [] == watched.wrongs
    assert finished


def test_share_page_without_javascript(browser: "Browser", server: Served, finished: str) -> None:
    """A link passed on reads whole in a browser that runs nothing."""
    answer = server.ask(f"/api/debates/{finished}").json["final_answer"]
    with a_page(browser, server, java_script_enabled=False) as watched:
        page = watched.go(f"/d/{finished}")
        shown = " ".join(page.locator(".answer .prose").inner_text().split())
        assert " ".join(plain(answer).split()) == shown
        assert page.locator("details").count() > 0
        watched.shot("share-without-javascript")
        assert [] == watched.wrongs


def test_links_and_wide_things_in_answers(browser: "Browser", server: Served, finished: str) -> None:
    """Long words, right-to-left text, tables and code stay inside; a link says where it leads and takes nothing along."""
    parts = [
        "# Head",
        "w" * 300,
        "\u05e9\u05dc\u05d5\u05dd",
        "| a | b |\n|---|---|\n| 1 | " + "c" * 200 + " |",
        "```\n" + "x" * 400 + "\n```",
        "[there](https://a.example/p?q)",
        "@demo-1 said",
    ]
    markdown = "\n\n".join(parts)
    with a_page(browser, server, size=PHONE) as watched:
        page = watched.go(f"/d/{finished}")
        page.locator(".result").wait_for()
        found = page.evaluate(
            """async (markdown) => {
              const { fragment } = await import(document.documentElement.dataset.root + "/text.js");
              const place = document.querySelector(".answer .prose");
              place.replaceChildren(fragment(markdown, ["demo-1"]));
              const link = place.querySelector("a");
              return { wide: document.documentElement.scrollWidth > innerWidth, rel: link.rel,
                host: link.dataset.host, heads: place.querySelectorAll("h1,h2,h3").length,
                chip: place.querySelector(".chip").innerText,
                dir: [...place.querySelectorAll("p")].every((p) => p.dir === "auto") };
            }""",
            markdown,
        )
        expected = {"wide": False, "rel": "noopener nofollow", "host": "a.example", "heads": 0, "chip": "demo-1", "dir": True}
        assert expected == found
        watched.shot("wide-things-390")
        assert [] == watched.wrongs


def test_missing_seat_is_named_in_plain_words(browser: "Browser", tmp_path: Path) -> None:
    """A seat whose vendor cannot be reached is shown as missing, with the reason, and the rest decides."""
    (tmp_path / "aragora.toml").write_text('[providers.openai]\nbase_url = "http://127.0.0.1:9/v1"\n', "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "sk-for-nobody")
        with served(tmp_path) as server, a_page(browser, server) as watched:
            debate_id = ask(server, agents=["demo", "demo", "openai:nobody"], rounds=1)
            until_ended(server, debate_id)
            page = watched.go(f"/d/{debate_id}")
            page.locator("#missing").wait_for()
            assert "openai:nobody could not be reached in the blind round" in page.locator(".result").inner_text().replace(
                "\n", " "
            ).replace("  ", " ")
            watched.shot("missing-seat")
            assert [] == watched.wrongs


def test_what_can_be_taken_away(browser: "Browser", server: Served, finished: str, tmp_path: Path) -> None:
    """The export holds the answer, and the log downloads as the API gives it."""
    with a_page(browser, server, accept_downloads=True) as watched:
        page = watched.go(f"/d/{finished}")
        page.locator(".menu summary").click()
        with page.expect_download() as waiting:
            page.get_by_role("button", name="As Markdown").click()
        waiting.value.save_as(tmp_path / "debate.md")
        debate = server.ask(f"/api/debates/{finished}").json
        assert debate["final_answer"] in (tmp_path / "debate.md").read_text("utf-8")
        page.locator(".menu").evaluate("node => (node.open = true)")
        with page.expect_download() as waiting:
            page.get_by_role("button", name="The log, JSON").click()
        waiting.value.save_as(tmp_path / "log.json")
        assert debate["last_seq"] == json.loads((tmp_path / "log.json").read_text("utf-8"))["count"]
        assert [] == watched.wrongs
