"""The tracker's memory as arrays: tracks, their rings, terminals, identity evidence, kernels' scratch."""

import heapq
import math
from collections.abc import Iterable, Sequence

import numpy as np

from core.arrays import F64, I64
from core.classes import UNKNOWN
from core.kernel import kernel
from fusion import layout as at
from fusion.assignment import assignment_of
from fusion.body_sizes import SHARE, SHARE_SIGMA
from fusion.config import FusionConfig, RadarPose, Terminal
from fusion.flank import FLANKS, FLANKS_DUE
from fusion.grid import grid_for
from fusion.lanes import no_lanes
from fusion.layout import (
    Detections,
    LaneCells,
    Laterals,
    Rings,
    Scratch,
    Settings,
    States,
    Terminals,
    Tracks,
    Vehicles,
)
from fusion.observations import TARGET_HEIGHT_M
from fusion.radar_field import areas_of
from fusion.reflection_noise import ACROSS_SLOW, ACROSS_WHITE, ALONG_SLOW, ALONG_WHITE, N_START
from fusion.shadows import shadows_for
from fusion.sigma_scale import fleet_at_start
from fusion.stated_size import START as SIZE_START

RING = 112  # measurements of a track: 2.5 s of two radars at 20 Hz and a terminal at 4 Hz
KEYS = 64  # fixes of a terminal that are remembered against duplicates
PAIRS = 8  # radar tracks that are weighed per terminal
DROP_BELOW = math.log(0.01)  # a tentative track a hundred times likelier to be clutter is dropped
TERMINAL_ROWS_MAX = 65_536
STRANGERS_MAX = 4_096  # terminals that the registry lacks: anyone may connect one, under any name
FREE = Terminal(terminal="", kind=UNKNOWN)  # in a row without a terminal


def chi2_quantile(p: float, dimensions: int) -> float:
    """Return the quantile of chi-square with 2 or 3 degrees of freedom."""
    assert dimensions in (2, 3), "only what the gates need"
    if dimensions == 2:
        return -2.0 * math.log(1.0 - p)
    low, top = 0.0, 200.0
    for _ in range(100):  # bisection: 3 degrees have a closed distribution but no closed inverse
        mid = (low + top) / 2.0
        below = math.erf(math.sqrt(mid / 2.0)) - math.sqrt(2.0 * mid / math.pi) * math.exp(-mid / 2.0)
        low, top = (mid, top) if below < p else (low, mid)
    return low


def tuning_of(config: FusionConfig) -> F64:
    """Return the configuration as kernels read it (N_TUNING,)."""
    tuning = np.zeros(at.N_TUNING)
    tuning[at.Q_ALONG] = 2.0 * config.accel_along_mps2**2 * config.accel_tau_s
    tuning[at.Q_CROSS] = 2.0 * config.accel_cross_mps2**2 * config.accel_tau_s
    tuning[at.Q_CALM_ALONG] = 2.0 * config.accel_calm_along_mps2**2 * config.accel_tau_s
    tuning[at.Q_CALM_CROSS] = 2.0 * config.accel_calm_cross_mps2**2 * config.accel_tau_s
    tuning[at.BEND_SIGMA], tuning[at.BEND_TAU] = config.accel_bend_mps2, config.bend_tau_s
    tuning[at.GATE_2] = chi2_quantile(config.gate_probability, 2)
    tuning[at.GATE_3] = chi2_quantile(config.gate_probability, 3)
    tuning[at.P_DETECT], tuning[at.CLUTTER] = config.detection_probability, config.clutter_per_m2
    tuning[at.FALSE_PER_HOUR] = config.false_tracks_per_hour
    tuning[at.LLR_DROP] = DROP_BELOW
    tuning[at.S_SPEED], tuning[at.S_V_PRIOR] = config.gnss_sigma_speed_mps, config.speed_unseen_mps
    tuning[at.HISTORY_NS], tuning[at.RADAR_TIMEOUT_NS] = config.history_s * 1e9, config.radar_timeout_s * 1e9
    return tuning


def poses_of(radars: Sequence[RadarPose]) -> F64:
    """Return the radars as kernels read them (m, N_POSE)."""
    poses = np.zeros((max(len(radars), 1), at.N_POSE))
    for q, radar in enumerate(radars):
        place, turn = radar.sigma_place_m or 0.0, radar.sigma_boresight_rad or 0.0
        poses[q] = (
            radar.east_m, radar.north_m, radar.height_m - TARGET_HEIGHT_M, radar.boresight_rad,
            radar.range_m_max, radar.fov_rad / 2.0, radar.sigma_range_m, radar.sigma_azimuth_rad,
            radar.sigma_range_rate_mps, float(radar.accepted), place, turn,
            1.0, SHARE, SHARE_SIGMA**2,
            ALONG_WHITE, ALONG_SLOW, N_START, ACROSS_WHITE, ACROSS_SLOW, N_START,
            place**2, 0.0, place**2, 0.0, 0.0, turn**2,
            radar.reflection_s, FLANKS, FLANKS_DUE, 1.0, SIZE_START,
        )  # fmt: skip
        if radar.reflection_share is not None and radar.sigma_reflection_share is not None:
            poses[q, at.R_SHARE] = radar.reflection_share
            poses[q, at.R_SHARE_VAR] = radar.sigma_reflection_share**2
        if radar.reflects == "centres":
            poses[q, at.R_SHARE : at.R_C_EE] = 0.0
    return poses


