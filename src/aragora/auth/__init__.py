"""Who asks, and what they may do: callers and the one rule of access. Imports store records and errors."""

from dataclasses import dataclass
from enum import StrEnum

from aragora.errors import Forbidden, NotFound, Unauthenticated
from aragora.store.ownership import Owned
from aragora.store.records import Filing, Reader, Visibility

READ, WRITE, ACCOUNT = "read", "write", "account"
# What a key may be allowed: to read, to change debates and what belongs to them, to change its account.
SCOPES = {
    READ: "Read what the account may read.",
    WRITE: "Hold, vote in and change debates.",
    ACCOUNT: "Change the account itself.",
}
DEFAULT_SCOPES = (READ, WRITE)
# Voters who are logged in have names that nobody can take who is not.
VOTER = "user:"
NO_DEBATE = "There is no such debate."


class Mode(StrEnum):
    """Whether callers have to say who they are."""

    OFF = "off"  # everybody may do everything
    OPTIONAL = "optional"  # what is public is open; what is private is its owner's
    REQUIRED = "required"


class Access(StrEnum):
    """What an endpoint asks of its caller."""

    ANYONE = "anyone"  # nothing, whatever the mode
    CALLER = "caller"  # to be known, where that is required
    ACCOUNT = "account"  # to be logged in, whatever the mode
    ADMIN = "admin"
    READER = "reader"  # to be allowed to read the debate in the path
    OWNER = "owner"  # to own the debate in the path


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks."""

    mode: Mode
    address: str
    user_id: str = ""  # empty: not logged in
    role: str = ""
    scopes: frozenset[str] = frozenset(SCOPES)
    credential_id: str = ""  # the session or key that speaks for it
    kind: str = ""  # session or key

    @property
    def name(self) -> str:
        """What its requests are counted under."""
        return f"user/{self.user_id}" if self.user_id else f"address/{self.address}"

    @property
    def filing(self) -> Filing:
        """Where a debate belongs that it starts: to itself alone, unless nobody has to be anybody."""
        private = bool(self.user_id) and self.mode is not Mode.OFF
        return Filing(owner_id=self.user_id or None, visibility=Visibility.PRIVATE if private else Visibility.PUBLIC)

    @property
    def reader(self) -> Reader | None:
        """For whom debates are listed; None when all may be seen."""
        return None if self.mode is Mode.OFF else Reader(self.user_id)

    @property
    def admin(self) -> bool:
        """Whether it runs this server."""
        return self.mode is Mode.OFF or self.role == "admin"


def require(caller: Caller, access: Access, scope: str) -> None:
    """Raise unless a caller may use an endpoint at all; whose debate it is about is looked at by `may`."""
    if access is Access.ANYONE:
        return
    known = bool(caller.user_id)
    if not known and (access is Access.ACCOUNT or caller.mode is Mode.REQUIRED or (access is Access.ADMIN and not caller.admin)):
        raise Unauthenticated("This needs a valid token: Authorization: Bearer TOKEN.")
    if known and scope not in caller.scopes:
        raise Forbidden(f"This key may not do that; it lacks the scope {scope}.")
    if access is Access.ADMIN and not caller.admin:
        raise Forbidden("Only an admin of this server may do that.")


def may(caller: Caller, owned: Owned | None, *, change: bool = False, by_link: bool = False) -> None:
    """The one rule of access to a debate. Raises NotFound for what a caller may not read, Forbidden for what it may only read.

    It is the same at REST, at subscribing and resuming over WebSocket, and for server-sent events.
    """
    if owned is None:
        raise NotFound(NO_DEBATE)
    if caller.mode is Mode.OFF:
        return
    own = bool(caller.user_id) and owned.owner_id == caller.user_id
    if not (own or owned.visibility is Visibility.PUBLIC or (by_link and owned.visibility is Visibility.SHARED)):
        raise NotFound(NO_DEBATE)
    nobodys = owned.owner_id is None and caller.mode is Mode.OPTIONAL
    if change and not (own or nobodys or caller.admin):
        raise Forbidden("Only the owner of this debate may do that.")
