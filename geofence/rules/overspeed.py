"""`overspeed`: the share of the limit by which the speed is above it."""

from typing import TYPE_CHECKING

from geofence.grading import Grading, Hold, Holds, NoticeHolds
from geofence.rules.base import Rule
from geofence.sample import Sample, Vehicle

if TYPE_CHECKING:
    pass


class Config(Grading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.overspeed]`."""

    notice: NoticeHolds = (Hold(over=0.05, for_s=1.0),)
    warning: Holds = (Hold(over=0.10, for_s=2.0),)
    violation: Holds = (Hold(over=0.20, for_s=2.0), Hold(over=0.10, for_s=20.0))


class Overspeed(Rule):
    """Judged of registered and of hazmat vehicles, in a lane, by the lowest limit of geofence.limits."""

    name, violation, kind, column = "overspeed", "overspeed", "measured", "overspeed"
    Config = Config
    keys = ("hazmat_limit_mps", "hazmat_limit_expressway_mps", "expressways", "speed_limits", "weather")
    unit, shows_limit = "share", True
    alone = True
    over_max = 2.0  # of the limit: per cent are a slip

    @staticmethod
    def measure(v: Vehicle) -> Sample:
        known = v.is_hazmat or (v.is_registered and v.p_lane > 0.9)
        return Sample(
            v.speed_mps / v.limit_mps - 1.0, v.sigma_speed_mps / v.limit_mps, v.speed_tau_s,
            known and v.in_lane,
        )  # fmt: skip
