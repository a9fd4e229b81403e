"""The page's files, its vendored modules and what is served of a debate without JavaScript; no browser."""

import gzip
import json
import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from builders import Served

ROOT = Path(__file__).parents[2]
LOCKS = (ROOT / "src/aragora/web/static/vendor/vendor.lock", ROOT / "tests/web/vendor/vendor.lock")
FIRST_LOAD_BYTES_MAX = 100_000


@pytest.mark.parametrize("lock", LOCKS, ids=["page", "tests"])
def test_vendored_files_are_those_of_their_lock(lock: Path) -> None:
    """Every vendored file is in the lock with the hash of its content, and nothing else lies beside it."""
    entries = {entry["file"]: entry["sha256"] for entry in json.loads(lock.read_text("utf-8"))}
    kept = {path.name: sha256(path.read_bytes()).hexdigest() for path in lock.parent.iterdir() if path.name != lock.name}
    assert entries == {name: digest for name, digest in kept.items() if name != "LICENSES.txt"}


def test_modules_name_no_other_origin_and_no_bare_name() -> None:
    """Every import of every script is a path that the wheel holds."""
    static = ROOT / "src/aragora/web/static"
    named = [
        (script.parent / name, f"{script.name}: {name}")
        for script in static.rglob("*.js")
        for name in re.findall(r"""(?:from|import)\s*\(?["']([^"']+)["']""", script.read_text("utf-8"))
    ]
    assert len(named) > 30
    assert [] == [name for path, name in named if not (path.resolve().is_relative_to(static) and path.exists())]


def test_page_is_small_and_its_files_are_kept_for_ever(server: Served, say: Callable[[str], None]) -> None:
    """What a first visit loads, compressed, is under its bound, and every file says that it may be kept."""
    page = server.ask("/")
    total = len(gzip.compress(page.body))
    for path in sorted(set(re.findall(rb'(?:href|src)="(/static/[^"]+)"', page.body))):
        answer = server.ask(path.decode(), Accept_Encoding="gzip")
        assert (200, "gzip") == (answer.status, answer.headers["content-encoding"])
        assert "immutable" in answer.headers["cache-control"]
        again = server.ask(path.decode(), If_None_Match=answer.headers["etag"])
        assert (304, b"") == (again.status, again.body)
        total += len(answer.body)
    say(f"first load: {total} bytes compressed, bound {FIRST_LOAD_BYTES_MAX}")
    assert total < FIRST_LOAD_BYTES_MAX


def test_pages_have_a_policy_of_their_own_and_the_api_keeps_the_strictest(server: Served) -> None:
    """A page may run its own scripts; an answer of the API may run none."""
    page = server.ask("/").headers["content-security-policy"]
    assert "script-src 'self'" in page
    assert "require-trusted-types-for 'script'" in page
    assert "unsafe" not in page
    assert server.ask("/api/agents").headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_file_of_an_older_page_is_what_there_is_now_and_not_kept(server: Served) -> None:
    """A page that was open during an upgrade still finds what it loads later."""
    answer = server.ask("/static/0000000000000000/vendor/uplot.js")
    assert (200, "no-cache") == (answer.status, answer.headers["cache-control"])


@pytest.mark.parametrize("path", ["/static/x/../../app.py", "/static/x/nothing.js", "/static/x/%2e%2e/%2e%2e/shell.html", "/d/"])
def test_what_is_no_file_is_not_found(server: Served, path: str) -> None:
    """Only files of the page are served, by their names."""
    assert server.ask(path).status == 404


def test_share_page_says_everything_in_html(server: Served, finished: str) -> None:
    """The answer, the outcome, the votes and what a link preview reads are there without JavaScript."""
    debate = server.ask(f"/api/debates/{finished}").json
    answer = server.ask(f"/d/{finished}")
    text = answer.body.decode()
    assert answer.status == 200
    assert f'<meta property="og:title" content="{debate["topic"]}">' in text
    assert 'property="og:description"' in text
    assert debate["result"]["winner"] in text
    assert "How it was reached" in text
    again = server.ask(f"/d/{finished}", If_None_Match=answer.headers["etag"])
    assert again.status == 304


def test_share_page_of_nothing_is_a_page_too(server: Served) -> None:
    """Somebody who follows a broken link gets a page, with the right status."""
    answer = server.ask("/d/01nothing")
    assert 404 == answer.status
    assert "No such debate" in answer.body.decode()


def test_wrong_address_is_a_page_for_whoever_looks_at_pages(server: Served) -> None:
    """Programs get a problem, also below addresses that only programs ask for; the address that people guess leads on."""
    page = server.ask("/zebra-4711", Accept="text/html,*/*;q=0.8")
    assert (404, True) == (page.status, "No such page" in page.body.decode())
    assert "zebra" not in page.body.decode()
    for path, accept in (("/zebra-4711", "*/*"), ("/api/zebra", "text/html"), ("/v1/zebra", "text/html")):
        assert "application/problem+json" == server.ask(path, Accept=accept).headers["content-type"]
    assert 404 == server.ask("/zebra-4711", b"", method="POST").status


def test_guessed_address_of_a_debate_leads_to_it(server: Served, finished: str) -> None:
    """Whatever is in it, it stays one part of a path of this server."""
    assert server.ask(f"/d/{finished}").body == server.ask(f"/debates/{finished}").body
    assert 404 == server.ask("/debates/a%0d%0ab", Accept="text/html").status
