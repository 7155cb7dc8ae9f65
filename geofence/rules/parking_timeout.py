"""`parking_timeout`: seconds beyond the longest stay that a zone allows."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from core.arrays import F64
from core.classes import HAZMAT
from geofence.grading import Grading, Hold, Holds, NoticeHolds, RuleSettings
from geofence.rules.counted import Breach, CountedRule
from geofence.state import STANDING

if TYPE_CHECKING:
    from geofence.context import TickContext

SIGMAS = 10.0  # whoever certainly is in the zone: so many of the place's error


class Config(Grading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.parking_timeout]`: seconds beyond `stay_max_s` of the zone."""

    notice: NoticeHolds = (Hold(over=0.0),)
    warning: Holds = (Hold(over=300.0),)
    violation: Holds = (Hold(over=1800.0),)


class ParkingTimeout(CountedRule):
    """Counts from when a hazmat vehicle first stands in the zone until it leaves; to move up ends no stay."""

    name, violation, column = "parking_timeout", "parking_timeout", "parking_timeout"
    Config, stamps = Config, ("parked_since_ns",)

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        self._count_from(config)

    def applies(self, ctx: "TickContext") -> bool:
        return ctx.around.has_stays

    def breach(self, ctx: "TickContext") -> Breach:
        known = (ctx.located.kind == HAZMAT) & ctx.tracks.confirmed & (ctx.rows >= 0)
        may_be_in, stands = known & np.isfinite(ctx.stays.allowed_s), ctx.stamps(STANDING) > 0
        # who stands has not left the zone, however coarse his place becomes
        counts = ctx.stamps(ctx.state.stamp[self.stamps[0]]) > 0
        stays = may_be_in & stands & (ctx.stays.is_in | counts)
        z = np.where(may_be_in, SIGMAS, -np.inf)
        return Breach(stays, may_be_in & ~stays, z, np.ones(len(z)))

    def allowed_s(self, ctx: "TickContext") -> F64:
        return np.nan_to_num(ctx.stays.allowed_s)
