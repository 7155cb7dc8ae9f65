"""The JT/T 808 position report (0x0200) and its batches (0x0704): bytes to fields and back, pure.

Body: alarm u32, status u32, latitude and longitude 1e-6 deg, altitude u16 m, speed u16 0.1 km/h, course u16
deg, time BCD[6] in GMT+8: 28 bytes; then items of id u8, length u8, value (2019 edition, sec. 8.18).
"""

import struct
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import msgspec

from roadside.devices.errors import DeviceError

_HEAD = struct.Struct(">IIiiHHH6s")
_BATCH_HEAD = struct.Struct(">HB")
_U16 = struct.Struct(">H")
_CHINA = timezone(timedelta(hours=8))

ITEM_SIGNAL, ITEM_SATELLITES = 0x30, 0x31
BATCH_NORMAL, BATCH_BLIND_AREA = 0, 1

STATUS_ACC, STATUS_FIXED, STATUS_SOUTH, STATUS_WEST = 0x1, 0x2, 0x4, 0x8
STATUS_ENCRYPTED = 0x20  # by a map plug-in: these are no coordinates
STATUS_BEIDOU = 1 << 19


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """One position report as it stands on the wire."""

    alarm: int = 0
    status: int
    lat_e6: int  # as sent: the hemisphere is in the status, but some senders put a sign here as well
    lon_e6: int
    alt_m: int = 0
    speed_dkmh: int = 0  # tenths of km/h
    course_deg: int = 0  # clockwise from north
    stamp_ns: int  # UTC, whole seconds
    items: tuple[tuple[int, bytes], ...] = ()  # additional information, kept raw
    tail: bytes = b""  # behind the last whole item

    @property
    def lat_deg(self) -> float:
        return _signed_deg(self.lat_e6, self.status & STATUS_SOUTH)

    @property
    def lon_deg(self) -> float:
        return _signed_deg(self.lon_e6, self.status & STATUS_WEST)

    @property
    def fixed(self) -> bool:
        return bool(self.status & STATUS_FIXED)

    def item(self, item_id: int) -> bytes | None:
        """Return the first item of that id."""
        return next((value for key, value in self.items if key == item_id), None)

    @property
    def satellites(self) -> int | None:
        value = self.item(ITEM_SATELLITES)
        return value[0] if value else None


def encode(location: Location) -> bytes:
    """Return the body; the stamp is cut to whole seconds."""
    head = _HEAD.pack(
        location.alarm,
        location.status,
        location.lat_e6,
        location.lon_e6,
        location.alt_m,
        location.speed_dkmh,
        location.course_deg,
        _bcd_time(location.stamp_ns),
    )
    items = b"".join(bytes((key, len(value))) + value for key, value in location.items)
    return head + items + location.tail


def decode(body: bytes) -> Location:
    """Return the report. Raises DeviceError `location.length` or `location.time`."""
    if len(body) < _HEAD.size:
        raise DeviceError("location.length")
    alarm, status, lat_e6, lon_e6, alt_m, speed_dkmh, course_deg, time = _HEAD.unpack_from(body)
    items, tail = _items(body, _HEAD.size)
    return Location(
        alarm=alarm,
        status=status,
        lat_e6=lat_e6,
        lon_e6=lon_e6,
        alt_m=alt_m,
        speed_dkmh=speed_dkmh,
        course_deg=course_deg,
        stamp_ns=_stamp_ns(time),
        items=items,
        tail=tail,
    )


def encode_batch(locations: list[Location], kind: int = BATCH_NORMAL) -> bytes:
    bodies = [encode(location) for location in locations]
    head = _BATCH_HEAD.pack(len(bodies), kind)
    return head + b"".join(_U16.pack(len(body)) + body for body in bodies)


def decode_batch(body: bytes, counts: Counter[str]) -> tuple[int, list[Location]]:
    """Return a batch's kind and its readable reports; an unreadable one is counted and skipped.

    Raises DeviceError `batch.length` where the lengths inside don't add up.
    """
    if len(body) < _BATCH_HEAD.size:
        raise DeviceError("batch.length")
    n_reports, kind = _BATCH_HEAD.unpack_from(body)
    at = _BATCH_HEAD.size
    reports: list[Location] = []
    for _ in range(n_reports):
        end = at + 2 + int.from_bytes(body[at : at + 2], "big")
        if len(body) < at + 2 or len(body) < end:
            raise DeviceError("batch.length")
        _decode_one(body[at + 2 : end], reports, counts)
        at = end
    if at != len(body):
        raise DeviceError("batch.length")
    return kind, reports


def _decode_one(body: bytes, reports: list[Location], counts: Counter[str]) -> None:
    try:
        reports.append(decode(body))
    except DeviceError as error:  # one report costs itself only
        counts[error.reason] += 1


def _items(body: bytes, at: int) -> tuple[tuple[tuple[int, bytes], ...], bytes]:
    items: list[tuple[int, bytes]] = []
    while at + 2 <= len(body):
        end = at + 2 + body[at + 1]
        if end > len(body):
            break
        items.append((body[at], body[at + 2 : end]))
        at = end
    return tuple(items), body[at:]


def _signed_deg(value_e6: int, negative: int) -> float:
    return -abs(value_e6) / 1e6 if negative else value_e6 / 1e6


def _stamp_ns(bcd: bytes) -> int:
    digits = bcd.hex()
    if not digits.isdecimal():
        raise DeviceError("location.time")
    year, month, day, hour, minute, second = (int(digits[i : i + 2]) for i in range(0, 12, 2))
    try:
        moment = datetime(2000 + year, month, day, hour, minute, second, tzinfo=_CHINA)
    except ValueError as error:  # month 13, hour 25, or the zeros of a receiver without a fix
        raise DeviceError("location.time") from error
    return int(moment.timestamp()) * 1_000_000_000


def _bcd_time(stamp_ns: int) -> bytes:
    moment = datetime.fromtimestamp(stamp_ns // 1_000_000_000, UTC).astimezone(_CHINA)
    return bytes.fromhex(moment.strftime("%y%m%d%H%M%S"))
