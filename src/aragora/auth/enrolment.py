"""What an address and a password must be, and accounts as whoever runs the server changes them. Imports siblings and store."""

import re
from typing import NamedTuple

from aragora.auth.accounts import Accounts
from aragora.errors import Conflict, Invalid, NotFound
from aragora.store.users import User

EMAIL = re.compile(r"[^\s@\x00-\x1f]{1,64}@[^\s@\x00-\x1f]{1,189}\Z")
PASSWORD_CHARS_MIN, PASSWORD_CHARS_MAX = 8, 1024
PAGE = 500


class Listed(NamedTuple):
    """An account, with no secret in it."""

    email: str
    name: str
    role: str
    active: bool
    created_at: str
    last_login_at: str | None


def tidy(email: str) -> str:
    """An address as it is stored and compared."""
    return email.strip().lower()


def email_fault(email: str) -> str:
    """Why this cannot be an account's address; empty when it can."""
    fits = EMAIL.match(email) and email.isprintable()
    return "" if fits else "must be an address such as name@example.com"


def password_fault(password: str, email: str) -> str:
    """Why this cannot be the password of the account with that address; empty when it can."""
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        return f"must be {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"
    if password.lower() == email:
        return "must not be the address"
    try:
        password.encode()
    except UnicodeEncodeError:
        return "must not contain surrogates"
    return ""


class Enrolment:
    """Accounts as whoever runs the server changes them: without knowing a password, whether or not registration is open."""

    def __init__(self, accounts: Accounts) -> None:
        """Over the accounts of a server, which may be running."""
        self._accounts, self._users = accounts, accounts.users

    async def all(self) -> list[Listed]:
        """Every account, oldest first."""
        found: list[Listed] = []
        while page := await self._users.all(limit=PAGE, offset=len(found)):
            found += [Listed(user.email, user.name, user.role, user.active, user.created_at, user.last_login_at) for user in page]
        return found

    async def find(self, email: str) -> User:
        """The account with this address; raises NotFound."""
        user = await self._users.by_email(tidy(email))
        if user is None:
            raise NotFound("There is no account with this address.")
        return user

    async def add(self, email: str, password: str, name: str, *, admin: bool) -> User:
        """A new account; the first of a server is an admin in any case. Raises Invalid, and Conflict for a taken address."""
        email = tidy(email)
        _check("The address", email_fault(email))
        _check("The password", password_fault(password, email))
        user = await self._accounts.enrol(email, password, name)
        if admin and user.role != "admin":
            await self._users.set_role(user.id, "admin", self._accounts.now())
        return await self.find(email)

    async def set_password(self, email: str, password: str) -> None:
        """Give an account a password; all its sessions end, its keys stay."""
        user = await self.find(email)
        _check("The password", password_fault(password, user.email))
        await self._accounts.reset_password(user, password)

    async def set_role(self, email: str, role: str) -> None:
        """Make an account an `admin` or a `member`; raises Conflict for the last admin."""
        user = await self.find(email)
        if role != "admin":
            await self._spare(user)
        await self._users.set_role(user.id, role, self._accounts.now())

    async def set_active(self, email: str, *, active: bool) -> None:
        """Lock an account out at once, with its sessions and keys, or let it in again; raises Conflict for the last admin."""
        user = await self.find(email)
        if not active:
            await self._spare(user)
        await self._users.set_active(user.id, self._accounts.now(), active=active)

    async def _spare(self, user: User) -> None:
        if user.role == "admin" and user.active and await self._users.admins() == 1:
            raise Conflict("This is the only admin: make somebody else an admin first.")


def _check(what: str, fault: str) -> None:
    if fault:
        raise Invalid(f"{what} {fault}.")
