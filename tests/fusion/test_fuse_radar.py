"""The quick way of a radar detection against FilterPy's extended filter, and how a heading is remembered."""

import math

import numpy as np
import pytest
from filterpy.kalman import ExtendedKalmanFilter
from hypothesis import given
from hypothesis import strategies as st

from fusion.arrivals import polar_rows
from fusion.config import FusionConfig, RadarPose
from fusion.filter import predict
from fusion.heading import heading_of, headings_of
from fusion.layout import BIAS_SIGMA, BIAS_TAU, HEADING, N_DIM, N_X
from fusion.measure import apply
from fusion.observations import RadarScan
from fusion.track_store import Table

POSE = RadarPose(
    sensor="R", east_m=3.0, north_m=-4.0, height_m=7.0, boresight_rad=0.7, range_m_max=300.0, fov_rad=2.0,
    sigma_range_m=0.3, sigma_azimuth_rad=0.004, sigma_range_rate_mps=0.15, accepted=True,
)  # fmt: skip
DROP_M = 6.0
STATE = np.array([63.0, 36.0, 14.0, 8.0, 0.2])


def table_seeing(range_m: float, azimuth_rad: float, rate_mps: float) -> Table:
    table = Table(FusionConfig(tracks_max=4), [POSE])
    seen = RadarScan(
        sensor="R", stamp_ns=0, arrived_ns=0, scan=0, range_m=np.array([range_m]),
        azimuth_rad=np.array([azimuth_rad]), range_rate_mps=np.array([rate_mps]), rcs_dbsm=np.zeros(1),
    )  # fmt: skip
    assert polar_rows(table, seen, 0) == (1, 0)
    return table


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
    table = table_seeing(*measured)
    table.X[0, :5], table.P[0, :5, :5] = STATE, covariance()
    assert apply(table.X, table.P, 0, table.M, 0, table.radars, table.tuning, table.scratch) == 0
    peer = ExtendedKalmanFilter(dim_x=5, dim_z=1)
    peer.x, peer.P = STATE.copy(), covariance()
    sigmas = [POSE.sigma_azimuth_rad, POSE.sigma_range_m, POSE.sigma_range_rate_mps]
    for part, z in enumerate([measured[1], measured[0], measured[2]]):
        if not math.isnan(z):
            peer.update(
                np.array([z]), lambda x, p=part: jacobian(p, x), lambda x, p=part: predicted(p, x),
                R=np.array([[sigmas[part] ** 2]]),
            )  # fmt: skip
    np.testing.assert_allclose(table.X[0, :5], peer.x, rtol=0, atol=1e-6)  # its Jacobian is numeric
    np.testing.assert_allclose(table.P[0, :5, :5], peer.P, rtol=0, atol=1e-6)


def test_a_terminal_that_tells_nothing_of_the_place_changes_nothing_of_a_detection():
    quick, whole = table_seeing(70.5, 0.03, 15.8), table_seeing(70.5, 0.03, 15.8)
    for table in (quick, whole):
        table.X[0, :5], table.P[0, :5, :5] = STATE, covariance()
    whole.X[0, BIAS_SIGMA], whole.X[0, BIAS_TAU] = 1.0, 10.0
    whole.P[0, 5, 5] = whole.P[0, 6, 6] = 1.0
    for table in (quick, whole):
        predict(table.X, table.P, 0, 0.05, table.tuning)
        apply(table.X, table.P, 0, table.M, 0, table.radars, table.tuning, table.scratch)
    np.testing.assert_allclose(quick.X[0, :5], whole.X[0, :5], rtol=0, atol=1e-9)
    np.testing.assert_allclose(quick.P[0, :5, :5], whole.P[0, :5, :5], rtol=0, atol=1e-9)


@given(bearing=st.floats(-math.pi, math.pi), off=st.floats(-math.pi + 1e-6, math.pi - 1e-6))
def test_the_innovation_of_an_azimuth_is_the_angle_between(bearing, off):
    """Seen through the state: an azimuth that is sure puts the track on its line, however far off it was."""
    table = table_seeing(100.0, bearing + off - POSE.boresight_rad, math.nan)
    d_e, d_n = 99.8 * math.cos(bearing), 99.8 * math.sin(bearing)
    table.X[0, :2] = POSE.east_m + d_e, POSE.north_m + d_n
    table.P[0, 0, 0] = table.P[0, 1, 1] = 1e-6
    before = table.X[0, :2].copy()
    apply(table.X, table.P, 0, table.M, 0, table.radars, table.tuning, table.scratch)
    moved = table.X[0, :2] - before
    left = float(moved @ [-d_n, d_e]) / 99.8
    gain = 1e-6 / (99.8**2) / (1e-6 / 99.8**2 + POSE.sigma_azimuth_rad**2)
    assert left == pytest.approx(99.8 * gain * off, rel=1e-6, abs=1e-12)


def driven(speeds_mps: list[float]) -> Table:
    """A track that goes east or, below nought, west, and is measured at each of the speeds."""
    table = table_seeing(100.0, -POSE.boresight_rad, math.nan)
    table.X[0, HEADING] = math.nan
    for speed_mps in speeds_mps:
        table.X[0, :4] = POSE.east_m + 99.8, POSE.north_m, speed_mps, 0.0
        table.P[0] = np.zeros((N_DIM, N_DIM))
        table.P[0, :4, :4] = 0.01 * np.eye(4)
        _between(table, speed_mps)
    return table


def _between(table: Table, speed_mps: float) -> None:
    apply(table.X, table.P, 0, table.M, 0, table.radars, table.tuning, table.scratch)
    assert table.X.shape[1] == N_X
    assert table.X[0, 2] == pytest.approx(speed_mps, abs=0.1)


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
    table = driven(speeds_mps)
    told = heading_of(table.X, table.P, 0)
    assert told == pytest.approx(heading_rad, abs=0.02, nan_ok=True) or abs(told) == pytest.approx(
        heading_rad
    )
    np.testing.assert_array_equal(headings_of(table.X, table.P, np.array([0])), [told])


def test_a_track_that_stands_on_the_radar_stays_finite():
    table = table_seeing(6.1, 0.3, math.nan)
    table.X[0, :4] = POSE.east_m, POSE.north_m, 1.0, 0.0
    table.P[0, :5, :5] = np.eye(5)
    apply(table.X, table.P, 0, table.M, 0, table.radars, table.tuning, table.scratch)
    assert np.isfinite(table.X[0, :5]).all()
    assert np.isfinite(table.P[0, :5, :5]).all()
