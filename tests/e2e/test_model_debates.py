"""Whole debates with models over real HTTP, in processes of their own: failures named, crashes cheap, keys nowhere."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from model_builders import PROVIDERS, models

ROOT = Path(__file__).parents[2]
KEYS = {
    "OPENAI_API_KEY": "sk-planted-openai-0123456789",
    "ANTHROPIC_API_KEY": "planted:of:an:unusual:shape",
    "GEMINI_API_KEY": "AIzaPlanted0123456789abcdefghij",
    "MISTRAL_API_KEY": "plantedmistral0123456789",
}
HEADER_SECRET = "planted-header-value-42"
WAIT_S = 30.0


@dataclass(frozen=True)
class Place:
    """A folder with a configuration that reaches every vendor at the models server."""

    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        """What a process of ours is started with."""
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), "ARAGORA_TURN_TIMEOUT_S": "3", **KEYS}

    def command(self, *words: str) -> list[str]:
        """One of our commands."""
        return [sys.executable, "-m", "aragora", *words]

    def debate(self, *words: str) -> tuple[list[dict[str, object]], str]:
        """Hold a debate in the terminal: its wire events, and what went to standard error."""
        command = self.command("debate", "Does iron float?", "--rounds", "1", "--json", *words)
        done = subprocess.run(command, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=60, check=False)
        return [json.loads(line) for line in done.stdout.splitlines()], done.stderr

    @contextmanager
    def serving(self) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """A server of ours, and the URL of its API; its standard error goes to a file in the folder."""
        command = self.command("serve", "--api-port", "0", "--ws-port", "0")
        with (
            (self.folder / "stderr").open("a") as errors,
            subprocess.Popen(
                command, cwd=self.folder, env=self.environ, stdout=subprocess.PIPE, stderr=errors, text=True
            ) as process,
        ):
            try:
                assert process.stdout is not None
                yield process, process.stdout.readline().split()[3]
            finally:
                process.kill()


def a_place(folder: Path, url: str, more: str = "") -> Place:
    """Write the configuration."""
    tables = [f'[providers.{name}]\nbase_url = "{url}{path}"' for name, path in PROVIDERS.items()]
    (folder / "aragora.toml").write_text("\n".join([*tables, more]))
    return Place(folder)


def get(url: str) -> dict[str, object]:
    """A JSON document; that of an error too."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            told: dict[str, object] = json.loads(response.read())
    except urllib.error.HTTPError as error:
        told = json.loads(error.read())
    return told


def post(url: str, body: Mapping[str, object]) -> dict[str, object]:
    """What a POST is answered with."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        told: dict[str, object] = json.loads(response.read())
        return told


def events_of(api: str, debate_id: str) -> list[dict[str, object]]:
    """The log of a debate."""
    events = get(f"{api}/api/debates/{debate_id}/events?limit=1000")["events"]
    assert isinstance(events, list)
    return events


def turns_in(events: list[dict[str, object]]) -> int:
    """How many turns a log holds: texts, ballots and abstentions of seats."""
    return sum(1 for event in events if event["type"] in ("agent_message", "vote_cast", "agent_abstained"))


def until_ended(api: str, debate_id: str) -> list[dict[str, object]]:
    """The log of a debate once it has ended."""
    ends = time.monotonic() + WAIT_S
    while time.monotonic() < ends:
        events = events_of(api, debate_id)
        if events and events[-1]["type"] == "debate_end":
            return events
        time.sleep(0.05)
    raise AssertionError(f"the debate did not end within {WAIT_S} s")


def data_of(event: Mapping[str, object]) -> dict[str, object]:
    """What an event tells."""
    data = event["data"]
    assert isinstance(data, dict)
    return data


def calls_at(url: str) -> dict[str, int]:
    """How often each model was called, by the server's own count."""
    calls = get(f"{url}/calls")["calls"]
    assert isinstance(calls, dict)
    return calls


FOUR = "anthropic:hang,openai:529,google:length,mistral:ok"


