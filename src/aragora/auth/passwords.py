"""Passwords: argon2id, in threads, a few at once. Imports errors only."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_bytes

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from aragora.errors import Overloaded

# Parameters of OWASP's list; one hash takes 19 MiB for some tens of milliseconds.
MEMORY_KIB, PASSES, LANES = 19_456, 2, 1
AT_ONCE_MAX = 2
WAITING_MAX = 64
RETRY_AFTER_S = 2.0


class Passwords:
    """Hashes and verifies passwords off the loop."""

    def __init__(self) -> None:
        """Nothing is hashed yet."""
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._turns = asyncio.Semaphore(AT_ONCE_MAX)
        self._waiting = 0
        # What an unknown account is verified against: no password fits, and finding out takes as long as for a known one.
        salt, digest = (b64encode(token_bytes(size)).decode().rstrip("=") for size in (16, 32))
        self._nobody = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${digest}"

    async def hashed(self, password: str) -> str:
        """The hash to store, with its salt and parameters."""
        async with self._turn():
            return await asyncio.to_thread(self._hasher.hash, password)

    async def fits(self, known: str | None, password: str) -> bool:
        """Whether a password has this hash; the same work when there is no hash at all."""
        async with self._turn():
            return await asyncio.to_thread(self._verify, known or self._nobody, password)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """A place among the few that hash; refuses when too many wait."""
        if self._waiting >= WAITING_MAX:
            raise Overloaded("Too many are logging in at once.", retry_after_s=RETRY_AFTER_S)
        self._waiting += 1
        try:
            async with self._turns:
                yield
        finally:
            self._waiting -= 1

    def _verify(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password)
        except (VerificationError, InvalidHashError):
            return False
