"""Tells others of events: signed, to public addresses only, tried again for a day. May import the store and errors.

Signed as Standard Webhooks has it. A name is looked up once; if any of its addresses is not public the delivery is refused, and
else the connection goes to the very address that was checked, so that no second answer of a name server can point elsewhere.
"""

import asyncio
import base64
import contextlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from urllib.parse import urlsplit

import msgspec
import structlog

from aragora.errors import AragoraError, Invalid
from aragora.store.hooks import BATCH_END, DELIVERED, FAILED, TOLD, WAITING, Delivery, Hook, Hooks
from aragora.store.records import Reader
from aragora.store.store import Store
from aragora.times import later

log = structlog.get_logger(__name__)

# Waits between attempts; when they are used up the delivery has failed.
WAITS_S = (5, 30, 120, 600, 3_600, 21_600, 86_400)
TIMEOUT_S = 10.0
POLL_S = 1.0
AT_ONCE_MAX = 20
HOOKS_MAX = 100
URL_CHARS_MAX = 2_000
SECRET_BYTES = 24
SECRET_PREFIX = "whsec_"  # noqa: S105 - says that what follows is one
PORTS = {"http": 80, "https": 443}


class Webhooks:
    """Webhooks and their deliveries."""

    def __init__(self, *, hooks: Hooks, store: Store, now: Callable[[], str], new_id: Callable[[], str], private: bool) -> None:
        """With `private`, addresses of private networks and of this machine are told too."""
        self.hooks, self._store, self._now, self._new_id, self._private = hooks, store, now, new_id, private

    async def add(self, url: str, events: tuple[str, ...], *, owner_id: str | None) -> Hook:
        """Tell `url` of events from now on; the secret that signs them is in the result and is not shown again."""
        checked(url)
        if len(await self.hooks.all(Reader(owner_id or ""))) >= HOOKS_MAX:
            raise Invalid(f"There are {HOOKS_MAX} webhooks of yours already.")
        hook = self._hook(url, events or TOLD)
        await self.hooks.add(hook, owner_id)
        return hook

    async def await_batch(self, url: str, batch_id: str, *, owner_id: str | None) -> Hook:
        """Tell `url` once, when every debate of a batch has ended."""
        checked(url)
        hook = replace(self._hook(url, (BATCH_END,)), batch_id=batch_id)
        await self.hooks.add(hook, owner_id)
        return hook

    def _hook(self, url: str, events: tuple[str, ...]) -> Hook:
        secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        return Hook(id=self._new_id(), url=url, secret=secret, events=events, created_at=self._now())

    async def run(self) -> None:
        """Deliver what is due, until cancelled."""
        while True:
            with contextlib.suppress(AragoraError):  # the database is away: what is due stays due
                while await self.round():
                    pass
            await asyncio.sleep(POLL_S)

    async def round(self) -> int:
        """Try what is due now, at most AT_ONCE_MAX of it; how much that was."""
        await self.hooks.end_batches(at=self._now(), limit=AT_ONCE_MAX)
        due = await self.hooks.due(at=self._now(), limit=AT_ONCE_MAX)
        async with asyncio.TaskGroup() as tasks:
            for delivery in due:
                tasks.create_task(self._deliver(delivery))
        return len(due)

    async def _deliver(self, delivery: Delivery) -> None:
        wait_s = WAITS_S[min(delivery.attempts, len(WAITS_S) - 1)]
        next_at = later(self._now(), wait_s)
        try:
            if not await self.hooks.take(delivery, next_at=next_at):
                return
            hook = await self.hooks.one(delivery.webhook_id)
            body = await self._body(hook, delivery)
            delivered, answer = (False, "gone") if body is None else await self._attempt(hook, delivery, body)
            last = delivery.attempts >= len(WAITS_S) or body is None
            state = DELIVERED if delivered else FAILED if last else WAITING
            await self.hooks.settle(delivery, state=state, answer=answer)
            log.info("webhook", delivery=delivery.id, state=state, answer=answer)
        except AragoraError as error:
            log.warning("webhook waits", delivery=delivery.id, error=error.message)

    async def _body(self, hook: Hook, delivery: Delivery) -> bytes | None:
        """What is sent: the event as the log has it, or the end of a batch; None where it was deleted."""
        if hook.batch_id is not None:
            data = {"batch_id": hook.batch_id, "debates": await self.hooks.batch(hook.batch_id)}
            return msgspec.json.encode({"type": delivery.type, "timestamp": delivery.created_at, "data": data})
        found = await self._store.events(delivery.debate_id, after=delivery.seq - 1, limit=1)
        return found[0].frame.encode() if found else None

    async def _attempt(self, hook: Hook, delivery: Delivery, body: bytes) -> tuple[bool, str]:
        """Whether it was taken, and what came back, in a word."""
        sent_at = str(int(datetime.fromisoformat(self._now()).timestamp()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Aragora-Webhooks",
            "webhook-id": delivery.id,
            "webhook-timestamp": sent_at,
            "webhook-signature": signature(hook.secret, delivery.id, sent_at, body),
        }
        from aragora.webhooks.post import post  # noqa: PLC0415 - aiohttp is for those who have webhooks

        return await post(hook.url, body, headers, private=self._private, timeout_s=TIMEOUT_S)


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """The value of the header `webhook-signature`."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()


def checked(url: str) -> None:
    """Raise Invalid unless this can be the URL of a webhook; where its name leads is looked at with each delivery."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in PORTS and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        good = False
    if not good or len(url) > URL_CHARS_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise Invalid("url must be an http or https URL without a name and password in it.")
