"""Memory in debates: recalled after the blind round, recorded, quoted with date and source, and never to whom it is not for."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from aragora.api import Parts
from aragora.debate.memories import about, nearness
from aragora.debate.model import Brief, Phase, Quotation
from aragora.debate.prompts import prepare
from aragora.debate.script import ask
from aragora.memory import SLOW
from aragora.recall import QUOTED_MAX, reading
from aragora.store.records import Filing, Visibility
from builders import a_brief, ended, in_loop, parts_at

TOPIC = "Should our young product start on SQLite or PostgreSQL?"
NEAR = "SQLite or PostgreSQL for a young product?"
SECRET = "Question: SQLite or PostgreSQL for the young product?\nDecided: the secret merger says SQLite."

QUOTATION = Quotation(content="Decided: SQLite.", date="2026-01-31", source="debate d7")


def quoted(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The quotations that a log holds."""
    return [one for event in events if event["type"] == "memories_recalled" for one in event["data"]["quotations"]]


async def hold(parts: Parts, brief: Brief, owner: str = "", visibility: Visibility = Visibility.PUBLIC) -> list[dict[str, Any]]:
    """Hold a debate of somebody, and wait until it is remembered, which is after its last event; its events."""
    filing = Filing(owner_id=owner or None, visibility=visibility)
    events = await ended(parts, await parts.engine.create(brief, filing=filing))
    while parts.engine.running:
        await asyncio.sleep(0.005)
    return events


def a_question(**fields: Any) -> Brief:
    """A brief on which demo agents agree, about what is remembered."""
    return a_brief(topic=TOPIC, rule="plurality", **fields)


@in_loop
async def test_what_was_settled_is_quoted_in_the_next_debate_after_its_blind_round(tmp_path: Path) -> None:
    """The event stands behind the blind vote; it says what, when and where from; replay, receipts and pages read it there."""
    async with parts_at(tmp_path) as parts:
        first = await hold(parts, a_question(options=("SQLite", "PostgreSQL")))
        kept, total = await parts.memory.recall("", tiers=("medium", "slow"), importance_min=0.0, limit=10)
        assert total >= 1
        assert {one.debate_id for one in kept} == {first[0]["debate_id"]}
        second = await hold(parts, a_question(seed=8))
        found = quoted(second)
        assert 1 <= len(found) <= QUOTED_MAX
        assert {f"debate {first[0]['debate_id']}"} == {one["source"] for one in found}
        assert all(one["date"] == first[0]["timestamp"][:10] for one in found)
        place = [event["type"] for event in second].index("memories_recalled")
        blind = [event for event in second[:place] if event["type"] == "vote_cast"]
        assert 3 == len(blind)
        assert all(
            event["data"]["round"] >= 1 for event in second[place:] if "round" in event["data"] and event["type"] != "debate_end"
        )
        shown = await parts.store.events(second[0]["debate_id"])
        assert json.loads(shown[place].data)["quotations"] == found


@in_loop
async def test_kept_once_however_often_it_is_told(tmp_path: Path) -> None:
    """A runner that dies between the end and the keeping, and another that keeps again, leave one memory."""
    async with parts_at(tmp_path) as parts:
        events = await hold(parts, a_question(options=("SQLite", "PostgreSQL")))
        debate_id = events[0]["debate_id"]
        record = await parts.store.debate(debate_id)
        assert record.outcome is not None
        _, before = await parts.memory.recall("", tiers=("medium", "slow"), importance_min=0.0, limit=10)
        assert parts.engine.recall is not None
        await parts.engine.recall.keep(debate_id, record.brief, record.outcome, await parts.store.told(debate_id))
        assert before == (await parts.memory.recall("", tiers=("medium", "slow"), importance_min=0.0, limit=10))[1]
        assert await parts.shelf.delete(debate_id)
        assert 0 == (await parts.memory.recall("", tiers=("medium", "slow"), importance_min=0.0, limit=10))[1]


@pytest.mark.parametrize(
    ("owner", "visibility", "reads"),
    [
        ("ann", Visibility.PRIVATE, True),  # her own, where nobody else reads
        ("ann", Visibility.PUBLIC, False),  # everybody would read it
        ("bob", Visibility.PRIVATE, False),
        ("", Visibility.PUBLIC, False),
    ],
)
@in_loop
async def test_private_memories_never_leave_their_owner(
    tmp_path: Path,
    owner: str,
    visibility: Visibility,
    reads: bool,
) -> None:
    """What Ann's private debate settled is quoted in her private debates alone."""
    async with parts_at(tmp_path) as parts:
        source = await parts.engine.create(
            a_question(), start=False, filing=Filing(owner_id="ann", visibility=Visibility.PRIVATE)
        )
        await parts.memory.remember(SECRET, tier=SLOW, importance=0.9, debate_id=source, owner_id="ann")
        events = await hold(parts, a_question(), owner, visibility)
        assert reads == bool(quoted(events))
        assert reads == ("merger" in json.dumps(events))


@in_loop
async def test_a_brief_or_a_setting_turns_it_off(tmp_path: Path) -> None:
    """Then nothing is quoted, and the debate is not remembered."""
    async with parts_at(tmp_path) as parts:
        await parts.memory.remember(SECRET, tier=SLOW, importance=0.9)
        events = await hold(parts, a_question(recall=False, options=("SQLite", "PostgreSQL")))
        assert [] == quoted(events)
        assert 1 == (await parts.memory.recall("", tiers=("medium", "slow"), importance_min=0.0, limit=10))[1]
        assert [] == quoted(await hold(parts, a_question(protocol="vote_only@1", recall=True)))


def test_a_memory_cannot_anchor_the_blind_round_or_a_ballot() -> None:
    """Whatever is remembered, the prompts of answers given blind and of all ballots are the same without it."""
    brief = a_question()
    quotations = (QUOTATION,)
    for number, phase in ((0, Phase.PROPOSE), (0, Phase.VOTE), (1, Phase.VOTE), (2, Phase.JUDGE)):
        for turn in ask(brief, number, phase):
            assert prepare(brief, turn) == prepare(brief, reading(turn, quotations))
    for phase in (Phase.CRITIQUE, Phase.REVISE, Phase.SYNTHESISE):
        for turn in ask(brief, 1, phase):
            text = prepare(brief, reading(turn, quotations)).user
            assert f"{QUOTATION.date}, {QUOTATION.source}" in text
            assert QUOTATION.content in text


@pytest.mark.parametrize(
    ("text", "near"),
    [(NEAR, True), ("Should our product be green?", False), ("sqlite, postgresql: a young start", True), ("", False)],
)
def test_nearness_is_about_what_a_question_is_about(text: str, near: bool) -> None:
    """Words that say nothing do not make a text near."""
    assert near == (nearness(about(TOPIC), text) >= 0.5)
    assert 0.0 == nearness(about("Should we?"), text)
