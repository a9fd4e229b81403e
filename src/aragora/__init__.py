"""Aragora: language models debate a question that matters. Importing this package does no work."""

__version__ = "0.1.0"
