"""Fences that a platform sets in a terminal (JT/T 808 0x8600 to 0x8607): bytes to fields and back, pure.

In the editions of 2013 and 2019. A field whose attribute bit is 0 is absent; 2019 adds the highest speed at
night and a name. Coordinates are in 1e-6 degrees, their hemispheres are in the attributes.
"""

import struct
from typing import Literal

import msgspec

from core.errors import DeviceError

Kind = Literal["circle", "rectangle", "polygon", "route"]
SET: dict[Kind, int] = {"circle": 0x8600, "rectangle": 0x8602, "polygon": 0x8604, "route": 0x8606}
KINDS: dict[int, Kind] = {number: kind for kind, number in SET.items()}
TIMED, LIMITED, SOUTH, WEST = 0x0001, 0x0002, 0x0040, 0x0080  # of an area's attributes
ENTRY_ALARMS, EXIT_ALARMS = 0x000C, 0x0030  # to the driver and to the platform
TURN_TIMED, TURN_LIMITED, TURN_SOUTH, TURN_WEST = 0x01, 0x02, 0x04, 0x08  # of a turn's attributes
UPDATE, APPEND, MODIFY = 0, 1, 2  # how circles and rectangles are set
DAILY = "000000"  # the date of a window of each day
ITEMS_MAX, NAME_BYTES_MAX = 125, 50
_U16, _U32 = struct.Struct(">H"), struct.Struct(">I")
_POINT, _LIMIT, _PASSAGE = struct.Struct(">II"), struct.Struct(">HB"), struct.Struct(">HH")
_TURN = struct.Struct(">IIIIBB")

Point = tuple[int, int]  # longitude, latitude [1e-6 degree], signed


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A highest speed, and how long it may be exceeded."""

    max_kmh: int
    hold_s: int
    night_kmh: int = 0  # 2019; 0: as by day


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A turning point of a route, and the segment that begins there."""

    id: int
    segment: int
    point: Point
    width_m: int  # of the segment, at most 255
    passage_s: tuple[int, int] | None = None  # longer, or shorter, is an alarm
    limit: Limit | None = None


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """One fence: a circle has one point and a radius, a rectangle its upper left and lower right corner."""

    kind: Kind
    id: int
    attributes: int = 0  # without the bits that its other fields state
    points: tuple[Point, ...] = ()
    radius_m: int = 0
    turns: tuple[Turn, ...] = ()  # of a route
    window: tuple[str, str] | None = None  # YYMMDDhhmmss each, UTC+8; DAILY as the date: each day
    limit: Limit | None = None
    name: str = ""  # 2019


def encode_set(fence: Fence, version: int | None, how: int = APPEND) -> bytes:
    """Return the body that sets one fence in the edition of a terminal (version None: before 2019)."""
    if fence.kind == "route":
        return _encode_route(fence, version)
    attributes = _attributes(fence)
    head = _U32.pack(fence.id) + _U16.pack(attributes)
    place = b"".join(_POINT.pack(abs(lat), abs(lon)) for lon, lat in fence.points)
    if fence.kind == "circle":
        place += _U32.pack(fence.radius_m)
    conditions, night = _window(fence.window), b""
    if fence.limit is not None:
        conditions += _LIMIT.pack(fence.limit.max_kmh, fence.limit.hold_s)
        night = _U16.pack(fence.limit.night_kmh) if version is not None else b""
    tail = night + _name(fence.name, version)
    if fence.kind == "polygon":
        return head + conditions + _U16.pack(len(fence.points)) + place + tail
    return bytes((how, 1)) + head + place + conditions + tail


def _encode_route(fence: Fence, version: int | None) -> bytes:
    attributes = fence.attributes & ~TIMED | (TIMED if fence.window is not None else 0)
    turns = b"".join(_encode_turn(turn, version) for turn in fence.turns)
    head = _U32.pack(fence.id) + _U16.pack(attributes) + _window(fence.window)
    return head + _U16.pack(len(fence.turns)) + turns + _name(fence.name, version)


def _encode_turn(turn: Turn, version: int | None) -> bytes:
    lon, lat = turn.point
    attributes = TURN_TIMED * (turn.passage_s is not None) | TURN_LIMITED * (turn.limit is not None)
    attributes |= TURN_SOUTH * (lat < 0) | TURN_WEST * (lon < 0)
    body = _TURN.pack(turn.id, turn.segment, abs(lat), abs(lon), turn.width_m, attributes)
    body += b"" if turn.passage_s is None else _PASSAGE.pack(*turn.passage_s)
    if turn.limit is not None:
        body += _LIMIT.pack(turn.limit.max_kmh, turn.limit.hold_s)
        body += _U16.pack(turn.limit.night_kmh) if version is not None else b""
    return body


def encode_delete(ids: list[int]) -> bytes:
    """Return the body that deletes fences of one kind, whose message follows that of setting; []: all."""
    assert len(ids) <= ITEMS_MAX, "the standard's list"
    return bytes((len(ids),)) + b"".join(map(_U32.pack, ids))


def decode_delete(body: bytes) -> list[int]:
    """Return the ids to be deleted, none for all; DeviceError `fence.length`."""
    if not body or len(body) != 1 + 4 * body[0]:
        raise DeviceError("fence.length")
    return [number for (number,) in _U32.iter_unpack(body[1:])]


