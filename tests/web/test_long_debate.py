"""A long debate, streamed fast: what the page does at the end for a piece of text is what it did at the beginning.

What is asserted is how much of the document is touched, which does not depend on the machine; times are printed.
"""

import os
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import pytest

from browser import a_page, ask, talkers
from talkers import PIECES_PER_S

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SEATS = 5
# Two rounds of half the length fit into CI; the whole ten take minutes.
ROUNDS = int(os.environ.get("ARAGORA_TEST_LONG_ROUNDS", "2"))
TALE_WORDS = 2000 if "ARAGORA_TEST_LONG_ROUNDS" in os.environ else 1000
# Of the nodes touched at a time: the same tale is told each time, so more of them would mean that old text is drawn again.
GROWTH_MAX = 1.5
FOLLOW = """(to) => {
  const link = document.createElement("a");
  link.href = to;
  document.body.append(link);
  link.click();
  link.remove();
}"""
OBSERVE = """() => {
  window.seen = { flushes: [], frames: [], touched: [] };
  // Nodes that come with one drawing; a text that grows at its end is one.
  const nodes = (record) => record.type === "characterData" ? 1
    : [...record.addedNodes].reduce((sum, node) => sum + 1 + (node.querySelectorAll?.("*").length || 0), 0);
  new MutationObserver((records) => {
    seen.touched.push([performance.now(), records.reduce((sum, record) => sum + nodes(record), 0)]);
  }).observe(document, { subtree: true, childList: true, characterData: true });
  new PerformanceObserver((list) => {
    for (const each of list.getEntries()) {
      if (each.name === "aragora.flush") seen.flushes.push([each.startTime, each.duration]);
      if (each.entryType === "longtask") seen.frames.push([each.startTime, each.duration]);
    }
  }).observe({ entryTypes: ["measure", "longtask"] });
}"""


def spread(flushes: list[list[float]]) -> str:
    """Median and 95 of 100."""
    times = [each[1] for each in flushes]
    return f"median {median(times):.2f} ms, p95 {quantiles(times, n=20)[-1]:.2f} ms of {len(times)}"


@pytest.mark.timeout(90 + 45 * ROUNDS)
def test_work_for_a_piece_of_text_does_not_grow(browser: "Browser", tmp_path: Path, say: Callable[[str], None]) -> None:
    """Five seats tell long tales, 150 words a second each; drawing the last tale touches no more than drawing the first did."""
    with talkers(tmp_path) as server, a_page(browser, server, calm=False) as watched:
        page = watched.go("/")
        page.evaluate(OBSERVE)
        page.evaluate("() => history.replaceState(null, '', '/')")
        agents = [f"openai:tale.{TALE_WORDS}"] * SEATS
        debate_id = ask(server, topic="Who tells the longest tale?", agents=agents, rounds=ROUNDS, rule="unanimous", stops=[])
        # Without a new document, since that would forget what was observed.
        page.evaluate(
            FOLLOW,
            f"/d/{debate_id}",
        )
        page.locator(".writing").first.wait_for()
        page.locator(".result").wait_for(timeout=1000 * (60 + 45 * ROUNDS))
        seen: dict[str, Any] = page.evaluate("() => window.seen")
        flushes = seen["flushes"]
        # The same tale is told each time, so the first telling is compared with the last, the page having grown meanwhile.
        share = len(flushes) // ROUNDS if ROUNDS > 1 else len(flushes) // 10
        early, late = flushes[:share], flushes[-share:]
        touched = [[each[1] for each in seen["touched"] if part[0][0] <= each[0] <= part[-1][0]] for part in (early, late)]
        events = server.ask(f"/api/debates/{debate_id}/events?limit=1000").json["events"]
        words = sum(len(each["data"].get("content", "").split()) for each in events if each["type"] == "agent_message")
        half = (flushes[0][0] + flushes[-1][0]) / 2
        frames = [[each[1] for each in seen["frames"] if (each[0] > half) is late_one] for late_one in (False, True)]
        say(f"{words} words at {PIECES_PER_S}/s a seat, {TALE_WORDS} pieces a turn, {ROUNDS} round(s)")
        say(f"flush early: {spread(early)}\nflush late:  {spread(late)}")
        for name, times in zip(("first", "second"), frames, strict=True):
            say(f"tasks over 50 ms in the {name} half: {len(times)}, longest {max(times, default=0):.0f} ms")
        say(f"nodes touched at a time: early median {median(touched[0]):.0f}, late {median(touched[1]):.0f}")
        assert len(flushes) > 50
        assert len(touched[0]) > 25 < len(touched[1])
        assert median(touched[1]) <= GROWTH_MAX * median(touched[0])
        assert [] == watched.wrongs
