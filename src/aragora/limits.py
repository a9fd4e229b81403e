"""How often a caller may ask: requests counted per minute by the `limits` library. Imports errors only.

A limit of 0 is no limit. Counting is in memory, or in Redis for all processes together. While Redis is away each process counts
for itself, but for attempts to log in, which are refused: guesses of a password must not become cheaper by being spread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import ceil
from time import monotonic, time

import structlog
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter, RateLimiter
from limits.storage import storage_from_string

from aragora.errors import Overloaded, RateLimited

log = structlog.get_logger(__name__)

WINDOW_S = 60
# What is refused rather than counted by each process alone.
CLOSED = frozenset({"auth"})
# A request waits for Redis no longer than this, and for so long after that Redis is not asked at all.
REDIS_TIMEOUT_S = 0.25
AWAY_S = 1.0
RETRY_AFTER_S = 5.0
# Whoever has one IPv6 address usually has all of its network.
NETWORK_BITS = 64


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to a caller of one kind of request."""

    kind: str
    amount: int
    left: int
    reset_s: int  # until the oldest request that counts is forgotten
    granted: bool = True

    def raise_if_spent(self) -> None:
        """Raise RateLimited with the seconds to wait, when this was one too many."""
        if not self.granted:
            why = f"More than {self.amount} such requests in a minute."
            raise RateLimited(why, retry_after_s=self.reset_s)


class Limits:
    """Counts requests by kind and caller."""

    def __init__(self, per_minute: Mapping[str, int], *, redis_url: str = "") -> None:
        """`per_minute` gives the bound of each kind, such as `{"default": 100}`; with `redis_url` processes count together."""
        self._items: dict[str, RateLimitItem] = {
            kind: RateLimitItemPerMinute(amount, namespace=kind) for kind, amount in per_minute.items() if amount
        }
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._storage = _redis(redis_url) if redis_url and self._items else None
        self._shared = MovingWindowRateLimiter(self._storage) if self._storage else None
        self._away_until = 0.0

    async def count(self, kind: str, caller: str) -> Allowance | None:
        """Count one request; what is left then, or None where nothing is counted."""
        item = self._items.get(kind)
        if item is None:
            return None
        if self._shared is None:
            return await _hit(self._own, kind, item, caller)
        if monotonic() >= self._away_until:
            try:
                return await _hit(self._shared, kind, item, caller)
            except Exception as error:  # noqa: BLE001  # whatever is wrong with Redis, requests are still answered
                self._away_until = monotonic() + AWAY_S
                log.warning("limits are counted by each process", error=type(error).__name__)
        if kind in CLOSED:
            raise Overloaded("Nobody can log in at the moment.", retry_after_s=RETRY_AFTER_S)
        return await _hit(self._own, kind, item, caller)

    async def check(self, kind: str, caller: str) -> None:
        """Count one request; raises RateLimited with the seconds to wait when it is one too many."""
        allowance = await self.count(kind, caller)
        if allowance is not None:
            allowance.raise_if_spent()

    async def close(self) -> None:
        """Let go of Redis."""
        if self._storage is not None:
            await self._storage.bridge.storage.aclose()  # type: ignore[attr-defined]  # redis-py behind it


async def _hit(limiter: RateLimiter, kind: str, item: RateLimitItem, caller: str) -> Allowance:
    granted = await limiter.hit(item, caller)
    window = await limiter.get_window_stats(item, caller)
    reset_s = min(WINDOW_S, max(1, ceil(window.reset_time - time())))
    return Allowance(kind, item.amount, max(0, window.remaining), reset_s, granted)


def _redis(redis_url: str) -> RedisStorage:
    """Counts in Redis, which need not be there yet."""
    options = {"socket_timeout": REDIS_TIMEOUT_S, "socket_connect_timeout": REDIS_TIMEOUT_S}
    storage = storage_from_string(f"async+{redis_url}", implementation="redispy", wrap_exceptions=True, **options)
    assert isinstance(storage, RedisStorage)
    return storage


class Proxies:
    """Which peers may say on whose behalf they ask."""

    def __init__(self, trusted: Sequence[IPv4Network | IPv6Network]) -> None:
        """`trusted` are the networks that proxies ask from."""
        self._networks = trusted

    def caller(self, peer: str, forwarded: str) -> str:
        """The address to count: the last one in `X-Forwarded-For` that no trusted proxy vouches for having sent itself."""
        hops = [part.strip() for part in forwarded.split(",") if part.strip()]
        address = peer
        while hops and self._trusts(address) and _is_address(hops[-1]):
            address = hops.pop()
        return _counted(address)

    def encrypted(self, peer: str, forwarded: str, scheme: str) -> bool:
        """Whether the caller's own connection is encrypted: `forwarded` is `X-Forwarded-Proto`, where a trusted proxy says it."""
        return (forwarded if forwarded and self._trusts(peer) else scheme) == "https"

    def _trusts(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _counted(address: str) -> str:
    """What an address is counted as: an IPv6 one as its network, an IPv4 one inside IPv6 as itself."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address) or found.is_loopback:
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, NETWORK_BITS), strict=False))
