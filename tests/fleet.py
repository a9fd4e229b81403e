"""A whole fleet as processes on this machine, its watchers, and the ledger that says what was lost."""

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import asyncpg

import servers

ROOT = Path(__file__).parents[1]
WAIT_S = 90.0
SETTINGS = {
    "demo_delay_s": 0.4,
    "rate_limit_default": 0,
    "rate_limit_debates": 0,
    "rate_limit_auth": 0,
    "log_level": "debug",
    "log_format": "json",
    "db_pool_size": 5,
    "db_max_overflow": 0,
    "trusted_proxies": "127.0.0.1",
}
BODY = {"topic": "Does it survive?", "agents": ["demo", "demo:sceptic", "demo"], "rounds": 2, "rule": "unanimous"}
AWAY = (aiohttp.ClientError, OSError, TimeoutError)


@dataclass
class Member:
    """One process of the fleet, always on the same port."""

    role: str
    folder: Path
    settings: dict[str, object]
    wrap: tuple[str, ...] = ()
    port: int = field(default_factory=servers.free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; `up` says when it serves."""
        self.folder.mkdir(parents=True, exist_ok=True)
        named = "ws_port" if self.role == "ws" else "api_port"
        values = {**SETTINGS, **self.settings, "role": self.role, named: self.port}
        environ = {name: value for name, value in os.environ.items() if not name.startswith("ARAGORA_")}
        environ |= {f"ARAGORA_{name.upper()}": str(value) for name, value in values.items()}
        with (self.folder / "log").open("ab") as log:
            command = [*self.wrap, sys.executable, "-m", "aragora", "serve"]
            self.process = subprocess.Popen(command, cwd=self.folder, env=environ, stdout=log, stderr=log)

    def ready(self) -> bool:
        """Whether it takes work."""
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
        return False

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> int:
        """Kill it without warning; the process id that it had."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        return self.process.pid

    def asked(self) -> Iterator[tuple[str, str, str]]:
        """When which turn was asked, as its log says."""
        for line in (self.folder / "log").read_text("utf-8", "replace").splitlines():
            if '"asking"' in line:
                with suppress(ValueError):  # cut off by a kill
                    said = json.loads(line)
                    yield said["timestamp"], said["debate_id"], said["turn"]

    def faults(self) -> list[str]:
        """What its log says that it must never say."""
        text = (self.folder / "log").read_text("utf-8", "replace")
        return [line[:2000] for line in text.splitlines() if '"level": "error"' in line or line.startswith("Traceback")]


@dataclass
class Ledger:
    """What was acknowledged to clients, and what watchers saw."""

    debates: list[str] = field(default_factory=list)
    votes: list[tuple[str, str, str]] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    seen: dict[int, tuple[str, list[int]]] = field(default_factory=dict)
    takeovers_s: list[float] = field(default_factory=list)


class Fleet:
    """The processes behind one nginx."""

    def __init__(self, members: list[Member], front: int, database_url: str) -> None:
        self.members, self.url, self.database_url = members, f"http://127.0.0.1:{front}", database_url
        self.ledger = Ledger()

    def of(self, role: str) -> list[Member]:
        """The processes of a role."""
        return [member for member in self.members if member.role == role]

    async def load(self, *, debates: int, watchers: int, faults: Callable[[], Awaitable[None]]) -> None:
        """Keep so many debates running and watched while the faults happen; then wait until every debate has ended."""
        ends = asyncio.Event()
        timeout, every = aiohttp.ClientTimeout(total=40), aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=every) as http, asyncio.TaskGroup() as tasks:
            places = asyncio.Semaphore(debates)
            tasks.create_task(self._create(http, places, ends, tasks))
            tasks.create_task(self._vote(http, ends))
            while not self.ledger.debates:
                await asyncio.sleep(0.05)
            for number in range(watchers):
                tasks.create_task(self._watch(http, number, ends))
            await asyncio.sleep(1)
            await faults()
            ends.set()
            await self._drained(http)

    async def _create(
        self, http: aiohttp.ClientSession, places: asyncio.Semaphore, ends: asyncio.Event, tasks: asyncio.TaskGroup
    ) -> None:
        number = 0
        while not ends.is_set():
            await places.acquire()
            number += 1
            try:
                async with http.post(f"{self.url}/api/debates", json={**BODY, "seed": number}) as answer:
                    if answer.status == 201:
                        debate_id = (await answer.json())["id"]
                        self.ledger.debates.append(debate_id)
                        tasks.create_task(self._release(http, debate_id, places))
                        continue
                    self.ledger.refused[f"create {answer.status}"] += 1
            except AWAY as error:
                self.ledger.refused[f"create {type(error).__name__}"] += 1
            places.release()
            await asyncio.sleep(0.2)

    async def _release(self, http: aiohttp.ClientSession, debate_id: str, places: asyncio.Semaphore) -> None:
        """Make room for another debate when this one has ended."""
        while not await self._ended(http, debate_id):
            await asyncio.sleep(2)
        places.release()

    async def _ended(self, http: aiohttp.ClientSession, debate_id: str) -> bool:
        with suppress(*AWAY, ValueError):
            async with http.get(f"{self.url}/api/debates/{debate_id}") as answer:
                assert answer.status != 404, f"acknowledged and lost: {debate_id}"
                return answer.status == 200 and (await answer.json())["completed_at"] is not None
        return False

    async def _drained(self, http: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(WAIT_S):
            for debate_id in [*self.ledger.debates]:
                while not await self._ended(http, debate_id):
                    await asyncio.sleep(0.2)

    async def _vote(self, http: aiohttp.ClientSession, ends: asyncio.Event) -> None:
        """People vote, each once, on debates that were created lately."""
        number = 0
        while not ends.is_set():
            await asyncio.sleep(0.05)
            if not self.ledger.debates:
                continue
            debate_id, voter = random.choice(self.ledger.debates[-10:]), f"person {number}"
            number += 1
            try:
                async with http.post(
                    f"{self.url}/api/debates/{debate_id}/vote", json={"choice": "demo-1", "voter": voter}
                ) as answer:
                    if answer.status in {200, 201}:
                        self.ledger.votes.append((debate_id, voter, "demo-1"))
                    elif answer.status != 409:  # it has ended
                        self.ledger.refused[f"vote {answer.status}"] += 1
            except AWAY as error:
                self.ledger.refused[f"vote {type(error).__name__}"] += 1

    async def _watch(self, http: aiohttp.ClientSession, number: int, ends: asyncio.Event) -> None:
        """Follow one debate after the other to its end, coming back whenever the connection breaks."""
        while not (ends.is_set() and len(self.ledger.seen) > number):
            debate_id = self.ledger.debates[-1 - number % min(len(self.ledger.debates), 20)]
            seen: list[int] = []
            place = len(self.ledger.seen)
            self.ledger.seen[place] = (debate_id, seen)
            while not await self._follow(http, debate_id, seen):
                await asyncio.sleep(random.uniform(0.05, 0.5))
            if ends.is_set():
                return

    async def _follow(self, http: aiohttp.ClientSession, debate_id: str, seen: list[int]) -> bool:
        after = seen[-1] if seen else 0
        with suppress(*AWAY, ValueError):
            async with http.ws_connect(f"{self.url}/ws?debate_id={debate_id}&after={after}", heartbeat=20) as socket:
                while True:
                    message = await socket.receive(timeout=5)
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        return False
                    frame = json.loads(message.data)
                    if frame.get("seq"):
                        seen.append(frame["seq"])
                    if frame["type"] == "debate_end":
                        return True
        return False

    async def taken_over(self, pid: int) -> None:
        """Wait until nothing is left with a process that is gone, and note how long that took."""
        began = time.monotonic()
        query = "SELECT COUNT(*) FROM debates WHERE runner LIKE $1 AND status IN ('pending', 'active')"
        connection = await asyncpg.connect(self.database_url)
        try:
            if not await connection.fetchval(query, f"%-{pid}-%"):
                return
            async with asyncio.timeout(WAIT_S):
                while await connection.fetchval(query, f"%-{pid}-%"):
                    await asyncio.sleep(0.05)
        finally:
            await connection.close()
        self.ledger.takeovers_s.append(time.monotonic() - began)

    async def settle(self, database_url: str) -> dict[str, int]:
        """Compare what was acknowledged and seen with what is stored."""
        connection = await asyncpg.connect(database_url)
        try:
            stored = await connection.fetch("SELECT id, status, last_seq FROM debates")
            events = await connection.fetch("SELECT debate_id, seq, key, type, created_at FROM events ORDER BY debate_id, seq")
            votes = await connection.fetch("SELECT debate_id, voter, choice FROM votes WHERE kind = 'person'")
        finally:
            await connection.close()
        mine = set(self.ledger.debates)
        last = {row["id"]: row["last_seq"] for row in stored}
        numbers: dict[str, list[int]] = {}
        recorded: dict[tuple[str, str], str] = {}
        for row in events:
            numbers.setdefault(row["debate_id"], []).append(row["seq"])
            recorded[row["debate_id"], row["key"]] = row["created_at"]
        asked = [each for member in self.members for each in member.asked() if each[1] in mine]
        cast = Counter((row["debate_id"], row["voter"], row["choice"]) for row in votes)
        completed = {row["id"] for row in stored if row["status"] == "completed"}
        seen = [(debate_id, numbers_seen) for debate_id, numbers_seen in self.ledger.seen.values() if numbers_seen]
        again = [1 for at, debate_id, turn in asked if at > recorded.get((debate_id, turn), "9")]
        return {
            "debates": len(mine),
            "votes": len(self.ledger.votes),
            "watchers": len(seen),
            "turns": len(asked),
            "debates lost": len(mine - last.keys()),
            "not completed": len(mine - completed),
            "votes lost": len([vote for vote in self.ledger.votes if not cast[vote]]),
            "votes doubled": sum(count - 1 for count in cast.values()),
            "logs with a gap": len([1 for found in numbers.values() if found != [*range(1, len(found) + 1)]]),
            "watchers with a gap": len([1 for debate_id, found in seen if found != [*range(1, last[debate_id] + 1)]]),
            "recorded turns repeated": len(again),
            "turns in flight repeated": len(asked) - len({(debate_id, turn) for _, debate_id, turn in asked}) - len(again),
        }


NEVER = (
    "debates lost",
    "not completed",
    "votes lost",
    "votes doubled",
    "logs with a gap",
    "watchers with a gap",
    "recorded turns repeated",
)


def front_for(members: list[Member], port: int) -> str:
    """The configuration of nginx that is shipped, for these processes and this port."""
    shipped = (ROOT / "deploy/nginx/aragora.conf").read_text("utf-8").replace("listen 8000;", f"listen 127.0.0.1:{port};")
    for role, usual in (("api", 8080), ("ws", 8765)):
        lines = "\n".join(
            f"    server 127.0.0.1:{member.port} max_fails=3 fail_timeout=2s;" for member in members if member.role == role
        )
        if lines:
            shipped = re.sub(rf"(?:    server {role}-\d:{usual}[^\n]*\n)+", lines + "\n", shipped)
    paths = "".join(f"{name}_temp_path {{folder}}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return (
        "pid {folder}/pid;\nerror_log {folder}/error.log;\nworker_rlimit_nofile 8192;\nevents { worker_connections 4096; }\n"
        f"http {{\naccess_log off;\n{paths}{shipped}\n}}\n"
    )


@contextmanager
def a_fleet(folder: Path, *, url: str, direct_url: str, roles: dict[str, int], **settings: object) -> Iterator[Fleet]:
    """A running fleet on a database; `direct_url` is for the tests' own questions."""
    flags = {"database_url": url, **settings}
    members = [Member(role, folder / f"{role}-{number}", flags) for role, count in roles.items() for number in range(count)]
    with ExitStack() as stack:
        for member in members:
            member.start()
            stack.callback(_end, member)
        for member in members:
            servers.wait_for(member.ready, f"{member.role} of the fleet", WAIT_S)
        port = servers.free_port()
        stack.enter_context(servers.nginx(front_for(members, port), port))
        yield Fleet(members, port, direct_url)


def _end(member: Member) -> None:
    assert member.process is not None
    if member.process.poll() is None:
        member.send(signal.SIGCONT)
        member.kill()


def show(title: str, ledger: Ledger, figures: dict[str, int]) -> None:
    """Print a ledger as a row of a table."""
    refused = ", ".join(f"{count} {what}" for what, count in sorted(ledger.refused.items())) or "none"
    took = ", ".join(f"{seconds:.1f}" for seconds in ledger.takeovers_s) or "-"
    print(f"\n| fault | {' | '.join(figures)} | refused | takeover s |\n|{'---|' * (len(figures) + 3)}")
    print(f"| {title} | {' | '.join(map(str, figures.values()))} | {refused} | {took} |")
