"""The tracker's memory as arrays: tracks, their rings, terminals, identity evidence, kernels' scratch."""

import math
from collections.abc import Sequence

import numpy as np

from core.classes import UNKNOWN
from core.kernel import F64, I64
from fusion.assignment import CAP_DETECTIONS, CAP_TRACKS
from fusion.config import FusionConfig, RadarPose, Terminal
from fusion.grid import CELLS
from fusion.identity_likelihood import N_PAIR, N_PAIR_INT
from fusion.layout import (
    BEND_SIGMA,
    BEND_TAU,
    CLUTTER,
    GATE_2,
    GATE_3,
    HISTORY_NS,
    LLR_CONFIRM,
    LLR_DROP,
    N_DIM,
    N_FLOAT,
    N_INT,
    N_MEAS,
    N_PACKED,
    N_POSE,
    N_SEEN,
    N_TERMINAL,
    N_TUNING,
    N_X,
    P_DETECT,
    Q_ALONG,
    Q_CROSS,
    RADAR_TIMEOUT_NS,
    ROW,
    S_SPEED,
    S_V_PRIOR,
)
from fusion.observations import TARGET_HEIGHT_M
from fusion.radar_update import N_TALLY, T_FREE

RING = 112  # measurements of a track: 2.5 s of two radars at 20 Hz and a terminal at 4 Hz
KEYS = 64  # fixes of a terminal that are remembered against duplicates
PAIRS = 8  # radar tracks that are weighed per terminal
SCANS_PER_HOUR = 20 * 3600  # of a fast radar: how often clutter may start a track
DROP_BELOW = math.log(0.01)  # a start that is a hundred times likelier clutter is given up
TERMINALS_MAX = 65_536


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


def tuning_of(config: FusionConfig, radars: Sequence[RadarPose]) -> F64:
    """Return the configuration as kernels read it (N_TUNING,)."""
    tuning = np.zeros(N_TUNING)
    tuning[Q_ALONG] = 2.0 * config.accel_along_mps2**2 * config.accel_tau_s
    tuning[Q_CROSS] = 2.0 * config.accel_cross_mps2**2 * config.accel_tau_s
    tuning[BEND_SIGMA], tuning[BEND_TAU] = config.accel_bend_mps2, config.bend_tau_s
    tuning[GATE_2] = chi2_quantile(config.gate_probability, 2)
    tuning[GATE_3] = chi2_quantile(config.gate_probability, 3)
    tuning[P_DETECT], tuning[CLUTTER] = config.detection_probability, config.clutter_per_m2
    area_m2 = max((0.5 * radar.fov_rad * radar.range_m_max**2 for radar in radars), default=1.0)
    starts_per_hour = max(config.clutter_per_m2 * area_m2 * SCANS_PER_HOUR, 1.0)
    tuning[LLR_CONFIRM] = math.log(max(starts_per_hour / config.false_tracks_per_hour, 2.0))
    tuning[LLR_DROP] = DROP_BELOW
    tuning[S_SPEED], tuning[S_V_PRIOR] = config.gnss_sigma_speed_mps, config.speed_unseen_mps
    tuning[HISTORY_NS], tuning[RADAR_TIMEOUT_NS] = config.history_s * 1e9, config.radar_timeout_s * 1e9
    return tuning


def poses_of(radars: Sequence[RadarPose]) -> F64:
    """Return the radars as kernels read them (m, N_POSE)."""
    poses = np.zeros((max(len(radars), 1), N_POSE))
    for q, radar in enumerate(radars):
        poses[q] = (
            radar.east_m, radar.north_m, radar.height_m - TARGET_HEIGHT_M, radar.boresight_rad,
            radar.range_m_max, radar.fov_rad / 2.0, radar.sigma_range_m, radar.sigma_azimuth_rad,
            radar.sigma_range_rate_mps, float(radar.accepted),
        )  # fmt: skip
    return poses


