"""Accounts over HTTP: who gets in, what speaks for them, and that nothing of it lies about in clear."""

import asyncio
import re
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import extract_parameters

from aragora.auth.passwords import Passwords
from builders import WAIT_S, Served, served
from people import PASSWORD, Person, a_person, a_socket, closed, said


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that asks everybody to log in; its admin has registered."""
    with served(tmp_path_factory.mktemp("accounts"), auth="required") as running:
        a_person(running, "admin")
        yield running


def a_name(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses."""
    return re.sub(r"\W", "-", request.node.name)


def test_first_is_admin(server: Served, request: pytest.FixtureRequest) -> None:
    """Whoever registers first runs the server; nobody after that does."""
    admin = server.ask("/api/auth/login", {"email": "admin@example.com", "password": PASSWORD}).json["user"]
    assert ("admin", "member") == (admin["role"], a_person(server, a_name(request)).user["role"])


def test_account_has_the_fields_that_clients_read(server: Served, request: pytest.FixtureRequest) -> None:
    """Registering answers with a user, tokens and no organization; the password is nowhere in it."""
    body = {"email": f" {a_name(request).upper()}@Example.com ", "password": PASSWORD, "name": "Ann"}
    answer = server.ask("/api/v1/auth/register", body)
    fields = {"id", "email", "name", "org_id", "role", "is_active", "email_verified", "created_at", "updated_at", "last_login_at"}
    assert fields | {"has_api_key", "token_version", "mfa_enabled"} <= answer.json["user"].keys()
    assert {"access_token", "refresh_token", "token_type", "expires_in", "expires_at"} == answer.json["tokens"].keys()
    assert (201, "Bearer", 86400) == (answer.status, answer.json["tokens"]["token_type"], answer.json["tokens"]["expires_in"])
    assert (None, []) == (answer.json["organization"], answer.json["organizations"])
    assert PASSWORD.encode() not in answer.body
    assert "no-store" == answer.headers["cache-control"]
    assert f"{a_name(request).lower()}@example.com" == answer.json["user"]["email"]


def test_address_is_taken_once(server: Served, request: pytest.FixtureRequest) -> None:
    """A second account with the same address is refused, whatever its case."""
    person = a_person(server, a_name(request))
    assert 409 == server.ask("/api/auth/register", {"email": person.email.upper(), "password": PASSWORD}).status


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "no address", "password": PASSWORD}, "email"),
        ({"email": "a@b\x00.com", "password": PASSWORD}, "email"),
        ({"email": "x" * 300 + "@example.com", "password": PASSWORD}, "email"),
        ({"email": "short@example.com", "password": "short"}, "password"),
        ({"email": "long@example.com", "password": "x" * 2000}, "password"),
        ({"email": "same@example.com", "password": "SAME@example.com"}, "password"),
        ({"email": "name@example.com", "password": PASSWORD, "name": "\x1b[2J"}, "name"),
    ],
)
def test_bad_registration_is_explained(server: Served, body: dict[str, str], field: str) -> None:
    """What is wrong is said by field, and not repeated."""
    answer = server.ask("/api/auth/register", body)
    assert (400, [field]) == (answer.status, [flaw["field"] for flaw in answer.json["errors"]])
    assert body["password"].encode() not in answer.body


def test_unknown_and_wrong_are_answered_alike(server: Served, request: pytest.FixtureRequest) -> None:
    """Nobody can find out by logging in who has an account."""
    person = a_person(server, a_name(request))
    known = server.ask("/api/auth/login", {"email": person.email, "password": "not the password"})
    unknown = server.ask("/api/auth/login", {"email": f"no-{person.email}", "password": "not the password"})
    assert (401, 401) == (known.status, unknown.status)
    differing = {"trace_id": ""}
    assert {**known.json, **differing} == {**unknown.json, **differing}


def test_unknown_costs_the_same_work() -> None:
    """An account that is not there is verified with the parameters of one that is."""

    async def tried() -> tuple[bool, bool]:
        passwords = Passwords()
        hashed = await passwords.hashed(PASSWORD)
        assert extract_parameters(hashed) == extract_parameters(passwords._nobody)
        return await passwords.fits(None, PASSWORD), await passwords.fits(hashed, PASSWORD)

    assert (False, True) == asyncio.run(tried())


