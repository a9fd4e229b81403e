"""What demo agents have to say: their voices, and the considerations that they argue with. Imports the standard library only."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Voice:
    """How one variant argues."""

    opening: str  # ends the first sentence of a first answer
    stubborn: float = 0.0  # added to what it takes to change its mind
    sure: float = 0.0  # added to its confidence
    likes: frozenset[str] = frozenset()  # the considerations that it reaches for first
    attack: str = "{peer} says “{quote}”."


@dataclass(frozen=True, slots=True)
class Point:
    """A consideration: the argument, what a critic says to it, how its holder replies, and what may change the holder's mind."""

    name: str
    argument: str  # with {way}, {Way} or {rival}
    counter: str
    holds: str
    yields: str
    hasty: bool = False  # speaks against waiting, so that whoever waits does not use it
    careful: bool = False  # speaks for waiting, so that only those who wait use it


PLAIN = Voice(opening=".")
VOICES: Mapping[str, Voice] = {
    "sceptic": Voice(
        opening=", because it is the answer that I find hardest to break.",
        stubborn=0.12,
        sure=-0.06,
        likes=frozenset({"how it fails", "how it is checked", "selection", "counterexamples"}),
        attack="The weakest step in {peer} is “{quote}”.",
    ),
    "optimist": Voice(
        opening=", and I see more to gain there than to lose.",
        stubborn=-0.08,
        sure=0.06,
        likes=frozenset({"the gain", "the time", "growth", "the long run"}),
        attack="I like the aim of {peer}, but not this: “{quote}”.",
    ),
    "pragmatist": Voice(
        opening=", and I would keep the rest simple.",
        stubborn=-0.12,
        likes=frozenset({"the cost", "who lives with it", "undoing it", "the typical case"}),
        attack="On a Monday morning this from {peer} will not do: “{quote}”.",
    ),
    "analyst": Voice(
        opening="; each of my reasons can be checked by itself.",
        stubborn=0.04,
        sure=-0.02,
        likes=frozenset({"how it is checked", "growth", "the starting odds", "the size of the effect"}),
        attack="Everything in {peer} leans on “{quote}”.",
    ),
}

# The variants of the demo agent, as people name them, and what to expect of each.
VARIANTS: Mapping[str, str] = {
    "demo": "Argues from a mix of considerations; free, offline and always the same for the same seed.",
    "demo:sceptic": "Looks for how things fail, is never quite sure, and is hard to move.",
    "demo:optimist": "Argues from what could be gained, is surer than most, and is easily won over.",
    "demo:pragmatist": "Asks who has to live with it and at what cost; moves when that is answered.",
    "demo:analyst": "Argues from odds, sizes and checks, and moves for figures only.",
}

DEEDS = (
    Point(
        name="the cost",
        argument="Most of the bill is people's hours rather than money, and {way} asks for fewer of them.",
        counter="That leaves out the hours of the change itself, which all fall into weeks when nobody has any to spare.",
        holds="The hours of the change are spent once, while those of a bad arrangement are spent every week.",
        yields="the hours of the change itself eat up what I hoped to save",
    ),
    Point(
        name="undoing it",
        argument="If it turns out wrong, {way} can be undone within days, and what can be undone deserves less fear.",
        counter="It is easy to undo only until others build on it, and that usually takes a month.",
        holds="Others will build on it, so I would fix the date of a review before they do.",
        yields="what looks easy to undo stops being so once others build on it",
    ),
    Point(
        name="who lives with it",
        argument="Ask who has to live with it every day: {way} leans on habits which those people already have.",
        counter="Familiar habits are also how the present trouble came about, so comfort proves little.",
        holds="Comfort proves little, I agree, but a plan which its people resist fails more often than a dull one.",
        yields="being comfortable for those concerned is no sign that it works",
    ),
    Point(
        name="how it fails",
        argument="What decides it for me is how it fails: {way} fails early and in plain sight, so there is time to react.",
        counter="The expensive failures are the slow ones, and no sign is named by which one would notice them.",
        holds="The sign is simple: when the same complaint comes up three weeks running, it is failing.",
        yields="slow failures are the expensive ones, and I had named no sign to watch for",
    ),
    Point(
        name="the time",
        argument="Delay has a price too, and {way} shows a first result within weeks.",
        counter="A first result within weeks says little about the second year, where most of the cost sits.",
        holds="The second year is hard to foresee whatever one does, so I prefer what teaches us soonest.",
        yields="an early result says little about the second year",
        hasty=True,
    ),
    Point(
        name="the gain",
        argument="The stakes are lopsided: if {way} works it pays back many times, and if it does not we have lost a few months.",
        counter="The loss is not capped at a few months, because people rarely stop a thing that half works.",
        holds="That is why I would write the stopping rule first: no clear gain by the review, no second attempt.",
        yields="people rarely stop a thing that half works, so the loss is not capped",
        hasty=True,
    ),
    Point(
        name="open doors",
        argument="The next few months will teach us most of what we lack today, and {way} keeps the doors open until then.",
        counter="Open doors are not free: two half-prepared paths cost more than one that is finished.",
        holds="Two half-prepared paths would be a waste, so I would hold one door open, and only to a fixed date.",
        yields="two half-prepared paths cost more than one that is finished",
        careful=True,
    ),
    Point(
        name="growth",
        argument="Suppose that everything doubles: {way} would bend where {rival} would break.",
        counter="To plan for doubling is a bet that most never win, and its price is paid on the first day.",
        holds="It need not double for this to matter: at half as much again the difference already shows.",
        yields="the price of planning for growth is paid on the first day, and the growth may never come",
    ),
    Point(
        name="how it is checked",
        argument="This can be checked cheaply: two weeks of figures would show whether {way} keeps its promise.",
        counter="Two weeks of figures show how keen the first people are, not how it goes once the novelty is gone.",
        holds="Novelty does flatter the figures, so I would compare them with a group that changed nothing.",
        yields="two weeks of figures would mostly measure the novelty",
    ),
    Point(
        name="outside parties",
        argument="Each outside party is a date that can slip, and {way} depends on fewer of them than {rival}.",
        counter="Fewer outside parties means that more falls on the few people inside, and their dates slip as well.",
        holds="Our own dates slip as well, but those we can move ourselves.",
        yields="what we do not take from outside lands on the same few people inside",
    ),
)

