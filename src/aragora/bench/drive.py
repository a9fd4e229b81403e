"""Runs a script with simulated agents and no engine: the same protocols, readers and rules, thousands of times a minute."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aragora.debate.events import RoundCompleted
from aragora.debate.model import Abstention, Brief, Fault, Message, Outcome, Phase, Tally, Turn, seats_for
from aragora.debate.prompts import read
from aragora.debate.protocols import PROTOCOLS
from aragora.providers.sim import Nature, nature, reply

ANSWERING = (Phase.PROPOSE, Phase.REVISE, Phase.SYNTHESISE)


@dataclass(slots=True)
class Run:
    """A debate as it was driven: the answers that stood at the end of each round, and how each vote fell."""

    brief: Brief
    outcome: Outcome
    rounds: list[Tally] = field(default_factory=list)
    standing: list[dict[str, Message]] = field(default_factory=list)
    calls: int = 0

    def right(self, number: int) -> float:
        """How right the vote of a round was: 1 for the true option, a share where it leads together with others."""
        tally, answers = self.rounds[number], self.standing[number]
        lead = tally.tied or ((tally.leader,) if tally.leader else ())
        options = [answers[name].position for name in lead]
        return options.count(self.brief.options[0]) / len(options) if options else 0.0

    def believed(self, number: int) -> float:
        """The mean belief in the true option over all seats, where agents write down their evidence."""
        beliefs = []
        for message in self.standing[number].values():
            evidence = [float(one) for one in message.content.partition("\nEvidence: ")[2].partition("\n")[0].split()]
            beliefs.append(evidence[0] / sum(evidence))
        return sum(beliefs) / len(beliefs)


def a_brief(agents: Sequence[str], options: Sequence[str] = ("right", "wrong"), **fields: object) -> Brief:
    """A closed question whose first option is the true one."""
    return Brief(topic="Which option is true?", seats=seats_for(agents), options=tuple(options), **fields)  # type: ignore[arg-type]


def drive(brief: Brief, record: Callable[[Message | RoundCompleted], None] = lambda _: None) -> Run:
    """Run a brief of simulated agents to its outcome; `record` is told every event of the script."""
    natures = {seat.agent: nature(seat.agent.partition(":")[2]) for seat in brief.seats}
    script = PROTOCOLS[brief.protocol](brief)
    rounds: list[Tally] = []
    standing: list[dict[str, Message]] = []
    answers: dict[str, Message] = {}
    calls = 0
    try:
        step = next(script)
        while True:
            if isinstance(step, RoundCompleted):
                record(step)
                rounds.append(step.tally)
                standing.append(dict(answers))
                step = script.send(())
                continue
            heard = [say(natures[turn.seat.agent], brief, turn) for turn in step]
            for message in heard:
                record(message)
            calls += len(heard)
            answers |= {m.seat: m for m in heard if m.spoke and m.phase in ANSWERING}
            step = script.send(heard)
    except StopIteration as ended:
        return Run(brief, ended.value, rounds, standing, calls)


def say(kind: Nature, brief: Brief, turn: Turn) -> Message:
    """One turn, read as the engine reads it."""
    text = reply(kind, brief, turn)
    if text is None:
        abstention = Abstention(fault=Fault.TIMEOUT)
        return Message(round=turn.round, phase=turn.phase, seat=turn.seat.name, abstention=abstention)
    return read(brief, turn, text)
