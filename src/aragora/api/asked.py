"""A request as everybody here is handed it: made once, its headers by name, its body read once. Imports nothing of ours."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope


class Named(Headers):
    """Headers found in one step; the class above goes through all of them each time. Where one is repeated the first counts."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope=scope)
        self._named = dict(reversed(self._list))

    def __getitem__(self, key: str) -> str:
        return self._named[key.lower().encode("latin-1")].decode("latin-1")

    def __contains__(self, key: Any) -> bool:  # noqa: ANN401 - as above
        return key.lower().encode("latin-1") in self._named

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - as in Mapping
        """The value of a header."""
        found = self._named.get(key.lower().encode("latin-1"))
        return default if found is None else found.decode("latin-1")


class Asked(Request):
    """One request."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        self._by_name = Named(scope)
        self.whole: bytes | None = None  # its body, once that has been read

    @property
    def headers(self) -> Named:
        """Its headers."""
        return self._by_name


class Knock(HTTPConnection):
    """A request for a WebSocket."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._by_name = Named(scope)

    @property
    def headers(self) -> Named:
        """Its headers."""
        return self._by_name


Serve = Callable[[Asked], Awaitable[Response]]
