"""The OpenAPI document says what the server does: made from the same types, and held against it by a fuzzer."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from aragora.api.routes import endpoints
from builders import Served, served

EXAMPLES = 10


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all the tests here."""
    with served(tmp_path_factory.mktemp("openapi")) as server:
        yield server


def test_document_names_every_route(server: Served) -> None:
    """Every endpoint is in the document, under /api and /api/v1 alike, and nothing else is."""
    paths = server.ask("/openapi.json").json["paths"]
    said = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert {(endpoint.method, endpoint.path) for endpoint in endpoints()} == said
    plain = {(method, path.replace("/api/v1/", "/api/")) for method, path in said}
    assert {(method, path) for method, path in said if not path.startswith("/api/v1/")} == plain


def test_answers_are_as_described(server: Served) -> None:
    """What the server answers to well-meant requests fits the schema that the document gives for it."""
    document = server.ask("/openapi.json").json
    created = server.ask("/api/debates", {"topic": "Is it as described?", "agents": ["demo", "demo:sceptic"], "rounds": 1}).json
    asked = {path: path.replace("{id}", created["id"]) for path in document["paths"] if "get" in document["paths"][path]}
    for template, path in asked.items():
        answer = server.ask(path)
        content = document["paths"][template]["get"]["responses"][str(answer.status)]["content"]
        if "application/json" in content:
            schema = {**content["application/json"]["schema"], "components": document["components"]}
            jsonschema.validate(answer.json, schema)


@pytest.mark.timeout(600)
def test_fuzzer_finds_nothing(server: Served, tmp_path: Path) -> None:
    """A fuzzer that knows the document finds no 5xx, no undocumented answer and no answer that does not fit."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.api_port}/openapi.json"),
        *("--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"),
        *("--max-examples", str(EXAMPLES), "--seed", "1", "--exclude-path-regex", "^/api/v1/", "--no-color"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout[-5000:] + done.stderr[-2000:]
    assert "tested" in done.stdout.lower(), done.stdout
    print(done.stdout[-800:])
    assert 200 == server.ask("/api/health").status
    assert not [json.loads(line) for line in server.lines if '"request failed"' in line]


@pytest.mark.timeout(600)
def test_fuzzer_finds_nothing_under_real_ids(tmp_path: Path) -> None:
    """The same, with ids of things that there are, so that what lies behind a 404 is reached too."""
    with served(tmp_path / "server") as server:
        asked = {"topic": "Is there more?", "agents": ["demo:optimist", "demo:sceptic"], "rounds": 1}
        made = [server.ask("/api/debates", {**asked, "seed": seed}).json for seed in range(8)]
        waits = server.ask("/api/debates", {**asked, "agents": ["demo", "person"]}).json["id"]
        memory = server.ask("/api/memory/store", {"content": "A thing to find.", "tier": "slow"}).json["id"]
        batch = server.ask("/api/debates/batch", {"requests": [asked]}).json["batch_id"]
        hook = server.ask("/api/webhooks", {"url": "https://example.com/hook"}).json["id"]
        for each in made:
            server.ask(f"/api/debates/{each['id']}/events/stream")
        known = {
            "id": [waits, *(each["id"] for each in made)],
            "slug": [each["slug"] for each in made],
            "memory_id": [memory],
            "batch_id": [batch],
            "hook_id": [hook],
            "name": ["demo:optimist"],
            "other": ["demo:sceptic"],
            "format": ["json", "csv", "html", "md", "txt"],
            "tier": ["fast", "slow"],
            "model": ["debate"],
        }
        lines = [f'"path.{name}" = {json.dumps(values)}' for name, values in known.items()]
        (tmp_path / "schemathesis.toml").write_text("\n".join(["[parameters]", *lines]) + "\n")
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.api_port}/openapi.json"),
            *("--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"),
            *("--max-examples", str(EXAMPLES), "--seed", "1", "--include-path-regex", "^/api/(?!v1/).*{", "--no-color"),
            *("--phases", "coverage,fuzzing", "--exclude-method", "DELETE"),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert 0 == done.returncode, done.stdout[-5000:] + done.stderr[-2000:]
        assert not [line for line in server.lines if '"request failed"' in line]
