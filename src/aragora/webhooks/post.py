"""Sends a delivery, to a public address only. Imports its package; imported itself when one is due, for aiohttp's sake."""

import asyncio
import socket
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult

from aragora.webhooks import PORTS


class Refused(Exception):
    """Where the delivery would go is not a public address."""


async def post(url: str, body: bytes, headers: Mapping[str, str], *, private: bool, timeout_s: float) -> tuple[bool, str]:
    """Whether it was taken, and what came back, in a word. With `private`, addresses that are not public are told too."""
    try:
        async with asyncio.timeout(timeout_s):
            pinned = _Pinned(await _address(url, private=private))
            connector = TCPConnector(resolver=pinned, use_dns_cache=False, force_close=True)
            timeout = ClientTimeout(total=timeout_s)
            async with (
                ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
                session.post(url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                return response.ok and response.status < 300, str(response.status)  # noqa: PLR2004 - a redirect is no delivery
    except Refused:
        return False, "refused: not a public address"
    except TimeoutError:
        return False, "timeout"
    except (ClientError, OSError, ValueError) as error:
        return False, type(error).__name__


async def _address(url: str, *, private: bool) -> tuple[str, int]:
    """Address and family to connect to; raises Refused when any address of the name is not public."""
    parts = urlsplit(url)
    port = parts.port or PORTS[parts.scheme]
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    addresses = [(str(sockaddr[0]), int(family)) for family, _, _, _, sockaddr in found]
    if not addresses or not (private or all(public(address) for address, _ in addresses)):
        raise Refused
    return addresses[0]


class _Pinned(AbstractResolver):
    """Answers every name with the one address that was checked."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address, self._family = address

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:  # noqa: ARG002 - its signature
        """The address."""
        return [
            ResolveResult(
                hostname=host,
                host=self._address,
                port=port,
                family=self._family,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""


def public(address: str) -> bool:
    """Whether an address is one of the public internet, whatever form it has."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            return inner.is_global and not inner.is_multicast
    return found.is_global and not found.is_multicast
