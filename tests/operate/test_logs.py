"""What a real server logs: lines that belong to a request and a debate, and no key, wherever one was planted."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from builders import WAIT_S, Served, served

# One for each place; some of no shape that could be known by itself, but by where they stand.
URL_KEY, URL_TOKEN, SHARE = "sk-planted-in-a-url-0123456789", "planted.in.a.query.42", "planted-share-link-0123456789"
HEADER_KEY, COOKIE = "ara_planted_in_a_header_0123456789", "planted-session-in-a-cookie"
BODY_KEY, PASSWORD = "gsk_planted_in_a_body_0123456789", "planted horse battery staple"
PROVIDER_KEY = "planted:of:an:unusual:shape:4711"
PLANTED = (URL_KEY, URL_TOKEN, SHARE, HEADER_KEY, COOKIE, BODY_KEY, PASSWORD, PROVIDER_KEY)
REQUEST_ID = "a-request-of-the-test"


@contextmanager
def a_vendor() -> Iterator[str]:
    """A provider that refuses every call and repeats the key that it was sent."""

    class Refusing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            key = self.headers.get("authorization", "").removeprefix("Bearer ")
            told = json.dumps(
                {"error": {"message": f"Incorrect API key provided: {key} ({BODY_KEY})", "code": "invalid_api_key"}}
            )
            self.send_response(401)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def misuse(server: Served) -> str:
    """Put a secret everywhere that a request has; the id of the one debate that is held."""
    bearer, cookie = f"Bearer {HEADER_KEY}", f"session={COOKIE}"
    server.ask(f"/api/debates?key={URL_KEY}&token={URL_TOKEN}&limit=nonsense", Authorization=bearer, Cookie=cookie)
    server.ask(f"/api/debates/none?share={SHARE}", Authorization=bearer, Cookie=cookie)
    server.ask("/api/auth/login", {"email": "a@example.com", "password": PASSWORD})
    server.ask("/api/debates", f'{{"topic": "x", "api_key": "{BODY_KEY}", "agents": 7'.encode())
    for query in (f"token={URL_TOKEN}", f"share={SHARE}&debate_id=none", f"ticket={URL_TOKEN}"):
        try:
            with connect(f"ws://127.0.0.1:{server.ws_port}/ws?{query}") as socket:
                socket.send(json.dumps({"type": "subscribe", "token": BODY_KEY}))
                socket.recv(WAIT_S)
        except WebSocketException:
            pass
    body = {"topic": f"Is {BODY_KEY} a key?", "agents": ["openai:any", "demo"], "rounds": 1}
    answer = server.ask("/api/debates", body, X_Request_ID=REQUEST_ID)
    assert (201, REQUEST_ID) == (answer.status, answer.headers["x-request-id"])
    return str(answer.json["id"])


def test_lines_belong_to_requests_and_debates_and_hold_no_secret(tmp_path: Path) -> None:
    """At the most talkative level: in URL, header, cookie, body, password, and what a provider answered."""
    with a_vendor() as url:
        (tmp_path / "aragora.toml").write_text(f'[providers.openai]\nbase_url = "{url}"\n')
        os.environ["OPENAI_API_KEY"] = PROVIDER_KEY
        try:
            with served(tmp_path, log_level="debug", log_format="json") as server:
                debate_id = misuse(server)
                heard = server.ask(f"/api/debates/{debate_id}/events/stream").body.decode()
                assert 0 == server.stop()
                lines = server.lines
        finally:
            del os.environ["OPENAI_API_KEY"]
    assert [] == [secret for secret in PLANTED if secret in "".join(lines)]
    assert PROVIDER_KEY not in heard
    told = [json.loads(line) for line in lines if line.startswith("{")]
    assert len(told) >= len(lines) - 1  # the first says where it serves, to people
    started = next(line for line in told if line["event"] == "debate started")
    assert (REQUEST_ID, debate_id) == (started["request_id"], started["debate_id"])
    ended = next(line for line in told if line["event"] == "debate ended")
    assert debate_id == ended["debate_id"]


def test_the_command_line_hides_the_key_of_a_provider(tmp_path: Path) -> None:
    """What a provider answers reaches a terminal too."""
    with a_vendor() as url:
        (tmp_path / "aragora.toml").write_text(f'[providers.openai]\nbase_url = "{url}"\n')
        environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
        environ |= {"OPENAI_API_KEY": PROVIDER_KEY, "ARAGORA_LOG_LEVEL": "debug"}
        command = [sys.executable, "-m", "aragora", "debate", "Which?", "--agents", "openai:any,demo", "--rounds", "1"]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert "has no valid key" in done.stdout + done.stderr
    assert [] == [secret for secret in (PROVIDER_KEY, BODY_KEY) if secret in done.stdout + done.stderr]
