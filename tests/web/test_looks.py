"""Every page, light and dark, wide and on a phone: nothing for axe to say, and a picture of each for people to look at."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser import PHONE, WIDE, a_page, ask
from builders import Served, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SIZES = {"1440": WIDE, "390": PHONE}
# A page, and what is there once it has been drawn.
PAGES = {
    "ask": ("/", ".example"),
    "result": ("/d/{finished}", ".result"),
    "debates": ("/debates", ".row"),
    "leaderboard": ("/leaderboard", ".ranking"),
    "memory": ("/memory", ".tiles dd"),
    "status": ("/status", ".uplot"),
    "nothing": ("/d/01nothing", "h1"),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(browser: "Browser", server: Served, finished: str, scheme: str, size: str) -> None:
    """Axe finds no violation on any page."""
    with a_page(browser, server, size=SIZES[size], scheme=scheme) as watched:
        flaws = {}
        for name, (path, sign) in PAGES.items():
            watched.go(path.format(finished=finished)).locator(sign).first.wait_for()
            watched.shot(f"{name}-{scheme}-{size}")
            flaws[name] = watched.flaws()
        assert {name: [] for name in PAGES} == flaws
        assert [] == watched.wrongs


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_served_page_is_accessible(browser: "Browser", server: Served, finished: str, scheme: str, size: str) -> None:
    """What the server writes for those without JavaScript has no violation either."""
    with a_page(browser, server, size=SIZES[size], scheme=scheme) as watched:
        watched.page.route("**/app.js", lambda route: route.abort())
        watched.go(f"/d/{finished}").locator(".share").wait_for()
        watched.shot(f"share-{scheme}-{size}")
        assert [] == watched.flaws()


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on which a debate stays live for long enough to be looked at."""
    folder = tmp_path_factory.mktemp("slow")
    with served(folder, demo_delay_s=1.5) as started:
        yield started


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_live_debate_is_accessible(browser: "Browser", slow: Served, scheme: str, size: str) -> None:
    """A debate in the middle of its first round, texts being written, has no violation."""
    debate_id = ask(
        slow, topic="Should our city make its buses free?", agents=["demo:optimist", "demo:sceptic", "demo:pragmatist"]
    )
    with a_page(browser, slow, size=SIZES[size], scheme=scheme) as watched:
        page = watched.go(f"/d/{debate_id}")
        page.locator(".critiques blockquote").first.wait_for()
        page.locator(".writing").first.wait_for()
        page.wait_for_timeout(500)  # so that there is something in the picture
        watched.shot(f"live-{scheme}-{size}")
        assert [] == watched.flaws()
        assert [] == watched.wrongs


def test_chosen_colours_are_kept(browser: "Browser", server: Served) -> None:
    """The button turns from the system's colours to light to dark, and the choice is there at the next visit."""
    with a_page(browser, server, scheme="light") as watched:
        page = watched.go("/")
        for _ in range(2):
            page.get_by_role("button", name="Colours").click()
        ground = "() => getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(ground)
        page.reload()
        assert dark == page.evaluate(ground) != "rgb(250, 248, 244)"


def test_pictures_are_kept_where_ci_finds_them(browser: "Browser", server: Served) -> None:
    """A picture is a file in the folder that CI keeps."""
    with a_page(browser, server) as watched:
        watched.go("/").locator(".example").first.wait_for()
        watched.shot("kept")
    assert (Path(__file__).parents[2] / "results/screens/kept.png").stat().st_size > 0
