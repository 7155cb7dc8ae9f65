"""The quick way of a radar detection against FilterPy's extended filter, and how a heading is remembered."""

import math

import numpy as np
import pytest
from filterpy.kalman import ExtendedKalmanFilter
from hypothesis import given
from hypothesis import strategies as st

from fusion.config import FusionConfig, RadarPose
from fusion.heading import heading_of
from fusion.layout import BIAS_SIGMA, BIAS_TAU, BOUND, HEADING, N_DIM, N_X, R_ACROSS_SLOW, R_ACROSS_WHITE
from fusion.measurement import apply
from fusion.models import predict
from fusion.observations import RadarScan
from fusion.radar_update import polar_rows
from fusion.track_store import TrackStore

POSE = RadarPose(
    sensor="R", east_m=3.0, north_m=-4.0, height_m=7.0, boresight_rad=0.7, range_m_max=300.0, fov_rad=2.0,
    sigma_range_m=0.3, sigma_azimuth_rad=0.004, sigma_range_rate_mps=0.15, accepted=True,
)  # fmt: skip
DROP_M = 6.0
STATE = np.array([63.0, 36.0, 14.0, 8.0, 0.2])


def table_seeing(range_m: float, azimuth_rad: float, rate_mps: float) -> TrackStore:
    store = TrackStore(FusionConfig(tracks_max=4), [POSE])
    store.settings.radars[:, [R_ACROSS_WHITE, R_ACROSS_SLOW]] = 0.0  # it sees points
    seen = RadarScan(
        sensor="R", stamp_ns=0, arrived_ns=0, scan=0, range_m=np.array([range_m]),
        azimuth_rad=np.array([azimuth_rad]), range_rate_mps=np.array([rate_mps]), rcs_dbsm=np.zeros(1),
    )  # fmt: skip
    assert polar_rows(store, seen, 0) == (1, 0)
    return store


def measured_by(store: TrackStore) -> int:
    """Fuse the detection into row 0."""
    return apply(store.tracks.states, 0, store.detections.M, 0, store.settings, store.scratch.vector)


def covariance() -> np.ndarray:
    root = np.random.default_rng(5).normal(size=(5, 5))
    return 0.2 * (root @ root.T) + 0.1 * np.eye(5)


def predicted(part: int, x: np.ndarray) -> np.ndarray:
    d = x[:2] - [POSE.east_m, POSE.north_m]
    slant = math.sqrt(d @ d + DROP_M**2)
    if part == 0:
        return np.array([math.atan2(d[1], d[0]) - POSE.boresight_rad])
    return np.array([slant if part == 1 else (d @ x[2:4]) / slant])


def jacobian(part: int, x: np.ndarray) -> np.ndarray:
    step, columns = 1e-6, []
    for a in range(5):
        up, down = x.copy(), x.copy()
        up[a] += step
        down[a] -= step
        columns.append((predicted(part, up) - predicted(part, down)) / (2.0 * step))
    return np.array(columns).T


@pytest.mark.parametrize("rate_mps", [15.8, math.nan])
def test_a_detection_equals_filterpys_extended_filter(rate_mps):
    measured = [70.5, 0.03, rate_mps]
    store = table_seeing(*measured)
    store.X[0, :5], store.P[0, :5, :5] = STATE, covariance()
    assert measured_by(store) == 0
    peer = ExtendedKalmanFilter(dim_x=5, dim_z=1)
    peer.x, peer.P = STATE.copy(), covariance()
    sigmas = [POSE.sigma_azimuth_rad, POSE.sigma_range_m, POSE.sigma_range_rate_mps]
    for part, z in enumerate([measured[1], measured[0], measured[2]]):
        if not math.isnan(z):
            peer.update(
                np.array([z]), lambda x, p=part: jacobian(p, x), lambda x, p=part: predicted(p, x),
                R=np.array([[sigmas[part] ** 2]]),
            )  # fmt: skip
    np.testing.assert_allclose(store.X[0, :5], peer.x, rtol=0, atol=1e-6)  # its Jacobian is numeric
    np.testing.assert_allclose(store.P[0, :5, :5], peer.P, rtol=0, atol=1e-6)


