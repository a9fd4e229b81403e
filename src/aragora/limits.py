"""How often a caller may ask, and how often we may ask a model: what is counted over the last minute. Imports errors only.

A limit of 0 is no limit. Counting is in memory, or by the `limits` library in Redis for all processes together. While Redis is
away each process counts for itself, but for attempts to log in, which are refused: guesses of a password must not become cheaper
by being spread. Calls of models are counted for all processes by meters; in memory they are by `providers.gate`.
"""

import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import ceil
from time import monotonic, time
from typing import Any

import structlog

from aragora.errors import Overloaded, RateLimited

log = structlog.get_logger(__name__)

WINDOW_S = 60
# What is refused rather than counted by each process alone.
CLOSED = frozenset({"auth"})
# A request waits for Redis no longer than this, and for so long after that Redis is not asked at all.
REDIS_TIMEOUT_S = 0.25
# A call of a model takes seconds itself, and one too many may be refused by the vendor.
METER_TIMEOUT_S = 1.0
REDIS_PORT = 6379
AWAY_S = 1.0
RETRY_AFTER_S = 5.0
# Whoever has one IPv6 address usually has all of its network.
NETWORK_BITS = 64
# Of so many callers it is remembered which address counts.
ADDRESSES_MAX = 4096

METER = "aragora:meter:"
MICRO = 1_000_000
# What `providers.flow.Pace` does, for requests and tokens at once: when all that was taken will have been paid off is kept, in
# microseconds of Redis' own clock. ARGV: for either, units to take, microseconds of a unit and of a burst; then for how long to
# hold everybody, and whether to take without asking. Returns 0, or how long to wait, and then nothing was taken.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local known = redis.call('HMGET', KEYS[1], 'requests', 'tokens', 'held')
local held = tonumber(known[3] or 0)
local wait, due = held - now, {}
for i = 1, 2 do
  local units, unit, burst = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local owed = math.max(tonumber(known[i] or 0), now)
  wait = math.max(wait, owed + math.min(units * unit, burst) - burst - now)
  due[i] = owed + units * unit
end
if wait > 0 and ARGV[8] == '0' then return math.ceil(wait) end
held = math.max(held, now + ARGV[7])
local function text(number) return string.format('%.0f', number) end
redis.call('HSET', KEYS[1], 'requests', text(due[1]), 'tokens', text(due[2]), 'held', text(held))
redis.call('PEXPIRE', KEYS[1], text(math.max(1, math.ceil((math.max(due[1], due[2], held) - now) / 1000))))
return 0
"""


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

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What is left, as the drafts of the IETF say it, and as everybody did before them."""
        kind, left = self.kind.encode(), str(self.left).encode()
        return [
            (b"ratelimit-policy", b'"%s";q=%d;w=%d' % (kind, self.amount, WINDOW_S)),
            (b"ratelimit", b'"%s";r=%s;t=%d' % (kind, left, self.reset_s)),
            (b"x-ratelimit-limit", str(self.amount).encode()),
            (b"x-ratelimit-remaining", left),
            (b"x-ratelimit-reset", str(int(time()) + self.reset_s).encode()),
        ]


class Limits:
    """Counts requests by kind and caller."""

    def __init__(self, per_minute: Mapping[str, int], *, redis_url: str = "") -> None:
        """`per_minute` gives the bound of each kind, such as `{"default": 100}`; with `redis_url` processes count together."""
        self._amounts = {kind: amount for kind, amount in per_minute.items() if amount}
        self._own = _Minute()
        self._shared = _Shared(redis_url) if redis_url and self._amounts else None
        self._away = _Away("limits are counted by each process")

    async def count(self, kind: str, caller: str) -> Allowance | None:
        """Count one request; what is left then, or None where nothing is counted."""
        amount = self._amounts.get(kind)
        if amount is None:
            return None
        if self._shared is None:
            return self._own.count(kind, amount, caller)
        if not self._away:
            with self._away.found():
                return await self._shared.count(kind, amount, caller)
        if kind in CLOSED:
            raise Overloaded("Nobody can log in at the moment.", retry_after_s=RETRY_AFTER_S)
        return self._own.count(kind, amount, caller)

    def counts_here(self, kind: str) -> bool:
        """Whether requests of a kind are counted by this process alone, or not at all, so that `count_here` may be called."""
        return self._shared is None or kind not in self._amounts

    def count_here(self, kind: str, caller: str) -> Allowance | None:
        """As `count`, where nobody else has to be asked."""
        amount = self._amounts.get(kind)
        return None if amount is None else self._own.count(kind, amount, caller)

    async def check(self, kind: str, caller: str) -> None:
        """Count one request; raises RateLimited with the seconds to wait when it is one too many."""
        allowance = await self.count(kind, caller)
        if allowance is not None:
            allowance.raise_if_spent()

    async def close(self) -> None:
        """Let go of Redis."""
        if self._shared is not None:
            await self._shared.close()


