"""The log as a hash chain: how an event is written with the head that it leads to, and how a log is read back whole.

May import `debate`, errors and the port. The head is computed by the database, in the transaction that gives the event its
number, so it cannot be left out and never waits for a reading of the event before.
"""

import json

import msgspec

from aragora.debate.events import DebateStarted, Event, data_of, key_of, type_of
from aragora.debate.receipt import Entry, anchor, chained, digest
from aragora.errors import Conflict, NotFound
from aragora.store import Database, Statement, Value
from aragora.store.records import Logged

INSERT = """
INSERT INTO events (debate_id, seq, key, type, data, created_at, head)
VALUES (:id, :seq, {key}, :type, :data, :at,
  chained(COALESCE(:anchor, (SELECT head FROM events WHERE debate_id = :id AND seq = :seq - 1)), :seq, :digest))
"""
ONCE = INSERT.format(key=":key")
EACH_TIME = INSERT.format(key=":key || '/' || CAST(:seq AS TEXT)")
LOG = "SELECT seq, type, data, created_at, head FROM events WHERE debate_id = :id ORDER BY seq"


def written(debate_id: str, event: Event, at: str, *, again: bool = False) -> Statement:
    """The statement that records an event under the number of its guard; with `again`, one of which there may be several."""
    kind, data = type_of(event), data_of(event)
    values: dict[str, Value] = {"id": debate_id, "key": key_of(event), "type": kind, "at": at}
    values["data"] = msgspec.json.encode(data).decode()
    values["anchor"] = anchor(debate_id).hex() if isinstance(event, DebateStarted) else None
    values["digest"] = digest(kind, at, data)
    return Statement(EACH_TIME if again else ONCE, values)


async def entries(database: Database, debate_id: str) -> list[Entry]:
    """The whole log of a debate. Raises NotFound, and Conflict where it is not what was written."""
    if not await database.read("SELECT 1 FROM debates WHERE id = :id", {"id": debate_id}):
        raise NotFound("There is no such debate.")
    found, head = list[Entry](), anchor(debate_id).hex()
    for seq, name, data, at, stored in await database.read(LOG, {"id": debate_id}):
        assert isinstance(seq, int)
        one = Entry(seq=seq, type=str(name), timestamp=str(at), data=json.loads(str(data)))
        head = chained(head, seq, digest(one.type, one.timestamp, one.data))
        if seq != len(found) + 1 or stored not in (None, head):
            raise Conflict(f"The log is not what was written, from event {len(found) + 1} on: the database was changed.")
        found.append(one)
    return found


def entry(logged: Logged) -> Entry:
    """An event of the log as a receipt wants it."""
    return Entry(seq=logged.seq, type=logged.type, timestamp=logged.at, data=json.loads(logged.data))
