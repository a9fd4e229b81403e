"""What debates taught, as sums per agent or pair: how a lesson is added or taken back. May import `debate` and the port."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from aragora.debate.lessons import Forecast, Lesson
from aragora.debate.strength import Results
from aragora.store import Params, Statement, Value

PANEL, PEOPLE = "panel", "people"
JUDGES = (PANEL, PEOPLE)

ADD_PAIR = """
INSERT INTO pairs (judge, a, b, won, lost, drawn) VALUES (:judge, :a, :b, :won, :lost, :drawn)
ON CONFLICT (judge, a, b) DO UPDATE SET
  won = pairs.won + excluded.won, lost = pairs.lost + excluded.lost, drawn = pairs.drawn + excluded.drawn
"""
ADD_FORECASTS = """
INSERT INTO forecasts (judge, agent, bin, n, sure, came, squares) VALUES (:judge, :agent, :bin, :n, :sure, :came, :squares)
ON CONFLICT (judge, agent, bin) DO UPDATE SET
  n = forecasts.n + excluded.n, sure = forecasts.sure + excluded.sure, came = forecasts.came + excluded.came,
  squares = forecasts.squares + excluded.squares
"""
ADD_SHARED = """
INSERT INTO shared (one, other, votes, agreed, chance) VALUES (:one, :other, :votes, :agreed, :chance)
ON CONFLICT (one, other) DO UPDATE SET
  votes = shared.votes + excluded.votes, agreed = shared.agreed + excluded.agreed, chance = shared.chance + excluded.chance
"""
CHANGED = "UPDATE fits SET changed = changed + 1"
TABLES = ("forecasts", "pairs", "shared")

_lessons = msgspec.json.Decoder(Lesson)
Key = tuple[str | int, ...]


@dataclass(slots=True)
class Sums:
    """Lessons added up."""

    pairs: dict[str, Results] = field(default_factory=lambda: {judge: Results() for judge in JUDGES})
    forecasts: dict[Key, list[float]] = field(default_factory=dict)  # by judge, agent, bin: n, sure, came, squares
    shared: dict[Key, list[float]] = field(default_factory=dict)  # by two agents: votes, agreed, chance

    def add(self, lesson: Lesson) -> None:
        """Add what one debate teaches."""
        for judge, played, foretold in (
            (PANEL, lesson.panel, lesson.forecasts),
            (PEOPLE, lesson.people, lesson.forecasts_people),
        ):
            for match in played:
                self.pairs[judge].add(match)
            for one in foretold:
                _raise(self.forecasts, (judge, one.agent, one.bin), _worth(one))
        for both in lesson.shared:
            _raise(self.shared, (both.one, both.other), (1, both.agreed, both.chance))

    @classmethod
    def of(cls, lessons: Iterable[Lesson]) -> "Sums":
        """Add lessons up, in whatever order they come."""
        sums = cls()
        for lesson in lessons:
            sums.add(lesson)
        return sums

    def written(self, sign: int = 1) -> list[Statement]:
        """What adds these sums to those in the database, or with -1 takes them off; rows always in one order."""
        work = list(self._statements(sign))
        return [*work, Statement(CHANGED, {})] if work else []

    def _statements(self, sign: int) -> Iterator[Statement]:
        for (judge, agent, place), values in sorted(self.forecasts.items()):
            named = _named(("n", "sure", "came", "squares"), values, sign, whole=("n", "came"))
            yield Statement(ADD_FORECASTS, {"judge": judge, "agent": agent, "bin": place, **named})
        for judge in JUDGES:
            for (a, b), record in sorted(self.pairs[judge].pairs.items()):
                counts = {"won": sign * record.won, "lost": sign * record.lost, "drawn": sign * record.drawn}
                yield Statement(ADD_PAIR, {"judge": judge, "a": a, "b": b, **counts})
        for (one, other), values in sorted(self.shared.items()):
            named = _named(("votes", "agreed", "chance"), values, sign, whole=("votes", "agreed"))
            yield Statement(ADD_SHARED, {"one": one, "other": other, **named})


def taken_back(lesson: str) -> list[Statement]:
    """What takes a lesson, as it lies in the database, off the sums again."""
    return Sums.of([_lessons.decode(lesson)]).written(-1)


def _worth(one: Forecast) -> tuple[float, ...]:
    return (1, one.sure, one.right, (one.sure - one.right) ** 2)


def _raise(sums: dict[Key, list[float]], key: Key, values: Sequence[float]) -> None:
    old = sums.setdefault(key, [0.0] * len(values))
    sums[key] = [one + other for one, other in zip(old, values, strict=True)]


def _named(names: Sequence[str], values: Sequence[float], sign: int, *, whole: Sequence[str]) -> Params:
    found: dict[str, Value] = {}
    for name, value in zip(names, values, strict=True):
        found[name] = sign * int(value) if name in whole else sign * float(value)
    return found
