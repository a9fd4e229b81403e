"""The commands about memory: list, search, show, forget, consolidate. May import `app` and memory."""

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from aragora.cli.running import as_rows, data_dir, limited, run_to_end, settings_with, write_rows
from aragora.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aragora.memory import Memory

SHOWN_CHARS = 80


@click.group()
def memory() -> None:
    """See and tend what is remembered across debates."""


@memory.command("list")
@click.option("--tier", type=click.Choice(["fast", "medium", "slow"]), help="Only this tier.")
@limited
@as_rows
@data_dir
def list_(*, tier: str | None, limit: int, as_json: bool, data_dir: str | None) -> None:
    """List what is remembered, the most important first."""
    run_to_end(_listed(data_dir, "", tier=tier, limit=limit, as_json=as_json))


@memory.command()
@click.argument("words", nargs=-1, required=True)
@limited
@as_rows
@data_dir
def search(words: tuple[str, ...], *, limit: int, as_json: bool, data_dir: str | None) -> None:
    """Search what is remembered by words that must all be there."""
    run_to_end(_listed(data_dir, " ".join(words), tier=None, limit=limit, as_json=as_json))


@memory.command()
@click.argument("memory_id", metavar="ID")
@as_rows
@data_dir
def show(memory_id: str, *, as_json: bool, data_dir: str | None) -> None:
    """Show one memory whole."""

    async def shown() -> None:
        async with _opened(data_dir) as kept:
            found = await kept.find(memory_id)
        if as_json:
            write_rows([found])
            return
        until = f"until {found.expires_at}" if found.expires_at else "for good"
        source = f"of debate {found.debate_id}" if found.debate_id else "noted"
        click.echo(f"{found.tier}, {source}, kept {found.created_at}, {until}, used {found.uses} times\n\n{found.content}")

    run_to_end(shown())


@memory.command()
@click.argument("memory_id", metavar="ID")
@data_dir
def forget(memory_id: str, *, data_dir: str | None) -> None:
    """Delete one memory."""

    async def forgotten() -> None:
        async with _opened(data_dir) as kept:
            if not await kept.forget(memory_id):
                raise NotFound("There is no such memory.")

    run_to_end(forgotten())


@memory.command()
@as_rows
@data_dir
def consolidate(*, as_json: bool, data_dir: str | None) -> None:
    """Settle what is due between the tiers, as the server does by itself."""
    from aragora.cli.terminal import table

    async def settled() -> None:
        async with _opened(data_dir) as kept:
            done, tiers = await kept.consolidate(), await kept.tiers()
        if as_json:
            write_rows([done])
            return
        click.echo(f"{done.seen} due: {done.moved} moved on, {done.forgotten} forgotten")
        rows = [(one.name, one.entries, one.entries_max, one.ttl_s or "none") for one in tiers]
        table(rows, ("tier", "entries", "at most", "seconds"))

    run_to_end(settled())


@asynccontextmanager
async def _opened(folder: str | None) -> "AsyncIterator[Memory]":
    from aragora import app

    settings = settings_with(data_dir=folder).settings
    async with app.open_store(settings) as store:
        yield app.memory_of(settings, store)


async def _listed(folder: str | None, words: str, *, tier: str | None, limit: int, as_json: bool) -> None:
    from aragora.cli.terminal import table
    from aragora.memory import TIERS

    async with _opened(folder) as kept:
        found, total = await kept.recall(words, tiers=[tier] if tier else TIERS, importance_min=0.0, limit=limit)
    if as_json:
        write_rows(found)
        return
    rows = [(one.id, one.tier, f"{one.importance:.2f}", one.uses, one.created_at[:16], _short(one.content)) for one in found]
    table(rows, ("id", "tier", "importance", "uses", "kept", "text"))
    click.echo(f"{len(found)} of {total}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARS else line[: SHOWN_CHARS - 1] + "…"
