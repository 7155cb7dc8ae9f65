"""The JT/T 808 position report (0x0200): bytes to fields and back, pure; batches of them are batch.py's.

Body: alarm u32, status u32, latitude and longitude 1e-6 deg, altitude u16 m, speed u16 0.1 km/h, course u16
deg, time BCD[6] in GMT+8: 28 bytes; then items of id u8, length u8, value (2019 edition, sec. 8.18).
"""

import struct
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import msgspec

from core.errors import DeviceError
from core.times import NS

_HEAD = struct.Struct(">IIiiHHH6s")
HEAD_BYTES = _HEAD.size
_CHINA = timezone(timedelta(hours=8))

ITEM_SIGNAL, ITEM_SATELLITES = 0x30, 0x31
ITEM_ASSISTANT = 0x64  # T/JSATL 12-2017: an alarm of the driving assistant
ASSISTANT_BEGINS, ASSISTANT_DEPARTURE = 1, 2  # its flag, its type
# Bytes of the standard's items (sec. 8.18, JT/T 1078 for 0x14 to 0x18); None: several lengths are legal.
_ITEM_BYTES: dict[int, int | None] = {
    0x01: 4, 0x02: 2, 0x03: 2, 0x04: 2, 0x05: None, 0x06: 2, 0x11: None, 0x12: 6, 0x13: 7, 0x14: 4, 0x15: 4,
    0x16: 4, 0x17: 2, 0x18: None, 0x25: 4, 0x2A: 2, 0x2B: 4, ITEM_SIGNAL: 1, ITEM_SATELLITES: 1,
    ITEM_ASSISTANT: None,
}  # fmt: skip
_LAT_E6_MAX, _LON_E6_MAX = 90_000_000, 180_000_000
STATUS_ACC, STATUS_FIXED, STATUS_SOUTH, STATUS_WEST = 0x1, 0x2, 0x4, 0x8
STATUS_ENCRYPTED = 0x20  # by a map plug-in: these are no coordinates
STATUS_BEIDOU = 1 << 19
NO_TIME_NS = 0  # the stamp of a report whose time can't be read


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """One position report with the wire's own units and numbers."""

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
        return value[0] if value is not None and len(value) == 1 else None

    @property
    def departure(self) -> int | None:
        """The side of a lane departure that the driving assistant reports: 1 left, 2 right, 0 unknown.

        None where it reports none, or the end of one.
        """
        value = self.item(ITEM_ASSISTANT)
        if value is None or len(value) < 10:  # id (4 bytes), flag, type, level, speed, distance, side
            return None
        flag, kind, side = value[4], value[5], value[9]
        if kind != ASSISTANT_DEPARTURE or flag > ASSISTANT_BEGINS:
            return None
        return side if side in (1, 2) else 0

    @property
    def on_earth(self) -> bool:
        return abs(self.lat_e6) <= _LAT_E6_MAX and abs(self.lon_e6) <= _LON_E6_MAX


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
    location = decode_untimed(body)
    if location.stamp_ns == NO_TIME_NS:
        raise DeviceError("location.time")
    return location


def decode_untimed(body: bytes) -> Location:
    """Return the report, NO_TIME_NS where its time can't be read; raises DeviceError `location.length`."""
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


def count_items(location: Location, counts: Counter[str]) -> None:
    """Count the additional information that can't be read: by id, and the part that is cut off at the end."""
    for key, value in location.items:
        length = _ITEM_BYTES.get(key, -1)
        if length == len(value) or length is None:
            continue
        fault = "item" if length == -1 else "item_length"
        counts[f"location.{fault}.{key:02X}"] += 1  # at most 256 of each
    if location.tail:
        counts["location.tail"] += 1


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
    """Return UTC; NO_TIME_NS where the digits are no time: month 13, hour 25, the zeros of an unset clock."""
    digits = bcd.hex()
    if not digits.isdecimal():
        return NO_TIME_NS
    year, month, day, hour, minute, second = (int(digits[i : i + 2]) for i in range(0, 12, 2))
    leap_s = int(second == 60 and minute == 59)  # the name of a second that UTC does have
    try:
        moment = datetime(2000 + year, month, day, hour, minute, second - leap_s, tzinfo=_CHINA)
    except ValueError:
        return NO_TIME_NS
    return (int(moment.timestamp()) + leap_s) * NS


def _bcd_time(stamp_ns: int) -> bytes:
    moment = datetime.fromtimestamp(stamp_ns // NS, UTC).astimezone(_CHINA)
    return bytes.fromhex(moment.strftime("%y%m%d%H%M%S"))
