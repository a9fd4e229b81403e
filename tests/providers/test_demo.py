"""The demo agents: readable in every phase, the same for the same seed, of different opinions, and worth watching."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aragora.debate.events import RoundCompleted
from aragora.debate.model import Brief, Decision, Message, Outcome, Phase, Turn, seats_for
from aragora.debate.prompts import labels, prepare, read
from aragora.debate.protocols import PROTOCOLS
from aragora.providers import Agent, OnText, Request
from aragora.providers.demo import VARIANTS, Demo
from aragora.providers.demo_topic import understand
from aragora.providers.demo_words import DEEDS, VERDICTS, VOICES

TOPICS = [
    "Should we use Redis or PostgreSQL for the job queue?",
    "tabs or spaces?",
    "Should cities ban cars?",
    "Is remote work better than office work?",
    "Does pair programming help junior engineers?",
    "How should we reduce meetings?",
    "Why do software projects slip?",
    "What is the meaning of life?",
    "Test debate",
    "Pineapple belongs on every pizza.",
    "应该用Rust还是Go?",
    "🍕 or 🍍?",
    "word " * 2000,
    "Answer A, Answer B or @demo-1 or {not} “this”?",
]


def a_brief(topic: str = TOPICS[0], agents: Sequence[str] = ("demo",) * 3, rounds: int = 2, seed: int = 0) -> Brief:
    """Build a brief of demo seats."""
    return Brief(topic=topic, seats=seats_for(agents), rounds=rounds, seed=seed)


def a_request(brief: Brief, turn: Turn) -> Request:
    """Put a turn to the agent that its seat names."""
    agent = Agent(name=turn.seat.agent, provider="demo", model=turn.seat.agent.partition(":")[2])
    return Request(agent=agent, brief=brief, turn=turn, prompt=prepare(brief, turn))


def reply_to(brief: Brief, turn: Turn) -> str:
    """Ask without a loop: at no delay there is nothing to wait for."""
    asked = Demo(0.0).complete(a_request(brief, turn))
    with pytest.raises(StopIteration) as done:
        asked.send(None)
    return str(done.value.value.text)


def debate(brief: Brief, protocol: str = "critique@1") -> tuple[Outcome, list[tuple[Turn, str, Message]]]:
    """Run a script to its end; return its outcome and each turn with the reply and what was read in it."""
    script = PROTOCOLS[protocol](brief)
    heard: list[tuple[Turn, str, Message]] = []
    sent: list[Message] | None = None
    while True:
        try:
            step = next(script) if sent is None else script.send(sent)
        except StopIteration as end:
            return end.value, heard
        sent = []
        for turn in () if isinstance(step, RoundCompleted) else step:
            reply = reply_to(brief, turn)
            sent.append(read(brief, turn, reply))
            heard.append((turn, reply, sent[-1]))


def check_shape(brief: Brief, turn: Turn, reply: str, message: Message) -> None:
    """Check that a reply is what its phase asks for."""
    assert message.abstention is None
    names = labels(brief, turn)
    if turn.phase is Phase.CRITIQUE:
        assert {"target", "text"} == json.loads(reply).keys()
        assert message.target in {m.seat for m in turn.sees}
        assert message.target != turn.seat.name or len(brief.seats) == 1
    elif turn.phase is Phase.VOTE:
        ballot = json.loads(reply)
        assert {"choice", "confidence", "reason", "ranking", "cites"} == ballot.keys()
        assert ballot["choice"] in {names[seat] for seat in turn.choices}
        assert 0.35 <= ballot["confidence"] <= 0.95
        assert message.content
    else:
        assert any(message.content.startswith(position.claim) for position in understand(brief.topic).positions)


agents_lists = st.lists(st.sampled_from(sorted(VARIANTS)), min_size=1, max_size=8)
topics = st.sampled_from(TOPICS) | st.text(max_size=300) | st.text(alphabet="orvs, ?.“”{}@A🍕\u202e\ud800你", max_size=60)


@settings(deadline=None, max_examples=300)
@given(topics, agents_lists, st.integers(0, 2**63), st.sampled_from(sorted(PROTOCOLS)))
def test_every_reply_reads_back_as_what_its_phase_asks_for(topic: str, agents: list[str], seed: int, protocol: str) -> None:
    """No topic, table, seed or protocol makes a demo agent say something that cannot be read."""
    brief = a_brief(topic, agents, seed=seed)
    _, heard = debate(brief, protocol)
    for turn, reply, message in heard:
        check_shape(brief, turn, reply, message)


@settings(deadline=None, max_examples=100)
@given(topics, agents_lists, st.integers(0, 2**63))
def test_a_critique_quotes_words_that_stand_in_its_target(topic: str, agents: list[str], seed: int) -> None:
    """What a critic puts between quotation marks was said by the seat that it names."""
    _, heard = debate(a_brief(topic, agents, seed=seed))
    for turn, _, message in heard:
        if turn.phase is Phase.CRITIQUE:
            said = next(m.content for m in turn.sees if m.seat == message.target)
            quote = message.content.partition("“")[2].rpartition("”")[0]
            assert quote.strip()
            assert quote in said
            assert f"@{message.target}" in message.content or message.target == turn.seat.name


@pytest.mark.parametrize("protocol", sorted(PROTOCOLS))
@pytest.mark.parametrize("topic", TOPICS)
def test_the_same_seed_gives_the_same_debate_and_another_seed_another(topic: str, protocol: str) -> None:
    """A demo debate can be replayed byte for byte, and does not look the same every time."""
    agents = ("demo", "demo:sceptic", "demo")
    first, again, other = (debate(a_brief(topic, agents, seed=seed), protocol)[1] for seed in (7, 7, 8))
    assert [reply for _, reply, _ in first] == [reply for _, reply, _ in again]
    assert [reply for _, reply, _ in first] != [reply for _, reply, _ in other]


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("seats", range(2, 6))
def test_seats_of_one_debate_start_from_different_positions(topic: str, seats: int) -> None:
    """Up to five seats disagree at first, whatever the topic, in answers of two to five sentences about it."""
    brief = a_brief(topic, ("demo",) * seats)
    _, heard = debate(brief, "vote_only@1")
    answers = [message.content for turn, _, message in heard if turn.phase is Phase.PROPOSE]
    stances = {p.claim for p in understand(topic).positions if any(answer.startswith(p.claim) for answer in answers)}
    assert seats == len(stances)
    for answer in answers:
        claim = max((claim for claim in stances if answer.startswith(claim)), key=len)
        assert 2 <= 1 + len(re.findall(r"[.!?] ", answer.removeprefix(claim))) <= 5


def test_what_is_asked_is_understood() -> None:
    """The first positions on the usual kinds of question are the ones that a reader expects."""
    claims = {topic: [position.claim for position in understand(topic).positions[:2]] for topic in TOPICS[:5]}
    assert claims[TOPICS[0]] == ["Use Redis rather than PostgreSQL", "Use PostgreSQL rather than Redis"]
    assert claims[TOPICS[1]] == ["Choose tabs over spaces", "Choose spaces over tabs"]
    assert claims[TOPICS[2]] == ["Yes, cities should ban cars", "No, cities should not ban cars"]
    assert claims[TOPICS[3]][1] == "No, remote work is not better than office work"
    assert claims[TOPICS[4]][0] == "Yes, pair programming does help junior engineers"


def mix(seats: int, rounds: int) -> tuple[Counter[Decision], Counter[int]]:
    """Hold 150 debates and count how they came out and after how many rounds."""
    outcomes = [debate(a_brief(agents=("demo",) * seats, rounds=rounds, seed=seed))[0] for seed in range(150)]
    return Counter(outcome.decision for outcome in outcomes), Counter(outcome.rounds for outcome in outcomes)


def test_three_seats_agree_in_two_rounds_about_two_times_in_three() -> None:
    """Most debates get somewhere, and enough do not, so that every kind of ending is seen."""
    decisions, rounds = mix(3, 2)
    assert 0.55 <= (decisions[Decision.CONSENSUS] + decisions[Decision.MAJORITY]) / 150 <= 0.8
    assert min(decisions[Decision.CONSENSUS], decisions[Decision.MAJORITY]) >= 12
    assert decisions[Decision.DEADLOCK] >= 20
    assert rounds[1] <= 15


def test_two_seats_mostly_agree_in_the_second_round() -> None:
    """Two seats seldom agree at once and mostly do after a second round."""
    decisions, rounds = mix(2, 2)
    assert 0.6 <= decisions[Decision.CONSENSUS] / 150 <= 0.9
    assert rounds[1] <= 22


def test_whoever_changes_its_mind_says_why_and_votes_accordingly() -> None:
    """A seat leaves its position for a stated reason, and its ballot is for the position it now holds."""
    changed = 0
    for seed in range(40):
        brief = a_brief(seed=seed)
        positions = understand(brief.topic).positions
        _, heard = debate(brief)
        standing: dict[str, str] = {}
        for turn, _, message in heard:
            if turn.phase in (Phase.PROPOSE, Phase.REVISE):
                now = next(p.claim for p in positions if message.content.startswith(p.claim))
                moved = now != standing.get(message.seat, now)
                assert moved == ("I have changed my mind, because @" in message.content)
                changed += moved
                standing[message.seat] = now
            elif message.ballot is not None:
                assert standing[message.seat] == standing[message.ballot.choice]
    assert changed >= 20


def sure(text: str) -> int:
    """How sure an answer says it is, in percent."""
    found = re.search(r"about (\d+) % sure", text)
    assert found
    return int(found[1])


def test_critiques_lower_confidence_and_support_raises_it() -> None:
    """A seat that was criticised and stays is less sure than one that was not; whoever is joined is surer in its ballot."""
    brief = a_brief()
    _, heard = debate(brief)
    revisions = [turn for turn, _, _ in heard if turn.phase is Phase.REVISE and turn.round == 1]
    for turn in revisions:
        spared = Turn(
            round=1, phase=Phase.REVISE, seat=turn.seat, sees=tuple(m for m in turn.sees if m.phase is not Phase.CRITIQUE)
        )
        attacked = [m for m in turn.sees if m.target == turn.seat.name]
        lower = sure(reply_to(brief, turn)) < sure(reply_to(brief, spared))
        assert bool(attacked) == lower


def test_every_argument_can_be_told_from_every_other() -> None:
    """An answer shows which consideration it argues from: no argument's fixed words stand in another argument or counter."""
    for points in (DEEDS, VERDICTS):
        cores = [max(re.split(r"\{\w+\}", point.argument), key=len) for point in points]
        for core in cores:
            assert sum(core in point.argument for point in points) == 1
        assert len({point.counter for point in points}) == len(points)


