"""Who reads whom in a round. Imports `model` only."""

from hashlib import sha256

from aragora.debate.model import Brief, Seat

# The least and most peers of `random:K`.
PEERS_MIN, PEERS_MAX = 1, 32
NAMES = ("full", "ring", "star")


def known(name: str) -> bool:
    """Whether a topology exists: full, ring, star or random:K."""
    kind, _, peers = name.partition(":")
    if kind == "random":
        return peers.isdecimal() and len(peers) <= len(str(PEERS_MAX)) and PEERS_MIN <= int(peers) <= PEERS_MAX
    return name in NAMES


def readable(brief: Brief, number: int, seat: Seat) -> frozenset[str]:
    """The seats whose texts `seat` reads in round `number`, itself included; a judge, who has no seat, reads all."""
    names = [one.name for one in brief.seats]
    if brief.topology == "full" or seat.name not in names:
        return frozenset(names) | {seat.name}
    place = names.index(seat.name)
    if brief.topology == "ring":
        return frozenset({names[place - 1], seat.name, names[(place + 1) % len(names)]})
    if brief.topology == "star":
        return frozenset(names) if place == 0 else frozenset({names[0], seat.name})
    salt = f"{brief.seed}/{number}/{seat.name}/"
    peers = sorted(set(names) - {seat.name}, key=lambda name: sha256((salt + name).encode()).digest())
    return frozenset([seat.name, *peers[: int(brief.topology.partition(":")[2])]])
