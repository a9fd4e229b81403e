"""What has been said in a debate so far, as its script keeps it. Imports `model` only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aragora.debate.model import Message, Tally


@dataclass(slots=True)
class Floor:
    """The one mutable thing of a script: every message, and the answers and votes among them."""

    heard: list[Message] = field(default_factory=list)
    answers: dict[str, Message] = field(default_factory=dict)  # the standing answer of each seat
    opening: Mapping[str, Message] = field(default_factory=dict)  # the answers that the blind vote was about
    votes: list[tuple[Message, ...]] = field(default_factory=list)  # the ballots of each vote, the blind one first
    chosen: list[dict[str, str]] = field(default_factory=list)  # what each voter stood for in each vote: a position or an answer
    tallies: list[Tally] = field(default_factory=list)  # how each vote fell, where its protocol had it counted
    counted: Mapping[str, Message] = field(default_factory=dict)  # the answers that the latest of these was about
    saved_turns: int = 0  # turns that the brief allowed and that were not needed

    def hear(self, messages: Sequence[Message]) -> None:
        """Keep what was said."""
        self.heard += messages

    def answer(self, messages: Sequence[Message]) -> None:
        """Keep new standing answers; who abstained keeps the old one."""
        self.hear(messages)
        self.answers |= {m.seat: m for m in messages if m.spoke}

    def vote(self, ballots: Sequence[Message], chosen: dict[str, str]) -> None:
        """Keep the ballots of one vote, and what each stood for; the first one is the blind vote."""
        if not self.votes:
            self.opening = dict(self.answers)
        self.hear(ballots)
        self.votes.append(tuple(ballots))
        self.chosen.append(chosen)

    def count(self, tally: Tally) -> None:
        """Keep how the latest vote fell."""
        self.tallies.append(tally)
        self.counted = dict(self.answers)

    @property
    def tally(self) -> Tally | None:
        """How the latest vote fell; None where it was not counted, or not over the answers that stand now."""
        whole = len(self.tallies) == len(self.votes) and self.counted == self.answers
        return self.tallies[-1] if self.tallies and whole else None

    @property
    def ballots(self) -> tuple[Message, ...]:
        """The ballots of the latest vote."""
        return self.votes[-1] if self.votes else ()

    def said(self, number: int) -> list[Message]:
        """Every text of one round; ballots and abstentions are none."""
        return [m for m in self.heard if m.round == number and m.spoke and m.ballot is None]
