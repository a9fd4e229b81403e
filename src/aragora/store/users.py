"""Accounts and the tokens that speak for them. May import errors and its siblings. Tokens come and stay as hashes."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from aragora.store import Database, Row, Statement, Value

USER = """
SELECT id, email, name, role, active, avatar_url, preferences, token_version, password, created_at, updated_at, last_login_at
FROM users
"""
LIST = " ORDER BY created_at, id LIMIT :limit OFFSET :offset"
INSERT_USER = """
INSERT INTO users (id, email, name, role, password, created_at, updated_at, last_login_at)
VALUES (:id, :email, :name, CASE WHEN EXISTS (SELECT 1 FROM users) THEN 'member' ELSE 'admin' END, :password, :at, :at, :at)
ON CONFLICT (email) DO NOTHING
RETURNING 1 AS seq
"""
INSERT_SESSION = """
INSERT INTO sessions (id, user_id, access_hash, refresh_hash, user_agent, address,
  created_at, renewed_at, used_at, access_expires_at, expires_at)
VALUES (:id, :user_id, :access_hash, :refresh_hash, :user_agent, :address, :at, :at, :at, :access_expires_at, :expires_at)
"""
LOGGED_IN = "UPDATE users SET last_login_at = :at WHERE id = :id AND active = 1 RETURNING 1 AS seq"
FORGET_SESSIONS = """
DELETE FROM sessions WHERE user_id = :user_id AND (expires_at <= :at OR id IN (
  SELECT id FROM sessions WHERE user_id = :user_id ORDER BY used_at DESC, id DESC LIMIT 1000 OFFSET :kept))
"""
RENEW = """
UPDATE sessions SET spent_hash = refresh_hash, access_hash = :access_hash, refresh_hash = :refresh_hash,
  access_expires_at = :access_expires_at, expires_at = :expires_at, renewed_at = :at, used_at = :at
WHERE refresh_hash = :hash AND expires_at > :at
RETURNING id
"""
END_STOLEN = "DELETE FROM sessions WHERE spent_hash = :hash AND renewed_at < :before RETURNING id"
END_SESSION = "DELETE FROM sessions WHERE id = :id AND user_id = :user_id RETURNING id"
SESSIONS = """
SELECT id, user_agent, address, created_at, used_at, access_expires_at, expires_at FROM sessions
WHERE user_id = :user_id AND expires_at > :at ORDER BY used_at DESC, id DESC
"""
CHANGE = """
UPDATE users SET password = :password, token_version = token_version + 1, updated_at = :at
WHERE id = :id AND password = :known RETURNING token_version AS seq
"""
END_OTHERS = "DELETE FROM sessions WHERE user_id = :user_id AND id <> :session_id"
PROFILE = """
UPDATE users SET name = COALESCE(:name, name), avatar_url = COALESCE(:avatar_url, avatar_url),
  preferences = COALESCE(:preferences, preferences), updated_at = :at
