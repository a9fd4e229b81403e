"""HTTP and WebSocket. May import engine, feed, store, providers and `debate`; everything it needs comes in as `Parts`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.responses import Response

from aragora.api.asked import Asked
from aragora.api.cache import Cache
from aragora.api.lasting import Lasting
from aragora.auth import Access
from aragora.auth.accounts import Accounts
from aragora.config import Settings
from aragora.engine import Engine
from aragora.feed import Feed
from aragora.limits import Limits
from aragora.memory import Memory
from aragora.metrics import Metrics
from aragora.objectives import Objectives
from aragora.providers.agents import Agents
from aragora.ranking import Ranking
from aragora.store.matches import Matches
from aragora.store.ranks import Ranks
from aragora.store.repeats import Repeats
from aragora.store.shelf import Shelf
from aragora.store.store import Store
from aragora.webhooks import Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What handlers work with; built in `app`."""

    settings: Settings
    store: Store
    shelf: Shelf
    matches: Matches
    ranks: Ranks
    ranking: Ranking
    memory: Memory
    webhooks: Webhooks
    accounts: Accounts
    repeats: Repeats
    engine: Engine
    feed: Feed
    agents: Agents
    metrics: Metrics
    objectives: Objectives
    limits: Limits
    cache: Cache
    lasting: Lasting
    new_seed: Callable[[], int]
    now: Callable[[], str]
    started: float  # monotonic seconds


Handler = Callable[[Parts, Asked], Awaitable[Response]]
# Makes an answer anew from the id of what was made when it was first asked for.
Remake = Callable[[Parts, Asked, str], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A query parameter. Numbers have bounds; texts may have choices."""

    name: str
    about: str
    low: int | None = None  # set for whole numbers
    high: int | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One row of the route table: what is served, and what the OpenAPI document says of it."""

    method: str
    path: str
    handler: Handler
    summary: str
    answer: type | str  # a type for JSON, else the media type
    other: type | None = None  # another shape that JSON may have
    status: int = 200
    body: type | None = None
    body_needed: bool = True
    media: tuple[str, ...] = ()  # media types of the answer beside JSON
    params: tuple[Param, ...] = ()
    errors: tuple[int, ...] = ()  # beyond those that every endpoint may give
    also: tuple[int, ...] = ()  # other statuses with the same answer
    limit: str = "default"  # the rate limit that applies: default, auth, debates, or none
    tags: tuple[str, ...] = field(default=())
    access: Access = Access.CALLER
    scope: str = ""  # what a key needs; empty: `read` to GET, `write` for all else
    keeps: bool = True  # whether answers may be stored to be replayed; those with secrets in them may not
    lasts: bool = False  # whether the answer follows from the question and the database alone
    again: bool = False  # whether doing it again changes nothing
    remake: Remake | None = None  # for a repeated request whose answer was lost, or cannot be kept
    heals: bool = False  # whether it starts what is paid for, so that an answer that found nobody is kept for the retry
