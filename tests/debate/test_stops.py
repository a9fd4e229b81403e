"""When a debate ends early, and that it never does for a vote that keeps changing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.model import Message, Phase, Turn
from aragora.debate.stops import settled, why_stop
from aragora.debate.tallies import count
from debating import a_brief, a_floor, choose, hold, loyal, say


def stopped(*rounds: str, seats: int = 5, rule: str = "supermajority") -> str:
    """Why a debate with these votes, one letter a seat, would end after the last of them."""
    brief = a_brief(seats, rule=rule, rounds=99)
    chosen = [dict(zip("abcdefghi", choices, strict=False)) for choices in rounds]
    floor = a_floor(brief, *chosen)
    return why_stop(brief, floor, len(rounds) - 1, count(brief, floor.ballots, floor.answers))


@given(st.integers(2, 40))
def test_a_vote_that_flips_every_round_is_never_stable(rounds: int) -> None:
    """Counts 4:1, 1:4, 4:1 ... look alike when they are sorted. They are the opposite of settled."""
    streams = [("aaaab", "bbbba")[number % 2] for number in range(rounds)]
    assert "" == stopped(*streams, rule="unanimous")


@given(st.lists(st.permutations("aaabb").map("".join), min_size=2, max_size=12))
def test_equal_counts_of_changing_voters_never_stop_a_debate_unless_the_firm_ones_suffice(rounds: list[str]) -> None:
    """The count may stand still while everybody moves."""
    firm = sum(one == other == "a" for one, other in zip(rounds[-2], rounds[-1], strict=True))
    others = sum(one == other == "b" for one, other in zip(rounds[-2], rounds[-1], strict=True))
    loose = 5 - firm - others
    assert (firm > others + loose) == (stopped(*rounds, rule="unanimous") == "settled")


def test_a_settled_lead_stops_a_debate_that_cannot_reach_its_rule() -> None:
    """Three of five have held their vote: nobody can overtake them, and no more rounds are paid for."""
    assert "settled" == stopped("aaabb", "aaabb", rule="unanimous")


def test_a_missing_seat_may_still_overtake() -> None:
    """Whoever did not vote counts for the rival."""
    assert "" == stopped("aaabb", "aaa", rule="unanimous", seats=7)
    assert "settled" == stopped("aaaab", "aaaa", rule="unanimous", seats=7)


def test_an_order_of_fractions_is_no_distribution() -> None:
    """3 : 2 after 3.01 : 1.99 is the same vote; a stable one must stop as surely as a flipping one must not."""
    floor = a_floor(a_brief(5), dict(zip("abcde", "aaabb", strict=True)), dict(zip("abcde", "aaabb", strict=True)))
    assert settled(floor, count(a_brief(5), floor.ballots, floor.answers))


def parrot(turn: Turn) -> Message:
    """Say the same in every round, and stand by oneself."""
    return loyal(turn) if turn.choices else say(turn, content=f"{turn.seat.name} says that it is so because it is so.")


def test_a_debate_in_which_nobody_says_anything_new_ends() -> None:
    """Two seats repeat themselves: the second round is the last, though seven were left."""
    outcome = hold(a_brief(2, rounds=9), parrot).outcome
    assert ("nothing_new", 2) == (outcome.stopped, outcome.rounds)
    assert outcome.account.saved_turns == 7 * 6


def test_repetition_ends_nothing_while_votes_still_move() -> None:
    """What is said may be old; that somebody was moved by it is new."""

    def speak(turn: Turn) -> Message:
        return choose(turn, "ab"[turn.round % 2]) if turn.choices and turn.seat.name == "a" else parrot(turn)

    assert 9 == hold(a_brief(4, rounds=9, rule="unanimous"), speak).outcome.rounds


def test_a_brief_may_ask_for_all_its_rounds() -> None:
    """Without stop rules nothing is cut short."""
    outcome = hold(
        a_brief(2, rounds=5, stops=()), lambda turn: choose(turn, "a") if turn.phase is Phase.VOTE else say(turn)
    ).outcome
    assert ("agreement", 5) == (outcome.stopped, outcome.rounds)


@pytest.mark.parametrize("rule", ["borda", "plurality", "majority"])
def test_a_mere_lead_is_not_agreement(rule: str) -> None:
    """A rule that always elects somebody does not end a debate on the first lead; more than half of all seats do."""
    assert "" == stopped("aabc", seats=5, rule=rule)
    assert "agreement" == stopped("aaabc", seats=5, rule=rule)