@pytest.mark.parametrize(("quorum", "outcome"), [((), "insufficient_quorum"), (("--quorum", "1"), "degraded")])
def test_of_four_models_three_fail(tmp_path: Path, quorum: tuple[str, ...], outcome: str) -> None:
    """One hangs, one is too busy, one is cut short, one works: the debate ends in time and says all of that."""
    with models() as url:
        began = time.monotonic()
        events, errors = a_place(tmp_path, url).debate("--agents", FOUR, *quorum)
        seconds = time.monotonic() - began
    assert events, errors
    end = data_of(events[-1])
    assert end["outcome"] == outcome
    missing = end["missing"]
    assert isinstance(missing, list)
    faults = {(turn["seat"], turn["fault"]) for turn in missing}
    assert faults == {("anthropic:hang", "timeout"), ("openai:529", "overloaded"), ("google:length", "truncated")}
    spoken = {str(data_of(event)["seat"]) for event in events if event["type"] in ("agent_message", "vote_cast")}
    assert spoken == {"mistral:ok"}
    assert all(data_of(event)["choice"] == "mistral:ok" for event in events if event["type"] == "vote_cast")
    turns = 4
    assert seconds < turns * (3 + 1) + WAIT_S / 2  # each step is over when the slowest seat's time is


def test_a_stand_in_is_shown_and_degrades(tmp_path: Path) -> None:
    """A declared fallback answers for a busy model; the outcome names who, for whom and why."""
    alias = '[agents.sceptic]\nmodel = "anthropic:529"\npersona = "You doubt."\nfallback = ["openai:ok"]'
    with models() as url:
        events, errors = a_place(tmp_path, url, alias).debate("--agents", "sceptic,google:ok,mistral:ok")
    assert events, errors
    end = data_of(events[-1])
    assert end["outcome"] == "degraded"
    assert end["missing"] == []
    replaced = end["replaced"]
    assert isinstance(replaced, list)
    assert {(turn["seat"], turn["agent"], turn["fault"]) for turn in replaced} == {("sceptic", "openai:ok", "overloaded")}
    assert [turn["phase"] for turn in replaced] == ["propose", "vote", "critique", "revise", "vote"]


def test_kill_9_repeats_no_recorded_call(tmp_path: Path) -> None:
    """Killed in the middle and started again, the debate ends; the models were asked once for all that was recorded."""
    with models(pace_s=0.05) as url:
        place = a_place(tmp_path, url)
        body = {"topic": "Does iron float?", "agents": ["openai:ok.a", "anthropic:ok.b", "google:ok.c"], "rounds": 3}
        with place.serving() as (process, api):
            debate_id = str(post(f"{api}/api/debates", {**body, "rule": "unanimous"})["id"])
            while turns_in(events_of(api, debate_id)) < 5:
                time.sleep(0.01)
            time.sleep(0.1)
            process.send_signal(signal.SIGKILL)
            process.wait()
        called = sum(calls_at(url).values())
        shown = subprocess.run(
            place.command("show", debate_id, "--json"),
            cwd=tmp_path,
            env=place.environ,
            capture_output=True,
            text=True,
            check=True,
        )
        recorded = turns_in([json.loads(line) for line in shown.stdout.splitlines()])
        with place.serving() as (_, api):
            events = until_ended(api, debate_id)
        lost = called - recorded
        assert 0 <= lost <= 3
        assert sum(calls_at(url).values()) == turns_in(events) + lost
    assert [event["seq"] for event in events] == [*range(1, len(events) + 1)]


def test_keys_are_nowhere(tmp_path: Path) -> None:
    """Vendors that quote keys back, wrong addresses, broken replies: no key is in a log, event, error, row or metric."""
    more = f'[providers.own]\nwire = "openai"\nbase_url = "URL/v1"\nheaders = {{ X-Secret = "{HEADER_SECRET}" }}'
    gone = '[providers.gone]\nwire = "anthropic"\nbase_url = "http://127.0.0.1:9"'
    agents = [
        "openai:auth",
        "anthropic:auth",
        "google:auth",
        "mistral:auth",
        "own:auth",
        "gone:x",
        "openai:bad-json",
        "openai:ok",
    ]
    with models() as url:
        place = a_place(tmp_path, url, f"{more.replace('URL', url)}\n{gone}")
        with place.serving() as (process, api):
            body = {"topic": "Does iron float?", "agents": agents, "rounds": 1, "quorum": 1}
            debate_id = str(post(f"{api}/api/debates", body)["id"])
            events = until_ended(api, debate_id)
            seen = [json.dumps(events)]
            paths = (f"/api/debates/{debate_id}", "/api/agents", "/api/nowhere", "/openapi.json")
            seen += [json.dumps(get(api + path)) for path in paths]
            with urllib.request.urlopen(f"{api}/metrics", timeout=10) as response:
                seen.append(response.read().decode())
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=WAIT_S)
        doctor = subprocess.run(
            place.command("doctor"), cwd=tmp_path, env=place.environ, capture_output=True, text=True, check=False
        )
        settings = subprocess.run(
            place.command("config", "show", "--origin"),
            cwd=tmp_path,
            env=place.environ,
            capture_output=True,
            text=True,
            check=True,
        )
    seen += [doctor.stdout, doctor.stderr, settings.stdout, settings.stderr]
    faults = {data_of(event)["seat"]: event for event in events if event["type"] == "agent_abstained"}
    assert "Incorrect API key provided" in json.dumps(faults["openai:auth"])
    files = [file for file in tmp_path.rglob("*") if file.is_file() and file.name != "aragora.toml"]
    assert {"stderr", "aragora_debates.db"} <= {file.name for file in files}
    everything = "\n".join(seen).encode() + b"\n".join(file.read_bytes() for file in files)
    assert [] == [secret for secret in (*KEYS.values(), HEADER_SECRET) if secret.encode() in everything]


