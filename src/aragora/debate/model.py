"""The nouns of a debate. Imports the standard library only."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

N = TypeVar("N", int, float)


class Phase(StrEnum):
    """What a seat is asked to do in a turn."""

    PROPOSE = "propose"  # answer the topic without seeing anybody
    CRITIQUE = "critique"  # say what is wrong with the answers of others
    REVISE = "revise"  # answer again, having read the critiques
    VOTE = "vote"  # choose the best standing answer
    JUDGE = "judge"  # decide between answers without having given one


class Status(StrEnum):
    """Where a debate is in its life."""

    PENDING = "pending"  # stored; not yet started, or waiting for a place among the running
    ACTIVE = "active"  # a runner is asking its turns, or will after a restart
    COMPLETED = "completed"  # ended with an outcome, whichever it was
    FAILED = "failed"  # ended because nobody could answer, or the debate itself broke
    CANCELLED = "cancelled"  # ended because somebody said so


ENDED = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


class Decision(StrEnum):
    """How a debate came out. Never a bare boolean."""

    CONSENSUS = "consensus"  # everybody entitled agreed, or a rule stricter than a majority was met
    MAJORITY = "majority"  # more than half agreed, others did not
    SPLIT = "split"  # one answer leads, but not more than half support it
    DEADLOCK = "deadlock"  # two or more answers lead together
    INSUFFICIENT_QUORUM = "insufficient_quorum"  # too few ballots were heard to decide anything
    DEGRADED = "degraded"  # decided, but a seat that should have voted was missing
    CANCELLED = "cancelled"
    FAILED = "failed"


class Fault(StrEnum):
    """Why a turn went unanswered. The names are those of the provider errors."""

    REFUSED = "refused"  # the model or its vendor declined to answer
    RATE_LIMITED = "rate_limited"  # the vendor said: not so fast
    OVERLOADED = "overloaded"  # the vendor said: too busy
    TIMEOUT = "timeout"  # the turn's or the round's deadline passed
    TRUNCATED = "truncated"  # the answer stopped before its end
    MALFORMED = "malformed"  # the reply could not be read as what was asked for
    AUTH = "auth"  # the key was missing or wrong
    UNAVAILABLE = "unavailable"  # no connection, an unknown model, or a broken reply
    BUDGET = "budget"  # the call would have passed the debate's cost limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """An agent's place in one debate: `["demo", "demo"]` are the seats `demo-1` and `demo-2`."""

    name: str
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What was asked. Fixed before the first call, kept whole in the first event, and all that a replay needs."""

    topic: str
    seats: tuple[Seat, ...]
    rounds: int = 3
    protocol: str = "critique@1"
    rule: str = "majority"
    threshold: float | None = None  # share of all seats that the leader needs, beyond what the rule says; 0 to 1
    quorum: int | None = None  # ballots needed to decide; None: more than half of the seats
    context: str = ""  # background that every seat reads with the topic
    seed: int = 0  # fixes the order in which peers are shown, and the demo agents
    history_rounds_max: int = 5  # rounds of history a seat is shown
    context_tokens_max: int = 8000  # estimated tokens of history a seat is shown
    cost_usd_max: float | None = None  # what the debate may cost: a call that might pass it is not made

    @property
    def quorum_needed(self) -> int:
        """How many ballots must be heard before anything is decided."""
        return self.quorum if self.quorum is not None else len(self.seats) // 2 + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a turn cost. Unknown is None, never 0."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None  # of `tokens_in`, those that the vendor had in its cache
    cost_usd: float | None = None
    held_usd: float = 0.0  # what calls of unknown cost may have cost at most; counts against the debate's limit

    def __add__(self, other: "Usage") -> "Usage":
        """Both together. Unknown and something is unknown."""
        return Usage(
            tokens_in=_plus(self.tokens_in, other.tokens_in),
            tokens_out=_plus(self.tokens_out, other.tokens_out),
            tokens_cached=_plus(self.tokens_cached, other.tokens_cached),
            cost_usd=_plus(self.cost_usd, other.cost_usd),
            held_usd=self.held_usd + other.held_usd,
        )


def _plus(one: N | None, other: N | None) -> N | None:
    return None if one is None or other is None else one + other


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """A choice between standing answers; `choice` is the seat that gave the answer."""

    choice: str
    confidence: float | None = None  # 0 to 1; None: not said
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abstention:
    """A turn that went unanswered. It is a fact about the run and is never shown to agents as text."""

    fault: Fault
    detail: str = ""  # the provider's own words, secrets redacted


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """Who answered in place of a seat's agent, as its owner declared, and why that one could not."""

    agent: str
    fault: Fault
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a seat said in one turn: a text, a ballot with its reason, or an abstention."""

    round: int
    phase: Phase
    seat: str
    content: str = ""
    target: str = ""  # the seat that a critique is about; empty: all of them
    ballot: Ballot | None = None
    abstention: Abstention | None = None
    stand_in: StandIn | None = None
    usage: Usage = Usage()
    seconds: float = 0.0  # how long the turn took

    @property
    def spoke(self) -> bool:
        """Whether there is something to read: a failed turn has nothing to critique or vote on."""
        return self.abstention is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A request to one seat to speak, and what it may see of the debate so far."""

    round: int
    phase: Phase
    seat: Seat
    sees: tuple[Message, ...] = ()
    choices: tuple[str, ...] = ()  # the seats whose standing answers may be voted for

    @property
    def key(self) -> str:
        """The identity of this turn in the log of its debate."""
        return f"turn/{self.round}/{self.phase}/{self.seat.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Ballots counted under a rule. `eligible` counts every seat, so that those who were missing weigh against agreement."""

    leader: str | None  # None: no ballot, or a tie for the lead
    agreement: float  # the leading count over the eligible, 0 to 1
    reached: bool  # whether the rule is met
    counts: dict[str, int]
    eligible: int
    received: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A turn that nobody answered, named in the outcome."""

    seat: str
    round: int
    phase: Phase
    fault: Fault
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """A turn that another agent took than the one who has the seat, named in the outcome."""

    seat: str
    round: int
    phase: Phase
    agent: str
    fault: Fault
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a seat, or a whole debate, cost. Unknown is None, never 0: one turn of unknown cost makes the sum unknown."""

    seat: str  # empty: all of them
    tokens_in: int | None
    tokens_out: int | None
    usd: float | None
    held_usd: float = 0.0  # what failed calls may have cost on top, at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a debate ended, with an honest account of it."""

    outcome: Decision  # the headline: `degraded` when a seat was missing from the deciding vote
    decision: Decision  # what the ballots say, whoever was missing
    reached: bool  # whether the brief's rule was met
    stopped: str  # why no further round was held: agreement, rounds, quorum, nobody, cancelled, error
    rounds: int
    winner: str | None = None
    answer: str = ""
    tally: Tally | None = None
    dissent: tuple[str, ...] = ()  # seats whose last ballot was for another answer
    missing: tuple[Missing, ...] = ()
    replaced: tuple[Replaced, ...] = ()
    costs: tuple[Cost, ...] = ()  # of each seat, then of the whole debate
    detail: str = ""

    @property
    def status(self) -> Status:
        """The status that this outcome leaves the debate in."""
        if self.outcome is Decision.CANCELLED:
            return Status.CANCELLED
        return Status.FAILED if self.outcome is Decision.FAILED else Status.COMPLETED


def seats_for(agents: Sequence[str]) -> tuple[Seat, ...]:
    """Give each agent a place: its own name, or numbered names where one agent is asked more than once."""
    repeated = {agent for agent in agents if agents.count(agent) > 1}
    taken = set(agents) - repeated
    seats: list[Seat] = []
    numbers: dict[str, int] = dict.fromkeys(agents, 0)
    for agent in agents:
        name = agent
        while agent in repeated:
            numbers[agent] += 1
            name = f"{agent}-{numbers[agent]}"
            if name not in taken:
                break
        taken.add(name)
        seats.append(Seat(name=name, agent=agent))
    return tuple(seats)