VERDICTS = (
    Point(
        name="the words",
        argument="Much hangs on what the words mean, and taken in their everyday sense {way} fits best.",
        counter="The everyday sense hides the disputed part: two careful people can use the same word and still disagree.",
        holds="Careful people may disagree about the word, but they would point to the same cases, and those I go by.",
        yields="the everyday sense of the words hides the part that is disputed",
    ),
    Point(
        name="the starting odds",
        argument="Before looking closer I ask how such claims usually turn out, and those odds favour {way}.",
        counter="How such claims usually turn out depends on which ones are called similar, and that is not said.",
        holds="Whichever claims are called similar, narrow or wide, the odds lean the same way; only by how much changes.",
        yields="the odds depend on which claims one calls similar, and I had chosen mine to suit me",
    ),
    Point(
        name="counterexamples",
        argument="I looked for counterexamples first, and those against {way} are special cases, each with a cause of its own.",
        counter="Once every counterexample is called special nothing could count against it, which is no strength.",
        holds="It could be shown wrong: three counterexamples with nothing in common would do.",
        yields="I had been explaining every counterexample away",
    ),
    Point(
        name="selection",
        argument="We mostly hear from those for whom it went one way, and {way} still stands when I discount their reports.",
        counter="By how much those reports are discounted is a guess, and the whole conclusion depends on that guess.",
        holds="The discount is a guess, but the conclusion survives doubling it.",
        yields="my conclusion rested on a guess about how far to discount the loudest reports",
    ),
    Point(
        name="the size of the effect",
        argument="The size of an effect matters more than its direction, and {way} answers to a size that people would notice.",
        counter="No size is given, so nobody could tell a large effect from one that merely sounds large.",
        holds="A size can be given: large enough that those concerned name it without being asked.",
        yields="I had given no size, and without one the effect may be too small to matter",
    ),
    Point(
        name="the long run",
        argument="Taken over ten years rather than one, {way} looks likelier, because fashions fade and costs remain.",
        counter="Over ten years the question itself will change, so the long run cannot settle it today.",
        holds="The question will change, but slowly, and the costs that I mean are old already.",
        yields="over ten years the question itself will change",
    ),
    Point(
        name="the typical case",
        argument="It differs from one place to the next, but {way} describes what most people would meet.",
        counter="The typical case is an average, and the harm or the benefit sits with those far away from it.",
        holds="Those far from the average matter, so I would name them as exceptions rather than turn the answer around.",
        yields="the people who matter most here are far from the typical case",
    ),
    Point(
        name="who gains",
        argument="It helps to ask who gains from each answer, and those who argue for {rival} gain the most from being believed.",
        counter="Who gains from an answer says nothing about whether it is true.",
        holds="It proves nothing, true; it only tells me whose figures to check twice.",
        yields="who gains from an answer says nothing about whether it is true",
    ),
)

# What is said of an answer in which no known argument is found, such as one by a language model.
PLAIN_COUNTERS = (
    "It names no case in which it would be wrong, so there is no way to check it.",
    "It leaves out who bears the cost if this does not work.",
    "The same could be said for the opposite view, so it does not decide between the two.",
    "It gives no figure, and without one the size of the effect is anybody's guess.",
)
DEMANDS = (
    "The answer should say what it would cost to be wrong.",
    "I would want to see what happens in the worst month, not in the usual one.",
    "If that falls, little is left of the case.",
    "Say what would have to happen for this to be given up.",
    "Without an answer to that I cannot follow.",
)
DOUBTS = (
    "one comparable case that went wrong would change my mind",
    "a test side by side that favours {rival} would change my mind",
    "I would think again if those concerned had heard both sides and still said no",
    "figures that point to {rival} would move me further than opinions",
    "what I would watch is whether the first objection comes up a second time",
)
REPLIES = (
    "{peer} presses me on {name}; {holds}",
    "{peer} is not content with me on {name}; {holds}",
    "On {name} I see what {peer} means, and yet {holds}",
)
STAYS = ("I stand by this", "I keep this", "this still holds", "I have heard the critiques and stay")
OWN_REASONS = (
    "I stay with my own answer: on {name}, nothing that was said against {way} was strong enough.",
    "On {name} I still find {way} ahead, so I vote for my own answer.",
    "My own answer: of all the reasons given, {name} weighs most with me, and there {way} wins.",
)
