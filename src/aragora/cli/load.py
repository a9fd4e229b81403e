"""A load of users on a server, for those who install nothing: the specification's user, its profiles, its objectives.

May import its siblings and errors. Requests, weights, pauses and profiles are those of `tests/load/locustfile.py`. A user waits
for its answer, so a server that is slow is asked less.
"""

import asyncio
import json
import signal
import sys
from array import array
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from time import perf_counter
from typing import NamedTuple

import aiohttp

from aragora.cli.running import UNREACHABLE
from aragora.errors import AragoraError

BODY = {"topic": "Test debate", "agents": ["demo", "demo"], "rounds": 2}
PAUSE_S = (1.0, 3.0)
ANSWER_S_MAX, FRAME_S_MAX = 30.0, 60.0
LOOK_EVERY_S = 0.1
WATCHERS_ONE_IN = 11  # ten of the specification's user to one who watches
ERROR_RATE_MAX = 0.001
HEALTH, LIST, GET, CREATE = "GET /api/health", "GET /api/debates?limit=20", "GET /api/debates/:id", "POST /api/debates"
CONNECT, PING, ROUND = "WS /ws (connect)", "WS /ws (ping)", "a debate's round"
WEIGHTS = {HEALTH: 10, LIST: 5, GET: 3, CREATE: 1}
# The specification's objectives: 99 % of the row within so many ms.
P99_MS_MAX = {HEALTH: 500.0, LIST: 500.0, GET: 500.0, CREATE: 500.0, CONNECT: 200.0, PING: 500.0, ROUND: 30_000.0}


class Stage(NamedTuple):
    """Until `until_s` seconds from the start, this many users."""

    until_s: float
    users: int
    per_s: float


PROFILES = {
    "smoke": (Stage(30, 5, 5),),
    "light": (Stage(300, 50, 5),),
    "heavy": (Stage(600, 500, 20),),
    "spike": (Stage(60, 20, 10), Stage(120, 500, 250), Stage(240, 20, 100)),
    "soak": (Stage(4 * 3600, 100, 10),),
}


def stages(profile: str, users: int | None, seconds: float | None) -> tuple[Stage, ...]:
    """The stages of a profile; with other users or another time, one stage of them."""
    found = PROFILES[profile]
    if users is None and seconds is None:
        return found
    count = users or max(stage.users for stage in found)
    return (Stage(seconds or found[-1].until_s, count, max(found[0].per_s, count / 10)),)


class NoServer(AragoraError):
    """Nobody answers there, or not to us."""

    code = UNREACHABLE
    status = 503


@dataclass
class Row:
    """What was measured of one kind of request."""

    name: str
    took_ms: "array[float]" = field(default_factory=lambda: array("d"))
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        """How many went wrong."""
        return self.faults.total()

    @property
    def asked(self) -> int:
        """How many were answered or went wrong."""
        return len(self.took_ms) + self.failed

    def within(self, share: float) -> float:
        """In how many ms this share was answered; NaN when nothing was."""
        took = sorted(self.took_ms)
        return took[min(len(took) - 1, int(share * len(took)))] if took else float("nan")

    def flaws(self) -> Iterator[str]:
        """What is not as the objectives want it; a row that was never asked has shown nothing."""
        if not self.asked:
            yield "never asked"
            return
        if not self.within(0.99) < P99_MS_MAX[self.name]:
            yield f"p99 is not below {P99_MS_MAX[self.name]:.0f} ms"
        if not self.failed / self.asked < ERROR_RATE_MAX:
            yield f"{self.failed} of {self.asked} failed"


