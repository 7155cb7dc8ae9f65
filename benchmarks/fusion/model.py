"""The cost of one track's predict and update against FilterPy's, in the same rounds and on the same numbers.

`fusion.cv` is plain constant velocity with a measured place: `moved` and `corrected`, of which every
prediction and update of the product is made, without the bend; a place is on the axes, so that its covariance
with the state is a row of P. Tracks of asynchronous sensors have a time step each, so
F and Q are made anew in each step: ours within `moved`, FilterPy's by its own `Q_continuous_white_noise`.
`fusion.cv.fixed` spares FilterPy that: it gets F and Q once, for one time step. `fusion.polar` is the whole
model that a scan runs, with bend, azimuth, slant range and range rate, against FilterPy's extended filter of
it.
"""

import math
from collections.abc import Iterator

import numpy as np
from filterpy.common import Q_continuous_white_noise
from filterpy.kalman import ExtendedKalmanFilter, KalmanFilter

from benchmarks.fusion.scans import SEED, Road
from benchmarks.harness import Line, medians_s, rounds
from core.arrays import F2, F3, F64
from core.kernel import kernel, unchecked
from fusion import layout as at
from fusion.config import FusionConfig
from fusion.layout import N_CV, N_DIM, N_X, Settings, States
from fusion.measurement import fuse_polar
from fusion.models import SLOW_MPS, combined, predict_to
from fusion.models.registers import P00, P01, P11, Moving, Registers, corrected, moved
from fusion.track_store import settings_of

DT_S = 0.1
N_OURS, N_PEER = 1_000, 20
N_CV_TRACKS, N_CV_PEER, N_STEPS = 300, 1, 40  # tracks of the linear filters; steps in a row, a slice short
PSD, SIGMA_M = 0.7, 0.2  # of white acceleration per axis [m^2/s^3]; of a measured place


@kernel(inner=True)
def without_rest(state: Moving) -> Registers:
    """Return a state of position and velocity; all else is zero and stays so: the compiler leaves it out."""
    x0, x1, x2, x3, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33 = state
    return (
        x0, x1, x2, x3, 0.0, 0.0,
        p00, p01, p02, p03, 0.0, 0.0, p11, p12, p13, 0.0, 0.0, p22, p23, 0.0, 0.0,
        p33, 0.0, 0.0, 0.0, 0.0, 0.0,
    )  # fmt: skip


@kernel
def steps_cv(states: States, z: F3, dt_s: F2, psd: float, r: float) -> None:
    """Step each track in place: predict it by dt_s (steps, n), fuse its measured place z (steps, n, 2)."""
    X, P = states.X, states.P
    for k in range(z.shape[0]):
        for i in range(z.shape[1]):
            state = without_rest(moved(combined(states, i), dt_s[k, i], psd, psd, 0.0))
            east = (state[P00], state[P01], state[P00 + 2], state[P00 + 3], 0.0, 0.0)
            state = corrected(state, east, state[P00] + r, z[k, i, 0] - state[0])
            north = (state[P01], state[P11], state[P11 + 1], state[P11 + 2], 0.0, 0.0)
            state = corrected(state, north, state[P11] + r, z[k, i, 1] - state[1])
            (
                x0, x1, x2, x3, _, _, p00, p01, p02, p03, _, _, p11, p12, p13, _, _, p22, p23, _, _,
                p33, _, _, _, _, _,
            ) = state  # fmt: skip
            X[i, 0], X[i, 1], X[i, 2], X[i, 3] = x0, x1, x2, x3
            P[i, 0, 0], P[i, 0, 1], P[i, 0, 2], P[i, 0, 3] = p00, p01, p02, p03
            P[i, 1, 0], P[i, 1, 1], P[i, 1, 2], P[i, 1, 3] = p01, p11, p12, p13
            P[i, 2, 0], P[i, 2, 1], P[i, 2, 2], P[i, 2, 3] = p02, p12, p22, p23
            P[i, 3, 0], P[i, 3, 1], P[i, 3, 2], P[i, 3, 3] = p03, p13, p23, p33


steps_cv_unchecked = unchecked(steps_cv)  # as the product calls its kernels

N_BEND = at.BEND + 1  # position, velocity and bend: bodies that are points, without extent


class LinearPeer:
    """FilterPy's Kalman filter of plain constant velocity; a place is measured."""

    def __init__(self, x: F64, P: F64) -> None:
        self.x0, self.P0 = x.copy(), P.copy()
        one = self.filter = KalmanFilter(dim_x=N_CV, dim_z=2)
        one.H, one.R = np.eye(2, N_CV), SIGMA_M**2 * np.eye(2)
        self.set_step(DT_S)

    def restart(self) -> None:
        """Return to the first state, or covariances decay towards denormal numbers, which are slow."""
        self.filter.x, self.filter.P = self.x0, self.P0

    def set_step(self, dt_s: float) -> None:
        """Make F and Q for this time step."""
        one = self.filter
        one.F = np.eye(N_CV)
        one.F[0, 2] = one.F[1, 3] = dt_s
        one.Q = Q_continuous_white_noise(2, dt_s, PSD, block_size=2, order_by_dim=False)

    def step(self, z: F64) -> None:
        """Predict and fuse z."""
        self.filter.predict()
        self.filter.update(z)


