"""Which providers there are and where: those known by name, those of the configuration, and aliases. May import siblings."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

import msgspec

from aragora.providers import Agent
from aragora.providers.gate import Limits
from aragora.providers.money import Level, Price, listed
from aragora.providers.wire import Endpoint, Patience

T = TypeVar("T", "ProviderTable", "AgentTable")

ANTHROPIC = Endpoint(name="anthropic", wire="anthropic", base_url="https://api.anthropic.com", schemas=True)
OPENAI = Endpoint(
    name="openai",
    wire="openai",
    base_url="https://api.openai.com/v1",
    tokens_field="max_completion_tokens",
    schemas=True,
)
GOOGLE = Endpoint(name="google", wire="gemini", base_url="https://generativelanguage.googleapis.com", schemas=True)
MISTRAL = Endpoint(
    name="mistral",
    wire="openai",
    base_url="https://api.mistral.ai",
    path="/v1/chat/completions",
    asks_usage=False,
    schemas=True,
)


def _compatible(name: str, base_url: str, *, keyless: bool = False) -> Endpoint:
    return Endpoint(name=name, wire="openai", base_url=base_url, keyless=keyless)


# The providers that are known by name. A line here, or a table in the configuration, is all that one more needs.
ENDPOINTS: Mapping[str, Endpoint] = {
    "anthropic": ANTHROPIC,
    "openai": OPENAI,
    "google": GOOGLE,
    "mistral": MISTRAL,
    "deepseek": _compatible("deepseek", "https://api.deepseek.com/v1"),
    "groq": _compatible("groq", "https://api.groq.com/openai/v1"),
    "openrouter": _compatible("openrouter", "https://openrouter.ai/api/v1"),
    "xai": _compatible("xai", "https://api.x.ai/v1"),
    "ollama": _compatible("ollama", "http://localhost:11434/v1", keyless=True),
    "lmstudio": _compatible("lmstudio", "http://localhost:1234/v1", keyless=True),
    "vllm": _compatible("vllm", "http://localhost:8000/v1", keyless=True),
}
WIRES = ("openai", "anthropic", "gemini")
# What the names of their environment variables begin with, where that is not the name of the provider.
PREFIXES: Mapping[str, str] = {"google": "GEMINI"}
# Requests per minute that the specification gives for each vendor's models; the first part of a name that fits counts.
REQUESTS_PER_MINUTE: Mapping[str, Sequence[tuple[str, int]]] = {
    "anthropic": (("haiku", 100), ("", 60)),
    "openai": (("mini", 200), ("", 60)),
    "google": (("", 60),),
    "mistral": (("", 50),),
}
TOKENS_OUT_MAX = 8192
WAIT_S_MAX = 3600.0
PERSONA_CHARS_MAX = 2000
FALLBACKS_MAX = 4
RESERVED = frozenset({"demo"})
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
MODEL = re.compile(r"[!-~]{1,128}\Z")
URL = re.compile(r"https?://[!-~]{1,500}\Z")


class PriceTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A price as a person writes it: US dollars for a million tokens."""

    input: float
    output: float
    cached: float | None = None
    stored: float | None = None


class ProviderTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[providers.NAME]`; what is left out is as it is known for that name."""

    wire: str | None = None
    base_url: str | None = None
    path: str | None = None
    tokens_field: str | None = None
    asks_usage: bool | None = None
    schemas: bool | None = None
    keyless: bool | None = None
    headers: dict[str, str] = {}
    tokens_out_max: int = TOKENS_OUT_MAX
    requests_per_minute: int | None = None
    tokens_per_minute: int = 0
    calls_max: int = Limits().calls_max
    connect_s: float = Patience().connect_s
    first_token_s: float = Patience().first_token_s
    idle_s: float = Patience().idle_s
    prices: dict[str, PriceTable] = {}


class AgentTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[agents.NAME]`."""

    model: str
    persona: str = ""
    fallback: list[str] = []


AS_KNOWN = ProviderTable()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A provider that can be asked, and how."""

    endpoint: Endpoint
    table: ProviderTable = AS_KNOWN
    chosen: bool = False  # whether anybody set it up: by a key, an address or a table

    @property
    def usable(self) -> bool:
        """Whether it can be asked as things are."""
        return self.endpoint.keyless or bool(self.endpoint.key)

    @property
    def patience(self) -> Patience:
        """How long its calls may take, apart from what the turn allows."""
        table = self.table
        return Patience(connect_s=table.connect_s, first_token_s=table.first_token_s, idle_s=table.idle_s)

    def limits(self, model: str) -> Limits:
        """What one model of it is asked for at most."""
        table, known = self.table, REQUESTS_PER_MINUTE.get(self.endpoint.name, ())
        default = next((rate for part, rate in known if part in model), 0)
        rate = default if table.requests_per_minute is None else table.requests_per_minute
        return Limits(requests_per_minute=rate, tokens_per_minute=table.tokens_per_minute, calls_max=table.calls_max)

    def price(self, model: str) -> Price | None:
        """What a model of it costs: as configured, otherwise as listed; None: unknown."""
        own = self.table.prices.get(model)
        if own is not None:
            return (Level(0, own.input, own.output, own.cached, own.stored),)
        return listed(self.endpoint.name, model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Every provider by name, and the aliases of the configuration."""

    sources: Mapping[str, Source] = field(default_factory=lambda: {name: Source(endpoint=e) for name, e in ENDPOINTS.items()})
    aliases: Mapping[str, Agent] = field(default_factory=dict)


def variable(provider: str, what: str) -> str:
    """The environment variable of a provider: `variable("google", "API_KEY")` is `GEMINI_API_KEY`."""
    return f"{PREFIXES.get(provider, provider.upper().replace('-', '_'))}_{what}"


def catalogue(
    agents: Mapping[str, Mapping[str, object]],
    providers: Mapping[str, Mapping[str, object]],
    secret: Callable[[str], str],
    faults: list[str],
) -> Catalogue:
    """Read the tables of the configuration. `secret` gives the value of a variable, or of the file that it names.

    Every fault is added to `faults`, without repeating a value.
    """
    sources = {}
    for name in [*ENDPOINTS, *(name for name in providers if name not in ENDPOINTS)]:
        table = _convert(f"[providers.{name}]", providers.get(name, {}), ProviderTable, faults)
        if table is not None:
            source = _source(name, table, secret, faults)
            if source is not None:
                sources[name] = replace(source, chosen=source.chosen or name in providers)
    aliases = {}
    for name, entries in agents.items():
        entry = _convert(f"[agents.{name}]", entries, AgentTable, faults)
        if entry is not None:
            aliases[name] = _alias(name, entry, sources, faults)
    _check_fallbacks(aliases, sources, faults)
    return Catalogue(sources=sources, aliases=aliases)


def _convert(where: str, entries: Mapping[str, object], kind: type[T], faults: list[str]) -> T | None:
    try:
        return msgspec.convert(entries, kind)
    except msgspec.ValidationError as error:
        faults.append(f"{where}: {error}")
        return None


def _source(name: str, table: ProviderTable, secret: Callable[[str], str], faults: list[str]) -> Source | None:
    where, known = f"[providers.{name}]", ENDPOINTS.get(name)
    given = {field.name: getattr(table, field.name, None) for field in fields(Endpoint)}
    own = {key: value for key, value in given.items() if value is not None}
    try:
        address, key = secret(variable(name, "BASE_URL")), secret(variable(name, "API_KEY"))
    except ValueError as error:
        faults.append(f"{variable(name, 'API_KEY')}: {error}")
        return None
    own |= {"base_url": address} if address and "base_url" not in own else {}
    if known is None and ("wire" not in own or "base_url" not in own):
        faults.append(f"{where}: a provider that is not known by name needs `wire` and `base_url`")
        return None
    # An endpoint of one's own is most often a local server, which has no keys: one that has is given one.
    base = known or Endpoint(name=name, wire="openai", base_url="", keyless=True)
    endpoint = replace(base, **(own | {"key": key}))
    flaws = _flaws(endpoint, table)
    faults += [f"{where}: {flaw}" for flaw in flaws]
    return None if flaws else Source(endpoint=endpoint, table=table, chosen=bool(key or address))


def _flaws(endpoint: Endpoint, table: ProviderTable) -> list[str]:
    waits = (table.connect_s, table.first_token_s, table.idle_s)
    counts = (table.tokens_out_max, table.calls_max)
    rates = (table.tokens_per_minute, table.requests_per_minute or 0)
    return [
        flaw
        for bad, flaw in (
            (not NAME.match(endpoint.name), "its name must be letters, digits, `-` and `_` in lower case"),
            (endpoint.wire not in WIRES, f"`wire` must be one of {', '.join(WIRES)}"),
            (not URL.match(endpoint.base_url), "`base_url` must begin with http:// or https:// and hold no spaces"),
            (not endpoint.path.startswith("/"), "`path` must begin with /"),
            (min(waits) <= 0 or max(waits) > WAIT_S_MAX, f"waits must be above 0 and at most {WAIT_S_MAX:g} seconds"),
            (min(counts) < 1 or min(rates) < 0, "`tokens_out_max` and `calls_max` must be at least 1, rates at least 0"),
            (any(not _is_header(*item) for item in endpoint.headers.items()), "`headers` must be plain names and values"),
            (any(min(p.input, p.output) < 0 for p in table.prices.values()), "prices must be 0 or more"),
        )
        if bad
    ]


def _is_header(name: str, value: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z0-9-]+", name)) and value.isprintable()


def _alias(name: str, entry: AgentTable, sources: Mapping[str, Source], faults: list[str]) -> Agent:
    where = f"[agents.{name}]"
    provider, _, model = entry.model.partition(":")
    if not NAME.match(name) or name in RESERVED:
        faults.append(f"{where}: its name must be letters, digits, `-` and `_` in lower case, and not `demo`")
    if not _names_model(entry.model, sources):
        faults.append(f"{where}: `model` must be `provider:model`, with a provider that is known or in the configuration")
    if len(entry.persona) > PERSONA_CHARS_MAX:
        faults.append(f"{where}: `persona` must be at most {PERSONA_CHARS_MAX} characters")
    return Agent(name=name, provider=provider, model=model, persona=entry.persona, fallback=tuple(entry.fallback))


def _names_model(name: str, sources: Mapping[str, Source]) -> bool:
    provider, _, model = name.partition(":")
    return provider in RESERVED or (provider in sources and bool(MODEL.match(model)))


def _check_fallbacks(aliases: Mapping[str, Agent], sources: Mapping[str, Source], faults: list[str]) -> None:
    for agent in aliases.values():
        if len(agent.fallback) > FALLBACKS_MAX:
            faults.append(f"[agents.{agent.name}]: `fallback` must name at most {FALLBACKS_MAX} agents")
        if any(other == agent.name or not (other in aliases or _names_model(other, sources)) for other in agent.fallback):
            faults.append(f"[agents.{agent.name}]: `fallback` must name other agents that there are")
