"""The read-out: how long the error lasts that position shares with a terminal's bias."""

import math

import numpy as np
import pytest

from fusion import layout as at
from fusion.config import FusionConfig, Terminal
from fusion.track_store import TrackStore
from fusion.tracker import Tracker
from fusion.tracks import TrackBatch, batch_of
from tests.support.fusion_world import T0_NS, fix, pose, scan

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


def bytes_of(batch: TrackBatch) -> list[bytes]:
    columns = [getattr(batch, name) for name in TrackBatch.__slots__ if name not in ("lateral", "is_reused")]
    return [column.tobytes() for column in (*columns, *batch.lateral)]


def test_a_batch_that_is_filled_again_equals_a_new_one():
    """Scans of one to three vehicles and fixes in turn; the batch of a size is the same object each time."""
    radar, seen = pose("A", 0.0, -10.0, 0.0), {}
    anew, again = (
        Tracker(FusionConfig(), [radar], [Terminal(terminal="T")], id_base=0, n_reused=n) for n in (0, 2)
    )
    for k in range(40):
        now_ns = T0_NS + 50_000_000 * k
        east_m = 40.0 + k + np.array([0.0, 25.0, 50.0])[: 1 + k // 5 % 3]
        targets = np.stack([east_m, 0.0 * east_m, 20.0 + 0.0 * east_m, 0.0 * east_m], axis=1)
        for item in (scan(radar, now_ns, targets), fix("T", now_ns, 200.0 + k, 3.0)):
            expected, batch = (tracker.step(now_ns, item).touched for tracker in (anew, again))
            assert bytes_of(batch) == bytes_of(expected)
            assert batch.is_reused == (len(batch) <= 2)
            assert not expected.is_reused
            if batch.is_reused:
                assert seen.setdefault(len(batch), batch) is batch
    assert set(seen) == {1, 2}
