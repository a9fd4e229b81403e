"""Whose is what: every route of the table, asked by owner, another, nobody and a revoked key; and what is followed live."""

import json
import re
import socket
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from aragora.api import Endpoint
from aragora.api.routes import API, ROOT
from aragora.auth import Access
from aragora.auth.accounts import digest
from builders import WAIT_S, Served, served
from people import PASSWORD, Person, a_person, a_socket, closed, said

CANARY = "A question that nobody else may see"
OF_DEBATE = {Access.READER, Access.OWNER}
# Parts of paths that name what one person has, and those that name what is everybody's.
OWNED = {"id", "session_id", "key_id", "slug", "batch_id", "memory_id", "hook_id", "match_id"}
COMMON = {"format", "name", "other", "tier", "model", "token"}
TABLE = [*ROOT, *API]
# What asks each endpoint well; `ID` stands for a debate of the owner's.
BODIES: dict[str, dict[str, Any]] = {
    "/debate": {"topic": "Another one", "agents": ["demo", "demo"], "rounds": 1},
    "/debate-this": {"topic": "Another one", "agents": ["demo", "demo"], "rounds": 1},
    "/debates/batch": {"requests": [{"topic": "Another one", "agents": ["demo", "demo"], "rounds": 1}]},
    "/batch": {"requests": [{"topic": "Another one", "agents": ["demo", "demo"], "rounds": 1}]},
    "/debates/compare": {"debate_ids": ["ID"]},
    "/debates/archive/batch": {"debate_ids": ["ID"]},
    "/debates/estimate": {"topic": "Another one", "agents": ["demo", "demo"], "rounds": 1},
    "/search": {"query": "nobody"},
    "/auth/password/change": {"current_password": PASSWORD, "new_password": PASSWORD},
    "/memory/store": {"content": "Another memory"},
    "/webhooks": {"url": "https://example.com/hook"},
    "/mcp": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_debates"}},
    "/v1/chat/completions": {"model": "aragora/debate", "messages": [{"role": "user", "content": "Another one"}]},
    "/debates": {"topic": "Another one", "agents": ["demo", "demo"], "rounds": 1},
    "/debates/{id}/vote": {"choice": "demo-1"},
    "/debates/{id}/messages": {"content": "A thought"},
    "/debates/{id}/user-input": {"content": "A thought"},
}
QUERIES = {
    "/search": "?query=nobody",
    "/agent/compare": "?agent1=demo&agent2=demo:sceptic",
    "/leaderboard/compare": "?agent1=demo&agent2=demo:sceptic",
}
# What the owner of a debate that has ended is told where it is not that it was done.
OTHERWISE = {
    **{f"POST /debates/{{id}}/{verb}": 409 for verb in ("start", "stop", "cancel", "pause", "resume", "turn", "vote")},
    **{f"POST /debates/{{id}}/{verb}": 409 for verb in ("messages", "user-input")},
}


@dataclass
class Cast:
    """Who asks."""

    server: Served
    owner: Person
    other: Person
    revoked: Person
    expired: Person
    nobody: Person


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cast]:
    """A server that asks everybody to log in, and those who ask it. The owner is no admin."""
    folder = tmp_path_factory.mktemp("access")
    with served(folder, auth="required") as server:
        a_person(server, "admin")
        # By keys: an account keeps its newest sessions only, and these tests log in often.
        owner, other = (a_person(server, name).key("read", "write", "account") for name in ("owner", "other"))
        revoked = owner.key("read", "write", "account")
        owner.ask(f"/api/auth/api-keys/{revoked.user['id']}", method="DELETE")
        expired = owner.again()
        with sqlite3.connect(folder / ".nomic/aragora_debates.db") as database:
            gone = "UPDATE sessions SET access_expires_at = '2020-01-01T00:00:00.000000Z' WHERE access_hash = ?"
            assert 1 == database.execute(gone, (digest(expired.token),)).rowcount
        yield Cast(server, owner, other, revoked, expired, Person(server))


def named(endpoint: Endpoint) -> str:
    """What a test of an endpoint is called."""
    return f"{endpoint.method} {endpoint.path}"


