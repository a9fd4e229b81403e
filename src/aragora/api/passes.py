"""Whether a watcher may still watch. May import its siblings and auth.

A connection outlives the request that opened it: meanwhile a token can be taken back, a debate made private, a link revoked. The
doorbell tells; since it may lose a ring, and time runs out without one, everybody looks again every few seconds. The look comes
before the next event is sent, so nothing is sent on the strength of a right that this process knows to be gone.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from time import monotonic

from aragora.api import Parts
from aragora.api.shares import access_bell
from aragora.auth import Caller, Mode
from aragora.errors import NotFound, StoreError, Unauthenticated

LOOK_EVERY_S = 5.0


class Pass:
    """What one watcher may see; for one debate, or for a whole connection when `debate_id` is empty."""

    def __init__(self, parts: Parts, caller: Caller, *, debate_id: str = "", link: str = "") -> None:
        """It was looked at just now."""
        self._parts, self._caller, self._debate_id, self._link = parts, caller, debate_id, link
        self._checked = monotonic()
        self._rung = asyncio.Event()

    @contextlib.contextmanager
    def heard(self) -> Iterator["Pass"]:
        """Hear the doorbell meanwhile."""
        if self._caller.mode is Mode.OFF:
            yield self
            return
        bells = [access_bell(self._debate_id)] if self._debate_id else []
        bells += [self._caller.credential_id] if self._caller.credential_id else []
        stops = [self._parts.engine.bus.listen(bell, self._ring) for bell in bells]
        try:
            yield self
        finally:
            for stop in stops:
                stop()

    def _ring(self, _: str | None) -> None:
        self._rung.set()

    @property
    def due(self) -> bool:
        """Whether it is time to look again."""
        return self._caller.mode is not Mode.OFF and (self._rung.is_set() or monotonic() - self._checked >= LOOK_EVERY_S)

    async def look(self) -> None:
        """Look again, if it is time. Raises Unauthenticated or NotFound when it is over."""
        if not self.due:
            return
        self._rung.clear()
        with contextlib.suppress(StoreError):  # the database is away, and with it all that could be sent
            if not await self._parts.accounts.still(self._caller):
                raise Unauthenticated("The token is no longer valid.")
            if self._debate_id:
                await self._parts.accounts.admit(self._caller, self._debate_id, link=self._link)
            self._checked = monotonic()

    async def over(self) -> None:
        """Return when the token is no longer valid; for ever, where there is none."""
        if not self._caller.credential_id:
            await asyncio.Event().wait()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._rung.wait()
            try:
                await self.look()
            except (Unauthenticated, NotFound):
                return
