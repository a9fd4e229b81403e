"""What may be wrong with the text of a setting: each function says it without repeating the text. Imports nothing of ours."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

SQLITE = "sqlite:///"
POSTGRES = ("postgresql://", "postgres://")
REDIS = re.compile(r"(?:(?:rediss?|redis\+cluster)://[^/\s]+(?:/\d*)?|redis\+sentinel://[^/\s]+/[^/\s]+)\Z")
# A scheme, a name or address, perhaps a port: what browsers send as Origin.
ORIGIN = re.compile(r"https?://[a-z0-9.-]+(?::\d{1,5})?\Z|https?://\[[0-9a-f:.]+\](?::\d{1,5})?\Z")


def commas(text: str) -> tuple[str, ...]:
    """The parts between commas, without what surrounds them."""
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)


def of_key(text: str) -> str | None:
    """A signing key."""
    return "must be 64 hexadecimal digits" if text and not re.fullmatch("[0-9a-fA-F]{64}", text) else None


def of_database(url: str) -> str | None:
    """A database."""
    if url.startswith(POSTGRES):
        return of_postgres(url)
    if not url.startswith(SQLITE):
        return f"must begin with {SQLITE} or {POSTGRES[0]}"
    path = url.removeprefix(SQLITE)
    return None if path and path != ":memory:" and not {"?", "#"} & set(path) else f"must name a file: {SQLITE}PATH"


def of_postgres(url: str) -> str | None:
    """A database that must be PostgreSQL."""
    return None if url.startswith(POSTGRES) else f"must look like {POSTGRES[0]}USER@HOST/DATABASE"


def of_redis(url: str) -> str | None:
    """A Redis."""
    like = "redis://HOST:PORT, redis+cluster://HOST:PORT,HOST:PORT or redis+sentinel://HOST:PORT,HOST:PORT/NAME-OF-THE-MASTER"
    return None if REDIS.match(url) else f"must look like {like}"


def of_networks(text: str) -> str | None:
    """Addresses and networks."""
    try:
        networks(text)
    except ValueError:
        return "must be addresses or networks with commas between them, such as 10.0.0.0/8,::1"
    return None


def of_hosts(text: str) -> str | None:
    """Host names."""
    bad = any(set(host) & set("/@ \\") for host in commas(text))
    return "must be host names with commas between them, without scheme or path" if bad else None


def of_origins(text: str) -> str | None:
    """Origins."""
    bad = [part for part in commas(text) if part != part.lower() or not ORIGIN.match(part)]
    return "must be origins with commas between them, such as https://aragora.example.com, without a path" if bad else None


def loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine only."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses and networks, read; raises ValueError."""
    return tuple(ip_network(part, strict=False) for part in commas(text))
