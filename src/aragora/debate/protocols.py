"""Protocols: each one a pure generator that asks for turns and is sent what was said. Imports siblings only.

A name carries a version; changing what a protocol asks makes a new version, so that old debates still replay.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from aragora.debate.consensus import conclude
from aragora.debate.floor import Floor
from aragora.debate.model import Brief, Message, Phase, Seat
from aragora.debate.panels import delphi, pro_con
from aragora.debate.script import Script, Steps, ask, close, debate, opening, recent, vote
from aragora.debate.stops import agreed
from aragora.debate.tallies import count, representatives

Protocol = Callable[[Brief], Script]
# What each round of critique asks of each seat.
TALKED = (Phase.CRITIQUE, Phase.REVISE, Phase.VOTE)


def vote_only(brief: Brief) -> Script:
    """Answer blind, then vote once on the answers: the cheapest panel, and the one that debate has to beat."""
    floor = Floor()
    yield from opening(brief, floor)
    return (yield from close(brief, floor, 0, "rounds"))


def critique(brief: Brief) -> Script:
    """Answer and vote blind; then each round critique, revise and vote, until there is a reason to stop."""
    floor = Floor()
    yield from opening(brief, floor)
    return (yield from debate(brief, floor, _criticise))


def _criticise(brief: Brief, floor: Floor, number: int) -> Steps:
    standing = list(floor.answers.values())
    critiques = yield ask(brief, number, Phase.CRITIQUE, sees=standing)
    sees = [*recent(brief, floor, number), *standing, *critiques]
    floor.hear(critiques)
    floor.answer((yield ask(brief, number, Phase.REVISE, sees=sees)))


def gated(brief: Brief) -> Script:
    """Answer and vote blind; debate only if that vote left something open, and then only the answers that got votes."""
    floor = Floor()
    yield from opening(brief, floor)
    if floor.answers and agreed(brief, count(brief, floor.ballots, floor.answers)):
        floor.saved_turns = brief.rounds * len(TALKED) * len(brief.seats)
        return conclude(brief, floor, rounds=0, stopped="uncontested")
    supported = {m.ballot.choice for m in floor.ballots if m.ballot is not None}
    first = representatives(brief, floor.ballots, floor.answers)
    contested = {first[name] for name in supported if name in first}
    if contested:
        floor.answers = {name: m for name, m in floor.answers.items() if first[name] in contested}
    return (yield from debate(brief, floor, _contest))


def _contest(brief: Brief, floor: Floor, number: int) -> Steps:
    standing = list(floor.answers.values())
    authors = [seat for seat in brief.seats if seat.name in floor.answers]
    critiques = yield ask(brief, number, Phase.CRITIQUE, sees=standing)
    sees = [*recent(brief, floor, number), *standing, *critiques]
    floor.hear(critiques)
    floor.answer((yield ask(brief, number, Phase.REVISE, sees=sees, seats=authors)))


def collective_refinement(brief: Brief) -> Script:
    """Each round everybody reads the answers of the others and answers again; then a vote."""
    floor = Floor()
    yield from opening(brief, floor)
    return (yield from debate(brief, floor, _refine))


def _refine(brief: Brief, floor: Floor, number: int) -> Steps:
    floor.answer((yield ask(brief, number, Phase.REVISE, sees=[*floor.answers.values()])))


def anti_conformity(brief: Brief) -> Script:
    """As collective refinement, but told that agreement of others is no evidence."""
    floor = Floor()
    yield from opening(brief, floor)
    return (yield from debate(brief, floor, _resist))


def _resist(brief: Brief, floor: Floor, number: int) -> Steps:
    floor.answer((yield ask(brief, number, Phase.REVISE, sees=[*floor.answers.values()], part="anti_conformity")))


def correction(brief: Brief) -> Script:
    """As critique, but a revision replaces an answer only if it cites the text that proves the mistake."""
    floor = Floor()
    yield from opening(brief, floor)
    return (yield from debate(brief, floor, _correct))


def _correct(brief: Brief, floor: Floor, number: int) -> Steps:
    standing = list(floor.answers.values())
    critiques = yield ask(brief, number, Phase.CRITIQUE, sees=standing)
    sees = [*recent(brief, floor, number), *standing, *critiques]
    floor.hear(critiques)
    revisions = yield ask(brief, number, Phase.REVISE, sees=sees, part="correction")
    floor.hear([m for m in revisions if not _proven(m)])
    floor.answer([m for m in revisions if _proven(m)])


def _proven(message: Message) -> bool:
    return message.spoke and bool(message.cites)


def relay(brief: Brief) -> Script:
    """Each round the answers are passed on: every seat in turn improves on what the one before it has just said; then a vote."""
    floor = Floor()
    yield from opening(brief, floor)
    return (yield from debate(brief, floor, _pass_on))


def _pass_on(brief: Brief, floor: Floor, number: int) -> Steps:
    for place, seat in enumerate(brief.seats):
        before = brief.seats[place - 1].name
        sees = [floor.answers[name] for name in dict.fromkeys((seat.name, before)) if name in floor.answers]
        floor.answer((yield ask(brief, number, Phase.REVISE, sees=sees, seats=[seat])))


def report(brief: Brief) -> Script:
    """Each round one seat, a different one each time, sums up all answers and the others revise on its report; then a vote."""
    floor = Floor()
    yield from opening(brief, floor)
    return (yield from debate(brief, floor, _report))


def _report(brief: Brief, floor: Floor, number: int) -> Steps:
    standing = list(floor.answers.values())
    hub = brief.seats[(number - 1) % len(brief.seats)]
    summed = yield ask(brief, number, Phase.SYNTHESISE, sees=standing, seats=[hub], part="report")
    floor.hear(summed)
    shown = [m for m in summed if m.spoke] or standing
    turns = [
        turn for seat in brief.seats for turn in ask(brief, number, Phase.REVISE, sees=[*_own(floor, seat), *shown], seats=[seat])
    ]
    floor.answer((yield tuple(turns)))


def _own(floor: Floor, seat: Seat) -> Sequence[Message]:
    return [floor.answers[seat.name]] if seat.name in floor.answers else []


def council(brief: Brief) -> Script:
    """Answer, rank the others blind, let the author of the leading answer write the synthesis, vote on it like on any answer."""
    floor = Floor()
    yield from opening(brief, floor, own=False, part="rank")
    if not floor.ballots:
        return (yield from close(brief, floor, 0, "nobody"))
    for chair in _chairs(brief, floor):
        written = yield ask(brief, 1, Phase.SYNTHESISE, sees=_at_table(brief, floor), seats=[chair])
        floor.answer(written)
        if written[0].spoke:
            yield from vote(brief, floor, 1, own=False, part="rank")
            return (yield from close(brief, floor, 1, "rounds"))
    return (yield from close(brief, floor, 0, "nobody"))


def _at_table(brief: Brief, floor: Floor) -> list[Message]:
    return [floor.answers[seat.name] for seat in brief.seats if seat.name in floor.answers]


def _chairs(brief: Brief, floor: Floor) -> list[Seat]:
    """Who may write the synthesis: the author of the leading answer, and after it the next ones, should it not answer."""
    tally = count(brief, floor.ballots, floor.answers)
    order = [*tally.scores, *floor.answers]
    seats = {seat.name: seat for seat in brief.seats}
    return [seats[name] for name in dict.fromkeys(order) if name in seats and name in floor.answers]


PROTOCOLS: dict[str, Protocol] = {
    "anti_conformity@1": anti_conformity,
    "collective_refinement@1": collective_refinement,
    "correction@1": correction,
    "council@1": council,
    "critique@1": critique,
    "delphi@1": delphi,
    "gated@1": gated,
    "pro_con@1": pro_con,
    "relay@1": relay,
    "report@1": report,
    "vote_only@1": vote_only,
}
DEFAULT = "critique"
# Of so many names that clients ask for it is remembered what they stand for.
NAMES_MAX = 64


@lru_cache(NAMES_MAX)
def latest(name: str) -> str | None:
    """The versioned name that a plain one stands for today; a versioned name stands for itself; None if there is none."""
    if name in PROTOCOLS:
        return name
    versions = [known for known in PROTOCOLS if known.partition("@")[0] == name]
    return max(versions, key=lambda known: int(known.partition("@")[2]), default=None)
