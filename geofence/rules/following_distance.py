"""`following_distance`: seconds too close behind the vehicle ahead in the same lane."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from core.arrays import F64, I64, Bools
from core.classes import HAZMAT
from geofence.grading import Grading, Hold, Holds, NoticeHolds, RuleSettings
from geofence.layers import RoadKind, Visibility, Weather
from geofence.rules.counted import Breach, CountedRule
from geofence.state import BORN

if TYPE_CHECKING:
    from geofence.context import TickContext

SURE_P = 0.99  # of each vehicle's lane
SHORT_M = 3.5  # a vehicle of unknown length is as short as cars are: that makes the gap wider
WIDE_M = 2.55  # and as wide as trucks may be (GB 1589): so it is over a line sooner, which excuses
# Two tracks nearer than this may be one vehicle seen twice, unless each has a terminal: no driver keeps so
# small a gap at speed
TWICE_M = 5.0
SETTLED = "on_line_ns"  # when a track's vehicle may last have been over a line of its lane


class GapRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of `rows`: the gap that is asked for where and while its conditions hold."""

    gap_m: Annotated[float, Meta(ge=0.0, le=100.0)] = 0.0  # from bumper to bumper
    gap_s: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.0  # as well: time until one is where the other was
    from_mps: Annotated[float, Meta(ge=0.0, le=50.0)] = 0.0  # of the vehicle that follows
    on: RoadKind = "any"
    visibility_below_m: Visibility | None = None
    source: str = ""


# Below the lowest speed of an expressway there is a jam, in which no law asks for 50 m
LAW = (
    GapRow(gap_m=50.0, from_mps=60 / 3.6, on="expressway", source="State Council 405, art. 80"),
    GapRow(gap_m=100.0, from_mps=100 / 3.6, on="expressway", source="State Council 405, art. 80"),
    GapRow(
        gap_m=100.0, from_mps=40 / 3.6, on="expressway", visibility_below_m=200.0,
        source="State Council 405, art. 81 (1)",
    ),
    GapRow(
        gap_m=50.0, from_mps=20 / 3.6, on="expressway", visibility_below_m=100.0,
        source="State Council 405, art. 81 (2)",
    ),
)  # fmt: skip


