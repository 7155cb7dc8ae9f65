"""The tracks of one observation or tick, and the quantities that several rules need, each computed once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from core.arrays import F64, I64, U8, Bools
from core.classes import HAZMAT
from geofence.episodes import OpenEpisode
from geofence.grading import RuleSettings
from geofence.located import LIMIT, NO_LANE, U_EAST, U_NORTH
from geofence.state import (
    DEDICATED,
    ELSEWHERE,
    EXCUSED,
    LAST,
    MOVED,
    MOVED_MPS,
    PRESUMED,
    R_EAST,
    R_NORTH,
    STANDING,
    State,
    since_ns,
)

if TYPE_CHECKING:  # they load the compiler, and the configuration reads the rules
    from fusion.timekeeping import LooseReports
    from fusion.tracks import TrackBatch
    from geofence.located import Located
    from geofence.surroundings import Surroundings

MOVES_SIGMAS = 2.0  # a standing vehicle moves again when its speed less so many sigmas is above the limit
YAW_FROM_MPS = 3.0  # below it the course is noise
YAW_SIGMAS = 2.0  # only the certain part of the course's deviation widens the footprint
SPEED_TAU_MAX_S = 1.0  # errors of velocity are no bias
UNKNOWN_LENGTH_M = 4.0
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
    def speed_mps(self) -> F64:
        """Speed (n,)."""
        return np.hypot(self.tracks.x[:, 2], self.tracks.x[:, 3])

    @cached_property
    def sigma_speed_mps(self) -> F64:
        """1 sigma of the speed along the course (n,)."""
        along = self.tracks.x[:, 2:4] / np.maximum(self.speed_mps, 1e-9)[:, None]
        variance = _quadratic(self.tracks.P[:, 2:, 2:], along[:, 0], along[:, 1])
        return np.sqrt(np.maximum(variance, 1e-6))

    @cached_property
    def speed_tau_s(self) -> F64:
        """Correlation time of the speed's error (n,)."""
        return np.minimum(self.tracks.tau_s, SPEED_TAU_MAX_S)

    @cached_property
    def half_width_m(self) -> F64:
        """Half the footprint across the lane (n,): the width, and the length where the course deviates."""
        tracks, found, speed = self.tracks, self.located.found, self.speed_mps
        width = np.where(np.isnan(tracks.width_m), self.settings.width_unknown_m, tracks.width_m)
        length = np.where(np.isnan(tracks.length_m), UNKNOWN_LENGTH_M, tracks.length_m)
        fast = np.maximum(speed, YAW_FROM_MPS)
        across = (found[:, U_EAST] * tracks.x[:, 3] - found[:, U_NORTH] * tracks.x[:, 2]) / fast
        variance = _quadratic(tracks.P[:, 2:, 2:], -found[:, U_NORTH], found[:, U_EAST])
        sigma = np.sqrt(np.maximum(variance, 0.0))
        yaw = np.clip(np.abs(across) - YAW_SIGMAS * sigma / fast, 0.0, 0.5)
        return width / 2 + np.where(speed > YAW_FROM_MPS, length / 2 * yaw, 0.0)

    @cached_property
    def limit_mps(self) -> F64:
        """The posted limit (n,); for hazardous goods the general one where it is lower."""
        located, settings, expressway = self.located, self.settings, self.around.expressway
        lane = np.where(located.lane == NO_LANE, len(expressway) - 1, located.lane)
        general = np.where(expressway[lane], settings.hazmat_limit_expressway_mps, settings.hazmat_limit_mps)
        posted = located.found[:, LIMIT]
        return np.where(located.kind == HAZMAT, np.fmin(posted, general), posted)

    @cached_property
    def sigma_place_m(self) -> F64:
        """1 sigma of the place (n,), the mean of both axes."""
        P = self.tracks.P
        sigma: F64 = np.sqrt(np.maximum(P[:, 0, 0] + P[:, 1, 1], 0.0) / 2 + self.tracks.bias_m**2)
        return sigma

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

    @cached_property
    def off_road_m(self) -> F64:
        """Distance of each hazmat vehicle from every place that permits it (n,) [m]; NaN: not judged."""
        return self.around.off_road_m(self.tracks, self.located)

    @cached_property
    def standing_s(self) -> F64:
        """Seconds for which each owned vehicle has stood without an excuse (n,); NaN for the others.

        Advances two things in the state: since when a vehicle stands, and whether it was ever seen moving.
        """
        state, tracks, mine = self.state, self.tracks, self.mine
        at = self.rows[mine]
        speed = np.hypot(tracks.x[mine, 2], tracks.x[mine, 3])
        state.flags[at[speed > MOVED_MPS], MOVED] = 1.0
        since = state.stamps[at, STANDING]
        sigma = np.sqrt(np.maximum(tracks.P[mine, 2, 2] + tracks.P[mine, 3, 3], 0.0) / 2)
        surely = np.where(since > 0, speed - MOVES_SIGMAS * sigma, speed)  # one noisy speed ends no stop
        stands = (surely < self.settings.stop_speed_mps) & (state.flags[at, MOVED] > 0.0)
        since = np.where(stands, np.where(since == 0, tracks.stamp_ns[mine], since), 0)
        state.stamps[at, STANDING] = since
        held = np.where(since > 0, np.maximum(tracks.stamp_ns[mine] - since, 0) * 1e-9, 0.0)
        out = np.full(len(tracks), np.nan)
        out[mine] = np.where(state.flags[at, EXCUSED] > 0.0, 0.0, held)
        return out


