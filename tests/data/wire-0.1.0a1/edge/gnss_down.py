"""`gnss/down` as an RSU reads it: whole where all of it is sound, else fix by fix. Pure.

A gateway sends the fixes of many terminals in one message: one terminal's nonsense must not silence the
others, since a truck without fixes counts as one that does not report.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from edge.decoding import decoder
from edge.wire import FIXES_MAX, Count, Esn, GnssDown, GnssFix, columns_of, decode_down

# left out where unsound
UNNEEDED = frozenset(("plate", "alt_m", "quality", "satellites", "alarm", "status", "departure"))

# the message without its values decoded: one that can't be decoded does not affect the others
_Columns = msgspec.defstruct(
    "_Columns", [(name, tuple[msgspec.Raw, ...], ()) for name in GnssFix.__struct_fields__], kw_only=True
)
_Down = msgspec.defstruct(
    "_Down", [("gateway", Esn), ("epoch", Count), ("seq", Count), ("fixes", _Columns)], kw_only=True
)


def _field_decoders() -> dict[str, Callable[[bytes], Any]]:
    return {
        field.name: decoder(msgspec.msgpack.Decoder(field.type)) for field in msgspec.structs.fields(GnssFix)
    }


_decode_raw = decoder(msgspec.msgpack.Decoder(_Down))
_DECODERS = _field_decoders()
FIELDS = tuple(_DECODERS)


def read_down(body: bytes) -> tuple[GnssDown, int]:
    """Return the message with its sound fixes, and how many were left out; raises msgspec.DecodeError.

    Columns of different lengths are no fixes: no value has a known fix.
    """
    try:
        message = decode_down(body)
    except msgspec.DecodeError:  # something of it: perhaps one fix alone
        return _read_fixes(body)
    if "".join(message.fixes.terminal).isprintable():
        return message, 0
    return _read_fixes(body)


def _read_fixes(body: bytes) -> tuple[GnssDown, int]:
    message: Any = _decode_raw(body)
    columns: dict[str, Any] = {name: getattr(message.fixes, name) for name in FIELDS}
    n = len(columns["terminal"])
    if n > FIXES_MAX or any(len(columns[name]) not in (0, n) for name in FIELDS):
        raise msgspec.ValidationError("columns differ in length, or are too long")
    present = [name for name in FIELDS if columns[name]]
    read = [_fix_of({name: columns[name][i] for name in present}) for i in range(n)]
    sound = [fix for fix in read if fix is not None]
    fixes = columns_of(sound)
    whole = GnssDown(gateway=message.gateway, epoch=message.epoch, seq=message.seq, fixes=fixes)
    return whole, n - len(sound)


def _fix_of(raw: dict[str, msgspec.Raw]) -> GnssFix | None:
    """Return one fix; None where a value that the tracker needs is out of bounds."""
    values: dict[str, Any] = {}
    for name, value in raw.items():
        try:
            values[name] = _DECODERS[name](bytes(value))
        except (msgspec.DecodeError, ValueError):
            if name not in UNNEEDED:
                return None
    try:
        fix = GnssFix(**values)
    except TypeError:  # a required column is missing
        return None
    return fix if fix.terminal.isprintable() else None
