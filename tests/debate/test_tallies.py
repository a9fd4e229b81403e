"""What a vote comes to: who counts, what is one position, and what is behind the figures."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.account import account_of, switches
from aragora.debate.consensus import conclude
from aragora.debate.independence import confidence_bound, correlation, effective_votes, measure
from aragora.debate.model import Alike, Ballot, Decision, Effect, Message, Phase, Seat, Turn
from aragora.debate.similarity import repeats
from aragora.debate.tallies import count, decide, representatives
from debating import a_brief, a_floor, abstain, answers_of, choose, hold, loyal, say, votes


def test_abstainers_stay_in_the_denominator() -> None:
    """Two of two heard votes are no majority of five seats."""
    brief = a_brief(5)
    tally = count(brief, votes(("a", "b"), ("b", "b")))
    assert (0.4, False, 5, 2) == (tally.agreement, tally.reached, tally.eligible, tally.received)
    assert Decision.INSUFFICIENT_QUORUM is decide(brief, tally)


def test_a_quorum_can_be_asked_for_and_missed() -> None:
    """A majority of all seats is not enough where the brief wants to hear everybody."""
    ballots = votes(("a", "a"), ("b", "a"))
    assert count(a_brief(3), ballots).reached
    assert not count(a_brief(3, quorum=3), ballots).reached


def test_equal_answers_to_a_closed_question_are_one_position() -> None:
    """Two seats that say yes and vote for themselves do not split the vote of yes."""
    brief = a_brief(3, options=("yes", "no"))
    answers = answers_of(brief, {"a": "no", "b": "yes", "c": "yes"})
    tally = count(brief, votes(("a", "a"), ("b", "b"), ("c", "c")), answers)
    assert ("b", {"b": 2, "a": 1}) == (tally.leader, tally.counts)


def test_answers_to_an_open_question_are_one_only_when_more_than_half_of_all_seats_say_so() -> None:
    """Nobody's wording is compared: the voters declare what is the same."""
    brief = a_brief(3)
    answers = answers_of(brief)
    said = [votes((seat, seat), same=(("b", "c"),) if says else ())[0] for seat, says in (("a", True), ("b", True), ("c", False))]
    assert {"a": "a", "b": "b", "c": "b"} == representatives(brief, said, answers)
    assert {"a": "a", "b": "b", "c": "c"} == representatives(brief, said[1:], answers)


def test_a_veto_takes_an_answer_off_the_list_where_the_brief_allows_it() -> None:
    """Without the option an objection is only on record."""
    ballots = (*votes(("a", "a"), ("b", "a")), *votes(("c", "c"), objects=("a",)))
    assert "a" == count(a_brief(3), ballots).leader
    assert "c" == count(a_brief(3, veto=True), ballots).leader


def test_a_vote_for_oneself_does_not_count_where_the_brief_forbids_it() -> None:
    """It is as if it had not been cast."""
    ballots = votes(("a", "a"), ("b", "a"), ("c", "b"))
    tally = count(a_brief(3, self_vote=False), ballots)
    assert (2, None, ("a", "b")) == (tally.received, tally.leader, tally.tied)


def test_where_self_votes_are_forbidden_nobody_is_offered_its_own_answer() -> None:
    """The rule is kept when asking, so that no ballot is lost to it."""
    held = hold(a_brief(3, self_vote=False, rounds=1), loyal)
    polls = [turn for turn in held.turns if turn.phase is Phase.VOTE]
    assert polls
    assert all(turn.seat.name not in turn.choices for turn in polls)


@given(st.lists(st.sampled_from("abc"), max_size=5), st.sampled_from(["majority", "borda", "schulze", "irv", "unanimous"]))
def test_a_tally_never_claims_more_than_it_heard(chosen: list[str], rule: str) -> None:
    """The support of the leader is counted among all seats, whatever the rule."""
    tally = count(a_brief(5, rule=rule), votes(*zip("abcde", chosen, strict=False)))
    assert sum(tally.counts.values()) == tally.received <= tally.eligible
    assert tally.agreement == (tally.counts[tally.leader] if tally.leader else max(tally.counts.values(), default=0)) / 5
    assert (tally.leader is None) == (len(chosen) == 0 or len(tally.tied) > 1)


