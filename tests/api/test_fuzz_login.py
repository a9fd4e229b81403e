"""A fuzzer that knows the document, on a server that asks everybody to log in: with a key, and without one."""

import subprocess
import sys
from pathlib import Path

import pytest

from builders import served
from people import a_person

EXAMPLES = 5
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth"


@pytest.mark.timeout(900)
def test_fuzzer_finds_no_way_in(tmp_path: Path) -> None:
    """No 5xx, nothing undocumented, and no success without the login that the document asks for."""
    with served(tmp_path / "server", auth="required") as server:
        key = a_person(server, "fuzzer").key("read", "write", "account")
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.api_port}/openapi.json"),
            *("--header", f"Authorization: Bearer {key.token}", "--checks", CHECKS),
            *("--max-examples", str(EXAMPLES), "--seed", "1", "--exclude-path-regex", "^/api/v1/", "--no-color"),
            *("--phases", "coverage,fuzzing", "--exclude-method", "DELETE"),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert 0 == done.returncode, done.stdout[-5000:] + done.stderr[-2000:]
        assert 200 == key.ask("/api/auth/me").status
        assert not [line for line in server.lines if '"request failed"' in line]
