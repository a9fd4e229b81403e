"""Experiments on the machinery: rankings, rules, stop rules, receipts. Known answers beside ours."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import exp
from random import Random

from aragora.bench import Row, Table
from aragora.bench.drive import a_brief, drive
from aragora.debate.events import DebateEnded, DebateStarted, RoundCompleted, data_of, type_of
from aragora.debate.floor import Floor
from aragora.debate.model import Ballot, Brief, Message, Phase, Seat
from aragora.debate.ranking import START, Match, changes
from aragora.debate.receipt import Entry, altered, receipt
from aragora.debate.rules import RULES, Election, leaders
from aragora.debate.stops import why_stop
from aragora.debate.strength import Results, fit, leaderboard
from aragora.debate.tallies import count, stances
from aragora.receipts.check import check

AGENTS, RESULTS = 28, 764  # as many as in the public judge table that the known figures come from
ELO_SD, ELO_RANKS = 15.0, 4.8  # there: the mean spread of a rating, and of a rank, over 200 shuffles

# Profiles of the textbooks, with the winners that they give; a tie is written with all its members.
PROFILES: Mapping[str, tuple[Mapping[str, int], Mapping[str, str]]] = {
    "Tennessee": (
        {"MNCK": 42, "NCKM": 26, "CKNM": 15, "KCNM": 17},
        {"plurality": "M", "irv": "K", "borda": "N", "copeland": "N", "schulze": "N", "ranked_pairs": "N"},
    ),
    "Condorcet's paradox": (
        {"ABC": 1, "BCA": 1, "CAB": 1},
        {"plurality": "ABC", "irv": "ABC", "borda": "ABC", "copeland": "ABC", "schulze": "ABC", "ranked_pairs": "ABC"},
    ),
    "Schulze's 45 voters": (
        {"ACBED": 5, "ADECB": 5, "BEDAC": 8, "CABED": 3, "CAEBD": 7, "CBADE": 2, "DCEBA": 7, "EBADC": 8},
        {"schulze": "E", "ranked_pairs": "A"},
    ),
    "Borda against Condorcet": ({"ABC": 3, "BCA": 2}, {"borda": "B", "copeland": "A", "schulze": "A", "ranked_pairs": "A"}),
}

# Vote after vote of five seats, and whether a debate may stop there.
STREAMS: Mapping[str, tuple[Sequence[str], bool]] = {
    "flips every round, 4:1 then 1:4": (("aaaab", "bbbba") * 4, False),
    "same counts, other voters": (("aaabb", "abbaa", "bbaaa", "baaab"), False),
    "3:2, everybody firm": (("aaabb", "aaabb"), True),
    "4:1 after a change": (("aaabb", "aaaab", "aaaab"), True),
    "2:2:1, nobody ahead": (("aabbc", "aabbc"), False),
}


def order(shuffles: int) -> Table:
    """E6: what the order of the same results does to a rating."""
    random = Random(764)  # noqa: S311 - a simulation is to be repeatable
    played = _results(random)
    elos: list[dict[str, float]] = []
    fits: list[list[float]] = []
    for _ in range(shuffles):
        random.shuffle(played)
        elos.append(_online(played))
        fits.append(fit(Results.of(played)).strengths)
    spreads = [_sd([elo[agent] for elo in elos]) for agent in elos[0]]
    places = [_places(elo) for elo in elos]
    ranges = [max(p[agent] for p in places) - min(p[agent] for p in places) for agent in elos[0]]
    moved = max(max(column) - min(column) for column in zip(*fits, strict=True))
    rows = leaderboard(Results.of(played), fit(Results.of(played)))
    overlapping = sum(one.low < other.high for one, other in pairwise(rows))
    return Table(
        id="E6",
        title="The order of results",
        says=f"{RESULTS} simulated results of {AGENTS} agents, shuffled {shuffles} times. Known: the same on public judge rows.",
        rows=(
            Row(name="online Elo, K=32: spread of a rating, points", value=sum(spreads) / len(spreads), note=f"there {ELO_SD}"),
            Row(name="online Elo: range of a rank, places", value=sum(ranges) / len(ranges), note=f"there {ELO_RANKS}"),
            Row(name="Bradley-Terry: largest change of any strength", value=round(moved, 9), known=0.0),
            Row(name="neighbours in the ranking whose intervals overlap", value=overlapping, note=f"of {len(rows) - 1}"),
        ),
    )


def _results(random: Random) -> list[Match]:
    truth = [random.gauss(0, 0.8) for _ in range(AGENTS)]
    played = []
    for _ in range(RESULTS):
        one, other = random.sample(range(AGENTS), 2)
        win = 1 / (1 + exp(truth[other] - truth[one]))
        score = 0.5 if random.random() < 0.1 else float(random.random() < win)  # noqa: PLR2004 - one in ten a draw
        played.append(Match(a=f"agent-{one:02}", b=f"agent-{other:02}", score=score))
    return played


def _online(played: Sequence[Match]) -> dict[str, float]:
    ratings: dict[str, float] = {}
    for match in played:
        for change in changes([match], ratings):
            ratings[change.agent] = ratings.get(change.agent, START) + change.elo
    return dict(sorted(ratings.items()))


def _places(ratings: Mapping[str, float]) -> dict[str, int]:
    return {agent: place for place, agent in enumerate(sorted(ratings, key=lambda agent: -ratings[agent]))}


def _sd(values: Sequence[float]) -> float:
    middle = sum(values) / len(values)
    return float((sum((value - middle) ** 2 for value in values) / len(values)) ** 0.5)


def textbooks(_trials: int) -> Table:
    """E10: the profiles of the textbooks under every rule that they give a winner for."""
    rows = []
    for name, (profile, known) in PROFILES.items():
        answers = tuple(sorted(next(iter(profile))))
        ballots = tuple(Ballot(choice=r[0], ranking=tuple(r)) for r, number in profile.items() for _ in range(number))
        for rule, winner in known.items():
            found = "".join(leaders(RULES[rule].scores(Election(answers=answers, ballots=ballots))))
            rows.append(
                Row(name=f"{name}: {rule} elects {winner}", value=float(found == winner), known=1.0, note=f"here {found}")
            )
    return Table(id="E10", title="Textbook elections", says="1: the winner is the known one.", rows=tuple(rows))


def stopping(_trials: int) -> Table:
    """E11: streams of votes that must stop a debate, and such that must not."""
    rows = []
    for name, (stream, stops) in STREAMS.items():
        ended = next((n for n in range(1, len(stream)) if _reason(stream[: n + 1]) == "settled"), 0)
        note = f"stops after vote {ended + 1}" if ended else "never stops"
        rows.append(Row(name=f"{name}: stops", value=float(bool(ended)), known=float(stops), note=note))
    return Table(
        id="E11",
        title="Stop rules",
        says="The first two streams look stable to a test that compares sorted counts.",
        rows=tuple(rows),
    )


def _reason(stream: Sequence[str]) -> str:
    brief = Brief(topic="Which?", seats=tuple(Seat(name=name, agent=name) for name in "abcde"), rounds=99, rule="unanimous")
    floor = Floor()
    floor.answer([Message(round=0, phase=Phase.PROPOSE, seat=seat.name, content=seat.name) for seat in brief.seats])
    for number, chosen in enumerate(stream):
        given = zip("abcde", chosen, strict=True)
        ballots = [Message(round=number, phase=Phase.VOTE, seat=seat, ballot=Ballot(choice=choice)) for seat, choice in given]
        floor.vote(ballots, stances(brief, ballots, floor.answers))
    return why_stop(brief, floor, len(stream) - 1, count(brief, floor.ballots, floor.answers))


def forgery(_trials: int) -> Table:
    """E12: change every value of a receipt, and drop, double and swap every event; all of it must be found."""
    whole = _a_receipt()
    rows = [Row(name="untouched receipt: flaws", value=float(len(check(whole).flaws)), known=0.0)]
    for kind, forged in (("value changed", _values(whole)), ("event dropped, doubled or swapped", _events(whole))):
        tried = [bool(next(altered(json.loads(document)), None)) for document in forged]
        rows.append(Row(name=f"{kind}: found", value=sum(tried) / len(tried), known=1.0, note=f"{len(tried)} forgeries"))
    return Table(
        id="E12",
        title="Forged receipts",
        says="Without a key. Whoever rewrites a receipt as a whole is found by its signature or a known head.",
        rows=tuple(rows),
    )


def _a_receipt() -> dict[str, object]:
    """The receipt of a debate in which a seat missed its turns, as it comes out of a file."""
    brief = a_brief(["sim:p=0.7;conform=0.5", "sim:p=0.6", "sim:p=0.5;fault=0.5"], rounds=2, seed=5)
    log: list[DebateStarted | Message | RoundCompleted | DebateEnded] = [DebateStarted(brief=brief)]
    run = drive(brief, log.append)
    log.append(DebateEnded(outcome=run.outcome, seconds=1.0))
    entries = [
        Entry(seq=seq, type=type_of(event), timestamp=f"2026-01-01T00:00:{seq:02}Z", data=json.loads(json.dumps(data_of(event))))
        for seq, event in enumerate(log, start=1)
    ]
    copied: dict[str, object] = json.loads(json.dumps(receipt("bench", entries)))
    return copied


def _values(whole: Mapping[str, object]) -> Iterator[str]:
    """The receipt with one value changed, for every value in it."""
    document = json.loads(json.dumps(whole))
    yield from _changes(document, document)


def _changes(document: object, inner: object) -> Iterator[str]:
    names = [*inner] if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ()
    for name in names:
        assert isinstance(inner, dict | list)
        old = inner[name]
        inner[name] = [old]
        yield json.dumps(document)
        inner[name] = old
        yield from _changes(document, old)


def _events(whole: Mapping[str, object]) -> Iterator[str]:
    document = json.loads(json.dumps(whole))
    events = document["transcript"]
    for place in range(len(events)):
        for forged in (
            [*events[:place], *events[place + 1 :]],
            [*events[:place], events[place], *events[place:]],
            [*events[:place], *reversed(events[place : place + 2]), *events[place + 2 :]],
        ):
            if forged != events:
                yield json.dumps({**document, "transcript": forged})
