"""Between a JT/T 808 position report and a `/gnss` fix: units, hemispheres and fields that the report lacks.

The protocol carries no accuracy: sigma and tau stay absent, the site's configuration knows them.
"""

from core.errors import DeviceError
from edge.wire import GnssFix
from roadside.devices.jt808.location import (
    ITEM_SATELLITES,
    STATUS_ACC,
    STATUS_BEIDOU,
    STATUS_ENCRYPTED,
    STATUS_FIXED,
    STATUS_SOUTH,
    STATUS_WEST,
    Location,
)

_DKMH_PER_MPS = 36.0
_UNKNOWN_U16 = 0xFFFF
_COURSE_DEG_MAX = 360
_SATELLITES_MAX = 255


def fix_of(location: Location, terminal: str, plate: str | None, arrived_ns: int, source_seq: int) -> GnssFix:
    """Return the fix; without a fix by the receiver its quality is none.

    Raises DeviceError `location.encrypted` or `location.range` (no place on earth). A clock that was never
    set costs nothing here: the tracker names it.
    """
    if location.status & STATUS_ENCRYPTED:
        raise DeviceError("location.encrypted")
    if abs(location.lat_deg) > 90.0 or abs(location.lon_deg) > 180.0:
        raise DeviceError("location.range")
    speed_known = location.speed_dkmh != _UNKNOWN_U16
    return GnssFix(
        terminal=terminal,
        plate=plate,
        stamp_ns=location.stamp_ns,
        arrived_ns=arrived_ns,
        source_seq=source_seq,
        lon_deg=location.lon_deg,
        lat_deg=location.lat_deg,
        alt_m=float(location.alt_m),
        speed_mps=location.speed_dkmh / _DKMH_PER_MPS if speed_known else None,
        course_deg=float(location.course_deg) if location.course_deg <= _COURSE_DEG_MAX else None,
        quality="single" if location.fixed else "none",
        satellites=location.satellites,
        alarm=location.alarm,
        status=location.status,
        departure=location.departure,
    )


def location_of(fix: GnssFix) -> Location:
    """Return the report that a terminal sends of a fix, rounded as the protocol does; ignition on."""
    status = STATUS_ACC | STATUS_BEIDOU
    status |= STATUS_SOUTH if fix.lat_deg < 0.0 else 0
    status |= STATUS_WEST if fix.lon_deg < 0.0 else 0
    status |= STATUS_FIXED if fix.quality != "none" else 0
    speed = _UNKNOWN_U16 if fix.speed_mps is None else min(round(fix.speed_mps * _DKMH_PER_MPS), 0xFFFE)
    items: tuple[tuple[int, bytes], ...] = ()
    if fix.satellites is not None:
        items = ((ITEM_SATELLITES, bytes((min(fix.satellites, _SATELLITES_MAX),))),)
    return Location(
        alarm=fix.alarm or 0,
        status=status,
        lat_e6=abs(round(fix.lat_deg * 1e6)),
        lon_e6=abs(round(fix.lon_deg * 1e6)),
        alt_m=max(0, min(round(fix.alt_m or 0.0), 0xFFFF)),
        speed_dkmh=speed,
        course_deg=_UNKNOWN_U16 if fix.course_deg is None else round(fix.course_deg) % 360,
        stamp_ns=fix.stamp_ns if fix.device_stamp_ns is None else fix.device_stamp_ns,
        items=items,
    )
