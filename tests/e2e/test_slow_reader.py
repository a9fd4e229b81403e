"""A watcher that does not read is closed, and slows nobody."""

import json
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from builders import WAIT_S, Served, served

WATCHERS = 20
VOTES = 1500
REASON = "x" * 2000


def test_a_stalled_reader_is_closed_and_slows_nobody(tmp_path: Path) -> None:
    """Of those who watch a busy debate, one stops reading: the others get every event, it is cut off."""
    with served(tmp_path, demo_delay_s=60, ws_send_timeout_s=1) as server, ExitStack() as stack:
        debate_id = server.ask("/api/debates", {"topic": "Busy?", "agents": ["demo"], "rounds": 1}).json["id"]
        stalled = stack.enter_context(a_stalled_reader(server, debate_id))
        seen: list[list[int]] = [[] for _ in range(WATCHERS)]
        watchers = [threading.Thread(target=watch, args=(server, debate_id, numbers), daemon=True) for numbers in seen]
        for each in watchers:
            each.start()
        for number in range(VOTES):
            vote = {"choice": "demo", "voter": f"person {number}", "reason": REASON}
            assert 201 == server.ask(f"/api/debates/{debate_id}/vote", vote).status
        for each in watchers:
            each.join(WAIT_S)
        assert all([*range(1, VOTES + 2)] == numbers for numbers in seen)
        assert is_cut_off(stalled)


def a_stalled_reader(server: Served, debate_id: str) -> socket.socket:
    """A WebSocket client that subscribes and then reads nothing, with the smallest buffers that there are."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(("127.0.0.1", server.ws_port))
    head = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    line.sendall(f"GET /ws?debate_id={debate_id} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode())
    return line


def watch(server: Served, debate_id: str, numbers: list[int]) -> None:
    """Note the number of each event until all votes have come."""
    with connect(f"ws://127.0.0.1:{server.api_port}/ws?debate_id={debate_id}") as client:
        while len(numbers) < VOTES + 1:
            frame: dict[str, Any] = json.loads(client.recv(WAIT_S))
            if "seq" in frame:
                numbers.append(frame["seq"])


def is_cut_off(line: socket.socket) -> bool:
    """Whether the server has closed this line; what it sent before is still there to be read, and ends with why."""
    line.settimeout(WAIT_S)
    deadline, tail = time.monotonic() + WAIT_S, b""
    while time.monotonic() < deadline:
        try:
            got = line.recv(65536)
        except ConnectionResetError:
            return True
        if not got:
            return True
        tail = (tail + got)[-200:]
        if b"reading too slowly" in tail:
            return (4008).to_bytes(2, "big") in tail
    return False
