"""Is the server well, is it ready, and what has it counted. May import its siblings."""

from time import monotonic

from starlette.requests import Request
from starlette.responses import Response

from aragora import __version__
from aragora.api import Parts
from aragora.api.answers import Health, reply
from aragora.errors import AragoraError
from aragora.metrics import CONTENT_TYPE


async def health(parts: Parts, request: Request) -> Response:  # noqa: ARG001 - every handler takes the request
    """Whether the server is well, with what it depends on."""
    checks = await _checks(parts)
    status = "healthy" if all(check == "ok" for check in checks.values()) else "degraded"
    return reply(_health(parts, status, checks))


async def live(parts: Parts, request: Request) -> Response:  # noqa: ARG001 - as above
    """Whether the event loop turns; looks at nothing else, so that no outage of another part restarts this one."""
    return reply(_health(parts, "healthy", {}))


async def ready(parts: Parts, request: Request) -> Response:  # noqa: ARG001 - as above
    """Whether this instance takes work: the database answers and it is not stopping."""
    checks = await _checks(parts)
    well = all(check == "ok" for check in checks.values())
    return reply(_health(parts, "healthy" if well else "unhealthy", checks), 200 if well else 503)


async def metrics(parts: Parts, request: Request) -> Response:  # noqa: ARG001 - as above
    """What has been counted, for Prometheus."""
    return Response(parts.metrics.text(), media_type=CONTENT_TYPE)


async def _checks(parts: Parts) -> dict[str, str]:
    try:
        await parts.store.ping()
        database = "ok"
    except AragoraError as error:
        database = error.message
    return {"database": database, "engine": "stopping" if parts.engine.stopping else "ok"}


def _health(parts: Parts, status: str, checks: dict[str, str]) -> Health:
    uptime_s = round(monotonic() - parts.started, 3)
    return Health(status=status, version=__version__, timestamp=parts.now(), uptime_seconds=uptime_s, checks=checks)
