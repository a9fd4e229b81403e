"""The error tree. Imports nothing of ours.

AragoraError
├── Invalid            the request cannot be right; says what is wrong with each field
├── Unauthenticated    who are you?
├── Forbidden          not yours to do
├── NotFound           there is no such thing, or it is not yours to know of
├── Conflict           right, but not now: the debate has ended, the key was used for something else
│   └── Fenced         another runner took the debate over; this one must stop
├── TooLarge           over a bound on size
├── RateLimited        too many requests from you
├── Overloaded         too much work for this server
├── StoreError         the database did not do it; nothing was acknowledged
└── ProviderError      a model did not answer; becomes an abstention, never a text
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with one field of a request. `message` never repeats what was sent."""

    field: str
    message: str


class AragoraError(Exception):
    """Every error that a caller is told about. Its text is for people, its code for programs."""

    code = "INTERNAL_ERROR"
    status = 500  # the HTTP status that says the same
    retry_after_s: float | None = None

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        """Say what happened, in a sentence, without repeating the caller's input."""
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class Invalid(AragoraError):
    """The request cannot be right."""

    code = "INVALID_VALUE"
    status = 400

    def __init__(self, message: str, flaws: Sequence[Flaw] = (), *, code: str = "INVALID_VALUE") -> None:
        """Say what is wrong as a whole, and with each field."""
        super().__init__(message)
        self.flaws = tuple(flaws)
        self.code = code


class Unauthenticated(AragoraError):
    """The caller must say who it is."""

    code = "AUTH_REQUIRED"
    status = 401


class Forbidden(AragoraError):
    """The caller may not do this."""

    code = "FORBIDDEN"
    status = 403


class NotFound(AragoraError):
    """There is no such thing, or it is not for this caller to know of."""

    code = "NOT_FOUND"
    status = 404


class Conflict(AragoraError):
    """The request is right, but not in this state."""

    code = "CONFLICT"
    status = 409


class Fenced(Conflict):
    """The debate has ended or another runner has taken it over; whoever sees this must stop writing to it."""

    code = "FENCED"


class TooLarge(AragoraError):
    """Something is over a bound on its size."""

    code = "TOO_LARGE"
    status = 413


class RateLimited(AragoraError):
    """Too many requests from this caller."""

    code = "RATE_LIMITED"
    status = 429


class Overloaded(AragoraError):
    """The server has as much work as it accepts."""

    code = "SERVICE_UNAVAILABLE"
    status = 503


class StoreError(AragoraError):
    """The database did not do it; nothing was acknowledged."""

    code = "STORAGE_UNAVAILABLE"
    status = 503


class ConfigError(AragoraError):
    """The settings cannot be right; the message lists every fault."""

    code = "CONFIG"