class Config(Grading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.following_distance]`."""

    # who eases off by 10 km/h opens 3 m in a second: 15 m, a third of what is asked, takes 5 s
    notice: NoticeHolds = (Hold(over=5.0),)
    warning: Holds = (Hold(over=15.0),)
    violation: Holds = (Hold(over=60.0),)
    # the last that holds counts, but one for bad sight before one for any
    rows: Annotated[tuple[GapRow, ...], Meta(max_length=16)] = LAW
    sigmas: Annotated[float, Meta(gt=0.0, le=10.0)] = 4.0  # of the gap's error, by which it must be too small
    cut_in_s: Annotated[float, Meta(ge=0.0, le=60.0)] = 15.0  # 45 m are open again after so long at 3 m/s


class FollowingDistance(CountedRule):
    """Judged of hazmat and registered vehicles, behind whoever certainly is in their lane.

    Both were measured by radar in the last second, or report as different vehicles: what a terminal alone
    says behind what radar alone sees may be one vehicle.
    """

    name, violation, column = "following_distance", "following_distance", "following_distance"
    Config, stamps = Config, ("too_close_since_ns", SETTLED)

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        self._config, self._rows = config, _in_order(config.rows, settings.weather)
        self._fresh_ns, self._cut_in_ns = int(settings.fresh_s * 1e9), int(config.cut_in_s * 1e9)
        # without an expressway on the map no row for one can hold
        self.active = any(row.on != "expressway" or settings.expressways for row in self._rows)
        self._count_from(config)

    def breach(self, ctx: "TickContext") -> Breach:
        tracks, located, n = ctx.tracks, ctx.located, len(ctx.tracks)
        self._settle(ctx)
        broken, unsure = np.zeros((2, n), dtype=np.bool_)
        z, weight, measured_m = np.full(n, -np.inf), np.zeros(n), np.full(n, np.nan)
        known = (located.kind == HAZMAT) | (located.vehicle >= 0)
        least_m = self._least_m(ctx)
        at = np.flatnonzero(known & tracks.confirmed & (ctx.rows >= 0) & (least_m > 0.0))
        at = at[ctx.ahead.who[at] >= 0] if len(at) else at
        measures = {"gap_m": measured_m, "gap_least_m": least_m}
        if not len(at):
            return Breach(broken, unsure, z, weight, measures)
        who = ctx.ahead.who[at]
        gap_m = ctx.ahead.away_m[at] - (_length_m(tracks.length_m[at]) + _length_m(tracks.length_m[who])) / 2
        measured_m[at] = gap_m
        sigma_m = np.hypot(_sigma_m(ctx, at, at), _sigma_m(ctx, who, at))
        z[at], weight[at] = (least_m[at] - gap_m) / sigma_m, located.p_lane[at] * located.p_lane[who]
        perhaps = z[at] > -self._config.sigmas
        sure = (z[at] > self._config.sigmas) & (np.minimum(located.p_lane[at], located.p_lane[who]) >= SURE_P)
        sure &= ~tracks.coasting[at] & ~tracks.coasting[who] & self._are_two(ctx, at, who, gap_m)
        cut_in = ctx.now_ns - self._settled_ns(ctx)[who] < self._cut_in_ns
        broken[at], unsure[at] = sure & ~cut_in, perhaps & ~sure & ~cut_in
        return Breach(broken, unsure, z, weight, measures)

    def _least_m(self, ctx: "TickContext") -> F64:
        """Return the gap that is asked of each track (n,) [m]; 0: none."""
        speed, on = ctx.speed_mps, ctx.around.on_expressway[ctx.lane_rows]
        least = np.zeros(len(speed))
        for row in self._rows:
            here = speed >= row.from_mps
            if row.on != "any":
                here &= on == (row.on == "expressway")
            least = np.where(here, np.maximum(row.gap_m, row.gap_s * speed), least)
        return least

    def _are_two(self, ctx: "TickContext", at: I64, who: I64, gap_m: F64) -> Bools:
        """Return which pairs (m,) certainly are two vehicles."""
        tracks = ctx.tracks
        seen = ctx.now_ns - tracks.radar_ns <= self._fresh_ns
        named = (tracks.terminal[at] >= 0) & (tracks.terminal[who] >= 0)
        return np.asarray(named | (seen[at] & seen[who] & (gap_m >= TWICE_M)))

    def _settle(self, ctx: "TickContext") -> None:
        """Note which vehicles may be over a line of their lane now: who changes lanes is."""
        known, state = ctx.known, ctx.state
        half_m = np.where(np.isnan(ctx.tracks.width_m[known]), WIDE_M, ctx.tracks.width_m[known]) / 2
        on_line = ~(ctx.around.inside_m(ctx.located, known) >= half_m)
        at, column = ctx.rows[known], state.stamp[SETTLED]
        state.stamps[at[on_line], column] = ctx.now_ns

    def _settled_ns(self, ctx: "TickContext") -> I64:
        """Return since when each track (n,) has certainly kept its lane."""
        return np.maximum(ctx.stamps(ctx.state.stamp[SETTLED]), ctx.stamps(BORN))


def _in_order(rows: tuple[GapRow, ...], weather: Weather) -> list[GapRow]:
    """Return the rows that the weather allows, the ones that come first last: bad sight, then high speed."""
    sight_m = weather.visibility_m or np.inf  # without it no row for bad sight holds
    hold = [row for row in rows if row.visibility_below_m is None or sight_m < row.visibility_below_m]
    return sorted(hold, key=lambda row: (-(row.visibility_below_m or np.inf), row.from_mps))


def _length_m(length_m: F64) -> F64:
    return np.where(np.isnan(length_m), SHORT_M, length_m)


def _sigma_m(ctx: "TickContext", rows: I64, along: I64) -> F64:
    """Return 1 sigma (m,) of the places of tracks along the lanes of others, what lasts included."""
    u, P = ctx.around.lane_directions(ctx.located, along), ctx.tracks.P[rows]
    variance = np.einsum("ma,mab,mb->m", u, P[:, :2, :2], u)
    sigma_m: F64 = np.sqrt(np.maximum(variance, 1e-6) + ctx.tracks.bias_m[rows] ** 2)
    return sigma_m
