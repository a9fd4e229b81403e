"""Rows as values: what the store hands out. Imports `debate` only."""

from dataclasses import dataclass, field
from enum import StrEnum

from aragora.debate.events import TurnAsked
from aragora.debate.model import Brief, Message, Outcome, Status
from aragora.debate.strength import Strength


class Visibility(StrEnum):
    """Who may read a debate beside its owner."""

    PRIVATE = "private"
    SHARED = "shared"  # whoever has a share link
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Reader:
    """On whose behalf debates are listed; `user_id` is empty for somebody unknown."""

    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A debate as it stands."""

    id: str
    status: Status
    brief: Brief
    round: int
    outcome: Outcome | None
    last_seq: int
    created_at: str
    started_at: str | None
    ended_at: str | None
    slug: str = ""
    title: str = ""
    tags: tuple[str, ...] = ()
    metadata: str = "{}"  # JSON
    archived_at: str | None = None
    origin: str | None = None  # clone, fork or followup
    origin_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filing:
    """Where a debate came from, and the batch that it belongs to; `parent` is the span that it was asked for in."""

    origin: str | None = None
    origin_id: str | None = None
    batch_id: str | None = None
    owner_id: str | None = None
    visibility: Visibility = Visibility.PUBLIC
    parent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Debates that were asked for together."""

    id: str
    n: int
    metadata: dict[str, object]
    created_at: str
    statuses: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A debate in a list."""

    id: str
    topic: str
    status: Status
    protocol: str
    agents: tuple[str, ...]
    rounds: int
    round: int
    outcome: Outcome | None
    created_at: str
    ended_at: str | None
    slug: str = ""
    title: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """An event as it lies in the log. `data` is its JSON."""

    debate_id: str
    seq: int
    key: str
    type: str
    data: str
    at: str

    @property
    def frame(self) -> str:
        """The event as it goes over the wire: one JSON object. The parts are JSON already, or need no escaping."""
        head = f'{{"type":"{self.type}","debate_id":"{self.debate_id}","seq":{self.seq},"timestamp":"{self.at}"'
        return f'{head},"data":{self.data}}}'

    @property
    def last(self) -> bool:
        """Whether nothing can follow."""
        return self.type == "debate_end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A runner's hold on a debate, and what the log already holds of it."""

    debate_id: str
    brief: Brief
    epoch: int
    started_at: str
    last_seq: int  # the newest event then
    whole: bool  # whether no call was in flight when the runner before left, if there was one
    recorded: dict[str, Message] = field(default_factory=dict)  # by turn key


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A message as it is listed."""

    seq: int
    round: int
    phase: str
    seat: str
    target: str
    content: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """A vote as it is listed; `kind` is seat or person."""

    kind: str
    voter: str
    round: int
    seq: int
    choice: str
    confidence: float | None
    reason: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """An agent on the leaderboard: the seed's rating, its record, and what the last fit made of it."""

    agent: str
    elo: float
    wins: int
    losses: int
    draws: int
    debates: int
    strength: Strength | None = None
    brier: float | None = None  # mean squared error of its stated confidence
    forecasts: int = 0  # over how many ballots


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list of debates: the last one seen."""

    created_at: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A turn that waits for a person."""

    turn: TurnAsked
    at: str
