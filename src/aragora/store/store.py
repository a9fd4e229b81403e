"""Every query of the product, in SQL that both databases read. May import `debate`, errors and its siblings.

Each change to a debate is one event, appended in the same transaction as the rows that follow from it. Its number is taken
from the debate's own row in that transaction, so numbers have no gaps and readers that remember one miss nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from aragora.debate.events import (
    DebateEnded,
    DebateStarted,
    Event,
    PersonSuggested,
    PersonVoted,
    RoundCompleted,
    key_of,
)
from aragora.debate.model import ENDED, Brief, Message, Outcome, Status, Tally
from aragora.debate.ranking import START, Change, changes, matches
from aragora.errors import Conflict, Fenced, NotFound, StoreError
from aragora.store import Database, Params, Row, Statement, Value, migrations
from aragora.store.chain import written
from aragora.store.hooks import deliver
from aragora.store.leases import TAKEN
from aragora.store.listing import Totals, listed
from aragora.store.parents import under
from aragora.store.records import (
    Cast,
    Claim,
    Cursor,
    Filing,
    Logged,
    Reader,
    Record,
    Spoken,
    Summary,
)
from aragora.store.search import ADD_TEXT
from aragora.store.slugs import slug_of
from aragora.store.votes import UPSERT_VOTE, cast_before, casting, chosen

# An id is 128 random bits with a time in front; anything else cannot be one, so nothing is looked up for it.
ID = re.compile(r"[0-9a-z][0-9a-z-]{0,63}\Z")
ANY_EPOCH = 0
UNFILED = Filing()
# Of so many debates it is remembered who sits in them.
SEATS_KEPT_MAX = 1024
# What a person's suggestion has among the messages where those of seats have their phase.
SUGGEST = "suggest"

DEBATE = """
SELECT id, status, brief, round, outcome, last_seq, created_at, started_at, ended_at,
  slug, title, tags, metadata, archived_at, origin, origin_id
FROM debates WHERE id = :id
"""
NEXT_SEQ = """
UPDATE debates SET last_seq = last_seq + 1
WHERE id = :id AND ended_at IS NULL AND (:epoch = 0 OR epoch = :epoch) AND (last_seq > 0 OR :key = 'start')
  AND NOT EXISTS (SELECT 1 FROM events WHERE debate_id = :id AND key = :key)
RETURNING last_seq AS seq, status
"""
# For several events in one transaction, of which the guard has the number of the first only.
ONE_MORE = "UPDATE debates SET last_seq = last_seq + 1 WHERE id = :id"
NEWEST_SEQ = "(SELECT last_seq FROM debates WHERE id = :id)"
INSERT_MESSAGE = """
INSERT INTO messages (debate_id, seq, round, phase, seat, target, content, created_at)
VALUES (:id, :seq, :round, :phase, :seat, :target, :content, :at)
"""
INSERT_DEBATE = """
INSERT INTO debates
  (id, topic, status, protocol, agents, brief, rounds, last_seq, created_at,
  slug, origin, origin_id, batch_id, owner_id, visibility)
VALUES (:id, :topic, 'pending', :protocol, :agents, :brief, :rounds, :last_seq, :at,
  :slug, :origin, :origin_id, :batch_id, :owner_id, :visibility)
RETURNING last_seq AS seq
"""
COUNT_DEBATE = "UPDATE counters SET n = n + 1 WHERE name = 'debates' OR (name = 'debates/public' AND :visibility = 'public')"
SET_ROUND = "UPDATE debates SET round = :round WHERE id = :id"
SET_ENDED = "UPDATE debates SET status = :status, outcome = :outcome, ended_at = :at WHERE id = :id"
CLAIM = """
UPDATE debates SET epoch = epoch + 1, status = 'active', started_at = COALESCE(started_at, :at)
WHERE id = :id AND status IN ('pending', 'active') AND last_seq > 0 AND (:runner = '' OR runner = :runner)
RETURNING epoch, brief, started_at, left_epoch, last_seq
"""
ANSWERED = "UPDATE texts SET body = body || '\n' || :answer WHERE kind = 'debate' AND id = :text_id"
WHY_NOT = (
    "SELECT status, epoch, last_seq, (SELECT seq FROM events WHERE debate_id = :id AND key = :key) FROM debates WHERE id = :id"
)
INSERT_MATCH = """
INSERT INTO matches (debate_id, place, a, b, score, created_at) VALUES (:id, :place, :a, :b, :score, :at)
"""
UPSERT_RATING = """
INSERT INTO ratings (agent, elo, wins, losses, draws, debates, updated_at)
VALUES (:agent, :start + :elo, :wins, :losses, :draws, 1, :at)
ON CONFLICT (agent) DO UPDATE SET
  elo = ratings.elo + :elo, wins = ratings.wins + excluded.wins, losses = ratings.losses + excluded.losses,
  draws = ratings.draws + excluded.draws, debates = ratings.debates + 1, updated_at = excluded.updated_at
