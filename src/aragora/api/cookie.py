"""A login that a page never sees: its token in an HttpOnly cookie, good for this server's own pages alone. Imports auth, errors.

Browsers add a cookie to whatever is sent to a host, whoever asks. So one is only taken for a change, or for a WebSocket, when the
browser says that the asking page is of the same origin: scripts can set neither `Origin` nor `Sec-Fetch-Site`.
"""

from starlette.requests import HTTPConnection
from starlette.responses import Response

from aragora.auth.accounts import SESSION
from aragora.errors import Forbidden

NAME, HOST_ONLY = "aragora_session", "__Host-"
SAFE = frozenset({"GET", "HEAD"})


def names(connection: HTTPConnection) -> tuple[str, str]:
    """What the cookie is called, in clear and over TLS: with the port, as browsers keep cookies by host alone."""
    _, _, port = connection.headers.get("host", "").rpartition(":")
    name = f"{NAME}_{port}" if port.isascii() and port.isdigit() else NAME
    return name, HOST_ONLY + name


def session_in(connection: HTTPConnection) -> str:
    """The token in the cookie of a request; empty when there is none. Raises Forbidden where another page may have asked."""
    if "cookie" not in connection.headers:
        return ""
    plain, secure = names(connection)
    token = connection.cookies.get(secure) or connection.cookies.get(plain) or ""
    if not token.startswith(SESSION):
        return ""
    if connection.scope["type"] == "websocket" or connection.scope["method"] not in SAFE:
        require_own_page(connection)
    return token


def require_own_page(connection: HTTPConnection) -> None:
    """Raise Forbidden unless a browser says that a page of this very origin asks."""
    headers = connection.headers
    origin = headers.get("origin", "").partition("://")[2]
    if (origin and origin == headers.get("host", "")) or headers.get("sec-fetch-site") == "same-origin":
        return
    raise Forbidden("A cookie is taken from this server's own pages only; elsewhere, send Authorization: Bearer TOKEN.")


def remember(response: Response, connection: HTTPConnection, token: str, *, seconds: int, encrypted: bool) -> Response:
    """Give the browser a token to keep; one that came over TLS it never sends without."""
    name = names(connection)[encrypted]
    response.set_cookie(name, token, max_age=seconds, path="/", secure=encrypted, httponly=True, samesite="strict")
    return response


def forget(response: Response, connection: HTTPConnection) -> Response:
    """Have the browser drop whatever it sent."""
    for name in names(connection):
        if name in connection.cookies:
            encrypted = name.startswith(HOST_ONLY)
            response.delete_cookie(name, path="/", secure=encrypted, httponly=True, samesite="strict")
    return response
