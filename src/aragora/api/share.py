"""A debate as a page that reads without JavaScript. May import its siblings, `debate`, web and store records."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from aragora.api import Parts
from aragora.debate.stops import REASONS
from aragora.store.records import Logged, Record
from aragora.web.words import FAULTS, OUTCOMES, PHASES

# Beyond these the page says that there is more; the app and the API show all of it.
EVENTS_MAX = 600
PAGE_EVENTS = 200
DESCRIPTION_CHARS = 200


@dataclass(frozen=True, slots=True)
class Said:
    """One text of a seat, as the page tells it."""

    seat: str
    phase: str
    target: str
    text: str
    fault: str


@dataclass(frozen=True, slots=True)
class Ballot:
    """A vote of a seat or of a person."""

    voter: str
    choice: str
    reason: str
    person: bool


@dataclass(slots=True)
class Round:
    """What happened in one round, in the order of the log."""

    number: int
    said: list[Said] = field(default_factory=list)
    ballots: list[Ballot] = field(default_factory=list)
    tally: dict[str, int] = field(default_factory=dict)
    agreement: float | None = None


class _Data(msgspec.Struct):
    """What the page reads of an event."""

    round: int = 0
    phase: str = ""
    seat: str = ""
    target: str = ""
    content: str = ""
    kind: str = ""
    voter: str = ""
    choice: str = ""
    reasoning: str = ""
    counts: dict[str, int] = {}
    agreement: float | None = None
    abstention: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The parts of the page that are put into the shell."""

    title: str
    head: str
    main: str


async def page(parts: Parts, record: Record, address: str) -> Page:
    """Read a debate's log and write the page in a thread, since long texts take a while."""
    events: list[Logged] = []
    while len(events) < EVENTS_MAX:
        after = events[-1].seq if events else 0
        more = await parts.store.events(record.id, after=after, limit=PAGE_EVENTS)
        events += more
        if len(more) < PAGE_EVENTS:
            break
    return await asyncio.to_thread(_write, record, events[:EVENTS_MAX], address)


def _write(record: Record, events: Sequence[Logged], address: str) -> Page:
    from aragora.web.markup import render  # noqa: PLC0415 - templates and cleaners are loaded when a page is asked for

    rounds, people = _told(events)
    outcome = record.outcome
    name, meaning = _verdict(record)
    last = {said.seat: said for each in rounds for said in each.said if said.phase in {"propose", "revise"} and said.text}
    values = {
        "record": record,
        "names": [seat.name for seat in record.brief.seats],
        "places": {seat.name: place for place, seat in enumerate(record.brief.seats)},
        "brief": record.brief,
        "outcome": outcome,
        "name": name,
        "meaning": meaning,
        "stopped": REASONS.get(outcome.stopped, "") if outcome else "",
        "rounds": rounds,
        "people": people,
        "dissent": [(seat, last[seat].text) for seat in (outcome.dissent if outcome else ()) if seat in last],
        "missing": _missing(record),
        "phases": PHASES,
        "faults": FAULTS,
        "more": record.last_seq > len(events),
        "address": address,
        "description": _description(record, name),
    }
    head = render("head.html", **values)
    return Page(title=f"{record.brief.topic[:100]} · Aragora", head=head, main=render("debate.html", **values))


def _verdict(record: Record) -> tuple[str, str]:
    """In a word and in a sentence how it came out; where a seat was missing, also what the ballots say without it."""
    if record.outcome is None:
        return "In progress", ""
    outcome, decision = str(record.outcome.outcome), str(record.outcome.decision)
    name, meaning = OUTCOMES.get(outcome, (outcome, ""))
    if decision == outcome:
        return name, meaning
    decided, means = OUTCOMES.get(decision, (decision, ""))
    return f"{decided}, {name.lower()}", f"{means} {meaning}"


def _told(events: Sequence[Logged]) -> tuple[list[Round], list[Ballot]]:
    """The rounds in order, and each person's vote as it stands."""
    rounds: dict[int, Round] = {}
    people: dict[str, Ballot] = {}
    for event in events:
        if event.type in {"debate_start", "debate_end"}:
            continue
        data = msgspec.json.decode(event.data, type=_Data)
        if data.kind == "person":
            people[data.voter] = Ballot(data.voter, data.choice, data.reasoning, person=True)
            continue
        each = rounds.setdefault(data.round, Round(data.round))
        if event.type == "vote_cast":
            each.ballots.append(Ballot(data.voter, data.choice, data.reasoning, person=False))
        elif event.type == "round_complete":
            each.tally, each.agreement = data.counts, data.agreement
        elif event.type in {"agent_message", "agent_abstained"}:
            fault = data.abstention.get("fault", "") if data.abstention else ""
            each.said.append(Said(data.seat, data.phase, data.target, data.content, fault))
    return [rounds[number] for number in sorted(rounds)], list(people.values())


def _missing(record: Record) -> list[str]:
    found = record.outcome.missing if record.outcome else ()
    words = [f"{each.seat} {FAULTS.get(each.fault, each.fault)} (round {each.round})" for each in found]
    return list(dict.fromkeys(words))


def _description(record: Record, name: str) -> str:
    outcome = record.outcome
    if outcome is None:
        return f"{len(record.brief.seats)} agents are debating this now. Watch it live."
    text = " ".join((outcome.answer or outcome.detail).split())
    return f"{name}. {text}"[:DESCRIPTION_CHARS]