class _Minute:
    """When each caller asked during the last minute. Nothing is kept of a request that was refused, or of older ones."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], deque[float]] = {}
        self._swept = monotonic()

    def count(self, kind: str, amount: int, caller: str) -> Allowance:
        now = monotonic()
        if now - self._swept >= WINDOW_S:
            self._sweep(now)
        asked = self._asked.setdefault((kind, caller), deque())
        while asked and asked[0] <= now - WINDOW_S:
            asked.popleft()
        granted = len(asked) < amount
        if granted:
            asked.append(now)
        reset_s = min(WINDOW_S, max(1, ceil(asked[0] + WINDOW_S - now)))
        return Allowance(kind, amount, amount - len(asked), reset_s, granted)

    def _sweep(self, now: float) -> None:
        """Forget who has not asked for a minute."""
        self._swept = now
        self._asked = {name: asked for name, asked in self._asked.items() if asked[-1] > now - WINDOW_S}


class _Away:
    """Whether Redis was found to be away a moment ago; said once, until it is back."""

    def __init__(self, meaning: str) -> None:
        self._meaning, self._until, self._said = meaning, 0.0, False

    def __bool__(self) -> bool:
        return monotonic() < self._until

    @contextmanager
    def found(self) -> Iterator[None]:
        """Swallow whatever is wrong with Redis: what is asked of us is done without."""
        try:
            yield
        except Exception as error:  # noqa: BLE001
            self._until = monotonic() + AWAY_S
            if not self._said:
                log.warning(self._meaning, error=type(error).__name__)
            self._said = True
        else:
            self._said = False


class Meters:
    """Counts for all processes together what each model is asked, in Redis, which need not be there."""

    def __init__(self, redis_url: str) -> None:
        """Nothing is imported or connected to until a model is asked."""
        self._redis_url = redis_url
        self._redis: _Redis | None = None
        self._away = _Away("calls of models are counted by each process")

    def of(self, name: str, requests: tuple[float, float], tokens: tuple[float, float]) -> "Meter":
        """The meter of a model; seconds of a unit and of a burst, for requests and for tokens."""
        if self._redis is None:
            self._redis = _Redis(self._redis_url, timeout_s=METER_TIMEOUT_S)
        return Meter(self._redis.client.register_script(TAKE), METER + name, requests, tokens, self._away)

    async def close(self) -> None:
        """Let go of Redis."""
        if self._redis is not None:
            await self._redis.close()


class Meter:
    """Counts what one model is asked."""

    def __init__(
        self,
        script: Callable[..., Awaitable[int]],
        key: str,
        requests: tuple[float, float],
        tokens: tuple[float, float],
        away: _Away,
    ) -> None:
        """`requests` and `tokens` are seconds of a unit and of a burst."""
        self._script, self._key, self._away = script, key, away
        self._requests, self._tokens = ([seconds * MICRO for seconds in rate] for rate in (requests, tokens))

    async def take(self, tokens: int) -> float:
        """Take one request of so many tokens and return 0; or take nothing and return how many seconds to wait."""
        return await self._run(1, tokens, 0.0, 0)

    async def settle(self, *, tokens: int = 0, hold_s: float = 0.0) -> None:
        """Take more tokens, or give some back where negative; let nobody through for `hold_s`."""
        await self._run(0, tokens, hold_s, 1)

    async def _run(self, requests: int, tokens: int, hold_s: float, unasked: int) -> float:
        """Run the script; 0 while Redis is away."""
        if not self._away:
            given = [requests, *self._requests, tokens, *self._tokens, hold_s * MICRO, unasked]
            with self._away.found():
                return await self._script(keys=[self._key], args=given) / MICRO
        return 0.0


class _Redis:
    """Connections to Redis: one server, one behind sentinels, or a cluster."""

    def __init__(self, redis_url: str, *, timeout_s: float) -> None:
        # Without Redis nothing of the library is needed, and importing it takes time.
        from limits.storage import storage_from_string  # noqa: PLC0415

        options: dict[str, Any] = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        self._sentinel = redis_url.startswith("redis+sentinel://")
        if self._sentinel:
            # The login is that of the servers; sentinels are asked without one, and a replica may not have counted yet.
            options |= {"use_replicas": False, "sentinel_kwargs": {**options, "username": None, "password": None}}
        self.storage: Any = storage_from_string(
            f"async+{_with_ports(redis_url)}", implementation="redispy", wrap_exceptions=True, **options
        )

    @property
    def client(self) -> Any:  # noqa: ANN401  # of redis-py, which the library chose by the URL
        """The client."""
        return self.storage.bridge.get_connection()

    async def close(self) -> None:
        """Let go."""
        bridge = self.storage.bridge
        sentinels = bridge.sentinel.sentinels if self._sentinel else ()
        for client in (bridge.storage, *sentinels):
            await client.aclose()


class _Shared:
    """The same count for all processes, in Redis, which need not be there yet."""

    def __init__(self, redis_url: str) -> None:
        from limits import RateLimitItemPerMinute  # noqa: PLC0415  # as above
        from limits.aio.strategies import MovingWindowRateLimiter  # noqa: PLC0415

        self._redis = _Redis(redis_url, timeout_s=REDIS_TIMEOUT_S)
        self._limiter = MovingWindowRateLimiter(self._redis.storage)
        self._item = RateLimitItemPerMinute

    async def count(self, kind: str, amount: int, caller: str) -> Allowance:
        item = self._item(amount, namespace=kind)
        granted = await self._limiter.hit(item, caller)
        window = await self._limiter.get_window_stats(item, caller)
        reset_s = min(WINDOW_S, max(1, ceil(window.reset_time - time())))
        return Allowance(kind, amount, max(0, window.remaining), reset_s, granted)

    async def close(self) -> None:
        await self._redis.close()


def _with_ports(redis_url: str) -> str:
    """The URL with the usual port where it names none, which the library wants."""
    scheme, _, rest = redis_url.partition("://")
    login, at, places = rest.rpartition("@")
    hosts, slash, path = places.partition("/")
    named = ",".join(host if re.search(r":\d+\Z", host) else f"{host}:{REDIS_PORT}" for host in hosts.split(","))
    return f"{scheme}://{login}{at}{named}{slash}{path}"


class Proxies:
    """Which peers may say on whose behalf they ask."""

    def __init__(self, trusted: Sequence[IPv4Network | IPv6Network]) -> None:
        """`trusted` are the networks that proxies ask from."""
        self._networks = trusted
        self.caller = lru_cache(ADDRESSES_MAX)(self._caller)

    def _caller(self, peer: str, forwarded: str) -> str:
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