# What debating did.


def test_a_change_of_mind_names_the_texts_that_caused_it() -> None:
    """A reason is a text of another seat, said after the blind vote; anything else is none."""
    brief = a_brief(3)
    floor = a_floor(brief, {"a": "a", "b": "b", "c": "c"}, {"a": "a", "b": "a", "c": "a"})
    critique = Message(round=1, phase=Phase.CRITIQUE, seat="a", target="b", content="No.")
    revised = Message(round=1, phase=Phase.REVISE, seat="b", content="Yes.", cites=(critique.key, "turn/0/propose/a", "no such"))
    floor.hear([critique, revised])
    assert [("b", (critique.key,)), ("c", ())] == [(switch.seat, switch.cites) for switch in switches(floor)]


def test_agreement_that_rises_for_no_reason_is_hollow() -> None:
    """Everybody joins, nobody says why, no critique is answered."""
    brief = a_brief(3)
    floor = a_floor(brief, {"a": "a", "b": "b", "c": "c"}, {"a": "a", "b": "a", "c": "a"})
    assert conclude(brief, floor, rounds=1, stopped="agreement").account.hollow


@pytest.mark.parametrize("answered", [True, False])
def test_an_answered_critique_makes_agreement_solid(*, answered: bool) -> None:
    """Somebody met an argument: that is what debate is for."""
    brief = a_brief(3)
    floor = a_floor(brief, {"a": "a", "b": "b", "c": "c"}, {"a": "a", "b": "a", "c": "a"})
    critique = Message(round=1, phase=Phase.CRITIQUE, seat="b", target="a", content="No.")
    reply = Message(round=1, phase=Phase.REVISE, seat="a", content="Still.", cites=(critique.key,) if answered else ())
    floor.hear([critique, reply])
    account = conclude(brief, floor, rounds=1, stopped="agreement").account
    assert (not answered, () if answered else (critique.key,)) == (account.hollow, account.dropped)


def test_agreement_from_the_start_is_not_hollow() -> None:
    """Nobody had to be won over."""
    brief = a_brief(3)
    everybody = dict.fromkeys("abc", "a")
    account = conclude(brief, a_floor(brief, everybody, everybody), rounds=1, stopped="agreement").account
    assert (False, Effect.NOTHING) == (account.hollow, account.effect)


@pytest.mark.parametrize(
    ("blind", "final", "effect"),
    [("aab", "aaa", Effect.STRENGTHENED), ("aaa", "aab", Effect.WEAKENED), ("aab", "bba", Effect.CHANGED_WINNER),
     ("aab", "aab", Effect.NOTHING), ("abc", "aac", Effect.CHANGED_WINNER)],
)  # fmt: skip
def test_what_debating_did_is_said_without_claiming_that_it_was_good(blind: str, final: str, effect: Effect) -> None:
    """Only the truth could tell whether a change helped, and no panel has it."""
    brief = a_brief(3)
    floor = a_floor(brief, dict(zip("abc", blind, strict=True)), dict(zip("abc", final, strict=True)))
    outcome = conclude(brief, floor, rounds=1, stopped="rounds")
    assert effect is outcome.account.effect
    assert outcome.blind is not None


def test_a_critique_that_says_the_same_again_is_shown_as_repeated() -> None:
    """The second one, not the first."""
    brief = a_brief(2)
    floor = a_floor(brief, {"a": "a", "b": "b"}, {"a": "a", "b": "b"})
    texts = [Message(round=n, phase=Phase.CRITIQUE, seat="a", target="b", content="It costs far too much.") for n in (1, 2)]
    floor.hear(texts)
    tally = count(brief, floor.ballots, floor.answers)
    assert (texts[1].key,) == account_of(brief, floor, winner=None, tally=tally, blind=None).repeated


def test_agreement_and_denial_are_never_a_repetition() -> None:
    """The sentences on which likeness of wording fails: a negation or a number makes a text new."""
    agree = "I agree that the city should ban cars in the centre by next year because of the air."
    assert repeats(agree, [agree])
    assert not repeats(agree.replace("should ban", "should not ban"), [agree])
    assert not repeats("Do not approve the budget", ["Approve the budget"])
    assert not repeats("It costs 300 a month and more", ["It costs 200 a month and more"])


