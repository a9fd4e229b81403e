"""Debates for MCP hosts: tools and resources over JSON-RPC, whatever carries it. May import its siblings, engine and feed.

Stateless, as of revision 2026-07-28; hosts that still shake hands (`initialize`) are answered too. Written by hand, since the
official library would bring 26 packages for these few messages.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from starlette.responses import Response

from aragora import __version__
from aragora.api import Parts
from aragora.api.answers import JSON, debate_of, row_of
from aragora.api.asked import Asked
from aragora.api.bodies import CastVote, CreateDebate, brief_of, parse, read_body, vote_of
from aragora.api.callers import caller_of, voter_for
from aragora.api.standings import row_of_agent
from aragora.auth import WRITE, Access, Caller, require
from aragora.errors import AragoraError, Invalid
from aragora.store.records import Record

MODERN = "2026-07-28"
HANDSHAKES = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL = -32700, -32600, -32601, -32602, -32603
SCHEME = "debate://"
LISTED_MAX = 50
WAIT_S_MAX = 300
INSTRUCTIONS = (
    "Several agents debate a question, criticise each other and vote. start_debate returns at once unless told to wait; "
    "read what came of it with get_debate or the resource debate://<id>. The outcome says who "
    "agreed, who did not and who was missing."
)

Arguments = Mapping[str, Any]


class Message(msgspec.Struct, kw_only=True):
    """A JSON-RPC request; without an id it is a notification."""

    jsonrpc: str = "2.0"
    method: str = ""
    params: dict[str, msgspec.Raw] = {}
    id: str | int | None = None


class Start(CreateDebate, kw_only=True):
    """A debate to hold. `wait_seconds` waits for its end, so long at most."""

    wait_seconds: int = 0


class Which(msgspec.Struct, kw_only=True):
    """A debate, by id."""

    debate_id: str


class Nothing(msgspec.Struct, kw_only=True):
    """No arguments."""


class Vote(CastVote, kw_only=True):
    """A person's vote in a debate; `choice` is the name of a seat."""

    debate_id: str


class _Called(msgspec.Struct, kw_only=True):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _Read(msgspec.Struct, kw_only=True):
    uri: str


class _Greeting(msgspec.Struct, kw_only=True):
    protocol_version: str = msgspec.field(name="protocolVersion", default="")


class Rpc(Exception):
    """An error of the protocol, as against one of a tool."""

    def __init__(self, code: int, message: str) -> None:
        """As JSON-RPC has it."""
        super().__init__(message)
        self.code, self.message = code, message


class Host:
    """One host and the parts that it asks; `caller` is on whose behalf it does so."""

    def __init__(self, parts: Parts, caller: Caller) -> None:
        """Nothing is kept between messages."""
        self.parts, self.caller = parts, caller

    async def answer(self, raw: bytes) -> bytes | None:
        """Answer one message; None when it needs no answer."""
        try:
            message = parse(raw, Message)
        except Invalid as error:
            return _wrong(None, PARSE_ERROR if error.code == "INVALID_JSON" else INVALID_REQUEST, error.message)
        if message.id is None:
            return None
        try:
            result = await self._result(message)
        except Rpc as error:
            return _wrong(message.id, error.code, error.message)
        except Invalid as error:
            return _wrong(message.id, INVALID_PARAMS, error.message)
        except AragoraError as error:
            return _wrong(message.id, INTERNAL, error.message)
        complete = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        return msgspec.json.encode({"jsonrpc": "2.0", "id": message.id, "result": {**complete, **result}})

    async def _result(self, message: Message) -> dict[str, Any]:
        known = STEPS.get(message.method)
        if known is None:
            raise Rpc(METHOD_NOT_FOUND, "There is no such method.")
        return await known(self, msgspec.json.encode(message.params))

    async def call(self, called: _Called) -> dict[str, Any]:
        """Use a tool; what goes wrong in it is told to the model, which can then do better."""
        tool = TOOLS.get(called.name)
        if tool is None:
            raise Rpc(INVALID_PARAMS, "There is no such tool.")
        try:
            if tool.changes:
                require(self.caller, Access.CALLER, WRITE)
            if tool.counted:
                await self.parts.limits.check("debates", self.caller.name)
            text = msgspec.json.encode(await tool.use(self, bytes(called.arguments)))
        except AragoraError as error:
            return {"content": [{"type": "text", "text": error.message}], "isError": True}
        content = [{"type": "text", "text": text.decode()}]
        return {"content": content, "structuredContent": msgspec.Raw(text), "isError": False}

    async def resources(self) -> Sequence[dict[str, str]]:
        """The newest debates."""
        found = await self.parts.store.debates(limit=LISTED_MAX, reader=self.caller.reader)
        return [
            {
                "uri": SCHEME + each.id,
                "name": each.slug or each.id,
                "title": each.title or each.topic,
                "mimeType": JSON,
            }
            for each in found
        ]

    async def read(self, uri: str) -> dict[str, Any]:
        """A debate as it stands, as JSON."""
        if not uri.startswith(SCHEME):
            raise Rpc(INVALID_PARAMS, "A resource here is debate:// and the id of a debate.")
        record = await self.debate(uri.removeprefix(SCHEME))
        text = msgspec.json.encode(debate_of(record)).decode()
        return {"contents": [{"uri": uri, "mimeType": JSON, "text": text}]}

    async def debate(self, debate_id: str) -> Record:
        """A debate that the caller may read."""
        await self.parts.accounts.admit(self.caller, debate_id)
        return await self.parts.store.debate(debate_id)


