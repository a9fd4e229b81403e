"""Settings, each with its default, bound and line of help; the one place that reads the environment. Imports errors and flaws."""

import math
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TypeVar, cast

from aragora import flaws
from aragora.errors import ConfigError

PREFIX = "ARAGORA_"
TOML_NAME = "aragora.toml"
SECRET_BYTES_MAX = 65_536
# Names with our prefix that the tests and the public client read; met in a shared shell, they are no mistake.
OTHERS = frozenset(
    PREFIX + name for name in ("REQUIRE_SERVICES", "API_URL", "API_KEY", "TIMEOUT", "MAX_RETRIES", "RETRY_DELAY", "DEMO")
)
# TOML tables whose entries are described where they are used.
TABLES = ("agents", "providers")
TRACES_EXPORTERS, TRACES_PROTOCOL = ("otlp", "console"), "http/protobuf"

Value = str | int | float | Path
Entries = Mapping[str, Mapping[str, object]]
N = TypeVar("N", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a setting is for and what it may be."""

    text: str  # one line of help
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    flaw: Callable[[str], str | None] | None = None  # says what is wrong with a text, without repeating it
    secret: bool = False
    alias: str = ""  # a second name in the environment
    section: str = ""  # the heading that starts with this setting

    @property
    def bounds(self) -> str:
        """What a number may be, in words."""
        return f"from {self.low:.15g} to {self.high:.15g} {self.unit}".rstrip()


def _number(default: N, text: str, *, high: N, low: N | int = 0, unit: str = "", alias: str = "", section: str = "") -> N:
    about = About(text=text, unit=unit, low=low, high=high, alias=alias, section=section)
    return field(default=default, metadata={"about": about})


def _text(
    default: str,
    text: str,
    *,
    choices: tuple[str, ...] = (),
    flaw: Callable[[str], str | None] | None = None,
    secret: bool = False,
    section: str = "",
) -> str:
    about = About(text=text, choices=choices, flaw=flaw, secret=secret, section=section)
    return field(default=default, repr=not secret, metadata={"about": about})


PORT = 65_535
DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set, checked."""

    api_host: str = _text("127.0.0.1", "Address that both ports listen on.", section="Listening")
    api_port: int = _number(8080, "Port of the HTTP API, the page and `/ws`; 0 takes any free one.", high=PORT)
    ws_port: int = _number(8765, "Second port of the same application, for WebSocket; 0 takes any free one.", high=PORT)
    workers: int = _number(1, "Processes that serve, on the same ports; more than 1 needs PostgreSQL.", low=1, high=64)
    role: str = _text(
        "all",
        "What this process does: answer requests, run debates, or both; all but `all` needs PostgreSQL.",
        choices=("all", "api", "ws", "worker"),
    )
    trusted_proxies: str = _text(
        "", "Addresses or networks whose `X-Forwarded-For` is believed, with commas between them.", flaw=flaws.of_networks
    )
    allowed_hosts: str = _text(
        "",
        "Host names that requests may ask for; empty: every one, but on a loopback address only its own names.",
        flaw=flaws.of_hosts,
    )
    cors_origins: str = _text(
        "",
        "Origins whose pages may use the API from a browser, with commas between them; empty allows none but its own.",
        flaw=flaws.of_origins,
    )
    max_connections: int = _number(1000, "Connections open at once on both ports.", unit="connections", low=1, high=1_000_000)
    connection_timeout: int = _number(
        30, "Longest that a connection may stay silent between requests, or take to send its headers.", unit="s", low=1, high=3600
    )
    shutdown_grace_s: float = _number(25.0, "Longest that a stop waits for requests and turns in flight.", unit="s", high=3600.0)

    auth: str = _text(
        "off",
        "Whether callers log in: off (everybody may do everything), optional (what is private needs it) or required. "
        "Has to be said where other machines can connect.",
        choices=("off", "optional", "required"),
        section="Accounts",
    )
    registration: str = _text(
        "open",
        "Who may register while callers log in: everybody, or nobody after the first, who is the admin.",
        choices=("open", "closed"),
    )

    data_dir: Path = field(
        default=Path(".nomic"), metadata={"about": About(text="Folder of everything that is kept.", section="Storage")}
    )
    database_url: str = _text(
        "", "Database; empty means `sqlite:///DATA_DIR/aragora_debates.db`.", flaw=flaws.of_database, secret=True
    )
    database_replica_url: str = _text("", "PostgreSQL copy that lists are read from.", flaw=flaws.of_postgres, secret=True)
    redis_url: str = _text(
        "", "Redis for live events and limits (of callers, of models) of several processes.", flaw=flaws.of_redis, secret=True
    )
    signing_key: str = _text("", "Ed25519 key that signs receipts: 32 bytes in hexadecimal.", flaw=flaws.of_key, secret=True)
    db_pool_size: int = _number(20, "Connections kept to a database server.", unit="connections", low=1, high=10_000)
    db_max_overflow: int = _number(10, "Connections beyond the pool under load.", unit="connections", high=10_000)
    db_pool_timeout: float = _number(
        30.0,
        "Longest wait for a connection; on SQLite, for a place in the queue of writes.",
        unit="s",
        low=0.001,
        high=3600.0,
    )
    thread_pool_size: int = _number(20, "Threads for work that would block the loop.", unit="threads", low=1, high=1000)
    cache_max_entries: int = _number(10_000, "Entries of each cache.", unit="entries", high=10_000_000)
    memory: str = _text(
        "on",
        "Whether debates are remembered, and quote earlier ones once their blind round is over.",
        choices=("on", "off"),
    )
    cache_ttl_fast: int = _number(60, "How long the fast tier of memory remembers.", unit="s", high=DAY_S)
    cache_ttl_medium: int = _number(3600, "How long the medium tier of memory remembers.", unit="s", high=30 * DAY_S)

    rate_limit_default: int = _number(
        100, "Requests of one caller; 0 is no limit.", unit="per minute", high=1_000_000, section="Limits"
    )
    rate_limit_auth: int = _number(10, "Attempts of one caller to log in; 0 is no limit.", unit="per minute", high=1_000_000)
    rate_limit_debates: int = _number(30, "Debates started by one caller; 0 is no limit.", unit="per minute", high=1_000_000)
    max_body_bytes: int = _number(1_048_576, "Body of one request.", unit="bytes", low=1024, high=1_073_741_824)

    max_running_debates: int = _number(
        1000, "Debates that run at once; more wait in the queue.", unit="debates", low=1, high=100_000, section="Debates"
    )
    max_queued_debates: int = _number(1000, "Debates that wait; one more is refused with 503.", unit="debates", high=1_000_000)
    max_topic_chars: int = _number(10_000, "Longest topic.", unit="characters", low=1, high=1_000_000)
    max_agents: int = _number(16, "Most seats of one debate.", unit="seats", low=1, high=100)
    max_rounds: int = _number(10, "Most rounds of one debate.", unit="rounds", low=1, high=100)
    max_context_tokens: int = _number(
        8000, "History that a seat is shown.", unit="tokens", low=100, high=10_000_000, alias="MAX_CONTEXT_TOKENS"
    )
    max_history_rounds: int = _number(
        5, "Rounds of history that a seat is shown.", unit="rounds", low=1, high=100, alias="MAX_HISTORY_ROUNDS"
    )
    turn_timeout_s: float = _number(60.0, "Longest that one turn may take.", unit="s", low=0.1, high=3600.0)
    round_timeout_s: float = _number(300.0, "Longest that one round may take.", unit="s", low=0.1, high=86_400.0)
    person_timeout_s: float = _number(
        300.0, "Longest that a person who holds a seat may take for a turn.", unit="s", low=0.1, high=86_400.0
    )
    demo_delay_s: float = _number(0.5, "How long a demo agent takes for a turn.", unit="s", high=60.0)

    webhook_targets: str = _text(
        "public",
        "Where webhooks may lead: public addresses only, or any, those of this network and machine included.",
        choices=("public", "any"),
    )

    ws_max_message_bytes: int = _number(
        65_536, "Longest message from a client.", unit="bytes", low=128, high=16_777_216, section="WebSocket"
    )
    ws_send_timeout_s: float = _number(
        10.0, "How long a client may lag before it is closed (4008) and has to resume.", unit="s", low=0.1, high=3600.0
    )
    ws_max_subscriptions: int = _number(100, "Debates followed on one connection.", unit="debates", low=1, high=100_000)
    ws_ping_s: float = _number(25.0, "Time between pings to a client.", unit="s", low=0.1, high=3600.0)

    log_level: str = _text(
        "info", "Least severe line that is logged.", choices=("debug", "info", "warning", "error"), section="Logging"
    )
    log_format: str = _text("auto", "Look of log lines; auto is text on a terminal, else JSON.", choices=("auto", "json", "text"))

    @property
    def on_postgres(self) -> bool:
        """Whether the database is PostgreSQL."""
        return self.database_url.startswith(flaws.POSTGRES)

    @property
    def database_path(self) -> Path:
        """The SQLite file."""
        return Path(self.database_url.removeprefix(flaws.SQLITE)) if self.database_url else self.data_dir / "aragora_debates.db"

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """`trusted_proxies`, parsed."""
        return flaws.networks(self.trusted_proxies)

    @property
    def origins(self) -> tuple[str, ...]:
        """`cors_origins`, parsed."""
        return flaws.commas(self.cors_origins)

    @property
    def host_names(self) -> tuple[str, ...]:
        """`allowed_hosts`, parsed."""
        return flaws.commas(self.allowed_hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings, and where each came from: `flag`, `environment NAME`, `file aragora.toml` or `default`."""

    settings: Settings
    origins: dict[str, str]
    notes: tuple[str, ...] = ()  # settings that were given and have no effect, with the reason
    agents: Entries = field(default_factory=dict)  # the `[agents.NAME]` tables
    providers: Entries = field(default_factory=dict)  # the `[providers.NAME]` tables
    traces: str = ""  # where spans go: otlp, console, or nowhere; everything else about them the SDK reads
    secret: Callable[[str], str] = field(default=lambda _: "", repr=False)  # the value of a variable that names no setting


def about(known: Field[object]) -> About:
    """What a field of Settings says of itself."""
    return cast("About", known.metadata["about"])


def env_name(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def load_here(flags: Mapping[str, object]) -> Loaded:
    """Load with the environment of this process and ./aragora.toml."""
    return load(flags, os.environ, Path(TOML_NAME))


def load(flags: Mapping[str, object], environ: Mapping[str, str], toml_path: Path | None) -> Loaded:
    """Settle every setting: flags, then environment, then file, then default. Raises one ConfigError that lists every fault.

    A flag that is None and a variable that is empty were not given; a file that does not exist sets nothing.
    """
    faults: list[str] = []
    document = _document(toml_path, faults)
    faults += _strangers(flags, environ, document)
    given: dict[str, Value] = {}
    origins: dict[str, str] = {}
    for known in fields(Settings):
        raw, origin = _raw(known, flags, environ, document, faults)
        origins[known.name] = origin
        if raw is not None:
            try:
                given[known.name] = _parse(known, raw, spoken=not origin.startswith("file "))
            except ValueError as fault:
                faults.append(f"{_called(known.name, origin)}: {fault}")
    traces = _traces(environ, faults)
    tables = {name: _entries(name, document.get(name, {}), faults) for name in TABLES}
    settings = _settings(given)
    faults += [*_conflicts(settings), *_exposed(settings, origins)]
    if faults:
        raise ConfigError("These settings cannot be used:\n" + "\n".join(f"  {fault}" for fault in faults))
    return Loaded(
        settings=settings,
        origins=origins,
        notes=tuple(_ignored(settings, origins)),
        traces=traces,
        secret=partial(secret_from, environ),
        **tables,
    )


def secret_from(environ: Mapping[str, str], name: str) -> str:
    """The secret in variable NAME, or in the file that NAME_FILE names; empty if neither is set. Raises ValueError without it."""
    path = environ.get(f"{name}_FILE", "")
    if environ.get(name) and path:
        raise ValueError(f"give it in {name} or in {name}_FILE, not in both")
    if not path:
        return environ.get(name, "")
    try:
        with Path(path).open("rb") as file:
            content = file.read(SECRET_BYTES_MAX + 1)
        text = content.decode().strip()
    except (OSError, ValueError):
        raise ValueError("its file cannot be read as text") from None
    if not text or len(content) > SECRET_BYTES_MAX:
        raise ValueError(f"its file must hold 1 to {SECRET_BYTES_MAX} bytes")
    return text


def shown(loaded: Loaded) -> Iterator[tuple[str, str, str]]:
    """Name, value and origin of every setting, for people; of a secret, only whether it is set."""
    for known in fields(Settings):
        value = getattr(loaded.settings, known.name)
        text = ("set" if value else "") if about(known).secret else str(value)
        yield env_name(known.name), text, loaded.origins[known.name]


def _settings(given: Mapping[str, Value]) -> Settings:
    return Settings(**given)  # type: ignore[arg-type]  # _parse has given each value the type of its field


def _document(path: Path | None, faults: list[str]) -> Mapping[str, object]:
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as fault:
        where = str(fault).rpartition("(at ")[2].rstrip(")")
        faults.append(f"{path.name}: is not TOML ({where})")
    except (OSError, ValueError, RecursionError):
        faults.append(f"{path.name}: cannot be read as text")
    return {}


def _strangers(flags: Mapping[str, object], environ: Mapping[str, str], document: Mapping[str, object]) -> Iterator[str]:
    """Names that nobody reads: most likely a slip of the pen, so each is answered with the nearest that there is."""
    names = [known.name for known in fields(Settings)]
    variables = [env_name(name) for name in names]
    variables += [f"{env_name(known.name)}_FILE" for known in fields(Settings) if about(known).secret]
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in variables and name not in OTHERS:
            yield f"{name}: there is no such variable{_nearest(name, variables)}"
    for name in sorted(document):
        if name not in names and name not in TABLES:
            yield f"{name!a} in {TOML_NAME}: there is no such setting{_nearest(name, [*names, *TABLES])}"
    for name in sorted(flags):
        if name not in names:
            yield f"{name!a}: there is no such flag{_nearest(name, names)}"


def _nearest(name: str, names: list[str]) -> str:
    found = get_close_matches(name.replace("-", "_"), names, n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _raw(
    known: "Field[object]",
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    document: Mapping[str, object],
    faults: list[str],
) -> tuple[object, str]:
    """What was given for a setting, None if nothing was; and where."""
    if flags.get(known.name) is not None:
        return flags[known.name], "flag"
    name = env_name(known.name)
    if about(known).secret:
        try:
            text = secret_from(environ, name)
        except ValueError as fault:
            faults.append(f"{name}: {fault}")
            return None, "default"
        if text:
            return text, f"environment {name if environ.get(name) else name + '_FILE'}"
    for variable in (name, about(known).alias):
        if environ.get(variable):
            return environ[variable], f"environment {variable}"
    if known.name in document:
        return document[known.name], f"file {TOML_NAME}"
    return None, "default"


def _called(name: str, origin: str) -> str:
    if origin == "flag":
        return "--" + name.replace("_", "-")
    return origin.removeprefix("environment ") if origin.startswith("environment ") else f"{name} in {TOML_NAME}"


def _parse(known: "Field[object]", raw: object, *, spoken: bool) -> Value:
    """The value of a setting; `spoken` values come as text and are read as numbers. Raises ValueError, which repeats nothing."""
    if known.type in (int, float):
        return _parse_number(about(known), raw, whole=known.type is int, spoken=spoken)
    if not isinstance(raw, str | Path):
        raise ValueError("must be a text")  # noqa: TRY004  # one kind of error for every fault of a value
    text = str(raw).strip()
    if not text.isprintable():
        raise ValueError("must be one line of printable characters")
    if known.type is Path:
        if not text:
            raise ValueError("must name a folder")
        return Path(text)
    rules = about(known)
    if rules.choices and text not in rules.choices:
        raise ValueError("must be one of " + ", ".join(rules.choices))
    flaw = rules.flaw(text) if rules.flaw is not None and text else None
    if flaw:
        raise ValueError(flaw)
    return text


def _parse_number(rules: About, raw: object, *, whole: bool, spoken: bool) -> int | float:
    wanted = f"must be a {'whole ' if whole else ''}number {rules.bounds}"
    if isinstance(raw, str) and spoken and raw.isascii():
        try:
            raw = int(raw) if whole else float(raw)
        except ValueError:
            raise ValueError(wanted) from None
    if isinstance(raw, bool) or not isinstance(raw, int if whole else int | float) or not rules.low <= raw <= rules.high:
        raise ValueError(wanted)
    return raw if whole else float(raw)


def _entries(name: str, table: object, faults: list[str]) -> Entries:
    if isinstance(table, dict) and all(isinstance(entry, dict) for entry in table.values()):
        return table
    faults.append(f"{name} in {TOML_NAME}: must be tables, [{name}.NAME]")
    return {}


def _traces(environ: Mapping[str, str], faults: list[str]) -> str:
    """Where the standard variables of OpenTelemetry send traces; empty unless they name an exporter or an endpoint."""
    named = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    endpoint = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    wanted = named or ("otlp" if endpoint else "none")
    if wanted == "none" or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ""
    if wanted not in TRACES_EXPORTERS:
        faults.append("OTEL_TRACES_EXPORTER: must be one of none, " + ", ".join(TRACES_EXPORTERS))
    protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") or TRACES_PROTOCOL
    if wanted == "otlp" and protocol.strip().lower() != TRACES_PROTOCOL:
        faults.append(f"OTEL_EXPORTER_OTLP_PROTOCOL: must be {TRACES_PROTOCOL}")
    return wanted


def _conflicts(settings: Settings) -> Iterator[str]:
    if settings.api_port == settings.ws_port != 0:
        yield f"{env_name('ws_port')}: must differ from {env_name('api_port')}; the API port serves /ws as well"
    if not settings.on_postgres:
        if settings.workers > 1:
            yield f"{env_name('workers')}: must be 1 on SQLite, where one process writes; several need PostgreSQL"
        if settings.role != "all":
            yield f"{env_name('role')}: must be all on SQLite, where one process does everything; parts need PostgreSQL"
        if settings.database_replica_url:
            yield f"{env_name('database_replica_url')}: needs PostgreSQL in {env_name('database_url')}"


def _exposed(settings: Settings, origins: Mapping[str, str]) -> Iterator[str]:
    """A server that other machines reach, and on which nobody has decided who may use it."""
    if not flaws.loopback(settings.api_host) and origins["auth"] == "default":
        yield (
            f"{env_name('auth')}: must be set when {env_name('api_host')} can be reached from other machines: required makes "
            "everybody log in, optional lets strangers read what is public and start debates, off lets everybody do everything"
        )


def _ignored(settings: Settings, origins: Mapping[str, str]) -> Iterator[str]:
    for name in ("db_pool_size", "db_max_overflow"):
        if origins[name] != "default" and not settings.on_postgres:
            yield f"{_called(name, origins[name])} is ignored on SQLite: one connection writes, and reads need no pool"
