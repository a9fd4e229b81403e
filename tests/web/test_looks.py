"""Every page, light and dark, wide and on a phone: nothing for axe to say, and a picture of each for people to look at."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from browser import PHONE, SCREENS, WIDE, Watched, a_page, ask, log_in, refused_only
from builders import Served, served
from people import a_person

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
    "status": ("/status", ".figures"),
    "nothing": ("/d/01nothing", "h1"),
}
# The same for somebody who has just made an account.
OWN_PAGES = {
    "account": ("/account", "#sessions"),
    "debates-empty": ("/debates", ".empty"),
    "memory-empty": ("/memory", ".empty"),
    "ask-first": ("/", ".example"),
}
everywhere = pytest.mark.parametrize(("scheme", "size"), [(scheme, size) for scheme in ("light", "dark") for size in SIZES])


def look(watched: Watched, pages: dict[str, tuple[str, str]], variant: str, **named: str) -> dict[str, list[str]]:
    """Open each page, keep a picture of it, and note what axe finds."""
    flaws = {}
    for name, (path, sign) in pages.items():
        watched.go(path.format(**named)).locator(sign).first.wait_for()
        watched.shot(f"{name}-{variant}")
        flaws[name] = watched.flaws()
    return {name: found for name, found in flaws.items() if found}


@everywhere
def test_pages_are_accessible(browser: "Browser", server: Served, finished: str, scheme: str, size: str) -> None:
    """Axe finds no violation on any page."""
    with a_page(browser, server, size=SIZES[size], scheme=scheme) as watched:
        assert {} == look(watched, PAGES, f"{scheme}-{size}", finished=finished)
        assert [] == watched.wrongs


@everywhere
def test_pages_of_an_account_are_accessible(browser: "Browser", guarded: Served, scheme: str, size: str) -> None:
    """Nor on the form to log in, on the account, or where there is nothing yet, or when the server fails."""
    person = a_person(guarded, f"{scheme}{size}")
    with a_page(browser, guarded, size=SIZES[size], scheme=scheme) as watched:
        assert {} == look(watched, {"login": ("/account", "input")}, f"{scheme}-{size}")
        log_in(watched.page, person.email)
        assert {} == look(watched, OWN_PAGES, f"{scheme}-{size}")
        problem = {"detail": "The database does not answer.", "status": 503, "retry_after": 3}
        watched.page.route("**/api/debates?*", lambda route: route.fulfill(status=503, json=problem))
        assert {} == look(watched, {"fault": ("/debates", "[role=alert]")}, f"{scheme}-{size}")
        assert [] == [wrong for wrong in refused_only(watched) if "status of 503" not in wrong]


@everywhere
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
    with served(folder, demo_delay_s=1.0) as started:
        yield started


@everywhere
def test_live_debate_is_accessible(browser: "Browser", slow: Served, scheme: str, size: str) -> None:
    """A debate in the middle of its first round, texts being written, has no violation."""
    debate_id = ask(
        slow, topic="Should our city make its buses free?", agents=["demo:optimist", "demo:sceptic", "demo:pragmatist"]
    )
    with a_page(browser, slow, size=SIZES[size], scheme=scheme) as watched:
        page = watched.go(f"/d/{debate_id}")
        page.locator(".critiques blockquote").first.wait_for()
        page.locator(".writing").first.wait_for()
        page.wait_for_timeout(300)  # so that there is something in the picture
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


def test_pictures_are_kept_where_ci_finds_them(browser: "Browser", server: Served, say: Callable[[str], None]) -> None:
    """A picture is a file in the folder that CI keeps."""
    with a_page(browser, server) as watched:
        watched.go("/").locator(".example").first.wait_for()
        watched.shot("kept")
    say(f"pictures of the pages: {SCREENS}")
    assert (SCREENS / "kept.png").stat().st_size > 0
