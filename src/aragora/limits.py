"""How often a caller may ask: requests counted per minute by the `limits` library. Imports errors only.

A limit of 0 is no limit. Counting is in memory, for one process.
"""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from time import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from aragora.errors import RateLimited


class Limits:
    """Counts requests by kind and caller."""

    def __init__(self, per_minute: Mapping[str, int]) -> None:
        """`per_minute` gives the bound of each kind, such as `{"default": 100}`."""
        self._items: dict[str, RateLimitItem] = {
            kind: RateLimitItemPerMinute(amount, namespace=kind) for kind, amount in per_minute.items() if amount
        }
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def check(self, kind: str, caller: str) -> None:
        """Count one request; raises RateLimited with the seconds to wait when it is one too many."""
        item = self._items.get(kind)
        if item is None or await self._limiter.hit(item, caller):
            return
        window = await self._limiter.get_window_stats(item, caller)
        wait_s = max(1.0, window.reset_time - time())
        raise RateLimited(f"More than {item.amount} such requests in a minute.", retry_after_s=wait_s)


class Proxies:
    """Which peers may say on whose behalf they ask."""

    def __init__(self, trusted: Sequence[IPv4Network | IPv6Network]) -> None:
        """`trusted` are the networks that proxies ask from."""
        self._networks = trusted

    def caller(self, peer: str, forwarded: str) -> str:
        """The address to count: the last one in `X-Forwarded-For` that no trusted proxy vouches for having sent itself."""
        hops = [part.strip() for part in forwarded.split(",") if part.strip()]
        address = peer
        while hops and self._trusts(address):
            address = hops.pop()
        return address

    def _trusts(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._networks)