def decode_set(msg_id: int, body: bytes, version: int | None) -> list[Fence]:
    """Return the fences of a message; DeviceError `fence.kind`, `fence.length`, `fence.time`."""
    kind = KINDS.get(msg_id)
    if kind is None:
        raise DeviceError("fence.kind")
    reader = _Reader(body)
    if kind in ("polygon", "route"):
        fences = [_decode_route(reader, version) if kind == "route" else _decode_area(kind, reader, version)]
    else:
        _, n_fences = reader.take(1), reader.take(1)[0]
        fences = [_decode_area(kind, reader, version) for _ in range(n_fences)]
    if reader.at != len(body):
        raise DeviceError("fence.length")
    return fences


class _Reader:
    """Bytes that are taken one after another."""

    def __init__(self, body: bytes) -> None:
        self.body, self.at = body, 0

    def take(self, n: int) -> bytes:
        piece = self.body[self.at : self.at + n]
        if len(piece) < n:
            raise DeviceError("fence.length")
        self.at += n
        return piece

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        return layout.unpack(self.take(layout.size))

    def number(self, layout: struct.Struct) -> int:
        (value,) = self.unpack(layout)
        return int(value)


def _decode_area(kind: Kind, reader: _Reader, version: int | None) -> Fence:
    number, attributes, radius_m = reader.number(_U32), reader.number(_U16), 0
    if kind == "polygon":
        window, limit = _read_conditions(reader, attributes)
        points = _read_points(reader, reader.number(_U16), attributes)
    else:
        points = _read_points(reader, 1 if kind == "circle" else 2, attributes)
        radius_m = reader.number(_U32) if kind == "circle" else 0
        window, limit = _read_conditions(reader, attributes)
    if limit is not None and version is not None:
        limit = msgspec.structs.replace(limit, night_kmh=reader.number(_U16))
    return Fence(
        kind=kind, id=number, attributes=attributes & ~(TIMED | LIMITED | SOUTH | WEST), points=points,
        radius_m=radius_m, window=window, limit=limit, name=_read_name(reader, version),
    )  # fmt: skip


def _decode_route(reader: _Reader, version: int | None) -> Fence:
    number, attributes = reader.number(_U32), reader.number(_U16)
    window = _read_window(reader) if attributes & TIMED else None
    turns = tuple(_decode_turn(reader, version) for _ in range(reader.number(_U16)))
    return Fence(
        kind="route", id=number, attributes=attributes & ~TIMED, turns=turns, window=window,
        name=_read_name(reader, version),
    )  # fmt: skip


def _decode_turn(reader: _Reader, version: int | None) -> Turn:
    number, segment, lat, lon, width_m, attributes = reader.unpack(_TURN)
    passage_s, limit = None, None
    if attributes & TURN_TIMED:
        longest_s, shortest_s = reader.unpack(_PASSAGE)
        passage_s = (longest_s, shortest_s)
    if attributes & TURN_LIMITED:
        max_kmh, hold_s = reader.unpack(_LIMIT)
        limit = Limit(max_kmh=max_kmh, hold_s=hold_s, night_kmh=0 if version is None else reader.number(_U16))
    point = _signed(lon, lat, attributes & TURN_SOUTH, attributes & TURN_WEST)
    return Turn(
        id=number, segment=segment, point=point, width_m=width_m, passage_s=passage_s, limit=limit
    )  # fmt: skip


def _attributes(fence: Fence) -> int:
    """Return an area's attributes with the bits of its other fields."""
    bits = fence.attributes & ~(TIMED | LIMITED | SOUTH | WEST)
    bits |= TIMED * (fence.window is not None) | LIMITED * (fence.limit is not None)
    lon, lat = fence.points[0]
    return bits | SOUTH * (lat < 0) | WEST * (lon < 0)


def _signed(lon: int, lat: int, south: int, west: int) -> Point:
    return (-lon if west else lon, -lat if south else lat)


def _read_points(reader: _Reader, n: int, attributes: int) -> tuple[Point, ...]:
    found = [reader.unpack(_POINT) for _ in range(n)]
    return tuple(_signed(lon, lat, attributes & SOUTH, attributes & WEST) for lat, lon in found)


def _read_conditions(reader: _Reader, attributes: int) -> tuple[tuple[str, str] | None, Limit | None]:
    window = _read_window(reader) if attributes & TIMED else None
    if not attributes & LIMITED:
        return window, None
    max_kmh, hold_s = reader.unpack(_LIMIT)
    return window, Limit(max_kmh=max_kmh, hold_s=hold_s)


def _window(window: tuple[str, str] | None) -> bytes:
    return b"" if window is None else b"".join(map(bytes.fromhex, window))


def _read_window(reader: _Reader) -> tuple[str, str]:
    first, last = reader.take(6).hex(), reader.take(6).hex()
    if not (first.isdecimal() and last.isdecimal()):
        raise DeviceError("fence.time")
    return first, last


def _name(name: str, version: int | None) -> bytes:
    if version is None:
        return b""
    raw = name.encode("gbk", errors="replace")[:NAME_BYTES_MAX].decode("gbk", errors="ignore").encode("gbk")
    return _U16.pack(len(raw)) + raw


def _read_name(reader: _Reader, version: int | None) -> str:
    if version is None:
        return ""
    return reader.take(reader.number(_U16)).decode("gbk", errors="replace").strip("\0 ")