def test_logout_ends_the_session_at_once(server: Served, request: pytest.FixtureRequest) -> None:
    """The next request with the token is refused; another session of the same account goes on."""
    person = a_person(server, a_name(request))
    other = person.again()
    assert 200 == person.ask("/api/auth/logout", b"").status
    assert (401, 200) == (person.ask("/api/auth/me").status, other.ask("/api/auth/me").status)
    assert 401 == server.ask("/api/auth/refresh", {"refresh_token": person.refresh_token}).status


def test_refresh_spends_the_old_tokens(server: Served, request: pytest.FixtureRequest) -> None:
    """New tokens work; the old ones do not, neither to ask nor to be renewed."""
    person = a_person(server, a_name(request))
    answer = server.ask("/api/auth/refresh", {"refresh_token": person.refresh_token})
    fresh = Person(server, person.email, answer.json["access_token"], answer.json["tokens"]["refresh_token"])
    assert (200, 401) == (fresh.ask("/api/auth/me").status, person.ask("/api/auth/me").status)
    assert 401 == server.ask("/api/auth/refresh", {"refresh_token": person.refresh_token}).status
    assert 200 == server.ask("/api/auth/refresh", {"refresh_token": fresh.refresh_token}).status


def test_profile_changes_what_is_given(server: Served, request: pytest.FixtureRequest) -> None:
    """Name, picture and preferences can be changed; role, address and id cannot."""
    person = a_person(server, a_name(request))
    body = {
        "name": "Ann",
        "preferences": {"theme": "dark"},
        "role": "admin",
        "email": "x@example.com",
        "id": "1",
        "is_active": False,
    }
    changed = person.ask("/api/auth/me", body, method="PATCH").json["user"]
    assert ("Ann", {"theme": "dark"}) == (changed["name"], changed["preferences"])
    assert [person.user[name] for name in ("role", "email", "id")] == [changed[name] for name in ("role", "email", "id")]
    assert person.ask("/api/auth/me").json["user"] == changed
    assert 400 == person.ask("/api/auth/me", {"avatar_url": "javascript:alert(1)"}, method="PATCH").status


def test_new_password_ends_other_sessions(server: Served, request: pytest.FixtureRequest) -> None:
    """After a change the old password and the other sessions are worth nothing; this session goes on."""
    person = a_person(server, a_name(request))
    other = person.again()
    wrong = person.ask("/api/auth/password/change", {"current_password": "a guess", "new_password": "another passphrase"})
    done = person.ask("/api/auth/password/change", {"current_password": PASSWORD, "new_password": "another passphrase"})
    assert (403, 200) == (wrong.status, done.status)
    assert (200, 401) == (person.ask("/api/auth/me").status, other.ask("/api/auth/me").status)
    assert 401 == server.ask("/api/auth/login", {"email": person.email, "password": PASSWORD}).status
    assert 200 == server.ask("/api/auth/login", {"email": person.email, "password": "another passphrase"}).status


def test_sessions_are_listed_and_ended(server: Served, request: pytest.FixtureRequest) -> None:
    """A person sees where they are logged in and ends one of it; nobody else can."""
    person, stranger = a_person(server, a_name(request)), a_person(server, "x" + a_name(request))
    other = person.again()
    listed = person.ask("/api/auth/sessions").json
    assert (2, 1) == (listed["total"], sum(row["current"] for row in listed["sessions"]))
    [theirs] = [row["id"] for row in listed["sessions"] if not row["current"]]
    assert 404 == stranger.ask(f"/api/auth/sessions/{theirs}", method="DELETE").status
    assert 200 == other.ask("/api/auth/me").status
    assert 200 == person.ask(f"/api/auth/sessions/{theirs}", method="DELETE").status
    assert 401 == other.ask("/api/auth/me").status


