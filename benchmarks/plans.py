"""What a database of many debates costs beside a small one: the same operations at each size, and the plans behind them.

    python benchmarks/plans.py [--url postgresql://USER@HOST/DATABASE | sqlite:///FILE] [--sizes 1000,10000,100000]

Without a URL it starts a PostgreSQL of its own where temporary files are. Debates are copies of one that demo agents held,
each with the first events of its log. The sizes are reached one after the other; what this has filled before is filled on.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

import asyncpg  # noqa: E402  # after the path is set

import servers  # noqa: E402
from aragora import app  # noqa: E402
from aragora.debate.events import PersonVoted  # noqa: E402
from aragora.debate.model import Status  # noqa: E402
from aragora.log import configure  # noqa: E402
from aragora.store import Database, Params, Row, Statement, Value  # noqa: E402
from aragora.store.leases import Leases  # noqa: E402
from aragora.store.postgres import Postgres  # noqa: E402
from aragora.store.ranks import Ranks  # noqa: E402
from aragora.store.records import Cursor, Reader  # noqa: E402
from aragora.store.rewrite import positional, types_of  # noqa: E402
from aragora.store.store import Store  # noqa: E402
from builders import a_brief, ended, loaded, parts_at  # noqa: E402

SIZES = (1_000, 10_000, 100_000, 1_000_000)
OWNERS, UNFINISHED, EVENTS_EACH = 1_000, 50, 4
STEP = 10_000
TIMES = 200
TABLES = ("debates", "events", "messages", "votes", "texts", "matches")
# A debate in ten thousand numbers: i counts from 0. Dates and names are texts of one length, so that they sort as they count.
NUMBERS = "WITH RECURSIVE n (i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)"
NAME, AT = "'g' || substr(CAST(1000000 + i AS TEXT), 2)", "'2025-01-01T00:00:00.' || substr(CAST(1000000 + i AS TEXT), 2) || 'Z'"
GIVEN = {
    "debates": {
        "id": NAME,
        "slug": f"'s' || {NAME}",
        "created_at": AT,
        "owner_id": "CASE WHEN i % 2 = 0 THEN NULL ELSE 'u' || CAST(i % :owners AS TEXT) END",
        "visibility": "CASE WHEN i % 2 = 0 THEN 'public' ELSE 'private' END",
        "status": "CASE WHEN i < :unfinished THEN 'active' WHEN i % 100 = 0 THEN 'cancelled' ELSE 'completed' END",
        "ended_at": f"CASE WHEN i < :unfinished THEN NULL ELSE {AT} END",
        "last_seq": ":events",
    },
    **{name: {"debate_id": NAME, "created_at": AT} for name in ("events", "messages", "votes", "matches")},
    "texts": {"id": NAME},
}
LOGGED = {"events": " AND t.seq <= :events", "messages": " AND t.seq <= :events", "votes": " AND t.seq <= :votes"}
Ask = Callable[[int], Awaitable[object]]


@dataclass(frozen=True)
class Grown:
    """What was measured at one size: milliseconds by operation, how large the database is, and which plans read whole tables."""

    size: int
    ms: dict[str, float]
    gigabytes: float
    whole: dict[str, str]


class Growth:
    """A database that is filled."""

    def __init__(self, store: Store, model_id: str) -> None:
        self.store, self.db, self.model_id, self.size = store, store.database, model_id, 0

    async def grow(self, size: int) -> None:
        """Fill up to a size."""
        for first in range(self.size, size, STEP):
            params: dict[str, Value] = {"first": first, "last": min(first + STEP, size) - 1, "model": self.model_id}
            params |= {"owners": OWNERS, "unfinished": UNFINISHED, "events": EVENTS_EACH, "votes": 10_000}
            work = [Statement("SELECT 1 AS seq", {}), *[await self._copies(table, params) for table in GIVEN]]
            work.append(Statement("UPDATE counters SET n = :n WHERE name = 'debates'", {"n": min(first + STEP, size) + 1}))
            await self.db.write(work)
        self.size = size
        if self.db.dialect == "sqlite":
            await self.db.write([Statement("ANALYZE", {})])

    async def _copies(self, table: str, params: Params) -> Statement:
        query = "SELECT name FROM pragma_table_info(:name)"
        if self.db.dialect == "postgresql":
            query = "SELECT column_name::text FROM information_schema.columns WHERE table_name = :name AND is_identity = 'NO'"
        names = [str(row[0]) for row in await self.db.read(query, {"name": table}) if (table, row[0]) != ("texts", "n")]
        given = GIVEN[table]
        listed, values = ", ".join(names), ", ".join(given.get(name, f"t.{name}") for name in names)
        key = "id" if table in {"debates", "texts"} else "debate_id"
        where = f"WHERE t.{key} = :model{LOGGED.get(table, '')}"
        sql = f"INSERT INTO {table} ({listed}) {NUMBERS} SELECT {values} FROM n, {table} t {where}"
        return Statement(sql, params)

    def operations(self) -> dict[str, Ask]:
        """What is done, each with the number of a debate."""
        store, leases, ranks = self.store, Leases(self.store.database), Ranks(self.store.database)

        def name(number: int) -> str:
            return f"g{number:06}"

        async def deep(number: int) -> object:
            return await store.debates(limit=20, before=Cursor(f"2025-01-01T00:00:00.{number:06}Z", name(number)))

        return {
            "list of 20": lambda _: store.debates(limit=20),
            "list, somewhere deep": deep,
            "list of what is public": lambda _: store.debates(limit=20, reader=Reader("")),
            "public and completed": lambda _: store.debates(limit=20, reader=Reader(""), statuses=(Status.COMPLETED,)),
            "list of one's own": lambda number: store.debates(limit=20, reader=Reader(f"u{number % OWNERS | 1}")),
            "get": lambda number: store.debate(name(number)),
            "log": lambda number: store.events(name(number)),
            "vote": lambda number: store.vote(
                name(number % UNFINISHED), PersonVoted(voter=str(number), choice="demo-1"), at=app.now()
            ),
            "not yet ranked": lambda _: ranks.uncounted(limit=100),
            "resume scan": lambda _: store.unfinished(),
            "who runs what": lambda _: leases.counts(),
            "leaderboard": lambda _: ranks.board(limit=20),
        }

    async def at(self, size: int) -> Grown:
        """Fill up to a size and measure."""
        await self.grow(size)
        choose = random.Random(size)
        seen = _Seen(self.db)
        self.store = Store(seen)  # type: ignore[arg-type]
        took: dict[str, list[float]] = {}
        for _ in range(TIMES):  # one of each in turn, so that whatever else the machine does falls on all alike
            for title, ask in self.operations().items():
                number = choose.randrange(size)
                began = time.perf_counter()
                await ask(number)
                took.setdefault(title, []).append(time.perf_counter() - began)
        found = {title: 1000 * median(times) for title, times in took.items()}
        return Grown(size, found, await self._gigabytes(), await whole_tables(self.db, seen.asked))

    async def _gigabytes(self) -> float:
        query = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        if self.db.dialect == "postgresql":
            query = "SELECT pg_database_size(current_database())"
        return float(str((await self.db.read(query, {}))[0][0])) / 1e9


class _Seen:
    """A database that remembers what it was asked."""

    def __init__(self, db: Database) -> None:
        self._db, self.asked = db, dict[str, Params]()

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)

    async def read(self, sql: str, params: Params, *, late: bool = False) -> list[Row]:
        """As it reads."""
        self.asked[sql] = params
        return list(await self._db.read(sql, params, late=late))

    async def write(self, work: Sequence[Statement]) -> list[Row]:
        """As it writes."""
        self.asked |= {each.sql: {"seq": 1, **each.params} for each in work}
        return list(await self._db.write(work))


async def whole_tables(db: Database, asked: dict[str, Params]) -> dict[str, str]:
    """Which of these statements the database would answer by reading a whole large table, and which table that is."""
    found = dict[str, str]()
    for sql, params in asked.items():
        if sql.lstrip().startswith("INSERT"):
            continue
        if db.dialect == "sqlite":
            plan = "\n".join(str(row[-1]) for row in await db.read(f"EXPLAIN QUERY PLAN {sql}", params))
            marks = {f"SCAN {table}\n": table for table in TABLES}
        else:
            text, names = positional(sql, types_of(params))
            assert isinstance(db, Postgres)
            async with db._pool.acquire() as connection:
                plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {text}", *[params[name] for name in names]))
            marks = {f"Seq Scan on {table} ": table for table in TABLES}
        found |= (
            dict.fromkeys([sql], ", ".join(read))
            if (read := [name for mark, name in marks.items() if mark in plan + "\n"])
            else {}
        )
    return found


@asynccontextmanager
async def growth(folder: Path, url: str) -> AsyncIterator[Growth]:
    """A database in which one debate has been held."""
    async with parts_at(folder, database_url=url) as parts:
        known = await parts.store.database.read("SELECT id FROM debates WHERE id < 'g'", {})
        model_id = str(known[0][0]) if known else await parts.engine.create(a_brief(rule="unanimous", stops=()))
        await ended(parts, model_id)
    async with app.open_store(loaded(folder, database_url=url).settings) as store:
        growing = Growth(store, model_id)
        growing.size = await store.total() - 1
        yield growing


async def measure(folder: Path, url: str, sizes: Sequence[int] = SIZES) -> list[Grown]:
    """Fill the database at `url` to each size in turn and measure there; `folder` is for what is needed beside."""
    async with growth(folder, url) as growing:
        found = []
        for size in sizes:
            if growing.db.dialect == "postgresql":
                await growing.grow(size)
                connection = await asyncpg.connect(url)
                await connection.execute("VACUUM ANALYZE")
                await connection.close()
            found.append(await growing.at(size))
            print(f"{size} debates, {found[-1].gigabytes:.2f} GB", file=sys.stderr)
        return found


def table(found: Sequence[Grown]) -> str:
    """The figures as Markdown."""
    first, last = found[0], found[-1]
    lines = [
        "| ms, p50 | " + " | ".join(f"{each.size:,}" for each in found) + " | last to first |",
        "|---" * (len(found) + 2) + "|",
    ]
    for title in first.ms:
        cells = " | ".join(f"{each.ms[title]:.2f}" for each in found)
        lines.append(f"| {title} | {cells} | {last.ms[title] / first.ms[title]:.1f} |")
    lines.append("| GB on disk | " + " | ".join(f"{each.gigabytes:.2f}" for each in found) + " | |")
    read = [f"`{' '.join(sql.split())[:120]}` reads all of {name}" for sql, name in last.whole.items()]
    return "\n".join([*lines, "", "Whole tables read at the largest size: " + ("; ".join(read) or "none.")])


def main() -> None:
    """Measure and print."""
    configure(level="error", form="text", stream=sys.stderr)
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--url", default="")
    words.add_argument("--sizes", default=",".join(map(str, SIZES)))
    given = words.parse_args()
    sizes = [int(size) for size in given.sizes.split(",")]
    with servers.folder_for("nobody") as folder, nullcontext() if given.url else servers.postgres() as database:
        url = database.url() if database is not None else given.url
        print(table(asyncio.run(measure(folder, url, sizes))))


if __name__ == "__main__":
    main()
