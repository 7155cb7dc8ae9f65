"""Decodes an RSU's violation batch item by item, whatever its bytes are. Pure."""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from core.times import STAMP_NS_MAX, STAMP_NS_MIN
from edge import wire
from edge.decoding import decoder
from geofence import violation as codec
from geofence.clocks import is_set
from geofence.plausible import Bounds, fault_of, plain
from geofence.violation import Violation

REASON_LENGTH_MAX = 200
ITEMS_MAX = wire.ITEMS_MAX
ANYWHERE = Bounds()
ABSENT = (b"", b"\xc0")  # a field that is not there, or nil


class _RawItem(msgspec.Struct, frozen=True, kw_only=True):
    """A `wire.ViolationItem`, its fields unread: a field that can't be read leaves the others readable."""

    seq: wire.Seq
    violation: msgspec.Raw = msgspec.Raw()
    void: msgspec.Raw = msgspec.Raw()
    detected_ns: msgspec.Raw = msgspec.Raw()
    sent_ns: msgspec.Raw = msgspec.Raw()


class _RawBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A `wire.ViolationBatch`, its items unread: an item that can't be read leaves the others readable."""

    epoch: wire.Count
    items: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=ITEMS_MAX)]


class _SoundItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item as nearly each one is: a violation with its stamps."""

    seq: wire.Seq
    violation: Annotated[bytes, Meta(max_length=wire.VIOLATION_BYTES_MAX)]
    detected_ns: int
    sent_ns: int
    void: None = None


class _SoundBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch of such items alone, read in one go."""

    epoch: wire.Count
    items: Annotated[list[_SoundItem], Meta(min_length=1, max_length=ITEMS_MAX)]


_read_sound = decoder(msgspec.msgpack.Decoder(_SoundBatch))
_read_batch = decoder(msgspec.msgpack.Decoder(_RawBatch))
_read_item = decoder(msgspec.msgpack.Decoder(_RawItem))
_read_any = decoder(msgspec.msgpack.Decoder())


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of a batch; `violation` is None for a void and for what can't be read, true or stored."""

    seq: int
    kind: Literal["violation", "void", "unreadable", "implausible", "unstorable"]
    body: bytes
    sha256: bytes
    violation: Violation | None = None
    reason: str | None = None  # of the void, or why `violation` is None
    detected_ns: int = 0
    sent_ns: int = 0
    is_clock_set: bool = True  # False: the RSU's clock at the detection and ours can't both be right


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One message; `strays` are items without a readable seq, each with the reason; none is acknowledged."""

    esn: str
    topic: str
    received_ns: int
    epoch: int
    items: tuple[Item, ...]
    strays: tuple[tuple[bytes, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableBatch:
    """A message that is no batch."""

    esn: str
    topic: str
    received_ns: int
    body: bytes
    reason: str


class _ImplausibleError(ValueError):
    """The value can be read and can't be true."""


def decode_batch(
    topic: str,
    esn: str,
    payload: bytes,
    received_ns: int,
    bounds: Bounds = ANYWHERE,
    *,
    judged_ns: int | None = None,
) -> Batch | UnreadableBatch:
    """Return the batch in `payload`; never raises, whatever the bytes are.

    topic, esn : where it came from.  bounds : where the violations of the site can lie
    judged_ns : the time that stamps are held against; None: of the arrival
    """
    judged_ns = received_ns if judged_ns is None else judged_ns
    found = _sound_items(esn, payload, judged_ns, bounds)
    if found is not None:
        epoch, sound = found
        return Batch(esn=esn, topic=topic, received_ns=received_ns, epoch=epoch, items=sound)
    try:
        batch = _read_batch(payload)
    except (msgspec.MsgspecError, ValueError) as error:
        return UnreadableBatch(
            esn=esn, topic=topic, received_ns=received_ns, body=payload, reason=_short(error)
        )
    items, strays = [], []
    for raw in batch.items:
        row = bytes(raw)
        try:
            parts = _read_item(row)
        except (msgspec.MsgspecError, ValueError) as error:
            strays.append((row, _short(error)))
            continue
        items.append(_item(esn, parts, row, judged_ns, bounds))
    return Batch(
        esn=esn, topic=topic, received_ns=received_ns, epoch=batch.epoch,
        items=tuple(items), strays=tuple(strays),
    )  # fmt: skip


