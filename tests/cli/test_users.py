"""The commands about accounts, on a file of their own; what they change is what a server says to those who log in."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from aragora import app
from aragora.config import load
from aragora.errors import Unauthenticated

SOURCE = str(Path(__file__).parents[2] / "src")
ANN, BOB = "ann@example.com", "bob@example.com"


def users(folder: Path, *arguments: str, typed: str = "") -> tuple[int, str, str]:
    """Run `aragora users` in a folder; the code, what it wrote, and what it complained of."""
    command = [sys.executable, "-m", "aragora", "users", *arguments]
    environment = {"PYTHONPATH": SOURCE, "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, input=typed, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


def logs_in(folder: Path, email: str, password: str) -> bool:
    """Whether a server on that folder lets somebody in."""

    async def trying() -> bool:
        loaded = load({"data_dir": str(folder / ".nomic"), "auth": "required"}, {}, None)
        async with app.open_parts(loaded) as parts:
            try:
                await parts.accounts.log_in(email, password, agent="", address="")
            except Unauthenticated:
                return False
            return True

    return app.run(trying())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A server's folder with an admin, Ann, and a member, Bob."""
    assert (0, f"{ANN} is an admin.\n", "") == users(tmp_path, "add", " Ann@Example.com ", typed="horse battery\n")
    assert (0, f"{BOB} is a member.\n", "") == users(tmp_path, "add", BOB, "--name", "Bob B.", typed="staple correct\n")
    return tmp_path


def test_an_empty_server_has_no_accounts(tmp_path: Path) -> None:
    """The empty list is no error, and nobody can be mended."""
    assert (0, "", "") == users(tmp_path, "list", "--json")
    assert (2, "", "aragora: There is no account with this address.\n") == users(tmp_path, "lock", ANN)


def test_a_forgotten_password_is_replaced(folder: Path) -> None:
    """The old one is good for nothing; one that was made up is printed."""
    assert logs_in(folder, BOB, "staple correct")
    code, printed, _ = users(folder, "password", BOB, "--generate")
    assert code == 0
    assert not logs_in(folder, BOB, "staple correct")
    assert logs_in(folder, BOB, printed.splitlines()[0])


def test_somebody_who_left_is_locked_out_and_let_in_again(folder: Path) -> None:
    """A locked account is listed as such."""
    assert users(folder, "lock", BOB)[0] == 0
    assert not logs_in(folder, BOB, "staple correct")
    rows = [json.loads(row) for row in users(folder, "list", "--json")[1].splitlines()]
    assert [(row["email"], row["role"], row["active"]) for row in rows] == [(ANN, "admin", True), (BOB, "member", False)]
    assert "password" not in rows[0]
    assert users(folder, "unlock", BOB)[0] == 0
    assert logs_in(folder, BOB, "staple correct")


def test_there_is_always_an_admin(folder: Path) -> None:
    """The last one is neither locked nor made a member."""
    for refused in (("lock", ANN), ("role", ANN, "member")):
        assert users(folder, *refused)[0] == 2
    assert users(folder, "role", BOB, "admin")[0] == 0
    assert users(folder, "role", ANN, "member")[0] == 0
    assert users(folder, "lock", BOB)[0] == 2


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (("add", ANN), "another one\n", "There is an account with this address already."),
        (("add", "nobody"), "another one\n", "The address must be an address such as name@example.com."),
        (("add", "cat@example.com"), "short\n", "The password must be 8 to 1024 characters."),
        (("password", BOB), f"{BOB}\n", "The password must not be the address."),
        (("password", BOB), "", "a password is expected on the first line of standard input, or --generate."),
    ],
)
def test_bad_input_is_one_clear_line(folder: Path, arguments: tuple[str, ...], typed: str, said: str) -> None:
    """Nothing is changed by it."""
    assert (2, "", f"aragora: {said}\n") == users(folder, *arguments, typed=typed)
    assert logs_in(folder, BOB, "staple correct")
