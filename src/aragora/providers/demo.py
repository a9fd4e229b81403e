"""Demo agents: free, offline, the same for the same seed, of different opinions. May import `debate` and its demo siblings."""

import asyncio
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from aragora.debate.context import fit, tokens
from aragora.debate.model import Brief, Message, Phase, Turn, Usage
from aragora.debate.prompts import labels
from aragora.providers import Completion, OnText, Request
from aragora.providers.demo_topic import SENTENCE_END, Matter, understand
from aragora.providers.demo_words import (
    DEEDS,
    DEMANDS,
    DOUBTS,
    OWN_REASONS,
    PLAIN,
    PLAIN_COUNTERS,
    REPLIES,
    STAYS,
    VARIANTS,
    VERDICTS,
    VOICES,
    Point,
    Voice,
)

__all__ = ["VARIANTS", "Demo"]

# What it takes to leave one's own position, by round: high at first, so that there is something to watch; 1 is the whole
# range of how good positions can seem. Tuned so that of debates of three seats and two rounds about two thirds agree.
ATTACHMENT = (0.75, 0.2, 0.1, 0.05)
UNDEBATED = ("vote_only", "gated", "council")
ATTACHMENT_UNHEARD = 0.2  # in a vote without a debate before it
PAIR = 2
CROWD = 0.24  # more with more than a pair of positions at the table, where a better one is easily found
TASTE = 0.35  # how far two seats may differ about the same position
SIDES = ("pro", "con")  # a seat that is given a side argues the first position of the topic, or the second
QUOTE_WORDS = 16
QUOTE_CHARS = 110
ANSWERS = frozenset({Phase.PROPOSE, Phase.REVISE, Phase.SYNTHESISE})
HOLE = re.compile(r"\{\w+\}")
CLAUSE_END = re.compile(r"[,:;]\s")
WORD = re.compile(r"\S+")
SURE = re.compile(r"I am about (\d+) % sure")

_write = json.JSONEncoder(ensure_ascii=False).encode


