"""Accounts over HTTP: coming and going, profile, password, sessions, keys, tickets. May import its siblings and auth.

Answers with a token in them are never stored and never cached: that is the only time it is seen.
"""

from datetime import UTC, datetime
from typing import TypedDict

import msgspec
from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import listing, reply
from aragora.api.asked import Asked
from aragora.api.bodies import Check, parse, read_body
from aragora.api.callers import caller_of
from aragora.api.cookie import forget, remember, require_own_page
from aragora.api.identities import (
    Account,
    Acknowledged,
    ChangePassword,
    CreateKey,
    KeyCreated,
    LoggedIn,
    LogIn,
    Me,
    Profile,
    Refresh,
    Refreshed,
    Register,
    Removed,
    Ticket,
    account_of,
    key_of,
    pair_of,
    session_of,
)
from aragora.auth import DEFAULT_SCOPES, SCOPES
from aragora.auth.accounts import ACCESS_S, REFRESH_S, TICKET_S, Tokens, digest
from aragora.auth.enrolment import PASSWORD_CHARS_MAX, email_fault, password_fault, tidy
from aragora.errors import Forbidden
from aragora.limits import Proxies
from aragora.store.users import User
from aragora.times import written

NAME_CHARS_MAX, URL_CHARS_MAX, PREFERENCES_BYTES_MAX, AGENT_CHARS_MAX = 200, 2_000, 16_384, 300
NO_STORE = {"Cache-Control": "no-store"}


class _Known(TypedDict):
    agent: str
    address: str
    access_s: int


async def register(parts: Parts, request: Asked) -> Response:
    """Make an account and log it in."""
    body = parse(await read_body(request, parts.settings.max_body_bytes), Register)
    check = Check()
    email = _email(body.email, check)
    name = check.text("name", body.name, chars_max=NAME_CHARS_MAX)
    _wrong(check, "password", password_fault(body.password, email))
    check.done()
    await parts.limits.check("auth", f"account/{digest(email)}")
    known = _known(request, cookie=body.cookie)
    user, tokens = await parts.accounts.register(email, body.password, name, **known)
    return await _logged_in(parts, request, user, tokens, status=201, cookie=body.cookie)


async def login(parts: Parts, request: Asked) -> Response:
    """Log in. An unknown address and a wrong password are answered in the same words, after the same work."""
    body = parse(await read_body(request, parts.settings.max_body_bytes), LogIn)
    email = tidy(body.email)
    await parts.limits.check("auth", f"account/{digest(email)}")
    known = _known(request, cookie=body.cookie)
    user, tokens = await parts.accounts.log_in(email, body.password[:PASSWORD_CHARS_MAX], **known)
    return await _logged_in(parts, request, user, tokens, status=200, cookie=body.cookie)


async def refresh(parts: Parts, request: Asked) -> Response:
    """New tokens for the old."""
    body = parse(await read_body(request, parts.settings.max_body_bytes), Refresh)
    _, tokens = await parts.accounts.refresh(body.refresh_token)
    pair = pair_of(tokens)
    return reply(Refreshed(**msgspec.structs.asdict(pair), tokens=pair), 200, NO_STORE)


async def logout(parts: Parts, request: Asked) -> Response:
    """End this session; its tokens are worth nothing from now on."""
    caller = caller_of(request)
    if caller.kind != "session":
        raise Forbidden("A key is not logged out but deleted.")
    await parts.accounts.end(caller, caller.credential_id)
    parts.engine.bus.ring(caller.credential_id)
    return forget(reply(Acknowledged(success=True, message="Logged out.")), request)


async def me(parts: Parts, request: Asked) -> Response:
    """The account that asks."""
    return reply(await _me(parts, request))


async def change_me(parts: Parts, request: Asked) -> Response:
    """Change the name, the picture or the preferences."""
    body = parse(await read_body(request, parts.settings.max_body_bytes), Profile)
    check = Check()
    name = None if body.name is None else check.text("name", body.name, chars_max=NAME_CHARS_MAX)
    avatar_url = None if body.avatar_url is None else check.text("avatar_url", body.avatar_url, chars_max=URL_CHARS_MAX)
    if avatar_url and not avatar_url.startswith(("https://", "http://")):
        check.wrong("avatar_url", "must begin with https:// or http://")
    preferences = None if body.preferences is None else msgspec.json.encode(body.preferences).decode()
    if preferences is not None and len(preferences) > PREFERENCES_BYTES_MAX:
        check.wrong("preferences", f"must be at most {PREFERENCES_BYTES_MAX} bytes of JSON")
    check.done()
    user_id = caller_of(request).user_id
    await parts.accounts.users.change(user_id, parts.now(), name=name, avatar_url=avatar_url, preferences=preferences)
    return reply(await _me(parts, request))


