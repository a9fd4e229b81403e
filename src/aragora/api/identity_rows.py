"""The part of the route table about accounts, share links and what a server tells of itself. May import its siblings."""

from dataclasses import replace
from functools import partial

from aragora.api import Endpoint, auth, health, identities, shares
from aragora.api.answers import Debate
from aragora.api.rows import delete, get, post
from aragora.auth import ACCOUNT, READ, Access

# Ways in: for anyone, not often, and with answers that nobody may keep.
_enter = partial(post, limit="auth", access=Access.ANYONE, keeps=False)
_see = partial(get, errors=(), access=Access.ACCOUNT)
_tend = partial(post, access=Access.ACCOUNT, scope=ACCOUNT)
_end = partial(delete, access=Access.ACCOUNT, scope=ACCOUNT)

ROWS: tuple[Endpoint, ...] = (
    _enter(
        "/auth/register",
        auth.register,
        "Make an account and log it in; the first one is the server's admin.",
        identities.LoggedIn,
        status=201,
        body=identities.Register,
        errors=(409,),
    ),
    _enter("/auth/login", auth.login, "Log in.", identities.LoggedIn, body=identities.LogIn, errors=(401, 409)),
    _enter(
        "/auth/refresh",
        auth.refresh,
        "New tokens for a refresh token, which is spent by that.",
        identities.Refreshed,
        body=identities.Refresh,
        errors=(401, 409),
    ),
    _tend("/auth/logout", auth.logout, "End this session.", identities.Acknowledged, errors=(404, 409)),
    _see("/auth/me", auth.me, "The account that asks.", identities.Me),
    _see("/auth/profile", auth.me, "The account that asks.", identities.Me),
    Endpoint(
        method="PATCH",
        path="/auth/me",
        handler=auth.change_me,
        summary="Change the profile; what is not given stays.",
        answer=identities.Me,
        body=identities.Profile,
        errors=(413, 503),
        access=Access.ACCOUNT,
        scope=ACCOUNT,
    ),
    _tend(
        "/auth/password/change",
        auth.change_password,
        "Set a new password; every other session ends.",
        identities.Acknowledged,
        body=identities.ChangePassword,
        errors=(409,),
        limit="auth",
        keeps=False,
    ),
    _see("/auth/sessions", auth.sessions, "Where the account is logged in.", identities.SessionList, scope=ACCOUNT),
    _see("/auth/sessions/active", auth.sessions, "Where the account is logged in.", identities.SessionList, scope=ACCOUNT),
    _end("/auth/sessions/{session_id}", auth.end_session, "End a session.", identities.Removed),
    _see("/auth/api-keys", auth.keys, "The account's API keys, without the keys themselves.", identities.KeyList, scope=ACCOUNT),
    _tend(
        "/auth/api-keys",
        auth.create_key,
        "Make an API key, which is shown this once.",
        identities.KeyCreated,
        status=201,
        body=identities.CreateKey,
        body_needed=False,
        errors=(409,),
        keeps=False,
    ),
    _end("/auth/api-keys/{key_id}", auth.delete_key, "Delete an API key by its id or prefix.", identities.Removed),
    _tend(
        "/auth/tickets",
        auth.ticket,
        "A ticket that opens one WebSocket within 30 seconds.",
        identities.Ticket,
        status=201,
        errors=(409,),
        scope=READ,
        keeps=False,
    ),
    get(
        "/debates/{id}/share",
        shares.show,
        "Who may read a debate, and its share links.",
        shares.Shared,
        errors=(),
        access=Access.OWNER,
    ),
    replace(
        post(
            "/debates/{id}/share",
            shares.share,
            "Say who may read a debate; `shared` makes a link.",
            shares.Shared,
            status=201,
            body=shares.Share,
            body_needed=False,
            keeps=False,
        ),
        also=(200,),
    ),
    replace(
        post(
            "/debates/{id}/share/revoke",
            shares.revoke,
            "Take back one share link, or all.",
            shares.Revoked,
            body=shares.Revoke,
            body_needed=False,
        ),
        again=True,
    ),
    get(
        "/shared/{token}",
        shares.by_link,
        "The debate that a share link leads to.",
        Debate,
        errors=(),
        access=Access.ANYONE,
    ),
    replace(
        get("/health/deep", health.deep, "Is the server well, down to its disk?", health.Deep, errors=()),
        also=(503,),
        limit="none",
    ),
)
