"""The load of the specification, as a Locust file: its user with its requests and weights, and people who watch over WebSockets.

    locust -f tests/load/locustfile.py --host=http://localhost:8080 --headless --csv=results

The server must not limit rates: `ARAGORA_RATE_LIMIT_DEFAULT=0 ARAGORA_RATE_LIMIT_DEBATES=0`, since all users share one address.
`ARAGORA_LOAD_PROFILE` names a profile; its users and times win over the flags. `ARAGORA_WS_USERS=1` adds the watchers.
Every user creates the debate that it reads; Locust reports it under the name of the specification, /api/debates/test-debate-id.
"""

import os
import time
from typing import NamedTuple

import websocket
from locust import FastHttpUser, HttpUser, LoadTestShape, User, between, task

BODY = {"topic": "Test debate", "agents": ["demo", "demo"], "rounds": 2}
FRAME_WAIT_S = 30.0


class AragoraUser(HttpUser):
    """The specification's user."""

    wait_time = between(1, 3)
    weight = 10

    def on_start(self) -> None:
        """Create the debate that stands for `test-debate-id`: a server gives its own ids, so none can be asked for."""
        with self.client.post("/api/debates", json=BODY, name="POST /api/debates (seed)", catch_response=True) as created:
            self.debate_id = created.json()["id"] if created.status_code == 201 else ""
            if not self.debate_id:
                created.failure(f"answered {created.status_code}; is a rate limit set?")

    @task(10)
    def health_check(self) -> None:
        """Ask whether the server is well."""
        self.client.get("/api/health")

    @task(5)
    def list_debates(self) -> None:
        """List the newest debates."""
        self.client.get("/api/debates?limit=20")

    @task(3)
    def get_debate(self) -> None:
        """Read one debate."""
        self.client.get(f"/api/debates/{self.debate_id}", name="/api/debates/test-debate-id")

    @task(1)
    def create_debate(self) -> None:
        """Hold a debate."""
        self.client.post("/api/debates", json=BODY)


class Watcher(FastHttpUser):
    """Someone who starts a debate and watches it to its end."""

    wait_time = between(1, 3)
    weight = 1
    abstract = os.environ.get("ARAGORA_WS_USERS", "") != "1"

    @task
    def watch(self) -> None:
        """One request for the connection, one for the debate from the first frame to the last."""
        with self.client.post("/api/debates", json=BODY, name="POST /api/debates (watched)", catch_response=True) as created:
            if created.status_code != 201:
                created.failure(f"answered {created.status_code}")
                return
            debate_id = created.json()["id"]
        address = str(self.host).replace("http", "ws", 1) + f"/ws?debate_id={debate_id}"
        socket = _timed(self, "WS /ws (connect)", lambda: websocket.create_connection(address, timeout=FRAME_WAIT_S))
        if socket is not None:
            _timed(self, "WS /ws (to the end)", lambda: _to_the_end(socket))
            socket.close()


def _to_the_end(socket: websocket.WebSocket) -> None:
    while '"type":"debate_end"' not in str(socket.recv())[:40]:
        pass


def _timed(user: User, name: str, work):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202  # Locust brings no types
    """Do the work and report it to Locust; None when it failed."""
    began, result, error = time.perf_counter(), None, None
    try:
        result = work()
    except (OSError, websocket.WebSocketException) as fault:
        error = fault
    took_ms = 1000 * (time.perf_counter() - began)
    user.environment.events.request.fire(
        request_type="WS", name=name, response_time=took_ms, response_length=0, exception=error, context={}
    )
    return result


class Stage(NamedTuple):
    """Until `until_s` seconds from the start, this many users."""

    until_s: int
    users: int
    per_s: float


PROFILES = {
    "smoke": (Stage(30, 5, 5),),
    "light": (Stage(300, 50, 5),),
    "heavy": (Stage(600, 500, 20),),
    "spike": (Stage(60, 20, 10), Stage(120, 500, 250), Stage(240, 20, 100)),
    "soak": (Stage(4 * 3600, 100, 10),),
}
PROFILE = os.environ.get("ARAGORA_LOAD_PROFILE", "")

if PROFILE:
    STAGES = PROFILES[PROFILE]

    class Profile(LoadTestShape):
        """The stages of the profile, then the end."""

        def tick(self) -> tuple[int, float] | None:
            """Users wanted now, and how many start in a second; None at the end."""
            now = self.get_run_time()
            return next(((stage.users, stage.per_s) for stage in STAGES if now < stage.until_s), None)
