"""What an operator looks at: debates, the queue, providers and their breakers, objectives. May import its siblings."""

import msgspec
from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import Health, reply
from aragora.api.health import checked
from aragora.objectives import Burn
from aragora.providers.endpoints import variable
from aragora.providers.flow import State
from aragora.providers.gate import Condition

# The worst first: a provider is as its worst model is.
WORST = (State.OPEN, State.HALF_OPEN, State.CLOSED)


class Detailed(Health):
    """Whether the server is well, and what it is doing."""

    components: dict[str, str]
    figures: dict[str, int]


class DebateFigures(msgspec.Struct):
    """Debates and the bounds on them: of this process, in a fleet; `total` is of the whole server."""

    running: int
    running_max: int
    queued: int
    queued_max: int
    followed: int
    total: int


class ModelRow(msgspec.Struct):
    """A model that this process has asked."""

    model: str
    health: Condition


class ProviderRow(msgspec.Struct):
    """A provider of models."""

    name: str
    configured: bool  # whether it can be asked: it has its key, or needs none
    needs: str | None  # the environment variable that would make it so
    chosen: bool  # whether anybody set it up
    state: State  # of its worst breaker
    models: list[ModelRow]


class Circuits(msgspec.Struct):
    """Providers and the breakers of their models."""

    status: str  # healthy, or degraded where a breaker is not closed
    providers: list[ProviderRow]


class Status(Detailed):
    """What an operator looks at."""

    debates: DebateFigures
    providers: list[ProviderRow]
    objectives: list[Burn]


async def detailed(parts: Parts, request: Request) -> Response:  # noqa: ARG001 - every handler takes the request
    """Whether the server is well, and what it is doing."""
    return reply(await _detailed(parts))


async def status(parts: Parts, request: Request) -> Response:  # noqa: ARG001 - as above
    """All that an operator looks at first."""
    well = await _detailed(parts)
    settings = parts.settings
    debates = DebateFigures(
        running=parts.engine.running,
        running_max=settings.max_running_debates,
        queued=parts.engine.queued,
        queued_max=settings.max_queued_debates,
        followed=parts.feed.followed,
        total=well.figures["debates_total"],
    )
    told = Status(**structs.asdict(well), debates=debates, providers=_providers(parts), objectives=parts.objectives.burns())
    return reply(told)


async def circuits(parts: Parts, request: Request) -> Response:  # noqa: ARG001 - as above
    """Providers and the breakers of their models."""
    rows = _providers(parts)
    well = all(row.state is State.CLOSED for row in rows)
    return reply(Circuits(status="healthy" if well else "degraded", providers=rows))


async def _detailed(parts: Parts) -> Detailed:
    health = await checked(parts)
    figures = {
        "debates_running": parts.engine.running,
        "debates_queued": parts.engine.queued,
        "debates_followed": parts.feed.followed,
        "debates_total": await parts.store.total(),
        "database_connections": parts.store.connections,
    }
    return Detailed(**structs.asdict(health), components=health.checks, figures=figures)


def _providers(parts: Parts) -> list[ProviderRow]:
    rows = []
    for name, source in parts.agents.catalogue.sources.items():
        conditions = parts.agents.conditions(name)
        states = {condition.state for condition in conditions.values()}
        row = ProviderRow(
            name=name,
            configured=source.usable,
            needs=None if source.usable else variable(name, "API_KEY"),
            chosen=source.chosen,
            state=next((state for state in WORST if state in states), State.CLOSED),
            models=[ModelRow(model, condition) for model, condition in sorted(conditions.items())],
        )
        rows.append(row)
    return rows
