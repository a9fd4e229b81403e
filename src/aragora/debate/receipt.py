"""What proves afterwards that a debate went as it is told: a hash chain over its events, a Merkle tree, a receipt. Pure.

Bytes are hashed over canonical JSON (sorted keys, no spaces, ASCII), so any program in any language can check them, however the
database or the wire wrote the same values.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

SCHEMA = "aragora.receipt/1"
# RFC 6962: a leaf can never be taken for a node.
LEAF, NODE = b"\x00", b"\x01"
# Hexadecimal digits of the mark of a single field: enough to name what was altered; what protects it is the whole hash.
MARK_DIGITS = 16
# What of the brief decides how ballots are counted; fixed in the first event, before any model was asked.
TERMS = ("protocol", "rule", "threshold", "quorum", "rounds", "self_vote", "veto", "stops", "options", "topology", "recall")

_write = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode

Value = object
Fields = Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event as it stands in the log."""

    seq: int
    type: str
    timestamp: str
    data: Fields


def canonical(value: Value) -> bytes:
    """The one way to write a value down."""
    return _write(value).encode("ascii")


def digest(kind: str, timestamp: str, data: Fields) -> str:
    """What an event says, whatever its number; in hexadecimal."""
    return sha256(canonical([kind, timestamp, data])).hexdigest()


def _sealed(seq: int, said: str) -> bytes:
    return sha256(LEAF + f'[{seq},"{said}"]'.encode("ascii")).digest()


def leaf(entry: Entry) -> bytes:
    """The hash of one event."""
    return _sealed(entry.seq, digest(entry.type, entry.timestamp, entry.data))


def anchor(debate_id: str) -> bytes:
    """Where the chain of a debate begins: no event of one can be moved to another."""
    return sha256(canonical([SCHEMA, debate_id])).digest()


def chained(head: str, seq: int, said: str) -> str:
    """The head of a chain with one more event, which has this number and digest; all in hexadecimal."""
    return sha256(bytes.fromhex(head) + _sealed(seq, said)).hexdigest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle root of all events, by which a single one can be proved."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = _half(len(leaves))
    return sha256(NODE + root(leaves[:half]) + root(leaves[half:])).digest()


