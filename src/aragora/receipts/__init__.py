"""Receipts: signing, checking and showing what `debate.receipt` draws up. May import `debate` and errors; needs no server."""
