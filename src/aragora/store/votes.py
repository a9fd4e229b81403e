"""Votes of people: each counted once, with the count beside it. May import `debate` and its siblings."""

from aragora.debate.events import PersonVoted
from aragora.store import Database, Statement, Value
from aragora.store.chain import written

NEXT_SEQ_OF_VOTE = """
UPDATE debates SET last_seq = last_seq + 1
WHERE id = :id AND ended_at IS NULL AND last_seq > 0
  AND NOT EXISTS (
    SELECT 1 FROM votes WHERE debate_id = :id AND kind = 'person' AND voter = :voter AND round = 0
      AND choice = :choice AND reason = :reason AND COALESCE(confidence, -1) = COALESCE(:confidence, -1))
RETURNING last_seq AS seq
"""
UNCHOOSE = """
UPDATE choices SET n = n - 1 WHERE debate_id = :id
  AND choice = (SELECT choice FROM votes WHERE debate_id = :id AND kind = 'person' AND voter = :voter AND round = 0)
"""
CHOOSE = """
INSERT INTO choices (debate_id, choice, n) VALUES (:id, :choice, 1)
ON CONFLICT (debate_id, choice) DO UPDATE SET n = choices.n + 1
"""
UPSERT_VOTE = """
INSERT INTO votes (debate_id, kind, voter, round, seq, choice, confidence, reason, created_at)
VALUES (:id, :kind, :voter, :round, :seq, :choice, :confidence, :reason, :at)
ON CONFLICT (debate_id, kind, voter, round) DO UPDATE SET
  seq = excluded.seq, choice = excluded.choice, confidence = excluded.confidence, reason = excluded.reason,
  created_at = excluded.created_at
"""
PEOPLE = "SELECT choice, n FROM choices WHERE debate_id = :id AND n > 0 ORDER BY n DESC, choice"
MINE = "SELECT seq FROM votes WHERE debate_id = :id AND kind = 'person' AND voter = :voter AND round = 0"


def casting(debate_id: str, vote: PersonVoted, at: str) -> list[Statement]:
    """What records a person's vote; no row comes back for the same vote again.

    A changed mind replaces the vote and is a new event.
    """
    values: dict[str, Value] = {
        "id": debate_id,
        "voter": vote.voter,
        "choice": vote.choice,
        "confidence": vote.confidence,
        "reason": vote.reason,
    }
    return [
        Statement(NEXT_SEQ_OF_VOTE, values),
        written(debate_id, vote, at, again=True),
        Statement(UNCHOOSE, values),
        Statement(CHOOSE, values),
        Statement(UPSERT_VOTE, {**values, "kind": "person", "round": 0, "at": at}),
    ]


async def chosen(database: Database, debate_id: str) -> dict[str, int]:
    """How many people chose each seat."""
    return {str(choice): int(str(n)) for choice, n in await database.read(PEOPLE, {"id": debate_id})}


async def cast_before(database: Database, debate_id: str, voter: str) -> int | None:
    """The number of the event of a person's vote, as it stands."""
    rows = await database.read(MINE, {"id": debate_id, "voter": voter})
    return int(str(rows[0][0])) if rows else None
