"""The log of a debate as receipts read it. May import `debate` and the store."""

import json

from aragora.debate.receipt import Entry
from aragora.store.records import Logged
from aragora.store.store import Store


async def entries(store: Store, debate_id: str) -> list[Entry]:
    """The whole log of a debate. Raises NotFound."""
    await store.debate(debate_id)
    found: list[Entry] = []
    while page := await store.events(debate_id, after=len(found)):
        found += [entry(logged) for logged in page]
    return found


def entry(logged: Logged) -> Entry:
    """An event of the log as a receipt wants it."""
    return Entry(seq=logged.seq, type=logged.type, timestamp=logged.at, data=json.loads(logged.data))