async def change_password(parts: Parts, request: Asked) -> Response:
    """Set a new password; every other session of the account ends."""
    body = parse(await read_body(request, parts.settings.max_body_bytes), ChangePassword)
    caller = caller_of(request)
    user = await parts.accounts.user(caller.user_id)
    check = Check()
    _wrong(check, "new_password", password_fault(body.new_password, user.email))
    check.done()
    ended = await parts.accounts.change_password(caller, body.current_password[:PASSWORD_CHARS_MAX], body.new_password)
    for session_id in ended:
        parts.engine.bus.ring(session_id)
    return reply(Acknowledged(success=True, message="The password is changed; other sessions are ended."))


async def sessions(parts: Parts, request: Asked) -> Response:
    """Where this account is logged in, last used first."""
    caller = caller_of(request)
    rows = [session_of(each, caller.credential_id) for each in await parts.accounts.sessions(caller)]
    return Response(listing(rows, "sessions", total=len(rows), limit=max(1, len(rows))), media_type="application/json")


async def end_session(parts: Parts, request: Asked) -> Response:
    """End one session of this account."""
    session_id = request.path_params["session_id"]
    await parts.accounts.end(caller_of(request), session_id)
    parts.engine.bus.ring(session_id)
    return reply(Removed(success=True, deleted=True, id=session_id))


async def keys(parts: Parts, request: Asked) -> Response:
    """The account's API keys, newest first, without the keys themselves."""
    rows = [key_of(each) for each in await parts.accounts.users.keys(caller_of(request).user_id)]
    return Response(listing(rows, "keys", total=len(rows), limit=max(1, len(rows))), media_type="application/json")


async def create_key(parts: Parts, request: Asked) -> Response:
    """Make an API key; this answer is the only place where it is ever seen."""
    raw = await read_body(request, parts.settings.max_body_bytes)
    body = parse(raw, CreateKey) if raw.strip() else CreateKey()
    check = Check()
    name = check.text("name", body.name, chars_max=NAME_CHARS_MAX, needed=True)
    scopes = tuple(dict.fromkeys(body.scopes)) if body.scopes else DEFAULT_SCOPES
    if not set(scopes) <= set(SCOPES):
        check.wrong("scopes", f"must be among {', '.join(SCOPES)}")
    expires_at = _time("expires_at", body.expires_at, parts.now(), check)
    check.done()
    key, token = await parts.accounts.create_key(caller_of(request), name, scopes, expires_at)
    message = "Keep this key now: it is not shown again."
    return reply(KeyCreated(api_key=token, message=message, **msgspec.structs.asdict(key_of(key))), 201, NO_STORE)


async def delete_key(parts: Parts, request: Asked) -> Response:
    """Delete a key by its id or prefix; it is worth nothing from now on."""
    name = request.path_params["key_id"]
    for key_id in await parts.accounts.delete_key(caller_of(request), name):
        parts.engine.bus.ring(key_id)
    return reply(Removed(success=True, deleted=True, id=name))


async def ticket(parts: Parts, request: Asked) -> Response:
    """A ticket for one WebSocket, for browsers, which cannot send a header there."""
    token = await parts.accounts.ticket(caller_of(request))
    return reply(Ticket(ticket=token, expires_in=TICKET_S), 201, NO_STORE)


async def _me(parts: Parts, request: Asked) -> Me:
    user = await parts.accounts.user(caller_of(request).user_id)
    return Me(user=await _account(parts, user), organization=None, organizations=[])


def _known(request: Asked, *, cookie: bool) -> _Known:
    """What a new session is noted with. Raises Forbidden where another page asks for a cookie."""
    if cookie:
        require_own_page(request)
    return _Known(agent=_agent(request), address=caller_of(request).address, access_s=REFRESH_S if cookie else ACCESS_S)


async def _logged_in(parts: Parts, request: Asked, user: User, tokens: Tokens, *, status: int, cookie: bool) -> Response:
    shown = None if cookie else pair_of(tokens)
    body = LoggedIn(user=await _account(parts, user), tokens=shown, organization=None, organizations=[])
    answer = reply(body, status, NO_STORE)
    if not cookie:
        return answer
    proxies, peer = Proxies(parts.settings.trusted_networks), request.client.host if request.client else ""
    encrypted = proxies.encrypted(peer, request.headers.get("x-forwarded-proto", ""), request.url.scheme)
    return remember(answer, request, tokens.access_token, seconds=tokens.expires_in, encrypted=encrypted)


async def _account(parts: Parts, user: User) -> Account:
    return account_of(user, has_keys=await parts.accounts.users.has_keys(user.id))


def _email(given: str, check: Check) -> str:
    email = tidy(given)
    _wrong(check, "email", email_fault(email))
    return email


def _wrong(check: Check, name: str, fault: str) -> None:
    if fault:
        check.wrong(name, fault)


def _time(name: str, given: str | None, now: str, check: Check) -> str | None:
    """A time to come, as the log writes times."""
    if given is None:
        return None
    try:
        found = datetime.fromisoformat(given)
        text = written((found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        check.wrong(name, "must be a time in ISO 8601, such as 2030-01-31T12:00:00Z")
        return None
    if text <= now:
        check.wrong(name, "must be in the future")
    return text


def _agent(request: Asked) -> str:
    agent = request.headers.get("user-agent", "")[:AGENT_CHARS_MAX]
    return "".join(character for character in agent if character.isprintable())
