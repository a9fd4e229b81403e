"""The page's files, read, named by what they hold and compressed once at start. Imports nothing of ours."""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable

MEDIA_TYPES = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "html": "text/html; charset=utf-8",
    "lock": "application/json",
    "txt": "text/plain; charset=utf-8",
}
HTML = MEDIA_TYPES["html"]
DIGEST_CHARS = 16
# Loaded by the page only when they are gone to or used, so they are not announced with the page.
LATER = {
    *("vendor/uplot.js", "pages/chart.js", "receipt.js", "metrics.js"),
    *("pages/account.js", "pages/leaderboard.js", "pages/memory.js", "pages/plots.js", "pages/status.js"),
}
SHELL = "shell.html"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its bytes, the same compressed, and the strong tag of its content."""

    body: bytes
    packed: bytes
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class Assets:
    """Every file under its path; `digest` changes when any of them does, so that their addresses can be kept for ever."""

    digest: str
    files: Mapping[str, Asset]

    @property
    def root(self) -> str:
        """The address below which the files are served."""
        return f"/static/{self.digest}"

    def shell(self, *, title: str, main: str, config: Mapping[str, object], head: str = "") -> bytes:
        """A whole HTML page around `main`; `head` and `main` are HTML already, the rest is escaped here."""
        scripts = sorted(path for path in self.files if path.endswith(".js") and path not in LATER and path != "theme.js")
        preloads = "\n".join(f'<link rel="modulepreload" href="{self.root}/{path}">' for path in scripts)
        # In a script element only `<` could end it; as an escape it cannot, and JSON reads it all the same.
        data = json.dumps(config, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        text = self.files[SHELL].body.decode()
        parts = {"title": escape(title), "root": self.root, "preloads": preloads, "config": data, "head": head, "main": main}
        pieces = text.split("%%")  # text and names of parts in turn; what is put in is not searched again
        return "".join(piece if place % 2 == 0 else parts[piece] for place, piece in enumerate(pieces)).encode()


def load() -> Assets:
    """Read and compress everything that lies in `static`."""
    found = dict(sorted(_walk(files("aragora.web") / "static", "")))
    whole = sha256()
    for path, body in found.items():
        whole.update(f"{path}\n{len(body)}\n".encode() + body)
    return Assets(whole.hexdigest()[:DIGEST_CHARS], {path: _asset(path, body) for path, body in found.items()})


def _asset(path: str, body: bytes) -> Asset:
    kind = MEDIA_TYPES[path.rpartition(".")[2]]
    return Asset(body, gzip.compress(body, 9, mtime=0), kind, f'"{sha256(body).hexdigest()[:DIGEST_CHARS]}"')


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{path}{entry.name}/")
        elif entry.name.rpartition(".")[2] in MEDIA_TYPES:
            yield f"{path}{entry.name}", entry.read_bytes()
