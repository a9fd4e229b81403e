"""Accounts at work: log in, tokens, keys, tickets, share links. May import its siblings and store.

Tokens are opaque: 256 random bits, known here by their SHA-256 alone, looked up at each use. So taking one back takes effect with
the next request.
"""

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256

from aragora.auth import Access, Caller, Mode, may, require
from aragora.auth.passwords import Passwords
from aragora.errors import Conflict, Forbidden, NotFound, Overloaded, StoreError, Unauthenticated
from aragora.store.ownership import Link, Ownership
from aragora.store.records import Visibility
from aragora.store.users import Credential, Key, NewSession, Session, User, Users
from aragora.times import later

ACCESS_S, REFRESH_S = 24 * 3600, 30 * 24 * 3600
KEY_S = 365 * 24 * 3600
TICKET_S = 30
# An access token's last use is written down no more often than this.
USED_EVERY_S = 60
# A refresh token that is shown again within this time was more likely sent twice than stolen.
REFRESHED_TWICE_S = 60
SESSIONS_MAX, KEYS_MAX, LINKS_MAX = 50, 100, 20
TOKEN_CHARS_MAX = 200
KEY, SESSION, REFRESH, TICKET, SHARE = "ara_", "aat_", "art_", "atk_", "ash_"
PREFIX_CHARS = 12
TAKEN = "There is an account with this address already."
MEANWHILE = "The password was changed by somebody else meanwhile."


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A fresh pair of tokens, in clear for the only time."""

    access_token: str
    refresh_token: str
    expires_in: int
    expires_at: str


def digest(token: str) -> str:
    """What is stored of a token."""
    return sha256(token.encode()).hexdigest()


def _token(kind: str) -> str:
    return kind + secrets.token_urlsafe(32)


class Accounts:
    """Everything about who asks."""

    def __init__(
        self,
        users: Users,
        ownership: Ownership,
        *,
        mode: Mode,
        registration: str,
        now: Callable[[], str],
        new_id: Callable[[], str],
    ) -> None:
        """`registration` is `open`, or `closed` to all but the first, who becomes the admin."""
        self.users, self.ownership, self.mode = users, ownership, mode
        self._registration, self.now, self._new_id = registration, now, new_id
        self._passwords = Passwords()

    # Who asks

    def nobody(self, address: str) -> Caller:
        """A caller who shows no token."""
        return Caller(mode=self.mode, address=address)

    async def identify(self, token: str, address: str) -> Caller:
        """The caller that a token speaks for. Raises Unauthenticated, in the same words for whatever is wrong with it."""
        credential = await self._credential(token)
        if credential is None:
            if self.mode is Mode.OFF:
                return self.nobody(address)
            raise Unauthenticated("This needs a valid token: Authorization: Bearer TOKEN.")
        return await self._seen(credential, address)

    async def redeem(self, ticket: str, address: str) -> Caller:
        """The caller that a ticket stands for; it is used up. Raises Unauthenticated."""
        found = await self.users.redeem(digest(ticket), self.now()) if ticket.startswith(TICKET) else None
        credential = await self.users.credential(found, self.now()) if found else None
        if credential is None:
            raise Unauthenticated("This needs a ticket that is fresh and not used.")
        return await self._seen(credential, address)

    async def still(self, caller: Caller) -> bool:
        """Whether the credential of a caller is still good; one who showed none has nothing to lose."""
        return not caller.credential_id or await self.users.credential(caller.credential_id, self.now()) is not None

    async def _credential(self, token: str) -> Credential | None:
        if len(token) > TOKEN_CHARS_MAX or not token.isascii():
            return None
        find = self.users.by_key if token.startswith(KEY) else self.users.by_access
        return await find(digest(token), self.now())

    async def _seen(self, credential: Credential, address: str) -> Caller:
        now = self.now()
        if credential.used_at < later(now, -USED_EVERY_S):
            with contextlib.suppress(StoreError, Overloaded):  # not knowing when it was used is no reason to refuse it
                await self.users.used(credential, now)
        caller = Caller(
            mode=self.mode,
            address=address,
            user_id=credential.user_id,
            role=credential.role,
            credential_id=credential.id,
            kind=credential.kind,
        )
        return caller if credential.scopes is None else replace(caller, scopes=frozenset(credential.scopes))

    # What they may see

    async def admit(self, caller: Caller, debate_id: str, *, change: bool = False, link: str = "") -> None:
        """Raise unless a caller may read, or change, a debate. With a share link, it may be read whoever asks."""
        if caller.mode is Mode.OFF:
            return
        by_link = bool(link) and not change and await self.linked(link) == debate_id
        if not by_link:
            require(caller, Access.CALLER, "read")
        may(caller, await self.ownership.of(debate_id), change=change, by_link=by_link)

    async def admits(self, caller: Caller, debate_id: str, *, change: bool = False) -> bool:
        """Whether a caller may read, or change, a debate."""
        try:
            await self.admit(caller, debate_id, change=change)
        except (Forbidden, NotFound, Unauthenticated):
            return False
        return True

    async def linked(self, link: str) -> str | None:
        """The debate that a share link leads to."""
        if not link.startswith(SHARE) or len(link) > TOKEN_CHARS_MAX:
            return None
        return await self.ownership.by_link(digest(link), self.now())

    # Coming and going

    async def register(
        self, email: str, password: str, name: str, *, agent: str, address: str, access_s: int = ACCESS_S
    ) -> tuple[User, Tokens]:
        """A new account and its first session, `access_s` seconds long unless renewed. Raises Conflict: the address is taken."""
        if self._registration == "closed" and await self.users.exist():
            raise Forbidden("This server takes no registrations; ask its admin for an account.")
        user_id, at = self._new_id(), self.now()
        hashed = await self._passwords.hashed(password)
        session, tokens = self._session(agent, address, at, access_s)
        if not await self.users.register(user_id, email, name, hashed, at, session):
            raise Conflict(TAKEN)
        return await self.user(user_id), tokens

    async def enrol(self, email: str, password: str, name: str) -> User:
        """A new account, which nobody has logged in to yet. Raises Conflict when the address is taken."""
        user_id, hashed = self._new_id(), await self._passwords.hashed(password)
        if not await self.users.register(user_id, email, name or email.partition("@")[0], hashed, self.now()):
            raise Conflict(TAKEN)
        return await self.user(user_id)

    async def log_in(
        self, email: str, password: str, *, agent: str, address: str, access_s: int = ACCESS_S
    ) -> tuple[User, Tokens]:
        """A new session. An unknown address and a wrong password raise Unauthenticated in the same words after the same work."""
        user = await self.users.by_email(email)
        fits = await self._passwords.fits(user.password if user else None, password)
        at = self.now()
        session, tokens = self._session(agent, address, at, access_s)
        if user is None or not fits or not await self.users.log_in(user.id, session, at, kept=SESSIONS_MAX - 1):
            raise Unauthenticated("The address or the password is not right.")
        return await self.user(user.id), tokens

    async def refresh(self, refresh_token: str) -> tuple[User, Tokens]:
        """New tokens for the old; the old ones are spent. A spent one that is shown later ends its session: it was stolen."""
        at = self.now()
        session, tokens = self._session("", "", at)
        found = await self.users.renew(digest(refresh_token), session, at)
        user = await self.users.user_of_session(found) if found else None
        if user is None:
            await self.users.end_stolen(digest(refresh_token), later(at, -REFRESHED_TWICE_S))
            raise Unauthenticated("This refresh token is not valid.")
        return user, tokens

    def _session(self, agent: str, address: str, at: str, access_s: int = ACCESS_S) -> tuple[NewSession, Tokens]:
        tokens = Tokens(
            access_token=_token(SESSION), refresh_token=_token(REFRESH), expires_in=access_s, expires_at=later(at, access_s)
        )
        session = NewSession(
            id=self._new_id(),
            access_hash=digest(tokens.access_token),
            refresh_hash=digest(tokens.refresh_token),
            user_agent=agent,
            address=address,
            access_expires_at=tokens.expires_at,
            expires_at=later(at, REFRESH_S),
        )
        return session, tokens

    async def end(self, caller: Caller, session_id: str) -> None:
        """End one of the caller's sessions; raises NotFound."""
        if not await self.users.end_session(caller.user_id, session_id):
            raise NotFound("You have no such session.")

    async def sessions(self, caller: Caller) -> list[Session]:
        """The caller's sessions."""
        return await self.users.sessions(caller.user_id, self.now())

    # The account

    async def user(self, user_id: str) -> User:
        """An account that is known to be there."""
        user = await self.users.by_id(user_id)
        if user is None:
            raise NotFound("There is no such account.")
        return user

    async def change_password(self, caller: Caller, current: str, new: str) -> list[str]:
        """Set a password; every other session ends. Returns their ids. Raises Unauthenticated when the current one is wrong."""
        user = await self.user(caller.user_id)
        if not await self._passwords.fits(user.password, current):
            raise Forbidden("The current password is not right.")
        others = [session.id for session in await self.sessions(caller) if session.id != caller.credential_id]
        hashed = await self._passwords.hashed(new)
        if not await self.users.change_password(user, hashed, self.now(), session_id=caller.credential_id):
            raise Conflict(MEANWHILE)
        return others

    async def reset_password(self, user: User, new: str) -> None:
        """Set a password without knowing the current one; every session ends."""
        hashed = await self._passwords.hashed(new)
        if not await self.users.change_password(user, hashed, self.now(), session_id=""):
            raise Conflict(MEANWHILE)

    async def create_key(self, caller: Caller, name: str, scopes: tuple[str, ...], expires_at: str | None) -> tuple[Key, str]:
        """A new API key, in clear for the only time; it can do no more than whoever makes it."""
        if not caller.scopes.issuperset(scopes):
            raise Forbidden("A key cannot be given scopes that its maker lacks.")
        token, at = _token(KEY), self.now()
        key = Key(
            id=self._new_id(),
            name=name,
            prefix=token[:PREFIX_CHARS],
            scopes=scopes,
            created_at=at,
            expires_at=expires_at or later(at, KEY_S),
            used_at=None,
        )
        if not await self.users.add_key(caller.user_id, key, digest(token), keys_max=KEYS_MAX):
            raise Conflict(f"An account has at most {KEYS_MAX} keys; delete one first.")
        return key, token

    async def delete_key(self, caller: Caller, key: str) -> list[str]:
        """Delete a key of the caller's by its id or prefix; raises NotFound."""
        deleted = await self.users.delete_key(caller.user_id, key)
        if not deleted:
            raise NotFound("You have no such key.")
        return deleted

    async def ticket(self, caller: Caller) -> str:
        """A ticket that opens one connection within TICKET_S seconds, for those who cannot send a header."""
        ticket, at = _token(TICKET), self.now()
        await self.users.add_ticket(digest(ticket), caller.credential_id, at, later(at, TICKET_S))
        return ticket

    # Share links

    async def show(self, debate_id: str, visibility: Visibility) -> None:
        """Change who may read a debate."""
        owned = await self.ownership.of(debate_id)
        if owned is None:
            raise NotFound("There is no such debate.")
        if owned.visibility is not visibility:
            await self.ownership.show(debate_id, owned.visibility, visibility)

    async def share(self, debate_id: str, *, days: int | None) -> tuple[Link, str]:
        """A link to a debate, in clear for the only time."""
        token, at = _token(SHARE), self.now()
        link = Link(id=self._new_id(), created_at=at, expires_at=later(at, days * 24 * 3600) if days else None)
        if not await self.ownership.add_link(debate_id, link, digest(token), links_max=LINKS_MAX):
            raise Conflict(f"A debate has at most {LINKS_MAX} share links; revoke them first.")
        return link, token
