"""`python -m aragora`. Imports `cli` only."""

from aragora.cli import main

main()
