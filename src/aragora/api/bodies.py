"""From bytes to a brief or a vote: what clients send, checked once, at the edge. May import `debate`, errors and config.

Unknown fields are tolerated, since existing clients send some that mean nothing here. What is wrong is said field by field,
and never repeated back.
"""

import re
from collections.abc import Sequence
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect

from aragora.api import Parts
from aragora.api.asked import Asked
from aragora.debate.consensus import RULES
from aragora.debate.events import PersonVoted
from aragora.debate.model import Brief, Seat, held_by_person, seats_for
from aragora.debate.protocols import DEFAULT, PROTOCOLS, latest
from aragora.debate.stops import OPTIONAL as STOPS
from aragora.debate.topology import known
from aragora.errors import Flaw, Invalid, TooLarge

T = TypeVar("T")

AGENT_CHARS_MAX = 200
CONTEXT_CHARS_MAX = 100_000
VOTER_CHARS_MAX = 200
REASON_CHARS_MAX = 2_000
OPTION_CHARS_MAX = 200
OPTIONS_MIN, OPTIONS_MAX = 2, 50
LIMIT_MAX = 1e6  # of dollars and seconds
SEED_MAX = 2**63 - 1
DISCARDED_BYTES_MAX = 32 * 1024 * 1024
DEFAULT_AGENTS = ("demo:optimist", "demo:sceptic", "demo:pragmatist")
DEFAULT_ROUNDS = 3
ANONYMOUS = "anonymous"
# Characters that no database column or terminal should be given: controls other than tab and line breaks, and surrogates.
UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class CreateDebate(msgspec.Struct, kw_only=True):
    """A debate to hold. `task` and `question` are other names of `topic`, `consensus` of `rule`.

    `options` make the question a closed one. `judge` is an agent that breaks ties. `stops` are the rules that may end it early.
    Without `recall` no earlier debate is quoted in this one, and it is not remembered.
    """

    topic: str | None = None
    task: str | None = None
    question: str | None = None
    agents: list[str] | str | None = None
    rounds: int | None = None
    protocol: str | dict[str, msgspec.Raw] | None = None
    rule: str | None = None
    consensus: str | None = None
    threshold: float | None = None
    quorum: int | None = None
    context: str | None = None
    seed: int | None = None
    max_cost_usd: float | None = None
    options: list[str] | None = None
    topology: str = "full"
    self_vote: bool = True
    veto: bool = False
    judge: str | None = None
    stops: list[str] | None = None
    seconds_max: float | None = None
    recall: bool = True
    start: bool = True


class CastVote(msgspec.Struct, kw_only=True):
    """A person's vote. `choice` is a seat of the debate; `voter` names the person while authentication is off."""

    choice: str
    confidence: float | None = None
    reason: str = ""
    voter: str = ANONYMOUS


class Cancel(msgspec.Struct, kw_only=True):
    """Why a debate is cancelled."""

    reason: str = ""


async def read_body(request: Asked, bytes_max: int) -> bytes:
    """The whole body, however often it is asked for; raises TooLarge when it is over the bound."""
    if request.whole is None:
        request.whole = await _read(request, bytes_max)
    return request.whole


async def _read(request: Asked, bytes_max: int) -> bytes:
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Invalid("A compressed body is not accepted.", [Flaw("Content-Encoding", "must be identity or absent")])
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size <= bytes_max:
            parts.append(part)
            continue
        # What is over the bound is not kept. It is read for a while all the same: a client whose connection is closed while
        # it sends is told of a reset, not of the answer.
        parts.clear()
        if size > bytes_max + DISCARDED_BYTES_MAX:
            break
    if size > bytes_max:
        raise TooLarge(f"The body is larger than {bytes_max} bytes.")
    return b"".join(parts)