def test_many_keys_each_its_own(server: Served, request: pytest.FixtureRequest) -> None:
    """Keys have names, scopes, an end and a last use; one deleted leaves the others."""
    person = a_person(server, a_name(request))
    first, second = person.key(name="laptop"), person.key("read", name="watcher", expires_at="2999-01-01T00:00:00Z")
    assert first.token.startswith("ara_")
    assert first.token[:12] == first.user["prefix"]
    assert 200 == first.ask("/api/auth/me").status
    rows = {row["name"]: row for row in person.ask("/api/auth/api-keys").json["keys"]}
    assert {"laptop", "watcher"} == rows.keys()
    assert (["read", "write"], ["read"]) == (rows["laptop"]["scopes"], rows["watcher"]["scopes"])
    assert "2999-01-01T00:00:00.000000Z" == rows["watcher"]["expires_at"]
    assert rows["laptop"]["last_used_at"] > rows["laptop"]["created_at"]
    assert rows["watcher"]["last_used_at"] is None
    assert second.token.encode() not in person.ask("/api/auth/api-keys").body
    assert 200 == person.ask(f"/api/auth/api-keys/{first.user['prefix']}", method="DELETE").status
    assert (401, 200) == (first.ask("/api/auth/me").status, second.ask("/api/auth/me").status)
    assert 404 == person.ask(f"/api/auth/api-keys/{first.user['id']}", method="DELETE").status


def test_key_does_what_its_scopes_say(server: Served, request: pytest.FixtureRequest) -> None:
    """A key that reads does not write, and one that does both does not make keys."""
    person = a_person(server, a_name(request))
    debate_id = person.hold()
    reader, writer, full = person.key("read"), person.key(), person.key("read", "write", "account")
    assert 200 == reader.ask(f"/api/debates/{debate_id}").status
    assert 403 == reader.ask("/api/debates", {"topic": "May I?"}).status
    assert 403 == reader.ask(f"/api/debates/{debate_id}/cancel", b"").status
    assert 201 == writer.ask("/api/debates", {"topic": "May I?"}).status
    assert (403, 201) == tuple(each.ask("/api/auth/api-keys", b"").status for each in (writer, full))
    assert 400 == person.ask("/api/auth/api-keys", {"scopes": ["everything"]}).status


def test_key_runs_out(server: Served, request: pytest.FixtureRequest) -> None:
    """A key's end has to lie ahead; after it, the key is worth nothing."""
    person = a_person(server, a_name(request))
    assert 400 == person.ask("/api/auth/api-keys", {"expires_at": "2020-01-01"}).status
    assert 400 == person.ask("/api/auth/api-keys", {"expires_at": "tomorrow"}).status
    key = person.key(expires_at="2999-01-01")
    with sqlite3.connect(_database(server)) as database:
        database.execute("UPDATE api_keys SET expires_at = '2020-01-01T00:00:00.000000Z' WHERE id = ?", (key.user["id"],))
    assert 401 == key.ask("/api/auth/me").status


def test_every_bad_token_is_answered_alike(server: Served, request: pytest.FixtureRequest) -> None:
    """None, nonsense, the wrong kind and a deleted one: the same status and the same words."""
    person = a_person(server, a_name(request))
    key = person.key()
    person.ask(f"/api/auth/api-keys/{key.user['id']}", method="DELETE")
    tokens = ["", "nonsense", "ara_" + "x" * 43, person.refresh_token, key.token, "x" * 5000]
    answers = [Person(server, token=token).ask("/api/debates") for token in tokens]
    assert {401} == {answer.status for answer in answers}
    assert 1 == len({answer.json["error"] for answer in answers})
    assert {"Bearer"} == {answer.headers["www-authenticate"] for answer in answers}


def test_ticket_opens_one_socket(server: Served, request: pytest.FixtureRequest) -> None:
    """A ticket is used up by the first connection, and after its time it opens none."""
    person = a_person(server, a_name(request))
    ticket, late = (person.ask("/api/auth/tickets", b"").json for _ in range(2))
    assert 30 == ticket["expires_in"]
    with a_socket(server, ticket=ticket["ticket"]) as first:
        assert "connected" == said(first)["type"]
    assert 4001 == _closed(server, ticket=ticket["ticket"])
    with sqlite3.connect(_database(server)) as database:
        database.execute("UPDATE tickets SET expires_at = '2020-01-01T00:00:00.000000Z'")
    assert 4001 == _closed(server, ticket=late["ticket"])


