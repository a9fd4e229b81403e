"""The AsyncAPI document: it names every event that there is, and events of real debates fit it."""

import json
from pathlib import Path
from typing import Any, get_args

import jsonschema

from aragora.api.asyncapi import WATCHED, document
from aragora.debate import events
from builders import a_brief, ended, in_loop, parts_at
from test_docs import EVENTS, event_types


def test_every_event_is_named() -> None:
    """What the log can hold is in the document, and nothing else is."""
    assert event_types(EVENTS.read_text("utf-8")) == set(WATCHED)
    made_of = {kind for kinds, _ in WATCHED.values() for kind in kinds}
    plain = {kind for kind in get_args(events.Event) if kind.__name__ not in {"DebateStarted", "RoundCompleted", "DebateEnded"}}
    assert plain <= made_of


@in_loop
async def test_events_fit_the_document(tmp_path: Path) -> None:
    """Each event of a debate in which people take part has the shape that the document says."""
    told: dict[str, Any] = json.loads(document())
    async with parts_at(tmp_path, person_timeout_s=0.1) as parts:
        debate_id = await parts.engine.create(a_brief(agents=["demo", "person"], rounds=1), start=False)
        await parts.engine.start(debate_id)
        await parts.engine.people.suggest(debate_id, "Ann", "Cost?")
        found = await ended(parts, debate_id)
    for event in found:
        schema = {**told["components"]["messages"][event["type"]]["payload"], "components": told["components"]}
        jsonschema.validate(event, schema)
    assert {"debate_start", "turn_asked", "agent_abstained", "audience_suggestion", "debate_end"} <= {
        each["type"] for each in found
    }
