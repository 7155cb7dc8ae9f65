"""What an RSU's violation batch is, item by item: pure, so that no byte of it can hurt the centre."""

import hashlib
import uuid
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from geofence import violation as codec
from geofence.violation import Violation

INT64_MAX = 2**63 - 1
REASON_LENGTH_MAX = 200
ITEMS_MAX = 1_024  # far over the 32 of the protocol: one ack must never leave the rest to be sent for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One transport item; `violation` is None for a void and for what can't be read."""

    seq: int
    kind: Literal["violation", "void", "unreadable"]
    body: bytes
    sha256: bytes
    violation: Violation | None = None
    reason: str | None = None  # of the void, or why unreadable
    detected_ns: int = 0
    sent_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one message says; `strays` carry no usable seq: nobody can acknowledge them."""

    esn: str
    topic: str
    received_ns: int
    epoch: int
    items: tuple[Item, ...]
    strays: tuple[tuple[bytes, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A message that is no batch at all."""

    esn: str
    topic: str
    received_ns: int
    body: bytes
    reason: str


def admit(topic: str, esn: str, payload: bytes, received_ns: int) -> Batch | Refused:
    """Return the batch in `payload`, whatever the bytes are; never raises for them."""
    try:
        batch = _map(msgspec.msgpack.decode(payload))
        epoch, rows = _natural(batch, "epoch"), batch.get("items")
        if not isinstance(rows, list) or not 1 <= len(rows) <= ITEMS_MAX:
            raise ValueError("items: no list of 1 to 1024")
    # msgspec raises TypeError for map keys that can't be hashed, RecursionError for a nesting bomb
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        return Refused(esn=esn, topic=topic, received_ns=received_ns, body=payload, reason=_short(error))
    items, strays = [], []
    for row in rows:
        item = _item(esn, row)
        if isinstance(item, Item):
            items.append(item)
        else:
            strays.append((msgspec.msgpack.encode(row), item))
    return Batch(
        esn=esn, topic=topic, received_ns=received_ns, epoch=epoch, items=tuple(items), strays=tuple(strays)
    )


def _item(esn: str, row: Any) -> Item | str:
    """Return the item, or why it has no transport key."""
    try:
        fields = _map(row)
        seq = _natural(fields, "seq", least=1)
    except ValueError as error:
        return _short(error)
    if fields.get("void") is not None:
        return Item(
            seq=seq, kind="void", body=b"", sha256=b"", reason=str(fields["void"])[:REASON_LENGTH_MAX]
        )
    body = fields.get("violation")
    body = body if isinstance(body, bytes) else msgspec.msgpack.encode(body)
    sha256 = hashlib.sha256(body).digest()
    try:
        detected_ns, sent_ns = _natural(fields, "detected_ns"), _natural(fields, "sent_ns")
        violation = read_violation(body, esn)
    except (msgspec.MsgspecError, ValueError, TypeError, RecursionError) as error:
        return Item(seq=seq, kind="unreadable", body=body, sha256=sha256, reason=_short(error))
    return Item(
        seq=seq, kind="violation", body=body, sha256=sha256, violation=violation,
        detected_ns=detected_ns, sent_ns=sent_ns,
    )  # fmt: skip


def read_violation(body: bytes, esn: str) -> Violation:
    """Return the violation that RSU `esn` may send; raises msgspec's errors or ValueError."""
    violation = codec.decode(body)
    uuid.UUID(violation.id)
    if violation.esn != esn:
        raise ValueError(f"esn {violation.esn[:64]!r} under the topic of {esn}")
    if not 1 <= violation.version <= INT64_MAX or not 0 <= violation.hop <= INT64_MAX:
        raise ValueError("version or hop out of range")
    if not 0 <= violation.track < 2**64:
        raise ValueError("track out of range")
    stamps = (violation.start_ns, violation.stamps.measured_ns, violation.stamps.arrived_ns)
    if not all(0 < stamp <= INT64_MAX for stamp in stamps):
        raise ValueError("a stamp out of range")
    return violation


def _map(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"no map but {type(value).__name__}")
    return value


def _natural(fields: dict[Any, Any], key: str, least: int = 0) -> int:
    value = fields.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= INT64_MAX:
        raise ValueError(f"{key}: no integer of {least} to 2^63 - 1")
    return value


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:REASON_LENGTH_MAX]
