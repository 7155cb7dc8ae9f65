"""JT/T 808 framing: bytes of a stream to frames and back; messages.py knows the bodies.

Frame: 7e | header | body | XOR | 7e, with 7e -> 7d 02 and 7d -> 7d 01 in between (2019 edition, sec. 4.4).
"""

import struct
from collections import Counter

import msgspec

from core.errors import DeviceError

DELIMITER = b"\x7e"
BODY_BYTES_MAX = 1023
_HEADER_BYTES_MAX = 21
UNESCAPED_BYTES_MAX = _HEADER_BYTES_MAX + BODY_BYTES_MAX + 1
ESCAPED_BYTES_MAX = 2 * UNESCAPED_BYTES_MAX  # each byte might be escaped

_LENGTH_MASK, _PACKAGED, _HAS_VERSION = 0x03FF, 0x2000, 0x4000
_ENCRYPTION_MASK = 0x1C00
_FREE_BITS = 0x8000 | _ENCRYPTION_MASK  # of the properties: neither length nor flag, kept as received
_HEAD = struct.Struct(">HH")
_PAIR = struct.Struct(">HH")
_U16 = struct.Struct(">H")


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One frame: header fields and raw body."""

    msg_id: int
    phone: str  # digits as sent, zeros in front: 12, or 20 in the 2019 edition
    seq: int  # the sender's serial number, 16 bits
    body: bytes = b""
    version: int | None = None  # of the protocol since 2019 (1); None: the header of 2011 and 2013
    package: tuple[int, int] | None = None  # (how many, which from 1) of a message cut in packages
    free_bits: int = 0  # encryption and reserved bits of the properties
    first_seq: int | None = None  # of the first package, where the body was put together from packages

    @property
    def terminal(self) -> str:
        """The terminal's id: its phone number without leading zeros."""
        return self.phone.lstrip("0")

    @property
    def message_seq(self) -> int:
        """The serial number of the message: stable, whichever of its packages came last."""
        return self.seq if self.first_seq is None else self.first_seq

    @property
    def encrypted(self) -> bool:
        return bool(self.free_bits & _ENCRYPTION_MASK)


def encode(frame: Frame) -> bytes:
    """Return the frame's bytes between and with its delimiters."""
    assert len(frame.body) <= BODY_BYTES_MAX, "longer bodies go in packages"
    properties = len(frame.body) | (frame.free_bits & _FREE_BITS)
    version, phone_digits = b"", 12
    if frame.version is not None:
        properties |= _HAS_VERSION
        version, phone_digits = bytes((frame.version,)), 20
    package = b""
    if frame.package is not None:
        properties |= _PACKAGED
        package = _PAIR.pack(*frame.package)
    head = _HEAD.pack(frame.msg_id, properties) + version + bytes.fromhex(frame.phone.zfill(phone_digits))
    plain = head + _U16.pack(frame.seq & 0xFFFF) + package + frame.body
    plain += bytes((checksum(plain),))
    return DELIMITER + plain.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + DELIMITER


def decode(piece: bytes) -> Frame:
    """Return the frame of the bytes, still escaped, between two delimiters.

    Raises DeviceError with reason frame.long, .escape, .checksum, .short, .length or .phone.
    """
    plain = _unescape(piece)
    if len(plain) < 13:
        raise DeviceError("frame.short")
    if checksum(plain) != 0:  # the check byte makes the whole zero
        raise DeviceError("frame.checksum")
    msg_id, properties = _HEAD.unpack_from(plain)
    dated = bool(properties & _HAS_VERSION)
    phone_at, seq_at = (5, 15) if dated else (4, 10)
    body_at = seq_at + 2 + (4 if properties & _PACKAGED else 0)
    if len(plain) <= body_at:
        raise DeviceError("frame.short")
    if len(plain) != body_at + (properties & _LENGTH_MASK) + 1:
        raise DeviceError("frame.length")
    phone = plain[phone_at:seq_at].hex()
    if not phone.isdecimal():
        raise DeviceError("frame.phone")
    return Frame(
        msg_id=msg_id,
        phone=phone,
        seq=_U16.unpack_from(plain, seq_at)[0],
        body=plain[body_at:-1],
        version=plain[4] if dated else None,
        package=_PAIR.unpack_from(plain, seq_at + 2) if properties & _PACKAGED else None,
        free_bits=properties & _FREE_BITS,
    )


def checksum(data: bytes) -> int:
    """Return the XOR of all bytes; a plain loop is the fastest for the usual 50 (measured)."""
    total = 0
    for byte in data:
        total ^= byte
    return total


def _unescape(piece: bytes) -> bytes:
    if len(piece) > ESCAPED_BYTES_MAX:
        raise DeviceError("frame.long")
    if b"\x7d" not in piece:
        return piece
    first, *rest = piece.split(b"\x7d")
    plain = [first]
    for i_part, part in enumerate(rest, start=1):
        if part[:1] in (b"\x01", b"\x02"):
            plain += (b"\x7d" if part[0] == 1 else b"\x7e", part[1:])
        elif not part and i_part == len(rest):
            plain.append(b"\x7d")  # real terminals forget to escape the check byte
        else:
            raise DeviceError("frame.escape")
    return b"".join(plain)


class Splitter:
    """Cuts a stream into frames; holds at most one unfinished frame, finds its way back after garbage."""

    def __init__(self, counts: Counter[str]) -> None:
        self._rest = b""
        self._lost = False  # too long without a delimiter: nothing counts until the next one
        self._counts = counts
        self.n_broken = 0

    @property
    def held_bytes(self) -> int:
        return len(self._rest)

    def end(self) -> None:
        """Count the frame that the end of the stream cut off."""
        if self._rest:
            self._count("frame.cut")
        self._rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that these bytes complete; other bytes are counted by reason."""
        *pieces, self._rest = (self._rest + data).split(DELIMITER)
        frames: list[Frame] = []
        for piece in pieces:
            if self._lost:
                self._lost = False
            elif piece:
                self._decode(piece, frames)
        if len(self._rest) > ESCAPED_BYTES_MAX:
            self._count("frame.long")
            self._lost = True
        if self._lost:
            self._rest = b""  # the bytes before the next delimiter are of no frame
        return frames

    def _decode(self, piece: bytes, frames: list[Frame]) -> None:
        try:
            frames.append(decode(piece))
        except DeviceError as error:  # one broken frame costs itself only
            self._count(error.reason)

    def _count(self, reason: str) -> None:
        self._counts[reason] += 1
        self.n_broken += 1
