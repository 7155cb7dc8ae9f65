"""The building blocks of `[rules]`: holds, grades, and the keys beside the rules' own sections.

Imports nothing heavy: whoever reads a site file needs it.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from geofence.calendar import Holiday
from geofence.layers import ROWS_MAX, Limit, SpeedLimit, Weather

Positive = Annotated[float, Meta(gt=0.0)]
NotNegative = Annotated[float, Meta(ge=0.0)]
HOLDS_MAX = 2  # rows of one grade
# What no road, vehicle or terminal exceeds. A setting beyond is one of another unit, or a slip of a digit
Seconds = Annotated[float, Meta(gt=0.0, le=3600.0)]
Fresh = Annotated[float, Meta(gt=0.0, le=10.0)]  # seconds
Minute = Annotated[float, Meta(gt=0.0, le=60.0)]  # seconds, up to one
Width = Annotated[float, Meta(gt=0.0, le=4.0)]  # metres: a lane is no wider
VehicleWidth = Annotated[float, Meta(gt=0.0, le=2.55)]  # metres: no truck may be wider (GB 1589)
Survey = Annotated[float, Meta(ge=0.0, le=2.0)]  # metres
Standing = Annotated[float, Meta(gt=0.0, le=3.0)]  # metres a second: faster, a vehicle was seen moving
Shoulder = Annotated[float, Meta(ge=0.0, le=12.0)]  # metres: further out nothing is judged by a lane
Queue = Annotated[float, Meta(ge=0.0, le=200.0)]  # metres
Near = Annotated[float, Meta(ge=0.0, le=1000.0)]  # metres
LonLat = tuple[Annotated[float, Meta(ge=-180.0, le=180.0)], Annotated[float, Meta(ge=-90.0, le=90.0)]]


class Hold(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A grade's condition: over a limit by more than `over` (in the rule's own unit) for `for_s`."""

    over: NotNegative
    for_s: Annotated[float, Meta(ge=0.0, le=3600.0)] = 0.0


Holds = Annotated[tuple[Hold, ...], Meta(max_length=HOLDS_MAX)]
NoticeHolds = Annotated[tuple[Hold, ...], Meta(min_length=1, max_length=HOLDS_MAX)]


class Grading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section of a graded rule. A grade holds as soon as one of its rows does.

    A rule's own section is a subclass with the rule's defaults.
    """

    notice: NoticeHolds
    warning: Holds
    violation: Holds


class RuleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of `[rules]` beside the sections: those of all rules, then those of single rules.

    The latter stay here because site files have them here; `Rule.keys` names the rule that reads each. A new
    rule keeps all its keys in its own section.
    """

    version: str = "1"
    enforcement_area: tuple[Annotated[tuple[LonLat, ...], Meta(min_length=3)], ...] = ()
    false_alarms_per_vehicle_hour: Annotated[float, Meta(gt=0.0, le=0.1)] = 1e-4
    clear_s: Seconds = 3.0  # an episode closes when its rule has been kept for this long
    update_s: Seconds = 5.0  # an open episode gets a new version at least this often
    resume_s: Seconds = 30.0  # after a restart an episode continues when its vehicle is seen within this time
    fresh_s: Fresh = 1.0  # an enforcing radar's measurement carries a judgement this long
    undecidable_s: Seconds = 5.0  # an episode of that grade needs this long
    decide_s: Minute = 5.0  # 90 % of departures of `decide_depth_m` must be found within this long,
    decide_depth_m: Width = 1.0  # else the track is undecidable
    map_sigma_m: Survey = 0.05  # 1 sigma of the surveyed boundaries
    width_unknown_m: VehicleWidth = 1.6  # narrow on purpose: an unknown width must not make a violator
    hazmat_limit_mps: Limit = 60 / 3.6  # beside the posted limit
    hazmat_limit_expressway_mps: Limit = 80 / 3.6
    expressways: tuple[str, ...] = ()  # roads of the map that are
    stop_speed_mps: Standing = 0.8
    stop_shoulder_m: Shoulder = 4.0  # beside a lane counts as on the road
    stop_gate_m: Near = 60.0  # standing this near a gate is a queue or a check
    stop_queue_m: Queue = 40.0  # a slow vehicle this close ahead makes it a queue
    stop_zone_roles: tuple[str, ...] = ("inspection", "parking", "rest", "toll")
    dark_lane_p: Annotated[float, Meta(gt=0.5, lt=1.0)] = 0.99
    dark_report_s: Seconds = 35.0  # a terminal may report each 30 s
    dark_reporter_m: Near = 30.0  # an unbound reporter this close might be it
    stop_jam_s: Seconds = 600.0  # who has not moved for so long while others pass is in no jam
    stop_row_s: Seconds = 1_800.0  # who has not moved for so long is a notice, whether others pass or not
    speed_limits: Annotated[tuple[SpeedLimit, ...], Meta(max_length=ROWS_MAX)] = ()  # beside the law's
    weather: Weather = Weather()
    holidays: Annotated[tuple[Holiday, ...], Meta(max_length=200)] = ()  # PH of time windows
