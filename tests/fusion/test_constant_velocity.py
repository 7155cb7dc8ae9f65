"""The filter against FilterPy, against plain matrices, and its laws."""

import math

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.config import FusionConfig
from fusion.extent import EXTENT_DRIFT
from fusion.layout import (
    BEND_SIGMA,
    BEND_TAU,
    BIAS_DELAY,
    BIAS_SIGMA,
    BIAS_TAU,
    BOUND,
    N_DIM,
    N_RADAR,
    N_X,
    Q_ALONG,
    Q_CALM_ALONG,
    Q_CALM_CROSS,
    Q_CROSS,
    States,
)
from fusion.models.constant_velocity import predict, update
from fusion.models.registers import moved
from fusion.track_store import tuning_of
from tests.support.examples import examples

DT_S = 0.1
TUNING = tuning_of(FusionConfig())


def peer_of(q: float, r: np.ndarray, p0: np.ndarray) -> KalmanFilter:
    peer = KalmanFilter(dim_x=4, dim_z=2)
    peer.F = np.eye(4)
    peer.F[0, 2] = peer.F[1, 3] = DT_S
    peer.Q = np.kron(q * np.array([[DT_S**3 / 3, DT_S**2 / 2], [DT_S**2 / 2, DT_S]]), np.eye(2))
    peer.H, peer.R, peer.P, peer.x = np.eye(2, 4), r, p0.copy(), np.zeros(4)
    return peer


def test_the_whole_filter_without_bend_and_terminal_equals_filterpy():
    tuning = TUNING.copy()
    tuning[BEND_SIGMA], tuning[[Q_ALONG, Q_CROSS, Q_CALM_ALONG, Q_CALM_CROSS]] = 1e-300, 0.7
    X, P, work = np.zeros((1, N_X)), np.zeros((1, N_DIM, N_DIM)), np.zeros(N_DIM)
    P[0, :4, :4] = np.diag([10.0, 20.0, 5.0, 7.0])
    peer = peer_of(0.7, np.diag([0.25, 0.09]), P[0, :4, :4])
    rng = np.random.default_rng(2)
    for step in range(100):
        z = np.array([20.0 * DT_S * step, 0.0]) + rng.normal(size=2)
        predict(States(X, P), 0, DT_S, tuning)
        update(States(X, P), 0, (1.0, 0.0, 0.0, 0.0, 0.0), 0.0, z[0] - X[0, 0], 0.25, work)
        update(States(X, P), 0, (0.0, 1.0, 0.0, 0.0, 0.0), 0.0, z[1] - X[0, 1], 0.09, work)
        peer.predict()
        peer.update(z)
    np.testing.assert_allclose(X[0, :4], peer.x, rtol=0, atol=1e-9)
    np.testing.assert_allclose(P[0, :4, :4], peer.P, rtol=0, atol=1e-9)


def whole_state(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(N_DIM, N_DIM))
    X = np.zeros((1, N_X))
    X[0, :N_DIM] = [100.0, 50.0, 15.0, -9.0, 0.4, 5.0, 1.0, -2.0]
    X[0, BOUND], X[0, BIAS_SIGMA], X[0, BIAS_TAU], X[0, BIAS_DELAY] = 1.0, 1.5, 30.0, 0.1
    return X, (root @ root.T)[None].copy()


def test_predict_equals_its_matrices():
    X, P = whole_state(3)
    x, p, dt = X[0, :N_DIM].copy(), P[0].copy(), 0.7
    speed = math.hypot(x[2], x[3])
    c, s = x[2] / speed, x[3] / speed
    F = np.eye(N_DIM)
    F[0, 2] = F[1, 3] = dt
    F[0:4, 4] = [-s * dt**2 / 2, c * dt**2 / 2, -s * dt, c * dt]
    F[4, 4] = math.exp(-dt / TUNING[BEND_TAU])
    F[6, 6] = F[7, 7] = math.exp(-dt / 30.0)
    turn = np.array([[c, -s], [s, c]])
    q_axis = turn @ np.diag([TUNING[Q_ALONG], TUNING[Q_CROSS]]) @ turn.T
    Q = np.zeros((N_DIM, N_DIM))
    Q[:4, :4] = np.kron([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]], q_axis)
    Q[4, 4] = (1 - F[4, 4] ** 2) * TUNING[BEND_SIGMA] ** 2
    Q[5, 5] = dt * (EXTENT_DRIFT * 5.0) ** 2
    Q[6:, 6:] = (1 - F[6, 6] ** 2) * (1.5**2 * np.eye(2) + turn @ np.diag([(0.1 * speed) ** 2, 0.0]) @ turn.T)
    predict(States(X, P), 0, dt, TUNING)
    np.testing.assert_allclose(X[0, :N_DIM], F @ x, rtol=1e-12)
    np.testing.assert_allclose(P[0], F @ p @ F.T + Q, rtol=1e-10, atol=1e-10)


def test_update_equals_its_matrices():
    X, P = whole_state(4)
    x, p, h = X[0, :N_DIM].copy(), P[0].copy(), np.array([0.6, -0.8, 0.1, 0.2, 0.0, 0.3, 0.6, -0.8])
    s = h @ p @ h + 0.3
    update(States(X, P), 0, (0.6, -0.8, 0.1, 0.2, 0.3), 1.0, 2.5, 0.3, np.zeros(N_DIM))
    np.testing.assert_allclose(X[0, :N_DIM], x + p @ h / s * 2.5, rtol=1e-12)
    np.testing.assert_allclose(P[0], p - np.outer(p @ h, p @ h) / s, rtol=1e-9, atol=1e-12)


@settings(max_examples=examples(15))
@given(dt_s=st.floats(0.0, 5.0), seed=st.integers(0, 2**32 - 1), known=st.booleans())
def test_predict_and_update_keep_p_symmetric_and_positive(dt_s, seed, known):
    X, P = whole_state(seed)
    if not known:
        X[0, N_RADAR:] = 0.0
        P[0, N_RADAR:, :] = P[0, :, N_RADAR:] = 0.0
    predict(States(X, P), 0, dt_s, TUNING)
    update(States(X, P), 0, (0.6, 0.8, 0.0, 0.0, -0.9), float(known), 1.0, 0.01, np.zeros(N_DIM))
    np.testing.assert_array_equal(P[0], P[0].T)
    assert np.linalg.eigvalsh(P[0]).min() > -1e-9 * np.linalg.eigvalsh(P[0]).max()


@pytest.mark.parametrize("parts", [2, 5])
def test_predicting_in_parts_is_predicting_at_once(parts):
    """The law of a continuous model: white acceleration makes no step size special."""
    predicted = moved.py_func
    state = (0.0, 0.0, 10.0, 5.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0)
    parted = state
    for _ in range(parts):
        parted = predicted(parted, 1.0 / parts, 0.5, 0.8, 0.1)
    np.testing.assert_allclose(parted, predicted(state, 1.0, 0.5, 0.8, 0.1), rtol=1e-12)
