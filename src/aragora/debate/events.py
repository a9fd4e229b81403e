"""What is kept in a debate's log: the kinds of event, their wire names and their identity keys. Imports `model` only."""

from dataclasses import dataclass, is_dataclass

from aragora.debate.model import Brief, Message, Outcome, Phase, Quotation, Suggestion, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class DebateStarted:
    """The first event: the whole brief."""

    brief: Brief

    @property
    def type(self) -> str:
        """Its name on the wire."""
        return "debate_start"

    @property
    def key(self) -> str:
        """Its identity in the log."""
        return "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonVoted:
    """A person chose between standing answers; counted beside the agents' ballots, never among them."""

    voter: str
    choice: str
    confidence: float | None = None
    reason: str = ""

    @property
    def type(self) -> str:
        """Its name on the wire."""
        return "vote_cast"

    @property
    def key(self) -> str:
        """Its identity in the log, to which the store adds a number for each change of mind."""
        return f"vote/{self.voter}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSuggested:
    """A person put something to the agents; they read it from the next round on that begins."""

    id: str
    person: str
    content: str
    round: int  # the last round that was complete when it came

    @property
    def type(self) -> str:
        """Its name on the wire."""
        return "audience_suggestion"

    @property
    def key(self) -> str:
        """Its identity in the log."""
        return f"suggestion/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionsHeard:
    """What people had suggested when a round began. Recorded before its first turn, so that a replay hears the same."""

    round: int
    suggestions: tuple[Suggestion, ...]

    @property
    def type(self) -> str:
        """Its name on the wire."""
        return "suggestions_heard"

    @property
    def key(self) -> str:
        """Its identity in the log."""
        return f"round/{self.round}/suggestions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """What seats read of earlier debates from this round on. Recorded before its first turn, so that a replay reads the same."""

    round: int
    quotations: tuple[Quotation, ...]

    @property
    def type(self) -> str:
        """Its name on the wire."""
        return "memories_recalled"

    @property
    def key(self) -> str:
        """Its identity in the log."""
        return "recalled"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnAsked:
    """A seat that a person holds is asked to speak: what for, and between which answers it may choose."""

    round: int
    phase: Phase
    seat: str
    choices: tuple[str, ...]
    timeout_s: float
    positions: tuple[str, ...] = ()  # the options of which the answer must declare one
    part: str = ""  # the part that the seat plays, such as pro or con

    @property
    def type(self) -> str:
        """Its name on the wire."""
        return "turn_asked"

    @property
    def key(self) -> str:
        """Its identity in the log."""
        return f"asked/{self.turn}"

    @property
    def turn(self) -> str:
        """The key that the answer will have."""
        return f"turn/{self.round}/{self.phase}/{self.seat}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """Somebody let the debate rest, or go on."""

    paused: bool

    @property
    def type(self) -> str:
        """Its name on the wire."""
        return "debate_paused" if self.paused else "debate_resumed"

    @property
    def key(self) -> str:
        """Its identity in the log, to which the store adds a number for each time."""
        return "pause" if self.paused else "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundCompleted:
    """A round is over; how its ballots fell."""

    round: int
    tally: Tally

    @property
    def type(self) -> str:
        """Its name on the wire."""
        return "round_complete"

    @property
    def key(self) -> str:
        """Its identity in the log."""
        return f"round/{self.round}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DebateEnded:
    """The last event: the outcome."""

    outcome: Outcome
    seconds: float  # from the first event to this one

    @property
    def type(self) -> str:
        """Its name on the wire."""
        return "debate_end"

    @property
    def key(self) -> str:
        """Its identity in the log."""
        return "end"


Event = (
    DebateStarted
    | Message
    | PersonVoted
    | PersonSuggested
    | SuggestionsHeard
    | Recalled
    | TurnAsked
    | Switched
    | RoundCompleted
    | DebateEnded
)

SCALARS = (str, int, float)
# Their own kinds, which most values are; a number of an enumeration is none of these.
ATOMS = frozenset({str, int, float, bool, type(None)})
# The role that the public client expects beside each phase.
ROLES = {
    Phase.PROPOSE: "proposer",
    Phase.CRITIQUE: "critic",
    Phase.REVISE: "proposer",
    Phase.VOTE: "voter",
    Phase.JUDGE: "judge",
    Phase.SYNTHESISE: "synthesizer",
}


def type_of(event: Event) -> str:
    """The wire name of an event; a message is a text, a ballot or an abstention."""
    if not isinstance(event, Message):
        return event.type
    if event.abstention is not None:
        return "agent_abstained"
    return "vote_cast" if event.ballot is not None else "agent_message"


def key_of(event: Event) -> str:
    """The identity of an event in its log: recording it twice records it once."""
    return event.key


def data_of(event: Event) -> dict[str, object]:
    """The `data` of an event as it is stored and sent: our fields, and beside them the names that the public client reads."""
    if isinstance(event, Message):
        return _message_data(event)
    fields, names = dict[str, object](), dict[str, object]()
    match event:
        case DebateStarted(brief=brief):
            fields = _fields(brief)
            names = {"task": brief.topic, "agents": [seat.name for seat in brief.seats], "total_rounds": brief.rounds}
        case PersonVoted():
            names = {"kind": "person", "user_id": event.voter, "vote": event.choice, "reasoning": event.reason}
        case PersonSuggested():
            names = {"user_id": event.person, "round_number": event.round}
        case SuggestionsHeard() | Recalled() | TurnAsked():
            names = {"round_number": event.round}
        case RoundCompleted():
            fields = {"round": event.round, "blind": event.round == 0, **_fields(event.tally)}
            names = {"round_number": event.round}
        case DebateEnded(outcome=outcome):
            fields = _fields(outcome)
            names = {"result": outcome.answer, "final_answer": outcome.answer, "total_rounds": outcome.rounds}
            names |= {"consensus_reached": outcome.reached, "status": str(outcome.status), "duration_seconds": event.seconds}
    return {**(fields or _fields(event)), **names}


def _fields(value: object) -> dict[str, object]:
    """As `asdict`, without its copies of what cannot change, which are most of what it takes."""
    assert is_dataclass(value)
    return {name: each if type(each := getattr(value, name)) in ATOMS else _plain(each) for name in value.__dataclass_fields__}


def _plain(value: object) -> object:
    if type(value) in ATOMS or isinstance(value, SCALARS):
        return value
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return _fields(value) if is_dataclass(value) else value


def _message_data(message: Message) -> dict[str, object]:
    data = _fields(message)
    names = {"round_number": message.round, "agent": message.seat, "role": ROLES[message.phase]}
    if message.ballot is not None:
        ballot = message.ballot
        names |= {"kind": "seat", "voter": message.seat, "choice": ballot.choice, "vote": ballot.choice}
        names |= {"confidence": ballot.confidence, "reasoning": ballot.reason}
    return {**data, **names}
