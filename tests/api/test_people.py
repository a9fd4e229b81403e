"""People in a debate: suggestions, seats that they hold, pause and resume; and that a replay sees what they did."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aragora import app
from aragora.debate.events import DebateStarted
from aragora.debate.model import Message, Phase, Status, Suggestion, Turn
from aragora.debate.prompts import prepare
from aragora.errors import Conflict
from aragora.providers import Completion, Request
from aragora.providers.agents import Agents
from aragora.run import FRESH_S
from builders import Served, a_brief, an_engine, ended, in_loop, parts_at, served, store_at

SLOW = 0.15


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server with agents that take their time."""
    with served(tmp_path_factory.mktemp("people"), demo_delay_s=SLOW, person_timeout_s=20) as server:
        yield server


def of_type(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The data of the events of one type."""
    return [event["data"] for event in events if event["type"] == name]


async def until(debate_id: str, parts: Any, name: str) -> None:
    """Wait until an event of a type is in the log."""
    async for frame in parts.feed.follow(debate_id):
        if f'"type":"{name}"' in frame.text:
            return


@in_loop
async def test_suggestion_reaches_agents_in_next_round(tmp_path: Path) -> None:
    """What a person suggests in a round is recorded before the first turn of the next one, and listed among the messages."""
    async with parts_at(tmp_path, demo_delay_s=SLOW) as parts:
        debate_id = await parts.engine.create(a_brief(rounds=3, rule="unanimous", threshold=1.0))
        await until(debate_id, parts, "agent_message")
        await parts.engine.people.suggest(debate_id, "Ann", "Think of the cost.")
        events = await ended(parts, debate_id)
        listed = await parts.store.messages(debate_id)
    (heard, *_) = of_type(events, "suggestions_heard")
    assert (1, [{"person": "Ann", "content": "Think of the cost."}]) == (heard["round"], heard["suggestions"])
    keys = [event["type"] for event in events]
    first = next(place for place, event in enumerate(events) if event["data"].get("round") == 1)
    assert "suggestions_heard" == keys[first]
    assert ("suggest", "Ann") in {(each.phase, each.seat) for each in listed}


class _Recording(Agents):
    """Demo agents that note which suggestions each turn was told."""

    def __init__(self) -> None:
        super().__init__(demo_delay_s=0.0)
        self.told: dict[str, tuple[Suggestion, ...]] = {}

    async def complete(self, request: Request, on_text: Any = None) -> Completion:
        """Note, then answer."""
        self.told[request.turn.key] = request.turn.suggestions
        return await super().complete(request, on_text)


@in_loop
async def test_replay_is_told_what_was_recorded_and_not_what_came_later(tmp_path: Path) -> None:
    """A round that had begun when the runner died hears after the restart what it heard before, whatever was suggested since."""
    brief = a_brief(rounds=1, stops=())
    async with store_at(tmp_path / "a.db") as store:
        first = an_engine(store)
        debate_id = await first.create(brief, start=False)
        await store.append(debate_id, DebateStarted(brief=brief), at=app.now())
        await first.people.suggest(debate_id, "Ann", "before")
        said = Message(round=0, phase=Phase.PROPOSE, seat="demo-1", content="An answer.")
        await first.people.gather(debate_id, 0, begun=False, record=lambda event: _append(store, debate_id, event))
        await store.append(debate_id, said, at=app.now())
        await first.people.suggest(debate_id, "Ann", "after")
        agents = _Recording()
        second = an_engine(store, agents=agents)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(second.run())
            async with asyncio.timeout(20):
                while (await store.debate(debate_id)).ended_at is None:
                    await asyncio.sleep(0.01)
            second.stop()
    before, after = Suggestion(person="Ann", content="before"), Suggestion(person="Ann", content="after")
    told = {(key.split("/")[1], suggestions) for key, suggestions in agents.told.items()}
    assert {("0", (before,)), ("1", (before, after))} == told


async def _append(store: Any, debate_id: str, event: Any) -> None:
    await store.append(debate_id, event, at=app.now())


def test_suggestions_are_fenced_in_the_prompt() -> None:
    """A suggestion is data between markers, like what agents wrote; without suggestions the prompt says nothing of them."""
    brief = a_brief()
    turn = Turn(round=1, phase=Phase.PROPOSE, seat=brief.seats[0])
    told = Turn(round=1, phase=Phase.PROPOSE, seat=brief.seats[0], suggestions=(Suggestion(person="A", content="Be bold."),))
    assert "Be bold." in prepare(brief, told).user
    assert "Be bold." not in prepare(brief, told).system
    assert "Suggestions" not in prepare(brief, turn).user


@in_loop
async def test_paused_debate_asks_nothing_across_restart(tmp_path: Path) -> None:
    """Turns in flight end and are kept; then nothing happens, in this process or the next, until it is let go on."""
    async with parts_at(tmp_path, demo_delay_s=SLOW) as parts:
        debate_id = await parts.engine.create(a_brief(rounds=2, rule="unanimous", threshold=1.0))
        await until(debate_id, parts, "debate_start")
        assert await parts.engine.people.pause(debate_id)
        assert not await parts.engine.people.pause(debate_id)
        async with asyncio.timeout(10):
            while parts.engine.running:
                await asyncio.sleep(0.01)
        resting = (await parts.store.debate(debate_id)).last_seq
    async with parts_at(tmp_path) as parts:
        record = await parts.store.debate(debate_id)
        assert (Status.PAUSED, resting, 0, 0) == (record.status, record.last_seq, parts.engine.running, parts.engine.queued)
        assert await parts.engine.people.go_on(debate_id)
        await parts.engine.resume(debate_id)
        events = await ended(parts, debate_id)
        with pytest.raises(Conflict):
            await parts.engine.people.pause(debate_id)
    names = [event["type"] for event in events]
    assert (1, 1, "debate_end") == (names.count("debate_paused"), names.count("debate_resumed"), names[-1])
    assert [*range(1, len(events) + 1)] == [event["seq"] for event in events]


@in_loop
async def test_pause_is_seen_however_quick_the_answers_are(tmp_path: Path) -> None:
    """The turns in flight when a debate is paused are its last, also where they end before a look at its status would be due."""
    async with parts_at(tmp_path, demo_delay_s=FRESH_S / 5) as parts:
        debate_id = await parts.engine.create(a_brief(rounds=2, rule="unanimous", threshold=1.0))
        while (await parts.store.debate(debate_id)).status is not Status.ACTIVE:
            await asyncio.sleep(0)
        assert await parts.engine.people.pause(debate_id)
        async with asyncio.timeout(10):
            while parts.engine.running:
                await asyncio.sleep(0.01)
        asked = {message.phase for message in await parts.store.told(debate_id)}
    assert {Phase.PROPOSE} == asked


def test_person_holds_a_seat(server: Served) -> None:
    """The engine waits for the person's turns; what the person says and votes counts as that of any seat."""
    body = {"topic": "Tea or coffee?", "agents": ["demo", "human:Ann"], "rounds": 1}
    debate_id = server.ask("/api/debates", body).json["id"]
    path = f"/api/debates/{debate_id}/turn"
    phases = []
    for _ in range(400):
        waiting = server.ask(path).json["turns"]
        if waiting:
            turn = waiting[0]
            said = (
                {"choice": turn["choices"][0], "reason": "Good."}
                if turn["phase"] == "vote"
                else {"content": f"Tea: {turn['phase']}."}
            )
            answer = server.ask(path, {"seat": turn["seat"], **said})
            assert 201 == answer.status, answer.body
            phases.append(turn["phase"])
        elif server.ask(f"/api/debates/{debate_id}").json["completed_at"]:
            break
        else:
            time.sleep(0.02)
    shown = server.ask(f"/api/debates/{debate_id}").json
    assert ("completed", ["demo", "human:Ann"]) == (shown["status"], shown["agents"])
    assert "vote" in phases
    texts = [
        row for row in server.ask(f"/api/debates/{debate_id}/messages?limit=200").json["messages"] if row["agent"] == "human:Ann"
    ]
    assert "Tea: propose." == texts[0]["content"]
    assert not shown["result"]["missing"]


def test_person_who_is_away_abstains(tmp_path: Path) -> None:
    """When the deadline is over the seat abstains, and the debate says who was missing."""
    with served(tmp_path, person_timeout_s=0.2) as server:
        body = {"topic": "Tea or coffee?", "agents": ["demo", "demo", "person"], "rounds": 1}
        debate_id = server.ask("/api/debates", body).json["id"]
        frames = server.ask(f"/api/debates/{debate_id}/events/stream").body.decode()
        late = server.ask(f"/api/debates/{debate_id}/turn", {"content": "Sorry!"})
    end = json.loads(frames.strip().rsplit("data: ", 1)[1])
    assert ("debate_end", {"person"}) == (end["type"], {each["seat"] for each in end["data"]["missing"]})
    assert {"timeout"} == {each["fault"] for each in end["data"]["missing"]}
    assert 409 == late.status


@in_loop
async def test_answer_of_a_person_survives_the_runner(tmp_path: Path) -> None:
    """What a person said while no runner was there is found by the next one, which does not ask again."""
    brief = a_brief(agents=["demo", "person"], rounds=1)
    async with parts_at(tmp_path, person_timeout_s=20) as parts:
        debate_id = await parts.engine.create(brief)
        await until(debate_id, parts, "turn_asked")
    async with parts_at(tmp_path, run=False, person_timeout_s=20) as parts:
        (asked,) = await parts.engine.people.open_turns(debate_id)
        said = Message(round=asked.turn.round, phase=asked.turn.phase, seat="person", content="I was here.")
        await parts.engine.people.speak(debate_id, said)
        with pytest.raises(Conflict):
            await parts.engine.people.speak(
                debate_id, Message(round=said.round, phase=said.phase, seat="person", content="Twice.")
            )
    async with parts_at(tmp_path, person_timeout_s=0.1) as parts:
        events = await ended(parts, debate_id)
    texts = [data["content"] for data in of_type(events, "agent_message") if data["seat"] == "person"]
    assert "I was here." == texts[0]
    asked_once = [data for data in of_type(events, "turn_asked") if data["phase"] == said.phase and data["round"] == said.round]
    assert 1 == len(asked_once)


@in_loop
async def test_person_declares_a_position(tmp_path: Path) -> None:
    """Where the question is closed, the turn names its options, and the answer of a person has to declare one."""
    with served(tmp_path, person_timeout_s=20) as server:
        body = {"topic": "Tea?", "agents": ["demo", "person"], "rounds": 1, "options": ["Yes", "No"]}
        debate_id = server.ask("/api/debates", body).json["id"]
        path = f"/api/debates/{debate_id}/turn"
        async with asyncio.timeout(20):
            while not (waiting := server.ask(path).json["turns"]):
                await asyncio.sleep(0.02)
        assert ["Yes", "No"] == waiting[0]["positions"]
        assert 400 == server.ask(path, {"content": "Tea."}).status
        assert 201 == server.ask(path, {"content": "Tea.", "position": "Yes"}).status
        events = server.ask(f"/api/debates/{debate_id}/events?limit=100").json["events"]
        said = [data for data in of_type(events, "agent_message") if data["seat"] == "person"]
        assert ("Tea.", "Yes") == (said[0]["content"], said[0]["position"])
