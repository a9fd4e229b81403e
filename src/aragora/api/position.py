"""Lets a caller read what it wrote, whichever process and copy of the database answers. Imports the store's port only.

After a change the answer carries a cookie that names it. While a caller shows that cookie, a copy that does not have the change
yet is not asked. Whoever keeps no cookies may see a list as it was a moment ago. The cookie says nothing about anybody.
"""

import re

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aragora.store import position

COOKIE = "aragora_position"
KNOWN = re.compile(r"[0-9a-f]{24}\Z")
# Longer than any copy that is of use lags behind.
KEPT_S = 60


class Remembering:
    """An application whose callers' changes are remembered by the callers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        shown = HTTPConnection(scope).cookies.get(COOKIE, "")
        before = shown if KNOWN.match(shown) else ""
        position.set(before)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and position.get() != before:
                cookie = f"{COOKIE}={position.get()}; Max-Age={KEPT_S}; Path=/; HttpOnly; SameSite=Lax"
                message["headers"] = [*message["headers"], (b"set-cookie", cookie.encode())]
            await send(message)

        await self._app(scope, receive, answer)
