"""Ratings: order-free where it is promised, zero-sum where they are online, and honest about what they cannot tell apart."""

from math import log
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aragora.debate.model import Decision, Outcome, Tally
from aragora.debate.ranking import START, Match, brier, changes, expected, matches
from aragora.debate.strength import POINTS, Results, fit, leaderboard, starting
from debating import a_brief, hold, loyal

NAMES = "abcde"
scored = st.tuples(st.permutations(NAMES), st.sampled_from([0.0, 0.5, 1.0]))
results = st.lists(scored.map(lambda one: Match(a=one[0][0], b=one[0][1], score=one[1])), min_size=1, max_size=60)


def an_outcome(brief_seats: str, votes: dict[str, int], winner: str | None) -> Outcome:
    """Build an outcome with these votes."""
    total = sum(votes.values())
    tally = Tally(leader=winner, agreement=0.5, reached=True, counts=votes, eligible=len(brief_seats), received=total)
    return Outcome(
        outcome=Decision.MAJORITY,
        decision=Decision.MAJORITY,
        reached=True,
        stopped="rounds",
        rounds=1,
        winner=winner,
        tally=tally,
    )


def beat(a: str, b: str, count: int = 1) -> list[Match]:
    """Let one agent win some games."""
    return [Match(a=a, b=b, score=1.0)] * count


@settings(deadline=None)
@given(results, st.randoms(use_true_random=False))
def test_the_order_of_results_moves_nothing(played: list[Match], random: Random) -> None:
    """Neither their order nor which of two agents is named first; online Elo cannot say so."""
    turned = [Match(a=m.b, b=m.a, score=1 - m.score) if random.random() < 0.5 else m for m in played]
    random.shuffle(turned)
    one, other = Results.of(played), Results.of(turned)
    for mine, theirs in zip(leaderboard(one, fit(one)), leaderboard(other, fit(other)), strict=True):
        assert (mine.agent, mine.rank_low, mine.rank_high) == (theirs.agent, theirs.rank_low, theirs.rank_high)
        assert mine == theirs


@settings(deadline=None)
@given(results)
def test_a_better_record_against_the_same_rivals_is_a_better_rating(played: list[Match]) -> None:
    """One more win never lowers whoever won it."""
    before, after = Results.of(played), Results.of([*played, *beat("a", "b")])
    rating = {row.agent: row.rating for row in leaderboard(before, fit(before))}
    raised = {row.agent: row.rating for row in leaderboard(after, fit(after))}
    assert raised["a"] - raised["b"] > rating.get("a", START) - rating.get("b", START)


def test_two_agents_are_apart_by_the_odds_of_their_results() -> None:
    """Three wins to one over many games are odds of three."""
    played = Results.of(beat("a", "b", 3000) + beat("b", "a", 1000))
    first, second = leaderboard(played, fit(played))
    assert ("a", "b") == (first.agent, second.agent)
    assert first.rating - second.rating == pytest.approx(POINTS * log(3), abs=0.5)
    assert (first.low < first.rating < first.high, first.games) == (True, 4000)


def test_ties_bring_agents_together() -> None:
    """A draw says that two are alike, which a coin thrown for the win would not."""
    close = Results.of(beat("a", "b", 30) + beat("b", "a", 10) + [Match(a="a", b="b", score=0.5)] * 200)
    apart = Results.of(beat("a", "b", 30) + beat("b", "a", 10))
    gaps = [rows[0].rating - rows[1].rating for rows in (leaderboard(played, fit(played)) for played in (close, apart))]
    assert gaps[0] == pytest.approx(gaps[1], rel=0.2)  # Davidson: draws inform about ties, wins about strength
    assert fit(close).tie > 0 > fit(apart).tie


def test_agents_that_the_results_cannot_tell_apart_share_a_range_of_ranks() -> None:
    """Two wins to one are no order; a hundred to none are."""
    played = Results.of(beat("a", "b", 11) + beat("b", "a", 9) + beat("a", "c", 100) + beat("b", "c", 100))
    rows = {row.agent: (row.rank_low, row.rank_high) for row in leaderboard(played, fit(played))}
    assert {"a": (1, 2), "b": (1, 2), "c": (3, 3)} == rows


def test_few_games_give_no_rank() -> None:
    """One lucky win does not top the table."""
    played = Results.of(beat("a", "b", 60) + beat("b", "a", 40) + beat("new", "b"))
    rows = leaderboard(played, fit(played))
    assert [("a", True), ("b", True), ("new", False)] == [(row.agent, row.ranked) for row in rows]


def test_whoever_won_every_game_is_not_infinitely_strong() -> None:
    """The fit ends, with a wide interval."""
    played = Results.of(beat("a", "b", 5))
    first = leaderboard(played, fit(played))[0]
    assert first.rating < 3000


def test_a_warm_start_ends_at_the_same_place() -> None:
    """A refit that begins at the last one is the same fit."""
    random = Random(3)
    played = [Match(a=a, b=b, score=random.choice([0.0, 0.5, 1.0])) for a, b in (random.sample(NAMES, 2) for _ in range(200))]
    table = Results.of(played)
    found = fit(table)
    table.add(Match(a="a", b="b", score=1.0))
    assert fit(table, starting(found)).strengths == pytest.approx(fit(table).strengths, abs=1e-6)


# Elo, kept as a column because existing clients read it.


@given(results, st.dictionaries(st.sampled_from(NAMES), st.floats(800, 2400)))
def test_elo_takes_from_one_what_it_gives_to_another(played: list[Match], ratings: dict[str, float]) -> None:
    """Nothing is created or lost, so a rating means the same next year."""
    assert sum(change.elo for change in changes(played, ratings)) == pytest.approx(0.0, abs=1e-9)


@given(st.floats(800, 2400), st.floats(800, 2400))
def test_a_winner_never_loses_points(winner: float, loser: float) -> None:
    """However much stronger it was, and by whatever margin it won."""
    gained = {change.agent: change.elo for change in changes(beat("a", "b"), {"a": winner, "b": loser})}
    assert gained["a"] > 0 > gained["b"]
    assert 0 < expected(winner, loser) < 1


def test_only_seats_that_could_win_are_compared() -> None:
    """A side or an option that won says nothing about who is the better agent."""
    brief = a_brief(3)
    assert () == matches(brief, an_outcome("abc", {"pro": 2, "con": 1}, "pro"))
    assert 3 == len(matches(brief, an_outcome("abc", {"a": 2, "b": 1}, "a")))
    assert () == matches(brief, hold(brief, loyal).outcome)


@pytest.mark.parametrize(("forecasts", "score"), [([(1.0, True)], 0.0), ([(0.5, False)] * 4, 0.25), ([], None)])
def test_brier(forecasts: list[tuple[float, bool]], score: float | None) -> None:
    """Perfect foresight is 0, a coin 0.25, and nothing said is no score."""
    assert score == brier(forecasts)


def test_two_wins_are_no_certainty() -> None:
    """Whoever won all of a few games has an interval that its rivals' strength lies in; with many games it has not."""
    for count, sure in ((2, False), (200, True)):
        results = Results.of(
            [*beat("a", "b", count), *beat("b", "a", count // 20), *beat("b", "c", count), *beat("c", "b", count // 20)]
        )
        first = leaderboard(results, fit(results), games_min=1)[0]
        assert ("a", sure) == (first.agent, first.low > START)
        assert sure == (first.rank_high == 1)
