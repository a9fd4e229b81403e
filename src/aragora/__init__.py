"""Aragora: language models debate a question that matters. Importing this package does no work."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aragora.client import Client

__all__ = ["Client", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import the client when it is asked for, and not before."""
    if name == "Client":
        from aragora.client import Client  # noqa: PLC0415 - brings what only its users need

        return Client
    raise AttributeError(name)
