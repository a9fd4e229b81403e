"""Is the server well, is it ready, and what has it counted. May import its siblings."""

import asyncio
import shutil
from pathlib import Path
from time import monotonic, perf_counter

from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response

from aragora import __version__
from aragora.api import Parts
from aragora.api.answers import Health, reply, row_of
from aragora.api.callers import caller_of
from aragora.api.lists import listed
from aragora.debate.model import Status
from aragora.errors import AragoraError
from aragora.metrics import CONTENT_TYPE
from aragora.times import between

PING_S = 1.0
# A debate that runs for so long is worth a look.
SLOW_S = 300.0
SLOW_LOOKED_AT_MAX = 1000


# With less than this left on the disk of the data, writes are about to fail.
DISK_BYTES_MIN = 64 * 1024 * 1024


class Deep(Health):
    """Whether the server is well, down to its disk, and how long it took to find out."""

    response_time_ms: float
    db_mode: str
    auth_mode: str


async def health(parts: Parts, request: Request) -> Response:  # noqa: ARG001 - every handler takes the request
    """Whether the server is well, with what it depends on."""
    checks = await _checks(parts) | _doorbell(parts)
    status = "healthy" if all(check == "ok" for check in checks.values()) else "degraded"
    return reply(_health(parts, status, checks))


async def live(parts: Parts, request: Request) -> Response:  # noqa: ARG001 - as above
    """Whether the event loop turns; looks at nothing else, so that no outage of another part restarts this one."""
    return reply(_health(parts, "healthy", {}))


async def ready(parts: Parts, request: Request) -> Response:  # noqa: ARG001 - as above
    """Whether this instance takes work: the database answers and it is not stopping."""
    checks = await _checks(parts)
    well = all(check == "ok" for check in checks.values())
    return reply(_health(parts, "healthy" if well else "unhealthy", checks | _doorbell(parts)), 200 if well else 503)


async def checked(parts: Parts) -> Health:
    """Whether the server is well, without what it can do without."""
    checks = await _checks(parts)
    well = all(check == "ok" for check in checks.values())
    return _health(parts, "healthy" if well else "degraded", checks)


async def slow(parts: Parts, request: Request) -> Response:
    """Debates that have been running for long, newest first."""
    now = parts.now()
    found = await parts.store.debates(limit=SLOW_LOOKED_AT_MAX, statuses=(Status.ACTIVE,), reader=caller_of(request).reader)
    old = [each for each in found if between(each.created_at, now) >= SLOW_S]
    rows = [row_of(each) for each in old]
    return listed(rows, "debates", total=len(rows), limit=SLOW_LOOKED_AT_MAX)


async def deep(parts: Parts, request: Request) -> Response:  # noqa: ARG001 - as above
    """Whether the server is well, down to its disk."""
    began = perf_counter()
    checks = await _checks(parts)
    checks["disk"] = await asyncio.to_thread(_disk, parts.settings.data_dir)
    well = all(check == "ok" for check in checks.values())
    health = _health(parts, "healthy" if well else "unhealthy", checks)
    mode = parts.settings.database_url.partition(":")[0] or "sqlite"
    took_ms = round((perf_counter() - began) * 1000, 3)
    answer = Deep(**structs.asdict(health), response_time_ms=took_ms, db_mode=mode, auth_mode=parts.settings.auth)
    return reply(answer, 200 if well else 503)


def _disk(folder: Path) -> str:
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return "The folder of the data is not there."
    return "ok" if free >= DISK_BYTES_MIN else f"Less than {DISK_BYTES_MIN} bytes are free."


async def metrics(parts: Parts, request: Request) -> Response:  # noqa: ARG001 - as above
    """What has been counted, for Prometheus."""
    return Response(await parts.metrics.whole(), media_type=CONTENT_TYPE)


async def _checks(parts: Parts) -> dict[str, str]:
    try:
        async with asyncio.timeout(PING_S):
            await parts.store.ping()
        database = "ok"
    except TimeoutError:
        database = "The database does not answer."
    except AragoraError as error:
        database = error.message
    return {"database": database, "engine": "stopping" if parts.engine.stopping else "ok"}


def _doorbell(parts: Parts) -> dict[str, str]:
    """Said, but no reason to take an instance out: without Redis everything works, a second slower."""
    if not parts.settings.redis_url:
        return {}
    return {"doorbell": "ok" if parts.engine.bus.shared else "Redis is away; events reach other processes by polling."}


def _health(parts: Parts, status: str, checks: dict[str, str]) -> Health:
    uptime_s = round(monotonic() - parts.started, 3)
    return Health(status=status, version=__version__, timestamp=parts.now(), uptime_seconds=uptime_s, checks=checks)