class Table:
    """Tracks as rows; a row is free, or a track's until it ends."""

    def __init__(self, config: FusionConfig, radars: Sequence[RadarPose]) -> None:
        n = config.tracks_max
        self.radars, self.tuning = poses_of(radars), tuning_of(config, radars)
        self.track = np.zeros(n, dtype=np.uint64)
        self.X, self.P = np.zeros((n, N_X)), np.zeros((n, N_DIM, N_DIM))
        self.ints, self.floats = np.zeros((n, N_INT), dtype=np.int64), np.zeros((n, N_FLOAT))
        self.stamps = np.zeros((n, RING), dtype=np.int64)  # zeros: pages of unused rows stay untouched
        self.meas, self.states = np.zeros((n, RING, N_MEAS)), np.zeros((n, RING, N_PACKED))
        self.free = np.arange(n - 1, -1, -1, dtype=np.int64)  # taken from the end
        self.tally = np.zeros(N_TALLY, dtype=np.int64)
        self.tally[T_FREE] = n
        n_work = max(n, 2)  # two tracks are compared there, even where only one has room
        self.WX, self.WP = np.zeros((n_work, N_X)), np.zeros((n_work, N_DIM, N_DIM))
        self.rows, self.miss = np.zeros(n, dtype=np.int64), np.zeros(n)
        self.det_of = np.zeros(n, dtype=np.int64)
        self.grid = np.zeros(CELLS, dtype=np.int64)
        self.scratch = np.zeros(2 * N_DIM)
        self.names = np.zeros(2 * CAP_TRACKS + 2 * CAP_DETECTIONS, dtype=np.int64)
        self.cost = np.zeros((CAP_TRACKS, CAP_TRACKS + CAP_DETECTIONS))
        self.work = np.zeros((5, CAP_TRACKS + CAP_DETECTIONS + 1))
        self.room(512)

    def room(self, n_detections: int) -> None:
        """Make the buffers hold a scan of so many detections; only a bigger one than before allocates."""
        n = len(self.track)
        n_pairs = 4 * n_detections + 4 * n
        self.M, self.about = np.zeros((n_detections, N_MEAS)), np.zeros((n_detections, 3))
        self.seen = np.zeros((n_detections, N_SEEN))
        self.next_of = np.zeros(n + n_detections, dtype=np.int64)
        self.track_of = np.zeros(n_detections, dtype=np.int64)
        self.pairs, self.costs = np.zeros((2, n_pairs), dtype=np.int64), np.zeros(n_pairs)
        self.order = np.zeros(n_pairs, dtype=np.int64)
        self.parent = np.zeros(n + n_detections + 1, dtype=np.int64)
        self.start = np.zeros(n + n_detections + 1, dtype=np.int64)
        self.touched = np.zeros(n + n_detections, dtype=np.int64)


class Terminals:
    """Terminals as rows, in the order in which they were registered or first heard; none is given back."""

    def __init__(self, registered: Sequence[Terminal]) -> None:
        self.ids: list[str] = []
        self.row: dict[str, int] = {}
        self.about: list[Terminal] = []
        self._size(max(64, 2 * len(registered)))
        for terminal in registered:
            self.add(terminal)

    def _size(self, n: int) -> None:
        kept = len(self.ids)
        old = (self.ints, self.keys, self.pair_ints, self.pairs, self.lever_m) if kept else ()
        self.ints: I64 = np.zeros((n, N_TERMINAL), dtype=np.int64)
        self.ints[:, ROW] = -1
        self.keys: I64 = np.zeros((n, KEYS, 2), dtype=np.int64)
        self.pair_ints: I64 = np.zeros((n, PAIRS, N_PAIR_INT), dtype=np.int64)
        self.pairs: F64 = np.zeros((n, PAIRS, N_PAIR))
        self.lever_m: F64 = np.zeros((n, 2))
        for new, was in zip(
            (self.ints, self.keys, self.pair_ints, self.pairs, self.lever_m), old, strict=False
        ):
            new[:kept] = was[:kept]

    def add(self, terminal: Terminal) -> int:
        """Give a terminal its row; -1 if there is no room."""
        if terminal.terminal in self.row:
            return self.row[terminal.terminal]
        w = len(self.ids)
        if w >= TERMINALS_MAX:
            return -1
        if w == len(self.ints):
            self._size(2 * w)
        self.ids.append(terminal.terminal)
        self.row[terminal.terminal] = w
        self.about.append(terminal)
        self.lever_m[w] = terminal.antenna_forward_m, terminal.antenna_left_m
        return w

    def row_of(self, terminal: str) -> int:
        """Return the terminal's row; one never heard of gets one, -1 if there is no room."""
        w = self.row.get(terminal)
        return self.add(Terminal(terminal=terminal, kind=UNKNOWN)) if w is None else w