async def start_debate(host: Host, raw: bytes) -> object:
    """Store and start a debate; with a wait, give its end if it comes in time."""
    body = parse(raw, Start)
    if not 0 <= body.wait_seconds <= WAIT_S_MAX:
        raise Invalid(f"wait_seconds must be from 0 to {WAIT_S_MAX}.")
    debate_id = await host.parts.engine.create(brief_of(body, host.parts), start=body.start, filing=host.caller.filing)
    if body.wait_seconds and body.start:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(body.wait_seconds):
                async for frame in host.parts.feed.follow(debate_id):
                    if frame.last:
                        break
    return debate_of(await host.parts.store.debate(debate_id))


async def get_debate(host: Host, raw: bytes) -> object:
    """A debate as it stands."""
    return debate_of(await host.debate(parse(raw, Which).debate_id))


async def list_debates(host: Host, raw: bytes) -> object:
    """The newest debates."""
    parse(raw, Nothing)
    return {"debates": [row_of(each) for each in await host.parts.store.debates(limit=LISTED_MAX, reader=host.caller.reader)]}


async def list_agents(host: Host, raw: bytes) -> object:
    """The agents that can be asked."""
    parse(raw, Nothing)
    return {"agents": [row_of_agent(host.parts.agents, agent, None) for agent in host.parts.agents.known()]}