def path_of(endpoint: Endpoint, owner: Person, debate_id: str) -> str:
    """The path with what belongs to the owner in its named parts."""
    path = (
        ("/api" if endpoint in API else "") + endpoint.path + (QUERIES.get(endpoint.path, "") if endpoint.method == "GET" else "")
    )
    values: dict[str, Callable[[], str]] = {
        "id": lambda: debate_id,
        "session_id": lambda: str(owner.again().ask("/api/auth/sessions").json["sessions"][0]["id"]),
        "key_id": lambda: str(owner.key().user["id"]),
        "token": lambda: "nonsense",
        "slug": lambda: str(owner.ask(f"/api/debates/{debate_id}").json["slug"]),
        "match_id": lambda: f"{owner.held(CANARY, agents=['demo:optimist', 'demo:sceptic'], rounds=2)}-0",
        "batch_id": lambda: str(owner.ask("/api/debates/batch", BODIES["/debates/batch"]).json["batch_id"]),
        "memory_id": lambda: str(owner.ask("/api/memory/store", {"content": CANARY}).json["id"]),
        "hook_id": lambda: str(owner.ask("/api/webhooks", {"url": "https://example.com/mine"}).json["id"]),
        "format": lambda: "json",
        "tier": lambda: "fast",
        "name": lambda: "demo",
        "other": lambda: "demo:sceptic",
        "model": lambda: "debate",
    }
    return re.sub(r"{(\w+)}", lambda found: values[found[1]](), path)


def asked(endpoint: Endpoint, person: Person, path: str, debate_id: str = "") -> tuple[int, bytes]:
    """Ask an endpoint; a stream that goes on is read for its status only."""
    body = None
    if endpoint.method in {"POST", "PUT", "PATCH"}:
        body = json.dumps(BODIES.get(endpoint.path, {})).replace('"ID"', f'"{debate_id}"').encode()
    answer = person.ask(path, body, method=endpoint.method)
    return answer.status, answer.body


def test_routes_of_a_debate_have_its_rule() -> None:
    """A route with a debate in its path declares who may use it: whoever may read it, or its owner."""
    assert [] == [named(each) for each in TABLE if "{id}" in each.path and each.access not in OF_DEBATE]


def test_routes_for_anyone_are_counted_on_one_hand() -> None:
    """What needs no login is named here, so that nothing joins it unnoticed."""
    open_ones = {named(each) for each in TABLE if each.access is Access.ANYONE}
    of_accounts = {f"POST /auth/{name}" for name in ("register", "login", "refresh")}
    assert {"GET /health", "GET /livez", "GET /readyz", "GET /metrics", "GET /shared/{token}"} | of_accounts == open_ones


def test_parts_of_paths_are_somebodys_or_everybodys() -> None:
    """What a path names has to be said to be one person's, or common, before a route with it is let in."""
    assert {name for each in TABLE for name in re.findall(r"{(\w+)}", each.path)} == OWNED | COMMON


@pytest.mark.parametrize("endpoint", TABLE, ids=named)
def test_every_route_for_everybody(cast: Cast, endpoint: Endpoint) -> None:
    """The owner gets in; another finds nothing there; nobody, a revoked key and a session that is over have to log in first."""
    owner, another = cast.owner.again(), cast.other.again()
    debate_id = owner.held(CANARY)
    path = path_of(endpoint, owner, debate_id)
    strangers = [asked(endpoint, each, path, debate_id)[0] for each in (cast.nobody, cast.revoked, cast.expired)]
    other, told = asked(endpoint, another, path, debate_id)
    mine, _ = asked(endpoint, owner, path, debate_id)
    if endpoint.access is Access.ANYONE:
        assert {401, 403}.isdisjoint(strangers) or endpoint.path == "/auth/refresh"
        return
    assert [401] * 3 == strangers
    if endpoint.access is Access.ADMIN:
        assert (403, 403) == (other, mine)
        return
    if set(re.findall(r"{(\w+)}", endpoint.path)) & OWNED or endpoint.path == "/debates/compare":
        assert 404 == other
    assert OTHERWISE.get(named(endpoint), 200) == (200 if mine in {201, 202} else mine)
    assert CANARY.encode() not in told
    assert debate_id.encode() not in told.replace(b'"skipped":["%s"]' % debate_id.encode(), b"")


@pytest.mark.parametrize("endpoint", [each for each in TABLE if each.access in OF_DEBATE], ids=named)
def test_public_debate_is_read_by_all_and_changed_by_its_owner(cast: Cast, endpoint: Endpoint) -> None:
    """A debate that was made public is there for everybody who is logged in; only its owner changes it."""
    debate_id = cast.owner.held("Everybody may see this")
    assert 200 == cast.owner.ask(f"/api/debates/{debate_id}/share", {"visibility": "public"}).status
    status, _ = asked(endpoint, cast.other, path_of(endpoint, cast.owner, debate_id))
    if endpoint.access is Access.OWNER:
        assert 403 == status
    else:
        assert status not in {401, 403, 404}


