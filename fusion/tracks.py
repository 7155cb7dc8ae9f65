"""The read-out: tracks at one time as a TrackBatch; the error is split into a fresh and a lasting part."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.arrays import B2, F1, F2, F3, F64, I1, I2, I32, I64, U8, U64, Bools, I32x1, U8x1, U64x1
from core.kernel import kernel, unchecked
from fusion import layout as at
from fusion.heading import axis_of
from fusion.lateral import Lateral, LateralMemory, fill_none, lateral_memory
from fusion.layout import States, Tracks
from fusion.models import combined, predict_to
from fusion.radar_pose import Spread, along_axis, pose_spread
from fusion.track_store import TrackStore

FILTER_TAU_S_MIN, FILTER_TAU_S_MAX = 0.05, 10.0
PERIODS = 3  # a track coasts after so many periods of its sensor without a measurement
COASTING_NS_MIN = 150_000_000
E, N, BE, BN = at.EAST, at.NORTH, at.BIAS_EAST, at.BIAS_NORTH
# Rows of Columns: floats (N_OUT, n), ints (N_OUT_INT, n), bools (N_OUT_BOOL, n), as `batch_of` names them
O_BIAS, O_TAU, O_IDENTITY_P, O_LENGTH, O_WIDTH, O_GNSS_BIAS, O_GNSS_TAU, N_OUT = 0, 1, 2, 3, 4, 5, 6, 7
O_STAMP, O_ARRIVED, O_RADAR, O_ENFORCING, O_GNSS, N_OUT_INT = 0, 1, 2, 3, 4, 5
O_CONFIRMED, O_COASTING, O_INTEGRITY, O_PRESUMED, N_OUT_BOOL = 0, 1, 2, 3, 4


@dataclass(slots=True, kw_only=True)  # frozen, it would cost 2 us for each observation
class TrackBatch:
    """n tracks as parallel columns; copies, never views into the tracker. Site metres, ENU.

    Those of a tracker that reuses its batches hold until its next step.

    P is the covariance of the error that is independent from one state to the next. The other part lasts (a
    GNSS bias that radar does not cancel, a radar's pose): `bias_m`, 1 sigma per axis. See docs/fusion.md.
    """

    track: U64  # (n,) site-unique id, 0 while it is not shown
    stamp_ns: I64  # (n,) time of the state
    arrived_ns: I64  # (n,) arrival of the observation that made the state
    x: F64  # (n, 4) east, north [m], then their velocities [m/s]; the vehicle's centre
    P: F64  # (n, 4, 4)
    bias_m: F64  # (n,)
    tau_s: F64  # (n,) correlation time of the position error but for the poses' part, for the detectors
    terminal: I32  # (n,) row in the tracker's Terminals, -1 unidentified
    identity_p: F64  # (n,) probability of that identity, 0 unidentified
    length_m: F64  # (n,) from the registry or the radar, NaN unknown
    width_m: F64
    kind: U8  # (n,) class of docs/design.md section 7, from the registry or a radar; 0 unknown
    confirmed: Bools  # (n,) sure enough to be judged; else tentative, shown while it is likely
    coasting: Bools  # (n,) no measurement for longer than the sensor's period allows
    integrity: Bools  # (n,) GNSS and radar contradict each other
    presumed: Bools  # (n,) `terminal` is presumed to be its own, not bound
    radar_ns: I64  # (n,) stamp of the last radar measurement, 0 never
    enforcing_ns: I64  # (n,) the same of a commissioned ("accepted") radar
    gnss_ns: I64  # (n,) stamp of the last fix of the bound terminal, 0 never
    gnss_bias_m: F64  # (n,) 1 sigma per axis of the lasting error of that terminal's fixes, scale included
    gnss_tau_s: F64  # (n,) its correlation time; both NaN where no terminal is bound
    lateral: Lateral  # what the observation measured across the tracks' courses; at a tick nothing
    is_reused: bool = False  # the next observation of as many tracks fills this very batch: see BatchMemory

    def __len__(self) -> int:
        return len(self.track)


class Columns(NamedTuple):
    """The columns of n tracks, as the kernel fills them."""

    x: F2  # (n, 4)
    cov: F3  # (n, 4, 4)
    floats: F2
    ints: I2
    bools: B2
    terminal: I32x1
    kind: U8x1
    track: U64x1


@kernel(inner=True)
def _least(spread: Spread) -> float:
    """Return the least eigenvalue of a covariance."""
    s00, s01, s11 = spread
    least = (s00 + s11) / 2.0 - math.sqrt(((s00 - s11) / 2.0) ** 2 + s01 * s01)
    return float(max(least, 0.0))


@kernel(inner=True)
def _lasting_variance(P: F3, j: int) -> float:
    """Return the variance that position shares with the bias on each axis: least eigenvalue of C B^-1 C'.

    C : covariance of position and bias;  B : covariance of the bias
    """
    b_ee, b_en, b_nn = P[j, BE, BE], P[j, BE, BN], P[j, BN, BN]
    det = b_ee * b_nn - b_en * b_en
    if not det > 0.0:
        return 0.0
    c00, c01, c10, c11 = P[j, E, BE], P[j, E, BN], P[j, N, BE], P[j, N, BN]
    i00, i01, i11 = b_nn / det, -b_en / det, b_ee / det
    k00, k01 = c00 * i00 + c01 * i01, c00 * i01 + c01 * i11
    k10, k11 = c10 * i00 + c11 * i01, c10 * i01 + c11 * i11
    s00, s01, s11 = k00 * c00 + k01 * c01, k00 * c10 + k01 * c11, k10 * c10 + k11 * c11
    return _least((s00, s01, s11))


@kernel(inner=True)
def _filter_tau_s(states: States, j: int, c: float, s: float) -> float:
    """Return the correlation time of the filter's own error across the course (c, s).

    In the steady state of a constant-velocity filter P_vv / P_pp = w^2, its bandwidth, and P_pp = sqrt(2) r w
    for measurement noise of density r, which alone does not average out. So an average over T has the
    variance r / T = 2 tau P_pp / T with tau = 1 / (2 sqrt(2) w): that of an AR(1) error, as the detectors
    weigh it.
    """
    _, _, _, _, p00, p01, _, _, p11, _, _, p22, p23, p33 = combined(states, j)
    p = s * s * p00 - 2.0 * s * c * p01 + c * c * p11
    v = s * s * p22 - 2.0 * s * c * p23 + c * c * p33
    return min(max(math.sqrt(p / max(v, 1e-9) / 8.0), FILTER_TAU_S_MIN), FILTER_TAU_S_MAX)


@kernel(inner=True)
def _bias_tau_s(states: States, j: int) -> float:
    """Return the correlation time of the estimated bias' error.

    Without radar it is that of the bias. With it the error of a Gauss-Markov bias of variance v, estimated
    steadily to p, decays faster by 2 v / p - 1 (Kalman-Bucy: 2 (v - p) / tau = p^2 / r, and the error's rate
    is 1 / tau + p / r).
    """
    X, P = states.X, states.P
    v = X[j, at.BIAS_SIGMA] ** 2
    p = (P[j, BE, BE] + P[j, BN, BN]) / 2.0
    return float(X[j, at.BIAS_TAU] / max(2.0 * v / max(p, 1e-9) - 1.0, 1.0))


@kernel(inner=True)
def _state(states: States, j: int, k: int, pose: Spread, face: float, out: Columns) -> None:
    """Write state j as entry k: mean, covariance of the fresh error, lasting error, tau of both together.

    pose : covariance that its radars' poses leave in its place. Its least eigenvalue is part of the lasting
    error on both axes; the rest, of the larger axis, is in the covariance. As what the map's survey leaves
    unknown, it makes no tau longer: see docs/fusion.md.
    face : variance across its axis that lasts as well (`fusion.flank`), to be added in the same way
    """
    X, P, cov = states.X, states.P, out.cov
    c, s = axis_of(X, j)
    if math.isnan(c):
        c, s = 1.0, 0.0
    lasting, tau_s = 0.0, _filter_tau_s(states, j, c, s)
    own = s * s * P[j, E, E] - 2.0 * s * c * P[j, E, N] + c * c * P[j, N, N]  # across: a body may be long
    if X[j, at.BOUND] != 0.0:
        lasting = min(_lasting_variance(P, j), own)
        whole = own + along_axis(pose, -s, c)
        tau_s += lasting / whole * (max(_bias_tau_s(states, j), tau_s) - tau_s)
    for a in range(at.N_CV):
        out.x[k, a] = X[j, a]
        for b in range(at.N_CV):
            cov[k, a, b] = P[j, a, b]
    even = _least(pose)
    cov[k, E, E] += pose[0] - even - lasting
    cov[k, N, N] += pose[2] - even - lasting
    cov[k, E, N] += pose[1]
    cov[k, N, E] += pose[1]
    cov[k, E, E] += s * s * face
    cov[k, N, N] += c * c * face
    cov[k, E, N] -= s * c * face
    cov[k, N, E] -= s * c * face
    out.floats[O_BIAS, k], out.floats[O_TAU, k] = math.sqrt(lasting + even), tau_s


@kernel
def read_out(
    tracks: Tracks, track: U64x1, rows: I1, n: int, t_ns: int, tuning: F1, scratch: States, out: Columns
) -> None:  # fmt: skip
    """Fill `out` with the first n of `rows` predicted to t_ns; a newer state stays at its stamp.

    track : ids by row
    cov, with bias^2 added to its first two diagonal entries, is the covariance of the filter, and what the
    radars' poses and the face that was seen leave unknown.
    """
    ints, floats = tracks.ints, tracks.floats
    for k in range(n):
        i = rows[k]
        out.track[k] = track[i]
        stamp_ns = max(t_ns, ints[i, at.STAMP])
        pose = pose_spread(tracks, i)
        if tracks.states.X[i, at.BOUND] != 0.0:  # the terminal's fixes take over
            unseen_s = max(0, stamp_ns - ints[i, at.RADAR_NS]) * 1e-9
            stays = math.exp(-2.0 * unseen_s / tracks.states.X[i, at.BIAS_TAU])
            pose = (stays * pose[0], stays * pose[1], stays * pose[2])
        if stamp_ns > ints[i, at.STAMP]:
            predict_to(tracks.states, i, scratch, 0, (stamp_ns - ints[i, at.STAMP]) * 1e-9, tuning)
            _state(scratch, 0, k, pose, floats[i, at.FACE], out)
        else:
            _state(tracks.states, i, k, pose, floats[i, at.FACE], out)
        w = ints[i, at.TERMINAL] if ints[i, at.TERMINAL] >= 0 else ints[i, at.PRESUMED] - 1
        out.floats[O_IDENTITY_P, k] = floats[i, at.IDENTITY_P] if w >= 0 else 0.0
        out.floats[O_LENGTH, k], out.floats[O_WIDTH, k] = floats[i, at.LENGTH], floats[i, at.WIDTH]
        bound = tracks.states.X[i, at.BOUND] != 0.0
        out.floats[O_GNSS_BIAS, k] = tracks.states.X[i, at.BIAS_SIGMA] if bound else math.nan
        out.floats[O_GNSS_TAU, k] = tracks.states.X[i, at.BIAS_TAU] if bound else math.nan
        out.ints[O_STAMP, k], out.ints[O_ARRIVED, k] = stamp_ns, ints[i, at.ARRIVED]
        out.ints[O_RADAR, k], out.ints[O_ENFORCING, k] = ints[i, at.RADAR_NS], ints[i, at.ENFORCING_NS]
        out.ints[O_GNSS, k] = ints[i, at.GNSS_NS]
        out.terminal[k], out.kind[k] = w, ints[i, at.KIND]
        patience_ns = max(PERIODS * ints[i, at.PERIOD_NS], COASTING_NS_MIN)
        silent_ns = stamp_ns - max(ints[i, at.RADAR_NS], ints[i, at.GNSS_NS])
        out.bools[O_CONFIRMED, k] = ints[i, at.STATUS] == at.CONFIRMED
        out.bools[O_COASTING, k] = silent_ns > patience_ns
        out.bools[O_INTEGRITY, k] = ints[i, at.INTEGRITY] != 0
        out.bools[O_PRESUMED, k] = ints[i, at.PRESUMED] != 0


_read_out_unchecked = unchecked(read_out)


class Filled(NamedTuple):
    """A batch and the memory that it names."""

    batch: TrackBatch
    columns: Columns
    lateral: LateralMemory
    observed: tuple[F64, I64, Bools]  # its arrays


class BatchMemory:
    """The batches of a tracker's observations, one of each size, filled again and again.

    Most observations are of few tracks. To make the arrays and views of a batch, and what the geofence makes
    beside them, costs more than all that is computed with them.
    """

    def __init__(self, n_max: int) -> None:
        """n_max : a larger batch is always new; 0: each one is."""
        self._n_max = n_max
        self._of_size: dict[int, Filled] = {}

    def of_size(self, n: int) -> Filled:
        """Return memory for n tracks."""
        if n > self._n_max:
            return _memory(n)
        filled = self._of_size.get(n)
        if filled is None:
            filled = self._of_size[n] = _memory(n)
            filled.batch.is_reused = True
        return filled


def batch_of(store: TrackStore, rows: I64, t_ns: int) -> TrackBatch:
    """Return the rows (n,), predicted to t_ns; a newer state stays at its stamp (t_ns = 0: every one)."""
    filled = _memory(len(rows))
    fill_none(filled.lateral)
    assert rows.dtype == np.int64, "unchecked: of all arguments only the rows come from a caller"
    if not rows.flags.c_contiguous:
        rows = np.ascontiguousarray(rows)
    _read_out_unchecked(
        store.tracks, store.track, rows, len(rows), t_ns, store.settings.tuning, store.scratch.predicted,
        filled.columns,
    )  # fmt: skip
    return filled.batch


def _memory(n: int) -> Filled:
    """Return a batch of n tracks that must be filled."""
    out = Columns(
        x=np.empty((n, at.N_CV)),
        cov=np.empty((n, at.N_CV, at.N_CV)),
        floats=np.empty((N_OUT, n)),
        ints=np.empty((N_OUT_INT, n), dtype=np.int64),
        bools=np.empty((N_OUT_BOOL, n), dtype=np.bool_),
        terminal=np.empty(n, dtype=np.int32),
        kind=np.empty(n, dtype=np.uint8),
        track=np.empty(n, dtype=np.uint64),
    )
    lateral = lateral_memory(n)
    bias_m, tau_s, identity_p, length_m, width_m, gnss_bias_m, gnss_tau_s = out.floats
    stamp_ns, arrived_ns, radar_ns, enforcing_ns, gnss_ns = out.ints
    confirmed, coasting, integrity, presumed = out.bools
    batch = TrackBatch(
        track=out.track,
        stamp_ns=stamp_ns,
        arrived_ns=arrived_ns,
        x=out.x,
        P=out.cov,
        bias_m=bias_m,
        tau_s=tau_s,
        terminal=out.terminal,
        identity_p=identity_p,
        length_m=length_m,
        width_m=width_m,
        kind=out.kind,
        confirmed=confirmed,
        coasting=coasting,
        integrity=integrity,
        presumed=presumed,
        radar_ns=radar_ns,
        enforcing_ns=enforcing_ns,
        gnss_ns=gnss_ns,
        gnss_bias_m=gnss_bias_m,
        gnss_tau_s=gnss_tau_s,
        lateral=lateral.named,
    )
    return Filled(batch, out, lateral, lateral[:3])
