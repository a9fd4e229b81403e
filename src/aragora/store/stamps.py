"""A mark that goes into the transaction of whatever a request writes first. Imports the port only.

A request that may be repeated has to leave its mark in the very transaction of its effect, whichever query that is. So the mark
travels with the request, in its context, and the drivers take it along: the one thing in the store that is not an argument.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from aragora.store import Statement

DONE = "UPDATE repeats SET state = 'done', reference = :reference WHERE name = :name"


class Stamp:
    """The mark of one request. `made` says whether it is on disk; it is made once, and only while the request is handled."""

    def __init__(self, name: str) -> None:
        """`name` is that of its row in `repeats`."""
        self.name = name
        self.made = False
        self.open = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Mark the first write that takes effect within."""
        token = _held.set(self)
        try:
            yield
        finally:
            _held.reset(token)
            self.open = False  # tasks that were started meanwhile have a copy of the context, and write for themselves


_held: ContextVar[Stamp | None] = ContextVar("stamp", default=None)


def held() -> Stamp | None:
    """The mark that the next write has to take along."""
    stamp = _held.get()
    return stamp if stamp is not None and stamp.open and not stamp.made else None


def stamped(work: Sequence[Statement], stamp: Stamp | None) -> Sequence[Statement]:
    """The work with its mark; the reference is what the first statement says is its `id`."""
    if stamp is None:
        return work
    reference = str(work[0].params.get("id", ""))
    return [*work, Statement(DONE, {"name": stamp.name, "reference": reference})]