async def cast_vote(host: Host, raw: bytes) -> object:
    """Count a person's vote."""
    body = parse(raw, Vote)
    record = await host.debate(body.debate_id)
    vote = vote_of(body, [seat.name for seat in record.brief.seats])
    vote = replace(vote, voter=voter_for(host.caller, vote.voter))
    counted = await host.parts.engine.vote(record.id, vote)
    tally = await host.parts.store.people(record.id)
    return {"debate_id": record.id, "choice": vote.choice, "changed": counted.fresh, "tally": tally}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool: what it is for, what it takes and what it does."""

    name: str
    about: str
    takes: dict[str, object]
    use: Callable[[Host, bytes], Awaitable[object]]
    changes: bool = False
    counted: bool = False  # whether each use counts against the limit of debates


def _takes(*needed: str, **fields: dict[str, object]) -> dict[str, object]:
    return {"type": "object", "properties": fields, "required": list(needed)}


_ID: dict[str, object] = {"type": "string", "description": "The id of a debate."}
TOOLS: dict[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            name="start_debate",
            about="Let several agents debate a question and vote. Returns the debate with its id.",
            takes=_takes(
                "topic",
                topic={"type": "string", "description": "The question."},
                agents={"type": "array", "items": {"type": "string"}, "description": "Who debates; see list_agents."},
                rounds={"type": "integer", "minimum": 1, "description": "Rounds at most; 3 unless given."},
                context={"type": "string", "description": "Background that every agent reads."},
                wait_seconds={"type": "integer", "minimum": 0, "maximum": WAIT_S_MAX, "description": "Wait for the end so long."},
            ),
            use=start_debate,
            changes=True,
            counted=True,
        ),
        Tool(name="get_debate", about="Read a debate as it stands.", takes=_takes("debate_id", debate_id=_ID), use=get_debate),
        Tool(name="list_debates", about="The newest debates.", takes=_takes(), use=list_debates),
        Tool(name="list_agents", about="The agents that can debate.", takes=_takes(), use=list_agents),
        Tool(
            name="cast_vote",
            about="Vote as a person in a debate that has not ended; once per voter, the last one counts.",
            takes=_takes(
                "debate_id",
                "choice",
                debate_id=_ID,
                choice={"type": "string", "description": "The seat whose answer is best."},
                voter={"type": "string", "description": "Who votes."},
                confidence={"type": "number", "minimum": 0, "maximum": 1},
                reason={"type": "string"},
            ),
            use=cast_vote,
            changes=True,
        ),
    )
}
TEMPLATE = {
    "uriTemplate": SCHEME + "{id}",
    "name": "debate",
    "description": "A debate as it stands, by its id.",
    "mimeType": JSON,
}


def _tool(tool: Tool) -> dict[str, Any]:
    hints = {"readOnlyHint": not tool.changes, "destructiveHint": False}
    return {"name": tool.name, "description": tool.about, "inputSchema": tool.takes, "annotations": hints}


async def _discover(host: Host, raw: bytes) -> dict[str, Any]:  # noqa: ARG001 - every step takes both
    return {**_server(), "supportedVersions": [MODERN, *HANDSHAKES]}


async def _initialize(host: Host, raw: bytes) -> dict[str, Any]:  # noqa: ARG001 - as above
    wanted = parse(raw, _Greeting).protocol_version
    return {**_server(), "protocolVersion": wanted if wanted in HANDSHAKES else HANDSHAKES[0]}


async def _ping(host: Host, raw: bytes) -> dict[str, Any]:  # noqa: ARG001 - as above
    return {}


async def _tools(host: Host, raw: bytes) -> dict[str, Any]:  # noqa: ARG001 - as above
    return {"tools": [_tool(tool) for tool in TOOLS.values()]}


async def _call(host: Host, raw: bytes) -> dict[str, Any]:
    return await host.call(parse(raw, _Called))


async def _resources(host: Host, raw: bytes) -> dict[str, Any]:  # noqa: ARG001 - as above
    return {"resources": await host.resources()}


async def _templates(host: Host, raw: bytes) -> dict[str, Any]:  # noqa: ARG001 - as above
    return {"resourceTemplates": [TEMPLATE]}


async def _read(host: Host, raw: bytes) -> dict[str, Any]:
    return await host.read(parse(raw, _Read).uri)


async def _prompts(host: Host, raw: bytes) -> dict[str, Any]:  # noqa: ARG001 - as above
    return {"prompts": []}


STEPS: dict[str, Callable[[Host, bytes], Awaitable[dict[str, Any]]]] = {
    "server/discover": _discover,
    "initialize": _initialize,
    "ping": _ping,
    "tools/list": _tools,
    "tools/call": _call,
    "resources/list": _resources,
    "resources/templates/list": _templates,
    "resources/read": _read,
    "prompts/list": _prompts,
}


def _server() -> dict[str, Any]:
    who = {"name": "aragora", "title": "Aragora", "version": __version__}
    return {
        "serverInfo": who,
        "capabilities": {"tools": {}, "resources": {}},
        "instructions": INSTRUCTIONS,
        "_meta": {"io.modelcontextprotocol/serverInfo": who},
    }


def _wrong(message_id: str | int | None, code: int, text: str) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": message_id, "error": {"code": code, "message": text}})


class RpcAnswer(msgspec.Struct, omit_defaults=True):
    """A JSON-RPC answer: a result or an error."""

    jsonrpc: str
    id: str | int | None
    result: dict[str, Any] = {}
    error: dict[str, Any] = {}


async def serve(parts: Parts, request: Asked) -> Response:
    """One message over HTTP, one answer; 202 for what needs none."""
    raw = await read_body(request, parts.settings.max_body_bytes)
    answer = await Host(parts, caller_of(request)).answer(raw)
    return Response(status_code=202) if answer is None else Response(answer, media_type=JSON)
