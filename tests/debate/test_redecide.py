"""A stored vote under every rule, and how close it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aragora.debate.model import Ballot, Message, Phase, Turn
from aragora.debate.protocols import PROTOCOLS
from aragora.debate.redecide import OTHERWISE, last_vote, redecide
from aragora.debate.rules import RULES
from aragora.debate.tallies import count
from debating import a_brief, answers_of, choose, hold, loyal, votes


def ranked(*rankings: str) -> list[Message]:
    """Build one ballot for each ranking, in the order of the seats."""
    ballots = [Ballot(choice=ranking[0], ranking=tuple(ranking)) for ranking in rankings]
    return [Message(round=1, phase=Phase.VOTE, seat=seat, ballot=b) for seat, b in zip("abcdefghi", ballots, strict=False)]


def test_rules_differ_over_the_same_ballots() -> None:
    """Most first places go to a, yet more than half prefer b to a, and b to c."""
    brief = a_brief(9)
    ballots = ranked(*["abcd"] * 4, *["bcad"] * 3, *["cbad"] * 2)
    found = {one.rule: one for one in redecide(brief, ballots, answers_of(brief))}
    assert set(RULES) == set(found)
    assert ("a", "b", "b") == (found["plurality"].tally.leader, found["schulze"].tally.leader, found["borda"].tally.leader)
    assert [rule for rule, one in found.items() if not one.same]


def test_how_close_it_was() -> None:
    """Two to one: either of the two could have changed it alone; three to none: nobody could."""
    brief = a_brief(3)
    close, clear = (
        redecide(brief, votes(*zip("abc", chosen, strict=True)), answers_of(brief), ["majority"])[0] for chosen in ("aab", "aaa")
    )
    assert (("a", "b"), 1, 1.0) == (close.pivotal, close.flip, close.margin)
    assert ((), 2) == (clear.pivotal, clear.flip)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=7), st.sampled_from(sorted(RULES)))
def test_so_many_changed_ballots_do_make_another_win(chosen: list[str], rule: str) -> None:
    """The number is one that was tried, not a guess, and no pivotal seat goes with a number above 1."""
    brief = a_brief(7)
    (found,) = redecide(brief, votes(*zip("abcdefg", chosen, strict=False)), answers_of(brief), [rule])
    assert found.flip is not None
    assert 1 <= found.flip <= len(chosen)


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_the_last_vote_is_found_in_what_was_said(name: str) -> None:
    """Of every protocol that ends with a vote on answers of seats, and counted again it is the same."""

    def speak(turn: Turn) -> Message:
        return choose(turn, turn.choices[0]) if turn.choices else loyal(turn)

    brief = a_brief(3, protocol=name, rounds=2)
    held = hold(brief, speak)
    ballots, answers = last_vote(brief, held.heard)
    if name.partition("@")[0] in OTHERWISE:
        assert not answers
    else:
        assert held.outcome.tally == count(brief, ballots, answers)