class Demo:
    """The provider of the demo agents. A turn lasts `delay_s` seconds; 0 is at once."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s

    async def complete(self, request: Request, on_text: OnText | None = None) -> Completion:
        """Reply at once or after the delay; with `on_text`, word by word over the delay."""
        text = _Speaker.of(request.brief, request.turn, request.agent.model).reply()
        if on_text is not None:
            await self._stream(text, on_text)
        elif self._delay_s > 0:
            await asyncio.sleep(self._delay_s)
        asked = tokens(request.prompt.system) + tokens(request.prompt.user)
        return Completion(text=text, usage=Usage(tokens_in=asked, tokens_out=tokens(text), cost_usd=0.0))

    async def _stream(self, text: str, on_text: OnText) -> None:
        pieces = re.findall(r"\s*\S+", text)
        for piece in pieces:
            if self._delay_s > 0:
                await asyncio.sleep(self._delay_s / len(pieces))
            on_text(piece)

    async def close(self) -> None:
        """There is nothing to give back."""


@dataclass(frozen=True, slots=True)
class _Speaker:
    """One seat in one turn, with all that it goes by."""

    brief: Brief
    turn: Turn
    voice: Voice
    matter: Matter
    names: Mapping[str, str]
    places: Mapping[str, int]  # of each seat at the table
    salt: str  # what fixes the chances of this turn
    answers: Mapping[str, Message]  # the newest answer of each seat that this turn shows
    stances: Mapping[str, int]  # the position of each such answer, where it is one of ours

    @classmethod
    def of(cls, brief: Brief, turn: Turn, model: str) -> "_Speaker":
        matter = understand(brief.topic)
        answers = {m.seat: m for m in turn.sees if m.phase in ANSWERS}
        found = {seat: _stance(matter, message.content) for seat, message in answers.items()}
        return cls(
            brief=brief,
            turn=turn,
            voice=VOICES.get(model.removeprefix("demo:"), PLAIN),
            matter=matter,
            names=labels(brief, turn),
            places={seat.name: place for place, seat in enumerate(brief.seats)},
            salt=f"{brief.seed}/{turn.key}/",
            answers=answers,
            stances={seat: stance for seat, stance in found.items() if stance is not None},
        )

    def reply(self) -> str:
        match self.turn.phase:
            case Phase.PROPOSE:
                return self.propose() + self.declared()
            case Phase.CRITIQUE:
                return self.critique()
            case Phase.REVISE | Phase.SYNTHESISE:
                return self.revise() + self.declared()
            case Phase.VOTE | Phase.JUDGE:
                return self.vote()

    def declared(self) -> str:
        """The last line of an answer, where one was asked for: an option that goes with the position held, or a number."""
        if self.turn.part == "estimate":
            spread = (_share(f"{self.brief.seed}/taste/{self.me}") - 0.5) / (1 + self.turn.round)
            return f"\nEstimate: {100 * (1 + self.appeal('estimate')) * (1 + spread):.0f}"
        options = self.turn.positions
        return f"\nPosition: {options[self.leaning() % len(options)]}" if options else ""

    def cite(self, message: Message) -> str:
        """The number of a text that this turn shows, as answers cite it."""
        shown = fit(self.turn.sees, self.brief.context_tokens_max)
        return next((f" [{number}]" for number, m in enumerate(shown, start=1) if m.key == message.key), "")

    # Who this seat is, and what it holds.

    @property
    def me(self) -> str:
        return self.turn.seat.name

    @property
    def home(self) -> int:
        """The position that this seat starts from: its place at the table decides, so that seats differ."""
        return self._home_of(self.me)

    @property
    def place(self) -> int:
        return self._place_of(self.me)

    def _place_of(self, seat: str) -> int:
        return self.places.get(seat, 0)

    def _home_of(self, seat: str) -> int:
        if seat == self.me and self.turn.part in SIDES:
            return SIDES.index(self.turn.part) % len(self.matter.positions)
        return self._place_of(seat) % len(self.matter.positions)

    @property
    def peers(self) -> list[str]:
        return [seat for seat in self.answers if seat != self.me]

    def peer(self, seat: str) -> str:
        return f"Answer {self.names[seat]}"

    def chance(self, *about: str) -> float:
        """A number from 0 to 1 that is the same whenever it is asked for."""
        return _share(self.salt + "/".join(about))

    def pick(self, lines: Sequence[str], *about: str) -> str:
        return lines[int(self.chance(*about) * len(lines))]

    def appeal(self, key: object) -> float:
        """How good a position seems to this seat: a merit that all see alike, and a taste of its own."""
        seed = self.brief.seed
        return _share(f"{seed}/merit/{key}") + TASTE * _share(f"{seed}/taste/{self.me}/{key}")

    def leaning(self) -> int:
        """The position that this seat holds after hearing the others."""
        mine = self.stances.get(self.me, self.home)
        if self.turn.part in SIDES:
            return self.home
        revising = self.turn.phase is Phase.REVISE
        if not revising and self.me in self.answers and self.answers[self.me].phase is Phase.REVISE:
            return mine  # it has heard the others already, and a vote is no time for second thoughts
        hold = ATTACHMENT[min(max(self.turn.round, 1), len(ATTACHMENT)) - 1] if revising or self.debates else ATTACHMENT_UNHEARD
        held = {mine, *self.stances.values()}
        hold += self.voice.stubborn + (CROWD if len(held) > PAIR else 0.0)
        return max(held, key=lambda p: (self.appeal(p) + (hold if p == mine else 0.0), -p))

    @property
    def debates(self) -> bool:
        """Whether a debate is to follow this vote: then it is too early to leave one's own answer."""
        return self.turn.round == 0 and self.brief.protocol.partition("@")[0] not in UNDEBATED

    def sureness(self, stance: int) -> float:
        """From 0 to 1: lower for each critique of one's own answer, higher for each other seat of the same opinion."""
        against = sum(m.phase is Phase.CRITIQUE and m.round == self.turn.round and m.target == self.me for m in self.turn.sees)
        support = sum(stance == held for seat, held in self.stances.items() if seat != self.me)
        unharmed = 0.04 if against == 0 and self.turn.phase is Phase.REVISE else 0.0
        turned = 0.08 if stance != self.stances.get(self.me, stance) else 0.0
        jitter = 0.1 * _share(f"{self.brief.seed}/sure/{self.me}/{stance}")
        return min(0.95, max(0.35, 0.62 + self.voice.sure + jitter + 0.08 * support - 0.07 * against + unharmed - turned))

    # What it says.

    def propose(self) -> str:
        position = self.matter.positions[self.home]
        reasons = self.arguments(self.home, count=2)
        return " ".join([position.claim + self.voice.opening, *reasons, self.closing(self.home)])

    def critique(self) -> str:
        mine = self.stances.get(self.me, self.home)
        others = [seat for seat in self.peers if self.stances.get(seat) != mine] or self.peers or [*self.answers]
        if not others:
            return _write({"target": "", "text": "There is no answer to criticise yet."})
        target = max(others, key=lambda seat: self.chance("target", seat))
        quote, point = self.weak_spot(self.answers[target].content)
        attack = self.voice.attack.format(peer=self.peer(target), quote=quote)
        if target == self.me:
            attack = f"Against my own answer I would say this of “{quote}”."
        counter = point.counter if point else self.pick(PLAIN_COUNTERS, "counter")
        text = f"{attack} {counter} {self.pick(DEMANDS, 'demand')}"
        return _write({"target": self.names[target], "text": text})

    def revise(self) -> str:
        if self.me not in self.answers:
            return self.propose()
        after = self.leaning()
        before = after if self.turn.part in SIDES else self.stances.get(self.me, self.home)
        claim = self.matter.positions[after].claim
        if after != before:
            return " ".join([f"{claim}: {self.turning(before, after)}", *self.arguments(after, count=2), self.closing(after)])
        reasons = [*self.kept_argument(after), *self.arguments(after, count=1)]
        return " ".join([f"{claim}: {self.pick(STAYS, 'stays')}.", self.answer_critics(), *reasons, self.closing(after)])

    def vote(self) -> str:
        stance = self.leaning()
        before = self.stances.get(self.me)
        same = [seat for seat in self.turn.choices if self.stances.get(seat) == stance] or [*self.turn.choices]
        choice = max(same, key=lambda seat: (self._home_of(seat) == stance, _share(f"{self.brief.seed}/voice/{seat}")))
        point = self.point_of(self.answers[choice].content) if choice in self.answers else None
        name, way = point.name if point else "the whole", self.matter.positions[stance].way
        if choice == self.me:
            reason = self.pick(OWN_REASONS, "own").format(name=name, way=way)
        elif before == stance:
            reason = f"{self.peer(choice)} stands for what I hold too, {way}, and makes the better case on {name}."
        else:
            reason = f"I came with another view, but what {self.peer(choice)} says on {name} weighs more: {way} it is."
        ballot = {"choice": self.names[choice], "confidence": round(self.ballot_sureness(stance), 2), "reason": reason}
        rest = (seat for seat in self.turn.choices if seat != choice)
        others = sorted(rest, key=lambda seat: self._liking(seat, stance), reverse=True)
        moved = choice != self.me and before is not None and before != stance and choice in self.answers
        cited = re.findall(r"\d+", self.cite(self.answers[choice])) if moved else []
        more = {"ranking": [self.names[seat] for seat in (choice, *others)], "cites": [int(number) for number in cited]}
        return _write(ballot | more)

    def _liking(self, seat: str, stance: int) -> float:
        """How good this seat, which holds a position, finds the answer of another."""
        return self.appeal(self.stances.get(seat, seat)) + (1.0 if self.stances.get(seat) == stance else 0.0)

    # The sentences it says it with.

    def arguments(self, stance: int, count: int) -> list[str]:
        """The reasons for a position that this seat finds strongest and has not just used."""
        position, rival = self.matter.positions[stance], self.rival(stance)
        said = self.answers[self.me].content if self.me in self.answers else ""
        fits = [p for p in self.points if not (p.hasty and position.careful) and not (p.careful and not position.careful)]
        fresh = [p for p in fits if _core(p.argument) not in said]
        ranked = sorted(fresh, key=lambda p: -self.chance("argument", p.name) - (0.5 if p.name in self.voice.likes else 0.0))
        return [_fill(point.argument, position.way, rival) for point in ranked[:count]]

    def kept_argument(self, stance: int) -> list[str]:
        """The reason of this seat's standing answer that nobody attacked, if there is one."""
        said, attacks = self.answers[self.me].content, " ".join(m.content for m in self.against_me())
        whole = [p for p in self.points if _core(p.argument) in said and p.counter not in attacks]
        position = self.matter.positions[stance]
        return [_fill(point.argument, position.way, self.rival(stance)) for point in whole[:1]]

    def closing(self, stance: int) -> str:
        doubt = _fill(self.pick(DOUBTS, "doubt"), "", self.rival(stance))
        return f"I am about {round(100 * self.sureness(stance))} % sure; {doubt}."

    def rival(self, stance: int) -> str:
        """The way that stands against a position: the first other one at the table, else the first of all."""
        ways = [position.way for position in self.matter.positions]
        mine = ways[stance]
        others = [ways[held] for held in self.stances.values()] + ways
        return next(way for way in others if not mine.startswith(way))

    def turning(self, before: int, after: int) -> str:
        """Why this seat leaves its position: what was said against it, else what the other answer said for itself."""
        source = max((s for s in self.peers if self.stances.get(s) == after), key=lambda s: self._home_of(s) == after)
        hit = next(((m, p) for m in self.against_me() if (p := self.countered(m.content))), None)
        if hit:
            critic, point = hit[0].seat, hit[1]
            better = "its own case is the better one" if critic == source else f"{self.peer(source)} has the better case"
            why = f"{self.peer(critic)} is right that {point.yields}, and {better}"
            return f"I have changed my mind, because {why}{self.cite(hit[0])}."
        found = self.point_of(self.answers[source].content)
        why = (
            f", on {found.name}, it has the better of {self.matter.positions[before].way}" if found else " it is the better case"
        )
        return f"I have changed my mind, because {self.peer(source)} convinced me that{why}{self.cite(self.answers[source])}."

    def answer_critics(self) -> str:
        critics = list(self.against_me())
        if not critics:
            return "Nobody found fault with it this time, which makes me a little surer."
        critic = critics[0]
        point = self.countered(critic.content)
        if point is None:
            asks = f"{self.peer(critic.seat)} asks for more than I can show{self.cite(critic)}"
            return f"{asks}, so I would agree on a test before anything else."
        holds = point.holds if point.holds.startswith("I ") else point.holds[:1].lower() + point.holds[1:]
        reply = self.pick(REPLIES, "reply").format(peer=self.peer(critic.seat), name=point.name, holds=holds)
        return reply.removesuffix(".") + self.cite(critic) + "."

    # What it finds in what others said.

    @property
    def points(self) -> tuple[Point, ...]:
        return DEEDS if self.matter.action else VERDICTS

    def against_me(self) -> Iterable[Message]:
        for message in self.turn.sees:
            if message.phase is Phase.CRITIQUE and message.round == self.turn.round and message.target == self.me != message.seat:
                yield message

    def countered(self, critique: str) -> Point | None:
        return next((point for point in self.points if point.counter in critique), None)

    def point_of(self, text: str) -> Point | None:
        return next((point for point in self.points if _core(point.argument) in text), None)

    def weak_spot(self, text: str) -> tuple[str, Point | None]:
        """A phrase of `text` as it stands there, and the consideration that it argues from, where it is known."""
        sentences = [s for s in SENTENCE_END.split(text) if s]
        known = [(s, point) for s in sentences if (point := self.point_of(s))]
        if known:
            # Counted on by place, so that two critics of one answer find different faults where there are two.
            first = int(_share(f"{self.brief.seed}/{self.turn.round}/spot") * len(known))
            sentence, point = known[(first + self.place) % len(known)]
            return _phrase(sentence), point
        spot = max(sentences, key=lambda s: self.chance("spot", s), default=text)
        return _phrase(spot) or text.strip()[:QUOTE_CHARS], None

    def ballot_sureness(self, stance: int) -> float:
        """What the seat's own answer says, and more for each other seat that now agrees."""
        own = self.answers.get(self.me)
        said = SURE.search(own.content) if own else None
        if said is None or self.stances.get(self.me) != stance:
            return self.sureness(stance)
        support = sum(held == stance for seat, held in self.stances.items() if seat != self.me)
        return min(0.95, max(0.35, int(said[1]) / 100 + 0.04 * support))


def _share(key: str) -> float:
    return int.from_bytes(sha256(key.encode()).digest()[:4], "big") / 2**32


def _stance(matter: Matter, text: str) -> int | None:
    """The position that an answer begins with; the longest, where one claim is the beginning of another."""
    found = [n for n, position in enumerate(matter.positions) if text.startswith(position.claim)]
    if len(found) > 1:
        return max(found, key=lambda n: len(matter.positions[n].claim))
    return found[0] if found else None


@cache  # arguments are as many as demo_words has
def _core(argument: str) -> str:
    """The longest part of an argument that is the same whatever it argues for."""
    return max(HOLE.split(argument), key=len)


def _fill(line: str, way: str, rival: str) -> str:
    return line.replace("{way}", way).replace("{rival}", rival)


def _phrase(sentence: str) -> str:
    """A part of a sentence as it stands there: its longest clause, or the beginning of that if it is long."""
    clause = max(CLAUSE_END.split(sentence), key=len)
    ends = [found.end() for found in WORD.finditer(clause)][:QUOTE_WORDS]
    return clause[: min(ends[-1] if ends else 0, QUOTE_CHARS)].strip(".,;:!? \u3002\uff01\uff1f").removeprefix("and ")
