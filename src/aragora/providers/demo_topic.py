"""What a question leaves to choose between: from a topic to positions that demo agents can hold. Standard library only."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

# A topic may be long; its question is looked for in so many characters at its beginning, and then at its end.
LOOK_CHARS = 600
QUOTE_CHARS = 90
OPTION_CHARS_MAX = 60
OPTIONS_MIN, OPTIONS_MAX = 2, 5
CLAIM_WORDS_MIN = 4  # shorter statements name a subject (`Test debate`), longer ones say something about it
JOINERS = "\u200d\ufe0f"  # what holds an emoji together is not printable, and harmless


@dataclass(frozen=True, slots=True)
class Position:
    """A stance: the words that every answer for it begins with, and a name for it that fits into a sentence (singular)."""

    claim: str
    way: str
    careful: bool = False  # it waits or tries, so that arguments for haste do not fit it


@dataclass(frozen=True, slots=True)
class Matter:
    """A question understood: whether it is about what to do or about what is so, and what can be answered."""

    action: bool
    positions: tuple[Position, ...]


ASKING = ("?", "\uff1f")
SENTENCE_END = re.compile("(?<=[.!?\u3002\uff01\uff1f])\\s+")
QUOTES = str.maketrans({"\u201c": "\u2018", "\u201d": "\u2019", '"': "'"})


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ASKS = "should|shall|would|could|can|will|must|may|is|are|was|were|do|does|did|has|have"
WH = "what|how|why|when|where|who|which"
PRONOUNS = _words("we i you they it he she there this that everyone everybody people anyone someone")
VERBS = _words(
    """
    abolish accept add adopt allow automate avoid ban be become block break build buy cache centralise centralize
    change charge choose close colonise colonize continue create cut delay delete deploy design develop disable do
    document drink drive drop eat enable encourage exist expand explain explore expose extend feel fix fly focus
    follow fund get give go grow handle have help hire host improve increase introduce invest join keep launch learn
    leave legalise legalize let limit log lower make manage mandate matter measure merge migrate monetise monetize
    move need offer onboard open organise organize outsource pay pick plan play postpone prefer prevent prioritise
    prioritize protect publish put quit raise read reduce refactor regulate reject release rely remove rent replace
    require rewrite run save scale sell set share ship solve spend split standardise standardize start stay stop store
    study support survive switch take talk tax teach test think travel trust try upgrade use wait work write
    """
)
DOUBLED = _words("ban cut drop get let log plan put quit run set ship split stop")
JUDGED = _words(
    """
    a alive always an art as at bad better cheap conscious dead enough ethical ever expensive fair false free good
    harmful important impossible in inevitable just less like likely more necessary needed never of on only overrated
    possible prime ready real really responsible right safe still sustainable the too true underrated unsafe useful
    useless worse worth wrong
    """
)
TAIL = re.compile(
    r"\s(?=(?:for|in|on|to|as|when|while|at|with|by|if|during|as|better|best|first|faster|cheaper|safer|more|because|given"
    r"|until|from|inside|within)\b)",
    re.IGNORECASE,
)
NOT = {"can": "cannot"}
LEAD_CHOICE = re.compile(
    r"^(?:(?:which|what|who)\b[^,:]*[,:]\s*|is it (?:better|best|wiser|smarter) to\s+|which (?:is|are) better\s*"
    rf"|(?:{ASKS})\s+)",
    re.IGNORECASE,
)


@lru_cache(256)  # each turn of a debate asks it
def understand(topic: str) -> Matter:
    """Find out what can be answered. Any text leads to at least five positions with claims that differ."""
    asked = question(topic)
    bare = asked.rstrip("?!. \u3002\uff01\uff1f").strip()
    first = bare.partition(" ")[0].casefold()
    wh = re.fullmatch(WH, first) is not None
    options = () if first in ("how", "why", "when", "where") else choices(bare)
    if options:
        return Matter(action=True, positions=_choice(options))
    if wh:
        return _open(first, bare)
    if re.fullmatch(ASKS, first) and " " in bare:
        return _yes_or_no(first, re.sub(r"\s+or not$", "", bare))
    deed = bare[:1].lower() + bare[1:]
    words = len(bare.split())
    if _starts_with_verb(deed) and words >= CLAIM_WORDS_MIN:
        return Matter(action=True, positions=_ways(f"To {clip(deed)},"))
    if words >= CLAIM_WORDS_MIN and not asked.endswith(ASKING):
        return Matter(action=False, positions=_claim(clip(asked.rstrip("."))))
    return Matter(action=True, positions=_ways(f"On “{clip(asked)}” I would"))


def question(topic: str) -> str:
    """The sentence of a topic that asks something, in printable characters on one line; else its beginning."""
    for part in (topic[:LOOK_CHARS], topic[-LOOK_CHARS:]):
        asked = [sentence for sentence in SENTENCE_END.split(_line(part)) if sentence.endswith(ASKING)]
        if asked:
            inner = re.search(rf"[,.:;]\s+((?:{ASKS}|{WH})\s.*)$", asked[-1], re.IGNORECASE)
            return inner[1] if inner else asked[-1].lstrip("¿ ")
    return _line(topic[:LOOK_CHARS]).strip(JOINERS) or "this question"


def _line(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() or c in JOINERS else " " for c in text).split())
    # A label in a question stands for no seat; with another space it is not read as one.
    return re.sub(r"\bAnswer (?=[A-Z]{1,2}\b)", "Answer\u00a0", line)


def clip(text: str) -> str:
    """Enough of a text to know it by, cut between words where there are any, with single quotation marks inside."""
    text = text.translate(QUOTES)
    if len(text) <= QUOTE_CHARS:
        return text
    cut = text[:QUOTE_CHARS]
    return (cut.rpartition(" ")[0] or cut) + " …"


def choices(bare: str) -> tuple[str, ...]:
    """The options that a question names, each as something to do (`use Redis`), at most five; empty if it names none."""
    parts = re.split(r",?\s+(?:or|vs\.?|versus)\s+", bare, flags=re.IGNORECASE)
    if not OPTIONS_MIN <= len(parts) <= OPTIONS_MAX:
        return ()
    words = bare.casefold().split()
    judges = words[0] in ("is", "are", "was", "were") and words[1:2] != ["it"]
    if judges and any(word in JUDGED for word in parts[0].casefold().split()[2:]):
        return ()
    left = LEAD_CHOICE.sub("", parts[0], count=1)
    names = [item.strip() for item in (*left.split(", "), *parts[1:])]
    _, verb, names[0] = divide(names[0])
    names[-1] = names[-1] if _starts_with_verb(names[-1]) else TAIL.split(names[-1], maxsplit=1)[0]
    if verb and any(_starts_with_verb(name) for name in names[1:]):
        names[0] = f"{verb} {names[0]}".strip()
        verb = ""
    elif not verb and not _starts_with_verb(names[-1]):
        verb = "choose"
    if bare.startswith(names[0]) and not names[-1][:1].isupper():
        names[0] = names[0][:1].lower() + names[0][1:]
    full = [name if _starts_with_verb(name) and verb != "choose" else f"{verb} {name}".strip() for name in names if name]
    unique = tuple(dict.fromkeys(full))
    fits = all(len(name) <= OPTION_CHARS_MAX for name in unique) and all(names) and "not" not in names
    return unique if fits and len(unique) >= OPTIONS_MIN else ()


def divide(text: str) -> tuple[str, str, str]:
    """Subject, verb and the rest of `the team use Redis`; where no verb is known, the verb is empty and the rest is all."""
    words = text.split()
    for place, word in enumerate(words[:6]):
        if word in VERBS:  # as written: `Go` is a language
            return " ".join(words[:place]), word, " ".join(words[place + 1 :])
    return "", "", text


def doing(deed: str) -> str:
    """`use Redis` as a subject: `using Redis`."""
    verb, _, rest = deed.partition(" ")
    if verb not in VERBS:
        return f"the choice to {deed}"
    silent = verb.endswith("e") and not verb.endswith(("ee", "be"))
    stem = verb + verb[-1] if verb in DOUBLED else verb[: len(verb) - silent]
    return f"{stem}ing {rest}".strip()


def _starts_with_verb(text: str) -> bool:
    return text.partition(" ")[0] in VERBS


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _choice(options: Sequence[str]) -> tuple[Position, ...]:
    one, two = options[0], options[1]
    names = [option.removeprefix("choose ") for option in options]
    over = "over" if one.startswith("choose ") else "rather than"
    shared = two.partition(" ")[0] == one.partition(" ")[0]
    other = two.partition(" ")[2] if shared and " " in two else two
    pairs = [
        (option, other if option != two else (one.partition(" ")[2] if shared and " " in one else one)) for option in options
    ]
    firm = [Position(f"{_capital(option)} {over} {against}", doing(option)) for option, against in pairs]
    middle = (
        Position(f"Begin by {doing(one)}, and write down today what would make you {two} instead", f"{doing(one)} to begin with"),
        Position(
            f"Try both for a month, {names[0]} beside {names[1]}, before anything is settled",
            "a month of trying both",
            careful=True,
        ),
        Position(
            f"Do not settle this once for all: {names[0]} where mistakes are dear, {names[1]} elsewhere", "deciding case by case"
        ),
        Position(f"Neither {names[0]} nor {names[1]} yet", "holding off for now", careful=True),
    )
    return (*firm, *middle)


def _yes_or_no(ask: str, bare: str) -> Matter:
    rest = bare.partition(" ")[2]
    if ask in ("should", "shall", "must"):
        subject, verb, what = divide(rest)
        if verb and subject:
            return Matter(action=True, positions=_deed(subject, f"{verb} {what}".strip()))
        return Matter(action=True, positions=_statement(clip(bare + "?")))
    return Matter(action=False, positions=_verdict(ask, rest, clip(bare + "?")))


def _deed(subject: str, deed: str) -> tuple[Position, ...]:
    who = "you" if subject.casefold() == "i" else subject
    deed = clip(re.sub(r"\b(my|our)\b", lambda own: "your" if own[1] == "my" else own[1], deed))
    return (
        Position(f"Yes, {who} should {deed}", doing(deed)),
        Position(f"No, {who} should not {deed}", "leaving things as they are", careful=True),
        Position(
            f"Only as a trial: {who} should {deed} for three months, in one place, and then look again",
            "a trial first",
            careful=True,
        ),
        Position(
            f"Not yet: before {who} can {deed}, one thing must be settled, and that is who pays if it fails",
            "waiting",
            careful=True,
        ),
        Position(f"Yes, but {who} should {deed} step by step, with the easiest part first", "going step by step"),
        Position(f"It should be left to each team or person to {deed} or not", "leaving it to those concerned"),
    )


def _verdict(ask: str, rest: str, quoted: str) -> tuple[Position, ...]:
    yes, no = f"My answer to “{quoted}” is yes", f"My answer to “{quoted}” is no"
    words = rest.split()
    known = (
        JUDGED
        if ask in ("is", "are", "was", "were")
        else VERBS
        if ask in ("can", "could", "will", "would", "may", "do", "does")
        else frozenset()
    )
    start = 1 if words[0].casefold() in PRONOUNS else _predicate(words, known)
    if known and " or " not in rest and 0 < start < len(words) and len(rest) <= QUOTE_CHARS:
        subject, predicate = " ".join(words[:start]), " ".join(words[start:])
        yes, no = f"Yes, {subject} {ask} {predicate}", f"No, {subject} {NOT.get(ask, ask + ' not')} {predicate}"
    return (
        Position(yes, "a yes"),
        Position(no, "a no"),
        Position(
            f"It depends: “{quoted}” has one answer for the common case and another at the edges", "an answer with conditions"
        ),
        Position(f"Mostly yes, though “{quoted}” hides one exception that matters", "a yes with an exception"),
        Position(f"Nobody can say yet: “{quoted}” turns on figures that are missing", "leaving it open", careful=True),
        Position(f"Rather no, although “{quoted}” may be answered otherwise in ten years", "a no for the present"),
    )


def _predicate(words: Sequence[str], known: frozenset[str]) -> int:
    """Where the predicate of a question begins, after its auxiliary verb: `work` may be a noun before `help`; 0: unknown."""
    places = [n for n, word in enumerate(words[:8]) if n and word.casefold() in known]
    return next((n for n in places if known is JUDGED or n + 1 not in places), 0)


def _open(first: str, bare: str) -> Matter:
    quoted = clip(bare + "?")
    if first in ("why", "who", "when", "where"):
        return Matter(action=False, positions=_causes(quoted))
    aim = re.sub(
        r"^(?:how (?:to|(?:should|can|could|do|would|might|must) (?:we|i|you|one|they|people|a team|teams|companies))"
        r"|what(?: is|'s|\u2019s) the (?:best|right|fastest|cheapest|safest|easiest) way (?:to|for us to))\s+",
        "",
        bare,
        flags=re.IGNORECASE,
    )
    if aim != bare and _starts_with_verb(aim):
        return Matter(action=True, positions=_ways(f"To {clip(aim)},"))
    thing = re.match(r"^what(?: is|'s|\u2019s| are) ((?:the|a|an|our|your)\b.+)$", bare, re.IGNORECASE)
    return Matter(action=thing is None, positions=_ways(f"On “{quoted}” I would") if thing is None else _views(clip(thing[1])))


def _ways(aim: str) -> tuple[Position, ...]:
    return (
        Position(f"{aim} start with the smallest version that helps somebody this week", "a small start"),
        Position(f"{aim} find the one thing that holds everything up and put all effort there", "working on the bottleneck"),
        Position(f"{aim} copy what already works elsewhere and change it only where it hurts", "copying what works"),
        Position(f"{aim} measure for two weeks before changing anything", "measuring first", careful=True),
        Position(f"{aim} give one person the task and the right to decide", "one person in charge"),
        Position(f"{aim} remove something before adding anything", "removing before adding"),
    )


def _views(thing: str) -> tuple[Position, ...]:
    return (
        Position(f"I would judge {thing} by what it lets people do, and by nothing else", "judging by results"),
        Position(f"I would look for {thing} in what people choose when nobody is watching", "watching what people choose"),
        Position(
            f"I would not expect one answer to {thing}: it changes with who is asking", "an answer that depends on the asker"
        ),
        Position(f"I would answer {thing} by ruling out what is plainly wrong, and keep what is left", "ruling things out"),
        Position(f"I would start on {thing} from how it was answered in the past, and correct that", "starting from the past"),
    )


def _causes(quoted: str) -> tuple[Position, ...]:
    return (
        Position(
            f"The short answer to “{quoted}” lies in incentives: people do what they are rewarded for",
            "the account by incentives",
        ),
        Position(f"The short answer to “{quoted}” lies in habit, which outlives its reasons", "the account by habit"),
        Position(
            f"There is no single answer to “{quoted}”, but several small ones that add up", "the account by many small causes"
        ),
        Position(f"The short answer to “{quoted}” lies in slow feedback: mistakes show too late", "the account by slow feedback"),
        Position(f"The short answer to “{quoted}” is chance, more than anybody likes to admit", "the account by chance"),
    )


def _claim(quoted: str) -> tuple[Position, ...]:
    return (
        Position(f"I agree that “{quoted}” holds", "agreeing"),
        Position(f"I do not agree that “{quoted}” holds", "disagreeing"),
        Position(f"I agree with “{quoted}” in the usual case, and not at the edges", "agreeing with a limit"),
        Position(f"I would turn “{quoted}” around: the exceptions are the rule", "turning it around"),
        Position(f"I would leave “{quoted}” open until there are figures", "leaving it open", careful=True),
    )


def _statement(quoted: str) -> tuple[Position, ...]:
    return (
        Position(f"I am for “{quoted}”", "a yes"),
        Position(f"I am against “{quoted}”", "a no", careful=True),
        Position(f"I would say yes to “{quoted}” on two conditions, a limit and a date to look again", "a yes on conditions"),
        Position(f"I would first try “{quoted}” on a small scale", "a small trial", careful=True),
        Position(f"I would put off “{quoted}” until its aim is written down", "putting it off", careful=True),
        Position(f"I would do half of “{quoted}”, the half that can be undone", "doing half of it"),
    )
