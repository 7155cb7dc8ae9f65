"""A violation (docs/design.md section 8): one version of an episode, and how it becomes bytes."""

from typing import Any, Literal

import msgspec

Grade = Literal["undecidable", "notice", "warning", "violation"]
Phase = Literal["open", "update", "close"]
Rule = Literal[
    "lane_departure", "off_dedicated_road", "wrong_way", "overspeed", "too_slow", "illegal_stop",
    "zone_entry", "zone_exit", "time_window", "route_deviation", "missed_exit", "following_distance",
    "unauthorised_vehicle", "dark_vehicle", "ghost_report", "gnss_integrity",
    "permit", "driving_time",
    "closed_road", "convoy", "parking_timeout",
]  # fmt: skip
GRADES: tuple[Grade, ...] = ("undecidable", "notice", "warning", "violation")


class ViolationVehicle(msgspec.Struct, frozen=True, kw_only=True):
    """The vehicle from the registry; nil as a whole if unidentified."""

    plate: str | None = None
    terminal: str | None = None
    hazmat_class: str | None = None
    un: str | None = None
    carrier: str | None = None


class Stamps(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Stamps of the observation that decided; if a tick decided, both are its time and by is "tick"."""

    measured_ns: int
    arrived_ns: int
    by: str | None = None


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One version; (id, version, esn) is unique. Floats are quantised before they come here."""

    id: str  # UUIDv5, kept for the episode's life
    version: int
    hop: int
    phase: Phase
    grade: Grade
    rule: Rule
    vehicle: ViolationVehicle | None
    identity_p: float | None
    track: int
    esn: str
    start_ns: int
    confirmed_ns: int | None
    end_ns: int | None
    lon_deg: float
    lat_deg: float
    lane: str | None
    zone: str | None  # of a rule of zones; else nil
    s_m: float | None
    d_m: float | None
    sigma_d_m: float | None
    p_violation: float
    speed_mps: float
    limit_mps: float | None
    map_version: str
    rules_version: str
    stamps: Stamps
    reason: str | None = None
    late: bool = False  # of stored fixes that arrived long after: nobody is warned
    evidence: dict[str, list[Any]] = {}
    limit_of: str | None = None  # which layer states `limit_mps`: lane, class, zone:NAME, ...
    # whether the terminal raised an alarm of its own for it; nil: it never did, or has no such alarm
    terminal_alarm: bool | None = None
    road_s_m: float | None = None  # station of the lane's road, where that has an axis of its own


ENCODER = msgspec.msgpack.Encoder()
DECODER = msgspec.msgpack.Decoder(Violation)


def encode(violation: Violation) -> bytes:
    """Return the bytes that stay the same from the RSU to the evidence file."""
    return ENCODER.encode(violation)


def decode(body: bytes) -> Violation:
    """Return the violation; raises msgspec.DecodeError or ValidationError."""
    return DECODER.decode(body)
