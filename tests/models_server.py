"""A server that speaks the three wires and their faults over real HTTP, written without any client's or vendor's code.

The model's name says what happens: `ok`, `cut`, `429-once` ... An addition after a dot keeps the counts of tests apart
(`429-once.my-test`). `GET /calls` tells how often each model was called. Run as a program it prints its port.
"""

import asyncio
import contextlib
import json
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

import uvloop

READ, CACHED, WRITTEN = 11, 3, 7  # tokens that every whole reply counts
PIECES = ("Iron", " does", " not", " float.")
HUGE_BYTES = 10 * 2**20
STALL_S = 30.0
PARKED_S, CHUNKS, CHUNK_EVERY_S = 6.0, 60, 0.1  # of the model `many`


@dataclass
class Asked:
    """One request, and where to answer it."""

    wire: str
    model: str
    stream: bool
    body: dict[str, object]
    headers: dict[str, str]
    writer: asyncio.StreamWriter

    @property
    def fault(self) -> str:
        """What is to happen."""
        return self.model.partition(".")[0]

    async def send(self, status: str, body: bytes, headers: str = "", *, kind: str = "application/json") -> None:
        """Answer in one piece."""
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        self.writer.write(head.encode() + body)
        await self.writer.drain()

    async def open(self) -> None:
        """Begin a stream."""
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.writer.write(head.encode())
        await self.writer.drain()

    async def push(self, data: bytes) -> None:
        """Send one chunk of a stream."""
        self.writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await self.writer.drain()

    async def shut(self) -> None:
        """End a stream cleanly."""
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()


