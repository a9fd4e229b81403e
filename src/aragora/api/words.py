"""Words that clients use for what has another name here. Imports `debate` only."""

from aragora.debate.model import Status

STATUSES: dict[str, tuple[Status, ...]] = {
    **{str(status): (status,) for status in Status},
    "created": (Status.PENDING,),
    "starting": (Status.PENDING,),
    "running": (Status.ACTIVE,),
    "in_progress": (Status.ACTIVE,),
    "concluded": (Status.COMPLETED,),
}
# Where a debate is kept, and no status of it; lists take it for one, as the public client does.
ARCHIVED = "archived"
