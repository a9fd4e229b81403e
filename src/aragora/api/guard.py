"""Which names this server answers to, and which pages may ask it for changes. May import config."""

from functools import lru_cache
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from aragora.config import Settings
from aragora.errors import Forbidden, Invalid
from aragora.flaws import loopback

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# Of so many names that clients call this server by, and origins, it is remembered what they say.
HOSTS_MAX = 1024


class Guard:
    """Refuses names that are not ours, and changes that a page of somebody else asks a browser to make."""

    def __init__(self, settings: Settings) -> None:
        self._origins = frozenset(settings.origins)
        hosts = {host.lower() for host in settings.host_names}
        # Without a list, a server on loopback answers to loopback names only: a page elsewhere could else rebind its own
        # name to this address and be taken for one of ours.
        local = loopback(settings.api_host)
        self._hosts = hosts | LOOPBACK if hosts else (set(LOOPBACK) if local else set())

    def __call__(self, connection: HTTPConnection, *, safe: bool) -> None:
        """Raise Invalid or Forbidden; what is `safe` changes nothing."""
        host = _hostname("//" + connection.headers.get("host", ""))
        if self._hosts and host not in self._hosts:
            raise Invalid("This server does not answer to that host name; see ARAGORA_ALLOWED_HOSTS.", code="HOST_NOT_ALLOWED")
        origin = connection.headers.get("origin")
        if origin is None or safe or origin in self._origins:
            return
        if not (name := _hostname(origin)) or name not in {host, *self._hosts}:
            raise Forbidden("Pages of another origin may not do this.")


@lru_cache(HOSTS_MAX)
def _hostname(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
