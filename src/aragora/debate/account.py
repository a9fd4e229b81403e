"""What lies behind a tally: who moved and why, what went unanswered, how independent the votes were. Imports siblings only."""

from collections.abc import Mapping, Sequence

from aragora.debate.floor import Floor
from aragora.debate.independence import confidence_bound, effective_votes
from aragora.debate.model import Account, Brief, Effect, Message, Phase, Switch, Tally
from aragora.debate.similarity import repeats
from aragora.debate.tallies import position


def account_of(brief: Brief, floor: Floor, *, winner: str | None, tally: Tally, blind: Tally | None) -> Account:
    """Look behind the last vote of a debate."""
    moved = switches(floor)
    dropped, answered = _critiques_left(floor)
    votes = effective_votes(brief, [m.seat for m in floor.ballots if m.ballot is not None])
    stand = "" if winner is None else position(winner, floor.answers) or winner
    gained = [switch for switch in moved if switch.after == stand]
    rose = bool(gained) and _support(floor.chosen[-1], stand) > _support(floor.chosen[0], stand)
    return Account(
        effect=_effect(floor, blind, tally),
        switches=moved,
        hollow=rose and not answered and not any(switch.cites for switch in gained),
        repeated=_repeated(floor),
        dropped=dropped,
        effective_votes=votes,
        confidence=None if winner is None else confidence(floor, stand, votes, tally.eligible),
        saved_turns=floor.saved_turns,
    )


def switches(floor: Floor) -> tuple[Switch, ...]:
    """Every voter who stood for something else in the last vote than in the blind one, and the texts given as the reason."""
    if len(floor.chosen) < 2:  # noqa: PLR2004 - it takes two votes to see who moved
        return ()
    before, after = floor.chosen[0], floor.chosen[-1]
    moved = [seat for seat in after if seat in before and before[seat] != after[seat]]
    return tuple(Switch(seat=seat, before=before[seat], after=after[seat], cites=_reasons(floor, seat)) for seat in moved)


def _reasons(floor: Floor, seat: str) -> tuple[str, ...]:
    """What a voter cites since the blind vote, as far as somebody else did say it since then."""
    others = {m.key for m in floor.heard if m.seat != seat and m.round > 0 and m.spoke and m.ballot is None}
    cited = [key for m in floor.heard if m.seat == seat and m.round > 0 for key in m.cites]
    return tuple(dict.fromkeys(key for key in cited if key in others))


def _critiques_left(floor: Floor) -> tuple[tuple[str, ...], bool]:
    """The critiques that the criticised seat never answered, and whether any critique was answered."""
    answers = {(m.seat, key) for m in floor.heard for key in m.cites}
    aimed = [m for m in _critiques(floor) if m.target]
    dropped = tuple(m.key for m in aimed if (m.target, m.key) not in answers)
    return dropped, len(dropped) < len(aimed)


def _repeated(floor: Floor) -> tuple[str, ...]:
    """The critiques of one target that say what an earlier critique of it said."""
    said: dict[str, list[str]] = {}
    found = []
    for message in _critiques(floor):
        earlier = said.setdefault(message.target, [])
        if earlier and repeats(message.content, earlier):
            found.append(message.key)
        earlier.append(message.content)
    return tuple(found)


def _critiques(floor: Floor) -> list[Message]:
    return [m for m in floor.heard if m.phase is Phase.CRITIQUE and m.spoke]


def _effect(floor: Floor, blind: Tally | None, tally: Tally) -> Effect:
    if blind is None or len(floor.votes) < 2 or not blind.received or not tally.received:  # noqa: PLR2004
        return Effect.UNKNOWN
    before, after = (_leading(each, answers) for each, answers in ((blind, floor.opening), (tally, floor.answers)))
    if before != after:
        return Effect.CHANGED_WINNER
    if tally.agreement == blind.agreement:
        return Effect.NOTHING
    return Effect.STRENGTHENED if tally.agreement > blind.agreement else Effect.WEAKENED


def _leading(tally: Tally, answers: Mapping[str, Message]) -> str | None:
    return None if tally.leader is None else position(tally.leader, answers) or tally.leader


def _support(chosen: dict[str, str], stand: str) -> int:
    return sum(choice == stand for choice in chosen.values())


def confidence(floor: Floor, stand: str, votes: float, eligible: int) -> float:
    """How sure the winner's voters say they are on average, at most what so few independent votes can carry."""
    choices = floor.chosen[-1]
    bound = confidence_bound(_support(choices, stand) / eligible, votes)
    said: Sequence[float] = [
        m.ballot.confidence
        for m in floor.ballots
        if m.ballot is not None and m.ballot.confidence is not None and choices.get(m.seat) == stand
    ]
    return min(bound, sum(said) / len(said)) if said else bound
