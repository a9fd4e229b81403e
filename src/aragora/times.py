"""Times as the log writes them: UTC, ISO 8601, always of the same length, so that they sort as texts. Imports nothing of ours.

Nothing here looks at a clock: the time is an argument everywhere, and `app` hands it down.
"""

from datetime import datetime, timedelta

FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


def later(at: str, seconds: float) -> str:
    """A time some seconds on; back, where they are negative."""
    return (datetime.fromisoformat(at) + timedelta(seconds=seconds)).strftime(FORMAT)


def between(start: str, end: str) -> float:
    """Seconds from one time to another, to the millisecond."""
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 3)
