"""The documents: nothing that a user can set, ask for, watch or read off is missing in them, and every link leads somewhere."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import generate
from aragora.api.routes import endpoints

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
API = ROOT / "src/aragora/api"
EVENTS = ROOT / "src/aragora/debate/events.py"


def pages() -> list[Path]:
    """Every page."""
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def prose(text: str) -> str:
    """A page without its code, where brackets are no links and # is no heading."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(text: str) -> set[str]:
    """The places in a page that a link can lead to."""
    bare = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", bare, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path, text: str) -> Iterator[str]:
    """Links of a page that lead nowhere in this repository."""
    for target in re.findall(r"\]\(<?([^)\s>]+)>?[^)]*\)", prose(text)):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if file != page and not file.exists():
            yield f"{page.name}: {target}"
        elif anchor and anchor not in anchors(text if file == page else file.read_text("utf-8")):
            yield f"{page.name}: {target} has no such heading"


def routes(source: str) -> Iterator[str]:
    """The paths that a module hands to a Route."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args)
    firsts = (call.args[0] for call in calls if ast.unparse(call.func).endswith("Route"))
    return (first.value for first in firsts if isinstance(first, ast.Constant) and isinstance(first.value, str))


def event_types(source: str) -> set[str]:
    """The wire names that the events have."""
    named = (
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef) and node.name in {"type", "type_of"}
    )
    returned = (each.value for node in named for each in ast.walk(node) if isinstance(each, ast.Return) and each.value)
    options = (option for each in returned for option in ((each.body, each.orelse) if isinstance(each, ast.IfExp) else (each,)))
    return {option.value for option in options if isinstance(option, ast.Constant) and isinstance(option.value, str)}


def written() -> str:
    """Everything the documents say."""
    return "\n".join(page.read_text("utf-8") for page in pages())


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_page_is_current(name: str) -> None:
    """What is generated says what the code says; `make docs` writes it."""
    assert generate.PAGES[name]() == (DOCS / f"reference/{name}.md").read_text("utf-8")


def test_every_link_leads_somewhere() -> None:
    """Every relative link names a file that there is, and a heading in it."""
    assert [] == [link for page in pages() for link in broken_links(page, page.read_text("utf-8"))]


def test_every_route_is_documented() -> None:
    """What can be asked for is written down."""
    text = written()
    found = {each.path for each in endpoints()} | {path for file in API.rglob("*.py") for path in routes(file.read_text("utf-8"))}
    assert set() == {path for path in found if f"`{path.replace('/api/v1', '/api')}`" not in text}


def test_every_event_is_documented() -> None:
    """What can be watched is written down."""
    text = written()
    assert set() == {name for name in event_types(EVENTS.read_text("utf-8")) if f"`{name}`" not in text}


def test_every_decision_is_complete() -> None:
    """A decision says why, what follows, and what would change our mind; each number is one decision's."""
    decisions = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    headings = {"## Context", "## Decision", "## Consequences", "## What would change our mind"}
    numbers = [page.name[:4] for page in decisions]
    assert sorted(set(numbers)) == numbers
    assert [] == [page.name for page in decisions if headings - set(page.read_text("utf-8").splitlines())]


def test_every_run_time_dependency_has_its_reason_and_is_locked() -> None:
    """Each has a row in the ADR, and the lock files hold it with a hash and name no host."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (decision,) = (DOCS / "decisions").glob("0009-*.md")
    reasons, lock, dev = (
        file.read_text("utf-8") for file in (decision, ROOT / "requirements.lock", ROOT / "requirements-dev.lock")
    )
    needed = {re.split(r"[\s\[<>=!~;]", line)[0].lower() for line in project["project"]["dependencies"]}
    wanted = needed | {re.split(r"[\s\[<>=!~;]", line)[0].lower() for line in project["dependency-groups"]["dev"]}
    assert set() == {name for name in needed if f"| {name} |" not in reasons}
    assert set() == {name for name in needed if f"\n{name}==" not in lock}
    assert set() == {name for name in wanted if f"\n{name}==" not in dev}
    assert ("://" in lock, "://" in dev) == (False, False)
    assert lock.count("==") <= lock.count("--hash=")


def test_what_is_missing_is_found() -> None:
    """These tests find a broken link, a route and an event."""
    page = DOCS / "page.md"
    text = "# A page\n[x](nowhere.md) [y](#a-page) [z](#elsewhere) `[q](nowhere)` [w](https://example.com)"
    assert ["page.md: nowhere.md", "page.md: #elsewhere has no such heading"] == [*broken_links(page, text)]
    assert ["/ws"] == [*routes('TABLE = [WebSocketRoute("/ws", follow), Route(each.path, app), Path("/x")]')]
    assert {"a", "b"} == event_types('def type(self):\n    return "a" if self.x else "b"')
