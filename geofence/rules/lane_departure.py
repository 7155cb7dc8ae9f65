"""`lane_departure`: the footprint is outside every lane in which the vehicle may be [m]."""

from typing import TYPE_CHECKING

import numpy as np

from geofence.grading import Grading, Hold, Holds, NoticeHolds
from geofence.located import OUT_ANY
from geofence.rules.base import Rule
from geofence.sample import Sample, Vehicle

if TYPE_CHECKING:
    from geofence.context import Context


class Config(Grading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.lane_departure]`."""

    notice: NoticeHolds = (Hold(over=0.0),)
    warning: Holds = (Hold(over=0.3, for_s=0.5),)
    violation: Holds = (Hold(over=1.0, for_s=1.0), Hold(over=0.3, for_s=3.0))


class LaneDeparture(Rule):
    """Depth and duration of the footprint outside; not judged where the position can't carry it."""

    name, violation, kind, column = "lane_departure", "lane_departure", "measured", "lane_departure"
    Config, keys = Config, ("decide_s", "decide_depth_m", "map_sigma_m", "width_unknown_m")
    unit, shared_column = "m", "excess_m"
    alone = True
    kept_s = 1.0  # who leaves the lanes was in them: what radar sees beside the road may be no vehicle
    over_max = 10.0  # further out it is on another road

    @staticmethod
    def measure(v: Vehicle) -> Sample:
        # an ordinary vehicle in a lane that is closed to it has left none: see `unauthorised_vehicle`
        out_m = v.out_any_m if v.is_ordinary else v.out_permitted_m
        return Sample(out_m + v.half_width_m, v.sigma_edge_m, v.tau_s, not v.unjudged)

    def still_holds(self, ctx: "Context", i: int) -> bool:
        """Far from every lane the distance is unknown, but the vehicle is certainly outside."""
        return bool(np.isnan(ctx.located.found[i, OUT_ANY]))