def test_nothing_secret_lies_about(tmp_path: Path) -> None:
    """Passwords, tokens, keys and tickets are in no file, no log line, no metric and no command line, and in no error."""
    with served(tmp_path, auth="required", log_level="debug", log_format="json") as server:
        person = a_person(server, "canary")
        key = person.key()
        ticket = person.ask("/api/auth/tickets", b"").json["ticket"]
        debate_id = person.hold()
        shared = person.ask(f"/api/debates/{debate_id}/share", b"", Idempotency_Key="canary").json["token"]
        for given in ({"token": key.token}, {"ticket": ticket}, {"token": "ara_" + "n" * 43}, {"share": shared}):
            with a_socket(server, debate_id=debate_id, **given) as opened:
                said(opened)
        server.ask(f"/api/debates/{debate_id}?share={shared}&token={key.token}")
        failed = key.ask("/api/debates", b"{" + key.token.encode())
        told = server.ask("/metrics").body + failed.body + Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
        server.stop()
        secrets = [PASSWORD, person.token, person.refresh_token, key.token, ticket, shared]
        kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
        told += kept + "".join(server.lines).encode()
    assert "debate ended" in "".join(server.lines)
    assert [] == [secret[:12] for secret in secrets if secret.encode() in told]


def test_guessing_is_bounded(tmp_path: Path) -> None:
    """Ten guesses a minute at one account and from one address, whatever the headers say; what is counted is told."""
    with served(tmp_path, auth="required", rate_limit_auth=10) as server:
        person = a_person(server, "ann")
        guess = {"email": person.email, "password": "a guess"}
        answers = [server.ask("/api/auth/login", guess, X_Forwarded_For=f"10.0.0.{number}") for number in range(15)]
        assert [401] * 9 + [429] * 6 == [answer.status for answer in answers]
        last = answers[-1]
        assert int(last.headers["retry-after"]) >= 1
        assert '"auth";q=10;w=60' == last.headers["ratelimit-policy"]
        assert "0" == last.headers["x-ratelimit-remaining"]
        assert {429} == {server.ask("/api/auth/login", {**guess, "email": f"{n}@example.com"}).status for n in range(5)}
        assert 200 == person.ask("/api/auth/me").status


def test_guessing_at_one_account_from_many_addresses_is_bounded(tmp_path: Path) -> None:
    """Behind a trusted proxy every client has its own count, and an account has one over all of them."""
    with served(tmp_path, auth="required", rate_limit_auth=10, trusted_proxies="127.0.0.1") as server:
        person = a_person(server, "ann")
        guess = {"email": person.email, "password": "a guess"}
        answers = [server.ask("/api/auth/login", guess, X_Forwarded_For=f"10.0.0.{number}").status for number in range(15)]
        assert [401] * 9 + [429] * 6 == answers
        other = {"email": "other@example.com", "password": "a guess"}
        assert 401 == server.ask("/api/auth/login", other, X_Forwarded_For="10.0.0.1").status
        spoofed = [
            server.ask("/api/auth/login", {**other, "email": f"{n}@example.com"}, X_Forwarded_For=f"{n}.1.1.1, 9.9.9.9")
            for n in range(12)
        ]
        assert [401] * 10 + [429] * 2 == [answer.status for answer in spoofed]


def test_registration_can_be_closed(tmp_path: Path) -> None:
    """With closed registration the first may still come in, and nobody after."""
    with served(tmp_path, auth="required", registration="closed") as server:
        a_person(server, "ann")
        assert 403 == server.ask("/api/auth/register", {"email": "b@example.com", "password": PASSWORD}).status


def test_many_log_in_at_once(server: Served, request: pytest.FixtureRequest) -> None:
    """While passwords are being hashed, the server goes on answering."""
    person = a_person(server, a_name(request))
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(len(person.again().token))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert 200 == server.ask("/api/health").status
    for thread in threads:
        thread.join(WAIT_S)
    assert [len(person.token)] * 8 == statuses


def test_slow_requests_are_cut_off(tmp_path: Path) -> None:
    """Connections that send nothing, or half a header, are closed; others are answered meanwhile."""
    with served(tmp_path, connection_timeout=1) as server:
        silent = [socket.create_connection(("127.0.0.1", server.api_port)) for _ in range(50)]
        for each in silent[::2]:
            each.sendall(b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        assert 200 == server.ask("/api/health").status
        for each in silent:
            each.settimeout(WAIT_S)
            try:
                assert b"" == each.recv(100)
            except ConnectionResetError:
                pass
            finally:
                each.close()


def _database(server: Served) -> Path:
    folder = Path(f"/proc/{server.process.pid}/cwd").resolve()
    return folder / ".nomic/aragora_debates.db"


def _closed(server: Served, **given: str) -> int:
    """The code that a socket is closed with."""
    with a_socket(server, **given) as opened:
        return closed(opened)
