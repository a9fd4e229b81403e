"""The page and its files over HTTP. May import its siblings, `debate`, web and store records.

Pages carry a policy of their own: scripts and styles of this origin only, no strings made into code or markup by anything but the
sanitiser. Files lie below an address that changes with their content and are kept for ever; pages are asked for again each time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from aragora import __version__
from aragora.api import Endpoint, Parts
from aragora.api.asked import Asked, Serve
from aragora.api.share import page
from aragora.auth import VOTER
from aragora.debate.consensus import RULES
from aragora.debate.protocols import DEFAULT, PROTOCOLS, latest
from aragora.debate.stops import REASONS
from aragora.errors import NotFound, Unauthenticated
from aragora.web.assets import HTML, Assets, load
from aragora.web.words import EXAMPLES, FAULTS, OUTCOMES, PHASES

# The sanitiser's policy is the only one that may make markup out of strings.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types dompurify"
)
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
SHELLS = {"/": "Aragora", "/debates": "Debates · Aragora", "/leaderboard": "Leaderboard · Aragora", "/status": "Status · Aragora"}
# Pages that are there when the API has what they show.
GATED = {"/memory": ("/api/memory/tiers", "Memory · Aragora"), "/account": ("/api/auth/login", "Account · Aragora")}
GONE, NOWHERE = "No such debate · Aragora", "No such page · Aragora"
# Below these addresses nobody looks for a page.
PROGRAMS = ("/api/", "/v1/", "/mcp", "/static/")


@dataclass(frozen=True, slots=True)
class _Pages:
    """What the handlers need: the files, and what the page is told about this server."""

    parts: Parts
    assets: Assets
    config: dict[str, object]

    async def shell(self, request: Request) -> Response:
        """A page without data; the app fills it."""
        return self._page(request, self.assets.shell(title=self.titles[request.url.path], main="", config=self.config))

    @property
    def titles(self) -> dict[str, str]:
        """The pages that this server has."""
        served = self.config["api"]
        assert isinstance(served, list)
        return SHELLS | {path: title for path, (needs, title) in GATED.items() if needs in served}

    async def debate(self, request: Request) -> Response:
        """A debate, readable as it comes; the app takes over where there is JavaScript."""
        debate_id = request.path_params["id"]
        try:
            # A page is asked for without a token: it is there for what everybody may read, and for whoever has a link. What needs
            # a login, the app fetches with it; whether there is such a debate, the page does not tell.
            nobody, link = self.parts.accounts.nobody(""), request.query_params.get("share", "")
            await self.parts.accounts.admit(nobody, debate_id, link=link)
            record = await self.parts.store.debate(debate_id)
        except (NotFound, Unauthenticated):
            gone = self.assets.shell(title=GONE, main="<h1>No such debate</h1>", config=self.config)
            return self._page(request, gone, HTTPStatus.NOT_FOUND)
        etag = f'"{record.id}-{record.last_seq}-{self.assets.digest}"'
        if _unchanged(request, etag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=_page_headers(etag))
        key = f"page/{etag}/{request.url.netloc}"
        kept = self.parts.cache.get(key)
        if kept is None:
            address = f"{request.url.scheme}://{request.url.netloc}/d/{record.id}"
            made = await page(self.parts, record, address)
            kept = self.assets.shell(title=made.title, head=made.head, main=made.main, config=self.config)
            if record.ended_at is not None:
                self.parts.cache.put(key, kept, ttl_s=self.parts.settings.cache_ttl_fast)
        return Response(kept, media_type=HTML, headers=_page_headers(etag))

    async def moved(self, request: Request) -> Response:
        """A debate's page under the address that people guess."""
        query = f"?{request.url.query}" if request.url.query else ""
        to = f"/d/{quote(request.path_params['id'], safe='')}{query}"
        return Response(status_code=HTTPStatus.PERMANENT_REDIRECT, headers={"Location": to})

    async def nowhere(self, request: Request) -> Response:
        """What a browser that shows pages gets for an address that leads nowhere; programs get the problem as JSON."""
        if "text/html" not in request.headers.get("accept", "") or request.url.path.startswith(PROGRAMS):
            raise HTTPException(HTTPStatus.NOT_FOUND)
        lost = self.assets.shell(title=NOWHERE, main="<h1>No such page</h1>", config=self.config)
        return self._page(request, lost, HTTPStatus.NOT_FOUND)

    async def file(self, request: Request) -> Response:
        """One of the page's files. An address of an older version gets what there is now, not to be kept."""
        asset = self.assets.files.get(request.path_params["path"])
        if asset is None:
            raise NotFound("There is no such file.")
        current = request.path_params["digest"] == self.assets.digest
        headers = {"Cache-Control": FOR_EVER if current else ASK_AGAIN, "ETag": asset.etag, "Vary": "Accept-Encoding"}
        if _unchanged(request, asset.etag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(asset.packed, media_type=asset.media_type, headers={**headers, "Content-Encoding": "gzip"})
        return Response(asset.body, media_type=asset.media_type, headers=headers)

    def _page(self, request: Request, body: bytes, status: int = 200) -> Response:
        etag = f'"{sha256(body).hexdigest()[:16]}"'
        if status == HTTPStatus.OK and _unchanged(request, etag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=_page_headers(etag))
        return Response(body, status, media_type=HTML, headers=_page_headers(etag))


@dataclass(frozen=True, slots=True)
class Shown:
    """The page as it is served: by path, and what there is for an address that leads nowhere."""

    table: dict[str, Serve]
    nowhere: Serve


def serving(parts: Parts, endpoints: Sequence[Endpoint]) -> Shown:
    """The page; it is told which endpoints there are, so that it offers nothing that is not."""
    pages = _Pages(parts, load(), _config(parts, endpoints))
    table: dict[str, Serve] = dict.fromkeys(pages.titles, pages.shell)
    table |= {"/d/{id}": pages.debate, "/static/{digest}/{*path}": pages.file, "/debates/{id}": pages.moved}
    return Shown({path: partial(_named, path, serve) for path, serve in table.items()}, pages.nowhere)


async def _named(path: str, serve: Serve, request: Asked) -> Response:
    """An answer that metrics know by its route; only what reads the database counts against a caller."""
    request.scope["endpoint_path"] = path
    return await serve(request)


def _config(parts: Parts, endpoints: Sequence[Endpoint]) -> dict[str, object]:
    """What the page is told: bounds, choices, words, and the endpoints by their paths."""
    settings = parts.settings
    return {
        "version": __version__,
        "api": sorted({each.path for each in endpoints if not each.path.startswith("/api/v1/")}),
        "auth": settings.auth,
        "registration": settings.registration,
        "voter": VOTER,
        "protocols": [{"name": name, "about": (made.__doc__ or "").strip().split("\n")[0]} for name, made in PROTOCOLS.items()],
        "protocol": latest(DEFAULT),
        "rules": [{"name": name, "about": rule.says} for name, rule in RULES.items()],
        "rounds_max": settings.max_rounds,
        "agents_max": settings.max_agents,
        "topic_chars_max": settings.max_topic_chars,
        "outcomes": OUTCOMES,
        "faults": FAULTS,
        "phases": PHASES,
        "stopped": dict(REASONS),
        "examples": EXAMPLES,
    }


def _unchanged(request: Request, etag: str) -> bool:
    return etag in {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}


def _page_headers(etag: str) -> dict[str, str]:
    return {"Content-Security-Policy": POLICY, "Cache-Control": ASK_AGAIN, "ETag": etag}
