"""Webhooks over HTTP: add, list, delete, and what became of deliveries. May import its siblings and `webhooks`."""

import msgspec
from starlette.responses import Response

from aragora.api import Endpoint, Parts
from aragora.api.answers import reply
from aragora.api.asked import Asked
from aragora.api.bodies import Check, parse, read_body
from aragora.api.callers import caller_of
from aragora.api.lists import list_of, listed
from aragora.api.query import Query
from aragora.api.rows import PAGE, delete, get, post
from aragora.errors import NotFound
from aragora.store.hooks import TOLD, Hook


class AddHook(msgspec.Struct, kw_only=True):
    """Somebody to tell of events."""

    url: str
    events: list[str] = []


class HookRow(msgspec.Struct):
    """Somebody who is told of events."""

    id: str
    url: str
    events: list[str]
    created_at: str


class HookAdded(HookRow):
    """As listed, with the secret that signs deliveries; it is shown this once."""

    secret: str


class HookDeleted(msgspec.Struct):
    """A webhook is gone."""

    deleted: bool
    id: str


class DeliveryRow(msgspec.Struct):
    """An event on its way, or there."""

    id: str
    debate_id: str
    seq: int
    type: str
    state: str
    attempts: int
    next_at: str
    answer: str
    created_at: str


HookList = list_of("HookList", HookRow, "webhooks")
DeliveryList = list_of("DeliveryList", DeliveryRow, "deliveries")


async def add(parts: Parts, request: Asked) -> Response:
    """Tell somebody of events from now on."""
    body = parse(await read_body(request, parts.settings.max_body_bytes), AddHook)
    check = Check()
    if not set(body.events) <= set(TOLD):
        check.wrong("events", f"must be some of {', '.join(TOLD)}")
    check.done()
    hook = await parts.webhooks.add(body.url, tuple(dict.fromkeys(body.events)), owner_id=caller_of(request).filing.owner_id)
    return reply(HookAdded(**msgspec.structs.asdict(_row(hook)), secret=hook.secret), 201)


async def index(parts: Parts, request: Asked) -> Response:
    """Everybody who is told, without their secrets."""
    rows = [_row(hook) for hook in await parts.webhooks.hooks.all(caller_of(request).reader)]
    return listed(rows, "webhooks")


async def remove(parts: Parts, request: Asked) -> Response:
    """Tell somebody no more."""
    hook_id = request.path_params["hook_id"]
    await parts.webhooks.hooks.one(hook_id, caller_of(request).reader)
    if not await parts.webhooks.hooks.delete(hook_id):
        raise NotFound("There is no such webhook.")
    return reply(HookDeleted(deleted=True, id=hook_id))


async def deliveries(parts: Parts, request: Asked) -> Response:
    """What was delivered, what waits and what failed, newest first."""
    hook, query = await parts.webhooks.hooks.one(request.path_params["hook_id"], caller_of(request).reader), Query(request)
    limit, offset = query.page()
    query.done()
    found, total = await parts.webhooks.hooks.deliveries(hook.id, limit=limit, offset=offset)
    rows = [msgspec.convert(each, DeliveryRow, from_attributes=True) for each in found]
    return listed(rows, "deliveries", total=total, limit=limit, offset=offset)


def _row(hook: Hook) -> HookRow:
    return HookRow(id=hook.id, url=hook.url, events=list(hook.events), created_at=hook.created_at)


ROWS: tuple[Endpoint, ...] = (
    post("/webhooks", add, "Tell a URL of events.", HookAdded, body=AddHook, status=201),
    get("/webhooks", index, "Who is told of events.", HookList, errors=()),
    get("/webhooks/{hook_id}/deliveries", deliveries, "What became of deliveries.", DeliveryList, *PAGE),
    delete("/webhooks/{hook_id}", remove, "Tell a URL no more.", HookDeleted),
)
