"""Moves everything from a SQLite file to an empty PostgreSQL database, and checks it. Imports the port and errors."""

from collections.abc import AsyncIterator, Sequence
from graphlib import TopologicalSorter
from hashlib import sha256

from aragora.errors import Conflict, StoreError
from aragora.store import Database, Row, Statement, Value

PAGE_ROWS = 500
TABLES = """
SELECT name FROM sqlite_master
WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '%!_fts%' ESCAPE '!' AND name <> 'migrations' ORDER BY name
"""
COLUMNS = "SELECT name FROM pragma_table_info(:name) ORDER BY cid"
POINTS_AT = 'SELECT DISTINCT "table" FROM pragma_foreign_key_list(:name)'
# Numbers that the database gives by itself, by table.
GIVEN = {"texts": "n"}
LOG = """
SELECT debate_id, seq, key, type, data, created_at FROM events
WHERE debate_id > :debate_id OR (debate_id = :debate_id AND seq > :seq) ORDER BY debate_id, seq LIMIT :limit
"""


async def copy(source: Database, target: Database) -> dict[str, int]:
    """Copy every table; how many rows of each. Raises Conflict when the target is in use, StoreError when they differ."""
    if (await target.read("SELECT COUNT(*) FROM debates", {}))[0][0]:
        raise Conflict("The target holds debates already; copy into an empty database.")
    tables = await _tables(source)
    for table in reversed(tables):
        await target.write([Statement(f"DELETE FROM {table}", {}, long=True)])  # noqa: S608  # a name of our own schema
    counts = {table: await _copy_table(source, target, table) for table in tables}
    for table, count in counts.items():
        if await _count(source, table) != count or await _count(target, table) != count:
            raise StoreError(f"The copy of {table} is not complete; was the server still running?")
    if await _digest(source) != await _digest(target):
        raise StoreError("The logs differ after the copy.")
    return counts


async def _tables(source: Database) -> list[str]:
    """Every table of the product, those that others point at first."""
    names = [str(row[0]) for row in await source.read(TABLES, {})]
    graph = {name: {str(row[0]) for row in await source.read(POINTS_AT, {"name": name})} - {name} for name in names}
    return [*TopologicalSorter(graph).static_order()]


async def _copy_table(source: Database, target: Database, table: str) -> int:
    columns = [str(row[0]) for row in await source.read(COLUMNS, {"name": table})]
    columns = [column for column in columns if column != GIVEN.get(table)]
    listed, places = ", ".join(columns), ", ".join(f":{column}" for column in columns)
    insert = f"INSERT INTO {table} ({listed}) VALUES ({places})"  # noqa: S608  # as above
    count = 0
    async for page in _pages(source, table, listed):
        rows: list[dict[str, Value]] = [dict(zip(columns, row[1:], strict=True)) for row in page]
        # A column of ours may be called seq, which is what a guard hands on; each row is its own write, all go together.
        await target.write([Statement("SELECT 1 AS seq", {}, long=True), *(_renamed(insert, row) for row in rows)])
        count += len(page)
    return count


def _renamed(insert: str, row: dict[str, Value]) -> Statement:
    """The statement under names that no guard hands on."""
    head, values = insert.split(" VALUES ")
    return Statement(f"{head} VALUES {values.replace(':', ':row_')}", {f"row_{name}": value for name, value in row.items()})


async def _pages(source: Database, table: str, listed: str) -> AsyncIterator[Sequence[Row]]:
    query = f"SELECT rowid, {listed} FROM {table} WHERE rowid > :after ORDER BY rowid LIMIT :limit"  # noqa: S608  # as above
    after: Value = 0
    while page := await source.read(query, {"after": after, "limit": PAGE_ROWS}):
        yield page
        after = page[-1][0]


async def _count(database: Database, table: str) -> Value:
    return (await database.read(f"SELECT COUNT(*) FROM {table}", {}))[0][0]  # noqa: S608  # as above


async def _digest(database: Database) -> str:
    """One number for all logs: equal if and only if every event is."""
    found: dict[str, Value] = {"debate_id": "", "seq": 0, "limit": PAGE_ROWS}
    rows: set[bytes] = set()
    while page := await database.read(LOG, found):
        rows |= {sha256(repr(tuple(row)).encode()).digest() for row in page}
        found |= {"debate_id": page[-1][0], "seq": page[-1][1]}
    # Two databases sort texts differently; what is compared is sorted here.
    return sha256(b"".join(sorted(rows))).hexdigest()
