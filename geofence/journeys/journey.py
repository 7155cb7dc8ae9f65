"""One journey: its facts as they are published, recorded, stored, handed over and kept over a restart."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from geofence.breaches import BREACHES_MAX, Breach
from geofence.config import VehicleConfig
from geofence.episodes import Number, Small, Stamp
from geofence.journeys.driving import Driving
from geofence.journeys.driving import copied as copied_driving
from geofence.plausible import SITE_REACH_M, is_plain
from geofence.violation import ViolationVehicle

DWELLS_MAX = 20  # kept of one journey, the last ones; `standing_s` counts all
RULES_MAX = 64  # names in `violations`
OPEN_MAX = 64  # episodes in `counted`
_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")

Began = Literal["gate", "seen"]
Contact = Literal["both", "radar", "terminal", "lost"]
Cause = Literal["radar_gap", "radar_silent", "terminal_silent", "gateway_silent", "off_road", "rsu_off"]
Reason = Literal["exit", "left_road", "lost", "again"]
EntryFault = Literal["no_permit", "permit_route", "permit_used"]
Seconds = Annotated[float, Meta(ge=0.0, le=1e9)]
Metres = Annotated[float, Meta(ge=-SITE_REACH_M, le=SITE_REACH_M)]  # a station or a way
Speed = Annotated[float, Meta(ge=0.0, le=200.0)]
Text = Annotated[str, Meta(max_length=200)]


class Dwell(msgspec.Struct, kw_only=True):
    """Where a vehicle stood, since when and for how long."""

    s_m: Number | None = None
    lon_deg: Number
    lat_deg: Number
    start_ns: Stamp
    standing_s: Seconds = 0.0


class Journey(msgspec.Struct, kw_only=True):
    """One version of a journey. Numbers are quantised where a version is made, so that a replay is exact."""

    id: Annotated[str, Meta(max_length=36)]
    version: Small = 0
    hop: Small = 0
    esn: Annotated[str, Meta(max_length=64)]
    terminal: Annotated[str, Meta(min_length=1, max_length=64)]
    vehicle: ViolationVehicle | None = None
    track: Annotated[int, Meta(ge=0)] = 0
    road: Text | None = None
    began: Began
    start_ns: Stamp
    entry: Text | None = None
    entry_s_m: Metres | None = None
    exit: Text | None = None
    exit_s_m: Metres | None = None
    expected_ns: Stamp | None = None
    due_ns: Stamp | None = None
    eta_ns: Stamp | None = None
    overdue: bool = False
    stamp_ns: Stamp = 0
    seen_ns: Stamp = 0
    lon_deg: Number = 0.0
    lat_deg: Number = 0.0
    s_m: Metres | None = None
    share: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None
    speed_mps: Speed = 0.0
    speed_mps_max: Speed = 0.0
    way_m: Annotated[float, Meta(ge=0.0, le=1e9)] = 0.0
    moving_s: Seconds = 0.0
    standing_s: Seconds = 0.0
    standing_since_ns: Stamp = 0
    dwells: Annotated[list[Dwell], Meta(max_length=DWELLS_MAX)] = []
    contact: Contact = "both"
    cause: Cause | None = None
    off_road_since_ns: Stamp = 0
    violations: Annotated[dict[str, Small], Meta(max_length=RULES_MAX)] = {}
    counted: Annotated[list[Text], Meta(max_length=OPEN_MAX)] = []
    end_ns: Stamp | None = None
    reason: Reason | None = None
    permit: Text | None = None
    waybill: Text | None = None
    entry_fault: EntryFault | None = None  # of its permit, found when it began
    broken: Annotated[dict[str, Breach], Meta(max_length=BREACHES_MAX)] = {}
    off_route_since_ns: Stamp = 0
    driving: Driving | None = None

    @property
    def is_open(self) -> bool:
        """Whether the vehicle is still on its way, as far as anybody knows."""
        return self.end_ns is None

    @property
    def mean_mps(self) -> float:
        """The mean speed over the whole journey [m/s]; 0 while it has no length."""
        time_s = self.moving_s + self.standing_s
        return self.way_m / time_s if time_s > 0.0 else 0.0


class Seen(msgspec.Struct, kw_only=True):
    """A track's last look, and the entry gate that it has crossed since it began."""

    track: int
    t_ns: int
    east_m: float
    north_m: float
    gate: str | None = None
    gate_ns: int = 0
    slow_ns: int = 0  # when it crept over a gate's line; the place is the one before that


class JourneysState(msgspec.Struct, kw_only=True):
    """All journeys of an RSU, and what their next step depends on."""

    open: list[Journey] = []
    seen: list[Seen] = []
    left_ns: dict[str, int] = {}
    published_ns: dict[str, int] = {}
    used: dict[str, str] = {}
    driving: dict[str, Driving] = {}
    unsaved: list[str] = []
    unsent: dict[str, list[str]] = {}
    sent: dict[str, dict[str, int]] = {}


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Journey)


def encoded(journey: Journey) -> bytes:
    """Return a journey's bytes."""
    return _ENCODER.encode(journey)


def decoded(body: bytes) -> Journey | None:
    """Return the journey; None for bytes that hold none, or one that can't be true."""
    try:
        journey = _DECODER.decode(body)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return None
    return journey if is_sound(journey) else None


def is_sound(journey: Journey) -> bool:
    """Say whether a journey can be true: plain texts, an id of ours, times in their order."""
    named = [
        journey.esn,
        journey.terminal,
        journey.road,
        journey.entry,
        journey.exit,
        journey.permit,
        journey.waybill,
    ]
    named += [*journey.violations, *journey.broken]
    if journey.vehicle is not None:
        named += msgspec.structs.astuple(journey.vehicle)
    ends = journey.end_ns is None or journey.end_ns >= journey.start_ns
    return (
        _ID.fullmatch(journey.id) is not None
        and all(text is None or is_plain(text) for text in named)
        and ends
        and journey.start_ns <= max(journey.seen_ns, journey.stamp_ns)
    )


def vehicle_of(terminal: str, known: VehicleConfig | None) -> ViolationVehicle:
    """Return a terminal's vehicle as a journey shows it.

    known : its row of the registry
    """
    if known is None:
        return ViolationVehicle(terminal=terminal)
    return ViolationVehicle(
        plate=known.plate,
        terminal=terminal,
        hazmat_class=known.hazmat_class,
        un=known.un,
        carrier=known.carrier,
    )


def copied(journey: Journey) -> Journey:
    """Return a copy that shares nothing that changes."""
    return msgspec.structs.replace(
        journey,
        dwells=[msgspec.structs.replace(dwell) for dwell in journey.dwells],
        violations=dict(journey.violations),
        counted=list(journey.counted),
        driving=None if journey.driving is None else copied_driving(journey.driving),
        broken={key: msgspec.structs.replace(breach) for key, breach in journey.broken.items()},
    )
