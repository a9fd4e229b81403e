"""A session in a cookie: good for the server's own pages, of no use to any other, tried in a real browser."""

import threading
from collections.abc import Iterator
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browser import a_browser, a_page
from builders import Answer, Served, served
from people import PASSWORD, QUICK, Person, a_person, a_socket, closed, said

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LOGIN = "/api/auth/login"
ASK = """async ([method, path, body]) => {
    const answer = await fetch(path, { method, body: body && JSON.stringify(body) });
    return [answer.status, await answer.json()];
}"""
WATCH = """(url) => new Promise((done) => {
    const socket = new WebSocket(url), types = [];
    socket.onmessage = ({ data }) => { types.push(JSON.parse(data).type); if (types.length == 2) socket.close(); };
    socket.onclose = ({ code }) => done([types, code]);
})"""
# What a page of another origin can make a browser send without being allowed anything: the answer is hidden from it.
FORGE = """async ([url, body]) => {
    const sent = { method: "POST", mode: "no-cors", credentials: "include", body: JSON.stringify(body) };
    await fetch(url, sent).catch(() => null);
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server where everybody logs in."""
    with served(tmp_path_factory.mktemp("cookie"), auth="required") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium."""
    with a_browser() as started:
        yield started


def origin(server: Served) -> str:
    """Where its pages are."""
    return f"http://127.0.0.1:{server.api_port}"


def entered(server: Served, person: Person, **headers: str) -> Answer:
    """Log in from a page of the server."""
    body = {"email": person.email, "password": PASSWORD, "cookie": True}
    return server.ask(LOGIN, body, **{"Origin": origin(server), **headers})


def cookie_of(answer: Answer) -> Any:
    """The one cookie that an answer sets."""
    (found,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return found


def test_page_never_sees_its_token(server: Served, browser: "Browser") -> None:
    """Scripts see neither tokens nor cookie; asking, following and logging out go by it; after that it is worth nothing."""
    ann = a_person(server, "ann")
    with a_page(browser, server) as watched:
        page = watched.go("/")
        body = {"email": ann.email, "password": PASSWORD, "cookie": True}
        status, told = page.evaluate(ASK, ["POST", LOGIN, body])
        assert (200, ann.email, None) == (status, told["user"]["email"], told["tokens"])
        assert "" == page.evaluate("document.cookie")
        assert ann.email == page.evaluate(ASK, ["GET", "/api/auth/me", None])[1]["user"]["email"]
        status, made = page.evaluate(ASK, ["POST", "/api/debates", QUICK])
        assert 201 == status
        assert "private" == ann.ask(f"/api/debates/{made['id']}/share").json["visibility"]
        url = f"{origin(server).replace('http', 'ws')}/ws?debate_id={made['id']}"
        assert [["connected", "subscribed"], 1005] == page.evaluate(WATCH, url)
        (kept,) = watched.context.cookies()
        assert (True, "Strict", "/") == (kept["httpOnly"], kept["sameSite"], kept["path"])
        assert 200 == page.evaluate(ASK, ["POST", "/api/auth/logout", None])[0]
        assert [] == watched.context.cookies()
        assert 401 == page.evaluate(ASK, ["GET", "/api/auth/me", None])[0]
        assert 401 == server.ask("/api/auth/me", Cookie=f"{kept['name']}={kept['value']}").status


class _Blank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A page of somebody else at another port of the same host: another origin of the same site."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Blank) as blank:
        threading.Thread(target=blank.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{blank.server_port}"
        finally:
            blank.shutdown()


def test_page_of_another_origin_gets_nothing(server: Served, browser: "Browser", elsewhere: str) -> None:
    """Browsers send a strict cookie to other ports of the same host too: nothing is changed, watched or logged in by that."""
    ben = a_person(server, "ben")
    private, found = ben.held(), cookie_of(entered(server, ben))
    kept = {"name": found.key, "value": found.value, "url": origin(server), "httpOnly": True, "sameSite": "Strict"}
    context = browser.new_context()
    context.add_cookies([kept])  # type: ignore[list-item]  # a cookie's own type
    page = context.new_page()
    page.goto(elsewhere)
    forged = (("/api/debates", QUICK), (f"/api/debates/{private}/share", {"visibility": "public"}))
    for path, body in (*forged, (LOGIN, {"email": ben.email, "password": PASSWORD, "cookie": True})):
        page.evaluate(FORGE, [origin(server) + path, body])
    assert [["error"], 4003] == page.evaluate(WATCH, f"{origin(server).replace('http', 'ws')}/ws?debate_id={private}")
    assert [found.value] == [cookie["value"] for cookie in context.cookies()]
    context.close()
    assert [private] == [row["id"] for row in ben.ask("/api/debates").json["debates"]]
    assert "private" == ben.ask(f"/api/debates/{private}/share").json["visibility"]
    counted = server.ask("/metrics").body.decode()
    for path in ("/api/debates", "/api/debates/{id}/share", LOGIN):  # that is: they came
        assert f'endpoint="{path}",method="POST",status="403"' in counted


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://127.0.0.1:1"}, {"Sec_Fetch_Site": "same-site"}])
def test_change_needs_a_page_of_this_origin(server: Served, headers: dict[str, Any]) -> None:
    """Reading is for whoever has the cookie; a change or a socket also needs the browser's word for which page asks."""
    eve = a_person(server, f"eve{len(str(headers))}")
    name, value = (found := cookie_of(entered(server, eve))).key, found.value
    cookie: dict[str, Any] = {"Cookie": f"{name}={value}"}
    assert 200 == server.ask("/api/debates", **cookie).status
    assert 403 == server.ask("/api/debates", QUICK, **cookie, **headers).status
    assert 403 == entered(server, eve, Origin=headers.get("Origin", "http://127.0.0.1:2")).status
    assert 201 == server.ask("/api/debates", QUICK, **cookie, Sec_Fetch_Site="same-origin").status
    assert 201 == server.ask("/api/debates", {**QUICK, "seed": 2}, **cookie, Origin=origin(server)).status
    with a_socket(server, headers=cookie, origin=headers.get("Origin")) as socket:
        assert ("error", 4003) == (said(socket)["type"], closed(socket))
    with a_socket(server, headers=cookie, origin=origin(server)) as socket:
        assert "connected" == said(socket)["type"]


