"""The tracks of one observation or tick, and the quantities that several rules need, each computed once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from core.arrays import F64, I64, U8, Bools
from geofence import batch as columns
from geofence.episodes import OpenEpisode
from geofence.grading import RuleSettings
from geofence.kernels import normal_cdf
from geofence.presumable import are_presumable
from geofence.state import (
    DEDICATED,
    ELSEWHERE,
    GAPPED,
    LAST,
    LIFE_NS,
    PRESUMED,
    R_EAST,
    R_NORTH,
    State,
    since_ns,
)

if TYPE_CHECKING:  # they load the compiler, and the configuration reads the rules
    from fusion.timekeeping import LooseReports
    from fusion.tracks import TrackBatch
    from geofence.ahead import Ahead
    from geofence.breaches import Trips
    from geofence.limits import Limits
    from geofence.located import Located
    from geofence.surroundings import Stays, Surroundings

PRESUME_NS = 3_000_000_000  # so long in a dedicated lane, an unknown vehicle is presumed to belong there
UNPRESUME_NS = 10_000_000_000  # so long in other lanes, it is not
PRESUME_P = 0.9
BRIDGED_NS = 3_000_000_000  # longest gap between fixes over which the way is taken as straight
BEYOND_STRETCH_M = 20.0  # past the end of the stretch a track is still ours, until a neighbour adopts it


class SecondsCounter(Protocol):
    """The evidence as a rule that counts seconds uses it (geofence.evidence.Evidence)."""

    def count_seconds(self, rule: str, row: int, held_s: float, t_ns: int) -> int:
        """Advance the rule's count to tick `t_ns`; return the grade that holds."""

    def is_clear(self, rule: str, row: int) -> bool:
        """Return whether the rule has been kept for long enough to close its episode."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """n tracks under judgement, their places on the map, and the rows of the state that belong to them."""

    now_ns: int
    tracks: "TrackBatch"
    located: "Located"
    rows: I64  # (n,) in the state, -1 for tentative tracks
    mine: I64  # (m,) places of the owned, confirmed tracks
    may_open: Bools  # (n,) a new episode of the track may open
    settings: RuleSettings
    state: State
    around: "Surroundings"
    open_of: Callable[[int], Sequence[OpenEpisode]]  # a track's open episodes

    @cached_property
    def batch(self) -> columns.Batch:
        """The tracks and their places as kernels read them."""
        off_road_m = self.around.off_road_m(self.tracks, self.located, self.state.away(self.rows))
        return columns.batch(self.tracks, self.located, off_road_m, self.limits.mps)

    @cached_property
    def limits(self) -> "Limits":
        """The speed limits of the tracks."""
        return self.around.speed_limits.of(self.tracks, self.located)

    def limit(self, i: int) -> tuple[float, str | None]:
        """Return the speed limit for track i and the layer that states it; NaN without one."""
        limits = self.limits
        return float(limits.mps[i]), self.around.speed_limits.name(int(limits.layer[i]))

    def sigma_place_m(self, i: int) -> float:
        """Return 1 sigma of track i's place, the mean of both axes."""
        return columns.sigma_place_m(self.batch, i)

    @cached_property
    def newly_seen(self) -> I64:
        """Places of the owned tracks with a measurement newer than the last one that was judged.

        Read it before the evidence advances, which changes the stamps that it compares with.
        """
        tracks, mine = self.tracks, self.mine
        newer = tracks.stamp_ns[mine] > self.state.stamps[self.rows[mine], LAST]
        seen: I64 = mine[newer & ~tracks.coasting[mine]]
        return seen

    def path(self, i: int) -> tuple[F64, I64]:
        """Return the places (k, 2) of track i in the last seconds and their stamps (k,), oldest first.

        The last place is the present one; the first one follows the last gap of more than BRIDGED_NS.
        """
        ring, ring_ns = self.state.newest(int(self.rows[i]))
        stamps = np.append(ring_ns, self.tracks.stamp_ns[i])
        points = np.vstack([ring[:, R_EAST : R_NORTH + 1], self.tracks.x[i, :2]])
        gaps = np.flatnonzero(np.diff(stamps) > BRIDGED_NS)
        first = 0 if len(gaps) == 0 else int(gaps[-1]) + 1
        return points[first:], stamps[first:]


