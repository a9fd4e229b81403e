"""Puts this folder and docs on the path, so that tests can import what they share and what writes the reference pages."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "conformance"), str(Path(__file__).parents[1] / "docs")]

from aragora.log import configure  # noqa: E402  # after the path is set

configure(level="error", form="text", stream=sys.stderr)

# A machine that is busy with something else is no fault of what is tested.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
