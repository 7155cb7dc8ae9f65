"""The read-out: how long the error lasts that position shares with a terminal's bias."""

import math

import numpy as np
import pytest

from fusion import layout as at
from fusion.config import FusionConfig
from fusion.track_store import TrackStore
from fusion.tracks import batch_of

SIGMA_M, TAU_S = 0.8, 20.0


def read_tau_s(sigma_m: float) -> float:
    """Return the tau of a track whose position error is that of a bias which is known to sigma_m."""
    store = TrackStore(FusionConfig(tracks_max=1), [])
    X, P = store.X[0], store.P[0]
    X[at.V_EAST], X[at.BOUND], X[at.BIAS_SIGMA], X[at.BIAS_TAU] = 20.0, 1.0, SIGMA_M, TAU_S
    P[: at.N_DIM, : at.N_DIM] = 100.0 * np.eye(at.N_DIM)  # of velocity: the filter's own error is short
    for place, bias in ((at.EAST, at.BIAS_EAST), (at.NORTH, at.BIAS_NORTH)):
        P[[place, bias], [place, bias]] = sigma_m**2
        P[place, bias] = P[bias, place] = -(sigma_m**2)
    return float(batch_of(store, np.zeros(1, dtype=np.int64), 0).tau_s[0])


def steady(r: float, dt_s: float) -> tuple[float, float]:
    """Return the steady sigma of a Kalman filter that sees the bias in white noise, and its error's tau."""
    keep, p = math.exp(-dt_s / TAU_S), SIGMA_M**2
    for _ in range(100_000):
        p = keep**2 * p + (1.0 - keep**2) * SIGMA_M**2
        gain = p / (p + r)
        p *= 1.0 - gain
    return math.sqrt(p), -dt_s / math.log(keep * (1.0 - gain))


def test_without_radar_the_bias_lasts_as_long_as_its_terminal_says():
    assert read_tau_s(SIGMA_M) == pytest.approx(TAU_S, rel=1e-6)


@pytest.mark.parametrize("noise_m", [0.5, 1.0, 2.0, 5.0])
def test_under_radar_the_biass_error_is_forgotten_as_the_filter_learns_it(noise_m):
    """Oracle: the closed loop of a scalar filter; an error of an estimate lasts no longer than its memory."""
    sigma_m, tau_s = steady(noise_m**2, 0.01)
    assert read_tau_s(sigma_m) == pytest.approx(tau_s, rel=0.05)