"""
EVENTS = "SELECT seq, key, type, data, created_at FROM events WHERE debate_id = :id AND seq > :after ORDER BY seq LIMIT :limit"
MESSAGES = """
SELECT seq, round, phase, seat, target, content, created_at FROM messages
WHERE debate_id = :id ORDER BY seq LIMIT :limit OFFSET :offset
"""
VOTES = """
SELECT kind, voter, round, seq, choice, confidence, reason, created_at FROM votes
WHERE debate_id = :id ORDER BY seq LIMIT :limit OFFSET :offset
"""
COUNTS = {
    "messages": "SELECT COUNT(*) FROM messages WHERE debate_id = :id",
    "votes": "SELECT COUNT(*) FROM votes WHERE debate_id = :id",
}


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an event stands in its log; `fresh` is false when it had been recorded before."""

    seq: int
    fresh: bool
    rested: bool = False  # whether the debate was at rest when the event was recorded, where that is known


class Store:
    """The store on one database."""

    def __init__(self, database: Database) -> None:
        """Use an open database whose schema `migrate` has brought up to date."""
        self._db = database
        self._totals = Totals(database)
        self._seats: dict[str, Sequence[str]] = {}
        self._chosen: tuple[int | None, str, dict[str, int]] = (None, "", {})

    @property
    def database(self) -> Database:
        """The database, for the siblings that ask it about other things."""
        return self._db

    @property
    def connections(self) -> int:
        """How many database connections are open."""
        return self._db.connections

    @property
    def state(self) -> int | None:
        """A number that changes with every write of anybody; None where that cannot be told at once."""
        return self._db.state

    async def migrate(self, now: str) -> list[str]:
        """Bring the schema up to date; return the names of the steps taken."""
        return await self._db.migrate(migrations(self._db.dialect), now)

    async def close(self) -> None:
        """Finish what was accepted, then let go of the database."""
        await self._db.close()

    async def ping(self) -> None:
        """Raise StoreError when the database does not answer."""
        await self._db.read("SELECT 1", {})

    async def create(
        self, debate_id: str, brief: Brief, *, at: str, start: bool, filing: Filing = UNFILED, told: Sequence[Message] = ()
    ) -> None:
        """Store a debate; with `start`, its first event too, and what was `told` before, all in the same transaction."""
        values: Params = {
            "id": debate_id,
            "topic": brief.topic,
            "protocol": brief.protocol,
            "agents": _json([seat.name for seat in brief.seats]),
            "brief": _json(brief),
            "rounds": brief.rounds,
            "last_seq": int(start),
            "at": at,
            "slug": slug_of(brief.topic, debate_id),
            "origin": filing.origin,
            "origin_id": filing.origin_id,
            "batch_id": filing.batch_id,
            "owner_id": filing.owner_id,
            "visibility": filing.visibility,
        }
        text = Statement(ADD_TEXT, {"kind": "debate", "text_id": debate_id, "body": brief.topic})
        work = [Statement(INSERT_DEBATE, values), Statement(COUNT_DEBATE, {"visibility": filing.visibility}), text]
        if start:
            work.append(written(debate_id, DebateStarted(brief=brief), at))
        if filing.parent:
            work.append(under(debate_id, filing.parent))
        for message in told:
            followed = [written(debate_id, message, at), *await self._projections(debate_id, message, at)]
            work += [Statement(ONE_MORE, {"id": debate_id}), *(_numbered(each) for each in followed)]
        await self._db.write(work)

    async def append(self, debate_id: str, event: Event, *, at: str, epoch: int = ANY_EPOCH) -> Appended:
        """Record an event once. Raises Fenced when the debate has ended or a runner with a newer epoch holds it."""
        key = key_of(event)
        guard = Statement(NEXT_SEQ, {"id": debate_id, "key": key, "epoch": epoch})
        followed = await self._projections(debate_id, event, at)
        rows = await self._db.write([guard, written(debate_id, event, at), *followed])
        if rows:
            return Appended(_int(rows[0][0]), fresh=True, rested=rows[0][1] == Status.PAUSED)
        return Appended(await self._recorded(debate_id, key, epoch), fresh=False)

    async def _recorded(self, debate_id: str, key: str, epoch: int) -> int:
        """The number of an event that was recorded before; raises when it was refused instead."""
        found = await self._db.read(WHY_NOT, {"id": debate_id, "key": key})
        if not found:
            raise NotFound("There is no such debate.")
        status, holder, last_seq, seq = found[0]
        if seq is not None and epoch in (ANY_EPOCH, holder):  # a stale runner must not learn what goes on and keep asking
            return _int(seq)
        if status in ENDED:
            raise Fenced("The debate has ended.")
        if last_seq == 0:
            raise Conflict("The debate has not been started.")
        raise Fenced(TAKEN)

    async def _projections(self, debate_id: str, event: Event, at: str) -> list[Statement]:
        """The rows that follow from an event."""
        base: dict[str, Value] = {"id": debate_id, "at": at}
        match event:
            case Message(abstention=None, ballot=None):
                spoken: Params = {"round": event.round, "phase": event.phase, "seat": event.seat, "target": event.target}
                return [Statement(INSERT_MESSAGE, {**base, **spoken, "content": event.content})]
            case Message(ballot=ballot, abstention=None) if ballot is not None:
                cast: Params = {"kind": "seat", "voter": event.seat, "round": event.round, "choice": ballot.choice}
                return [Statement(UPSERT_VOTE, {**base, **cast, "confidence": ballot.confidence, "reason": ballot.reason})]
            case PersonSuggested():
                said: Params = {"round": event.round, "phase": SUGGEST, "seat": event.person, "target": ""}
                return [Statement(INSERT_MESSAGE, {**base, **said, "content": event.content})]
            case RoundCompleted():
                return [Statement(SET_ROUND, {**base, "round": event.round}), deliver(debate_id, event.type, at)]
            case DebateEnded(outcome=outcome):
                ended: Params = {"status": outcome.status, "outcome": _json(outcome)}
                found: Params = {"text_id": debate_id, "answer": outcome.answer}
                work = [Statement(SET_ENDED, {**base, **ended}), deliver(debate_id, event.type, at)]
                if outcome.answer:
                    work.append(Statement(ANSWERED, found))
                return [*work, *await self._ranked(debate_id, outcome, at)]
        return []

    async def _ranked(self, debate_id: str, outcome: Outcome, at: str) -> list[Statement]:
        """The matches of a decided debate and what they do to the ratings."""
        if outcome.winner is None:
            return []
        found = await self._db.read("SELECT brief FROM debates WHERE id = :id", {"id": debate_id})
        played = matches(_brief(found[0][0]), outcome) if found else ()
        if not played:
            return []
        agents = sorted({name for match in played for name in (match.a, match.b)})
        elos = [await self._db.read("SELECT elo FROM ratings WHERE agent = :agent", {"agent": agent}) for agent in agents]
        ratings = {agent: float(str(rows[0][0])) for agent, rows in zip(agents, elos, strict=True) if rows}
        rows: list[Params] = [{"place": place, "a": m.a, "b": m.b, "score": m.score} for place, m in enumerate(played)]
        work = [Statement(INSERT_MATCH, {**row, "id": debate_id, "at": at}) for row in rows]
        return work + [_rate(change, at) for change in changes(played, ratings)]

    async def vote(self, debate_id: str, vote: PersonVoted, *, at: str) -> Appended:
        """Count a person's vote once. A changed mind replaces the vote and is a new event; the same vote again is not."""
        rows = await self._db.write(casting(debate_id, vote, at))
        if rows:
            return Appended(_int(rows[0][0]), fresh=True)
        record = await self.debate(debate_id)
        if record.status in ENDED:
            raise Conflict("The debate has ended; votes are closed.")
        if record.last_seq == 0:
            raise Conflict("The debate has not been started.")
        mine = await cast_before(self._db, debate_id, vote.voter)
        return Appended(mine or record.last_seq, fresh=False)

    async def claim(self, debate_id: str, *, at: str, runner: str = "") -> Claim:
        """Take a debate to run it; whoever held it before is fenced off. Raises Fenced when it has ended or is another's."""
        epoch, brief, started_at, left_epoch, last_seq = await self._claimed(debate_id, at, runner)
        recorded = {key_of(message): message for message in await self.told(debate_id)}
        whole = _int(left_epoch) == _int(epoch) - 1
        return Claim(
            debate_id=debate_id,
            brief=_brief(brief),
            epoch=_int(epoch),
            started_at=str(started_at),
            last_seq=_int(last_seq),
            whole=whole,
            recorded=recorded,
        )

    async def told(self, debate_id: str) -> list[Message]:
        """Every message of the log, ballots and abstentions too, in order."""
        query = "SELECT data FROM events WHERE debate_id = :id AND key LIKE 'turn/%' ORDER BY seq"
        return [_message(str(row[0])) for row in await self._db.read(query, {"id": debate_id})]

    async def tallies(self, debate_id: str) -> list[RoundCompleted]:
        """How the ballots of each round fell, in order."""
        query = "SELECT data FROM events WHERE debate_id = :id AND type = 'round_complete' ORDER BY seq"
        rows = await self._db.read(query, {"id": debate_id})
        return [_completed(str(row[0])) for row in rows]

    async def _claimed(self, debate_id: str, at: str, runner: str) -> Row:
        rows = await self._db.write([Statement(CLAIM, {"id": debate_id, "at": at, "runner": runner})])
        if not rows:
            record = await self.debate(debate_id)
            if record.status is Status.PAUSED:
                raise Fenced("The debate rests.")
            if record.ended_at is None and record.last_seq:
                raise Fenced(TAKEN)
            raise Fenced("The debate has ended." if record.status in ENDED else "The debate has not been started.")
        return rows[0]

    async def debate(self, debate_id: str) -> Record:
        """A debate as it stands; raises NotFound."""
        found = ID.match(debate_id) and await self._db.read(DEBATE, {"id": debate_id})
        if not found:
            raise NotFound("There is no such debate.")
        return _record(found[0])

    async def seats(self, debate_id: str) -> Sequence[str]:
        """The names of a debate's seats, which never change; raises NotFound. They are remembered, whatever becomes of it."""
        known = self._seats.get(debate_id)
        if known is None:
            known = tuple(seat.name for seat in (await self.debate(debate_id)).brief.seats)
            if len(self._seats) >= SEATS_KEPT_MAX:
                self._seats.clear()
            self._seats[debate_id] = known
        return known

    async def exists(self, debate_id: str) -> bool:
        """Whether there is such a debate."""
        return bool(await self._db.read("SELECT 1 FROM debates WHERE id = :id", {"id": debate_id}))

    async def unfinished(self, *, after: str = "", limit: int = 1000) -> list[str]:
        """Ids of debates that were started and have not ended, in order of id; a page at a time."""
        query = """
            SELECT id FROM debates WHERE status IN ('pending', 'active') AND last_seq > 0 AND id > :after ORDER BY id LIMIT :limit
        """
        return [str(row[0]) for row in await self._db.read(query, {"after": after, "limit": limit})]

    async def debates(
        self,
        *,
        limit: int,
        offset: int = 0,
        before: Cursor | None = None,
        statuses: Sequence[Status] = (),
        reader: Reader | None = None,
    ) -> list[Summary]:
        """Debates, newest first; `before` goes on after a place seen. With a `reader`, only those that it may see."""
        return await listed(self._db, limit=limit, offset=offset, before=before, statuses=statuses, reader=reader)

    async def total(self, statuses: Sequence[Status] = (), *, reader: Reader | None = None) -> int:
        """How many debates there are, of all statuses or of some, for all to see or for a reader; of many, a moment ago."""
        return await self._totals.of(statuses, reader)

    async def events(self, debate_id: str, *, after: int = 0, limit: int = 256) -> list[Logged]:
        """Events numbered above `after`, in order."""
        rows = await self._db.read(EVENTS, {"id": debate_id, "after": after, "limit": limit})
        return [
            Logged(debate_id=debate_id, seq=_int(seq), key=str(key), type=str(name), data=str(data), at=str(at))
            for seq, key, name, data, at in rows
        ]

    async def messages(self, debate_id: str, *, limit: int = 1000, offset: int = 0) -> list[Spoken]:
        """What was said, in order; ballots and abstentions are elsewhere."""
        rows = await self._db.read(MESSAGES, {"id": debate_id, "limit": limit, "offset": offset})
        names = ("seq", "round", "phase", "seat", "target", "content", "at")
        return [msgspec.convert(dict(zip(names, row, strict=True)), Spoken) for row in rows]

    async def votes(self, debate_id: str, *, limit: int = 10_000, offset: int = 0) -> list[Cast]:
        """Every ballot of every round, and each person's vote as it stands."""
        rows = await self._db.read(VOTES, {"id": debate_id, "limit": limit, "offset": offset})
        names = ("kind", "voter", "round", "seq", "choice", "confidence", "reason", "at")
        return [msgspec.convert(dict(zip(names, row, strict=True)), Cast) for row in rows]

    async def people(self, debate_id: str) -> dict[str, int]:
        """How many people voted for each seat. Votes that were committed together are counted once for all who cast them."""
        state, known = self._db.state, self._chosen
        if state is None or known[:2] != (state, debate_id):
            known = self._chosen = (state, debate_id, await chosen(self._db, debate_id))
        return known[2]

    async def count(self, debate_id: str, table: str) -> int:
        """How many messages or votes a debate has."""
        return _int((await self._db.read(COUNTS[table], {"id": debate_id}))[0][0])


