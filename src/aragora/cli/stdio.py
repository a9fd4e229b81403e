"""`aragora mcp`: an MCP server on standard input and output, one JSON-RPC message a line. May import `app` and the API."""

import asyncio
import sys

from aragora import app
from aragora.api.callers import OPERATOR
from aragora.api.mcp import Host
from aragora.config import Loaded

LINE_BYTES_MAX = 4_194_304


async def serve(loaded: Loaded) -> None:
    """Answer until the input ends; debates that are then still running go on at the next start."""
    async with app.open_parts(loaded) as parts, asyncio.TaskGroup() as tasks:
        tasks.create_task(parts.engine.run())
        try:
            await _answer_all(Host(parts, OPERATOR))
        finally:
            parts.engine.abort()


async def _answer_all(host: Host) -> None:
    lines = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    lock = asyncio.Lock()
    async with asyncio.TaskGroup() as tasks:
        while line := await lines.readline():
            if line.strip():
                tasks.create_task(_answer(host, line, lock))


async def _answer(host: Host, line: bytes, lock: asyncio.Lock) -> None:
    """One message; those that take long do not hold up the others."""
    answer = await host.answer(line)
    if answer is not None:
        async with lock:
            sys.stdout.buffer.write(answer + b"\n")
            sys.stdout.buffer.flush()
