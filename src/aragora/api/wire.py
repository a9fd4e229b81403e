"""WebSocket, as uvicorn's with what it lacks: frames encoded before, a way to drop who does not read. Imports nothing of ours."""

import logging
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

# How long a client that was told to go may take to read its close frame before it is cut off.
LAST_WORDS_S = 5.0
SOCKET = "aragora.socket"
# One line for each that comes and goes is a tenth of a connection; what goes wrong is said.
QUIET = logging.getLogger("aragora.sockets")
QUIET.setLevel(logging.WARNING)


class Socket(WebSocketsSansIOProtocol):
    """WebSocket whose application can write what is encoded already, and drop a client that has stopped reading."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self.logger = self.conn.logger = QUIET

    async def run_asgi(self) -> None:
        """Offer both to the application."""
        self.scope["extensions"][SOCKET] = {"put": self.put, "drop": self.drop}
        await super().run_asgi()

    def put(self, frame: bytes) -> bool:
        """Write a whole frame at once, if the client has read what came before; if not, whoever sends it has to wait."""
        if self.close_sent or self.disconnected or not self.writable.is_set() or self.transport.is_closing():
            return False
        self.transport.write(frame)
        return True

    def drop(self, code: int, reason: str) -> None:
        """Say goodbye behind whatever is unread, and cut the line soon, whether or not that was read."""
        if self.close_sent or self.disconnected:
            return
        self.close_sent = True
        self.stop_keepalive()
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        # Closing waits for ever until everything has been read; this client does not read.
        self.close_timer = self.loop.call_later(LAST_WORDS_S, self.transport.abort)