def parse(raw: bytes, kind: type[T]) -> T:
    """Decode a JSON object into `kind`; raises Invalid with the field that is wrong."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        name = path.rstrip("`")
        if not name:
            raise Invalid(message + ".", [Flaw("", message)]) from None
        raise Invalid(f"{name}: {message}.", [Flaw(name, message)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Invalid(
            "The body is not valid JSON.", [Flaw("", "must be one JSON object in UTF-8")], code="INVALID_JSON"
        ) from None


class Check:
    """Collects every flaw of a request, so that a caller is told all of them at once."""

    def __init__(self) -> None:
        self.flaws: list[Flaw] = []

    def wrong(self, name: str, message: str) -> None:
        """Note a flaw."""
        self.flaws.append(Flaw(name, message))

    def text(self, name: str, value: str, *, chars_max: int, needed: bool = False) -> str:
        """A text without blanks around it."""
        value = value.strip()
        if needed and not value:
            self.wrong(name, "must be given and not be blank")
        if len(value) > chars_max:
            self.wrong(name, f"must be at most {chars_max} characters")
        elif UNWANTED.search(value):
            self.wrong(name, "must not contain control characters or surrogates")
        return value

    def whole(self, name: str, value: int | None, *, low: int, high: int) -> None:
        """A whole number within bounds."""
        if value is not None and not low <= value <= high:
            self.wrong(name, f"must be from {low} to {high}")

    def share(self, name: str, value: float | None) -> None:
        """A number from 0 to 1."""
        if value is not None and not 0 <= value <= 1:
            self.wrong(name, "must be from 0 to 1")

    def done(self) -> None:
        """Raise Invalid if anything was wrong."""
        if self.flaws:
            raise Invalid("; ".join(f"{flaw.field} {flaw.message}" for flaw in self.flaws) + ".", self.flaws)


def brief_of(body: CreateDebate, parts: Parts) -> Brief:
    """The brief that a body asks for; raises Invalid with every flaw."""
    settings, check = parts.settings, Check()
    topic = check.text("topic", body.topic or body.task or body.question or "", chars_max=settings.max_topic_chars, needed=True)
    options = _options(body, check)
    rounds = body.rounds if body.rounds is not None else options.rounds
    check.whole("rounds", rounds, low=1, high=settings.max_rounds)
    agents = _agents(body.agents, parts, check)
    check.whole("quorum", body.quorum, low=1, high=max(1, len(agents)))
    check.whole("seed", body.seed, low=0, high=SEED_MAX)
    check.share("threshold", body.threshold)
    context = check.text("context", body.context or "", chars_max=CONTEXT_CHARS_MAX)
    rule = body.rule or body.consensus or options.consensus or "majority"
    if rule not in RULES:
        check.wrong("rule", f"must be one of {', '.join(RULES)}")
    protocol = latest(options.name or DEFAULT)
    if protocol is None:
        check.wrong("protocol", f"must be one of {', '.join(PROTOCOLS)}")
    seats = seats_for(agents)
    terms = _terms(body, seats, parts, check)
    check.done()
    return Brief(
        topic=topic,
        seats=seats,
        rounds=rounds if rounds is not None else DEFAULT_ROUNDS,
        protocol=protocol or DEFAULT,
        rule=rule,
        threshold=body.threshold,
        cost_usd_max=body.max_cost_usd,
        quorum=body.quorum,
        context=context,
        seed=body.seed if body.seed is not None else parts.new_seed(),
        history_rounds_max=settings.max_history_rounds,
        context_tokens_max=settings.max_context_tokens,
        self_vote=body.self_vote,
        veto=body.veto,
        topology=body.topology,
        seconds_max=body.seconds_max,
        options=terms.options,
        stops=terms.stops,
        judge=terms.judge,
        recall=body.recall and settings.memory == "on",
    )


class _Terms(msgspec.Struct):
    """What is fixed before the first call beyond rule and quorum."""

    options: tuple[str, ...]
    stops: tuple[str, ...]
    judge: Seat | None


def _terms(body: CreateDebate, seats: Sequence[Seat], parts: Parts, check: Check) -> _Terms:
    options = tuple(check.text(f"options[{n}]", text, chars_max=OPTION_CHARS_MAX) for n, text in enumerate(body.options or ()))
    if body.options is not None and not OPTIONS_MIN <= len({option.casefold() for option in options if option}) == len(options):
        check.wrong("options", f"must be at least {OPTIONS_MIN} different texts")
    if len(options) > OPTIONS_MAX:
        check.wrong("options", f"must be at most {OPTIONS_MAX}")
    if not known(body.topology):
        check.wrong("topology", "must be full, ring, star or random:K with K from 1 to 32")
    stops = STOPS if body.stops is None else tuple(dict.fromkeys(body.stops))
    if not set(stops) <= set(STOPS):
        check.wrong("stops", f"must be some of {', '.join(STOPS)}")
    for name, value in (("max_cost_usd", body.max_cost_usd), ("seconds_max", body.seconds_max)):
        if value is not None and not 0 <= value < LIMIT_MAX:
            check.wrong(name, f"must be from 0 to less than {LIMIT_MAX:.0f}")
    return _Terms(options, stops, _judge(body.judge, seats, parts, check))


def _judge(name: str | None, seats: Sequence[Seat], parts: Parts, check: Check) -> Seat | None:
    """The judge's place beside the table, under a name that no seat has."""
    if name is None:
        return None
    try:
        parts.agents.find(name[:AGENT_CHARS_MAX])
    except Invalid as error:
        check.wrong("judge", error.message)
    title = "judge"
    while title in {seat.name for seat in seats}:
        title += "-"
    return Seat(name=title, agent=name)