WHERE id = :id RETURNING 1 AS seq
"""
SET_ROLE = "UPDATE users SET role = :role, updated_at = :at WHERE id = :id RETURNING 1 AS seq"
SET_ACTIVE = "UPDATE users SET active = :active, updated_at = :at WHERE id = :id RETURNING 1 AS seq"
INSERT_KEY = """
INSERT INTO api_keys (id, user_id, name, prefix, hash, scopes, created_at, expires_at)
SELECT :id, :user_id, :name, :prefix, :hash, :scopes, :at, :expires_at
WHERE (SELECT COUNT(*) FROM api_keys WHERE user_id = :user_id) < :keys_max
RETURNING 1 AS seq
"""
KEYS = """
SELECT id, name, prefix, scopes, created_at, expires_at, used_at FROM api_keys
WHERE user_id = :user_id ORDER BY created_at DESC, id DESC
"""
DELETE_KEYS = "DELETE FROM api_keys WHERE user_id = :user_id AND (id = :key OR prefix = :key) RETURNING id"
BY_SESSION = """
SELECT s.id, u.id, u.role, '', s.used_at, 'session' FROM sessions s JOIN users u ON u.id = s.user_id
WHERE u.active = 1 AND s.access_expires_at > :at
"""
BY_KEY = """
SELECT k.id, u.id, u.role, k.scopes, COALESCE(k.used_at, ''), 'key' FROM api_keys k JOIN users u ON u.id = k.user_id
WHERE u.active = 1 AND (k.expires_at IS NULL OR k.expires_at > :at)
"""
USED = {
    "session": "UPDATE sessions SET used_at = :at WHERE id = :id RETURNING 1 AS seq",
    "key": "UPDATE api_keys SET used_at = :at WHERE id = :id RETURNING 1 AS seq",
}
INSERT_TICKET = """
INSERT INTO tickets (hash, credential_id, expires_at) VALUES (:hash, :credential_id, :expires_at) RETURNING 1 AS seq
"""
FORGET_TICKETS = "DELETE FROM tickets WHERE expires_at <= :at"
REDEEM = "DELETE FROM tickets WHERE hash = :hash AND expires_at > :at RETURNING credential_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account. `password` is a hash."""

    id: str
    email: str
    name: str
    role: str
    active: bool
    avatar_url: str
    preferences: str  # JSON object
    token_version: int
    password: str
    created_at: str
    updated_at: str | None
    last_login_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session to store."""

    id: str
    access_hash: str
    refresh_hash: str
    user_agent: str
    address: str
    access_expires_at: str
    expires_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session as it is listed."""

    id: str
    user_agent: str
    address: str
    created_at: str
    used_at: str
    access_expires_at: str
    expires_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """An API key as it is listed; the key itself is nowhere."""

    id: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: str
    expires_at: str | None
    used_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What a token stands for, at this moment."""

    id: str
    user_id: str
    role: str
    scopes: tuple[str, ...] | None  # None: all of them
    used_at: str
    kind: str  # session or key


class Users:
    """Accounts, sessions, keys and tickets on one database."""

    def __init__(self, database: Database) -> None:
        """Use an open database whose schema is up to date."""
        self._db = database

    async def by_email(self, email: str) -> User | None:
        """The account with this address."""
        return _user(await self._db.read(USER + " WHERE email = :email", {"email": email}))

    async def by_id(self, user_id: str) -> User | None:
        """The account with this id."""
        return _user(await self._db.read(USER + " WHERE id = :id", {"id": user_id}))

    async def all(self, *, limit: int, offset: int) -> list[User]:
        """Accounts, oldest first."""
        rows = await self._db.read(USER + LIST, {"limit": limit, "offset": offset})
        return [user for row in rows if (user := _user([row]))]

    async def exist(self) -> bool:
        """Whether anybody has registered."""
        return bool(await self._db.read("SELECT 1 FROM users LIMIT 1", {}))

    async def has_keys(self, user_id: str) -> bool:
        """Whether the account has API keys."""
        return bool(await self._db.read("SELECT 1 FROM api_keys WHERE user_id = :id LIMIT 1", {"id": user_id}))

    async def admins(self) -> int:
        """How many accounts are admins and not locked."""
        [row] = await self._db.read("SELECT COUNT(*) FROM users WHERE role = 'admin' AND active = 1", {})
        return int(row[0] or 0)

    async def register(
        self, user_id: str, email: str, name: str, password: str, at: str, session: NewSession | None = None
    ) -> bool:
        """Store an account and its first session; the first account is the server's admin. False when the address is taken."""
        values: dict[str, Value] = {"id": user_id, "email": email, "name": name, "password": password, "at": at}
        sessions = [_insert_session(user_id, session, at)] if session else []
        return bool(await self._db.write([Statement(INSERT_USER, values), *sessions]))

    async def log_in(self, user_id: str, session: NewSession, at: str, *, kept: int) -> bool:
        """Store a session; of the account's others only the `kept` last used stay. False when the account is not active."""
        old = Statement(FORGET_SESSIONS, {"user_id": user_id, "at": at, "kept": kept})
        work = [Statement(LOGGED_IN, {"id": user_id, "at": at}), old, _insert_session(user_id, session, at)]
        return bool(await self._db.write(work))

    async def renew(self, refresh_hash: str, session: NewSession, at: str) -> str | None:
        """Give the session of a refresh token new tokens; its id, or None when there is no such token."""
        values: dict[str, Value] = {
            "hash": refresh_hash,
            "access_hash": session.access_hash,
            "refresh_hash": session.refresh_hash,
            "access_expires_at": session.access_expires_at,
            "expires_at": session.expires_at,
            "at": at,
        }
        return _first(await self._db.write([Statement(RENEW, values)]))

    async def end_stolen(self, refresh_hash: str, before: str) -> str | None:
        """End the session whose refresh token was spent before a time and is shown again; its id, if there was one."""
        if not await self._db.read("SELECT 1 FROM sessions WHERE spent_hash = :hash", {"hash": refresh_hash}):
            return None
        return _first(await self._db.write([Statement(END_STOLEN, {"hash": refresh_hash, "before": before})]))

    async def user_of_session(self, session_id: str) -> User | None:
        """Whose session it is."""
        where = " WHERE id = (SELECT user_id FROM sessions WHERE id = :id)"
        return _user(await self._db.read(USER + where, {"id": session_id}))

    async def end_session(self, user_id: str, session_id: str) -> bool:
        """End one session of an account; False when it has no such session."""
        return bool(await self._db.write([Statement(END_SESSION, {"id": session_id, "user_id": user_id})]))

    async def sessions(self, user_id: str, at: str) -> list[Session]:
        """The account's sessions that have not run out, last used first."""
        rows = await self._db.read(SESSIONS, {"user_id": user_id, "at": at})
        names = ("id", "user_agent", "address", "created_at", "used_at", "access_expires_at", "expires_at")
        return [msgspec.convert(dict(zip(names, row, strict=True)), Session) for row in rows]

    async def change_password(self, user: User, password: str, at: str, *, session_id: str) -> bool:
        """Set a password and end every other session. False when the password was changed meanwhile."""
        values: dict[str, Value] = {"id": user.id, "password": password, "known": user.password, "at": at}
        others = Statement(END_OTHERS, {"user_id": user.id, "session_id": session_id})
        return bool(await self._db.write([Statement(CHANGE, values), others]))

    async def change(self, user_id: str, at: str, *, name: str | None, avatar_url: str | None, preferences: str | None) -> None:
        """Change what is given of a profile."""
        values: dict[str, Value] = {"id": user_id, "at": at, "name": name, "avatar_url": avatar_url, "preferences": preferences}
        await self._db.write([Statement(PROFILE, values)])

    async def set_role(self, user_id: str, role: str, at: str) -> None:
        """Make an account an admin or a member; its tokens speak for the new role from the next request on."""
        await self._db.write([Statement(SET_ROLE, {"id": user_id, "role": role, "at": at})])

    async def set_active(self, user_id: str, at: str, *, active: bool) -> None:
        """Lock an account out, or let it in again: no token or key of one that is not active is good for anything."""
        await self._db.write([Statement(SET_ACTIVE, {"id": user_id, "active": int(active), "at": at})])

    async def add_key(self, user_id: str, key: Key, key_hash: str, *, keys_max: int) -> bool:
        """Store an API key; False when the account has as many as it may."""
        values: dict[str, Value] = {
            "id": key.id,
            "user_id": user_id,
            "name": key.name,
            "prefix": key.prefix,
            "hash": key_hash,
            "scopes": msgspec.json.encode(key.scopes).decode(),
            "at": key.created_at,
            "expires_at": key.expires_at,
            "keys_max": keys_max,
        }
        return bool(await self._db.write([Statement(INSERT_KEY, values)]))

    async def keys(self, user_id: str) -> list[Key]:
        """The account's API keys, newest first."""
        return [_key(row) for row in await self._db.read(KEYS, {"user_id": user_id})]

    async def delete_key(self, user_id: str, key: str) -> list[str]:
        """Delete an account's key by its id or prefix; the ids of those deleted."""
        return [str(row[0]) for row in await self._db.write([Statement(DELETE_KEYS, {"user_id": user_id, "key": key})])]

    async def by_access(self, token_hash: str, at: str) -> Credential | None:
        """The session of an access token."""
        return _credential(await self._db.read(BY_SESSION + " AND s.access_hash = :hash", {"hash": token_hash, "at": at}))

    async def by_key(self, key_hash: str, at: str) -> Credential | None:
        """The API key that has this hash."""
        return _credential(await self._db.read(BY_KEY + " AND k.hash = :hash", {"hash": key_hash, "at": at}))

    async def credential(self, credential_id: str, at: str) -> Credential | None:
        """A session or key by its id, if it is still good."""
        found = await self._db.read(BY_SESSION + " AND s.id = :id", {"id": credential_id, "at": at})
        return _credential(found or await self._db.read(BY_KEY + " AND k.id = :id", {"id": credential_id, "at": at}))

    async def used(self, credential: Credential, at: str) -> None:
        """Note when a credential was last used."""
        await self._db.write([Statement(USED[credential.kind], {"id": credential.id, "at": at})])

    async def add_ticket(self, ticket_hash: str, credential_id: str, at: str, expires_at: str) -> None:
        """Store a ticket, and forget those that have run out."""
        values: dict[str, Value] = {"hash": ticket_hash, "credential_id": credential_id, "expires_at": expires_at}
        await self._db.write([Statement(INSERT_TICKET, values), Statement(FORGET_TICKETS, {"at": at})])

    async def redeem(self, ticket_hash: str, at: str) -> str | None:
        """Use up a ticket; the id of the credential that it stands for."""
        return _first(await self._db.write([Statement(REDEEM, {"hash": ticket_hash, "at": at})]))


