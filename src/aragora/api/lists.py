"""What every list has: the type of its answer, and the answer itself. May import its siblings."""

from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.responses import Response

from aragora.api.answers import JSON, ListOf, listing


def list_of(name: str, row: type, *names: str, **more: object) -> type[msgspec.Struct]:
    """The type of a list: its rows under each of `names` and under `items`, beside what every list has and what it has more."""
    rows = list[row]  # type: ignore[valid-type] # a type that is known when this runs
    return msgspec.defstruct(name, [*more.items(), *((each, rows) for each in (*names, "items"))], bases=(ListOf,))


def listed(
    rows: Sequence[object],
    *names: str,
    total: int | None = None,
    limit: int | None = None,
    offset: int = 0,
    **more: Any,  # noqa: ANN401 - fields of the answer
) -> Response:
    """Answer with a list; without a `total` it is all there is."""
    all_of_it = len(rows) if total is None else total
    body = listing(rows, *names, total=all_of_it, limit=all_of_it if limit is None else limit, offset=offset, **more)
    return Response(body, media_type=JSON)
