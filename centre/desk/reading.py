"""The facts of an alarm as the desk needs them, from the bytes of its violation. Pure."""

from typing import Any, NamedTuple

import msgspec

from centre.unset_clocks import moved_ns
from geofence.violation import Stamps, ViolationVehicle


class _Read(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a violation that the desk reads; its evidence is skipped."""

    rule: str
    grade: str
    phase: str
    vehicle: ViolationVehicle | None
    esn: str
    start_ns: int
    end_ns: int | None
    lon_deg: float
    lat_deg: float
    lane: str | None
    zone: str | None
    s_m: float | None
    d_m: float | None
    speed_mps: float
    limit_mps: float | None
    stamps: Stamps


class Facts(NamedTuple):
    """An alarm as it is now (its newest version), and as it was decided (its first at the highest grade)."""

    id: str
    rule: str
    vehicle: str | None  # the terminal, else the plate; None: unidentified
    plate: str | None
    hazmat_class: str | None
    un: str | None
    esn: str
    start_ns: int
    last_ns: int  # its end, or its newest observation
    is_open: bool
    lon_deg: float
    lat_deg: float
    s_m: float | None
    d_m: float | None
    lane: str | None
    zone: str | None
    speed_mps: float
    limit_mps: float | None


VEHICLE_MAX, PLATE_MAX = 64, 32  # characters of the columns
_decode = msgspec.msgpack.Decoder(_Read).decode


def facts_of(alarm_id: str, newest: bytes, deciding: bytes, shift_ns: int = 0) -> Facts:
    """Return the facts of an alarm; msgspec.MsgspecError where its bytes can't be read.

    shift_ns : what its times are moved by, since its RSU's clock was never set
    """
    now = _decode(newest)
    then = now if deciding is newest else _decode(deciding)
    vehicle = now.vehicle or then.vehicle or ViolationVehicle()
    last_ns = max(now.start_ns, now.end_ns or now.stamps.measured_ns)
    return Facts(
        id=alarm_id, rule=now.rule, vehicle=_cut(vehicle.terminal or vehicle.plate, VEHICLE_MAX),
        plate=_cut(vehicle.plate, PLATE_MAX),
        hazmat_class=vehicle.hazmat_class, un=vehicle.un, esn=now.esn,
        start_ns=moved_ns(now.start_ns, shift_ns), last_ns=moved_ns(last_ns, shift_ns),
        is_open=now.phase != "close",
        lon_deg=then.lon_deg, lat_deg=then.lat_deg, s_m=then.s_m, d_m=then.d_m, lane=then.lane,
        zone=then.zone, speed_mps=then.speed_mps, limit_mps=then.limit_mps,
    )  # fmt: skip


def _cut(text: str | None, length: int) -> str | None:
    """Return a text as long as its column can be: PostgreSQL refuses a longer one, and with it the alarm."""
    return text and text[:length]


def columns_of(found: Facts) -> dict[str, Any]:
    """Return the values of the handling row that follow from the ledger alone."""
    return {
        "rule": found.rule, "vehicle": found.vehicle, "marked": found.plate, "esn": found.esn,
        "start_ns": found.start_ns, "last_ns": found.last_ns, "is_open": found.is_open,
        "lon_deg": found.lon_deg, "lat_deg": found.lat_deg, "s_m": found.s_m,
    }  # fmt: skip
