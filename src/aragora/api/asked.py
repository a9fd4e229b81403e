"""A request whose headers are found in one step; Starlette goes through all of them for each. Imports nothing of ours."""

from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive, Scope

NAMED = "aragora.headers"


class Named(Headers):
    """Headers by name. Where one is repeated the first counts, as in the class above."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope=scope)
        self._named = {name: value.decode("latin-1") for name, value in reversed(self._list)}

    def __getitem__(self, key: str) -> str:
        return self._named[key.lower().encode("latin-1")]

    def __contains__(self, key: Any) -> bool:  # noqa: ANN401 - as above
        return key.lower().encode("latin-1") in self._named

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - as in Mapping
        """The value of a header."""
        return self._named.get(key.lower().encode("latin-1"), default)


class Asked(Request):
    """One request. Everything that handles it shares its headers."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        if NAMED not in scope:
            scope[NAMED] = Named(scope)

    @property
    def headers(self) -> Named:
        """Its headers."""
        named: Named = self.scope[NAMED]
        return named
