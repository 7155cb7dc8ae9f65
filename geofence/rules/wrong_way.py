"""`wrong_way`: speed against the lane's direction [m/s]; slow reversing is none."""

from typing import TYPE_CHECKING

from geofence.grading import Grading, Hold, Holds, NoticeHolds
from geofence.located import ALONG, OUT_SAME_WAY, SIGMA
from geofence.rules.base import Measured, Rule

if TYPE_CHECKING:
    from geofence.context import Context

SAME_WAY_SIGMAS = 4.0


class Config(Grading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.wrong_way]`."""

    notice: NoticeHolds = (Hold(over=2.0, for_s=0.5),)
    warning: Holds = (Hold(over=3.0, for_s=1.0),)
    violation: Holds = (Hold(over=3.0, for_s=3.0),)


class WrongWay(Rule):
    """Not judged where a lane of the vehicle's own way is near: the position may be wrong instead."""

    name, violation, kind, column = "wrong_way", "wrong_way", "measured", "wrong_way"
    Config, unit = Config, "m/s"
    same_m = (
        30.0  # no vehicle follows there, and a fix that is late by part of a second lies far along the road
    )

    def clear_below(self) -> float:
        return 0.5

    def measure(self, ctx: "Context") -> Measured:
        found = ctx.located.found
        other_way = ~(found[:, OUT_SAME_WAY] <= SAME_WAY_SIGMAS * found[:, SIGMA])  # NaN: none is near
        return Measured(
            value=-found[:, ALONG],
            sigma=ctx.sigma_speed_mps,
            judged=(found[:, ALONG] > 0.0) | other_way,
            tau_s=ctx.speed_tau_s,
        )
