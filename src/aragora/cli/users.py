"""The commands of whoever runs the server about accounts. May import `app`."""

import secrets
import sys
from typing import TYPE_CHECKING, TypeVar

import click

from aragora.cli.running import EXIT_USAGE, as_rows, data_dir, fail, run_to_end, settings_with, write_rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aragora.auth.enrolment import Enrolment

T = TypeVar("T")

GENERATED_BYTES = 18
email = click.argument("email")
generate = click.option("--generate", is_flag=True, help="Make a password up and print it.")


@click.group()
def users() -> None:
    """Look at accounts and mend them: a forgotten password, a new admin, somebody who left.

    A password is asked for on a terminal, else read from the first line of standard input. A running server takes every change
    with its next request.
    """


@users.command("list")
@as_rows
@data_dir
def list_(*, as_json: bool, data_dir: str | None) -> None:
    """List the accounts, oldest first."""
    from aragora.cli.terminal import table

    rows = _with(data_dir, lambda enrolment: enrolment.all())
    if as_json:
        write_rows(row._asdict() for row in rows)
        return
    cells = [(row.email, row.name, row.role, "" if row.active else "locked", row.last_login_at or "never") for row in rows]
    table(cells, ("email", "name", "role", "", "last login"))


@users.command()
@email
@click.option("--name", default="", help="What others see; default the part before the @.")
@click.option("--admin", is_flag=True, help="Make it an admin; the first account is one in any case.")
@generate
@data_dir
def add(*, email: str, name: str, admin: bool, generate: bool, data_dir: str | None) -> None:
    """Make an account, also where registration is closed."""
    password = _password(made_up=generate)
    made = _with(data_dir, lambda enrolment: enrolment.add(email, password, name, admin=admin))
    click.echo(f"{made.email} is {'an admin' if made.role == 'admin' else 'a member'}.")


@users.command()
@email
@generate
@data_dir
def password(*, email: str, generate: bool, data_dir: str | None) -> None:
    """Give an account another password; it is logged out everywhere, its keys stay."""
    chosen = _password(made_up=generate)
    _with(data_dir, lambda enrolment: enrolment.set_password(email, chosen))
    click.echo("The password is changed, and all sessions have ended.")


@users.command()
@email
@click.argument("role", type=click.Choice(["admin", "member"]))
@data_dir
def role(*, email: str, role: str, data_dir: str | None) -> None:
    """Make an account an admin or a member."""
    _with(data_dir, lambda enrolment: enrolment.set_role(email, role))
    click.echo("Done.")


@users.command()
@email
@data_dir
def lock(*, email: str, data_dir: str | None) -> None:
    """Keep an account out at once, with all its sessions and keys."""
    _with(data_dir, lambda enrolment: enrolment.set_active(email, active=False))
    click.echo("Locked.")


@users.command()
@email
@data_dir
def unlock(*, email: str, data_dir: str | None) -> None:
    """Let a locked account in again; what it had before is good again."""
    _with(data_dir, lambda enrolment: enrolment.set_active(email, active=True))
    click.echo("Unlocked.")


def _with(folder: str | None, work: "Callable[[Enrolment], Awaitable[T]]") -> T:
    """Do one thing to the accounts of the server that the settings name."""
    from aragora import app

    loaded = settings_with(data_dir=folder)

    async def doing() -> T:
        async with app.open_enrolment(loaded.settings) as enrolment:
            return await work(enrolment)

    return run_to_end(doing())


def _password(*, made_up: bool) -> str:
    if made_up:
        chosen = secrets.token_urlsafe(GENERATED_BYTES)
        click.echo(chosen)
        return chosen
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    chosen = sys.stdin.readline().rstrip("\r\n")
    if not chosen:
        fail("a password is expected on the first line of standard input, or --generate.", EXIT_USAGE)
    return chosen
