"""Models that attack the page: whatever they say is shown as text, nothing of it runs, and nothing leaves for another host."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from browser import a_page, ask, talkers, until_ended
from builders import served
from talkers import EVIL, PAYLOADS, RUN, marked

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SEATS = 15
PANEL = ("demo:optimist", "demo:pragmatist", "demo:sceptic")
TURNS = 4  # of a seat: the blind answer, the blind vote, a critique, a revised answer; more follow and begin again
ALLOWED = set("A BLOCKQUOTE BR CODE DEL DIV EM HR LI OL P PRE SPAN STRONG TABLE TBODY TD TH THEAD TR UL".split())  # noqa: SIM905
INSPECT = """() => {
  const found = { tags: [], attributes: [], links: [], hacked: typeof window.hacked };
  for (const node of document.querySelectorAll('.prose *, q, .reasons *, .remembered *, .chip:not(.add) *, .ranking th *')) {
    found.tags.push(node.tagName);
    for (const { name } of node.attributes) found.attributes.push(name);
    if (node.tagName === 'A' && node.hasAttribute('href')) found.links.push(node.protocol);
  }
  for (const name of Object.keys(found)) if (Array.isArray(found[name])) found[name] = [...new Set(found[name])];
  return found;
}"""


def inspect(page: "Page") -> None:
    """Nothing that could act is among what models said."""
    found = page.evaluate(INSPECT)
    assert set(found["tags"]) <= ALLOWED | {"Q"}
    assert set(found["attributes"]) <= {"dir", "href", "rel", "target", "class", "tabindex", "data-host", "start"}
    assert set(found["links"]) <= {"http:", "https:", "mailto:"}
    assert "undefined" == found["hacked"]


def as_a_file(page: "Page", written: str) -> None:
    """A document that was taken away, opened where no policy of the server helps."""
    page.goto("about:blank")
    page.set_content(written)
    page.wait_for_timeout(200)
    assert 0 == page.locator("script, img, svg, iframe, object, embed, form, base, [onerror], [onload], [onfocus]").count()
    links = page.evaluate("() => [...document.links].map((link) => link.protocol)")
    assert set(links) <= {"http:", "https:", "mailto:"}
    assert "undefined" == page.evaluate("() => typeof window.hacked")


def test_sixty_attacks_by_models_people_and_topics(browser: "Browser", tmp_path: Path, say: Callable[[str], None]) -> None:
    """Each of 60 payloads is streamed, criticised, voted with and shown again; no dialog, no script, no request elsewhere."""
    assert len(PAYLOADS) >= SEATS * TURNS == 60
    with talkers(tmp_path, max_agents=SEATS) as server, a_page(browser, server) as watched:
        agents = [f"openai:hostile.{number * TURNS}" for number in range(SEATS)]
        debate_id = ask(server, topic=f"{PAYLOADS[0]}{PAYLOADS[1]}", agents=agents, rounds=1)
        page = watched.go(f"/d/{debate_id}")
        page.locator(".writing, .prose").first.wait_for()
        for number in range(6):
            vote = {"choice": agents[number], "reason": PAYLOADS[number * 7], "voter": f"{PAYLOADS[number]}"}
            assert server.ask(f"/api/debates/{debate_id}/vote", vote).status == 201
        inspect(page)
        page.locator(".result").wait_for()
        shown = page.locator("body").inner_text()
        for number in range(page.locator(".timeline button").count()):
            page.locator(".timeline button").nth(number).click()
            page.evaluate("() => document.querySelectorAll('details').forEach((each) => (each.open = true))")
            page.wait_for_timeout(300)
            shown += page.evaluate("() => document.body.textContent")
            inspect(page)
        marks = {number for number in range(SEATS * TURNS) if f"mark-{number:02d}" in shown}
        page.goto(watched.address + "/debates")
        page.locator(".row").first.wait_for()
        watched.page.route("**/app.js", lambda route: route.abort())
        page.goto(f"{watched.address}/d/{debate_id}")
        page.locator(".share .prose").first.wait_for()
        page.wait_for_timeout(500)
        inspect(page)
        for form in ("receipt?format=html", "export/html"):
            written = server.ask(f"/api/debates/{debate_id}/{form}").body.decode()
            assert "mark-00" in written
            as_a_file(page, written)
        say(f"{len(marks)} of {SEATS * TURNS} payloads shown; went wrong: {len(watched.wrongs)}")
        assert marks == set(range(SEATS * TURNS))
        assert [] == watched.wrongs


def test_names_and_memories_that_attack(browser: "Browser", tmp_path: Path) -> None:
    """A seat that is named like an attack, and 60 memories, are shown as what they are: everywhere that a name goes."""
    name = f"human:<img src={EVIL}/n.png onerror={RUN}>"
    with served(tmp_path, person_timeout_s=0.3) as server, a_page(browser, server) as watched:
        debate_id = ask(server, topic=PAYLOADS[40], agents=[name, *PANEL], rounds=2, seed=0)
        until_ended(server, debate_id)
        for number in range(len(PAYLOADS)):
            content = marked(number).replace("\x01", "")  # which is refused
            assert 201 == server.ask("/api/memory/store", {"content": content, "tier": "slow"}).status
        page = watched.go(f"/d/{debate_id}")
        page.locator(".result").wait_for()
        assert name in page.locator("body").inner_text()
        inspect(page)
        for path, sign in (
            ("/debates", ".row"),
            ("/leaderboard", ".ranking"),
            ("/memory", ".remembered"),
            ("/status", ".figures"),
        ):
            watched.go(path).locator(sign).first.wait_for()
            inspect(page)
        watched.page.route("**/app.js", lambda route: route.abort())
        assert "<img" in watched.go(f"/d/{debate_id}").locator(".share .chip", has_text="human").first.inner_text()
        inspect(page)
        for form in ("receipt?format=html", "export/html"):
            as_a_file(page, server.ask(f"/api/debates/{debate_id}/{form}").body.decode())
        assert [] == watched.wrongs


def test_every_attack_alone_through_both_cleaners(browser: "Browser", tmp_path: Path) -> None:
    """Each payload by itself, so that none shields another: by the page's cleaner, whole and in pieces, and by the server's."""
    from aragora.web.markup import html_of  # noqa: PLC0415 - as the server imports it

    with talkers(tmp_path) as server, a_page(browser, server) as watched:
        page = watched.go("/")
        page.locator(".example").first.wait_for()
        for number, payload in enumerate(PAYLOADS):
            page.evaluate(
                """async (text) => {
                  const { fragment, Stream } = await import(document.documentElement.dataset.root + "/text.js");
                  const place = document.createElement("div");
                  place.className = "prose";
                  document.body.append(place);
                  place.append(fragment(text, ["demo"]));
                  const stream = new Stream(place, ["demo"]);
                  for (let at = 0; at < text.length; at += 5) { stream.add(text.slice(at, at + 5)); stream.flush(); }
                }""",
                payload,
            )
            served = str(html_of(marked(number)))
            assert f"mark-{number:02d}" in served
            assert not any(f"<{tag}" in served for tag in ("script", "img", "svg", "iframe", "style", "form", "input", "math"))
        page.wait_for_timeout(300)
        inspect(page)
        assert [] == watched.wrongs
