"""What only SQLite's driver does: write in the loop, wait for the disk and for other processes in a thread."""

import asyncio
from pathlib import Path
from typing import Any

import apsw
import pytest

from aragora.errors import StoreError
from aragora.store import Statement, migrations
from aragora.store.search import ADD_TEXT, CHANGE_TEXT, DELETE_TEXT, INDICES, Kind, found
from aragora.store.sqlite import Sqlite
from builders import WAIT_S, in_loop

ADD = Statement("INSERT INTO t (n) VALUES (:n) RETURNING n AS seq", {"n": 1})


async def opened(file: Path) -> Sqlite:
    """A database with one table."""
    database = Sqlite(file, wait_s=WAIT_S)
    await database.write([Statement("CREATE TABLE t (n INTEGER)", {})])
    return database


@in_loop
async def test_writes_wait_for_another_process_and_nobody_else_does(tmp_path: Path) -> None:
    """While somebody else holds the file, reads go on, and what was accepted is written afterwards, together."""
    database, other = await opened(tmp_path / "a.db"), apsw.Connection(str(tmp_path / "a.db"))
    other.execute("BEGIN IMMEDIATE")
    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
        writes = [tasks.create_task(database.write([ADD])) for _ in range(20)]
        for _ in range(20):
            assert [(0,)] == await database.read("SELECT COUNT(*) FROM t", {})
            await asyncio.sleep(0)
        assert not any(write.done() for write in writes)
        other.execute("COMMIT")
    assert [(20,)] == await database.read("SELECT COUNT(*) FROM t", {})
    await database.close()


@in_loop
async def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    """A write that is not on disk in time says so, and those behind it are not lost."""
    database, other = await opened(tmp_path / "a.db"), apsw.Connection(str(tmp_path / "a.db"))
    hasty = Sqlite(tmp_path / "a.db", wait_s=0.1)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="too long"):
        await hasty.write([ADD])
    other.execute("COMMIT")
    await hasty.close()
    assert [(1,)] == await database.read("SELECT COUNT(*) FROM t", {})
    assert [(1,)] == await database.write([ADD])
    await database.close()


@in_loop
async def test_what_was_accepted_is_written_before_it_closes(tmp_path: Path) -> None:
    """Also what takes long, and what waits behind it; and nothing is accepted after that."""
    database = await opened(tmp_path / "a.db")
    async with asyncio.TaskGroup() as tasks:
        for number in range(300):
            tasks.create_task(database.write([Statement(ADD.sql, {"n": number}, long=number % 100 == 0)]))
        await asyncio.sleep(0)
        await database.close()
    with pytest.raises(StoreError):
        await database.write([ADD])
    assert [(300,)] == apsw.Connection(str(tmp_path / "a.db")).execute("SELECT COUNT(*) FROM t").fetchall()


@in_loop
async def test_state_changes_with_every_write(tmp_path: Path) -> None:
    """Of this process or another; and with nothing else."""
    database, other = await opened(tmp_path / "a.db"), apsw.Connection(str(tmp_path / "a.db"))
    seen = [database.state]
    await database.read("SELECT COUNT(*) FROM t", {})
    assert seen[-1] == database.state
    await database.write([ADD])
    seen.append(database.state)
    await asyncio.sleep(0)
    other.execute("INSERT INTO t (n) VALUES (2)")
    await asyncio.sleep(0)
    seen.append(database.state)
    assert len(seen) == len({*seen})
    await database.close()


@pytest.mark.parametrize("long", [False, True])
@in_loop
async def test_nothing_is_acknowledged_after_the_disk_has_failed(tmp_path: Path, long: bool) -> None:
    """Not even what would work when it is tried again, in the loop or in the thread; and whoever watches over it is told."""
    told: list[bool] = []
    database = Sqlite(tmp_path / "a.db", wait_s=WAIT_S, on_broken=lambda: told.append(True))
    await database.write([Statement("CREATE TABLE t (n INTEGER)", {})])
    calls: list[object] = []

    def fails_once(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 1:
            raise apsw.IOError
        return given[0]

    database._writer.create_scalar_function("fails_once", fails_once, 1)
    with pytest.raises(StoreError):
        await database.write([Statement("INSERT INTO t (n) VALUES (fails_once(:n)) RETURNING n AS seq", {"n": 1}, long=long)])
    assert told
    with pytest.raises(StoreError):
        await database.write([ADD])
    assert [(0,)] == await database.read("SELECT COUNT(*) FROM t", {})
    await database.close()


@in_loop
async def test_words_of_memories_move_into_an_index_of_their_own(tmp_path: Path) -> None:
    """Texts of both kinds that were there are found as before, each in its own index only; so are those that change later."""
    database, steps = Sqlite(tmp_path / "a.db", wait_s=WAIT_S), migrations("sqlite")
    before = [step for step in steps if step.name < "0012_memory_words"]
    await database.migrate(before, "2026-01-01T00:00:00.000000Z")
    guard = Statement("SELECT 1 AS seq", {})

    async def put(sql: str, kind: Kind, name: str, body: str = "") -> None:
        await database.write([guard, Statement(sql, {"kind": kind, "text_id": name, "body": body})])

    async def ids(kind: Kind, word: str) -> list[Any]:
        return [row[0] for row in await database.read(found("sqlite", kind), {"words": word, "within": 10})]

    async def indexed(kind: Kind) -> Any:
        index = INDICES[kind]
        return (await database.read(f"SELECT COUNT(*) FROM {index} WHERE {index} MATCH 'same'", {}))[0][0]

    for number in range(3):
        await put(ADD_TEXT, "debate", f"d{number}", "the same words")
    await put(ADD_TEXT, "memory", "m0", "the same words")
    await database.migrate(steps, "2026-01-01T00:00:00.000000Z")
    assert [3, 1] == [await indexed("debate"), await indexed("memory")]
    await put(ADD_TEXT, "memory", "m1", "the same words")
    await put(CHANGE_TEXT, "memory", "m0", "other words")
    await put(CHANGE_TEXT, "debate", "d1", "other words")
    await put(DELETE_TEXT, "debate", "d0")
    assert [["m1"], ["m0"]] == [await ids("memory", word) for word in ("same", "other")]
    assert [["d2"], ["d1"]] == [await ids("debate", word) for word in ("same", "other")]
    await put(DELETE_TEXT, "memory", "m1")
    assert [1, 0] == [await indexed("debate"), await indexed("memory")]
    await database.close()