@pytest.mark.parametrize("endpoint", [each for each in TABLE if each.access in OF_DEBATE], ids=named)
def test_share_link_opens_what_is_read_and_no_more(cast: Cast, endpoint: Endpoint) -> None:
    """Whoever has the link reads, without logging in; nothing is changed with it, and no other debate is opened by it."""
    debate_id, another = cast.owner.held(CANARY), cast.owner.held(CANARY)
    token = cast.owner.ask(f"/api/debates/{debate_id}/share", b"").json["token"]
    path = path_of(endpoint, cast.owner, debate_id)
    status, _ = asked(endpoint, cast.nobody, f"{path}?share={token}")
    if endpoint.access is Access.READER and endpoint.method == "GET":
        assert status < 300
        assert 401 == asked(endpoint, cast.nobody, f"{path.replace(debate_id, another)}?share={token}")[0]
        assert 200 == cast.owner.ask(f"/api/debates/{debate_id}/share/revoke", b"").status
        assert 401 == asked(endpoint, cast.nobody, f"{path}?share={token}")[0]
    else:
        assert 401 == status


def test_link_leads_to_its_debate_until_it_is_taken_back(cast: Cast) -> None:
    """A link is read without a login; one of two can be taken back; a debate made private again ends them all."""
    debate_id = cast.owner.held(CANARY)
    first, second = (cast.owner.ask(f"/api/debates/{debate_id}/share", b"").json for _ in range(2))
    assert CANARY == cast.nobody.ask(f"/api/v1/shared/{first['token']}").json["topic"]
    assert 2 == len(cast.owner.ask(f"/api/debates/{debate_id}/share").json["links"])
    revoked = cast.owner.ask(f"/api/debates/{debate_id}/share/revoke", {"share_id": first["share_id"]}).json
    assert (1, "shared") == (revoked["revoked"], revoked["visibility"])
    assert [404, 200] == [cast.nobody.ask(f"/api/v1/shared/{each['token']}").status for each in (first, second)]
    cast.owner.ask(f"/api/debates/{debate_id}/share", {"visibility": "private"})
    assert 404 == cast.nobody.ask(f"/api/v1/shared/{second['token']}").status
    assert 404 == cast.nobody.ask("/api/v1/shared/nonsense").status


def test_lists_hold_what_may_be_seen(cast: Cast) -> None:
    """Lists, their totals and their pages hold the public debates and one's own."""
    mine = {cast.owner.hold(f"Mine {number}") for number in range(3)}
    shown = cast.owner.hold("Shown to all")
    before = cast.other.ask("/api/debates?limit=100").json
    cast.owner.ask(f"/api/debates/{shown}/share", {"visibility": "public"})
    theirs = {cast.other.hold("Theirs")}
    after = cast.other.ask("/api/debates?limit=100").json
    seen = {row["id"] for row in after["items"]}
    assert before["total"] + 2 == after["total"] == len(seen)
    assert {shown, *theirs} <= seen
    assert set() == mine & seen
    walked, cursor = [], ""
    while cursor is not None:
        page = cast.other.ask(f"/api/debates?limit=1&cursor={cursor}").json
        walked += [row["id"] for row in page["items"]]
        cursor = page["next_cursor"]
    assert [row["id"] for row in after["items"]] == walked
    paged = [cast.other.ask(f"/api/debates?limit=1&offset={place}").json["items"][0]["id"] for place in range(len(walked))]
    assert walked == paged


def test_owner_and_status_cannot_be_written(cast: Cast) -> None:
    """Fields that would change ownership, status or cost change nothing."""
    body = {"topic": "Mine?", "status": "completed", "owner_id": cast.other.user["id"], "owner": "x", "cost": 0, "id": "1" * 32}
    answer = cast.owner.ask("/api/debates", {**body, "visibility": "public", "start": False})
    debate_id = answer.json["id"]
    assert "1" * 32 != debate_id
    assert (200, 404) == tuple(each.ask(f"/api/debates/{debate_id}").status for each in (cast.owner, cast.other))
    assert "pending" == cast.owner.ask(f"/api/debates/{debate_id}").json["status"]


def test_method_cannot_be_smuggled(cast: Cast) -> None:
    """HEAD and OPTIONS tell no more than GET; headers that would override the method do not."""
    debate_id = cast.owner.hold(CANARY)
    path = f"/api/debates/{debate_id}"
    assert (404, 401) == (cast.other.ask(path, method="HEAD").status, cast.nobody.ask(path, method="HEAD").status)
    assert 405 == cast.other.ask(path, method="OPTIONS").status
    cast.other.ask(path, X_HTTP_Method_Override="DELETE")
    cast.other.ask(f"{path}/cancel", method="GET")
    assert "cancelled" != cast.owner.ask(path).json["status"]


