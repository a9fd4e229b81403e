"""A stored vote under every rule, side by side, and how close it was. Imports siblings only; no model is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aragora.debate.model import Ballot, Brief, Message, Phase, Tally
from aragora.debate.rules import RULES, Election, leaders
from aragora.debate.tallies import cast, count, election_of

ANSWERING = (Phase.PROPOSE, Phase.REVISE, Phase.SYNTHESISE)
# Protocols whose last vote is not one on the answers of seats, so that other rules have nothing to decide.
OTHERWISE = ("delphi", "pro_con")


@dataclass(frozen=True, slots=True, kw_only=True)
class Redecision:
    """What one rule makes of the last vote."""

    rule: str
    tally: Tally
    margin: float | None  # by how much the first score exceeds the second; None without a second
    pivotal: tuple[str, ...]  # seats each of which could have changed the winner alone
    flip: int | None  # so few changed ballots make another answer win; an upper bound; None: no number of them found
    flip_to: str | None  # the answer that would win then
    same: bool  # whether it elects whom the brief's own rule elects


def last_vote(brief: Brief, heard: Sequence[Message]) -> tuple[list[Message], dict[str, Message]]:
    """The ballots of the last vote, and the answers that stood then; both empty where there was none."""
    if brief.protocol.partition("@")[0] in OTHERWISE:
        return [], {}
    numbers = [m.round for m in heard if m.phase is Phase.VOTE]
    number = max(numbers, default=-1)
    ballots = [m for m in heard if m.phase is Phase.VOTE and m.round == number]
    chosen = {m.ballot.choice for m in ballots if m.ballot is not None}
    answers: dict[str, Message] = {}
    for message in heard:
        if message.spoke and message.phase in ANSWERING and message.round <= number and _stands(brief, message):
            answers[message.seat] = message
    return ballots, answers if chosen <= answers.keys() else {}


def _stands(brief: Brief, message: Message) -> bool:
    """Whether a text became its seat's answer: a report is none, and under correction an unproved revision is none."""
    name = brief.protocol.partition("@")[0]
    if name == "report" and message.phase is Phase.SYNTHESISE:
        return False
    return name != "correction" or message.phase is not Phase.REVISE or bool(message.cites)


def redecide(
    brief: Brief, ballots: Sequence[Message], answers: Mapping[str, Message], rules: Sequence[str] = ()
) -> list[Redecision]:
    """Count one vote under many rules: all of them, or those named."""
    own = count(brief, ballots, answers).leader
    return [_under(replace(brief, rule=rule), ballots, answers, own) for rule in rules or RULES]


def _under(brief: Brief, ballots: Sequence[Message], answers: Mapping[str, Message], own: str | None) -> Redecision:
    tally = count(brief, ballots, answers)
    election, _ = election_of(brief, ballots, answers)
    voters = [m.seat for m in cast(brief, ballots)]
    scores = sorted(tally.scores.values(), reverse=True)
    flip, flip_to = _flip(brief.rule, election)
    return Redecision(
        rule=brief.rule,
        tally=tally,
        margin=scores[0] - scores[1] if len(scores) > 1 else None,
        pivotal=tuple(seat for place, seat in enumerate(voters) if _turns(brief.rule, election, place)),
        flip=flip,
        flip_to=flip_to,
        same=tally.leader == own,
    )


def _winners(rule: str, election: Election) -> tuple[str, ...]:
    return leaders(RULES[rule].scores(election))


def _turns(rule: str, election: Election, place: int) -> bool:
    """Whether one voter could have changed who leads by choosing another answer."""
    before = _winners(rule, election)
    others = [answer for answer in election.answers if answer != election.ballots[place].choice]
    return any(_winners(rule, _changed(election, [place], answer)) != before for answer in others)


def _flip(rule: str, election: Election) -> tuple[int | None, str | None]:
    """The fewest ballots that, moved to some other answer, make it win alone, and which; those of the leader are moved first."""
    lead = _winners(rule, election)
    order = sorted(range(len(election.ballots)), key=lambda place: election.ballots[place].choice not in lead)
    for number in range(1, len(order) + 1):
        for answer in election.answers:
            movable = [place for place in order if election.ballots[place].choice != answer][:number]
            if lead != (answer,) and _winners(rule, _changed(election, movable, answer)) == (answer,):
                return number, answer
    return None, None


def _changed(election: Election, places: Sequence[int], answer: str) -> Election:
    ballots = [_moved(ballot, answer) if place in places else ballot for place, ballot in enumerate(election.ballots)]
    return replace(election, ballots=tuple(ballots))


def _moved(ballot: Ballot, answer: str) -> Ballot:
    """The same ballot with another answer in the first place."""
    ranking = (answer, *(one for one in ballot.ranking if one != answer)) if ballot.ranking else ()
    scores = {**ballot.scores, answer: 1.0} if ballot.scores else {}
    objects = tuple(one for one in ballot.objects if one != answer)
    return replace(ballot, choice=answer, ranking=ranking, scores=scores, objects=objects)
