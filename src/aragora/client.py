"""A client of a server, for asyncio: the same types as the server's, the same errors, and debates that can be followed.

May import the API's answers and errors. `async for event in debate.follow()` goes on where it was when a connection breaks.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from secrets import token_hex
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
from aiohttp import ClientConnectionError, ClientPayloadError, ClientSession, ClientTimeout

from aragora.api.answers import Created, Debate, DebateRow, Done, EventRow, Problem, VoteCast
from aragora.api.standings import AgentRow
from aragora.errors import (
    AragoraError,
    Conflict,
    Flaw,
    Forbidden,
    Invalid,
    NotFound,
    Overloaded,
    RateLimited,
    TooLarge,
    Unauthenticated,
)

T = TypeVar("T")

TIMEOUT_S = 30.0
# A stream says something at least this often, a comment if nothing else; silence for longer is a broken connection.
SILENCE_S = 45.0
RETRY_FIRST_S, RETRY_MAX_S = 0.2, 5.0
RETRIES_MAX = 10  # in a row, without an event between them
PAGE_ROWS = 100
LINE_BYTES_MAX = 16 * 1024 * 1024

ERRORS: dict[int, type[AragoraError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: RateLimited,
    503: Overloaded,
}


class Unreachable(AragoraError):
    """The server could not be reached, or the connection broke for good."""

    code = "UNREACHABLE"
    status = 503


class _Agents(msgspec.Struct):
    agents: list[AgentRow]


class _Page(msgspec.Struct):
    debates: list[DebateRow]
    next_cursor: str | None


class Client:
    """A server, by its URL. Use it as a context manager."""

    def __init__(self, base_url: str = "http://127.0.0.1:8080", *, api_key: str = "") -> None:
        """`api_key` goes with every request, if there is one."""
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._session = ClientSession(
            base_url.rstrip("/") + "/", headers=headers, timeout=ClientTimeout(total=TIMEOUT_S), read_bufsize=LINE_BYTES_MAX
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Give back connections."""
        await self._session.close()

    async def create(self, topic: str, **fields: Any) -> "Following":  # noqa: ANN401 - the fields of POST /api/debates
        """Hold a debate; `fields` are those of `POST /api/debates`."""
        made = await self._ask("POST", "api/debates", Created, {"topic": topic, **fields})
        return Following(self, made.id)

    def debate(self, debate_id: str) -> "Following":
        """A debate that there is already."""
        return Following(self, debate_id)

    async def debates(self, *, status: str = "") -> AsyncIterator[DebateRow]:
        """Every debate, newest first, fetched a page at a time."""
        query = {"limit": str(PAGE_ROWS), **({"status": status} if status else {})}
        while True:
            page = await self._ask("GET", "api/debates", _Page, query=query)
            for row in page.debates:
                yield row
            if page.next_cursor is None:
                return
            query["cursor"] = page.next_cursor

    async def agents(self) -> list[AgentRow]:
        """The agents that can be asked."""
        return (await self._ask("GET", "api/agents", _Agents, query={"limit": "1000"})).agents

    async def _ask(
        self,
        method: str,
        path: str,
        kind: type[T],
        body: Mapping[str, object] | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> T:
        """One request and its answer; raises the error that the server told."""
        raw = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": "application/json", "Idempotency-Key": token_hex(16)} if raw is not None else {}
        try:
            async with self._session.request(method, path, data=raw, params=query, headers=headers) as response:
                answer = await response.read()
                if not response.ok:
                    raise error_of(response.status, answer)
        except (ClientConnectionError, ClientPayloadError, TimeoutError) as error:
            raise Unreachable("The server cannot be reached.") from error
        return msgspec.json.decode(answer, type=kind)


class Following:
    """One debate on a server."""

    def __init__(self, client: Client, debate_id: str) -> None:
        """Nothing is asked yet."""
        self._client, self.id = client, debate_id
        self._path = f"api/debates/{debate_id}"

    async def read(self) -> Debate:
        """The debate as it stands."""
        return await self._client._ask("GET", self._path, Debate)  # noqa: SLF001 - two halves of one client

    async def follow(self, after: int = 0) -> AsyncIterator[EventRow]:
        """Every event numbered above `after`, past and future, once each and in order, until the last."""
        wait_s, failed = RETRY_FIRST_S, 0
        while True:
            try:
                async for event in self._stream(after):
                    after, wait_s, failed = event.seq, RETRY_FIRST_S, 0
                    yield event
                    if event.type == "debate_end":
                        return
            except (ClientConnectionError, ClientPayloadError, TimeoutError, Overloaded) as error:
                failed += 1
                if failed > RETRIES_MAX:
                    raise Unreachable("The server cannot be reached.") from error
            else:
                record = await self.read()
                if record.completed_at is not None and after >= record.last_seq:
                    return
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_MAX_S)

    async def _stream(self, after: int) -> AsyncIterator[EventRow]:
        timeout = ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=SILENCE_S)
        path = f"{self._path}/events/stream"
        async with self._client._session.get(path, params={"after": str(after)}, timeout=timeout) as response:  # noqa: SLF001 - as above
            if not response.ok:
                raise error_of(response.status, await response.read())
            async for line in response.content:
                # Pieces of texts have no number; the whole texts follow.
                if line.startswith(b"data: ") and b'"seq":' in line:
                    yield msgspec.json.decode(line[len(b"data: ") :], type=EventRow)

    async def outcome(self) -> Debate:
        """Wait for the end; the debate as it then stands."""
        record = await self.read()
        async for _ in self.follow(record.last_seq if record.completed_at is None else record.last_seq - 1):
            pass
        return await self.read()

    async def vote(self, choice: str, *, voter: str, confidence: float | None = None, reason: str = "") -> VoteCast:
        """Vote as a person; a later vote replaces an earlier one."""
        body = {"choice": choice, "voter": voter, "confidence": confidence, "reason": reason}
        return await self._client._ask("POST", f"{self._path}/vote", VoteCast, body)  # noqa: SLF001 - as above

    async def suggest(self, content: str, *, user: str) -> None:
        """Put something to the agents, which they read from the next round on."""
        await self._client._ask("POST", f"{self._path}/messages", dict[str, Any], {"content": content, "user": user})  # noqa: SLF001 - as above

    async def pause(self) -> Done:
        """Ask no further turns."""
        return await self._do("pause")

    async def resume(self) -> Done:
        """Let it go on."""
        return await self._do("resume")

    async def cancel(self) -> Done:
        """End it now."""
        return await self._do("cancel")

    async def delete(self) -> None:
        """Take it off the server's disk."""
        await self._client._ask("DELETE", self._path, dict[str, Any])  # noqa: SLF001 - as above

    async def _do(self, what: str) -> Done:
        return await self._client._ask("POST", f"{self._path}/{what}", Done, {})  # noqa: SLF001 - as above


def error_of(status: int, answer: bytes) -> AragoraError:
    """What the server told, as the error that it was there."""
    try:
        told = msgspec.json.decode(answer, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return AragoraError(f"The server answered {status}.")
    if status == Invalid.status:
        return Invalid(told.detail, [Flaw(flaw.field, flaw.message) for flaw in told.errors], code=told.code)
    error = ERRORS.get(status, AragoraError)(told.detail, retry_after_s=told.retry_after)
    error.code = told.code
    return error