def _half(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def path(leaves: Sequence[bytes], place: int) -> list[tuple[str, bytes]]:
    """The hashes, each with its side, that lead from one leaf to the root."""
    if len(leaves) <= 1:
        return []
    half = _half(len(leaves))
    if place < half:
        return [*path(leaves[:half], place), ("right", root(leaves[half:]))]
    return [*path(leaves[half:], place - half), ("left", root(leaves[:half]))]


def prove(debate_id: str, entries: Sequence[Entry], seq: int) -> dict[str, Value]:
    """One event with the proof that it belongs to a receipt: nobody needs to see the others."""
    leaves = [leaf(entry) for entry in entries]
    entry = entries[seq - 1]
    return {
        "schema": SCHEMA + "/proof",
        "debate_id": debate_id,
        "event": _shown(entry),
        "path": [[side, digest.hex()] for side, digest in path(leaves, seq - 1)],
        "root": root(leaves).hex(),
    }


def belongs(proof: Fields, wanted_root: str) -> bool:
    """Whether the event of a proof belongs to the receipt with this root."""
    try:
        digest = leaf(entry_of(_object(proof["event"])))
        for side, other in _pairs(proof["path"]):
            pair = (bytes.fromhex(other), digest) if side == "left" else (digest, bytes.fromhex(other))
            digest = sha256(NODE + b"".join(pair)).digest()
    except (KeyError, TypeError, ValueError):
        return False
    return digest.hex() == wanted_root


def receipt(debate_id: str, entries: Sequence[Entry]) -> dict[str, Value]:
    """The account of a debate that can be checked without a server: what was fixed before, what came out, and every event."""
    head = anchor(debate_id).hex()
    for entry in entries:
        head = chained(head, entry.seq, digest(entry.type, entry.timestamp, entry.data))
    first = entries[0].data if entries else {}
    end = entries[-1].data if entries and entries[-1].type == "debate_end" else {}
    return {
        "schema": SCHEMA,
        "debate_id": debate_id,
        "topic": first.get("topic"),
        "seats": first.get("seats"),
        "terms": {name: first[name] for name in TERMS if name in first},
        "outcome": {name: end.get(name) for name in ("outcome", "decision", "reached", "stopped", "rounds", "winner", "answer")},
        "tally": end.get("tally"),
        "blind": end.get("blind"),
        "judged": end.get("judged"),
        "dissent": end.get("dissent"),
        "missing": end.get("missing"),
        "account": end.get("account"),
        "costs": _costs(entries),
        "events": len(entries),
        "head": head,
        "root": root([leaf(entry) for entry in entries]).hex(),
        "transcript": [_shown(entry) | {"hash": leaf(entry).hex(), "marks": marks(entry)} for entry in entries],
    }


def marks(entry: Entry) -> dict[str, str]:
    """A short digest of each field of an event, so that a checker can name the one that was altered."""
    fields = {"type": entry.type, "timestamp": entry.timestamp} | {f"data.{name}": value for name, value in entry.data.items()}
    return {name: sha256(canonical(value)).hexdigest()[:MARK_DIGITS] for name, value in fields.items()}


def _shown(entry: Entry) -> dict[str, Value]:
    return {"seq": entry.seq, "type": entry.type, "timestamp": entry.timestamp, "data": entry.data}


def _costs(entries: Sequence[Entry]) -> dict[str, Value]:
    """What the calls used. A sum over calls of which some said nothing is marked as incomplete, never filled up with zeros."""
    used = [usage for entry in entries if isinstance(usage := entry.data.get("usage"), Mapping)]
    summed: dict[str, Value] = {"calls": len(used)}
    for name in ("tokens_in", "tokens_out", "cost_usd"):
        known = [value for usage in used if isinstance(value := usage.get(name), int | float)]
        summed[name] = round(sum(known), 9) if known else None
        summed[name + "_complete"] = len(known) == len(used)
    return summed


def entry_of(shown: Fields) -> Entry:
    """Read an event as a receipt shows it; raises KeyError or TypeError."""
    seq, data = shown["seq"], shown["data"]
    if not isinstance(seq, int) or not isinstance(data, Mapping):
        raise TypeError("an event needs a number and an object")
    return Entry(seq=seq, type=str(shown["type"]), timestamp=str(shown["timestamp"]), data=data)


def altered(given: Fields) -> Iterator[str]:
    """Name what in a receipt does not fit the rest, the first alteration first; nothing when it is whole.

    This needs no key and no server. Whoever rewrites everything consistently is found by the signature, or by the head that
    somebody wrote down before; see `aragora.receipts`.
    """
    try:
        yield from _altered(given)
    except (KeyError, TypeError, ValueError, RecursionError):
        yield "schema"


def _altered(given: Fields) -> Iterator[str]:
    shown = given["transcript"]
    if given.get("schema") != SCHEMA or not isinstance(shown, list):
        yield "schema"
        return
    entries = []
    for place, event in enumerate(shown):
        entry = entry_of(event)
        yield from _altered_event(entry, event, place)
        entries.append(entry)
    again = receipt(str(given["debate_id"]), entries)
    for name in dict.fromkeys([*again, *given]):
        if name not in ("transcript", "signature"):
            yield from differences(again.get(name), given.get(name), name)


def _altered_event(entry: Entry, event: Fields, place: int) -> Iterator[str]:
    where = f"transcript[{place}]"
    if entry.seq != place + 1:
        yield f"{where}.seq"
    yield from (f"{where}.{name}" for name in event if name not in ("seq", "type", "timestamp", "data", "hash", "marks"))
    given_marks, true_marks = _object(event["marks"]), marks(entry)
    for name in dict.fromkeys([*given_marks, *true_marks]):
        if given_marks.get(name) != true_marks.get(name):
            yield f"{where}.{name}"
    if event["hash"] != leaf(entry).hex():
        yield f"{where}.hash"


def differences(expected: Value, given: Value, where: str) -> Iterator[str]:
    """The paths at which two values differ."""
    if isinstance(expected, Mapping) and isinstance(given, Mapping):
        for name in dict.fromkeys([*expected, *given]):
            if (name in expected) != (name in given):
                yield f"{where}.{name}"
            else:
                yield from differences(expected.get(name), given.get(name), f"{where}.{name}")
    elif canonical(expected) != canonical(given):
        yield where


def _object(value: Value) -> Fields:
    if not isinstance(value, Mapping):
        raise TypeError("not an object")
    return value


def _pairs(value: Value) -> list[tuple[str, str]]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return [(str(side), str(other)) for side, other in value]
