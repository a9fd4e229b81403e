"""The nouns of a debate. Imports the standard library only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
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
    SYNTHESISE = "synthesise"  # write one text out of several


class Status(StrEnum):
    """Where a debate is in its life."""

    PENDING = "pending"  # stored; not yet started, or waiting for a place among the running
    ACTIVE = "active"  # a runner is asking its turns, or will after a restart
    PAUSED = "paused"  # somebody let it rest; no turn is asked until somebody lets it go on
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
class Alike:
    """How alike two agents chose before they had read each other, over their earlier debates."""

    one: str
    other: str
    phi: float  # agreement beyond chance, -1 to 1
    votes: int  # how many votes it was measured on


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
    options: tuple[str, ...] = ()  # the positions of a closed question; empty: an open one, each answer is its own position
    topology: str = "full"  # who reads whom in a round: full, ring, star or random:K
    self_vote: bool = True  # whether a seat may vote for its own answer
    veto: bool = False  # whether an answer that a ballot objects to can win
    judge: Seat | None = None  # decides between answers that lead together, and only then
    stops: tuple[str, ...] = ("agreement", "settled", "nothing_new")  # which rules may end a debate before its last round
    seconds_max: float | None = None  # how long its turns may take
    alike: tuple[Alike, ...] = ()  # how often its agents chose alike in earlier debates
    seed: int = 0  # fixes the order in which peers are shown, and the demo agents
    history_rounds_max: int = 5  # rounds of history a seat is shown
    context_tokens_max: int = 8000  # estimated tokens of history a seat is shown
    cost_usd_max: float | None = None  # what the debate may cost: a call that might pass it is not made
    recall: bool = True  # whether seats read what earlier debates settled, after the blind round, and this one is remembered

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
    ranking: tuple[str, ...] = ()  # answers from best to worst; those left out share the last place
    scores: dict[str, float] = field(default_factory=dict)  # how good each answer is, 0 to 1
    objects: tuple[str, ...] = ()  # answers that this voter cannot live with
    same: tuple[tuple[str, ...], ...] = ()  # groups of answers that say the same thing


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
    position: str = ""  # which of the brief's options, or which number, an answer stands for
    cites: tuple[str, ...] = ()  # keys of the texts that it answers or was convinced by
    ballot: Ballot | None = None
    abstention: Abstention | None = None
    stand_in: StandIn | None = None
    usage: Usage = Usage()
    seconds: float = 0.0  # how long the turn took

    @property
    def spoke(self) -> bool:
        """Whether there is something to read: a failed turn has nothing to critique or vote on."""
        return self.abstention is None

    @property
    def key(self) -> str:
        """Its identity in the log of its debate, by which other texts cite it."""
        return f"turn/{self.round}/{self.phase}/{self.seat}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What a person who watches put to the agents."""

    person: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotation:
    """What an earlier debate settled, or somebody noted, in its own words."""

    content: str
    date: str  # the day on which it was kept, as in 2026-01-31
    source: str  # `debate ID` or `note ID`


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A request to one seat to speak, and what it may see of the debate so far."""

    round: int
    phase: Phase
    seat: Seat
    sees: tuple[Message, ...] = ()
    choices: tuple[str, ...] = ()  # the seats whose standing answers may be voted for
    part: str = ""  # the part a seat plays in this phase, such as pro or con; empty: the usual one
    positions: tuple[str, ...] = ()  # the options of which the reply must declare one; empty: none
    suggestions: tuple[Suggestion, ...] = ()  # what people who watch had suggested when the round began
    quotations: tuple[Quotation, ...] = ()  # what is remembered of earlier debates

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
    tied: tuple[str, ...] = ()  # the answers that share the lead, if more than one does
    scores: dict[str, float] = field(default_factory=dict)  # what the rule made of the ballots, the best answer first


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A turn that nobody answered, named in the outcome."""

    seat: str
    round: int
    phase: Phase
    fault: Fault
    detail: str = ""


class Effect(StrEnum):
    """What debating did to the vote. Whether that was for the better only the truth could tell."""

    CHANGED_WINNER = "changed_winner"
    STRENGTHENED = "strengthened"  # the same answer leads, with more support
    WEAKENED = "weakened"  # the same answer leads, with less
    NOTHING = "nothing"
    UNKNOWN = "unknown"  # there was only one vote, or one of the two had no leader


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A change of mind between the blind vote and the last one."""

    seat: str
    before: str
    after: str
    cites: tuple[str, ...] = ()  # texts of others, said after the blind vote, that it gives as its reason; empty: none


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What lies behind a tally: who moved and why, what went unanswered, how independent the votes were."""

    effect: Effect = Effect.UNKNOWN
    switches: tuple[Switch, ...] = ()
    hollow: bool = False  # agreement rose, though nobody cited a reason and no critique was answered
    repeated: tuple[str, ...] = ()  # keys of critiques that say again what was said before
    dropped: tuple[str, ...] = ()  # keys of critiques that the criticised seat never answered
    effective_votes: float | None = None  # how many independent votes the panel is worth
    confidence: float | None = None  # what the winner's voters said, at most what so few independent votes can carry
    saved_turns: int = 0  # turns that the brief allowed and that were not needed


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
    stopped: str  # why no further round was held: one of the reasons in `stops`
    rounds: int
    winner: str | None = None
    answer: str = ""
    position: str = ""  # the option or number that the winning answer stands for
    tally: Tally | None = None
    blind: Tally | None = None  # the vote before anybody had debated
    judged: str = ""  # the seat whose verdict broke a tie; empty: no verdict was needed
    account: Account = Account()
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


# Seats of these agents are held by people: `person`, or `human:` and a name.
PERSON, HUMAN = "person", "human:"


def held_by_person(agent: str) -> bool:
    """Whether a seat of this agent waits for a person."""
    return agent == PERSON or (agent.startswith(HUMAN) and agent != HUMAN)


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
