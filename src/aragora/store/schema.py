"""How PostgreSQL is prepared and migrated without stopping those who read. Imports the port and errors.

Beside the tables of the product there are two things that only PostgreSQL needs: the function that runs a batch of writes, and
the table of answers that were given to batches.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from aragora.errors import StoreError
from aragora.store import Migration

if TYPE_CHECKING:
    from typing import TypeAlias

    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = PoolConnectionProxy[asyncpg.Record]

T = TypeVar("T")

# Another process is at the schema too. PostgreSQL calls it an internal error when both change one row of its catalogue.
MET = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError, asyncpg.InternalServerError)
# A step that cannot have its locks within this time gives up and tries again: whoever reads after it would queue behind it.
LOCK_TIMEOUT_MS = 1000
ATTEMPTS_MAX = 30
PAUSE_S = 0.5
# Once it has its locks a step may take its time; it is not a command like others, which are given up after seconds.
STEP_TIMEOUT_S = 86_400.0
# A step that is one such statement runs outside of a transaction: it takes its time, and nobody waits for it.
INDEX = re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY (\w+) ON [^;]+;?\Z")
COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
INDEX_STATE = """
SELECT i.indisvalid, EXISTS (SELECT 1 FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
FROM pg_index i WHERE i.indexrelid = to_regclass($1)
"""

# The function's name carries a version: servers of the version before go on with theirs while the fleet is being replaced.
CALL = "SELECT aragora_write_2($1::text, $2::text)"

PREPARE = """
SELECT pg_advisory_xact_lock(hashtext('aragora schema'));
CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, checksum TEXT NOT NULL, applied_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS write_batches (id TEXT PRIMARY KEY, at TIMESTAMPTZ NOT NULL, answer TEXT);
CREATE INDEX IF NOT EXISTS idx_write_batches_at ON write_batches (at);
CREATE OR REPLACE FUNCTION aragora_write_2(batch TEXT, given TEXT) RETURNS TEXT LANGUAGE plpgsql AS $body$
DECLARE
  parsed JSON := given::json;
  texts TEXT[] := ARRAY(SELECT json_array_elements_text(parsed->'texts'));
  names TEXT[] := ARRAY[]::TEXT[];
  prepared TEXT[];
  name TEXT;
  text TEXT;
  one JSON;
  step JSON;
  place INT;
  numbered JSONB;
  rows JSON;
  answers TEXT[] := ARRAY[]::TEXT[];
  known TEXT;
BEGIN
  INSERT INTO write_batches (id, at) VALUES (batch, now()) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    SELECT answer INTO known FROM write_batches WHERE id = batch;
    RETURN known;
  END IF;
  FOR one IN SELECT value FROM json_array_elements(parsed->'locks') LOOP
    EXECUTE one->>0 USING ARRAY(SELECT json_array_elements_text(one->1));
  END LOOP;
  -- A text is planned once for each connection to the server. It is known there by what it says, so that whoever uses the
  -- connection next, through a pooler too, finds the same under that name.
  prepared := ARRAY(SELECT p.name FROM pg_prepared_statements p WHERE p.name LIKE 'aragora %');
  IF cardinality(prepared) > 500 THEN
    FOREACH name IN ARRAY prepared LOOP
      EXECUTE format('DEALLOCATE %I', name);
    END LOOP;
    prepared := ARRAY[]::TEXT[];
  END IF;
  FOREACH text IN ARRAY texts LOOP
    name := 'aragora ' || md5(text);
    names := names || name;
    IF NOT name = ANY(prepared) THEN
      EXECUTE format('PREPARE %I (jsonb) AS %s', name, text);
      prepared := prepared || name;
    END IF;
  END LOOP;
  FOR one IN SELECT value FROM json_array_elements(parsed->'work') LOOP
    place := 0;
    FOR step IN SELECT value FROM json_array_elements(one) LOOP
      IF place = 0 THEN
        rows := NULL;
        IF (step->>2)::int = 1 THEN
          EXECUTE format('EXECUTE %I (%L)', names[1 + (step->>0)::int], step->>1) INTO rows;
        ELSE
          EXECUTE format('EXECUTE %I (%L)', names[1 + (step->>0)::int], step->>1);
        END IF;
        answers := answers || COALESCE(rows::text, '[]');
        EXIT WHEN rows IS NULL;
        -- The first column of the guard's first row, whatever its name, is what the others call seq.
        SELECT jsonb_build_object('seq', value) INTO numbered FROM json_each(rows->0) LIMIT 1;
      ELSE
        EXECUTE format('EXECUTE %I (%L)', names[1 + (step->>0)::int], (step->1)::jsonb || numbered);
      END IF;
      place := place + 1;
    END LOOP;
  END LOOP;
  known := '[' || array_to_string(answers, ',') || ']';
  UPDATE write_batches SET answer = known WHERE id = batch;
  RETURN known;
END
$body$;
"""


async def apply(connection: "Connection", migrations: Sequence[Migration], now: str) -> list[str]:
    """Apply what is not yet applied, each step in a transaction; the names of those applied."""
    await _patiently("of the table of migrations", lambda: connection.execute(PREPARE))
    return [each.name for each in migrations if await _patiently(each.name, partial(_applied, connection, each, now))]


async def _patiently(name: str, step: Callable[[], Awaitable[T]]) -> T:
    """Take a step. While somebody holds what it needs, step back, let the queue behind pass, and try again."""
    for _ in range(ATTEMPTS_MAX):
        try:
            return await step()
        except MET:
            await asyncio.sleep(PAUSE_S)
    raise StoreError(f"Migration {name} never had its locks; something holds them for long.", retry_after_s=5)


async def _applied(connection: "Connection", migration: Migration, now: str) -> bool:
    """Apply one step once."""
    index = INDEX.match(COMMENT.sub("", migration.sql).strip())
    if index is not None and not await _known(connection, migration):
        await _built(connection, index[1], index[0])
    async with connection.transaction():
        return await _step(connection, migration, now, done=index is not None)


async def _built(connection: "Connection", name: str, statement: str) -> None:
    """Build an index while others read and write. Whoever finds one half built waits, or builds it anew when its builder died."""
    while (state := await connection.fetchrow(INDEX_STATE, name)) is None or not state[0]:
        if state is None:
            # Another process may be first, so that this one finds the name taken; then it looks again.
            with contextlib.suppress(asyncpg.DuplicateTableError, asyncpg.UniqueViolationError):
                await connection.execute(statement, timeout=STEP_TIMEOUT_S)
        elif state[1]:
            await asyncio.sleep(PAUSE_S)
        else:
            await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}", timeout=STEP_TIMEOUT_S)


async def _known(connection: "Connection", migration: Migration) -> bool:
    """Whether a step has been applied; raises StoreError when it was edited since."""
    known = await connection.fetchval("SELECT checksum FROM migrations WHERE name = $1", migration.name)
    if known not in {None, migration.checksum}:
        raise StoreError(f"Migration {migration.name} was edited after it had been applied.")
    return known is not None


async def _step(connection: "Connection", migration: Migration, now: str, *, done: bool) -> bool:
    """Apply a step, unless that is done, and note it; false when it was noted before."""
    await connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
    # Held to the end of the transaction only, so that it is safe through a pooler; two processes cannot both apply a step.
    await connection.execute("LOCK TABLE migrations IN SHARE ROW EXCLUSIVE MODE")
    if await _known(connection, migration):
        return False
    if not done:
        await connection.execute(migration.sql, timeout=STEP_TIMEOUT_S)
    await connection.execute(
        "INSERT INTO migrations (name, checksum, applied_at) VALUES ($1, $2, $3)", migration.name, migration.checksum, now
    )
    return True