def test_cookie_that_is_not_good_is_dropped(server: Served) -> None:
    """A browser that comes with a session that has ended is told to forget it; a token beside it goes first."""
    fay = a_person(server, "fay")
    found = cookie_of(entered(server, fay))
    cookie = f"{found.key}={found.value}"
    session = next(row for row in fay.ask("/api/auth/sessions").json["sessions"] if not row["current"])
    assert 200 == fay.ask(f"/api/auth/sessions/{session['id']}", method="DELETE").status
    answer = server.ask("/api/debates", Cookie=cookie)
    assert (401, found.key, "0") == (answer.status, cookie_of(answer).key, cookie_of(answer)["max-age"])
    assert 200 == fay.ask("/api/debates", Cookie=cookie).status
    assert 200 == server.ask("/api/health", Cookie=cookie).status
    assert 401 == server.ask("/api/debates", Cookie=f"{found.key}=ara_{found.value[4:]}").status


def test_behind_tls_the_cookie_is_for_tls_alone(tmp_path: Path) -> None:
    """A trusted proxy says that the browser's connection is encrypted; anybody else's word is not taken."""
    for trusted, flags in (("127.0.0.1", ("__Host-aragora_session", True)), ("", ("aragora_session", ""))):
        with served(tmp_path / f"with{trusted}", auth="required", trusted_proxies=trusted) as server:
            gus = a_person(server, "gus")
            far = {"Host": "localhost", "Origin": "https://localhost", "X_Forwarded_Proto": "https"}
            found = cookie_of(entered(server, gus, **far))
            assert flags == (found.key, found["secure"])
            assert 200 == server.ask("/api/auth/me", Cookie=f"{found.key}={found.value}", Host="localhost").status
