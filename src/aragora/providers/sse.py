"""Server-sent events: bytes in, the data of whole events out. Imports nothing of ours."""


class Events:
    """Splits a stream of bytes into events, however it is cut into pieces. Lines end in LF or CRLF."""

    def __init__(self) -> None:
        """Start at the beginning of a stream."""
        self._rest: list[bytes] = []  # the pieces of a line that has not ended yet
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of every event that `piece` completes. An event that the stream never completes is never returned."""
        self._rest.append(piece)
        if b"\n" not in piece:
            return []
        lines = b"".join(self._rest).split(b"\n")
        self._rest = [lines.pop()]
        events: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif line in (b"", b"\r") and self._data:
                events.append(b"\n".join(self._data))
                self._data = []
        return events
