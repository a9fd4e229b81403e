"""What tests of the page need: a real browser, what it must not do, and talkers for it to show."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from builders import Served, served
from people import PASSWORD
from services import binary

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).parents[1]
SCREENS = ROOT / "results/screens"
AXE = ROOT / "tests/web/vendor/axe.min.js"
ARGUMENTS = (
    *("--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WIDE, PHONE = (1440, 900), (390, 844)
WAIT_MS = 20_000


@contextmanager
def a_browser() -> Iterator["Browser"]:
    """Chromium as Debian packs it; without it or playwright the test is skipped, or fails under ARAGORA_REQUIRE_SERVICES=1."""
    path = binary("chromium")
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may be missing
    except ImportError:
        refuse = pytest.fail if os.environ.get("ARAGORA_REQUIRE_SERVICES") == "1" else pytest.skip
        refuse("playwright is missing; it is in the development dependencies")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """A page, and everything that it did which it must not."""

    page: "Page"
    context: "BrowserContext"
    address: str
    wrongs: list[str] = field(default_factory=list)  # dialogs, faults, requests elsewhere, refusals of the policy
    requests: list[str] = field(default_factory=list)

    def go(self, path: str) -> "Page":
        """Open a page of the server."""
        self.page.goto(self.address + path)
        return self.page

    def shot(self, name: str, *, whole: bool = True) -> None:
        """Keep what is seen: the whole page, for which the browser makes its window longer, or what is in the window."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(SCREENS / f"{name}.png"), full_page=whole)

    def flaws(self) -> list[str]:
        """What axe finds wrong with the page as it is."""
        self.page.evaluate(AXE.read_text("utf-8") + "; undefined")
        found: list[dict[str, Any]] = self.page.evaluate("async () => (await axe.run(document)).violations")
        return [f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:300]}" for each in found for node in each["nodes"]]


@contextmanager
def a_page(
    browser: "Browser",
    server: Served,
    *,
    size: tuple[int, int] = WIDE,
    scheme: str = "light",
    calm: bool = True,
    **options: Any,
) -> Iterator[Watched]:
    """A page in a context of its own, watched; `calm` asks for reduced motion, so that pictures are the same twice."""
    motion = "reduce" if calm else "no-preference"
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,  # type: ignore[arg-type] # light or dark
        reduced_motion=motion,  # type: ignore[arg-type] # one of two words
        **options,
    )
    context.set_default_timeout(WAIT_MS)
    watched = Watched(context.new_page(), context, f"http://127.0.0.1:{server.api_port}")
    _watch(watched)
    try:
        yield watched
    finally:
        context.close()


def _watch(watched: Watched) -> None:
    page, host = watched.page, urlsplit(watched.address).netloc

    def asked(url: str) -> None:
        watched.requests.append(url)
        if urlsplit(url).netloc != host and not url.startswith(("blob:", "data:")):
            watched.wrongs.append(f"request to {url}")

    def said(kind: str, text: str) -> None:
        # A server that was killed cannot be reached; the browser says so, and that is no fault of the page.
        if kind == "error" and "net::ERR" not in text and "WebSocket" not in text and "status of 404" not in text:
            watched.wrongs.append(f"console: {text}")

    page.on("request", lambda request: asked(request.url))
    page.on("websocket", lambda socket: asked(socket.url.replace("ws://", "http://")))
    page.on("pageerror", lambda error: watched.wrongs.append(f"error: {error}"))
    page.on("console", lambda message: said(message.type, message.text))

    def refuse(dialog: Any) -> None:
        watched.wrongs.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", refuse)


@contextmanager
def talkers(folder: Path, **settings: object) -> Iterator[Served]:
    """A server whose `openai:` models are ours, over real HTTP: `hostile` ones and tellers of long `tale`s."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(Path(__file__).parent / "talkers.py")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        toml = f'[providers.openai]\nbase_url = "{url}/v1"\nrequests_per_minute = 0\n'
        (folder / "aragora.toml").write_text(toml, "utf-8")
        with pytest.MonkeyPatch.context() as patch, _keyed(patch), served(folder, **settings) as server:
            yield server
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def _keyed(patch: pytest.MonkeyPatch) -> Iterator[None]:
    patch.setenv("OPENAI_API_KEY", "sk-for-nobody")
    yield


def ask(server: Served, **body: object) -> str:
    """Start a debate; its id."""
    answer = server.ask("/api/debates", {"topic": "Should we test first?", "agents": ["demo", "demo", "demo"], **body})
    assert answer.status == 201, answer.body
    return str(answer.json["id"])


def until_ended(server: Served, debate_id: str) -> dict[str, Any]:
    """Wait for the end by reading the stream of events; the debate."""
    server.ask(f"/api/debates/{debate_id}/events/stream")
    found: dict[str, Any] = server.ask(f"/api/debates/{debate_id}").json
    assert found["result"] is not None
    return found


def log_in(page: "Page", email: str) -> None:
    """Through the form."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.locator(".example").first.wait_for()


def refused_only(watched: Watched) -> list[str]:
    """What went wrong, but for the browser's note that a request was refused."""
    return [wrong for wrong in watched.wrongs if "status of 401" not in wrong]
