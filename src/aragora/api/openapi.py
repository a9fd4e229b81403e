"""The OpenAPI 3.1 document, made from the route table and the types that parse bodies and shape answers. Imports siblings."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from aragora import __version__
from aragora.api import Endpoint, Param
from aragora.api.answers import JSON, Problem

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
    400: "The request cannot be right.",
    403: "Not allowed.",
    404: "There is no such thing.",
    409: "Not in this state.",
    413: "Over a bound on size.",
    429: "Too many requests.",
    500: "A fault of the server.",
    503: "Not available now.",
}


def document(endpoints: Sequence[Endpoint]) -> bytes:
    """The document as JSON."""
    kinds = [Problem, *(kind for each in endpoints for kind in (each.body, each.answer) if isinstance(kind, type))]
    unique = list(dict.fromkeys(kinds))
    schemas, components = msgspec.json.schema_components(unique, ref_template=REFERENCE)
    schema_of = dict(zip(unique, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, schema_of)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Aragora", "version": __version__, "description": "Debates between language models, watched live."},
            "paths": paths,
            "components": {"schemas": components},
        }
    )


def _operation(endpoint: Endpoint, schema_of: dict[type, dict[str, Any]]) -> dict[str, Any]:
    problem = {"content": {PROBLEM_JSON: {"schema": schema_of[Problem]}}}
    answer = endpoint.answer
    content = {JSON: {"schema": schema_of[answer]}} if isinstance(answer, type) else {answer: {}}
    content |= {kind: {"schema": {"type": "string"}} for kind in endpoint.media}
    answers = {str(code): {"description": WORDS[code], **problem} for code in (*ALWAYS, *endpoint.errors)}
    for code in (endpoint.status, *endpoint.also):
        answers[str(code)] = {"description": WORDS[code], **({} if code in EMPTY else {"content": content})}
    described: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": f"{endpoint.method.lower()}{endpoint.path}".translate(str.maketrans("/{}.", "____")),
        "parameters": [*_path_params(endpoint), *(_param(param) for param in endpoint.params)],
        "responses": dict(sorted(answers.items())),
    }
    if endpoint.body is not None:
        described["requestBody"] = {"required": endpoint.body_needed, "content": {JSON: {"schema": schema_of[endpoint.body]}}}
    return described


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
