"""From a path to its endpoint in as many steps as the path has parts, however many endpoints there are. Imports nothing of ours.

The raw path is split before its escapes are read, so that a name with a slash in it (`vendor/model`) is one part.
"""

from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote

T = TypeVar("T")


@dataclass(slots=True)
class _Node(Generic[T]):
    """A place in the tree of paths: what is here by method, and what may come next."""

    methods: dict[str, T] = field(default_factory=dict)
    parts: dict[str, "_Node[T]"] = field(default_factory=dict)
    named: "_Node[T] | None" = None
    rest: "_Node[T] | None" = None  # for whatever comes, one part or many
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """What is under a path: by method, and the values of its named parts."""

    methods: dict[str, T]
    values: dict[str, str]


class Paths(Generic[T]):
    """Paths such as `/debates/{id}` and `/files/{*path}`; a written part wins over a named one, and that over the rest."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._root: _Node[T] = _Node()

    def add(self, method: str, path: str, value: T) -> None:
        """Put `value` under a method and a path."""
        node, names = self._root, []
        for part in path.split("/")[1:]:
            if part.startswith("{*"):
                names.append(part[2:-1])
                node.rest = node.rest or _Node()
                node = node.rest
            elif part.startswith("{"):
                names.append(part[1:-1])
                if node.named is None:
                    node.named = _Node()
                node = node.named
            else:
                node = node.parts.setdefault(part, _Node())
        node.methods[method] = value
        node.names = tuple(names)

    def find(self, raw_path: bytes) -> Match[T] | None:
        """What is under a raw path; None when nothing is."""
        values: list[str] = []
        parts = raw_path.decode("latin-1").split("/")[1:]
        if b"%" in raw_path:
            parts = [unquote(part) for part in parts]
        node = _straight(self._root, parts, values)
        if node is None:
            values.clear()
            node = _walk(self._root, parts, 0, values)
        return None if node is None else Match(node.methods, dict(zip(node.names, values, strict=True)))


def _straight(node: _Node[T], parts: list[str], values: list[str]) -> _Node[T] | None:
    """Where the first choice at each part leads, which is nearly always the answer."""
    for part in parts:
        written = node.parts.get(part)
        if written is not None:
            node = written
        elif node.named is not None and part:
            values.append(part)
            node = node.named
        else:
            return None
    return node if node.methods else None


def _walk(node: _Node[T], parts: list[str], place: int, values: list[str]) -> _Node[T] | None:
    """Go down one part at a time; where the written part leads nowhere, the named one is tried, then the rest."""
    if place == len(parts):
        return node if node.methods else None
    part = parts[place]
    written = node.parts.get(part)
    if written is not None:
        found = _walk(written, parts, place + 1, values)
        if found is not None:
            return found
    if node.named is not None and part:
        values.append(part)
        found = _walk(node.named, parts, place + 1, values)
        if found is not None:
            return found
        values.pop()
    if node.rest is not None:
        values.append("/".join(parts[place:]))
    return node.rest
