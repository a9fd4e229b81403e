"""What a wire is: the words in which a vendor's HTTP API is asked and read. May import the port and `debate`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from aragora.debate.context import tokens
from aragora.debate.model import Fault
from aragora.providers import ProviderError

Schema = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is put to a model, before any vendor's words for it."""

    model: str
    system: str
    user: str
    tokens_out_max: int
    schema: Schema | None = None  # the JSON that the reply must be, where the endpoint can promise that

    @property
    def tokens_in(self) -> int:
        """An estimate of how many tokens the model reads."""
        return tokens(self.system) + tokens(self.user)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a provider is reached, and what is known of its ways."""

    name: str  # the part before the colon of an agent's name
    wire: str  # a key of WIRES
    base_url: str  # what the vendor's own SDK calls by that name
    key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    path: str = "/chat/completions"  # of the OpenAI wire, under `base_url`
    tokens_field: str = "max_tokens"  # of the OpenAI wire: what it calls its bound on the reply
    asks_usage: bool = True  # of the OpenAI wire: whether usage must be asked for in a stream
    keyless: bool = False  # whether it is asked without a key
    schemas: bool = False  # whether it can promise a reply that follows a JSON schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds: for a connection, for the first piece of text, between pieces, and in all."""

    connect_s: float = 10.0
    first_token_s: float = 60.0
    idle_s: float = 30.0
    total_s: float = 120.0
    fair_s: float = 5.0  # a call that was given less time than this says nothing about its endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request, ready to be sent."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What the vendor counted. Unknown is None, never 0."""

    read: int | None = None  # all tokens of the request, cached ones among them
    written: int | None = None  # all tokens of the reply, hidden reasoning among them
    cached: int | None = None  # tokens of the request that came from the vendor's cache
    stored: int | None = None  # tokens of the request that were put into that cache, where that has a price of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole reply, as the vendor sent it."""

    text: str
    tokens: Tokens = Tokens()


class Reading(Protocol):
    """A streamed reply while it arrives."""

    def take(self, data: bytes) -> str:
        """Read one event and return the text that it adds. Raises Failed."""
        ...

    @property
    def over(self) -> bool:
        """Whether nothing more is to be waited for."""
        ...

    def reply(self) -> Reply:
        """The whole reply; raises Failed if the stream ended before it was whole."""
        ...


class Wire(Protocol):
    """How one vendor's API is asked and read. Pure: it opens no socket."""

    def call(self, endpoint: Endpoint, ask: Ask, *, stream: bool) -> Call:
        """Put what is asked into the vendor's words."""
        ...

    def listing(self, endpoint: Endpoint) -> Call:
        """Ask which models there are, the cheapest request of all."""
        ...

    def models(self, body: bytes) -> Sequence[str]:
        """Read which models there are. Raises Failed."""
        ...

    def whole(self, body: bytes) -> Reply:
        """Read a reply that came in one piece. Raises Failed."""
        ...

    def reading(self) -> Reading:
        """Begin to read a streamed reply."""
        ...


class Failed(ProviderError):
    """One call failed, and what that means for the next."""

    def __init__(
        self,
        fault: Fault,
        detail: str,
        *,
        again: bool = False,
        blame: bool = False,
        charged: bool = True,
        retry_after_s: float | None = None,
    ) -> None:
        """`again`: the call may be repeated; `blame`: it speaks against the endpoint; `charged`: the vendor may want money."""
        super().__init__(fault, detail, retry_after_s=retry_after_s)
        self.again, self.blame, self.charged = again, blame, charged


# What each vendor's word for the end of a reply means; words that are not here are no end of an answer.
ENDS_WELL = frozenset({"stop", "end_turn", "stop_sequence", "STOP", "eos"})
ENDS_EARLY = frozenset(
    {"length", "model_length", "max_tokens", "MAX_TOKENS", "model_context_window_exceeded", "pause_turn"},
)
ENDS_REFUSED = frozenset(
    {"content_filter", "refusal", "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"},
)
ENDS_BROKEN = frozenset({"error", "insufficient_system_resource"})


def finished(finish: str | None, text: Sequence[str], tokens: Tokens, *, refusal: str = "") -> Reply:
    """The whole reply, if the vendor's word for its end says that it is whole."""
    if refusal or finish in ENDS_REFUSED:
        raise Failed(Fault.REFUSED, refusal or f"The model's vendor withheld the answer ({finish}).")
    if finish is None:
        raise Failed(Fault.TRUNCATED, "The reply ended without the sign that it is whole.", again=True, blame=True)
    if finish in ENDS_EARLY:
        raise Failed(Fault.TRUNCATED, f"The reply stopped at a bound on its length ({finish}).")
    if finish in ENDS_BROKEN:
        raise Failed(Fault.UNAVAILABLE, f"The model broke off ({finish}).", again=True, blame=True)
    if finish not in ENDS_WELL:
        raise Failed(Fault.MALFORMED, f"The reply ended in an unknown way ({finish[:64]}).")
    whole = "".join(text)
    if not whole.strip():
        raise Failed(Fault.MALFORMED, "The reply was empty.", blame=True)
    return Reply(text=whole, tokens=tokens)


def names(body: bytes, rows: str, name: str) -> Sequence[str]:
    """The names in a list of models: the field `name` of each object in the field `rows`."""
    try:
        listed = msgspec.json.decode(body, type=dict[str, msgspec.Raw]).get(rows)
        return [str(row[name]) for row in msgspec.json.decode(listed or b"[]", type=list[dict[str, object]]) if name in row]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failed(Fault.MALFORMED, "The reply is not a list of models.", charged=False) from error