def _sound_items(
    esn: str, payload: bytes, judged_ns: int, bounds: Bounds
) -> tuple[int, tuple[Item, ...]] | None:
    """Return epoch and items of a batch with sound fields; None for any other: it is read item by item."""
    low, high = STAMP_NS_MIN, STAMP_NS_MAX
    try:
        batch = _read_sound(payload)
    except (msgspec.MsgspecError, ValueError):
        return None
    if not all(low <= each.detected_ns <= high and low <= each.sent_ns <= high for each in batch.items):
        return None
    items = tuple(
        _judged(esn, each.seq, each.violation, each.detected_ns, each.sent_ns, judged_ns, bounds)
        for each in batch.items
    )
    return batch.epoch, items


def _item(esn: str, parts: _RawItem, row: bytes, judged_ns: int, bounds: Bounds) -> Item:
    """Return an item; any fault of it is this item's alone.

    parts, row : the same item, split into its fields and whole
    """
    seq = parts.seq
    body = bytes(parts.violation) or row  # the bytes that stay the same when the RSU sends the item again
    try:
        if bytes(parts.void) not in ABSENT:
            return Item(seq=seq, kind="void", body=b"", sha256=b"", reason=_void(parts.void))
        found = _value(parts.violation)
        body = found if isinstance(found, bytes) else body
        if len(body) > wire.VIOLATION_BYTES_MAX:
            raise ValueError(f"violation: longer than {wire.VIOLATION_BYTES_MAX} bytes (is {len(body)})")
        detected_ns = _stamp("detected_ns", parts.detected_ns)
        sent_ns = _stamp("sent_ns", parts.sent_ns)
    except (msgspec.MsgspecError, ValueError) as error:
        return _refused(seq, body, error)
    return _judged(esn, seq, body, detected_ns, sent_ns, judged_ns, bounds)


def _judged(
    esn: str, seq: int, body: bytes, detected_ns: int, sent_ns: int, judged_ns: int, bounds: Bounds
) -> Item:
    """Return an item whose fields are sound, by what the bytes of its violation are."""
    try:
        is_clock_set = is_set(detected_ns, judged_ns)
        violation = read_violation(body, esn, judged_ns if is_clock_set else detected_ns, bounds)
    except Exception as error:  # foreign bytes: msgspec raises more kinds of error than it documents
        return _refused(seq, body, error)
    return Item(
        seq=seq, kind="violation", body=body, sha256=hashlib.sha256(body).digest(), violation=violation,
        detected_ns=detected_ns, sent_ns=sent_ns, is_clock_set=is_clock_set,
    )  # fmt: skip


def _refused(seq: int, body: bytes, error: Exception) -> Item:
    kind: Literal["unreadable", "implausible"] = "unreadable"
    if isinstance(error, _ImplausibleError):
        kind = "implausible"
    return Item(seq=seq, kind=kind, body=body, sha256=hashlib.sha256(body).digest(), reason=_short(error))


def read_violation(body: bytes, esn: str, judged_ns: int, bounds: Bounds = ANYWHERE) -> Violation:
    """Return the violation in `body`; msgspec's errors or ValueError where RSU `esn` may not send it."""
    violation = codec.decode(body)
    if violation.esn != esn:
        raise ValueError(f"esn {violation.esn[:64]!r} under the topic of {esn}")
    fault = fault_of(violation, bounds, judged_ns)
    if fault is not None:
        raise ValueError(fault) if fault.field == "id" else _ImplausibleError(fault)
    return violation


def _value(raw: msgspec.Raw) -> Any:
    return _read_any(bytes(raw)) if bytes(raw) else None


def _void(raw: msgspec.Raw) -> str:
    reason = _value(raw)
    if not isinstance(reason, str):
        return f"no text but {type(reason).__name__}"
    return plain(reason, REASON_LENGTH_MAX)


def _stamp(name: str, raw: msgspec.Raw) -> int:
    """Return a stamp of an item; no integer is unreadable, a stamp that no clock shows implausible."""
    value = _value(raw)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name}: no integer")
    if not STAMP_NS_MIN <= value <= STAMP_NS_MAX:
        raise _ImplausibleError(f"{name}: a stamp out of range (is {value})")
    return value


def _short(error: Exception) -> str:
    text = str(error) if isinstance(error, _ImplausibleError) else f"{type(error).__name__}: {error}"
    return plain(text, REASON_LENGTH_MAX)
