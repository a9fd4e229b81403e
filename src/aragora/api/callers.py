"""Who is behind a request or a WebSocket. May import auth. The door of each endpoint notes the caller in the request's scope."""

from starlette.requests import HTTPConnection, Request

from aragora.auth import VOTER, Caller, Mode
from aragora.errors import Flaw, Invalid

BEARER = "bearer "
TOKEN_PROTOCOL = "access_token."  # noqa: S105 - what comes before one that is shown as a sub-protocol
# Whoever has the database at hand, and needs no token for it.
OPERATOR = Caller(mode=Mode.OFF, address="local")


def caller_of(connection: HTTPConnection) -> Caller:
    """Who asks."""
    caller: Caller = connection.scope["caller"]
    return caller


def bearer(connection: HTTPConnection) -> str:
    """The token in the Authorization header; empty when there is none."""
    given = connection.headers.get("authorization", "")
    return given[len(BEARER) :].strip() if given[: len(BEARER)].lower() == BEARER else ""


def voter_of(request: Request, given: str) -> str:
    """Under whose name a vote counts that a request casts."""
    return voter_for(caller_of(request), given)


def voter_for(caller: Caller, given: str) -> str:
    """Under whose name a vote counts: the account's, or what was said where nobody is logged in."""
    if caller.user_id:
        return VOTER + caller.user_id
    if given.startswith(VOTER):
        raise Invalid("The voter's name cannot be that of an account.", [Flaw("voter", f"must not begin with {VOTER}")])
    return given
