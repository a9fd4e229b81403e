"""Query parameters, read with their bounds. Imports errors only. Parameters that are not asked for are tolerated."""

from starlette.requests import Request

from aragora.errors import Flaw, Invalid

WHOLE_MAX = 2**63 - 1


class Query:
    """The query of one request; `done` says everything that is wrong with it at once."""

    def __init__(self, request: Request) -> None:
        """Read from `request`; where a name is repeated, the last one counts."""
        self._given = request.query_params
        self._flaws: list[Flaw] = []

    def whole(self, name: str, default: int, *, low: int, high: int = WHOLE_MAX) -> int:
        """A whole number from `low` to `high`; `default` when it was not given."""
        text = self._given.get(name)
        if text is None:
            return default
        # Digits only: int() would also take signs, blanks, underscores and the digits of other scripts.
        value = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(WHOLE_MAX)) else -1
        if not low <= value <= high:
            self.wrong(name, f"must be a whole number from {low} to {high}")
            return default
        return value

    def page(self) -> tuple[int, int]:
        """How many rows of a list are wanted, and how many are skipped."""
        return self.whole("limit", 20, low=1, high=100), self.whole("offset", 0, low=0, high=10_000)

    def text(self, name: str) -> str:
        """A text; empty when it was not given."""
        return self._given.get(name, "")

    def wrong(self, name: str, message: str) -> None:
        """Note a flaw."""
        self._flaws.append(Flaw(name, message))

    def done(self) -> None:
        """Raise Invalid if anything was wrong."""
        if self._flaws:
            raise Invalid("; ".join(f"{flaw.field} {flaw.message}" for flaw in self._flaws) + ".", self._flaws)