@dataclass(frozen=True, kw_only=True)
class TickContext(Context):
    """The same at a tick, with the inputs that only a tick has."""

    evidence: SecondsCounter
    stretch_m: tuple[float, float] | None
    gateway_present: bool
    loose_reports: "LooseReports | None"  # reports without a usable stamp: only their arrival is known
    doubt: U8  # (n,) bits of doubt in the terminals, see geofence.rules.doubt
    trips: "Trips | None" = None  # the journeys of the vehicles

    @cached_property
    def has_doubt(self) -> bool:
        """Whether there is doubt in any terminal."""
        return bool(self.doubt.any())

    @cached_property
    def known(self) -> I64:
        """Places of all confirmed tracks with a row, owned or not."""
        return np.flatnonzero(self.tracks.confirmed & (self.rows >= 0))

    @cached_property
    def lane_rows(self) -> I64:
        """Each track's row (n,) in the tables of lanes of `around`."""
        return self.around.lane_rows(self.located)

    @cached_property
    def speed_mps(self) -> F64:
        """The speeds (n,)."""
        speed: F64 = np.hypot(self.tracks.x[:, 2], self.tracks.x[:, 3])
        return speed

    @cached_property
    def sigma_speed_mps(self) -> F64:
        """1 sigma of the speeds (n,), along the courses."""
        x, P, per = self.tracks.x, self.tracks.P, np.maximum(self.speed_mps, 1e-9)
        e, n = x[:, 2] / per, x[:, 3] / per
        return np.sqrt(np.maximum(e * e * P[:, 2, 2] + 2 * e * n * P[:, 2, 3] + n * n * P[:, 3, 3], 1e-6))

    @cached_property
    def variance_place_m2(self) -> F64:
        """Variances of the places (n,), the mean of both axes, what lasts included."""
        P = self.tracks.P
        variance: F64 = np.maximum(P[:, 0, 0] + P[:, 1, 1], 0.0) / 2 + self.tracks.bias_m**2
        return variance

    @cached_property
    def stays(self) -> "Stays":
        """In which zones that state the longest stay the tracks are."""
        return self.around.stays(self.tracks, self.located)

    @cached_property
    def ahead(self) -> "Ahead":
        """Who drives ahead of each track."""
        return self.around.ahead(self.tracks, self.located)

    def stamps(self, column: int) -> I64:
        """Return a column of the state's stamps (n,), 0 for tracks without a row."""
        return np.where(self.rows >= 0, self.state.stamps[self.rows, column], 0)

    @staticmethod
    def normal_cdf(z: float) -> float:
        """Return the probability that a standard normal is below z."""
        return float(normal_cdf(z))

    def is_on_stretch(self, s_m: F64) -> Bools:
        """Return which stations (n,) are on our stretch; without a stretch, all."""
        if self.stretch_m is None:
            return np.ones(len(s_m), dtype=np.bool_)
        left: Bools = (s_m < self.stretch_m[0] - BEYOND_STRETCH_M) | (
            s_m > self.stretch_m[1] + BEYOND_STRETCH_M
        )
        return ~left

    def presumed_hazmat(self, is_open: Bools) -> Bools:
        """Return which owned tracks (m,) that can be hazmat vehicles are presumed to be, or would be.

        Of a nameless vehicle that a slow radar sees nothing is gathered, not even that: it counts as soon as
        it keeps to a dedicated lane.  is_open : (m,) it counted before, and does until a presumption ends
        """
        state, mine, lanes = self.state, self.mine, self.lane_rows[self.mine]
        at = self.rows[mine]
        gapped_ns, away_ns = state.stamps[at, GAPPED], state.stamps[at, ELSEWHERE]
        has_gaps = (gapped_ns > 0) & (self.now_ns - gapped_ns < LIFE_NS)
        keeps = self.around.dedicated[lanes] & ~self.around.changing[lanes]
        keeps &= self.located.p_lane[mine] >= PRESUME_P
        stays = is_open & ((away_ns == 0) | (self.now_ns - away_ns < UNPRESUME_NS))
        presumed = (state.flags[at, PRESUMED] > 0.0) | (has_gaps & keeps) | stays
        found: Bools = are_presumable(self.located.kind[mine], self.located.vehicle[mine]) & presumed
        return found

    def presume(self) -> None:
        """Presume who can be a hazmat vehicle, and keeps to a dedicated lane, to be of its class.

        Every track counts, owned or not: it may leave the lane as soon as it is ours.
        """
        state, t_ns, known, lanes = self.state, self.now_ns, self.known, self.lane_rows[self.known]
        at = self.rows[known]
        unknown = are_presumable(self.located.kind[known], self.located.vehicle[known])
        dedicated, changing = self.around.dedicated[lanes], self.around.changing[lanes]
        steady = unknown & dedicated & ~changing & (self.located.p_lane[known] >= PRESUME_P)
        since = since_ns(state.stamps[at, DEDICATED], steady, t_ns)
        away = since_ns(state.stamps[at, ELSEWHERE], ~dedicated, t_ns)
        state.stamps[at, DEDICATED], state.stamps[at, ELSEWHERE] = since, away
        presumed = (state.flags[at, PRESUMED] > 0.0) | ((since > 0) & (t_ns - since >= PRESUME_NS))
        presumed &= unknown & ~(dedicated & changing) & ~((away > 0) & (t_ns - away >= UNPRESUME_NS))
        state.flags[at, PRESUMED] = presumed
