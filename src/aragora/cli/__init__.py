"""The command line. Imports what a command needs when it runs, so that `--help` and completion are quick.

Exit codes are in the help text of `aragora` itself and are part of the contract.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aragora import __version__
from aragora.cli.memories import memory
from aragora.cli.running import (
    EXIT_CONFIG,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_NO_CONSENSUS,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    as_rows,
    data_dir,
    fail,
    limited,
    run_to_end,
    settings_with,
)
from aragora.cli.users import users
from aragora.config import Loaded, shown
from aragora.errors import AragoraError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO, TextIO

    from aragora import app
    from aragora.debate.model import Outcome

EPILOG = """
\b
Exit codes:
  0    done
  1    the debate failed or was cancelled, a check of `doctor` failed, or `loadtest` missed an objective
  2    the command was not understood
  3    a setting cannot be right
  5    no agent, or no server, could be reached
  6    no consensus, with --require-consensus
  130  interrupted; `aragora debate --resume ID` goes on, `loadtest` has printed what it measured
"""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="aragora")
def main() -> None:
    """Language models debate a question that matters, and the answer says how it was reached."""


main.add_command(users)
main.add_command(memory)


@main.command()
@click.option("--host", "api_host", help="Address to listen on; default 127.0.0.1.")
@click.option("--api-port", type=int, help="Port of the API, the page and /ws; default 8080.")
@click.option("--ws-port", type=int, help="Second port for WebSocket; default 8765.")
@click.option("--workers", type=int, help="Processes on the same ports; default 1, more need PostgreSQL.")
@click.option("--role", help="What this process does: all (default), api, ws or worker; parts need PostgreSQL.")
@click.option("--demo", is_flag=True, help="Hold an example debate at once, so that there is something to see.")
@data_dir
def serve(*, demo: bool, **flags: object) -> None:
    """Serve debates over HTTP and WebSocket until told to stop."""
    from aragora import app

    loaded = settings_with(quiet=False, **flags)

    def ready(ports: app.Ports) -> None:
        click.echo(f"Aragora {__version__} serves http://{loaded.settings.api_host}:{ports.api} (WebSocket also on {ports.ws}).")

    examples = ("Should a young product start on SQLite or PostgreSQL?",) if demo else ()
    if loaded.settings.workers > 1:
        raise SystemExit(_many(loaded, ready, examples))
    run_to_end(app.serve(loaded, ready=ready, examples=examples))


def _many(loaded: Loaded, ready: "Callable[[app.Ports], None]", examples: "Sequence[str]") -> int:
    """Serve with several processes; what went wrong in any is one line."""
    from aragora import app

    try:
        return app.serve_many(loaded, ready=ready, run=run_to_end, examples=examples)
    except ConfigError as error:
        fail(error.message, EXIT_CONFIG)


@main.command()
@click.argument("topic", required=False)
@click.option("--agents", help="Who debates, as in demo,demo:sceptic,demo. Default: three demo agents.")
@click.option("--rounds", type=int, help="Rounds at most; default 3.")
@click.option("--protocol", help="How to debate: critique (default), gated, council, vote_only and others.")
@click.option("--rule", help="How ballots decide: majority (default), supermajority, unanimous, schulze and others.")
@click.option("--threshold", type=float, help="Share of the seats that must agree, 0 to 1, beyond what the rule says.")
@click.option("--quorum", type=int, help="Ballots needed to decide anything; default more than half of the seats.")
@click.option("--option", "options", multiple=True, help="An option of a closed question; give each of them.")
@click.option("--topology", help="Who reads whom: full (default), ring, star or random:K.")
@click.option("--judge", help="Agent that breaks a tie.")
@click.option("--context", help="Background that every agent reads, or @FILE to read it from a file.")
@click.option("--seed", type=int, help="Fixes what is arbitrary, demo agents included.")
@click.option("--max-cost", "max_cost_usd", type=float, metavar="USD", help="Make no call that might take the debate past this.")
@click.option("--estimate", is_flag=True, help="Say what the debate would cost, and hold none.")
@click.option("--resume", metavar="ID", help="Go on with a debate that was broken off.")
@click.option("--json", "as_json", is_flag=True, help="Write the wire events as JSON lines.")
@click.option("--plain", is_flag=True, help="Write plain lines even on a terminal.")
@click.option("--require-consensus", is_flag=True, help="Exit with 6 when the rule was not met.")
@data_dir
def debate(
    *,
    topic: str | None,
    resume: str | None,
    as_json: bool,
    plain: bool,
    require_consensus: bool,
    estimate: bool,
    data_dir: str | None,
    **given: object,
) -> None:
    """Hold a debate on TOPIC here and now, and watch it."""
    from aragora.cli import watch

    if (topic is None) == (resume is None) or (estimate and resume):
        raise click.UsageError("Give a TOPIC, or --resume ID to go on with one.")
    context = given.get("context")
    if isinstance(context, str) and context.startswith("@"):
        given["context"] = _file(context[1:])
    loaded = settings_with(data_dir=data_dir)
    show = watch.shower(as_json=as_json, plain=plain)
    asked = {name: value for name, value in given.items() if value not in (None, ())}
    if estimate:
        run_to_end(watch.estimate(loaded, as_json=as_json, topic=topic, **asked))
        return
    session = watch.Session(loaded, show)
    try:
        outcome = run_to_end(session.hold(resume, topic=topic, **asked))
    except KeyboardInterrupt:
        again = f" Continue with: aragora debate --resume {session.debate_id}" if session.debate_id else ""
        fail(f"interrupted; what was said is kept.{again}", EXIT_INTERRUPTED)
    raise SystemExit(_exit_code(outcome, require_consensus=require_consensus))


def _file(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"--context: the file cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}.", EXIT_USAGE)


def _exit_code(outcome: "Outcome", *, require_consensus: bool) -> int:
    if str(outcome.outcome) == "failed" and outcome.missing and outcome.tally is None:
        return EXIT_UNAVAILABLE
    if str(outcome.outcome) in {"failed", "cancelled"}:
        return EXIT_FAILED
    return EXIT_NO_CONSENSUS if require_consensus and not outcome.reached else 0


@main.command()
@click.argument("debate_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Write the log as JSON lines.")
@data_dir
def show(*, debate_id: str, as_json: bool, data_dir: str | None) -> None:
    """Show a stored debate: its outcome and everything that was said."""
    from aragora.cli import watch

    loaded = settings_with(data_dir=data_dir)
    run_to_end(watch.replay(loaded.settings, debate_id, watch.shower(as_json=as_json, plain=True)))


@main.command("list")
@limited
@as_rows
@data_dir
def list_(*, limit: int, as_json: bool, data_dir: str | None) -> None:
    """List stored debates, newest first."""
    from aragora.cli import watch

    loaded = settings_with(data_dir=data_dir)
    run_to_end(watch.list_debates(loaded.settings, limit=limit, as_json=as_json))


@main.command()
@click.option("--judged-by", type=click.Choice(["panel", "people"]), default="panel", show_default=True, help="Whose judgement.")
@click.option("--recompute", is_flag=True, help="Count every log anew first; exits with 1 where that is not what was kept.")
@limited
@as_rows
@data_dir
def leaderboard(*, limit: int, judged_by: str, recompute: bool, as_json: bool, data_dir: str | None) -> None:
    """Show agents by strength, fitted over all stored results, with intervals, calibration and Elo."""
    from aragora.cli import decisions

    settings = settings_with(data_dir=data_dir).settings
    same = run_to_end(decisions.ranking(settings, limit=limit, judge=judged_by, recompute=recompute, as_json=as_json))
    raise SystemExit(0 if same else EXIT_FAILED)


@main.command()
@as_rows
def agents(*, as_json: bool) -> None:
    """List who can be asked now, and what that costs."""
    from aragora.cli import models

    models.list_agents(settings_with(), as_json=as_json)


@main.command()
@click.argument("debate_id", metavar="ID")
@click.option("--rule", default="all", show_default=True, help="One rule, or all of them.")
@as_rows
@data_dir
def redecide(*, debate_id: str, rule: str, as_json: bool, data_dir: str | None) -> None:
    """Count the last vote of a stored debate under every rule, and say how close it was."""
    from aragora.cli import decisions

    loaded = settings_with(data_dir=data_dir)
    run_to_end(decisions.redecide(loaded.settings, debate_id, rule, as_json=as_json))


@main.command()
@click.argument("debate_id", metavar="ID")
@click.option("--format", "form", type=click.Choice(["json", "markdown", "html"]), default="json", show_default=True)
@click.option("--prove", type=int, metavar="SEQ", help="Write only the proof that this event belongs to the receipt.")
@data_dir
def receipt(*, debate_id: str, form: str, prove: int | None, data_dir: str | None) -> None:
    """Write the receipt of a stored debate; signed, where ARAGORA_SIGNING_KEY is set."""
    from aragora.cli import decisions

    loaded = settings_with(data_dir=data_dir)
    run_to_end(decisions.receipt_of(loaded.settings, debate_id, form, prove))


@main.command()
@click.argument("file", type=click.File("rb"))
@click.option("--key", default="", help="The public key that must have signed it, in hexadecimal.")
@click.option("--head", default="", help="The head of the chain that it must have, or the root for a proof of one event.")
def verify(*, file: "BinaryIO", key: str, head: str) -> None:
    """Check a receipt, or the proof of one event; exits with 0 only when it is whole. Needs no server and no database."""
    from aragora.cli import decisions

    try:
        whole = decisions.verify(file.read(), key=key.lower(), head=head.lower())
    except AragoraError as error:
        fail(error.message, EXIT_USAGE)
    raise SystemExit(0 if whole else EXIT_FAILED)


@main.command()
@click.option("--only", help="Some experiments, as in E1,E12; default all.")
@click.option("--trials", type=click.IntRange(50, 100_000), default=1500, show_default=True, help="Trials of a figure.")
@click.option("--html", "page", type=click.Path(dir_okay=False), help="Write a page with plots as well.")
@click.option("--json", "as_json", is_flag=True, help="Write the tables as JSON.")
@click.option("--questions", type=click.File("r", "utf-8"), help="Compare a panel on these questions instead, one JSON a line.")
@click.option("--agents", default="", help="The panel, for --questions; a semicolon parts the numbers of a simulated agent.")
@click.option("--protocol", default="critique", show_default=True, help="How the panel debates, for --questions.")
@data_dir
def bench(
    *,
    only: str | None,
    trials: int,
    page: str | None,
    as_json: bool,
    questions: "TextIO | None",
    agents: str,
    protocol: str,
    data_dir: str | None,
) -> None:
    """Reproduce published figures about panels, rankings and receipts; exits with 1 when one is missed."""
    from aragora.cli import decisions

    loaded = settings_with(data_dir=data_dir)
    try:
        if questions is not None:
            tables = [run_to_end(decisions.compare(loaded, questions.read(), agents.split(","), protocol))]
        else:
            tables = decisions.experiments(only, trials)
        fits = decisions.report(tables, as_json=as_json, page=page)
    except AragoraError as error:
        fail(error.message, EXIT_USAGE)
    raise SystemExit(0 if fits else EXIT_FAILED)


@main.command()
@click.option(
    "--url", default="http://127.0.0.1:8080", show_default=True, help="The server; its key is read from ARAGORA_API_KEY."
)
@click.option("--profile", type=click.Choice(["smoke", "light", "heavy", "spike", "soak"]), default="smoke", show_default=True)
@click.option("--users", type=click.IntRange(1, 10_000), help="As many users all the time, instead of the profile's.")
@click.option("--seconds", type=click.FloatRange(1, 7 * 86_400), help="For so long, instead of the profile's time.")
@click.option("--watchers/--no-watchers", default=True, show_default=True, help="Whether one user in eleven watches debates.")
@click.option("--json", "as_json", is_flag=True, help="Write the figures as JSON.")
def loadtest(*, url: str, profile: str, users: int | None, seconds: float | None, watchers: bool, as_json: bool) -> None:
    """Put users on a running server and say whether it meets the objectives; exits with 1 when a row does not."""
    from aragora.cli import load

    loaded = settings_with()
    stages = load.stages(profile, users, seconds)

    done = run_to_end(load.measure(url.rstrip("/"), loaded.secret("ARAGORA_API_KEY"), stages, watchers=watchers))
    click.echo(load.as_json(done) if as_json else "\n".join(load.table(done)))
    if done.interrupted:
        raise SystemExit(EXIT_INTERRUPTED)
    raise SystemExit(EXIT_FAILED if any(flaw for row in done.rows.values() for flaw in row.flaws()) else 0)


@main.command("copy")
@click.argument("source", metavar="SQLITE_URL")
@click.argument("target", metavar="POSTGRESQL_URL")
def copy_command(*, source: str, target: str) -> None:
    """Move a team from a SQLite file to an empty PostgreSQL database; stop the server first."""
    from aragora import app

    old, new = settings_with(database_url=source), settings_with(database_url=target)
    if old.settings.on_postgres or not new.settings.on_postgres:
        raise click.UsageError("Copy from sqlite:///FILE to postgresql://USER@HOST/DATABASE.")
    if not old.settings.database_path.is_file():
        raise click.UsageError("There is no such SQLite file.")
    counts = run_to_end(app.copy_database(old.settings, new.settings))
    click.echo("\n".join(f"{table}: {count}" for table, count in counts.items() if count))
    click.echo("Every row is there, and every log is the same, event by event.")


@main.command()
@click.option("--users", type=click.IntRange(1, 10_000_000), required=True, help="People who are there at the same time.")
@click.option("--debates", type=click.IntRange(1, 1_000_000_000), help="Debates to keep; default 20 for each user.")
def capacity(*, users: int, debates: int | None) -> None:
    """Print what a fleet for so many users needs, from measured costs, and what the specification planned."""
    from aragora.cli import plan

    click.echo(plan.page(users, debates or plan.DEBATES_PER_USER * users))


@main.command()
@data_dir
def migrate(*, data_dir: str | None) -> None:
    """Bring the database schema up to date."""
    from aragora.cli import watch

    loaded = settings_with(data_dir=data_dir)
    steps = run_to_end(watch.migrate(loaded.settings))
    click.echo("\n".join(f"applied {step}" for step in steps) or "The schema is up to date.")


@main.command()
@data_dir
def doctor(*, data_dir: str | None) -> None:
    """Check what this installation needs, one line each."""
    from aragora.cli import checks

    loaded = settings_with(data_dir=data_dir)
    findings = run_to_end(checks.examine(loaded))
    for finding in findings:
        click.echo(f"{finding.verdict:<5} {finding.about}: {finding.text}")
    if any(finding.verdict == "FAIL" for finding in findings):
        raise SystemExit(EXIT_FAILED)


@main.command()
@data_dir
def mcp(*, data_dir: str | None) -> None:
    """Serve an MCP host over standard input and output."""
    from aragora.cli import stdio

    run_to_end(stdio.serve(settings_with(data_dir=data_dir)))


@main.group()
def config() -> None:
    """Look at the settings."""


@config.command("show")
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@data_dir
def config_show(*, origin: bool, data_dir: str | None) -> None:
    """Print every setting as it will be used."""
    loaded = settings_with(data_dir=data_dir)
    for name, value, source in shown(loaded):
        click.echo(f"{name}={value}" + (f"  # {source}" if origin else ""))
    for note in loaded.notes:
        click.echo(f"# {note}")
