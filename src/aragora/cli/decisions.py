"""What the commands about decisions do: redecide, receipt, verify, bench. May import `app`, bench and receipts."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from aragora import app
from aragora.api.standings import RankingRow, ranking_of
from aragora.bench import Table
from aragora.bench.paired import compare as compared
from aragora.bench.paired import questions
from aragora.bench.report import as_json as tables_as_json
from aragora.bench.report import html as page_of
from aragora.bench.report import text
from aragora.bench.suite import EXPERIMENTS, run
from aragora.cli.running import write_rows
from aragora.cli.terminal import table
from aragora.config import Loaded, Settings
from aragora.debate.protocols import latest
from aragora.debate.receipt import Entry, belongs, canonical, prove, receipt
from aragora.debate.redecide import Redecision, last_vote
from aragora.debate.redecide import redecide as under
from aragora.debate.rules import RULES
from aragora.debate.strength import GAMES_MIN
from aragora.errors import Conflict, Invalid
from aragora.ranking import Ranking
from aragora.receipts.check import check, load, read_log, sign
from aragora.receipts.show import html, markdown
from aragora.store.chain import entries
from aragora.store.ranks import Ranks


async def _log(settings: Settings, debate_id: str) -> list[Entry]:
    async with app.open_store(settings) as store:
        return await entries(store.database, debate_id)


async def receipt_of(settings: Settings, debate_id: str, form: str, seq: int | None) -> None:
    """Write a receipt, or the proof of one event, to standard output."""
    log = await _log(settings, debate_id)
    if seq is not None:
        if not 1 <= seq <= len(log):
            raise Invalid(f"The log has events 1 to {len(log)}.")
        _write(json.dumps(prove(debate_id, log, seq), indent=1))
        return
    written: dict[str, object] = receipt(debate_id, log)
    if settings.signing_key:
        written = sign(written, settings.signing_key)
    forms = {"markdown": markdown, "html": html}
    _write(forms[form](written) if form in forms else json.dumps(written, indent=1))


def verify(content: bytes, *, key: str, head: str) -> bool:
    """Check a receipt or a proof, say what was found, and whether it is whole. Raises Invalid."""
    given = load(content)
    if str(given.get("schema", "")).endswith("/proof"):
        root = head or str(given.get("root"))
        whole = belongs(given, root)
        source = "the root you gave" if head else "the root in the proof itself; compare it with that of the receipt"
        _write(f"{'BELONGS' if whole else 'DOES NOT BELONG'}: the event leads to {source}.")
        return whole
    found = check(given, key=key, head=head)
    _write(f"WHOLE: {given.get('events')} events, head {given.get('head')}" if found.whole else f"ALTERED: {found.flaws[0]}")
    for flaw in found.flaws[1:]:
        _write(f"  also {flaw}")
    if found.signed_by:
        _write(f"signed by {found.signed_by}" if found.whole else f"names the key {found.signed_by}")
    for note in found.notes:
        _write(f"note: {note}")
    return found.whole


async def redecide(settings: Settings, debate_id: str, rule: str, *, as_json: bool) -> None:
    """Show what each rule makes of the last vote of a stored debate."""
    if rule != "all" and rule not in RULES:
        raise Invalid(f"--rule must be all or one of {', '.join(RULES)}.")
    log = await _log(settings, debate_id)
    if not log or log[-1].type != "debate_end":
        raise Conflict("The debate has not ended.")
    brief, heard, _ = read_log([one.data for one in log], [one.type for one in log])
    ballots, answers = last_vote(brief, [*heard.values()])
    if not answers:
        raise Conflict("This debate holds no vote on the answers of its seats.")
    found = under(brief, ballots, answers, () if rule == "all" else (rule,))
    if as_json:
        write_rows(found)
        return
    table([_row(one) for one in found], ("rule", "winner", "met", "margin", "pivotal seats", "flips with"))
    _write(
        f"The debate was decided by {brief.rule}. 'flips with' is the fewest changed ballots that were found to make another win."
    )


def _row(one: Redecision) -> tuple[object, ...]:
    winner = one.tally.leader or f"tie of {', '.join(one.tally.tied)}"
    margin = "" if one.margin is None else f"{one.margin:.3g}"
    flips = "never" if one.flip is None else f"{one.flip} ballot{'s' if one.flip > 1 else ''} to {one.flip_to}"
    met = "yes" if one.tally.reached else "no"
    return (one.rule, winner + ("" if one.same else "  (differs)"), met, margin, ", ".join(one.pivotal) or "none", flips)


async def ranking(settings: Settings, *, limit: int, judge: str, recompute: bool, as_json: bool) -> bool:
    """Show agents by strength, after what is due is counted; whether counting all logs anew gives what was kept."""
    async with app.open_store(settings) as store:
        ranks = Ranks(store.database)
        keeping = Ranking(ranks=ranks, store=store, now=app.now)
        same = await keeping.recount() if recompute else True
        await keeping.settle()
        found = [ranking_of(place, one) for place, one in enumerate(await ranks.board(judge, limit=limit), 1)]
    if as_json:
        write_rows(found)
    else:
        names = ("rank", "agent", "strength", "95 % interval", "games", "brier", "elo")
        table([(_places(row), row.agent, *_figures(row)) for row in found], names)
    if recompute:
        click.echo("counted anew from the logs: " + ("the same" if same else "not what was kept; mended"), err=True)
    return same


def _places(row: RankingRow) -> str:
    """The ranks that the results allow, or that there are too few."""
    if not row.ranked:
        return f"fewer than {GAMES_MIN} games"
    return str(row.rank_low) if row.rank_low == row.rank_high else f"{row.rank_low} to {row.rank_high}"


def _figures(row: RankingRow) -> tuple[object, ...]:
    strength = "" if row.strength is None else f"{row.strength:.0f}"
    interval = "" if row.strength_low is None else f"{row.strength_low:.0f} to {row.strength_high:.0f}"
    return strength, interval, row.games, "" if row.brier is None else f"{row.brier:.3f}", f"{row.elo:.0f}"


def experiments(only: str | None, trials: int) -> list[Table]:
    """Run experiments. Raises Invalid for one that does not exist."""
    names = only.split(",") if only else []
    if not set(names) <= EXPERIMENTS.keys():
        raise Invalid(f"--only takes {', '.join(EXPERIMENTS)}.")
    return run(names, trials, lambda name: click.echo(f"{name} …", err=True))


async def compare(loaded: Loaded, lines: str, panel: Sequence[str], protocol: str) -> Table:
    """Compare a panel with its best member on questions with known answers. Raises Invalid."""
    name = latest(protocol)
    agents = app.agents_of(loaded)
    try:
        for agent in panel:
            agents.find(agent.strip())
        if name is None or len(panel) < 2:  # noqa: PLR2004 - a panel
            raise Invalid("--questions needs a known --protocol and at least two --agents.")
        return await compared(agents, questions(lines), [agent.strip() for agent in panel], name)
    finally:
        await agents.close()


def report(tables: Sequence[Table], *, as_json: bool, page: str | None) -> bool:
    """Write tables and say whether every known figure was met. Raises Invalid where the page cannot be written."""
    if page is not None:
        try:
            Path(page).write_text(page_of(tables), "utf-8")
        except OSError as error:
            raise Invalid(f"--html: the file cannot be written: {error.strerror}.") from error
    _write(canonical(tables_as_json(tables)).decode() if as_json else "\n".join(text(tables)))
    missed = [table.id for table in tables if not table.fits]
    if missed:
        click.echo(f"missed: {', '.join(missed)}", err=True)
    return not missed


def _write(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n")
