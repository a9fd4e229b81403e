"""The doorbell: tells whoever follows a debate that its log has grown. It may lose a ring; nobody loses an event by that.

Holds the port, and the bus within one process. Imports nothing of ours; `redis` beside it is the bus between processes.
"""

from collections.abc import Callable
from typing import Protocol

# Called with None when the log has grown, or with a whole wire frame that is not in the log, such as a piece of a text.
Listener = Callable[[str | None], None]

# What runners hear besides debates: there is work to take, or work to let go of. No debate has such an id.
WORK = "WORK"


class Bus(Protocol):
    """What engine and feed need of a doorbell."""

    @property
    def shared(self) -> bool:
        """Whether other processes hear a ring now; when they should and do not, they poll."""
        ...

    def ring(self, debate_id: str, frame: str | None = None) -> None:
        """Wake the listeners of a debate; never waits and never fails."""
        ...

    def listen(self, debate_id: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` at each ring until the returned function is called."""
        ...

    def hear(self, debate_id: str, rung: Callable[[], None]) -> Callable[[], None]:
        """Call `rung` whenever the log has grown, until the returned function is called; does not count as following."""
        ...

    def followed(self, debate_id: str) -> bool:
        """Whether anybody would hear a ring; pieces of texts are only sent when somebody would."""
        ...


class LocalBus:
    """The doorbell within one process."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self.listeners: dict[str, list[Listener]] = {}
        self.hearers: dict[str, list[Callable[[], None]]] = {}

    @property
    def shared(self) -> bool:
        """There is nobody else."""
        return False

    def ring(self, debate_id: str, frame: str | None = None) -> None:
        """Wake the listeners of a debate; never waits and never fails."""
        for listener in self.listeners.get(debate_id, ()):
            listener(frame)
        if frame is None:
            for rung in self.hearers.get(debate_id, ()):
                rung()

    def listen(self, debate_id: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` at each ring until the returned function is called."""
        self.listeners.setdefault(debate_id, []).append(listener)

        def stop() -> None:
            mine = self.listeners[debate_id]
            mine.remove(listener)
            if not mine:
                del self.listeners[debate_id]

        return stop

    def hear(self, debate_id: str, rung: Callable[[], None]) -> Callable[[], None]:
        """Call `rung` whenever the log has grown, until the returned function is called; does not count as following."""
        self.hearers.setdefault(debate_id, []).append(rung)

        def stop() -> None:
            mine = self.hearers[debate_id]
            mine.remove(rung)
            if not mine:
                del self.hearers[debate_id]

        return stop

    def followed(self, debate_id: str) -> bool:
        """Whether anybody would hear a ring; pieces of texts are only sent when somebody would."""
        return debate_id in self.listeners
