"""What tests build: briefs, the parts of a product in this process, and whole servers in their own."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

from aragora import app
from aragora.api import Parts
from aragora.bus import LocalBus
from aragora.config import Loaded, load
from aragora.debate.model import Brief, seats_for
from aragora.engine import Bounds, Engine
from aragora.metrics import Metrics
from aragora.providers.agents import Agents
from aragora.store.postgres import connect
from aragora.store.sqlite import Sqlite
from aragora.store.store import Store

WAIT_S = 30.0


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an async test in a loop of its own."""

    @wraps(test)
    def run(*given: Any, **named: Any) -> None:
        asyncio.run(test(*given, **named))

    return run


def a_brief(**given: Any) -> Brief:
    """A brief for three demo seats and two rounds, unless told otherwise; `agents` names other seats."""
    seats = seats_for(given.pop("agents", ["demo", "demo", "demo"]))
    return Brief(**{"topic": "Should we test first?", "rounds": 2, "seed": 7, "seats": seats, **given})


def loaded(folder: Path, **flags: object) -> Loaded:
    """Settings for a product in `folder`, with demo agents that do not dawdle and no limits on rates."""
    quick = {"demo_delay_s": 0.0, "rate_limit_default": 0, "rate_limit_debates": 0, "rate_limit_auth": 0}
    return load({"data_dir": folder, **quick, **flags}, {}, None)


# Where a test's databases are instead of in a SQLite file, by the path that the file would have.
elsewhere: list[Callable[[Path], str]] = []


@asynccontextmanager
async def parts_at(folder: Path, *, run: bool = True, **flags: object) -> AsyncIterator[Parts]:
    """The parts of a product, with its engine running."""
    if elsewhere:
        flags["database_url"] = elsewhere[-1](folder)
    async with app.open_parts(loaded(folder, **flags)) as parts, asyncio.TaskGroup() as tasks:
        if run:
            tasks.create_task(parts.engine.run())
        try:
            yield parts
        finally:
            parts.engine.abort()


@asynccontextmanager
async def store_at(file: Path) -> AsyncIterator[Store]:
    """A store on a SQLite file, or on what stands for it."""
    if elsewhere:
        async with connect(elsewhere[-1](file), pool_max=5) as database:
            store = Store(database)
            await store.migrate(app.now())
            try:
                yield store
            finally:
                await store.close()
        return
    store = Store(Sqlite(file))
    try:
        await store.migrate(app.now())
        yield store
    finally:
        await store.close()


def an_engine(store: Store, *, agents: Agents | None = None, bus: LocalBus | None = None, **bounds: Any) -> Engine:
    """An engine over a store; its agents may be others."""
    return Engine(
        store=store,
        bus=bus or LocalBus(),
        agents=agents or Agents(demo_delay_s=0.0),
        bounds=Bounds(**bounds),
        now=app.now,
        new_id=app.new_id,
        metrics=Metrics(),
    )


async def ended(parts: Parts, debate_id: str) -> list[dict[str, Any]]:
    """Wait for a debate's last event; all of them, as they went over the wire."""
    async with asyncio.timeout(WAIT_S):
        frames = [frame.text async for frame in parts.feed.follow(debate_id) if frame.seq]
    return [json.loads(text) for text in frames]


@dataclass
class Answer:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass
class Served:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    api_port: int
    ws_port: int
    lines: list[str] = field(default_factory=list)

    def ask(self, path: str, body: bytes | dict[str, Any] | None = None, *, method: str | None = None, **headers: str) -> Answer:
        """Ask over HTTP; an error is an answer too."""
        raw = json.dumps(body).encode() if isinstance(body, dict) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.api_port}{path}", raw, named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
                return Answer(answer.status, dict(answer.headers.items()), answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers.items()), error.read())

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_S)


@contextmanager
def served(folder: Path, **settings: object) -> Iterator[Served]:
    """A server on free ports, working in `folder`; it is killed at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    quick = {
        "demo_delay_s": 0,
        "rate_limit_default": 0,
        "rate_limit_debates": 0,
        "rate_limit_auth": 0,
        "api_port": 0,
        "ws_port": 0,
    }
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ARAGORA_")}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling a hundred modules at each start is no part of starting
    environ |= {f"ARAGORA_{name.upper()}": str(value) for name, value in {**quick, **settings}.items()}
    environ["PYTHONPATH"] = str(Path(app.__file__).parents[1])  # the same code as in this process, wherever the server works
    command = [sys.executable, "-m", "aragora", "serve"]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=folder, env=environ, **pipes)
    try:
        yield _ready(process)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _ready(process: subprocess.Popen[str]) -> Served:
    """Wait until the server says where it listens; go on reading what it says, so that it never waits for us."""
    lines: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        found = re.search(r"serves http://\S+:(\d+) \(WebSocket also on (\d+)\)", line)
        if found:
            server = Served(process, int(found[1]), int(found[2]), lines)
            threading.Thread(target=_drain, args=(process, lines), daemon=True).start()
            return server
    raise AssertionError("the server did not start:\n" + "".join(lines))


def _drain(process: subprocess.Popen[str], lines: list[str]) -> None:
    assert process.stdout is not None
    try:
        lines.extend(process.stdout)
    except ValueError:  # closed at the end of the test
        return
