"""A receipt for people: Markdown and HTML. Imports nothing of ours but `debate`."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from aragora.debate.receipt import Fields
from aragora.debate.stops import REASONS

SPECIAL = str.maketrans({char: "\\" + char for char in "\\`*_{}[]()#+!|<>~"})
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem}"
    "dt{font-weight:600}dd{margin:0 0 .5rem}article{border-top:1px solid #8884;padding:.5rem 0;white-space:pre-wrap}"
    "code{word-break:break-all}"
)


def facts(receipt: Fields) -> Iterator[tuple[str, str]]:
    """What a receipt says, as label and text, in the order in which a reader asks."""
    terms, outcome, account = (_object(receipt.get(name)) for name in ("terms", "outcome", "account"))
    yield "Question", str(receipt.get("topic"))
    yield "Outcome", str(outcome.get("outcome")) + (f" (ballots: {outcome['decision']})" if _degraded(outcome) else "")
    yield "Answer", str(outcome.get("answer") or "none")
    yield "Rule, fixed before the first call", f"{terms.get('rule')}, quorum {terms.get('quorum') or 'more than half'}"
    yield "Protocol", f"{terms.get('protocol')}, {outcome.get('rounds')} of {terms.get('rounds')} rounds"
    yield "Why it stopped", REASONS.get(str(outcome.get("stopped")), str(outcome.get("stopped")))
    yield "Blind vote", _tally(receipt.get("blind"))
    yield "Last vote", _tally(receipt.get("tally"))
    yield "What debating did", str(account.get("effect")) + (" (hollow: nobody gave a reason)" if account.get("hollow") else "")
    yield "Effective votes", _number(account.get("effective_votes"))
    yield "Confidence", _number(account.get("confidence"))
    yield "Dissent", ", ".join(map(str, _list(receipt.get("dissent")))) or "none"
    absent = [_object(missing) for missing in _list(receipt.get("missing"))]
    gone = [
        f"{missing.get('seat')} ({missing.get('phase')}, round {missing.get('round')}: {missing.get('fault')})"
        for missing in absent
    ]
    yield "Missing", "; ".join(gone) or "nobody"
    yield "Quoted from earlier debates", "; ".join(_quoted(receipt)) or "nothing"
    costs = _object(receipt.get("costs"))
    yield "Cost", _cost(costs)
    yield "Events", str(receipt.get("events"))
    yield "Head of the chain", str(receipt.get("head"))
    yield "Signed by", str(_object(receipt.get("signature")).get("public_key") or "nobody")


def markdown(receipt: Fields) -> str:
    """A receipt as Markdown; what agents wrote is escaped, so that it can format nothing."""
    lines = ["# Receipt of a debate", ""]
    lines += [f"- **{label}**: {_plain(text)}" for label, text in facts(receipt)]
    lines += ["", "## What was said", ""]
    for title, text in said(receipt):
        lines += [f"### {_plain(title)}", "", _plain(text), ""]
    return "\n".join(lines)


def html(receipt: Fields) -> str:
    """A receipt as one HTML page without scripts or anything to load."""
    rows = "".join(f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in facts(receipt))
    texts = "".join(f"<article><h3>{escape(title)}</h3>{escape(text)}</article>" for title, text in said(receipt))
    head = f'<meta charset="utf-8"><title>Receipt of a debate</title><style>{STYLE}</style>'
    body = f"<h1>Receipt of a debate</h1><dl>{rows}</dl><h2>What was said</h2>{texts}"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def said(receipt: Fields) -> Iterator[tuple[str, str]]:
    """Every text of the debate, with who said it when."""
    for event in _list(receipt.get("transcript")):
        shown = _object(event)
        data = _object(shown.get("data"))
        if "phase" in data:
            text = data.get("content") or _object(data.get("abstention")).get("detail") or ""
            yield f"{shown.get('seq')}. {data.get('seat')}, {data.get('phase')}, round {data.get('round')}", str(text)


def _quoted(receipt: Fields) -> Iterator[str]:
    for event in _list(receipt.get("transcript")):
        for one in _list(_object(_object(event).get("data")).get("quotations")):
            quotation = _object(one)
            yield f"{quotation.get('date')}, {quotation.get('source')}: {quotation.get('content')}"


def _plain(text: str) -> str:
    return " ".join(text.translate(SPECIAL).split())


def _degraded(outcome: Fields) -> bool:
    return outcome.get("outcome") == "degraded"


def _tally(value: object) -> str:
    tally = _object(value)
    if not tally:
        return "none"
    counts = ", ".join(f"{name} {votes}" for name, votes in _object(tally.get("counts")).items())
    return f"{counts or 'no ballot'}; {tally.get('received')} of {tally.get('eligible')} heard"


def _cost(costs: Fields) -> str:
    known, calls = costs.get("cost_usd"), costs.get("calls")
    if known is None:
        return f"unknown, {calls} calls"
    return f"{'' if costs.get('cost_usd_complete') else 'at least '}{known} USD, {calls} calls"


def _number(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) else "unknown"


def _object(value: object) -> Fields:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()
