"""The pure core: nouns and rules of a debate. Imports the standard library only; no clock, randomness, sockets or logging."""
