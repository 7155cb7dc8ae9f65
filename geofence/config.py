"""What the rules are, as data: `[rules]` of the site file, and the registry's rows (`[[vehicle]]`)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from geofence.plausible import TEXT_LENGTH_MAX, first_refused, is_plain

Positive = Annotated[float, Meta(gt=0.0)]
NotNegative = Annotated[float, Meta(ge=0.0)]
Size = Annotated[float, Meta(gt=0.0, le=100.0)]  # of a vehicle; millimetres are refused
Lever = Annotated[float, Meta(ge=-100.0, le=100.0)]
VehicleClass = Literal["unknown", "car", "bus", "truck", "hazmat", "other"]
KINDS: tuple[VehicleClass, ...] = ("unknown", "car", "bus", "truck", "hazmat", "other")
HOLDS_MAX = 2  # rows of one grade
LonLat = tuple[Annotated[float, Meta(ge=-180.0, le=180.0)], Annotated[float, Meta(ge=-90.0, le=90.0)]]


class Hold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far over a limit, for how long; `over` in the rule's own unit (m, share, m/s, s)."""

    over: NotNegative
    for_s: NotNegative = 0.0


class Grading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Each grade holds as soon as one of its rows does."""

    notice: Annotated[tuple[Hold, ...], Meta(min_length=1, max_length=HOLDS_MAX)]
    warning: Annotated[tuple[Hold, ...], Meta(max_length=HOLDS_MAX)]
    violation: Annotated[tuple[Hold, ...], Meta(max_length=HOLDS_MAX)]


class RulesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules]`: versioned data; thresholds of evidence follow from the wanted false-alarm rate."""

    version: str = "1"
    enforcement_area: tuple[Annotated[tuple[LonLat, ...], Meta(min_length=3)], ...] = ()
    false_alarms_per_vehicle_hour: Annotated[float, Meta(gt=0.0, lt=1.0)] = 1e-4
    clear_s: Positive = 3.0  # a close needs this long without
    update_s: Positive = 5.0  # an open episode is told again after this long
    resume_s: Positive = 30.0  # after a restart an episode goes on when its vehicle is seen again
    fresh_s: Positive = 1.0  # an enforcing radar's measurement carries a judgement this long
    undecidable_s: Positive = 5.0  # an episode of that grade needs this long
    decide_s: Positive = 5.0  # a departure of `decide_depth_m` must be provable within this long,
    decide_depth_m: Positive = 1.5  # else the track is undecidable
    map_sigma_m: NotNegative = 0.05  # 1 sigma of the surveyed boundaries
    width_unknown_m: Positive = 1.6  # narrow on purpose: an unknown width must not make a violator
    # footprint outside every lane that permits the vehicle [m]
    lane_departure: Grading = Grading(
        notice=(Hold(over=0.0),),
        warning=(Hold(over=0.3, for_s=0.5),),
        violation=(Hold(over=1.0, for_s=1.0), Hold(over=0.3, for_s=3.0)),
    )
    # distance of the centre from every permitted lane, zone and gate [m]
    off_dedicated_road: Grading = Grading(
        notice=(Hold(over=20.0),),
        warning=(Hold(over=20.0, for_s=5.0),),
        violation=(Hold(over=20.0, for_s=30.0),),
    )
    # speed against the lane's direction [m/s]; slow reversing is none
    wrong_way: Grading = Grading(
        notice=(Hold(over=2.0, for_s=0.5),),
        warning=(Hold(over=3.0, for_s=1.0),),
        violation=(Hold(over=3.0, for_s=3.0),),
    )
    # share of the limit by which the speed is above it
    overspeed: Grading = Grading(
        notice=(Hold(over=0.05, for_s=1.0),),
        warning=(Hold(over=0.10, for_s=2.0),),
        violation=(Hold(over=0.20, for_s=2.0), Hold(over=0.10, for_s=20.0)),
    )
    hazmat_limit_mps: Positive = 60 / 3.6  # beside the posted limit
    hazmat_limit_expressway_mps: Positive = 80 / 3.6
    expressways: tuple[str, ...] = ()  # roads of the map that are
    # seconds that a vehicle stands
    illegal_stop: Grading = Grading(
        notice=(Hold(over=15.0),), warning=(Hold(over=30.0),), violation=(Hold(over=120.0),)
    )
    stop_speed_mps: Positive = 0.8
    stop_shoulder_m: NotNegative = 4.0  # beside a lane counts as on the road
    stop_gate_m: NotNegative = 60.0  # standing this near a gate is a queue or a check
    stop_queue_m: NotNegative = 40.0  # a slow vehicle this close ahead makes it a queue
    stop_zone_roles: tuple[str, ...] = ("inspection", "parking", "rest", "toll")
    # seconds without a report in the hazmat lane under an enforcing radar
    dark_vehicle: Grading = Grading(
        notice=(Hold(over=10.0),), warning=(Hold(over=10.0),), violation=(Hold(over=40.0),)
    )
    dark_lane_p: Annotated[float, Meta(gt=0.5, lt=1.0)] = 0.99
    dark_report_s: Positive = 35.0  # a terminal may report each 30 s
    dark_reporter_m: Positive = 30.0  # an unbound reporter this close might be it


class VehicleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One registered vehicle and its terminal."""

    terminal: Annotated[str, Meta(min_length=1, max_length=32)]
    plate: str | None = None
    class_: VehicleClass = msgspec.field(name="class", default="hazmat")
    hazmat_class: str | None = None
    un: str | None = None
    carrier: str | None = None
    length_m: Size | None = None
    width_m: Size | None = None
    antenna_m: tuple[Lever, Lever] = (0.0, 0.0)  # forward, left of the vehicle's centre
    permits: tuple[str, ...] = ()  # further classes of `allowed` that it may use lanes as
    # how far the terminal's clock is known to be ahead of UTC; its stamps are put right by it
    clock_offset_s: Annotated[float, Meta(ge=-1e9, le=1e9)] = 0.0

    def __post_init__(self) -> None:
        """Refuse what would be withheld from the page: a direction override, a zero width, a line end."""
        for name in ("terminal", "plate", "hazmat_class", "un", "carrier"):
            text = getattr(self, name)
            if text is None or is_plain(text):
                continue
            code = first_refused(text)
            rule = f"the character {code}, which does not show" if code else f"more than {TEXT_LENGTH_MAX}"
            raise ValueError(f"{name} has {rule}")

    @property
    def kind(self) -> int:
        """Class number of DESIGN section 5."""
        return KINDS.index(self.class_)
