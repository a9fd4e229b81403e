"""How a command finds its settings, runs, and says in one line what went wrong. May import `config`, `log` and `app`."""

import sys
from collections.abc import Coroutine, Iterable
from typing import Any, NoReturn, TypeVar

import click
import msgspec

from aragora.config import Loaded, load_here
from aragora.errors import AragoraError, ConfigError

T = TypeVar("T")

UNREACHABLE = "UNREACHABLE"

EXIT_FAILED, EXIT_USAGE, EXIT_CONFIG, EXIT_UNAVAILABLE, EXIT_NO_CONSENSUS, EXIT_INTERRUPTED = 1, 2, 3, 5, 6, 130


def fail(message: str, code: int) -> NoReturn:
    """Say why on standard error, and leave with an exit code."""
    click.echo(f"aragora: {message}", err=True)
    raise SystemExit(code)


def settings_with(*, quiet: bool = True, **flags: object) -> Loaded:
    """Settings with these flags on top, and logs set up by them; a `quiet` command logs warnings only, unless told otherwise."""
    from aragora.log import configure

    try:
        loaded = load_here(flags)
    except ConfigError as error:
        fail(error.message, EXIT_CONFIG)
    level = "warning" if quiet and loaded.origins["log_level"] == "default" else loaded.settings.log_level
    configure(level=level, form=loaded.settings.log_format, stream=sys.stderr)
    return loaded


def run_to_end(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end; what went wrong is one line, never a traceback."""
    from aragora.app import run

    try:
        return run(main)
    except* ConfigError as errors:
        fail(_innermost(errors).message, EXIT_CONFIG)
    except* AragoraError as errors:
        error = _innermost(errors)
        fail(error.message, EXIT_UNAVAILABLE if error.code == UNREACHABLE else EXIT_USAGE)


def _innermost(errors: BaseExceptionGroup[AragoraError]) -> AragoraError:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, AragoraError)
    return error


def write_rows(rows: Iterable[object]) -> None:
    """One JSON object per line on standard output, as `--json` has it."""
    sys.stdout.writelines(msgspec.json.encode(row).decode() + "\n" for row in rows)


as_rows = click.option("--json", "as_json", is_flag=True, help="Write one JSON object per line.")
limited = click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
data_dir = click.option("--data-dir", type=click.Path(file_okay=False), help="Directory of the database; default .nomic.")
