"""Encoded answers that are worth keeping: bounded in number and in age. Imports nothing of ours."""

from collections import OrderedDict
from collections.abc import Callable


class Cache:
    """A least-recently-used store of bytes. An entry is served until it is too old or pushed out."""

    def __init__(self, *, entries_max: int, clock: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds."""
        self._entries: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._entries_max = entries_max
        self._clock = clock

    def get(self, key: str) -> bytes | None:
        """The bytes kept under `key`, if they are still fresh."""
        found = self._entries.get(key)
        if found is None:
            return None
        until, value = found
        if until < self._clock():
            del self._entries[key]
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: str, value: bytes, *, ttl_s: float) -> None:
        """Keep `value` for `ttl_s` seconds at most."""
        self._entries[key] = (self._clock() + ttl_s, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self._entries_max:
            self._entries.popitem(last=False)

    def drop(self, key: str) -> None:
        """Forget `key`: what was kept is no longer so."""
        self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)