class _Options(msgspec.Struct):
    """What the public client may put into `protocol`; anything else in it means nothing here."""

    name: str | None = None
    rounds: int | None = None
    consensus: str | None = None


def _options(body: CreateDebate, check: Check) -> _Options:
    if not isinstance(body.protocol, dict):
        return _Options(name=body.protocol)
    try:
        return msgspec.json.decode(msgspec.json.encode(body.protocol), type=_Options)
    except msgspec.ValidationError:
        check.wrong("protocol", "must be a name, or an object with name, rounds and consensus")
        return _Options()


def _agents(given: list[str] | str | None, parts: Parts, check: Check) -> Sequence[str]:
    names = given.split(",") if isinstance(given, str) else given
    agents = [name.strip() for name in names] if names is not None else [*DEFAULT_AGENTS]
    if not 1 <= len(agents) <= parts.settings.max_agents:
        check.wrong("agents", f"must be from 1 to {parts.settings.max_agents}")
        return []
    for place, name in enumerate(agents):
        if len(name) > AGENT_CHARS_MAX:
            check.wrong(f"agents[{place}]", f"must be at most {AGENT_CHARS_MAX} characters")
            continue
        if held_by_person(name):
            continue
        try:
            parts.agents.find(name)
        except Invalid as error:
            check.wrong(f"agents[{place}]", error.message)
    return agents


def vote_of(body: CastVote, seats: Sequence[str]) -> PersonVoted:
    """The vote that a body casts in a debate of these seats; raises Invalid with every flaw."""
    check = Check()
    voter = check.text("voter", body.voter, chars_max=VOTER_CHARS_MAX, needed=True)
    reason = check.text("reason", body.reason, chars_max=REASON_CHARS_MAX)
    check.share("confidence", body.confidence)
    if body.choice not in seats:
        check.wrong("choice", f"must be one of {', '.join(seats)}")
    check.done()
    return PersonVoted(voter=voter, choice=body.choice, confidence=body.confidence, reason=reason)


def reason_of(raw: bytes) -> str:
    """The reason that a body gives for cancelling; it may be empty."""
    check = Check()
    reason = check.text("reason", parse(raw, Cancel).reason if raw.strip() else "", chars_max=REASON_CHARS_MAX)
    check.done()
    return reason