def cv_lines() -> Iterator[Line]:
    """Yield the time of a step of plain constant velocity; first, that both agree within 1e-12."""
    rng = np.random.Generator(np.random.Philox(SEED))
    first, states = [
        States(np.zeros((N_CV_TRACKS, N_X)), np.zeros((N_CV_TRACKS, N_DIM, N_DIM))) for _ in range(2)
    ]
    first.X[:, :N_CV] = rng.normal([100.0, 20.0, 20.0, 1.0], 1.0, size=(N_CV_TRACKS, N_CV))
    root = 0.2 * rng.normal(size=(N_CV_TRACKS, N_CV, N_CV))
    first.P[:, :N_CV, :N_CV] = root @ root.transpose(0, 2, 1) + 0.01 * np.eye(N_CV)
    dt_s = DT_S * rng.uniform(0.5, 1.5, (N_STEPS, N_CV_TRACKS))
    place = first.X[:, :2] + np.cumsum(dt_s, axis=0)[:, :, None] * first.X[:, 2:4]
    z = place + SIGMA_M * rng.normal(size=place.shape)
    peers = [LinearPeer(first.X[i, :N_CV], first.P[i, :N_CV, :N_CV]) for i in range(N_CV_PEER)]

    def ours() -> None:  # as `restart` of the peers
        states.X[:], states.P[:] = first.X, first.P
        steps_cv_unchecked(states, z, dt_s, PSD, SIGMA_M**2)

    def theirs() -> None:
        for i, peer in enumerate(peers):
            peer.restart()
            for k in range(N_STEPS):
                peer.set_step(float(dt_s[k, i]))
                peer.step(z[k, i])

    def fixed() -> None:
        for i, peer in enumerate(peers):
            peer.restart()
            for k in range(N_STEPS):
                peer.step(z[k, i])

    ours()
    theirs()
    for i, peer in enumerate(peers):
        np.testing.assert_allclose(states.X[i, :N_CV], peer.filter.x, rtol=0.0, atol=1e-12)
        np.testing.assert_allclose(states.P[i, :N_CV, :N_CV], peer.filter.P, rtol=0.0, atol=1e-12)
    taken = medians_s({"ours": ours, "theirs": theirs, "fixed": fixed}, 3 * rounds())
    ours_s = taken["ours"] / (N_STEPS * N_CV_TRACKS)
    for name, which, how in (
        ("fusion.cv", "theirs", "FilterPy KalmanFilter, F and Q of each step"),
        ("fusion.cv.fixed", "fixed", "FilterPy KalmanFilter, F and Q made once"),
    ):
        yield Line(name, ours_s * 1e9, "ns/track", how, taken[which] / (N_STEPS * N_CV_PEER) / ours_s)


