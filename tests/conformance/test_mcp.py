"""The real MCP client lists and uses the tools, over HTTP and over standard input and output."""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from builders import in_loop, served

mcp: Any = pytest.importorskip("mcp")
stdio: Any = pytest.importorskip("mcp.client.stdio")
mcp_client: Any = pytest.importorskip("mcp.client.client")

TOOLS = {"start_debate", "get_debate", "list_debates", "list_agents", "cast_vote"}
ASKED = {"topic": "Tea or coffee?", "agents": ["demo", "demo"], "rounds": 1, "wait_seconds": 20}


@asynccontextmanager
async def over_http(folder: Path, mode: str) -> AsyncIterator[Any]:
    """A client of a server that runs."""
    with served(folder) as server:
        async with mcp_client.Client(f"http://127.0.0.1:{server.api_port}/mcp", mode=mode) as client:
            yield client


@asynccontextmanager
async def over_stdio(folder: Path, mode: str) -> AsyncIterator[Any]:
    """A client that starts a server of its own."""
    environ = {**os.environ, "ARAGORA_DEMO_DELAY_S": "0"}
    command = stdio.StdioServerParameters(command=sys.executable, args=["-m", "aragora", "mcp"], cwd=str(folder), env=environ)
    async with mcp_client.Client(stdio.stdio_client(command), mode=mode) as client:
        yield client


WAYS = [(over_http, "auto"), (over_http, "legacy"), (over_stdio, "auto"), (over_stdio, "legacy")]


@pytest.mark.parametrize(("way", "mode"), WAYS)
def test_client_lists_and_uses_the_tools(tmp_path: Path, way: Any, mode: str) -> None:
    """A debate is started, waited for and read, as a tool's answer and as a resource; errors are told to the model."""
    _use(tmp_path, way, mode)


@in_loop
async def _use(folder: Path, way: Any, mode: str) -> None:
    async with way(folder, mode) as client:
        assert TOOLS == {tool.name for tool in (await client.list_tools()).tools}
        started = (await client.call_tool("start_debate", ASKED)).structured_content
        assert ("completed", ["demo-1", "demo-2"]) == (started["status"], started["agents"])
        read = (await client.call_tool("get_debate", {"debate_id": started["id"]})).structured_content
        assert started == read
        uri = f"debate://{started['id']}"
        assert uri in {str(each.uri) for each in (await client.list_resources()).resources}
        assert started == json.loads((await client.read_resource(uri)).contents[0].text)
        assert ["debate://{id}"] == [each.uri_template for each in (await client.list_resource_templates()).resource_templates]
        agents = (await client.call_tool("list_agents", {})).structured_content["agents"]
        assert "demo" in {each["name"] for each in agents}
        for name, given in (
            ("get_debate", {"debate_id": "nothing"}),
            ("start_debate", {"topic": ""}),
            ("start_debate", {"topic": 1}),
        ):
            assert (await client.call_tool(name, given)).is_error


def test_vote_is_cast(tmp_path: Path) -> None:
    """A person's vote counts once, in a debate that waits for a person."""
    _vote(tmp_path)


@in_loop
async def _vote(folder: Path) -> None:
    async with over_http(folder, "auto") as client:
        started = (await client.call_tool("start_debate", {"topic": "Tea?", "agents": ["demo", "person"]})).structured_content
        vote = {"debate_id": started["id"], "choice": "demo", "voter": "Ann"}
        for changed in (True, False):
            counted = (await client.call_tool("cast_vote", vote)).structured_content
            assert ({"demo": 1}, changed) == (counted["tally"], counted["changed"])


def test_what_is_no_message_is_an_error_of_the_protocol(tmp_path: Path) -> None:
    """Broken JSON, an unknown method and an unknown tool have their codes; a notification has no answer."""
    with served(tmp_path) as server:
        codes = [
            server.ask("/mcp", raw).json["error"]["code"]
            for raw in (
                b"{",
                b"[]",
                b'{"jsonrpc":"2.0","id":1,"method":"nothing"}',
                b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"nothing"}}',
                b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}',
            )
        ]
        assert [-32700, -32600, -32601, -32602, -32602] == codes
        assert 202 == server.ask("/mcp", b'{"jsonrpc":"2.0","method":"notifications/initialized"}').status
