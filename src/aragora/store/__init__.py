"""The store: what is durable. Holds the port that both databases fill and the migrations. May import `debate` and errors."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Literal, Protocol

# The last batch that the caller at hand wrote: a replica that has it has everything that this caller has seen.
position: ContextVar[str] = ContextVar("position", default="")

Value = str | int | float | None
Params = Mapping[str, Value]
Row = tuple[Value, ...]
Dialect = Literal["sqlite", "postgresql"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement with its `:name` parameters."""

    sql: str
    params: Params
    long: bool = False  # in a guard: the work may take long, and others should not have to wait for it


class Database(Protocol):
    """What the store needs of a database."""

    @property
    def dialect(self) -> Dialect:
        """Whose SQL it reads, for the little that cannot be said to both."""
        ...

    @property
    def connections(self) -> int:
        """How many connections are open."""
        ...

    @property
    def lags(self) -> bool:
        """Whether what is read with `late` may be behind."""
        ...

    @property
    def state(self) -> int | None:
        """A number that changes with every write of anybody; None where that cannot be told at once."""
        ...

    async def read(self, sql: str, params: Params, *, late: bool = False) -> list[Row]:
        """Rows of a query, as last committed; with `late`, perhaps as of a moment ago, but not without what this caller wrote."""
        ...

    async def write(self, work: Sequence[Statement]) -> list[Row]:
        """Run `work` in one transaction; return, once it is on disk, the rows of its first statement.

        The first statement is the guard: when it returns no row the others are skipped; when it does, the column `seq` of its
        first row is the parameter `:seq` of all that follow. Raises StoreError, and then nothing was written.
        """
        ...

    async def migrate(self, migrations: Sequence["Migration"], now: str) -> list[str]:
        """Apply what is not yet applied, each in a transaction; return the names of those applied."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then let go of the database."""
        ...


@dataclass(frozen=True, slots=True)
class Migration:
    """A numbered step of the schema. Never edited once released: the checksum is kept and compared."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """What tells an edited migration from the one that was applied."""
        return sha256(self.sql.encode()).hexdigest()


def migrations(dialect: Dialect) -> list[Migration]:
    """Every step of the schema, in order; of a step that is written for each database, as in `0003_texts.sqlite.sql`, its own."""
    folder = files("aragora.store") / "migrations"
    steps = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name, _, kind = entry.name.removesuffix(".sql").partition(".")
        if entry.name.endswith(".sql") and kind in ("", dialect):
            steps.append(Migration(name=name, sql=entry.read_text("utf-8")))
    return steps