def test_doctor_says_what_is_wrong_in_a_line_each(tmp_path: Path) -> None:
    """A provider that answers, one that has no key, and one that is not there."""
    gone = '[providers.gone]\nwire = "openai"\nbase_url = "http://127.0.0.1:9/v1"\n[providers.deepseek]\ntokens_out_max = 100'
    with models() as url:
        place = a_place(tmp_path, url, gone)
        done = subprocess.run(
            place.command("doctor"), cwd=tmp_path, env=place.environ, capture_output=True, text=True, check=False
        )
    lines = {line[6:].partition(":")[0]: line for line in done.stdout.splitlines()}
    assert lines["anthropic"] == "ok    anthropic: answers, 1 models"
    assert lines["google"] == "ok    google: answers, 1 models"
    assert lines["deepseek"] == "FAIL  deepseek: has no key: set DEEPSEEK_API_KEY or DEEPSEEK_API_KEY_FILE"
    assert lines["gone"].startswith("FAIL  gone: could not be reached: No connection")
    assert done.returncode == 1


def test_a_cost_limit_refuses_calls_and_is_kept(tmp_path: Path) -> None:
    """With a price and a limit of one call, later turns are refused as `budget`, never cut short, and the sum stays below."""
    price = "[providers.own]\nwire = 'openai'\nbase_url = 'URL/v1'\ntokens_out_max = 10\n[providers.own.prices.ok]\n"
    with models() as url:
        place = a_place(tmp_path, url, price.replace("URL", url) + "input = 1.0\noutput = 1000.0\n")
        events, errors = place.debate("--agents", "own:ok,own:ok", "--max-cost", "0.03", "--quorum", "1")
        called = calls_at(url)["ok"]
    assert events, errors
    end = data_of(events[-1])
    costs, missing = end["costs"], end["missing"]
    assert isinstance(costs, list)
    assert isinstance(missing, list)
    assert 0 < costs[-1]["usd"] <= 0.03
    assert {turn["fault"] for turn in missing} == {"budget"}
    assert called == len([event for event in events if event["type"] in ("agent_message", "vote_cast")])


def test_a_ballot_in_prose_is_asked_for_once_more(tmp_path: Path) -> None:
    """The seat that mumbles votes at the second asking, and its turn's counts are those of both calls."""
    with models() as url:
        events, errors = a_place(tmp_path, url).debate("--agents", "openai:mumble,google:ok,mistral:ok")
        called = calls_at(url)
    assert events, errors
    ballots = {str(data_of(event)["seat"]): data_of(event) for event in events if event["type"] == "vote_cast"}
    assert set(ballots) == {"openai:mumble", "google:ok", "mistral:ok"}
    spoken = [event for event in events if event["type"] == "agent_message" and data_of(event)["seat"] == "openai:mumble"]
    assert called["mumble"] == len(spoken) + 2 * 2  # two votes, the blind one and the last, each asked twice
    assert ballots["openai:mumble"]["usage"] != ballots["google:ok"]["usage"]


def test_streams_are_asked_for_only_while_somebody_follows(tmp_path: Path) -> None:
    """Nobody watches: whole replies. The terminal watches: streams, of which the pieces are not kept."""
    with models() as url:
        place = a_place(tmp_path, url)
        with place.serving() as (_, api):
            body = {"topic": "Does iron float?", "agents": ["openai:ok", "anthropic:ok"], "rounds": 1}
            until_ended(api, str(post(f"{api}/api/debates", body)["id"]))
        unwatched = streams_at(url)
        place.debate("--agents", "openai:ok,anthropic:ok")
        watched = streams_at(url)
    assert not any(unwatched)
    assert len(watched) > len(unwatched)
    assert all(watched[len(unwatched) :])


def streams_at(url: str) -> list[bool]:
    """Of each call to the models server, whether a stream was asked for."""
    seen = get(f"{url}/calls")["seen"]
    assert isinstance(seen, list)
    return ["stream" in call["body"] for call in seen]
