"""Times as the log writes them: UTC, ISO 8601, always of the same length, so that they sort as texts. Imports nothing of ours.

Nothing here looks at a clock: the time is an argument everywhere, and `app` hands it down.
"""

from datetime import datetime, timedelta

# isoformat is four times as quick as strftime.
CHARS = len("2026-01-31T12:00:00.000000")


def written(moment: datetime) -> str:
    """A moment in UTC as a text."""
    return moment.isoformat(timespec="microseconds")[:CHARS] + "Z"


def later(at: str, seconds: float) -> str:
    """A time some seconds on; back, where they are negative."""
    return written(datetime.fromisoformat(at) + timedelta(seconds=seconds))


def between(start: str, end: str) -> float:
    """Seconds from one time to another, to the millisecond."""
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 3)
