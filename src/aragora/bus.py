"""The doorbell: tells whoever follows a debate that its log has grown. It may lose a ring; nobody loses an event by that."""

from collections.abc import Callable

# Called with None when the log has grown, or with a whole wire frame that is not in the log, such as a piece of a text.
Listener = Callable[[str | None], None]


class LocalBus:
    """The doorbell within one process."""

    def __init__(self) -> None:
        """Nobody listens yet."""
        self._listeners: dict[str, list[Listener]] = {}
        self._hearers: dict[str, list[Callable[[], None]]] = {}

    def ring(self, debate_id: str, frame: str | None = None) -> None:
        """Wake the listeners of a debate; never waits and never fails."""
        for listener in self._listeners.get(debate_id, ()):
            listener(frame)
        if frame is None:
            for rung in self._hearers.get(debate_id, ()):
                rung()

    def listen(self, debate_id: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` at each ring until the returned function is called."""
        self._listeners.setdefault(debate_id, []).append(listener)

        def stop() -> None:
            mine = self._listeners[debate_id]
            mine.remove(listener)
            if not mine:
                del self._listeners[debate_id]

        return stop

    def hear(self, debate_id: str, rung: Callable[[], None]) -> Callable[[], None]:
        """Call `rung` whenever the log has grown, until the returned function is called; does not count as following."""
        self._hearers.setdefault(debate_id, []).append(rung)

        def stop() -> None:
            mine = self._hearers[debate_id]
            mine.remove(rung)
            if not mine:
                del self._hearers[debate_id]

        return stop

    def followed(self, debate_id: str) -> bool:
        """Whether anybody would hear a ring; pieces of texts are only sent when somebody would."""
        return debate_id in self._listeners
