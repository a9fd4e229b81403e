"""Who may read a debate, and links to it, over HTTP. May import its siblings and auth."""

import msgspec
from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import debate_of, reply
from aragora.api.asked import Asked
from aragora.api.bodies import Check, parse, read_body
from aragora.errors import NotFound
from aragora.store.ownership import Link
from aragora.store.records import Visibility

DAYS_MAX = 3650
NO_STORE = {"Cache-Control": "no-store"}


class Share(msgspec.Struct, kw_only=True):
    """Who may read a debate from now on, and for how long a link leads to it."""

    visibility: str = "shared"
    expires_in_days: int | None = None


class Revoke(msgspec.Struct, kw_only=True):
    """Which link to take back; none named takes back all."""

    share_id: str = ""


class LinkRow(msgspec.Struct):
    """A share link in a list; its token was seen once, when it was made."""

    id: str
    created_at: str
    expires_at: str | None


class Shared(msgspec.Struct):
    """Who may read a debate; after making a link, that link."""

    success: bool
    debate_id: str
    owner_id: str | None
    visibility: str
    links: list[LinkRow]
    share_id: str | None = None
    token: str | None = None
    share_token: str | None = None
    url: str | None = None
    share_url: str | None = None
    expires_at: str | None = None


class Revoked(msgspec.Struct):
    """Links lead nowhere any more."""

    success: bool
    debate_id: str
    revoked: int
    visibility: str


async def show(parts: Parts, request: Asked) -> Response:
    """Who may read the debate, and its links."""
    return reply(await _shared(parts, request.path_params["id"]))


async def share(parts: Parts, request: Asked) -> Response:
    """Say who may read the debate; `shared` makes a link for whoever has it."""
    debate_id = request.path_params["id"]
    raw = await read_body(request, parts.settings.max_body_bytes)
    body = parse(raw, Share) if raw.strip() else Share()
    check = Check()
    if body.visibility not in {*Visibility}:
        check.wrong("visibility", f"must be one of {', '.join(Visibility)}")
    check.whole("expires_in_days", body.expires_in_days, low=1, high=DAYS_MAX)
    check.done()
    await parts.accounts.show(debate_id, Visibility(body.visibility))
    parts.engine.bus.ring(access_bell(debate_id))
    shared = await _shared(parts, debate_id)
    if body.visibility != Visibility.SHARED:
        return reply(shared, 200, NO_STORE)
    link, token = await parts.accounts.share(debate_id, days=body.expires_in_days)
    shared.links.insert(0, _row(link))
    shared.share_id, shared.token, shared.share_token, shared.expires_at = link.id, token, token, link.expires_at
    shared.url = shared.share_url = f"/api/v1/shared/{token}"
    return reply(shared, 201, NO_STORE)


async def revoke(parts: Parts, request: Asked) -> Response:
    """Take back one link or all; when none is left, a shared debate is private again. Whoever watches by one is cut off."""
    debate_id = request.path_params["id"]
    raw = await read_body(request, parts.settings.max_body_bytes)
    named = parse(raw, Revoke).share_id if raw.strip() else ""
    revoked = await parts.accounts.ownership.revoke(debate_id, named)
    shared = await _shared(parts, debate_id)
    if shared.visibility == Visibility.SHARED and not shared.links:
        await parts.accounts.show(debate_id, Visibility.PRIVATE)
        shared.visibility = str(Visibility.PRIVATE)
    parts.engine.bus.ring(access_bell(debate_id))
    return reply(Revoked(success=True, debate_id=debate_id, revoked=revoked, visibility=shared.visibility))


async def by_link(parts: Parts, request: Asked) -> Response:
    """The debate that a link leads to. The same token as `?share=` opens its messages, votes and events."""
    debate_id = await parts.accounts.linked(request.path_params["token"])
    if debate_id is None:
        raise NotFound("This link leads nowhere.")
    return reply(debate_of(await parts.store.debate(debate_id)))


def access_bell(debate_id: str) -> str:
    """What rings when it changes who may read a debate; no debate has such an id."""
    return f"access/{debate_id}"


async def _shared(parts: Parts, debate_id: str) -> Shared:
    owned = await parts.accounts.ownership.of(debate_id)
    if owned is None:
        raise NotFound("There is no such debate.")
    links = [_row(link) for link in await parts.accounts.ownership.links(debate_id)]
    return Shared(success=True, debate_id=debate_id, owner_id=owned.owner_id, visibility=owned.visibility, links=links)


def _row(link: Link) -> LinkRow:
    return LinkRow(id=link.id, created_at=link.created_at, expires_at=link.expires_at)