def test_a_terminal_that_tells_nothing_of_the_place_changes_nothing_of_a_detection():
    quick, whole = table_seeing(70.5, 0.03, 15.8), table_seeing(70.5, 0.03, 15.8)
    for store in (quick, whole):
        store.X[0, :5], store.P[0, :5, :5] = STATE, covariance()
    whole.X[0, BOUND], whole.X[0, BIAS_SIGMA], whole.X[0, BIAS_TAU] = 1.0, 1.0, 10.0
    whole.P[0, 6, 6] = whole.P[0, 7, 7] = 1.0
    for store in (quick, whole):
        predict(store.tracks.states, 0, 0.05, store.settings.tuning)
        measured_by(store)
    np.testing.assert_allclose(quick.X[0, :5], whole.X[0, :5], rtol=0, atol=1e-9)
    np.testing.assert_allclose(quick.P[0, :5, :5], whole.P[0, :5, :5], rtol=0, atol=1e-9)


@given(bearing=st.floats(-math.pi, math.pi), off=st.floats(-math.pi + 1e-6, math.pi - 1e-6))
def test_the_innovation_of_an_azimuth_is_the_angle_between(bearing, off):
    """Seen through the state: an azimuth that is sure puts the track on its line, however far off it was."""
    store = table_seeing(100.0, bearing + off - POSE.boresight_rad, math.nan)
    d_e, d_n = 99.8 * math.cos(bearing), 99.8 * math.sin(bearing)
    store.X[0, :2] = POSE.east_m + d_e, POSE.north_m + d_n
    store.P[0, 0, 0] = store.P[0, 1, 1] = 1e-6
    before = store.X[0, :2].copy()
    measured_by(store)
    moved = store.X[0, :2] - before
    left = float(moved @ [-d_n, d_e]) / 99.8
    gain = 1e-6 / (99.8**2) / (1e-6 / 99.8**2 + POSE.sigma_azimuth_rad**2)
    assert left == pytest.approx(99.8 * gain * off, rel=1e-6, abs=1e-12)


def driven(speeds_mps: list[float]) -> TrackStore:
    """A track that goes east or, below nought, west, and is measured at each of the speeds."""
    store = table_seeing(100.0, -POSE.boresight_rad, math.nan)
    store.X[0, HEADING] = math.nan
    for speed_mps in speeds_mps:
        store.X[0, :4] = POSE.east_m + 99.8, POSE.north_m, speed_mps, 0.0
        store.P[0] = np.zeros((N_DIM, N_DIM))
        store.P[0, :4, :4] = 0.01 * np.eye(4)
        _between(store, speed_mps)
    return store


def _between(store: TrackStore, speed_mps: float) -> None:
    measured_by(store)
    assert store.X.shape[1] == N_X
    assert store.X[0, 2] == pytest.approx(speed_mps, abs=0.1)


@pytest.mark.parametrize(
    ("speeds_mps", "heading_rad"),
    [
        ([20.0], 0.0),
        ([-20.0], math.pi),
        ([5.0, 0.2], 0.0),  # stands: as it came
        ([5.0, 0.2, -3.0], 0.0),  # backs
        ([0.2], math.nan),
        ([3.0, -12.0], math.pi),  # nobody backs that fast
    ],
)
def test_a_heading_is_told_by_the_velocity_or_remembered(speeds_mps, heading_rad):
    store = driven(speeds_mps)
    told = heading_of(store.tracks.states, 0)
    assert told == pytest.approx(heading_rad, abs=0.02, nan_ok=True) or abs(told) == pytest.approx(
        heading_rad
    )


def test_a_track_that_stands_on_the_radar_stays_finite():
    store = table_seeing(6.1, 0.3, math.nan)
    store.X[0, :4] = POSE.east_m, POSE.north_m, 1.0, 0.0
    store.P[0, :5, :5] = np.eye(5)
    measured_by(store)
    assert np.isfinite(store.X[0, :5]).all()
    assert np.isfinite(store.P[0, :5, :5]).all()