class PolarPeer:
    """FilterPy's extended Kalman filter of our model, in the form that is quickest for it.

    The state is position, velocity and bend; the measurement azimuth, slant range and range rate. One call of
    `update` fuses all three, ours fuses one after another. Both compute F, Q and H from the state.
    """

    def __init__(self, x: F64, P: F64, tuning: F64, pose: F64) -> None:
        self.x0, self.P0, self.tuning, self.pose = x, P, tuning, pose
        self.filter = ExtendedKalmanFilter(dim_x=N_BEND, dim_z=3)
        self.filter.R = np.diag(pose[[at.R_S_AZIMUTH, at.R_S_RANGE, at.R_S_RATE]] ** 2)

    def step(self, z: F64) -> None:
        """Predict by DT_S from the first state and fuse z: azimuth, slant range, range rate."""
        self.filter.x, self.filter.P = self.x0, self.P0
        self._set_model()
        self.filter.predict()
        self.filter.update(z, self._jacobian, self._measured)

    def _set_model(self) -> None:
        tuning, v_e, v_n = self.tuning, self.x0[2], self.x0[3]
        speed = math.hypot(v_e, v_n)
        c, s = v_e / speed, v_n / speed
        gain, keep = min(1.0, (speed - SLOW_MPS) / SLOW_MPS), math.exp(-DT_S / tuning[at.BEND_TAU])
        w_e, w_n = -s * gain * DT_S, c * gain * DT_S
        F = np.eye(N_BEND)
        F[0, 2] = F[1, 3] = DT_S
        F[:, 4] = 0.5 * DT_S * w_e, 0.5 * DT_S * w_n, w_e, w_n, keep
        q_al, q_cr = tuning[at.Q_ALONG], tuning[at.Q_CROSS]
        cross = (q_al - q_cr) * s * c
        q = np.array([[q_al * c * c + q_cr * s * s, cross], [cross, q_al * s * s + q_cr * c * c]])
        Q = np.zeros((N_BEND, N_BEND))
        Q[:2, :2], Q[2:4, 2:4] = DT_S**3 / 3.0 * q, DT_S * q
        Q[:2, 2:4] = Q[2:4, :2] = DT_S**2 / 2.0 * q
        Q[4, 4] = (1.0 - keep * keep) * tuning[at.BEND_SIGMA] ** 2
        self.filter.F, self.filter.Q = F, Q

    def _measured(self, x: F64) -> F64:
        slant = math.sqrt(x[0] ** 2 + x[1] ** 2 + self.pose[at.R_DROP] ** 2)
        return np.array([math.atan2(x[1], x[0]), slant, (x[0] * x[2] + x[1] * x[3]) / slant])

    def _jacobian(self, x: F64) -> F64:
        d_e, d_n, v_e, v_n = x[0], x[1], x[2], x[3]
        d2 = d_e * d_e + d_n * d_n
        slant = math.sqrt(d2 + self.pose[at.R_DROP] ** 2)
        u_e, u_n = d_e / slant, d_n / slant
        rate = u_e * v_e + u_n * v_n
        return np.array([
            [-d_n / d2, d_e / d2, 0.0, 0.0, 0.0],
            [u_e, u_n, 0.0, 0.0, 0.0],
            [(v_e - rate * u_e) / slant, (v_n - rate * u_n) / slant, u_e, u_n, 0.0],
        ])  # fmt: skip


@kernel
def step_polar(
    states: States, predicted: States, out: States, M: F2, dt_s: float, settings: Settings
) -> None:
    """Predict each track by dt_s and fuse its detection, with the kernels that a scan runs for each track."""
    for i in range(states.X.shape[0]):
        predict_to(states, i, predicted, i, dt_s, settings.tuning)
        fuse_polar(predicted, i, out, i, M, i, settings)


def polar_lines() -> Iterator[Line]:
    """Yield the time of one track's predict and update with the model that ships."""
    rng = np.random.Generator(np.random.Philox(SEED))
    pose = Road(N_PEER).radar
    settings = settings_of(FusionConfig(), [pose])
    states, predicted, out = [
        States(np.zeros((N_OURS, N_X)), np.zeros((N_OURS, N_DIM, N_DIM))) for _ in range(3)
    ]
    states.X[:, :4] = rng.normal([100.0, 20.0, 20.0, 1.0], 1.0, size=(N_OURS, 4))
    states.P[:, :N_BEND, :N_BEND] = np.diag([0.1, 0.1, 0.04, 0.04, 0.01])
    M = np.zeros((N_OURS, at.N_MEAS))
    place = states.X[:, :2] + DT_S * states.X[:, 2:4] + 0.2 * rng.normal(size=(N_OURS, 2))
    flat, azimuth = np.hypot(*place.T), np.arctan2(place[:, 1], place[:, 0])
    slant = np.hypot(flat, settings.radars[0, at.R_DROP])
    M[:, at.WHAT], M[:, at.Z_AZIMUTH], M[:, at.Z_RANGE] = at.POLAR, azimuth, slant
    M[:, at.Z_RATE] = np.sum(place * states.X[:, 2:4], axis=1) / slant
    M[:, at.Z_COS], M[:, at.Z_SIN] = np.cos(azimuth), np.sin(azimuth)
    first = [(states.X[i, :N_BEND].copy(), states.P[i, :N_BEND, :N_BEND].copy()) for i in range(N_PEER)]
    peers = [PolarPeer(x, P, settings.tuning, settings.radars[0]) for x, P in first]
    z = M[:, [at.Z_AZIMUTH, at.Z_RANGE, at.Z_RATE]]

    def theirs() -> None:
        for i, peer in enumerate(peers):
            peer.step(z[i])

    taken = medians_s(
        {"ours": lambda: step_polar(states, predicted, out, M, DT_S, settings), "theirs": theirs},
        3 * rounds(),
    )
    for i, peer in enumerate(peers):  # the work is the same: only the linearisation points differ
        sigma = np.sqrt(np.diag(peer.filter.P))
        assert np.all(np.abs(peer.filter.x - out.X[i, :N_BEND]) < 0.02 * sigma), "another model"
        np.testing.assert_allclose(np.diag(out.P[i])[:N_BEND], sigma**2, rtol=0.02)
    ours_s, theirs_s = taken["ours"] / N_OURS, taken["theirs"] / N_PEER
    how = "FilterPy ExtendedKalmanFilter of the same model"
    yield Line("fusion.polar", ours_s * 1e9, "ns/track", how, theirs_s / ours_s)