@dataclass
class Server:
    """The server, and what it has seen."""

    pace_s: float = 0.0  # between the pieces of a stream
    calls: Counter[str] = field(default_factory=Counter)
    seen: list[dict[str, object]] = field(default_factory=list)
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    async def stop(self) -> None:
        """Hang up on everybody."""
        tasks = [*self.serving]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.sleep(0)  # lets the loop close what was aborted

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, in turn."""
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._one(reader, writer):
                    pass
        finally:
            self.serving.discard(task)
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        path = head[0].split(" ")[1]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        if path == "/calls":
            return await self._tell(writer)
        if path.partition("?")[0].endswith("/models"):
            return await self._list(writer, path)
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        wire, model, stream = route(path, body)
        self.calls[model] += 1
        self.seen.append({"path": path, "headers": headers, "body": body})
        asked = Asked(wire, model, stream, body, headers, writer)
        await FAULTS.get(asked.fault, self._answer)(asked)
        return not writer.is_closing()

    async def _tell(self, writer: asyncio.StreamWriter) -> bool:
        told = json.dumps({"calls": self.calls, "seen": self.seen[-50:]}).encode()
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(told)}\r\n\r\n".encode() + told)
        await writer.drain()
        return True

    async def _list(self, writer: asyncio.StreamWriter, path: str) -> bool:
        rows = [{"name": "models/ok"}] if "/v1beta/" in path else [{"id": "ok", "object": "model"}]
        told = json.dumps({"models" if "/v1beta/" in path else "data": rows}).encode()
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(told)}\r\n\r\n".encode() + told)
        await writer.drain()
        return True

    async def _answer(self, asked: Asked) -> None:
        if asked.fault.endswith("-once") and self.calls[asked.model] == 1:
            await FAULTS[asked.fault.removesuffix("-once")](asked)
        else:
            await whole(asked, pieces_for(asked.body), pace_s=self.pace_s)


def route(path: str, body: dict[str, object]) -> tuple[str, str, bool]:
    """Which wire a path belongs to, and the model and manner that are asked for."""
    path = unquote(path)
    gemini = re.fullmatch(r".*/v1(?:beta)?/models/([^:]+):(stream)?[gG]enerateContent(?:\?.*)?", path)
    if gemini:
        return "gemini", gemini[1], bool(gemini[2])
    wire = "anthropic" if path.endswith("/v1/messages") else "openai"
    return wire, str(body["model"]), body.get("stream") is True


def pieces_for(body: dict[str, object]) -> Sequence[str]:
    """What is said: a ballot for the first label where a ballot is asked for, a plain sentence otherwise.

    Where a position is asked for, models of Anthropic take the last one and all others the first.
    """
    text = json.dumps(body)
    labels = re.search(r"Labels you may choose: ([A-Z]+)", text)
    if labels and r"\"choice\"" in text:
        return ('{"choice": "', labels[1], '", "confidence": 0.8, "reason": "It holds."}')
    options = re.search(r"Position: <option>`; the options are ([^.]+)\.", text)
    if options:
        named = options[1].split(", ")
        return (*PIECES, f"\nPosition: {named[-1 if str(body.get('model')).startswith('claude') else 0]}")
    return PIECES


async def whole(asked: Asked, pieces: Sequence[str], *, pace_s: float = 0.0) -> None:
    """Answer as the vendor does."""
    if not asked.stream:
        await asyncio.sleep(pace_s * len(pieces))
        await asked.send("200 OK", json.dumps(WHOLE[asked.wire](asked.model, "".join(pieces))).encode())
        return
    await asked.open()
    for event in STREAMS[asked.wire](asked.model, pieces):
        await asked.push(event)
        if pace_s:
            await asyncio.sleep(pace_s)
    await asked.shut()


def sse(data: object, event: str = "") -> bytes:
    """One event."""
    said = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {event}\n" if event else "").encode() + f"data: {said}\n\n".encode()


def openai_usage() -> dict[str, object]:
    """Counts, as OpenAI words them."""
    details = {"cached_tokens": CACHED}
    return {"prompt_tokens": READ, "completion_tokens": WRITTEN, "total_tokens": READ + WRITTEN, "prompt_tokens_details": details}


def openai_whole(model: str, text: str, finish: str | None = "stop") -> dict[str, object]:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    frame = {"id": "c1", "object": "chat.completion", "created": 1, "model": model}
    return {**frame, "choices": [choice], "usage": openai_usage()}


def openai_stream(model: str, pieces: Sequence[str], finish: str | None = "stop") -> list[bytes]:
    """The chunks of a chat completion."""
    frame = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": model}

    def chunk(delta: dict[str, str], end: str | None) -> bytes:
        return sse({**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]})

    events = [chunk({"role": "assistant", "content": ""}, None)] + [chunk({"content": piece}, None) for piece in pieces]
    if finish is None:
        return events
    return [*events, chunk({}, finish), sse({**frame, "choices": [], "usage": openai_usage()}), sse("[DONE]")]


def anthropic_usage() -> dict[str, object]:
    """Counts, as Anthropic words them: cached tokens beside the others."""
    return {"input_tokens": READ - CACHED, "cache_read_input_tokens": CACHED, "output_tokens": WRITTEN}


def anthropic_whole(model: str, text: str, finish: str | None = "end_turn") -> dict[str, object]:
    """A message."""
    content = [{"type": "text", "text": text}]
    frame = {"id": "m1", "type": "message", "role": "assistant", "model": model, "content": content, "stop_sequence": None}
    return {**frame, "stop_reason": finish, "usage": anthropic_usage()}


def anthropic_stream(model: str, pieces: Sequence[str], finish: str | None = "end_turn") -> list[bytes]:
    """The events of a message."""
    started = {**anthropic_whole(model, "", None), "content": []}
    begin = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    events = [sse({"type": "message_start", "message": started}, "message_start"), sse(begin, "content_block_start")]
    events.append(sse({"type": "ping"}, "ping"))
    for piece in pieces:
        delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
        events.append(sse(delta, "content_block_delta"))
    if finish is None:
        return events
    end = {"type": "message_delta", "delta": {"stop_reason": finish, "stop_sequence": None}, "usage": {"output_tokens": WRITTEN}}
    stop = sse({"type": "content_block_stop", "index": 0}, "content_block_stop")
    return [*events, stop, sse(end, "message_delta"), sse({"type": "message_stop"}, "message_stop")]


def gemini_whole(model: str, text: str, finish: str | None = "STOP") -> dict[str, object]:
    """Generated content."""
    candidate: dict[str, object] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    response: dict[str, object] = {"candidates": [candidate], "modelVersion": model}
    if finish is not None:
        candidate["finishReason"] = finish
        counts = {"promptTokenCount": READ, "candidatesTokenCount": WRITTEN, "cachedContentTokenCount": CACHED}
        response["usageMetadata"] = {**counts, "totalTokenCount": READ + WRITTEN}
    return response


def gemini_stream(model: str, pieces: Sequence[str], finish: str | None = "STOP") -> list[bytes]:
    """The pieces of generated content."""
    last = len(pieces) - 1
    return [sse(gemini_whole(model, piece, finish if at == last else None)) for at, piece in enumerate(pieces)]


WHOLE = {"openai": openai_whole, "anthropic": anthropic_whole, "gemini": gemini_whole}
STREAMS = {"openai": openai_stream, "anthropic": anthropic_stream, "gemini": gemini_stream}
LENGTH = {"openai": "length", "anthropic": "max_tokens", "gemini": "MAX_TOKENS"}
REFUSAL = {"openai": "content_filter", "anthropic": "refusal", "gemini": "SAFETY"}


def error_body(wire: str, status: int, message: str) -> dict[str, object]:
    """An error in the vendor's envelope."""
    if wire == "anthropic":
        kind = {429: "rate_limit_error", 529: "overloaded_error", 401: "authentication_error"}.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}
    if wire == "gemini":
        word = {429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE", 401: "UNAUTHENTICATED"}.get(status, "INTERNAL")
        return {"error": {"code": status, "message": message, "status": word}}
    return {"error": {"message": message, "type": "server_error", "code": status, "param": None}}


def failing(status: int, reason: str, headers: str = "") -> Callable[[Asked], Awaitable[None]]:
    """Refuse with a status and the vendor's envelope."""

    async def refuse(asked: Asked) -> None:
        body = json.dumps(error_body(asked.wire, status, f"{reason} today")).encode()
        await asked.send(f"{status} {reason}", body, headers)

    return refuse


async def auth(asked: Asked) -> None:
    """Refuse the key, and say it aloud, as a careless vendor would."""
    key = asked.headers.get("x-api-key") or asked.headers.get("x-goog-api-key") or asked.headers.get("authorization", "")
    body = json.dumps(error_body(asked.wire, 401, f"Incorrect API key provided: {key}")).encode()
    await asked.send("401 Unauthorized", body)


async def html(asked: Asked) -> None:
    """Refuse as a proxy does."""
    page = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
    await asked.send("502 Bad Gateway", page, kind="text/html")


async def drop(asked: Asked) -> None:
    """Hang up without a word."""
    asked.writer.transport.abort()


async def hang(asked: Asked) -> None:
    """Say nothing at all."""
    await asyncio.sleep(STALL_S)
    await drop(asked)


async def begin(asked: Asked) -> None:
    """Send the first half of an answer."""
    if asked.stream:
        await asked.open()
        for event in STREAMS[asked.wire](asked.model, PIECES[:2], None):
            await asked.push(event)
    else:
        half = json.dumps(WHOLE[asked.wire](asked.model, "".join(PIECES))).encode()[:40]
        asked.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n" + half)
        await asked.writer.drain()


async def stall(asked: Asked) -> None:
    """Fall silent half-way."""
    await begin(asked)
    await hang(asked)


async def cut(asked: Asked) -> None:
    """Hang up half-way."""
    await begin(asked)
    await asyncio.sleep(0.05)  # so that the half arrives before the end of the connection does
    await drop(asked)


async def no_finish(asked: Asked) -> None:
    """End cleanly, without the sign that the answer is whole."""
    if asked.stream:
        await begin(asked)
        await asked.shut()
    else:
        await asked.send("200 OK", json.dumps(WHOLE[asked.wire](asked.model, "Iron does", None)).encode())


async def bad_json(asked: Asked) -> None:
    """Send something that is no JSON."""
    if not asked.stream:
        await asked.send("200 OK", b'{"choices": [{"mess')
        return
    await begin(asked)
    await asked.push(b'event: content_block_delta\ndata: {"choices": [{"del\n\n')
    await asked.shut()


async def error_event(asked: Asked) -> None:
    """Report an overload after a success was promised."""
    body = error_body(asked.wire, 503 if asked.wire == "gemini" else 529, "Overloaded today")
    if not asked.stream:
        await asked.send("200 OK", json.dumps(body).encode())
        return
    await begin(asked)
    await asked.push(sse(body, "error" if asked.wire == "anthropic" else ""))
    await asked.shut()


async def empty(asked: Asked) -> None:
    """Succeed with nothing."""
    if asked.stream:
        await asked.open()
        await asked.shut()
    else:
        await asked.send("200 OK", b"")


async def wordless(asked: Asked) -> None:
    """Finish properly, without having said anything."""
    await whole(asked, ("",))


async def many(asked: Asked) -> None:
    """Wait, then stream steadily: for benchmarks."""
    await asked.open()
    await asyncio.sleep(PARKED_S)
    for event in STREAMS[asked.wire](asked.model, [" word"] * CHUNKS):
        await asked.push(event)
        await asyncio.sleep(CHUNK_EVERY_S)
    await asked.shut()


async def mumble(asked: Asked) -> None:
    """Vote in prose, and properly when asked once more."""
    asked_again = "No choice could be read" in json.dumps(asked.body)
    pieces = pieces_for(asked.body)
    await whole(asked, pieces if asked_again or pieces is PIECES else ("I like all of them.",))


async def huge(asked: Asked) -> None:
    """Say far too much."""
    if not asked.stream:
        await asked.send("200 OK", json.dumps(WHOLE[asked.wire](asked.model, "x" * HUGE_BYTES)).encode())
        return
    await asked.open()
    for event in STREAMS[asked.wire](asked.model, ["x" * 65536] * (HUGE_BYTES // 65536)):
        await asked.push(event)
    await asked.shut()


def ending(words: dict[str, str]) -> Callable[[Asked], Awaitable[None]]:
    """End with another word than the one for a whole answer."""

    async def end(asked: Asked) -> None:
        finish = words[asked.wire]
        if not asked.stream:
            await asked.send("200 OK", json.dumps(WHOLE[asked.wire](asked.model, "Iron does", finish)).encode())
            return
        await asked.open()
        for event in STREAMS[asked.wire](asked.model, PIECES[:2], finish):
            await asked.push(event)
        await asked.shut()

    return end


async def no_schema(asked: Asked) -> None:
    """Refuse requests that ask for a schema, as older models do; answer the others."""
    wants = (
        "schema"
        in json.dumps({name: value for name, value in asked.body.items() if name not in ("messages", "contents")}).lower()
    )
    await (failing(400, "Bad Request")(asked) if wants else whole(asked, pieces_for(asked.body)))


FAULTS: dict[str, Callable[[Asked], Awaitable[None]]] = {
    "429": failing(429, "Too Many Requests", "Retry-After: 1\r\n"),
    "429-long": failing(429, "Too Many Requests", "Retry-After: 300\r\n"),
    "400": failing(400, "Bad Request"),
    "404": failing(404, "Not Found"),
    "500": failing(500, "Internal Server Error"),
    "502-html": html,
    "529": failing(529, "Overloaded"),
    "auth": auth,
    "drop": drop,
    "hang": hang,
    "stall": stall,
    "cut": cut,
    "no-finish": no_finish,
    "bad-json": bad_json,
    "error-event": error_event,
    "empty": empty,
    "wordless": wordless,
    "many": many,
    "mumble": mumble,
    "huge": huge,
    "length": ending(LENGTH),
    "refusal": ending(REFUSAL),
    "plain-only": no_schema,
}


@contextlib.asynccontextmanager
async def running(*, pace_s: float = 0.0) -> AsyncIterator[tuple[Server, str]]:
    """A server in this loop, and its root URL."""
    server = Server(pace_s=pace_s)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1024) as listening:
        port = listening.sockets[0].getsockname()[1]
        try:
            yield server, f"http://127.0.0.1:{port}"
        finally:
            await server.stop()


async def main(pace_s: float) -> None:
    """Serve until killed."""
    async with running(pace_s=pace_s) as (_, url):
        print(url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0))