def test_socket_shows_nothing_to_others(cast: Cast) -> None:
    """Subscribing and resuming ask the same question as REST; the answer to another is that there is no such debate."""
    debate_id = cast.owner.held(CANARY)
    with a_socket(cast.server, token=cast.other.token, debate_id=debate_id) as by_url:
        assert ["connected", "error"] == [said(by_url)["type"] for _ in range(2)]
        for after in ({}, {"after": 3}, {"replay_from_seq": 1}):
            by_url.send(json.dumps({"type": "subscribe", "debate_id": debate_id, **after}))
            refused = said(by_url)
            assert ("error", "NOT_FOUND") == (refused["type"], refused["data"]["code"])
        by_url.send(json.dumps({"type": "subscribe", "debate_id": "0" * 32}))
        assert refused["data"] == said(by_url)["data"]
    bearer = {"Authorization": f"Bearer {cast.owner.token}"}
    protocol = [f"access_token.{cast.owner.token}"]
    ways: list[dict[str, Any]] = [{"token": cast.owner.token}, {"headers": bearer}, {"subprotocols": protocol}]
    for way in ways:
        with a_socket(cast.server, debate_id=debate_id, **way) as mine:
            assert ["connected", "subscribed", "debate_start"] == [said(mine)["type"] for _ in range(3)]


@pytest.mark.parametrize("given", [{}, {"token": "nonsense"}, {"ticket": "nonsense"}])
def test_socket_needs_a_login(cast: Cast, given: dict[str, str]) -> None:
    """Without a good token a socket is told so and closed with 4001."""
    with a_socket(cast.server, **given) as opened:
        assert "AUTH_REQUIRED" == said(opened)["data"]["code"]
        assert 4001 == closed(opened)


def test_socket_of_a_credential_that_is_over_is_closed(cast: Cast) -> None:
    """A revoked key and a session that is over open no socket, whichever way they are shown."""
    for gone in (cast.revoked, cast.expired):
        ways: list[dict[str, Any]] = [{"token": gone.token}, {"subprotocols": [f"access_token.{gone.token}"]}]
        cookie = {"Cookie": f"aragora_session_{cast.server.api_port}={gone.token}"}
        own = f"http://127.0.0.1:{cast.server.api_port}"
        for way in (*ways, {"headers": {"Authorization": f"Bearer {gone.token}"}}, {"headers": cookie, "origin": own}):
            with a_socket(cast.server, **way) as opened:
                assert "AUTH_REQUIRED" == said(opened)["data"]["code"]
                assert 4001 == closed(opened)


def test_socket_by_link_follows_one_debate(cast: Cast) -> None:
    """With a share link a debate is watched without a login, and no other."""
    debate_id, another = cast.owner.held(CANARY), cast.owner.held(CANARY)
    token = cast.owner.ask(f"/api/debates/{debate_id}/share", b"").json["token"]
    with a_socket(cast.server, share=token, debate_id=debate_id) as opened:
        types = [said(opened)["type"] for _ in range(3)]
        assert ["connected", "subscribed", "debate_start"] == types
        while said(opened)["type"] != "debate_end":
            pass
        opened.send(json.dumps({"type": "subscribe", "debate_id": another}))
        assert "error" == said(opened)["type"]


def test_revoked_token_stops_what_is_followed(slow: Served) -> None:
    """A deleted key closes its sockets with 4001, and ends its streams; another key of the same person goes on."""
    person = a_person(slow, "revoked")
    debate_id, key, other = person.hold(rounds=1), person.key(), person.key()
    with (
        a_socket(slow, token=key.token, debate_id=debate_id) as one,
        a_socket(slow, token=other.token, debate_id=debate_id) as two,
    ):
        for opened in (one, two):
            assert ["connected", "subscribed", "debate_start"] == [said(opened)["type"] for _ in range(3)]
        stream = a_stream(slow, debate_id, key)
        person.ask(f"/api/auth/api-keys/{key.user['id']}", method="DELETE")
        assert 4001 == closed(one)
        two.send('{"type":"ping"}')
        while said(two)["type"] != "pong":
            pass
        person.ask(f"/api/debates/{debate_id}/cancel", b"")
        while said(two)["type"] != "debate_end":
            pass
        assert b"debate_end" not in rest(stream)


