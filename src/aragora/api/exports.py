"""A debate as a document: JSON, CSV, HTML, Markdown or plain text, from its log. May import its siblings."""

import csv
import html
import io
from collections.abc import Callable, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aragora.api import Parts
from aragora.api.answers import Debate, debate_of
from aragora.api.query import Query
from aragora.api.reports import RoundRow, rounds_of
from aragora.errors import Flaw, Invalid

TABLES = ("summary", "messages", "critiques", "votes")
# A spreadsheet takes a cell that begins with one of these for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Export(msgspec.Struct):
    """A debate whole: what was asked, what was said round by round, and what came of it."""

    debate: Debate
    rounds: list[RoundRow]


async def export(parts: Parts, request: Request) -> Response:
    """A debate as a document that can be kept, sent or printed."""
    form = request.path_params["format"]
    query = Query(request)
    table = query.text("table") or "messages"
    if table not in TABLES:
        query.wrong("table", f"must be one of {', '.join(TABLES)}")
    query.done()
    if form not in FORMS:
        raise Invalid("There is no such format.", [Flaw("format", f"must be one of {', '.join(FORMS)}")])
    return await _document(parts, request, form, table)


async def package(parts: Parts, request: Request) -> Response:
    """As the export to JSON, where the public client looks for it."""
    return await _document(parts, request, "json", "")


async def _document(parts: Parts, request: Request, form: str, table: str) -> Response:
    record = await parts.store.debate(request.path_params["id"])
    kept = Export(debate=debate_of(record), rounds=await rounds_of(parts, record))
    kind, write = FORMS[form]
    text = _csv(kept, table) if form == "csv" else write(kept)
    name = f"{record.slug or record.id}.{form}"
    shown = "attachment" if form == "csv" else "inline"
    return Response(text, media_type=kind, headers={"Content-Disposition": f'{shown}; filename="{name}"'})


def _json(kept: Export) -> bytes:
    return msgspec.json.encode(kept)


def _csv(kept: Export, table: str) -> bytes:
    written = io.StringIO(newline="")
    rows = csv.writer(written)
    for row in TABLE_ROWS[table](kept):
        rows.writerow([_cell(value) for value in row])
    return written.getvalue().encode()


def _cell(value: object) -> object:
    """Text that a spreadsheet shows instead of calculating it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


Row = Sequence[object]


def _summary_rows(kept: Export) -> Sequence[Row]:
    debate = kept.debate
    fields = ("id", "slug", "topic", "status", "outcome", "decision", "winner", "final_answer", "protocol", "rule", "created_at")
    return [("field", "value"), *((name, getattr(debate, name)) for name in fields)]


def _message_rows(kept: Export) -> Sequence[Row]:
    said = [row for each in kept.rounds for row in each.messages]
    head = ("seq", "round", "phase", "agent", "target", "content", "timestamp")
    return [head, *(tuple(getattr(row, name) for name in head) for row in said)]


def _critique_rows(kept: Export) -> Sequence[Row]:
    head, *rows = _message_rows(kept)
    return [head, *(row for row in rows if row[2] == "critique")]


def _vote_rows(kept: Export) -> Sequence[Row]:
    head = ("seq", "round", "voter", "choice", "confidence", "reason", "timestamp")
    ballots = [row for each in kept.rounds for row in each.votes]
    return [head, *(tuple(getattr(row, name) for name in head) for row in ballots)]


TABLE_ROWS: dict[str, Callable[[Export], Sequence[Row]]] = {
    "summary": _summary_rows,
    "messages": _message_rows,
    "critiques": _critique_rows,
    "votes": _vote_rows,
}


def _lines(kept: Export) -> list[tuple[str, str]]:
    """The document as headings and paragraphs: `1` to `3` are headings, `p` a paragraph."""
    debate = kept.debate
    lines = [("1", debate.title or debate.topic)]
    if debate.title:
        lines.append(("p", debate.topic))
    told = debate.outcome or debate.status
    lines += [("2", "Outcome"), ("p", f"{told}; {debate.rounds_used} rounds; {', '.join(debate.agents)}")]
    if debate.final_answer:
        lines += [("2", "Answer"), ("p", debate.final_answer)]
    for each in kept.rounds:
        lines.append(("2", f"Round {each.round}"))
        for row in each.messages:
            about = f" on {row.target}" if row.target else ""
            lines += [("3", f"{row.agent}, {row.phase}{about}"), ("p", row.content)]
        for ballot in each.votes:
            lines.append(("p", f"{ballot.voter} votes for {ballot.choice}. {ballot.reason}".strip()))
        lines.append(("p", each.summary))
    return lines


def _markdown(kept: Export) -> bytes:
    parts = [text if kind == "p" else f"{'#' * int(kind)} {' '.join(text.split())}" for kind, text in _lines(kept)]
    return ("\n\n".join(parts) + "\n").encode()


def _text(kept: Export) -> bytes:
    parts = []
    for kind, text in _lines(kept):
        under = {"1": "=", "2": "-"}.get(kind)
        parts.append(text if under is None else f"{text}\n{under * min(len(text), 79)}")
    return ("\n\n".join(parts) + "\n").encode()


def _html(kept: Export) -> bytes:
    parts = []
    for kind, text in _lines(kept):
        safe = html.escape(text)
        parts.append(f"<h{kind}>{safe}</h{kind}>" if kind != "p" else f'<p style="white-space: pre-wrap">{safe}</p>')
    title = html.escape(kept.debate.title or kept.debate.topic)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><body>'
    return (head + "\n".join(parts) + "</body></html>\n").encode()


FORMS: dict[str, tuple[str, Callable[[Export], bytes]]] = {
    "json": ("application/json", _json),
    "csv": ("text/csv", lambda kept: _csv(kept, "messages")),
    "html": ("text/html", _html),
    "md": ("text/markdown", _markdown),
    "markdown": ("text/markdown", _markdown),
    "txt": ("text/plain", _text),
}
