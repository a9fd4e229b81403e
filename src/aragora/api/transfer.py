"""How an answer travels: not at all when the client has it, else compressed where that pays. May import its siblings.

Tags are weak, since one answer may travel in several encodings.
"""

import zlib
from collections.abc import Callable
from hashlib import blake2b

from starlette.requests import Request
from starlette.responses import Response

from aragora.api.cache import Cache

# Below this the header and the work cost more than the bytes: it fits into two packets anyway.
COMPRESS_BYTES_MIN = 2_800
ETAG_BYTES = 12
KEPT_BYTES_MAX, KEPT_S = 262_144, 60.0
WORDS = ("application/json", "application/problem+json", "text/")


def _zstd() -> Callable[[bytes], bytes] | None:
    """Zstandard, where Python brings it (3.14 and later)."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415
    except ImportError:
        return None
    compress: Callable[[bytes], bytes] = zstd.compress
    return compress


def _gzip(body: bytes) -> bytes:
    return zlib.compress(body, 1, wbits=31)


CODINGS: dict[str, Callable[[bytes], bytes] | None] = {"zstd": _zstd(), "gzip": _gzip}


def sent(request: Request, response: Response, cache: Cache, *, tagged: bool) -> Response:
    """The answer as it goes out: 304 when the client has it already, compressed when it understands that and it pays."""
    body = getattr(response, "body", None)
    if not isinstance(body, bytes) or not body:
        return response
    tag = ""
    if tagged and request.method in {"GET", "HEAD"} and response.status_code == 200:  # noqa: PLR2004 - done
        tag = f'W/"{blake2b(body, digest_size=ETAG_BYTES).hexdigest()}"'
        response.headers["etag"] = tag
        response.headers.setdefault("cache-control", "private, no-cache")
        if _known(request.headers.get("if-none-match", ""), tag):
            kept = {name: value for name, value in response.headers.items() if name not in {"content-length", "content-type"}}
            return Response(status_code=304, headers=kept)
    return _compressed(request, response, body, cache, tag)


def _known(given: str, tag: str) -> bool:
    strong = tag.removeprefix("W/")
    return bool(given) and (given.strip() == "*" or strong in {part.strip().removeprefix("W/") for part in given.split(",")})


def _compressed(request: Request, response: Response, body: bytes, cache: Cache, tag: str) -> Response:
    if len(body) < COMPRESS_BYTES_MIN or not (response.media_type or "").startswith(WORDS):
        return response
    response.headers.add_vary_header("Accept-Encoding")
    coding = _coding(request.headers.get("accept-encoding", ""))
    compress = CODINGS.get(coding)
    if compress is None:
        return response
    key = f"{coding}/{tag}"
    small = cache.get(key) if tag else None
    if small is None:
        small = compress(body)
        if tag and len(small) <= KEPT_BYTES_MAX:
            cache.put(key, small, ttl_s=KEPT_S)
    response.body = small
    response.headers["content-encoding"] = coding
    response.headers["content-length"] = str(len(small))
    return response


def _coding(accepted: str) -> str:
    """The best coding that a client accepts; empty for none."""
    offers = {}
    for part in accepted.split(","):
        name, _, weight = part.strip().lower().partition(";")
        offers[name.strip()] = weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return next((name for name, compress in CODINGS.items() if compress and offers.get(name, False)), "")
