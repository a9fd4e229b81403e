"""Traces: what a request and a debate spend their time on. `Silent` here costs next to nothing; `otel` is its working twin.

Imports nothing of ours. Built in app and handed down with the metrics, whose steps it names in the specification's words.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

# The steps of a round as the specification's table calls them; a request's steps are called alike in both.
STEPS = {
    "context": "context preparation",
    "agent": "agent call",
    "consensus": "consensus check",
    "record": "memory update",
    "broadcast": "event broadcast",
}

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Call(Protocol):
    """A question to one model, being asked."""

    def answered(self, tokens_in: int | None, tokens_out: int | None) -> None:
        """Say what the answer took."""
        ...

    def failed(self, fault: str, detail: str) -> None:
        """Say why there is no answer."""
        ...


class Traces(Protocol):
    """What is traced."""

    @property
    def on(self) -> bool:
        """Whether anything is traced."""
        ...

    @property
    def here(self) -> str:
        """The span at hand as a `traceparent`; empty when there is none."""
        ...

    def step(self, name: str, /, **about: str | int) -> AbstractContextManager[None]:
        """A span around a step, under the span at hand."""
        ...

    def lap(self, name: str, seconds: float) -> None:
        """A step that has just ended, under the span at hand."""
        ...

    def debate(self, debate_id: str, parent: str, /) -> AbstractContextManager[None]:
        """A span around the run of a debate, under `parent`, the `traceparent` of the request that asked for it."""
        ...

    def call(self, provider: str, model: str, agent: str, debate_id: str, /) -> AbstractContextManager[Call]:
        """A span around a question to a model, by the GenAI conventions."""
        ...

    def around(self, app: Application) -> Application:
        """The application with a span around each HTTP request, under the caller's `traceparent`."""
        ...

    def close(self) -> None:
        """Send what is left; blocks."""
        ...


class _Unheard:
    def answered(self, tokens_in: int | None, tokens_out: int | None) -> None:
        pass

    def failed(self, fault: str, detail: str) -> None:
        pass


_NOTHING: AbstractContextManager[None] = nullcontext()
_NO_CALL: AbstractContextManager[Call] = nullcontext(_Unheard())


class Silent:
    """Nothing is traced."""

    on = False
    here = ""

    def step(self, _name: str, /, **_about: str | int) -> AbstractContextManager[None]:
        """Nothing."""
        return _NOTHING

    def lap(self, name: str, seconds: float) -> None:
        """Nothing."""

    def debate(self, _debate_id: str, _parent: str, /) -> AbstractContextManager[None]:
        """Nothing."""
        return _NOTHING

    def call(self, _provider: str, _model: str, _agent: str, _debate_id: str, /) -> AbstractContextManager[Call]:
        """Nothing."""
        return _NO_CALL

    def around(self, app: Application) -> Application:
        """The application itself."""
        return app

    def close(self) -> None:
        """Nothing."""
