"""Paths lead to their endpoints, whatever is written or escaped in them."""

from pathlib import Path

import pytest

from aragora.api.router import Match, Paths
from builders import served


def some_paths() -> Paths[str]:
    """Written and named parts that compete."""
    paths: Paths[str] = Paths()
    for method, path in (
        ("GET", "/d"),
        ("POST", "/d"),
        ("GET", "/d/active"),
        ("GET", "/d/{id}"),
        ("GET", "/d/{id}/votes"),
        ("GET", "/d/slug/{slug}"),
        ("GET", "/a/{name}/with/{other}"),
    ):
        paths.add(method, path, f"{method} {path}")
    return paths


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"/d", Match({"GET": "GET /d", "POST": "POST /d"}, {})),
        (b"/d/active", Match({"GET": "GET /d/active"}, {})),
        (b"/d/7", Match({"GET": "GET /d/{id}"}, {"id": "7"})),
        (b"/d/slug", Match({"GET": "GET /d/{id}"}, {"id": "slug"})),
        (b"/d/slug/votes", Match({"GET": "GET /d/slug/{slug}"}, {"slug": "votes"})),
        (b"/d/active/votes", Match({"GET": "GET /d/{id}/votes"}, {"id": "active"})),
        (b"/a/x%2Fy/with/z%20", Match({"GET": "GET /a/{name}/with/{other}"}, {"name": "x/y", "other": "z "})),
        (b"/d/", None),
        (b"/d/7/", None),
        (b"/d/7/votes/8", None),
        (b"/", None),
        (b"", None),
        (b"/d/%FF", Match({"GET": "GET /d/{id}"}, {"id": "\ufffd"})),
    ],
)
def test_path_leads_to_endpoint(raw: bytes, expected: Match[str] | None) -> None:
    """A written part wins over a named one, unless it leads nowhere; a part that is empty is no name."""
    assert expected == some_paths().find(raw)


def test_wrong_method_says_which_are_right(tmp_path: Path) -> None:
    """405 with Allow; HEAD is as GET without a body."""
    with served(tmp_path) as server:
        wrong = server.ask("/api/debates", b"", method="PUT")
        assert (405, "GET, HEAD, POST") == (wrong.status, wrong.headers["allow"])
        assert (200, b"") == ((head := server.ask("/api/health", method="HEAD")).status, head.body)
        assert 404 == server.ask("/api/nothing").status