def settings_of(
    config: FusionConfig, radars: Sequence[RadarPose], lanes: LaneCells | None = None
) -> Settings:
    """Return what kernels read of the site file and its map, with nothing learnt yet."""
    poses = poses_of(radars)
    return Settings(poses, tuning_of(config), areas_of(poses), lanes or no_lanes())


class TrackStore:
    """Tracks as rows with their rings, and the memory that kernels work in."""

    def __init__(
        self, config: FusionConfig, radars: Sequence[RadarPose], lanes: LaneCells | None = None
    ) -> None:
        n = config.tracks_max
        self.settings = settings_of(config, radars, lanes)
        self.track = np.zeros(n, dtype=np.uint64)  # ids by row; 0: not shown yet, or a free row
        self.tracks = Tracks(
            states=_states(n),
            ints=np.zeros((n, at.N_INT), dtype=np.int64),
            floats=np.zeros((n, at.N_FLOAT)),
            free=np.arange(n - 1, -1, -1, dtype=np.int64),
            tally=np.zeros(at.N_TALLY, dtype=np.int64),
        )
        self.tally[at.T_FREE] = n
        self.rings = Rings(  # np.zeros: the system provides pages of rows only when they are used
            stamps=np.zeros((n, RING), dtype=np.int64),
            meas=np.zeros((n, RING, at.N_MEAS)),
            packed=np.zeros((n, RING, at.N_PACKED_RADAR)),
            bound=np.zeros((n, RING, at.N_PACKED_BOUND)),
        )
        self._predicted = _states(max(n, 2))  # two tracks are compared in it, even if tracks_max is 1
        self.detections: Detections
        self.scratch: Scratch
        self._make_room(512)

    def set_lanes(self, lanes: LaneCells | None) -> None:
        """Know the lanes of another map."""
        self.settings = self.settings._replace(lanes=lanes or no_lanes())

    @property
    def X(self) -> F64:  # noqa: N802  (the state's usual letter)
        """The states' means (n, N_X)."""
        return self.tracks.states.X

    @property
    def P(self) -> F64:  # noqa: N802
        """Their covariances (n, N_DIM, N_DIM)."""
        return self.tracks.states.P

    @property
    def ints(self) -> I64:
        """Whole numbers of the tracks (n, N_INT)."""
        return self.tracks.ints

    @property
    def floats(self) -> F64:
        """Other numbers of the tracks (n, N_FLOAT)."""
        return self.tracks.floats

    @property
    def tally(self) -> I64:
        """Counters of the kernels (N_TALLY,)."""
        return self.tracks.tally

    def rename(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Give tracks the ids of tracks that ended; pairs : their own id, and that which they get."""
        for own, other in pairs:
            self.track[self.track == own] = other

    def reserve(self, n_detections: int) -> None:
        """Make room for a scan of so many detections; memory grows to the largest scan."""
        if n_detections > len(self.detections.M):
            self._make_room(n_detections)

    def _make_room(self, n_detections: int) -> None:
        n = len(self.track)
        n_pairs = 4 * n_detections + 4 * n
        self.detections = Detections(
            M=np.zeros((n_detections, at.N_MEAS)),
            about=np.zeros((n_detections, at.N_ABOUT)),
            seen=np.zeros((n_detections, at.N_SEEN)),
        )
        pairs, costs = np.zeros((3, n_pairs), dtype=np.int64), np.zeros(n_pairs)
        self.scratch = Scratch(
            predicted=self._predicted,
            rows=np.zeros(n, dtype=np.int64),
            assignment=assignment_of(pairs, costs, np.zeros(n), n_detections),
            grid=grid_for(n + n_detections),
            touched=np.zeros(n + n_detections, dtype=np.int64),
            vector=np.zeros(2 * at.N_DIM),
            laterals=laterals_for(n_detections),
            shadows=shadows_for(n),
        )


def laterals_for(m: int) -> Laterals:
    """Return room for the lateral measurements of m detections or fixes."""
    rows = np.empty(m, dtype=np.int64)
    rows.fill(-1)  # np.full takes three times as long, for each message of a terminal
    return Laterals(np.zeros((at.N_LATERAL, m)), np.zeros(m, dtype=np.int64), rows)


def _states(n: int) -> States:
    return States(np.zeros((n, at.N_X)), np.zeros((n, at.N_DIM, at.N_DIM)))


@kernel
def take_row(tracks: Tracks, stamp_ns: int, arrived_ns: int) -> int:
    """Reserve a free row for a new track, -1 if there is none."""
    ints, floats, tally = tracks.ints, tracks.floats, tracks.tally
    if tally[at.T_FREE] == 0:
        tally[at.T_FULL] += 1
        return -1
    tally[at.T_FREE] -= 1
    i = int(tracks.free[tally[at.T_FREE]])
    for a in range(at.N_INT):
        ints[i, a] = 0
    for a in range(at.N_FLOAT):
        floats[i, a] = 0.0
    floats[i, at.LENGTH], floats[i, at.WIDTH] = math.nan, math.nan
    tally[at.T_SERIAL] += 1
    tally[at.T_HIGH] = max(tally[at.T_HIGH], i + 1)
    ints[i, at.SERIAL], ints[i, at.BORN], ints[i, at.ARRIVED] = tally[at.T_SERIAL], stamp_ns, arrived_ns
    ints[i, at.TERMINAL], ints[i, at.RADAR] = -1, -1
    return i


@kernel
def free_row(tracks: Tracks, i: int) -> None:
    """Free row i."""
    tally = tracks.tally
    tracks.ints[i, at.STATUS] = at.FREE
    tracks.free[tally[at.T_FREE]] = i
    tally[at.T_FREE] += 1


class TerminalTable:
    """Terminals as rows, in the order of registration or first fix; those of strangers are used again.

    n_registered : the first rows, of the registry; 0: the site has none, and nobody is a stranger
    seen_ns : (n,) when a stranger reported last
    """

    def __init__(self, registered: Sequence[Terminal], n_registered: int | None = None) -> None:
        """n_registered : the others are strangers, free rows among them; None: all are of the registry"""
        self.rows: Terminals
        self.vehicles: Vehicles
        self.ids: list[str] = []
        self.row: dict[str, int] = {}
        self.about: list[Terminal] = []
        self.seen_ns: I64 = np.zeros(0, dtype=np.int64)
        self._free: list[int] = []  # a heap: the lowest is taken first
        self._size(max(64, 2 * len(registered)))
        for terminal in registered:
            if terminal.terminal not in self.row:
                self._put(len(self.ids), terminal)
        self._free += [w for w, terminal in enumerate(self.about) if terminal == FREE]
        self.n_registered = len(self.ids) if n_registered is None else n_registered

    def _size(self, n: int) -> None:
        old, kept = (*self.rows, *self.vehicles) if self.ids else (), len(self.ids)
        self.rows = Terminals(
            ints=np.zeros((n, at.N_TERMINAL), dtype=np.int64),
            keys=np.zeros((n, KEYS, 2), dtype=np.int64),
            pair_ints=np.zeros((n, PAIRS, at.N_PAIR_INT), dtype=np.int64),
            pairs=np.zeros((n, PAIRS, at.N_PAIR)),
            errors=np.zeros((n, at.N_ERROR)),
            fleet=fleet_at_start(),
        )
        self.rows.ints[:, at.ROW] = -1
        self.vehicles = Vehicles(lever_m=np.zeros((n, 2)), length_m=np.full(n, math.nan))
        for new, was in zip((*self.rows, *self.vehicles), old, strict=False):
            new[:kept] = was[:kept]
        self.seen_ns = np.concatenate([self.seen_ns, np.zeros(n - len(self.seen_ns), dtype=np.int64)])

    def add(self, terminal: Terminal) -> int:
        """Give a terminal its row; -1 if there is no room."""
        if terminal.terminal in self.row:
            return self.row[terminal.terminal]
        w = heapq.heappop(self._free) if self._free else len(self.ids)
        if w >= TERMINAL_ROWS_MAX:
            return -1
        self._put(w, terminal)
        return w

    def _put(self, w: int, terminal: Terminal) -> None:
        if w == len(self.rows.ints):
            self._size(2 * w)
        if w == len(self.ids):
            self.ids.append("")
            self.about.append(FREE)
        self.ids[w], self.about[w] = terminal.terminal, terminal
        if terminal != FREE:
            self.row[terminal.terminal] = w
        self.vehicles.lever_m[w] = terminal.antenna_forward_m, terminal.antenna_left_m
        self.vehicles.length_m[w] = math.nan if terminal.length_m is None else terminal.length_m

    def free(self, w: int) -> None:
        """Free the row of a stranger that has no track: the next one starts there as if it were new."""
        del self.row[self.ids[w]]
        self._put(w, FREE)
        for column in self.rows[:-1]:  # all but the fleet's
            column[w] = 0
        self.rows.ints[w, at.ROW], self.seen_ns[w] = -1, 0
        heapq.heappush(self._free, w)

    def note(self, who: Iterable[int], now_ns: int) -> None:
        """Note that the terminals of these rows have just reported."""
        if self.n_registered and len(self.ids) > self.n_registered:
            for w in who:
                if w >= self.n_registered:
                    self.seen_ns[w] = now_ns

    def row_of(self, terminal: str) -> int:
        """Return the terminal's row; an unknown terminal gets one, -1 if there is no room."""
        w = self.row.get(terminal)
        if w is not None:
            return w
        if self.n_registered and len(self.row) - self.n_registered >= STRANGERS_MAX:
            return -1
        return self.add(Terminal(terminal=terminal, kind=UNKNOWN))
