"""Debates by name, for clients that only know models: the table, and the bodies that it stands for. Imports siblings."""

from dataclasses import dataclass

from aragora.api.bodies import CreateDebate

PREFIX = "aragora/"


@dataclass(frozen=True, slots=True)
class Preset:
    """A way to debate that has a name."""

    about: str
    protocol: str
    rounds: int
    rule: str = "majority"


PRESETS: dict[str, Preset] = {
    "debate": Preset("Answer, criticise, revise and vote, for three rounds at most.", "critique", 3),
    "quick": Preset("Answer blind, then vote once.", "vote_only", 1),
    "thorough": Preset("As debate, for five rounds at most, until two thirds agree.", "critique", 5, "supermajority"),
}


def body_of(preset: Preset, topic: str, context: str, agents: list[str] | None, rounds: int | None) -> CreateDebate:
    """The debate that a preset holds on a topic."""
    return CreateDebate(
        topic=topic,
        context=context,
        agents=agents,
        rounds=rounds if rounds is not None else preset.rounds,
        protocol=preset.protocol,
        rule=preset.rule,
    )