def test_private_again_stops_what_others_follow(slow: Served) -> None:
    """A link that is taken back ends what was watched by it, without a further event; the owner goes on watching."""
    person = a_person(slow, "private")
    debate_id = person.hold(rounds=1)
    token = person.ask(f"/api/debates/{debate_id}/share", b"").json["token"]
    with (
        a_socket(slow, share=token, debate_id=debate_id) as by_link,
        a_socket(slow, token=person.token, debate_id=debate_id) as mine,
    ):
        for opened in (by_link, mine):
            assert ["connected", "subscribed", "debate_start"] == [said(opened)["type"] for _ in range(3)]
        person.ask(f"/api/debates/{debate_id}/share/revoke", b"")
        person.ask(f"/api/debates/{debate_id}/cancel", b"")
        kinds = set()
        while (frame := said(by_link))["type"] != "error":
            kinds.add(frame["type"])
        assert "debate_end" not in kinds
        while said(mine)["type"] != "debate_end":
            pass


def test_optional_login_keeps_private_private(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where a login is optional, strangers hold public debates and read them; what somebody holds who is logged in is theirs."""
    with served(tmp_path_factory.mktemp("optional"), auth="optional") as server:
        nobody, person = Person(server), a_person(server, "ann")
        open_one, private = nobody.held("Everybody's"), person.held(CANARY)
        assert (200, 404) == tuple(nobody.ask(f"/api/debates/{each}").status for each in (open_one, private))
        assert (200, 200) == tuple(person.ask(f"/api/debates/{each}").status for each in (open_one, private))
        assert [open_one] == [row["id"] for row in nobody.ask("/api/debates").json["items"]]
        assert 401 == Person(server, token="nonsense").ask("/api/debates").status
        assert 401 == nobody.ask("/api/auth/me").status
        body = {"choice": "demo-1", "voter": f"user:{person.user['id']}"}
        assert 400 == nobody.ask(f"/api/debates/{nobody.hold()}/vote", body).status


def test_without_login_everybody_may_do_everything(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With authentication off nobody has to say who they are; who does is known, and debates stay open."""
    with served(tmp_path_factory.mktemp("off")) as server:
        nobody, person = Person(server), a_person(server, "ann")
        debate_id = person.held(CANARY)
        assert 200 == nobody.ask(f"/api/debates/{debate_id}").status
        assert 200 == Person(server, token="nonsense").ask(f"/api/debates/{debate_id}").status
        assert (401, 200) == (nobody.ask("/api/auth/me").status, person.ask("/api/auth/me").status)


def a_stream(server: Served, debate_id: str, person: Person) -> socket.socket:
    """A stream of server-sent events, read up to its first event."""
    opened = socket.create_connection(("127.0.0.1", server.api_port), timeout=WAIT_S)
    head = (
        f"GET /api/debates/{debate_id}/events/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {person.token}\r\n\r\n"
    )
    opened.sendall(head.encode())
    read = b""
    while b"debate_start" not in read:
        read += opened.recv(65536)
    return opened


def rest(opened: socket.socket) -> bytes:
    """What comes until the stream ends."""
    read = b""
    with opened:
        while not read.endswith(b"0\r\n\r\n") and (more := opened.recv(65536)):
            read += more
    return read


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose agents take longer than any test, so that debates go on until they are cancelled."""
    with served(tmp_path_factory.mktemp("slow"), auth="required", demo_delay_s=60, turn_timeout_s=60) as server:
        yield server


def test_voter_is_the_account(slow: Served) -> None:
    """Whoever is logged in votes as themselves, whatever the body says, and once."""
    owner, voter = a_person(slow, "host"), a_person(slow, "voter")
    debate_id = owner.hold(rounds=1)
    owner.ask(f"/api/debates/{debate_id}/share", {"visibility": "public"})
    first = voter.ask(f"/api/debates/{debate_id}/vote", {"choice": "demo-1", "voter": "somebody else"})
    again = voter.ask(f"/api/debates/{debate_id}/vote", {"choice": "demo-1", "voter": "one more"})
    mine = owner.ask(f"/api/debates/{debate_id}/vote", {"choice": "demo-2", "voter": "one more"})
    assert (201, 200, 201) == (first.status, again.status, mine.status)
    assert f"user:{voter.user['id']}" == first.json["voter"]
    assert {"demo-1": 1, "demo-2": 1} == mine.json["tally"]
    owner.ask(f"/api/debates/{debate_id}/cancel", b"")
