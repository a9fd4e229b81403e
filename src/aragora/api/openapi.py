"""The OpenAPI 3.1 document, made from the route table and the types that parse bodies and shape answers. Imports siblings."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from aragora import __version__
from aragora.api import Endpoint, Param
from aragora.api.answers import JSON, Problem
from aragora.api.cookie import NAME
from aragora.auth import Access, Mode

PROBLEM_JSON = "application/problem+json"
REFERENCE = "#/components/schemas/{name}"
# Statuses without a body.
EMPTY = (202, 204)
# Any endpoint may answer these.
ALWAYS = (400, 403, 429, 500)
WORDS = {
    200: "Done.",
    201: "Made.",
    202: "Heard; there is nothing to answer.",
    204: "Nothing more will come.",
    304: "As you have it.",
    400: "The request cannot be right.",
    401: "Who are you?",
    403: "Not allowed.",
    404: "There is no such thing.",
    409: "Not in this state.",
    413: "Over a bound on size.",
    422: "This Idempotency-Key was used for another request.",
    429: "Too many requests.",
    500: "A fault of the server.",
    503: "Not available now.",
}


BEARER, COOKIE, LINK = "bearer", "cookie", "share"
ABOUT_COOKIE = "The session of a browser, by `cookie: true` at login; its name ends in `_PORT` where the address has one."
SCHEMES = {
    BEARER: {"type": "http", "scheme": "bearer", "description": "An access token of a login, or an API key."},
    COOKIE: {"type": "apiKey", "in": "cookie", "name": NAME, "description": ABOUT_COOKIE},
    LINK: {"type": "apiKey", "in": "query", "name": "share", "description": "The token of a share link."},
}
REPEATED = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same request does it once and gets the same answer, for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def document(endpoints: Sequence[Endpoint], mode: Mode = Mode.OFF) -> bytes:
    """The document as JSON; `mode` says whether callers log in."""
    kinds = [Problem, *(kind for each in endpoints for kind in (each.body, each.answer, each.other) if isinstance(kind, type))]
    unique = list(dict.fromkeys(kinds))
    schemas, components = msgspec.json.schema_components(unique, ref_template=REFERENCE)
    schema_of = dict(zip(unique, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schema_of, mode)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Aragora", "version": __version__, "description": "Debates between language models, watched live."},
            "paths": paths,
            "components": {"schemas": components, "securitySchemes": SCHEMES},
        }
    )


def _operation(endpoint: Endpoint, schema_of: dict[type, dict[str, Any]], mode: Mode) -> dict[str, Any]:
    problem = {"content": {PROBLEM_JSON: {"schema": schema_of[Problem]}}}
    answer = endpoint.answer
    content = {JSON: {"schema": schema_of[answer]}} if isinstance(answer, type) else {answer: {}}
    if endpoint.other is not None:
        content[JSON] = {"schema": {"anyOf": [content[JSON]["schema"], schema_of[endpoint.other]]}}
    content |= {kind: {"schema": {"type": "string"}} for kind in endpoint.media}
    answers = {str(code): {"description": WORDS[code], **problem} for code in (*ALWAYS, *endpoint.errors, *_errors(endpoint))}
    if endpoint.method == "GET" and endpoint.limit != "none":
        answers["304"] = {"description": WORDS[304]}
    for code in (endpoint.status, *endpoint.also):
        answers[str(code)] = {"description": WORDS[code], **({} if code in EMPTY else {"content": content})}
    described: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": f"{endpoint.method.lower()}{endpoint.path}".translate(str.maketrans("/{}.", "____")),
        "parameters": [
            *_path_params(endpoint),
            *(_param(param) for param in endpoint.params),
            *([REPEATED] if endpoint.method == "POST" else []),
        ],
        "security": _security(endpoint, mode),
        "responses": dict(sorted(answers.items())),
    }
    if endpoint.body is not None:
        described["requestBody"] = {"required": endpoint.body_needed, "content": {JSON: {"schema": schema_of[endpoint.body]}}}
    return described


def _errors(endpoint: Endpoint) -> Iterator[int]:
    """What the door may answer before the handler is reached."""
    if endpoint.access is not Access.ANYONE:
        yield 401
    if endpoint.access in {Access.READER, Access.OWNER}:
        yield 404
    if endpoint.method == "POST":
        yield from (409, 413, 422, 503)


def _security(endpoint: Endpoint, mode: Mode) -> list[dict[str, list[str]]]:
    """Which of the schemes lead in; an empty one means that none is needed."""
    if endpoint.access is Access.ANYONE:
        return [{}]
    ways: list[dict[str, list[str]]] = [{BEARER: []}, {COOKIE: []}]
    if endpoint.access is Access.READER and endpoint.method == "GET":
        ways.append({LINK: []})
    needed = (
        endpoint.access is Access.ACCOUNT or mode is Mode.REQUIRED or (endpoint.access is Access.ADMIN and mode is not Mode.OFF)
    )
    return ways if needed else [*ways, {}]


# What the named parts of paths are.
NAMED = {
    "id": "The debate.",
    "slug": "The readable name of a debate.",
    "format": "json, csv, html, md or txt.",
    "batch_id": "The batch.",
    "name": "The agent.",
    "other": "The other agent.",
    "memory_id": "The memory.",
    "tier": "fast, medium or slow.",
    "hook_id": "The webhook.",
    "match_id": "The match.",
    "model": "The model, as /v1/models lists it.",
    "session_id": "The session.",
    "key_id": "The key's id or prefix.",
    "token": "The token of a share link.",
}


def _path_params(endpoint: Endpoint) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", endpoint.path)
    return [
        {"name": name, "in": "path", "required": True, "description": NAMED[name], "schema": {"type": "string"}} for name in names
    ]


def _param(param: Param) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if param.choices:
        schema["enum"] = list(param.choices)
    if param.low is not None:
        schema = {"type": "integer", "minimum": param.low, "maximum": param.high}
    return {"name": param.name, "in": "query", "description": param.about, "schema": schema}