class Load:
    """Users on a server, and what they measure."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        """`url` has no path."""
        self._url, self._http = url, http
        self._random = Random()  # noqa: S311  # no secret depends on it
        self.rows: dict[str, Row] = {}
        self.seconds = 0.0
        self.interrupted = False
        self._over = asyncio.Event()
        self._wanted, self._users = 0, 0

    def stop(self) -> None:
        """End now, with what there is."""
        self.interrupted = True
        self._over.set()

    async def run(self, stages: tuple[Stage, ...], *, watchers: bool) -> None:
        """Have as many users as the stages say, until the last is over."""
        began, told_s = perf_counter(), 0.0
        self.rows = {name: Row(name) for name in P99_MS_MAX if watchers or name in WEIGHTS}
        async with asyncio.TaskGroup() as tasks:
            users = []
            while not self._over.is_set():
                self.seconds = perf_counter() - began
                stage = next((stage for stage in stages if self.seconds < stage.until_s), None)
                if stage is None:
                    break
                born = max(1.0, stage.per_s * LOOK_EVERY_S)
                self._wanted = min(stage.users, int(self._wanted + born)) if stage.users > self._wanted else stage.users
                while self._users < self._wanted:
                    self._users += 1
                    users.append(
                        tasks.create_task(self._user(self._users, watches=watchers and not self._users % WATCHERS_ONE_IN))
                    )
                if self.seconds - told_s >= 1:
                    told_s = self.seconds
                    asked, failed = (sum(getattr(row, what) for row in self.rows.values()) for what in ("asked", "failed"))
                    _tell(f"{told_s:.0f} of {stages[-1].until_s:.0f} s: {self._users} users, {asked} asked, {failed} failed")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), LOOK_EVERY_S)
            self._over.set()
            for task in users:
                task.cancel()

    async def _user(self, place: int, *, watches: bool) -> None:
        """One user: ask, pause, ask again, until there are fewer users than its place."""
        try:
            own = "" if watches else await self._create()
            while place <= self._wanted:
                if watches:
                    await self._watch()
                else:
                    own = await self._ask(own)
                await asyncio.sleep(self._random.uniform(*PAUSE_S))
        finally:
            self._users -= 1

    async def _ask(self, own: str) -> str:
        """One request of the specification's user; the debate that it reads."""
        name = self._random.choices([*WEIGHTS], [*WEIGHTS.values()])[0]
        if name == CREATE or not own:
            return await self._create() or own
        path = f"/api/debates/{own}" if name == GET else name.removeprefix("GET ")
        async with self._timed(name), self._http.get(self._url + path) as answer:
            await answer.read()
            answer.raise_for_status()
        return own

    async def _create(self) -> str:
        """Start a debate; its id, or nothing."""
        found = [""]
        async with self._timed(CREATE), self._http.post(f"{self._url}/api/debates", json=BODY) as answer:
            told = await answer.read()
            answer.raise_for_status()
            found.append(str(json.loads(told)["id"]))
        return found[-1]

    async def _watch(self) -> None:
        """Start a debate and watch it to its end."""
        debate_id = await self._create()
        if not debate_id:
            return
        opened: list[aiohttp.ClientWebSocketResponse] = []
        async with self._timed(CONNECT):
            opened.append(await self._http.ws_connect(f"{self._url.replace('http', 'ws', 1)}/ws?debate_id={debate_id}"))
            await _frame(opened[0])
        for socket in opened:
            async with socket:
                with self._noting(ROUND):
                    await self._follow(socket)

    async def _follow(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Ping once, and time each round."""
        pinged = began = perf_counter()
        await socket.send_json({"type": "ping"})
        while (kind := await _frame(socket)) not in {"debate_end", "error"}:
            if kind == "pong":
                self._took(PING, pinged)
            elif kind == "round_complete":
                self._took(ROUND, began)
                began = perf_counter()

    def _took(self, name: str, began: float) -> None:
        self.rows[name].took_ms.append(1000 * (perf_counter() - began))

    @asynccontextmanager
    async def _timed(self, name: str) -> AsyncIterator[None]:
        """Note how long it took, or why it went wrong."""
        began = perf_counter()
        with self._noting(name):
            async with asyncio.timeout(ANSWER_S_MAX):
                yield
            self._took(name, began)

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        """Note why something went wrong."""
        try:
            yield
        except TimeoutError:
            self.rows[name].faults["no answer in time"] += 1
        except aiohttp.ClientResponseError as error:
            self.rows[name].faults[f"HTTP {error.status}"] += 1
        except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError) as error:
            self.rows[name].faults[type(error).__name__] += 1


async def _frame(socket: aiohttp.ClientWebSocketResponse) -> str:
    """The type of the next frame; raises when the server closes or says nothing for too long."""
    message = await socket.receive(FRAME_S_MAX)
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise aiohttp.ClientConnectionError
    return str(json.loads(message.data)["type"])


def _tell(line: str) -> None:
    """How far it is, to somebody who looks on; the line is written over."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()


async def measure(url: str, key: str, stages: tuple[Stage, ...], *, watchers: bool) -> Load:
    """Put the load on the server at `url`. Raises NoServer where none answers, or it wants a key. Ctrl-C ends it early."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # Users share no connection: a browser brings its own.
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=aiohttp.ClientTimeout(ANSWER_S_MAX)) as http:
        await _look(url, http)
        load, loop = Load(url, http), asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, load.stop)
        try:
            await load.run(stages, watchers=watchers)
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            _tell("")
        return load


async def _look(url: str, http: aiohttp.ClientSession) -> None:
    """Whether there is a server of ours that takes requests of this caller."""
    try:
        async with http.get(f"{url}/api/debates?limit=1") as answer:
            status, told = answer.status, await answer.read()
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise NoServer(f"no server answers at {url} ({type(error).__name__}); start one with `aragora serve`.") from error
    if status in {401, 403}:
        raise NoServer(f"the server at {url} wants another key than it was given: set ARAGORA_API_KEY.")
    with suppress(ValueError, KeyError, TypeError):
        json.loads(told)["debates"]
        return
    raise NoServer(f"what answers at {url} is no Aragora server, or not well: HTTP {status}.")


def table(load: Load) -> Iterator[str]:
    """What was measured, a line for each row, beside the objective; then why requests failed."""
    yield f"{'':<28}{'asked':>8}{'per s':>8}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'failed':>9}   objective"
    for row in load.rows.values():
        times = "".join(f"{row.within(share):>9.1f}" for share in (0.5, 0.95, 0.99)) if row.took_ms else f"{'-':>9}" * 3
        rate = row.asked / load.seconds if load.seconds else 0.0
        said = "; ".join(row.flaws())
        goal = f"p99 < {P99_MS_MAX[row.name]:.0f} ms, failed < {ERROR_RATE_MAX:.1%}"
        yield f"{row.name:<28}{row.asked:>8}{rate:>8.1f}{times}{row.failed:>9}   {goal}: {said or 'met'}"
    for row in load.rows.values():
        for fault, count in row.faults.most_common():
            yield f"{row.name}: {fault}, {count} times"
    if any("HTTP 429" in row.faults for row in load.rows.values()):
        yield "All users share one address: set ARAGORA_RATE_LIMIT_DEFAULT=0 and ARAGORA_RATE_LIMIT_DEBATES=0 on the server."


def as_json(load: Load) -> str:
    """The same as JSON."""
    rows = {
        row.name: {
            "asked": row.asked,
            "failed": row.failed,
            "per_s": round(row.asked / load.seconds, 2) if load.seconds else 0.0,
            **{f"p{100 * share:.0f}_ms": round(row.within(share), 2) if row.took_ms else None for share in (0.5, 0.95, 0.99)},
            "p99_ms_max": P99_MS_MAX[row.name],
            "faults": dict(row.faults),
            "flaws": [*row.flaws()],
        }
        for row in load.rows.values()
    }
    return json.dumps({"seconds": round(load.seconds, 1), "interrupted": load.interrupted, "rows": rows}, indent=1)
