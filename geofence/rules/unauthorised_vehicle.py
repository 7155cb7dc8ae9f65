"""`unauthorised_vehicle`: an ordinary registered vehicle is in a lane that does not permit it [m]."""

import math
from typing import TYPE_CHECKING

from geofence.grading import Grading, Hold, Holds, NoticeHolds
from geofence.rules.base import Rule
from geofence.sample import Sample, Vehicle

if TYPE_CHECKING:
    pass


class Config(Grading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.unauthorised_vehicle]`: how deep in such a lane; who touches its line uses his own."""

    notice: NoticeHolds = (Hold(over=0.5, for_s=1.0),)
    warning: Holds = (Hold(over=1.0, for_s=2.0),)
    violation: Holds = (Hold(over=1.0, for_s=5.0),)


class UnauthorisedVehicle(Rule):
    """Judged of vehicles whose class and permits the registry knows: a radar's guess accuses nobody."""

    name, violation, kind, column = (
        "unauthorised_vehicle", "unauthorised_vehicle", "measured", "unauthorised_vehicle",
    )  # fmt: skip
    Config, unit, judges = Config, "m", "ordinary"
    alone = True
    over_max = 10.0

    @staticmethod
    def measure(v: Vehicle) -> Sample:
        # how far over the line of the nearest lane that permits it; without one, how deep in the others
        over_m = -v.out_any_m if math.isnan(v.out_permitted_m) else v.out_permitted_m
        depth_m = over_m + v.half_width_m if v.out_any_m <= 0.0 else -v.half_width_m
        judged = v.is_ordinary and v.is_registered and not v.unjudged
        return Sample(depth_m, v.sigma_edge_m, v.tau_s, judged)
