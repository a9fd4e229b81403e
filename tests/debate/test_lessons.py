"""What ended debates teach: forecasts that came true, choices made alike, people and panels apart."""

from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.lessons import BINS, Forecast, Lesson, alike, learn
from aragora.debate.model import Ballot, Decision, Message, Outcome, Phase
from debating import a_brief

OPTIONS = ("yes", "no")


def said(seat: str, position: str) -> Message:
    """A blind answer."""
    return Message(round=0, phase=Phase.PROPOSE, seat=seat, content=position, position=position)


def voted(seat: str, choice: str, confidence: float | None, number: int = 0) -> Message:
    """A ballot."""
    return Message(round=number, phase=Phase.VOTE, seat=seat, ballot=Ballot(choice=choice, confidence=confidence))


def an_outcome(winner: str | None, position: str = "") -> Outcome:
    """What a debate came to."""
    return Outcome(
        outcome=Decision.MAJORITY,
        decision=Decision.MAJORITY,
        reached=True,
        stopped="rounds",
        rounds=0,
        winner=winner,
        position=position,
    )


HEARD = [
    *(said(seat, position) for seat, position in (("a", "yes"), ("b", "yes"), ("c", "no"))),
    voted("a", "b", 0.9),
    voted("b", "a", 1.0),
    voted("c", "c", None),
    voted("c", "a", 0.2, number=1),
]


def test_blind_confidence_is_what_is_scored() -> None:
    """A vote for another answer of the winning position came true; what nobody said, and later votes, are no forecast."""
    lesson = learn(a_brief("abc", options=OPTIONS), an_outcome("a", "yes"), HEARD, {})
    assert {("a", 0.9, True), ("b", 1.0, True)} == {(one.agent[0], one.sure, one.right) for one in lesson.forecasts}
    assert () == learn(a_brief("abc"), an_outcome(None), HEARD, {}).forecasts


def test_people_judge_apart() -> None:
    """What people chose is a result and a verdict of its own; where they are divided there is no verdict."""
    lesson = learn(a_brief("abc", options=OPTIONS), an_outcome("a", "yes"), HEARD, {"c": 3, "a": 1})
    assert [("a", False), ("b", False)] == [(one.agent[0], one.right) for one in lesson.forecasts_people]
    assert {("a", "c", 0.0), ("b", "c", 0.0), ("a", "b", 1.0)} == {(one.a[0], one.b[0], one.score) for one in lesson.people}
    assert () == learn(a_brief("abc"), an_outcome("a"), HEARD, {"c": 1, "a": 1}).forecasts_people


def test_choosing_alike_counts_against_chance() -> None:
    """Two positions: a coin agrees half the time. Where there was one position there was nothing to agree on."""
    shared = learn(a_brief("abc", options=OPTIONS), an_outcome("a", "yes"), HEARD, {}).shared
    assert [("a", "b", True, 0.5), ("a", "c", False, 0.5), ("b", "c", False, 0.5)] == [
        (one.one[0], one.other[0], one.agreed, one.chance) for one in shared
    ]
    same = [said(seat, "yes") for seat in "abc"] + HEARD[3:]
    assert () == learn(a_brief("abc", options=OPTIONS), an_outcome("a", "yes"), same, {}).shared
    assert [1.0, 0.0, -1.0] == [alike("a", "b", votes=8, agreed=agreed, chance=4.0).phi for agreed in (8, 4, 0)]
    assert 0.0 == alike("a", "b", votes=0, agreed=0, chance=0.0).phi


def test_votes_on_something_else_teach_nothing_about_answers() -> None:
    """Of estimates and of verdicts for a side there is no winner among seats; what people chose still counts."""
    lesson = learn(a_brief("abc", protocol="delphi@1"), an_outcome(None), HEARD, {"a": 1})
    assert Lesson(people=lesson.people) == lesson
    assert 3 == len(lesson.people)


@given(st.floats(0, 1))
def test_every_confidence_has_a_tenth(sure: float) -> None:
    """From 0 to 1, both included."""
    place = Forecast(agent="a", sure=sure, right=True).bin
    assert 0 <= place < BINS
    assert place / BINS <= sure + 1e-12
    assert sure <= (place + 1) / BINS
