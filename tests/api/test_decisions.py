"""Receipts and decisions over HTTP: they say what the command line says, and no forgery passes."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aragora.debate.receipt import Fields
from aragora.debate.rules import RULES
from aragora.receipts.check import check
from builders import Served, served
from people import Person

KEY = "11" * 32
BODY = {
    "agents": ["sim:p=0.9", "sim:p=0.6;fault=0.2", "sim:p=0.5;conform=0.5"],
    "options": ["right", "wrong"],
    "seed": 4,
    "rounds": 2,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that signs."""
    with served(tmp_path_factory.mktemp("decisions"), signing_key=KEY) as server:
        yield server


@pytest.fixture(scope="module")
def debate_id(server: Served) -> str:
    """A debate that has ended."""
    return Person(server).held("Which is true?", **BODY)


@pytest.fixture(scope="module")
def receipt(server: Served, debate_id: str) -> dict[str, Any]:
    """Its receipt."""
    answer = server.ask(f"/api/debates/{debate_id}/receipt")
    assert 200 == answer.status, answer.body
    found: dict[str, Any] = answer.json
    return found


def verified(server: Served, receipt: Fields, query: str = "") -> dict[str, Any]:
    """What the server finds in a receipt."""
    answer = server.ask(f"/api/receipts/verify{query}", json.dumps(receipt).encode())
    assert 200 == answer.status, answer.body
    found: dict[str, Any] = answer.json
    return found


def test_a_receipt_is_whole_here_and_without_the_server(server: Served, receipt: dict[str, Any]) -> None:
    """Server and library agree that it is whole, and whose key signed it."""
    found = verified(server, receipt, f"?key={receipt['signature']['public_key']}&head={receipt['head']}")
    assert (True, None, [], receipt["signature"]["public_key"]) == (
        found["whole"],
        found["altered"],
        found["flaws"],
        found["signed_by"],
    )
    assert check(receipt).whole


@pytest.mark.parametrize(
    ("path", "altered"),
    [
        (("topic",), "topic"),
        (("dissent",), "dissent"),
        (("terms", "rule"), "terms.rule"),
        (("transcript", 1, "data", "content"), "transcript[1].data.content"),
        (("head",), "head"),
    ],
)
def test_the_first_altered_field_is_named(
    server: Served, receipt: dict[str, Any], path: tuple[str | int, ...], altered: str
) -> None:
    """Whatever is rewritten is named; what was sent is not echoed."""
    forged = copy.deepcopy(receipt)
    place: Any = forged
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = "xyzzy"
    found = verified(server, forged)
    assert (False, altered) == (found["whole"], found["altered"])
    assert "xyzzy" not in json.dumps(found["flaws"] + found["notes"])


def test_a_signature_by_another_key_is_a_flaw(server: Served, receipt: dict[str, Any]) -> None:
    """A receipt that somebody else signed, or nobody, is not the one that the reader's key is for."""
    assert "signature" == verified(server, receipt, f"?key={'00' * 32}")["altered"]
    unsigned = {name: value for name, value in receipt.items() if name != "signature"}
    assert "signature" == verified(server, unsigned, f"?key={'00' * 32}")["altered"]
    assert verified(server, unsigned)["whole"]


def test_what_is_no_receipt_is_refused_or_found_flawed(server: Served, receipt: dict[str, Any]) -> None:
    """No body is a server fault, and none makes it work for long."""
    assert [400, 400] == [server.ask("/api/receipts/verify", body).status for body in (b"", b"[1]")]
    assert 400 == server.ask("/api/receipts/verify", b'{"a":' * 5000).status
    assert not verified(server, {})["whole"]
    assert not verified(server, {"schema": receipt["schema"], "debate_id": "x", "transcript": []} | {"events": []})["whole"]
    huge = copy.deepcopy(receipt)
    huge["transcript"][0]["data"] |= {"seats": [], "rounds": 10**12}
    assert 400 == server.ask("/api/receipts/verify", huge).status


@pytest.mark.parametrize(
    ("form", "kind", "text"), [("md", "text/markdown", "# Receipt"), ("html", "text/html", "<h1>Receipt of a debate</h1>")]
)
def test_a_receipt_for_people(server: Served, debate_id: str, form: str, kind: str, text: str) -> None:
    """Markdown and HTML, with a name to keep them under."""
    answer = server.ask(f"/api/debates/{debate_id}/receipt?format={form}")
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert headers["content-type"].startswith(kind)
    assert f'filename="debate-{debate_id}-receipt.{form}"' in headers["content-disposition"]
    assert text in answer.body.decode()


def test_one_event_is_proved(server: Served, debate_id: str, receipt: dict[str, Any], tmp_path: Path) -> None:
    """The proof leads to the root of the receipt; an event that is not there cannot be proved."""
    proof = server.ask(f"/api/debates/{debate_id}/receipt?prove=2").json
    assert (receipt["root"], receipt["transcript"][1]["data"]) == (proof["root"], proof["event"]["data"])
    assert [400, 400] == [server.ask(f"/api/debates/{debate_id}/receipt?{q}").status for q in ("prove=9999", "format=pdf")]


def test_every_rule_is_shown_with_how_close_it_was(server: Served) -> None:
    """One row a rule; the brief's own agrees with the debate; a flip names whom it would elect."""
    debate_id = Person(server).held("Which is best?", agents=["demo", "demo:sceptic", "demo:analyst"], rounds=2)
    shown = server.ask(f"/api/debates/{debate_id}").json
    answer = server.ask(f"/api/debates/{debate_id}/decisions").json
    rows = {row["rule"]: row for row in answer["decisions"]}
    assert (list(RULES), shown["rule"]) == (list(rows), answer["rule"])
    assert [shown["rule"]] == [name for name, row in rows.items() if row["own"]]
    assert shown["winner"] == rows[shown["rule"]]["winner"]
    assert all((row["flip"] is None) == (row["flip_to"] is None) for row in rows.values())
    assert any(row["flip"] for row in rows.values())
    assert shown["winner"] in {each["agent"] for each in answer["answers"]}


def test_a_debate_without_such_a_vote_says_so(server: Served) -> None:
    """Where a vote was not on answers of seats there are no rows and a note; before the end there is a conflict."""
    numbers = Person(server).held("How many?", agents=["demo", "demo"], protocol="delphi", rounds=1)
    answer = server.ask(f"/api/debates/{numbers}/decisions").json
    assert ([], True) == (answer["decisions"], bool(answer["note"]))
    waits = Person(server).hold("When?", agents=["demo", "demo"], start=False)
    assert 409 == server.ask(f"/api/debates/{waits}/decisions").status
    assert 400 == server.ask(f"/api/debates/{waits}/receipt").status
