"""Fetch the front end's modules from npm and write them, with their hashes, to where they are served from.

`python scripts/vendor.py` re-derives every file of both vendor.lock files and fails if one differs; `--write` accepts what came
and rewrites the locks, after a version below was changed. Needs `npm`, which nothing else here does.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "src/aragora/web/static/vendor"
TESTS = ROOT / "tests/web/vendor"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file of a package: where it lies in the package, how it is called here, and what is changed on the way."""

    package: str
    version: str
    source: str
    name: str
    folder: Path = PAGE
    replaced: tuple[tuple[str, str], ...] = ()  # bare import names, which browsers do not know, become paths
    appended: str = ""


PREACT, SIGNALS = "11.2.0", "2.11.4"
IMPORTS = (
    ('from"preact/hooks"', 'from"./hooks.js"'),
    ('from"preact"', 'from"./preact.js"'),
    ('from"@preact/signals-core"', 'from"./signals-core.js"'),
)
WANTED = (
    Wanted("preact", PREACT, "dist/preact.mjs", "preact.js"),
    Wanted("preact", PREACT, "hooks/dist/hooks.mjs", "hooks.js", replaced=IMPORTS),
    Wanted("htm", "3.1.1", "dist/htm.mjs", "htm.js"),
    Wanted("@preact/signals-core", "1.14.5", "dist/signals-core.mjs", "signals-core.js"),
    Wanted("@preact/signals", SIGNALS, "dist/signals.mjs", "signals.js", replaced=IMPORTS),
    Wanted("marked", "18.2.1", "lib/marked.esm.js", "marked.js"),
    Wanted("dompurify", "3.4.18", "dist/purify.min.js", "purify.js"),
    Wanted("uplot", "1.6.32", "dist/uPlot.iife.min.js", "uplot.js", appended="\nexport default uPlot;\n"),
    Wanted("uplot", "1.6.32", "dist/uPlot.min.css", "uplot.css"),
    Wanted("axe-core", "4.14.1", "axe.min.js", "axe.min.js", folder=TESTS),
)


def main() -> int:
    """Compare, or with `--write` accept."""
    write = "--write" in sys.argv[1:]
    locks: dict[Path, list[dict[str, str]]] = {PAGE: [], TESTS: []}
    different = []
    with tempfile.TemporaryDirectory() as folder:
        for wanted in WANTED:
            packed = _pack(wanted, Path(folder))
            derived = _derive(wanted, packed)
            locks[wanted.folder].append(_entry(wanted, packed, derived))
            kept = wanted.folder / wanted.name
            if write:
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(derived)
            elif not kept.exists() or kept.read_bytes() != derived:
                different.append(wanted.name)
        if write:
            (PAGE / "LICENSES.txt").write_text(_licences(Path(folder)), "utf-8")
    for place, entries in locks.items():
        text = json.dumps(entries, indent=2) + "\n"
        if write:
            (place / "vendor.lock").write_text(text, "utf-8")
        elif (place / "vendor.lock").read_text("utf-8") != text:
            different.append(str(place.relative_to(ROOT) / "vendor.lock"))
    sys.stdout.write(f"differs: {', '.join(different)}\n" if different else f"{len(WANTED)} files are as packed.\n")
    return 1 if different else 0


def _pack(wanted: Wanted, folder: Path) -> Path:
    """The package as npm serves it; npm checks it against the registry's integrity."""
    known = folder / f"{wanted.package.removeprefix('@').replace('/', '-')}-{wanted.version}.tgz"
    if not known.exists():
        subprocess.run(  # noqa: S603 - the words are those above
            ["npm", "pack", "--silent", f"{wanted.package}@{wanted.version}"],  # noqa: S607 - wherever npm is
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    return known


def _derive(wanted: Wanted, packed: Path) -> bytes:
    with tarfile.open(packed) as archive:
        member = archive.extractfile(f"package/{wanted.source}")
        assert member is not None
        text = member.read().decode()
    for old, new in wanted.replaced:
        text = text.replace(old, new)
    lines = [line for line in text.rstrip("\n").split("\n") if not line.startswith("//# sourceMappingURL=")]
    return ("\n".join(lines) + "\n" + wanted.appended).encode()


def _licences(folder: Path) -> str:
    """The licences of what is served, which ask to be passed on with it."""
    texts = []
    for package, version in dict.fromkeys((each.package, each.version) for each in WANTED if each.folder == PAGE):
        packed = folder / f"{package.removeprefix('@').replace('/', '-')}-{version}.tgz"
        with tarfile.open(packed) as archive:
            names = [name for name in archive.getnames() if name.lower().startswith(("package/license", "package/licence"))]
            found = [archive.extractfile(name) for name in sorted(names)]
            texts.append(f"{package} {version}\n\n" + "\n".join(each.read().decode() for each in found if each))
    return ("\n" + "-" * 79 + "\n\n").join(texts)


def _entry(wanted: Wanted, packed: Path, derived: bytes) -> dict[str, str]:
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
    return {
        "file": wanted.name,
        "package": wanted.package,
        "version": wanted.version,
        "source": wanted.source,
        "integrity": integrity,
        "sha256": hashlib.sha256(derived).hexdigest(),
    }


if __name__ == "__main__":
    raise SystemExit(main())