def _numbered(statement: Statement) -> Statement:
    return Statement(statement.sql.replace(":seq", NEWEST_SEQ), statement.params)


def _rate(change: Change, at: str) -> Statement:
    values: Params = {"agent": change.agent, "start": START, "elo": change.elo, "at": at}
    return Statement(UPSERT_RATING, {**values, "wins": change.wins, "losses": change.losses, "draws": change.draws})


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


_briefs = msgspec.json.Decoder(Brief)
_outcomes = msgspec.json.Decoder(Outcome)
_messages = msgspec.json.Decoder(Message)
_tallies = msgspec.json.Decoder(Tally)
_names = msgspec.json.Decoder(tuple[str, ...])


class _Round(msgspec.Struct):
    """Of a `round_complete`, which round it was."""

    round: int


def _brief(text: Value) -> Brief:
    return _briefs.decode(str(text))


def _message(text: str) -> Message:
    return _messages.decode(text)


def _completed(text: str) -> RoundCompleted:
    fields = _tallies.decode(text)
    number = msgspec.json.decode(text, type=_Round).round
    return RoundCompleted(round=number, tally=fields)


def _int(value: Value) -> int:
    if not isinstance(value, int):
        raise StoreError("The database holds something that is not a whole number where one belongs.")
    return value


def _outcome(text: Value) -> Outcome | None:
    return None if text is None else _outcomes.decode(str(text))


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


def _record(row: Row) -> Record:
    debate_id, status, brief, number, outcome, last_seq, created_at, started_at, ended_at, *shelf = row
    slug, title, tags, metadata, archived_at, origin, origin_id = shelf
    return Record(
        id=str(debate_id),
        status=Status(str(status)),
        brief=_brief(brief),
        round=_int(number),
        outcome=_outcome(outcome),
        last_seq=_int(last_seq),
        created_at=str(created_at),
        started_at=_text(started_at),
        ended_at=_text(ended_at),
        slug=str(slug or ""),
        title=str(title),
        tags=_names.decode(str(tags)),
        metadata=str(metadata),
        archived_at=_text(archived_at),
        origin=_text(origin),
        origin_id=_text(origin_id),
    )