# How many votes there are.


@pytest.mark.parametrize(
    ("agents", "low", "high"),
    [(["x:1"], 1, 1), (["x:1", "x:1", "x:1"], 1, 1), (["x:1", "x:2", "x:3"], 1.55, 1.6), (["x:1", "y:1", "z:1"], 1.6, 1.65)],
)
def test_effective_votes_without_a_history_follow_published_figures(agents: list[str], low: float, high: float) -> None:
    """One agent asked three times is one vote; three vendors are little more than one and a half."""
    brief = replace(a_brief(len(agents)), seats=tuple(Seat(name=str(n), agent=agent) for n, agent in enumerate(agents)))
    assert low <= effective_votes(brief, [seat.name for seat in brief.seats]) <= high


def test_history_outweighs_the_prior_the_longer_it_gets() -> None:
    """Two agents who never agreed beyond chance become two votes."""
    one, other = Seat(name="a", agent="x:1"), Seat(name="b", agent="y:1")
    steps = [correlation([Alike(one="y:1", other="x:1", phi=0.0, votes=votes)], one, other) for votes in (0, 20, 2000)]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] < 0.01


def test_agreement_beyond_chance_is_kappa() -> None:
    """Textbook figures: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no make 0.4."""
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    assert pytest.approx(0.4) == measure(pairs)
    assert 0.0 == measure([("y", "y")] * 9) == measure([])


def test_confidence_is_bounded_by_what_so_few_votes_can_carry() -> None:
    """However sure they all say they are, three alike seats carry less than that."""
    brief = a_brief(3)
    floor = a_floor(brief)
    sure = votes(*[(seat, "a") for seat in "abc"], number=0, confidence=0.99)
    floor.vote(sure, dict.fromkeys("abc", "a"))
    account = conclude(brief, floor, rounds=0, stopped="rounds").account
    assert account.effective_votes is not None
    assert account.confidence == confidence_bound(1.0, account.effective_votes) < 0.75


# The judge.


def tie(turn: Turn) -> Message:
    """Two seats that stand by themselves, and a judge who takes the second."""
    return choose(turn, "b") if turn.phase is Phase.JUDGE else loyal(turn)


def test_a_judge_breaks_a_tie_and_the_outcome_says_so() -> None:
    """There is a winner, and still no agreement: the ballots say deadlock."""
    brief = a_brief(2, rounds=1, judge=Seat(name="judge", agent="j:1"))
    outcome = hold(brief, tie).outcome
    assert ("b", "judge", Decision.DEADLOCK, False) == (outcome.winner, outcome.judged, outcome.decision, outcome.reached)


def test_a_judge_is_not_asked_where_somebody_leads() -> None:
    """It breaks ties and does nothing else."""
    brief = a_brief(3, rounds=1, judge=Seat(name="judge", agent="j:1"))
    held = hold(brief, lambda turn: choose(turn, "a") if turn.choices else say(turn))
    assert ("a", "") == (held.outcome.winner, held.outcome.judged)
    assert Phase.JUDGE not in {turn.phase for turn in held.turns}


def test_without_a_verdict_a_tie_stays_a_tie() -> None:
    """A judge who does not answer decides nothing."""
    brief = a_brief(2, rounds=1, judge=Seat(name="judge", agent="j:1"))
    outcome = hold(brief, lambda turn: abstain(turn) if turn.phase is Phase.JUDGE else loyal(turn)).outcome
    assert (None, "", Decision.DEADLOCK) == (outcome.winner, outcome.judged, outcome.decision)
    assert "judge" in {missing.seat for missing in outcome.missing}


def test_ballots_without_a_choice_are_not_counted() -> None:
    """An abstention is no ballot."""
    brief = a_brief(2)
    seat = Turn(round=1, phase=Phase.VOTE, seat=brief.seats[0])
    assert 0 == count(brief, [abstain(seat)]).received
    assert Ballot(choice="a").scores == {}
