"""Sends a text to watchers while it is being written: rings with a payload, which are not stored. May import bus and debate."""

from collections.abc import Callable
from time import monotonic

import msgspec

from aragora.bus import Bus
from aragora.debate.model import Phase, Turn

# Pieces of a text are sent to watchers at most this often; between, they are joined.
PIECES_EVERY_S = 0.04


class Pieces:
    """Sends a text to watchers while it is being written. Pieces are joined, not stored, and may be missed."""

    def __init__(self, bus: Bus, debate_id: str, turn: Turn, *, now: Callable[[], str]) -> None:
        """The turn begins: its watchers are told that the seat thinks."""
        self._bus, self._id, self._turn, self._now = bus, debate_id, turn, now
        self._joined: list[str] = []
        self._sent = 0.0
        self._send("agent_thinking", "")

    def add(self, text: str) -> None:
        """Take the next piece. Ballots and critiques are written as JSON, which is nothing to watch."""
        if self._turn.phase not in (Phase.PROPOSE, Phase.REVISE, Phase.SYNTHESISE):
            return
        self._joined.append(text)
        now = monotonic()
        if now - self._sent >= PIECES_EVERY_S:
            self._send("agent_delta", "".join(self._joined))
            self._joined.clear()
            self._sent = now

    def _send(self, name: str, text: str) -> None:
        turn = self._turn
        data = {"round": turn.round, "phase": turn.phase, "seat": turn.seat.name, "agent": turn.seat.name, "text": text}
        frame = {"type": name, "debate_id": self._id, "timestamp": self._now(), "data": data}
        self._bus.ring(self._id, msgspec.json.encode(frame).decode())
