"""`too_slow`: seconds below the lane's lowest speed, without a reason that anyone can see."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from msgspec import Meta

from core.arrays import I64, Bools
from core.classes import HAZMAT
from geofence.grading import Grading, Hold, Holds, Near, NoticeHolds, RuleSettings
from geofence.layers import Limit
from geofence.rules.counted import Breach, CountedRule
from geofence.state import R_SPEED, RING_LENGTH, RING_ROWS, STANDING

if TYPE_CHECKING:
    from geofence.context import Context, TickContext

SURE_P = 0.99  # of the lane


class Config(Grading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.too_slow]`."""

    # a loaded truck brakes, is overtaken and gains speed again within half a minute
    notice: NoticeHolds = (Hold(over=15.0),)
    warning: Holds = (Hold(over=30.0),)
    violation: Holds = (Hold(over=120.0),)
    # of lanes of expressways that state none (State Council 405 of 2004, art. 78: 60 km/h)
    expressway_mps: Limit = 60 / 3.6
    below_share: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.1  # so much below is none, as `overspeed` has it
    sigmas: Annotated[float, Meta(gt=0.0, le=10.0)] = 4.0  # of the speed's error, by which it must be below
    ahead_m: Near = 100.0  # a slow vehicle this close ahead is a reason, and so far radar must see
    gate_m: Near = 300.0  # who brakes for a gate from 80 km/h at 0.8 m/s2 begins here
    gaining_mps2: Annotated[float, Meta(gt=0.0, le=2.0)] = 0.1  # who gains speed at this rate is on its way


class TooSlow(CountedRule):
    """Judged of hazmat and registered vehicles where radar sees that nothing slow is ahead of them."""

    name, violation, column = "too_slow", "too_slow", "too_slow"
    Config, stamps, shows_limit = Config, ("too_slow_since_ns",), True
    explained_by = ("illegal_stop", "wrong_way")

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        self._config = config
        self._count_from(config)

    def applies(self, ctx: "TickContext") -> bool:
        return bool(np.isfinite(ctx.around.lowest_mps).any())

    def breach(self, ctx: "TickContext") -> Breach:
        tracks, located, config = ctx.tracks, ctx.located, self._config
        lowest = ctx.around.lowest_mps[ctx.lane_rows]
        speed, sigma = ctx.speed_mps, ctx.sigma_speed_mps
        least = lowest * (1.0 - config.below_share)
        known = (located.kind == HAZMAT) | (located.vehicle >= 0)
        # where a limit is as low as that no lowest speed can hold
        asked = known & tracks.confirmed & np.isfinite(lowest) & ~(ctx.limits.mps <= lowest)
        asked &= ctx.stamps(STANDING) == 0
        z = np.where(asked, (least - speed) / sigma, -np.inf)
        below, perhaps = z > config.sigmas, z > -config.sigmas
        if below.any():
            at = np.flatnonzero(below)
            perhaps[at] = ~self._is_excused(ctx, at)
            sure = ~tracks.coasting[at] & (located.p_lane[at] >= SURE_P)
            below[at] = perhaps[at] & sure & ctx.around.is_seen_ahead(tracks, located, at, config.ahead_m)
        return Breach(below, perhaps & ~below, z, located.p_lane)

    def limit(self, ctx: "Context", i: int) -> tuple[float, str | None]:
        return float(ctx.around.lowest_mps[ctx.around.lane_rows(ctx.located)[i]]), "lane"

    def _is_excused(self, ctx: "TickContext", at: I64) -> Bools:
        """Return which of the tracks at `at` (m,) have a reason."""
        config, who = self._config, ctx.ahead.who[at]
        slow = ctx.speed_mps[who] < ctx.around.lowest_mps[ctx.lane_rows[at]]
        behind = (who >= 0) & slow & (ctx.ahead.away_m[at] <= config.ahead_m)
        slowing = ctx.around.is_where_vehicles_slow_down(ctx.tracks.x[at, :2], config.gate_m)
        return np.asarray(behind | slowing | self._is_gaining(ctx, at))

    def _is_gaining(self, ctx: "TickContext", at: I64) -> Bools:
        """Return which of the tracks at `at` (m,) have gained speed over the last seconds."""
        state, rows = ctx.state, ctx.rows[at]
        count = state.stamps[rows, RING_ROWS]
        oldest = np.where(count > RING_LENGTH, count % RING_LENGTH, 0)
        dt_s = np.maximum((ctx.now_ns - state.ring_ns[rows, oldest]) * 1e-9, 1.0)
        rate = (ctx.speed_mps[at] - state.ring[rows, oldest, R_SPEED]) / dt_s
        gaining: Bools = (count > 0) & (rate >= self._config.gaining_mps2)
        return gaining
