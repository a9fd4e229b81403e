"""People of a server under test: accounts, their tokens and keys, what they hold."""

import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from builders import WAIT_S, Answer, Served

PASSWORD = "correct horse battery"
QUICK = {"topic": "Who may read this?", "agents": ["demo", "demo"], "rounds": 1, "seed": 1}


@dataclass
class Person:
    """Somebody with an account, or nobody."""

    server: Served
    email: str = ""
    token: str = ""
    refresh_token: str = ""
    user: dict[str, Any] = field(default_factory=dict)

    def ask(self, path: str, body: bytes | dict[str, Any] | None = None, *, method: str | None = None, **headers: str) -> Answer:
        """Ask with the token, if there is one."""
        known = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.server.ask(path, body, method=method, **known, **headers)

    def hold(self, topic: str = "Who may read this?", **body: Any) -> str:
        """Start a debate; its id."""
        answer = self.ask("/api/debates", {**QUICK, "topic": topic, **body})
        assert 201 == answer.status, answer.body
        return str(answer.json["id"])

    def held(self, topic: str = "Who may read this?", **body: Any) -> str:
        """Hold a debate to its end; its id."""
        debate_id = self.hold(topic, **body)
        deadline = time.monotonic() + WAIT_S
        while self.ask(f"/api/debates/{debate_id}").json["completed_at"] is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return debate_id

    def again(self) -> "Person":
        """The same person, logged in once more."""
        answer = self.server.ask("/api/auth/login", {"email": self.email, "password": PASSWORD})
        assert 200 == answer.status, answer.body
        return _person(self.server, answer)

    def key(self, *scopes: str, **body: Any) -> "Person":
        """The same person, by a new API key."""
        answer = self.ask("/api/auth/api-keys", {"name": "a key", "scopes": list(scopes) or None, **body})
        assert 201 == answer.status, answer.body
        return Person(self.server, self.email, answer.json["api_key"], user=answer.json)


def a_person(server: Served, name: str) -> Person:
    """Somebody who registers."""
    answer = server.ask("/api/auth/register", {"email": f"{name}@example.com", "password": PASSWORD, "name": name})
    assert 201 == answer.status, answer.body
    return _person(server, answer)


def _person(server: Served, answer: Answer) -> Person:
    user, tokens = answer.json["user"], answer.json["tokens"]
    return Person(server, user["email"], tokens["access_token"], tokens["refresh_token"], user)


def a_socket(server: Served, **given: Any) -> ClientConnection:
    """A WebSocket; what is given goes into the URL, but for `headers`, `subprotocols` and `origin`."""
    headers, protocols, origin = given.pop("headers", None), given.pop("subprotocols", None), given.pop("origin", None)
    url = f"ws://127.0.0.1:{server.api_port}/ws?{urlencode(given)}"
    return connect(url, additional_headers=headers, subprotocols=protocols, origin=origin, open_timeout=WAIT_S, proxy=None)


def said(socket: ClientConnection) -> dict[str, Any]:
    """The next frame."""
    frame: dict[str, Any] = json.loads(socket.recv(timeout=WAIT_S))
    return frame


def closed(socket: ClientConnection) -> int:
    """Read to the end; the code that the socket was closed with."""
    with suppress(ConnectionClosed):
        while True:
            said(socket)
    assert socket.close_code is not None
    return socket.close_code
