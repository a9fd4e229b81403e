"""What is stored of an event: every field of it, and of what is in it."""

from dataclasses import asdict
from typing import Any

import pytest

from aragora.debate.consensus import cancelled
from aragora.debate.events import (
    DebateEnded,
    DebateStarted,
    Event,
    PersonSuggested,
    PersonVoted,
    RoundCompleted,
    SuggestionsHeard,
    Switched,
    TurnAsked,
    data_of,
)
from aragora.debate.model import Abstention, Ballot, Fault, Message, Phase, Suggestion, Tally, Usage
from builders import a_brief

BRIEF, OUTCOME = a_brief(), cancelled(rounds=1, detail="enough")
TALLY = Tally(
    leader=None, agreement=0.5, reached=False, counts={"a": 1}, eligible=2, received=1, tied=("a", "b"), scores={"a": 0.1}
)
BALLOT, LATE = Ballot(choice="a", confidence=0.5, reason="because"), Abstention(fault=Fault.TIMEOUT, detail="late")
# Each event, and what its data are the fields of.
EVENTS: tuple[tuple[Event, Any], ...] = (
    (DebateStarted(brief=BRIEF), BRIEF),
    (said := Message(round=1, phase=Phase.PROPOSE, seat="a", content="text", usage=Usage(cost_usd=0.01)), said),
    (cast := Message(round=1, phase=Phase.VOTE, seat="a", ballot=BALLOT), cast),
    (missed := Message(round=1, phase=Phase.VOTE, seat="a", abstention=LATE), missed),
    (voted := PersonVoted(voter="p", choice="a", confidence=1.0), voted),
    (put := PersonSuggested(id="1", person="p", content="think", round=0), put),
    (heard := SuggestionsHeard(round=1, suggestions=(Suggestion(person="p", content="think"),)), heard),
    (asked := TurnAsked(round=1, phase=Phase.VOTE, seat="a", choices=("a", "b"), timeout_s=1.0), asked),
    (rests := Switched(paused=True), rests),
    (RoundCompleted(round=1, tally=TALLY), TALLY),
    (DebateEnded(outcome=OUTCOME, seconds=1.0), OUTCOME),
)


@pytest.mark.parametrize(("event", "part"), EVENTS, ids=lambda value: type(value).__name__)
def test_nothing_is_left_out_or_changed(event: Event, part: Any) -> None:
    """The fields are those that the library of dataclasses finds, to the last."""
    whole = asdict(part)
    assert whole == {name: value for name, value in data_of(event).items() if name in whole}
