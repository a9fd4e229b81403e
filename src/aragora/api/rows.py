"""How rows of the route table are written: short forms, and the parameters that many rows share. Imports the package and auth.

A row with a debate in its path is for whoever may read the debate when it reads, and for the owner when it changes something,
unless it says otherwise.
"""

from aragora.api import Endpoint, Handler, Param
from aragora.auth import Access

MANY = 10_000
LIMIT = Param(name="limit", about="Rows wanted.", low=1, high=100)
OFFSET = Param(name="offset", about="Rows to skip; use the cursor to go far.", low=0, high=MANY)
PAGE = (LIMIT, OFFSET)


def get(
    path: str,
    handler: Handler,
    summary: str,
    answer: type | str,
    *params: Param,
    errors: tuple[int, ...] = (400,),
    access: Access | None = None,
    scope: str = "",
) -> Endpoint:
    """A row that reads; one with a named part may find nothing under it."""
    missing = (404,) if "{" in path else ()
    return Endpoint(
        method="GET",
        path=path,
        handler=handler,
        summary=summary,
        answer=answer,
        params=params,
        errors=(*errors, *missing),
        access=access or (Access.READER if "{id}" in path else Access.CALLER),
        scope=scope,
    )


def post(
    path: str,
    handler: Handler,
    summary: str,
    answer: type,
    *,
    body: type | None = None,
    body_needed: bool = True,
    status: int = 200,
    limit: str = "default",
    errors: tuple[int, ...] = (),
    access: Access | None = None,
    scope: str = "",
    keeps: bool = True,
) -> Endpoint:
    """A row that changes something."""
    missing = (404, 409) if "{" in path else ()
    return Endpoint(
        method="POST",
        path=path,
        handler=handler,
        summary=summary,
        answer=answer,
        status=status,
        body=body,
        body_needed=body_needed,
        errors=(*missing, *((413,) if body else ()), 503, *errors),
        limit=limit,
        access=access or (Access.OWNER if "{id}" in path else Access.CALLER),
        scope=scope,
        keeps=keeps,
        heals=limit == "debates",
    )


def delete(
    path: str,
    handler: Handler,
    summary: str,
    answer: type,
    *,
    errors: tuple[int, ...] = (),
    access: Access = Access.CALLER,
    scope: str = "",
) -> Endpoint:
    """A row that takes something away."""
    return Endpoint(
        method="DELETE",
        path=path,
        handler=handler,
        summary=summary,
        answer=answer,
        errors=(404, 503, *errors),
        access=access,
        scope=scope,
    )
