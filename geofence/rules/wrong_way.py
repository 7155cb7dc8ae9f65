"""`wrong_way`: speed against the lane's direction [m/s]; slow reversing is none."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from geofence.grading import Grading, Hold, Holds, NoticeHolds
from geofence.rules.base import Rule, Verdict
from geofence.rules.doubt import MISPLACES
from geofence.sample import Sample, Vehicle
from geofence.state import MISPLACED

if TYPE_CHECKING:  # it loads the compiler, and the configuration reads the rules
    from geofence.context import TickContext

SAME_WAY_SIGMAS = 4.0
AGAINST = 0.5  # cosine from which a course leads against the lane; what crosses it drives on another road


class Config(Grading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.wrong_way]`."""

    notice: NoticeHolds = (Hold(over=2.0, for_s=0.5), Hold(over=1.0, for_s=30.0))
    # reversing for a minute, 60 m and more, is no manoeuvre: a truck is 20 m long
    warning: Holds = (Hold(over=3.0, for_s=1.0), Hold(over=1.0, for_s=60.0))
    violation: Holds = (Hold(over=3.0, for_s=3.0),)


class WrongWay(Rule):
    """Not judged where a lane of the vehicle's own way is near: the position may be wrong instead.

    Nor by fixes alone that are in doubt, or that left its own way and its course did not (geofence.own_way).
    """

    name, violation, kind, column = "wrong_way", "wrong_way", "measured", "wrong_way"
    Config, unit = Config, "m/s"
    alone = True
    same_m = (
        30.0  # no vehicle follows there, and a fix that is late by part of a second lies far along the road
    )
    over_max = 60.0

    def clear_below(self) -> float:
        return 0.5

    @staticmethod
    def measure(v: Vehicle) -> Sample:
        near_m = SAME_WAY_SIGMAS * v.sigma_across_m * v.place_scale
        other_way = not (v.misplaced or v.out_same_way_m <= near_m)  # NaN: none is near
        against = -v.along_mps > AGAINST * v.speed_mps and other_way
        return Sample(-v.along_mps, v.sigma_speed_mps, v.speed_tau_s, v.along_mps > 0.0 or against)

    def tick(self, ctx: "TickContext") -> Sequence[Verdict]:
        """Note whose places can't be believed, for the observations until the next tick."""
        known = ctx.known
        ctx.state.flags[ctx.rows[known], MISPLACED] = (ctx.doubt[known] & MISPLACES) != 0
        return ()