@dataclass(frozen=True, kw_only=True)
class TickContext(Context):
    """The same at a tick, with the inputs that only a tick has."""

    evidence: SecondsCounter
    stretch_m: tuple[float, float] | None
    gateway_present: bool
    loose_reports: "LooseReports | None"  # reports without a usable stamp: only their arrival is known
    doubt: U8  # (n,) bits of doubt in the terminals, see geofence.rules.doubt

    @cached_property
    def known(self) -> I64:
        """Places of all confirmed tracks with a row, owned or not."""
        return np.flatnonzero(self.tracks.confirmed & (self.rows >= 0))

    @cached_property
    def lane_rows(self) -> I64:
        """Each track's row (n,) in the tables of lanes of `around`."""
        return self.around.lane_rows(self.located)

    def is_on_stretch(self, s_m: F64) -> Bools:
        """Return which stations (n,) are on our stretch; without a stretch, all."""
        if self.stretch_m is None:
            return np.ones(len(s_m), dtype=np.bool_)
        left: Bools = (s_m < self.stretch_m[0] - BEYOND_STRETCH_M) | (
            s_m > self.stretch_m[1] + BEYOND_STRETCH_M
        )
        return ~left

    def presume(self) -> None:
        """Presume an unknown vehicle that keeps to a dedicated lane to be of the class that the lane permits.

        Every track counts, owned or not: it may leave the lane as soon as it is ours.
        """
        state, t_ns, known, lanes = self.state, self.now_ns, self.known, self.lane_rows[self.known]
        at = self.rows[known]
        unknown = self.located.kind[known] == 0
        dedicated, changing = self.around.dedicated[lanes], self.around.changing[lanes]
        steady = unknown & dedicated & ~changing & (self.located.p_lane[known] >= PRESUME_P)
        since = since_ns(state.stamps[at, DEDICATED], steady, t_ns)
        away = since_ns(state.stamps[at, ELSEWHERE], ~dedicated, t_ns)
        state.stamps[at, DEDICATED], state.stamps[at, ELSEWHERE] = since, away
        presumed = (state.flags[at, PRESUMED] > 0.0) | ((since > 0) & (t_ns - since >= PRESUME_NS))
        presumed &= unknown & ~(dedicated & changing) & ~((away > 0) & (t_ns - away >= UNPRESUME_NS))
        state.flags[at, PRESUMED] = presumed


def _quadratic(P: F64, e: F64, n: F64) -> F64:
    form: F64 = e**2 * P[:, 0, 0] + 2 * e * n * P[:, 0, 1] + n**2 * P[:, 1, 1]
    return form
