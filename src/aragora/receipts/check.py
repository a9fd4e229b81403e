"""Whether a receipt is whole: its hashes, its signature, and that the outcome follows from the ballots. May import `debate`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from aragora.debate.events import DebateEnded, RoundCompleted, data_of
from aragora.debate.model import Brief, Message, Outcome
from aragora.debate.protocols import PROTOCOLS
from aragora.debate.receipt import Fields, altered, canonical, differences
from aragora.errors import ConfigError, Invalid

ALGORITHM = "Ed25519"
EXTRA = "Signatures need an extra: pip install 'aragora[sign]'."
# What ends a debate from outside its script; no replay can lead there.
ENDED_BY_OTHERS = frozenset({"cancelled", "error"})


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: `flaws` name what was altered, the first first; `notes` say what could not be checked and why."""

    flaws: tuple[str, ...]
    notes: tuple[str, ...]
    signed_by: str = ""  # the public key, in hexadecimal

    @property
    def whole(self) -> bool:
        """Whether nothing was found to be altered."""
        return not self.flaws


def sign(receipt: Fields, key_hex: str) -> dict[str, object]:
    """The same receipt, signed; raises ConfigError when the key or the extra is not there."""
    try:
        from nacl.signing import SigningKey  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise ConfigError(EXTRA) from error
    try:
        key = SigningKey(bytes.fromhex(key_hex))
    except (ValueError, TypeError) as error:
        raise ConfigError("The signing key must be 32 bytes in hexadecimal.") from error
    unsigned = {name: value for name, value in receipt.items() if name != "signature"}
    value = key.sign(canonical(unsigned)).signature.hex()
    public = bytes(key.verify_key).hex()
    return {**unsigned, "signature": {"algorithm": ALGORITHM, "public_key": public, "value": value}}


def check(receipt: Fields, *, key: str = "", head: str = "") -> Finding:
    """Check everything that can be checked without a server; `key` and `head` are what the reader knows from elsewhere.

    Without either, a receipt that somebody wrote anew from first to last looks like any other: the notes say so.
    """
    flaws, notes = list(altered(receipt)), list[str]()
    if head and receipt.get("head") != head:
        flaws.append("head")
    if not flaws:
        replayed = _replay(receipt)
        flaws += replayed.flaws
        notes += replayed.notes
    signature = receipt.get("signature")
    if not isinstance(signature, Mapping):
        if key:
            flaws.append("signature")
        notes.append("Nobody signed this receipt: it is consistent, but only a known head shows that it is the original.")
        return Finding(tuple(flaws), tuple(notes))
    signed_by = str(signature.get("public_key", ""))
    if not _signed(receipt, signature) or (key and key != signed_by):
        flaws.append("signature")
    elif not key:
        notes.append("The signature fits the key in the receipt; compare that key with the one you know.")
    return Finding(tuple(flaws), tuple(notes), signed_by)


def _signed(receipt: Fields, signature: Fields) -> bool:
    try:
        from nacl.exceptions import CryptoError  # noqa: PLC0415 - an optional extra
        from nacl.signing import VerifyKey  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(EXTRA) from error
    if signature.keys() != {"algorithm", "public_key", "value"} or signature["algorithm"] != ALGORITHM:
        return False
    unsigned = {name: value for name, value in receipt.items() if name != "signature"}
    try:
        key = VerifyKey(bytes.fromhex(str(signature["public_key"])))
        key.verify(canonical(unsigned), bytes.fromhex(str(signature["value"])))
    except (CryptoError, ValueError, TypeError, RecursionError):
        return False
    return True


def _replay(receipt: Fields) -> Finding:
    """Run the protocol of the first event over the recorded messages and compare what the log says came out."""
    events = receipt["transcript"]
    assert isinstance(events, Sequence)
    if not events or events[0]["type"] != "debate_start" or events[-1]["type"] != "debate_end":
        return Finding((), ("The debate has not ended, so its outcome could not be checked.",))
    try:
        brief, heard, ended = read_log([event["data"] for event in events], [event["type"] for event in events])
        if ended.stopped in ENDED_BY_OTHERS or brief.protocol not in PROTOCOLS:
            return Finding((), ("The outcome does not come from a protocol that this version can replay.",))
        outcome = replay(brief, heard)
    except (msgspec.ValidationError, KeyError, ValueError, TypeError):
        return Finding(("transcript: its events are no debate",), ())
    told = msgspec.json.decode(msgspec.json.encode(data_of(DebateEnded(outcome=outcome, seconds=0.0))))
    last = {name: value for name, value in events[-1]["data"].items() if name in told and name != "duration_seconds"}
    told = {name: value for name, value in told.items() if name in last}
    return Finding(tuple(differences(told, last, f"transcript[{len(events) - 1}].data")), ())


def read_log(data: Sequence[Fields], types: Sequence[str]) -> tuple[Brief, dict[str, Message], Outcome]:
    """The brief, the messages by key and the outcome out of a log's data; raises ValidationError."""
    brief = msgspec.convert(data[0], Brief)
    messages = [msgspec.convert(each, Message) for each in _spoken(data, types)]
    return brief, {message.key: message for message in messages}, msgspec.convert(data[-1], Outcome)


def _spoken(data: Sequence[Fields], types: Sequence[str]) -> Iterator[Fields]:
    for each, name in zip(data, types, strict=True):
        if name in ("agent_message", "agent_abstained") or (name == "vote_cast" and each.get("kind") == "seat"):
            yield each


def replay(brief: Brief, heard: Mapping[str, Message]) -> Outcome:
    """Run a script over recorded messages to its outcome; raises KeyError where one is missing."""
    script = PROTOCOLS[brief.protocol](brief)
    try:
        step = next(script)
        while True:
            step = script.send(() if isinstance(step, RoundCompleted) else [heard[turn.key] for turn in step])
    except StopIteration as ended:
        outcome: Outcome = ended.value
        return outcome


def load(text: bytes) -> dict[str, object]:
    """Read a receipt from a file; raises Invalid."""
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("This file holds no receipt.") from error
