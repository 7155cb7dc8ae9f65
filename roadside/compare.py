"""Compare replayed violations with recorded ones; name the first one and field that differ. Pure."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

_ANY = msgspec.msgpack.Decoder()


def digest(bodies: Iterable[bytes]) -> str:
    """Return the SHA-256 over the bytes in order, as hexadecimal text."""
    running = hashlib.sha256()
    for body in bodies:
        running.update(body)
    return running.hexdigest()


def first_difference(recorded: Sequence[bytes], replayed: Sequence[bytes]) -> str | None:
    """Return a sentence that names the first violation and field that differ; None where all bytes agree."""
    for row, (old, new) in enumerate(zip(recorded, replayed, strict=False), start=1):
        if old != new:
            return f"violation {row} {_fields_that_differ(old, new)}"
    if len(recorded) == len(replayed):
        return None
    short, extra = ("replayed", recorded) if len(recorded) > len(replayed) else ("recorded", replayed)
    row = min(len(recorded), len(replayed))
    return f"violation {row + 1} {_name(_decoded(extra[row]))} is missing among the {short}"


def _fields_that_differ(old: bytes, new: bytes) -> str:
    before, after = _decoded(old), _decoded(new)
    if not isinstance(before, dict) or not isinstance(after, dict):
        return f"is no map: {old[:20]!r} and {new[:20]!r}"
    for key in [*before, *(key for key in after if key not in before)]:
        if before.get(key) != after.get(key):
            return f"{_name(before)}, field {_where(key, before.get(key), after.get(key))}"
    return f"{_name(before)} has equal fields in another order"


def _where(key: str, old: Any, new: Any) -> str:
    """Name the innermost place that differs: `evidence.d_m[3]: recorded 1, replayed 2`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for inner in [*old, *(name for name in new if name not in old)]:
            if old.get(inner) != new.get(inner):
                return _where(f"{key}.{inner}", old.get(inner), new.get(inner))
    if isinstance(old, list) and isinstance(new, list):
        for row, (left, right) in enumerate(zip(old, new, strict=False)):
            if left != right:
                return _where(f"{key}[{row}]", left, right)
        return f"{key}: recorded {len(old)} rows, replayed {len(new)}"
    return f"{key}: recorded {old!r}, replayed {new!r}"


def _name(violation: Any) -> str:
    if not isinstance(violation, dict):
        return "(unreadable)"
    return f"({violation.get('rule')} {violation.get('id')} version {violation.get('version')})"


def _decoded(body: bytes) -> Any:
    try:
        return _ANY.decode(body)
    except msgspec.DecodeError:  # a recording may hold anything: then the bytes themselves are shown
        return None