def _insert_session(user_id: str, session: NewSession, at: str) -> Statement:
    values: dict[str, Value] = {
        "id": session.id,
        "user_id": user_id,
        "access_hash": session.access_hash,
        "refresh_hash": session.refresh_hash,
        "user_agent": session.user_agent,
        "address": session.address,
        "access_expires_at": session.access_expires_at,
        "expires_at": session.expires_at,
        "at": at,
    }
    return Statement(INSERT_SESSION, values)


def _first(rows: Sequence[Row]) -> str | None:
    return str(rows[0][0]) if rows else None


def _text(value: Value) -> str | None:
    return None if value is None else str(value)


def _user(rows: Sequence[Row]) -> User | None:
    if not rows:
        return None
    user_id, email, name, role, active, avatar_url, preferences, version, password, created_at, updated_at, seen_at = rows[0]
    return User(
        id=str(user_id),
        email=str(email),
        name=str(name),
        role=str(role),
        active=bool(active),
        avatar_url=str(avatar_url),
        preferences=str(preferences),
        token_version=int(version or 0),
        password=str(password),
        created_at=str(created_at),
        updated_at=_text(updated_at),
        last_login_at=_text(seen_at),
    )


def _key(row: Row) -> Key:
    key_id, name, prefix, scopes, created_at, expires_at, used_at = row
    return Key(
        id=str(key_id),
        name=str(name),
        prefix=str(prefix),
        scopes=_scopes(scopes),
        created_at=str(created_at),
        expires_at=_text(expires_at),
        used_at=_text(used_at),
    )


def _credential(rows: Sequence[Row]) -> Credential | None:
    if not rows:
        return None
    credential_id, user_id, role, scopes, used_at, kind = rows[0]
    return Credential(
        id=str(credential_id),
        user_id=str(user_id),
        role=str(role),
        scopes=_scopes(scopes) if kind == "key" else None,
        used_at=str(used_at),
        kind=str(kind),
    )


def _scopes(text: Value) -> tuple[str, ...]:
    return msgspec.json.decode(str(text), type=tuple[str, ...])
