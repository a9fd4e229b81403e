"""The AsyncAPI 3 document of what can be watched, made from the types of the events. Imports siblings and `debate`.

Every event reaches a watcher over `/ws` and as a server-sent event, in the same envelope.
"""

from typing import Any

import msgspec

from aragora import __version__
from aragora.debate import events
from aragora.debate.model import Brief, Message, Outcome, Tally

REFERENCE = "#/components/schemas/{name}"
# Each wire name, the types that its `data` is made of, and what it says.
WATCHED: dict[str, tuple[tuple[type, ...], str]] = {
    "debate_start": ((Brief,), "The brief: what was asked, of whom and by which rules."),
    "agent_message": ((Message,), "A seat has answered, criticised or revised."),
    "agent_abstained": ((Message,), "A turn went unanswered, and why."),
    "vote_cast": ((Message, events.PersonVoted), "A seat or a person has chosen."),
    "round_complete": ((Tally,), "The ballots of a round are counted."),
    "audience_suggestion": ((events.PersonSuggested,), "A person has suggested something."),
    "suggestions_heard": ((events.SuggestionsHeard,), "A round begins with what people had suggested."),
    "memories_recalled": ((events.Recalled,), "The debate goes on with quotations from earlier ones."),
    "turn_asked": ((events.TurnAsked,), "A seat that a person holds is asked to speak."),
    "debate_paused": ((events.Switched,), "Somebody let the debate rest."),
    "debate_resumed": ((events.Switched,), "Somebody let the debate go on."),
    "debate_end": ((Outcome,), "How it ended, and who was missing."),
}
ENVELOPE = ("type", "debate_id", "seq", "timestamp", "data")


def document() -> bytes:
    """The document as JSON."""
    kinds = list(dict.fromkeys(kind for found, _ in WATCHED.values() for kind in found))
    schemas, components = msgspec.json.schema_components(kinds, ref_template=REFERENCE)
    schema_of = dict(zip(kinds, schemas, strict=True))
    messages = {name: _message(name, about, [schema_of[kind] for kind in found]) for name, (found, about) in WATCHED.items()}
    return msgspec.json.encode(
        {
            "asyncapi": "3.0.0",
            "info": {"title": "Aragora", "version": __version__, "description": "What can be watched of a debate."},
            "channels": {"debate": _channel()},
            "operations": {"watch": _operation()},
            "components": {"messages": messages, "schemas": components},
        }
    )


def _channel() -> dict[str, Any]:
    text = {"type": "string"}
    after = {"type": "integer", "minimum": 0, "description": "The number of the last event seen."}
    query = {"type": "object", "properties": {"debate_id": text, "after": after}}
    return {
        "address": "/ws",
        "description": "One JSON object a frame. `/api/debates/{id}/events/stream` gives the same as server-sent events.",
        "bindings": {"ws": {"query": query}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in WATCHED},
    }


def _operation() -> dict[str, Any]:
    named = [{"$ref": f"#/channels/debate/messages/{name}"} for name in WATCHED]
    return {"action": "send", "channel": {"$ref": "#/channels/debate"}, "messages": named}


def _message(name: str, about: str, schemas: list[dict[str, Any]]) -> dict[str, Any]:
    data = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    fields = {
        "type": {"const": name},
        "debate_id": {"type": "string"},
        "seq": {"type": "integer", "minimum": 1, "description": "Its number in the log, without gaps."},
        "timestamp": {"type": "string", "format": "date-time"},
        "data": data,
    }
    return {"name": name, "summary": about, "payload": {"type": "object", "required": [*ENVELOPE], "properties": fields}}
