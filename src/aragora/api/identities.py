"""What clients send and get of accounts, sessions and keys. May import its siblings, auth and store records."""

import msgspec

from aragora.api.lists import list_of
from aragora.auth.accounts import Tokens
from aragora.store.users import Key, Session, User


class Register(msgspec.Struct, kw_only=True):
    """An account to make."""

    email: str
    password: str
    name: str = ""
    cookie: bool = False  # keep the session in a cookie that scripts cannot read, instead of answering with tokens


class LogIn(msgspec.Struct, kw_only=True):
    """Who logs in."""

    email: str
    password: str
    cookie: bool = False  # as above


class Refresh(msgspec.Struct, kw_only=True):
    """The token that new ones are asked for with."""

    refresh_token: str


class Profile(msgspec.Struct, kw_only=True):
    """What changes in a profile; what is not given stays."""

    name: str | None = None
    avatar_url: str | None = None
    preferences: dict[str, msgspec.Raw] | None = None


class ChangePassword(msgspec.Struct, kw_only=True):
    """A password for another."""

    current_password: str
    new_password: str


class CreateKey(msgspec.Struct, kw_only=True):
    """A key to make. Without an end it is good for a year."""

    name: str = "key"
    scopes: list[str] | None = None
    expires_at: str | None = None


class Account(msgspec.Struct):
    """A user, as the public client knows one."""

    id: str
    email: str
    name: str
    role: str
    org_id: str | None
    is_active: bool
    email_verified: bool
    avatar_url: str
    preferences: msgspec.Raw
    has_api_key: bool
    mfa_enabled: bool
    token_version: int
    created_at: str
    updated_at: str | None
    last_login_at: str | None


class TokenPair(msgspec.Struct):
    """Tokens, in clear for the only time."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int
    expires_at: str


class LoggedIn(msgspec.Struct):
    """An account and its new session. There are no tokens to be seen where the session is kept in a cookie."""

    user: Account
    tokens: TokenPair | None
    organization: None
    organizations: list[str]


class Refreshed(msgspec.Struct):
    """New tokens, beside each other and as a pair."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int
    expires_at: str
    tokens: TokenPair


class Me(msgspec.Struct):
    """The account that asks."""

    user: Account
    organization: None
    organizations: list[str]


class Acknowledged(msgspec.Struct):
    """It was done."""

    success: bool
    message: str


class SessionRow(msgspec.Struct):
    """A session in a list."""

    id: str
    session_id: str
    user_agent: str
    ip_address: str
    created_at: str
    last_used_at: str
    expires_at: str
    current: bool


class KeyRow(msgspec.Struct):
    """A key in a list; the key itself was seen once, when it was made."""

    id: str
    key_id: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: str
    expires_at: str | None
    last_used_at: str | None


class KeyCreated(KeyRow):
    """A key, in clear for the only time."""

    api_key: str
    message: str


class Removed(msgspec.Struct):
    """It is gone."""

    success: bool
    deleted: bool
    id: str


class Ticket(msgspec.Struct):
    """What opens one WebSocket: `/ws?ticket=…`."""

    ticket: str
    expires_in: int


SessionList = list_of("SessionList", SessionRow, "sessions")
KeyList = list_of("KeyList", KeyRow, "keys")


def account_of(user: User, *, has_keys: bool) -> Account:
    """An account as its owner sees it."""
    return Account(
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        org_id=None,
        is_active=user.active,
        email_verified=False,
        avatar_url=user.avatar_url,
        preferences=msgspec.Raw(user.preferences.encode()),
        has_api_key=has_keys,
        mfa_enabled=False,
        token_version=user.token_version,
        created_at=user.created_at,
        updated_at=user.updated_at,
        last_login_at=user.last_login_at,
    )


def pair_of(tokens: Tokens) -> TokenPair:
    """Fresh tokens, in clear for the only time."""
    return TokenPair(tokens.access_token, tokens.refresh_token, "Bearer", tokens.expires_in, tokens.expires_at)


def session_of(session: Session, current: str) -> SessionRow:
    """A session for a list; `current` is the id of the one that asks."""
    return SessionRow(
        id=session.id,
        session_id=session.id,
        user_agent=session.user_agent,
        ip_address=session.address,
        created_at=session.created_at,
        last_used_at=session.used_at,
        expires_at=session.expires_at,
        current=session.id == current,
    )


def key_of(key: Key) -> KeyRow:
    """A key for a list."""
    return KeyRow(
        id=key.id,
        key_id=key.id,
        name=key.name,
        prefix=key.prefix,
        scopes=list(key.scopes),
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.used_at,
    )
