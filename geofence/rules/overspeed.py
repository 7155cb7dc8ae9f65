"""`overspeed`: the share of the limit by which the speed is above it."""

from typing import TYPE_CHECKING

from core.classes import HAZMAT
from geofence.grading import Grading, Hold, Holds, NoticeHolds
from geofence.located import NO_LANE
from geofence.rules.base import Measured, Rule

if TYPE_CHECKING:
    from geofence.context import Context


class Config(Grading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.overspeed]`."""

    notice: NoticeHolds = (Hold(over=0.05, for_s=1.0),)
    warning: Holds = (Hold(over=0.10, for_s=2.0),)
    violation: Holds = (Hold(over=0.20, for_s=2.0), Hold(over=0.10, for_s=20.0))


class Overspeed(Rule):
    """Judged of registered and of hazmat vehicles, in a lane."""

    name, violation, kind, column = "overspeed", "overspeed", "measured", "overspeed"
    Config, keys = Config, ("hazmat_limit_mps", "hazmat_limit_expressway_mps", "expressways")
    unit, shows_limit = "share", True

    def measure(self, ctx: "Context") -> Measured:
        located, limit_mps = ctx.located, ctx.limit_mps
        is_hazmat = located.kind == HAZMAT
        known = (located.vehicle >= 0) | is_hazmat
        return Measured(
            value=ctx.speed_mps / limit_mps - 1.0,
            sigma=ctx.sigma_speed_mps / limit_mps,
            judged=known & (is_hazmat | (located.p_lane > 0.9)) & (located.lane != NO_LANE),
            tau_s=ctx.speed_tau_s,
        )
