"""`aragora loadtest`, typed as an operator types it, against real servers."""

import ast
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aragora.cli import load
from builders import WAIT_S, Served, served
from people import a_person

ROOT = Path(__file__).parents[2]
LOCUST = ROOT / "tests/load/locustfile.py"


def command(url: str, *words: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "aragora", "loadtest", "--url", url, *words]


def environ(key: str = "") -> dict[str, str]:
    """What the command is started with."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), "ARAGORA_API_KEY": key}


def run(url: str, *words: str, key: str = "") -> tuple[int, str, str]:
    """Its exit code, what it wrote, and what it complained of."""
    done = subprocess.run(command(url, *words), env=environ(key), capture_output=True, text=True, timeout=WAIT_S, check=False)
    return done.returncode, done.stdout, done.stderr


def address(server: Served) -> str:
    """Where a server is."""
    return f"http://127.0.0.1:{server.api_port}"


def test_every_row_is_asked_and_none_fails(tmp_path: Path) -> None:
    """REST and WebSocket users at once; each row stands beside its objective."""
    with served(tmp_path) as server:
        code, text, complaint = run(address(server), "--users", "44", "--seconds", "6")
        _, written, _ = run(address(server), "--users", "11", "--seconds", "2", "--json")
    assert "" == complaint
    lines = text.splitlines()
    assert len(load.P99_MS_MAX) == len([line for line in lines if "p99 < " in line])
    assert [] == [line for line in lines[1:] if "failed" in line.partition(": ")[2] or "never asked" in line]
    assert code == (1 if "is not below" in text else 0)
    assert set(load.P99_MS_MAX) == set(json.loads(written)["rows"])


def test_failures_are_named_and_make_it_fail(tmp_path: Path) -> None:
    """A server that limits rates refuses most of a load; the answer to that is said."""
    with served(tmp_path, rate_limit_default=3) as server:
        code, text, _ = run(address(server), "--users", "20", "--seconds", "3", "--no-watchers")
    assert 1 == code
    assert "HTTP 429" in text
    assert "ARAGORA_RATE_LIMIT_DEFAULT=0" in text
    assert re.search(r"\d+ of \d+ failed", text)


def test_a_row_that_misses_its_objective_is_found() -> None:
    """By its p99, by its failures, and by having shown nothing."""
    row = load.Row(load.CONNECT)
    assert ["never asked"] == [*row.flaws()]
    row.took_ms.extend([1.0] * 2000)
    assert [] == [*row.flaws()]
    row.faults["HTTP 500"] += 2
    assert [] == [*row.flaws()]
    row.faults["OSError"] += 1
    assert ["3 of 2003 failed"] == [*row.flaws()]
    row.took_ms.extend([200.0] * 30)
    assert "p99 is not below 200 ms" in [*row.flaws()]


def test_interrupted_it_prints_what_it_measured(tmp_path: Path) -> None:
    """Ctrl-C on a load of hours is no loss."""
    with served(tmp_path) as server:
        told = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command(address(server), "--profile", "soak"), env=environ(), **told) as process:  # type: ignore[call-overload]
            while 'endpoint="/api/debates",method="POST"' not in server.ask("/metrics").body.decode():
                pass
            process.send_signal(signal.SIGINT)
            text, complaint = process.communicate(timeout=WAIT_S)
    assert (130, "") == (process.returncode, complaint)
    assert load.CREATE in text


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "http://127.0.0.1:99999"])
def test_no_server_is_said_in_one_line(url: str) -> None:
    """Not as many failures as there are users."""
    code, text, complaint = run(url)
    assert (5, "") == (code, text)
    assert re.fullmatch(r"aragora: no server answers at .+\n", complaint)


def test_a_server_that_wants_a_key_is_given_one(tmp_path: Path) -> None:
    """From ARAGORA_API_KEY; without it, that is what is said."""
    with served(tmp_path, auth="required") as server:
        code, _, complaint = run(address(server))
        assert (5, True) == (code, "set ARAGORA_API_KEY" in complaint)
        key = a_person(server, "ann").key("read", "write").token
        _, text, _ = run(address(server), "--users", "11", "--seconds", "3", "--json", key=key)
    assert {} == {name: row["faults"] for name, row in json.loads(text)["rows"].items() if row["faults"]}


def test_profiles_are_those_of_the_locust_file() -> None:
    """One is for those who install nothing, the other for those who have Locust; they ask for the same."""
    tree = ast.parse(LOCUST.read_text("utf-8"))
    values = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    stated = eval(ast.unparse(values["PROFILES"]), {"Stage": load.Stage})
    assert (load.PROFILES, load.BODY) == (stated, ast.literal_eval(values["BODY"]))
    weights = [int(found) for found in re.findall(r"@task\((\d+)\)", LOCUST.read_text("utf-8"))]
    assert [*load.WEIGHTS.values()] == weights
