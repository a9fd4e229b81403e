"""The commands about decisions, as a person types them: redecide, receipt, verify, bench."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

KEY = "11" * 32
AGENTS = "sim:p=0.9,sim:p=0.6;fault=0.2,sim:p=0.5;conform=0.5"


def aragora(folder: Path, *arguments: str, key: str = "") -> tuple[int, str, str]:
    """Run a command in a folder of its own; the code, what it wrote, and what it complained of."""
    source = str(Path(__file__).parents[2] / "src")
    environment = {"PYTHONPATH": source, "PATH": "/usr/bin:/bin", "ARAGORA_SIGNING_KEY": key, "HOME": str(folder)}
    command = [sys.executable, "-m", "aragora", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one debate of simulated agents was held."""
    found = tmp_path_factory.mktemp("decisions")
    options = ("--option", "right", "--option", "wrong", "--seed", "4", "--rounds", "2")
    code, _, complaint = aragora(found, "debate", "Which is true?", "--agents", AGENTS, *options, "--json")
    assert (0, "") == (code, complaint)
    return found


def the_id(folder: Path) -> str:
    """The id of that debate."""
    return str(json.loads(aragora(folder, "list", "--json")[1])["id"])


def a_receipt(folder: Path, *, key: str = "") -> Path:
    """Write its receipt to a file."""
    code, written, complaint = aragora(folder, "receipt", the_id(folder), key=key)
    assert (0, "") == (code, complaint)
    file = folder / f"receipt{bool(key)}.json"
    file.write_text(written, "utf-8")
    return file


def test_redecide_shows_every_rule_side_by_side(folder: Path) -> None:
    """One row a rule, as a table and as JSON; an unknown rule is refused."""
    code, table, _ = aragora(folder, "redecide", the_id(folder))
    assert code == 0
    assert "schulze" in table
    rows = aragora(folder, "redecide", the_id(folder), "--json")[1].splitlines()
    assert len(rows) == len({json.loads(row)["rule"] for row in rows}) == 14
    assert 2 == aragora(folder, "redecide", the_id(folder), "--rule", "dice")[0]


@pytest.mark.parametrize("key", ["", KEY])
def test_a_receipt_is_verified_and_a_forged_one_is_not(folder: Path, key: str) -> None:
    """Exit code 0 only when it is whole; the first altered field is named."""
    file = a_receipt(folder, key=key)
    code, said, _ = aragora(folder, "verify", str(file))
    assert (0, True) == (code, said.startswith("WHOLE"))
    forged = json.loads(file.read_text("utf-8"))
    forged["dissent"] = ["nobody"]
    file.write_text(json.dumps(forged), "utf-8")
    code, said, _ = aragora(folder, "verify", str(file))
    assert (1, "ALTERED: dissent") == (code, said.splitlines()[0])


def test_verify_asks_for_the_key_that_it_was_told(folder: Path) -> None:
    """An unsigned receipt does not pass where a signature is wanted."""
    code, said, _ = aragora(folder, "verify", str(a_receipt(folder)), "--key", "ab" * 32)
    assert (1, "ALTERED: signature") == (code, said.splitlines()[0])


def test_one_argument_is_proved_to_belong(folder: Path) -> None:
    """The proof is checked like a receipt, against its root."""
    file = folder / "proof.json"
    file.write_text(aragora(folder, "receipt", the_id(folder), "--prove", "3")[1], "utf-8")
    root = json.loads(a_receipt(folder).read_text("utf-8"))["root"]
    assert 0 == aragora(folder, "verify", str(file), "--head", root)[0]
    assert 1 == aragora(folder, "verify", str(file), "--head", "00" * 32)[0]


@pytest.mark.parametrize("content", ["", "[]", "not json", "\xff"])
def test_a_file_that_is_no_receipt_is_no_traceback(folder: Path, content: str) -> None:
    """One line, and a code."""
    (folder / "odd").write_bytes(content.encode("latin-1"))
    code, _, complaint = aragora(folder, "verify", "odd")
    assert code == 2
    assert complaint.startswith("aragora: ")
    assert "Traceback" not in complaint


@pytest.mark.parametrize("form", ["markdown", "html"])
def test_a_receipt_for_people(folder: Path, form: str) -> None:
    """The question stands in it."""
    assert "Which is true?" in aragora(folder, "receipt", the_id(folder), "--format", form)[1]


def test_the_headline_ranking_is_fitted_over_what_is_stored(folder: Path) -> None:
    """One debate is too few games for a rank, and the table says so."""
    code, said, _ = aragora(folder, "leaderboard")
    assert (0, True) == (code, "fewer than 10 games" in said)
    code, said, told = aragora(folder, "leaderboard", "--recompute", "--json")
    rows = [json.loads(line) for line in said.splitlines()]
    assert (0, 3, True) == (code, len(rows), "the same" in told)
    assert all(row["strength_low"] < row["strength"] < row["strength_high"] for row in rows)
    assert (0, "") == aragora(folder, "leaderboard", "--judged-by", "people", "--json")[:2]


def test_memory_is_listed_searched_shown_and_forgotten(folder: Path) -> None:
    """What the debate settled is there, with where it is from; what is forgotten is gone."""
    rows = [json.loads(line) for line in aragora(folder, "memory", "list", "--json")[1].splitlines()]
    assert {the_id(folder)} == {row["debate_id"] for row in rows}
    kept = rows[0]["id"]
    assert kept in aragora(folder, "memory", "search", "which", "true")[1]
    assert f"of debate {the_id(folder)}" in aragora(folder, "memory", "show", kept)[1]
    assert (0, "") == aragora(folder, "memory", "forget", kept)[:2]
    assert 0 != aragora(folder, "memory", "forget", kept)[0]
    code, said, _ = aragora(folder, "memory", "consolidate")
    assert (0, True) == (code, "0 due" in said)


def test_bench_writes_tables_for_people_and_machines(folder: Path) -> None:
    """The exit code says whether every known figure was met."""
    code, said, _ = aragora(folder, "bench", "--only", "E10,E11", "--html", "bench.html")
    assert (0, True) == (code, "Tennessee" in said)
    assert "Tennessee" in (folder / "bench.html").read_text("utf-8")
    code, said, _ = aragora(folder, "bench", "--only", "E11", "--json")
    assert (0, ["E11"]) == (code, [table["id"] for table in json.loads(said)])
    assert 2 == aragora(folder, "bench", "--only", "E99")[0]


def test_bench_compares_a_panel_on_questions(folder: Path) -> None:
    """With agents of any kind; here simulated ones."""
    question = {"topic": "Which?", "options": ["right", "wrong"], "answer": "right"}
    (folder / "questions.jsonl").write_text(json.dumps(question) + "\n", "utf-8")
    code, said, _ = aragora(folder, "bench", "--questions", "questions.jsonl", "--agents", AGENTS)
    assert (0, True) == (code, "McNemar" in said)
