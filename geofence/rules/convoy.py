"""`convoy`: seconds as one hazmat vehicle too many close behind others, in a tunnel or on a bridge."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from msgspec import Meta

from core.classes import HAZMAT
from geofence.grading import Grading, Hold, Holds, NoticeHolds, RuleSettings
from geofence.rules.counted import Breach, CountedRule

if TYPE_CHECKING:
    from geofence.context import TickContext

SIGMAS = 4.0  # of both stations' errors, by which a vehicle must be within the distance


class Config(Grading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.convoy]`: local orders state the numbers, so that it is off until they are set."""

    notice: NoticeHolds = (Hold(over=5.0),)
    warning: Holds = (Hold(over=15.0),)
    violation: Holds = (Hold(over=60.0),)
    # hazmat vehicles within the distance, at most; 0: any number
    vehicles_max: Annotated[int, Meta(ge=0, le=100)] = 0
    within_m: Annotated[float, Meta(gt=0.0, le=10_000.0)] = 500.0
    roles: tuple[str, ...] = ("bridge", "tunnel")  # of the zones in which it is judged


class Convoy(CountedRule):
    """Judged of registered hazmat vehicles of one way in one zone; it is broken by who comes last."""

    name, violation, column = "convoy", "convoy", "convoy"
    Config, stamps = Config, ("convoy_since_ns",)

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        self._config = config
        self.active = config.vehicles_max > 0 and not set(config.roles).isdisjoint(zone_roles)
        self._count_from(config)

    def breach(self, ctx: "TickContext") -> Breach:
        tracks, located, n = ctx.tracks, ctx.located, len(ctx.tracks)
        z = np.full(n, -np.inf)
        known = tracks.confirmed & (located.kind == HAZMAT) & (located.vehicle >= 0) & (ctx.rows >= 0)
        at = np.flatnonzero(known & np.isfinite(located.s_m))
        zone = ctx.around.zone_of(self._config.roles, tracks, located, at)
        for name in np.unique(zone[zone >= 0]).tolist():
            inside = at[zone == name]
            way = ctx.around.way_of(located, inside)
            for sign in (-1.0, 1.0):
                mine = inside[way == sign]
                mine = mine[np.argsort(sign * located.s_m[mine], kind="stable")]
                # the vehicle by which it is one too many is so many places ahead
                last, first = mine[: -self._config.vehicles_max], mine[self._config.vehicles_max :]
                away_m = sign * (located.s_m[first] - located.s_m[last])
                variance = ctx.variance_place_m2[first] + ctx.variance_place_m2[last]
                z[last] = (self._config.within_m - away_m) / np.sqrt(np.maximum(variance, 1e-6))
        broken, unsure = z > SIGMAS, (z > -SIGMAS) & (z <= SIGMAS)
        return Breach(broken, unsure, z, located.p_lane)