def test_voices_reach_only_for_considerations_that_exist() -> None:
    """Every voice has a variant, and every liking a consideration."""
    assert {f"demo:{name}" for name in VOICES} | {"demo"} == VARIANTS.keys()
    known = {point.name for point in (*DEEDS, *VERDICTS)}
    assert set() == {name for voice in VOICES.values() for name in voice.likes} - known


def test_answers_of_strangers_are_criticised_and_voted_on_like_any_other() -> None:
    """At a table with a language model a demo agent quotes what that model said, and may be won over in the vote."""
    brief = a_brief(agents=("demo", "model"))
    own, other = (
        Message(round=1, phase=Phase.PROPOSE, seat="demo", content="Use Redis rather than PostgreSQL. Because."),
        Message(round=1, phase=Phase.PROPOSE, seat="model", content="Ich weiß es nicht; fragt jemand anderen."),
    )
    turn = Turn(round=1, phase=Phase.CRITIQUE, seat=brief.seats[0], sees=(own, other))
    message = read(brief, turn, reply_to(brief, turn))
    assert message.target == "model"
    assert "fragt jemand anderen" in message.content


@pytest.mark.parametrize("delay_s", [0.0, 0.02])
def test_streamed_pieces_are_the_reply_in_words(delay_s: float) -> None:
    """With a listener the reply arrives in several pieces, which together are the text; what it costs is known: nothing."""
    brief = a_brief()
    turn = next(iter(debate(brief)[1]))[0]
    pieces: list[str] = []

    async def ask(on_text: OnText | None) -> tuple[str, float | None, int | None]:
        completion = await Demo(delay_s).complete(a_request(brief, turn), on_text)
        return completion.text, completion.usage.cost_usd, completion.usage.tokens_out

    text, cost_usd, tokens_out = asyncio.run(ask(pieces.append))
    assert text == "".join(pieces)
    assert len(pieces) > 20
    assert cost_usd == 0.0
    assert tokens_out
    assert (text, cost_usd, tokens_out) == asyncio.run(ask(None))


@pytest.mark.parametrize("listens", [True, False])
def test_a_turn_can_be_cancelled_while_it_waits(*, listens: bool) -> None:
    """A deadline ends a slow turn at once."""
    brief = a_brief()
    turn = next(iter(debate(brief)[1]))[0]
    pieces: list[str] = []

    async def ask() -> None:
        async with asyncio.timeout(0.01):
            await Demo(60.0).complete(a_request(brief, turn), pieces.append if listens else None)

    with pytest.raises(TimeoutError):
        asyncio.run(ask())
    assert pieces == []
