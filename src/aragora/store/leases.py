"""Who runs which debate, kept beside the debates themselves. May import errors and its siblings.

A runner's name stands in the debate's row, so that a debate and the wish to have it run are stored in one transaction. Runners
show that they are alive by raising a number; who watches it stand still long enough, by looks of its own, frees their debates.
No clock is compared with another, and the epoch keeps out whoever was only asleep.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aragora.errors import StoreError
from aragora.store import Database, Statement, Value

TAKEN = "Another runner has taken the debate over."

BEAT = """
INSERT INTO runners (id, places, beat, seen_at) VALUES (:id, :places, 1, :at)
ON CONFLICT (id) DO UPDATE SET beat = runners.beat + 1, places = excluded.places, seen_at = excluded.seen_at
RETURNING beat AS seq
"""
RUNNERS = "SELECT id, beat, places FROM runners"
COUNTS = """
SELECT COALESCE(runner, ''), COUNT(*) FROM debates
WHERE status IN ('pending', 'active') AND last_seq > 0 GROUP BY COALESCE(runner, '')
"""
MINE = "SELECT id FROM debates WHERE runner = :id AND status IN ('pending', 'active') AND last_seq > 0"
TAKE = """
UPDATE debates SET runner = :id
WHERE id IN (
    SELECT id FROM debates WHERE runner IS NULL AND status IN ('pending', 'active') AND last_seq > 0
    ORDER BY created_at, id LIMIT :places)
  AND runner IS NULL AND status IN ('pending', 'active')
RETURNING id AS seq
"""
TAKE_ONE = """
UPDATE debates SET runner = :runner WHERE id = :id AND runner IS NULL AND status IN ('pending', 'active') AND last_seq > 0
RETURNING id AS seq
"""
FREE_ONE = "UPDATE debates SET runner = NULL WHERE id = :id AND runner = :runner RETURNING id AS seq"
FREE_ALL = "UPDATE debates SET runner = NULL WHERE runner = :id AND status IN ('pending', 'active') RETURNING id AS seq"
FORGET = "DELETE FROM runners WHERE id = :id RETURNING id AS seq"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """A process that runs debates: how often it has shown that it is alive, and how many debates it has places for."""

    id: str
    beat: int
    places: int


class Leases:
    """Who runs which debate."""

    def __init__(self, database: Database) -> None:
        """Use an open database whose schema is up to date."""
        self._db = database

    async def beat(self, runner: str, *, places: int, at: str) -> None:
        """Show that a runner is alive. `at` is for people."""
        await self._db.write([Statement(BEAT, {"id": runner, "places": places, "at": at})])

    async def runners(self) -> list[Runner]:
        """Every runner that was not found dead."""
        rows = await self._db.read(RUNNERS, {})
        return [Runner(id=str(name), beat=_int(beat), places=_int(places)) for name, beat, places in rows]

    async def counts(self) -> dict[str, int]:
        """How many unfinished debates each runner has; those that nobody has are under an empty name."""
        return {str(runner): _int(count) for runner, count in await self._db.read(COUNTS, {})}

    async def mine(self, runner: str) -> list[str]:
        """Unfinished debates of a runner."""
        return [str(row[0]) for row in await self._db.read(MINE, {"id": runner})]

    async def cut(self, runner: str, ids: Sequence[str]) -> list[str]:
        """Those of `ids` that `runner` must stop running: cancelled, deleted, or not its own any more."""
        names: dict[str, Value] = {f"id{place}": debate_id for place, debate_id in enumerate(ids)}
        query = f"SELECT id, status, COALESCE(runner, '') FROM debates WHERE id IN ({', '.join(f':{name}' for name in names)})"  # noqa: S608  # names of ours
        found = {str(debate_id): (status, holder) for debate_id, status, holder in await self._db.read(query, names)}

        def over(debate_id: str) -> bool:
            status, holder = found.get(debate_id, ("cancelled", ""))
            return status == "cancelled" or (status in {"pending", "active"} and holder != runner)

        return [debate_id for debate_id in ids if over(debate_id)]

    async def take(self, runner: str, *, places: int) -> list[str]:
        """Give a runner debates that nobody has, oldest first."""
        return [str(row[0]) for row in await self._db.write([Statement(TAKE, {"id": runner, "places": places})])]

    async def take_one(self, runner: str, debate_id: str) -> bool:
        """Give a runner this debate, if nobody has it."""
        return bool(await self._db.write([Statement(TAKE_ONE, {"id": debate_id, "runner": runner})]))

    async def free(self, runner: str, debate_id: str) -> None:
        """Take a debate from its runner, for anybody to run."""
        await self._db.write([Statement(FREE_ONE, {"id": debate_id, "runner": runner})])

    async def bury(self, runner: str) -> int:
        """Free everything that a runner had, and forget it; how many debates that were."""
        freed = await self._db.write([Statement(FREE_ALL, {"id": runner})])
        await self._db.write([Statement(FORGET, {"id": runner})])
        return len(freed)


def _int(value: Value) -> int:
    if not isinstance(value, int):
        raise StoreError("The database holds something that is not a whole number where one belongs.")
    return value
