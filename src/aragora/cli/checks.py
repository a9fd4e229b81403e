"""What an installation needs, checked and said in one line each. May import `app`."""

import os
import platform
import socket
import sys
from typing import NamedTuple

import apsw

from aragora import app
from aragora.cli.terminal import clean, fault_of
from aragora.config import Loaded, Settings
from aragora.errors import AragoraError
from aragora.providers import ProviderError
from aragora.providers.agents import Agents
from aragora.providers.endpoints import Source, variable

# Before this version, two connections that write at once can corrupt the file (the WAL-reset bug).
SQLITE_MIN = (3, 51, 3)


class Finding(NamedTuple):
    """One line: `ok`, `note` or `FAIL`, what it is about, and what was found."""

    verdict: str
    about: str
    text: str


async def examine(loaded: Loaded) -> list[Finding]:
    """Look at everything; nothing is changed but a schema that is behind."""
    settings = loaded.settings
    agents = app.agents_of(loaded)
    try:
        providers = [await _provider(agents, source) for source in agents.catalogue.sources.values() if source.chosen]
    finally:
        await agents.close()
    return [
        Finding("ok", "python", f"{platform.python_version()} on {sys.platform}, {os.cpu_count()} cores"),
        _sqlite(),
        await _database(settings),
        *(_port(settings, name) for name in ("api_port", "ws_port")),
        Finding("ok", "agents", ", ".join(agent.name for agent in agents.known())),
        *(providers or [Finding("note", "providers", "none is set up; ANTHROPIC_API_KEY, OPENAI_API_KEY ... would do that")]),
        *(Finding("note", "settings", note) for note in loaded.notes),
    ]


def _sqlite() -> Finding:
    version = apsw.sqlite_lib_version()
    known = tuple(int(part) for part in version.split("."))
    if known < SQLITE_MIN:
        return Finding("FAIL", "sqlite", f"{version} can corrupt its file; install apsw 3.51.3 or newer")
    return Finding("ok", "sqlite", version)


async def _database(settings: Settings) -> Finding:
    try:
        async with app.open_store(settings) as store:
            return Finding("ok", "database", f"opens, schema up to date, {await store.total()} debates")
    except (AragoraError, OSError, apsw.Error) as error:
        return Finding("FAIL", "database", f"{type(error).__name__}: {error}")


def _port(settings: Settings, name: str) -> Finding:
    port = getattr(settings, name)
    with socket.socket(socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.api_host, port))
        except OSError as error:
            return Finding("note", name, f"{port} cannot be had now ({error.strerror}); a server may be running")
    return Finding("ok", name, f"{port} is free")


async def _provider(agents: Agents, source: Source) -> Finding:
    """Ask a provider for its models, which costs nothing and proves its address and key."""
    name = source.endpoint.name
    if not source.usable:
        return Finding("FAIL", name, f"has no key: set {variable(name, 'API_KEY')} or {variable(name, 'API_KEY')}_FILE")
    try:
        models = set(await agents.models(source))
    except ProviderError as error:
        return Finding("FAIL", name, f"{fault_of({'fault': error.fault})}: {clean(error.detail)}")
    aliases = agents.catalogue.aliases.values()
    strange = sorted(agent.name for agent in aliases if agent.provider == name and agent.model not in models)
    if strange:
        return Finding("note", name, f"answers, {len(models)} models; not among them: the models of {', '.join(strange)}")
    return Finding("ok", name, f"answers, {len(models)} models")
