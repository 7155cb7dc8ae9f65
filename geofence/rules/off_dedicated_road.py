"""`off_dedicated_road`: a registered hazmat vehicle is away from every permitted lane, zone and gate [m]."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.classes import HAZMAT
from geofence.grading import Grading, Hold, Holds, NoticeHolds, RuleSettings
from geofence.located import OUT_PERMITTED
from geofence.rules.base import Rule, Verdict
from geofence.rules.doubt import MISPLACES
from geofence.sample import Sample, Vehicle
from geofence.state import AWAY

if TYPE_CHECKING:
    from geofence.context import TickContext


class Config(Grading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.off_dedicated_road]`."""

    notice: NoticeHolds = (Hold(over=20.0),)
    warning: Holds = (Hold(over=20.0, for_s=5.0),)
    violation: Holds = (Hold(over=20.0, for_s=30.0),)


class OffDedicatedRoad(Rule):
    """Judged inside the enforcement area, and between a vehicle's entry gate and its exit gate."""

    name, violation, kind = "off_dedicated_road", "off_dedicated_road", "measured"
    column = "off_dedicated_road"
    Config, keys, unit = Config, ("enforcement_area",), "m"
    judges = "hazmat"
    alone = True

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        self._clear_below = config.notice[0].over / 2

    def clear_below(self) -> float:
        return float(self._clear_below)

    @staticmethod
    def measure(v: Vehicle) -> Sample:
        return Sample(v.off_road_m, v.sigma_place_m, v.tau_s, True)

    def tick(self, ctx: "TickContext") -> Sequence[Verdict]:
        """Note who left the lanes between two gates, for the observations until the next tick.

        What is open stays judged until it closes, also after the journey has ended beside the road.
        """
        known, located, flags = ctx.known, ctx.located, ctx.state.flags
        rows = ctx.rows[known]
        believed = (ctx.doubt[known] & MISPLACES) == 0
        away = believed & ctx.state.is_open(rows, self.name)
        is_off = ~(located.found[known, OUT_PERMITTED] <= 0.0) & believed  # NaN: no lane is near
        is_off &= (located.kind[known] == HAZMAT) & (located.vehicle[known] >= 0)
        trips = ctx.trips
        for k in np.flatnonzero(is_off & ~away).tolist() if trips is not None else ():
            w = int(ctx.tracks.terminal[known[k]])
            away[k] = trips is not None and w >= 0 and trips.is_between_gates(located.terminal_ids[w])
        flags[rows, AWAY] = away
        return ()
