"""Extended vehicles: the model against plain formulas, its Jacobian, its moments, and what it learns."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion import layout as at
from fusion.body_sizes import SHARE, SHARE_SIGMA, VARIETY, extent_prior, learn_shares
from fusion.config import FusionConfig, RadarPose
from fusion.extent import (
    AXIS_RATIO,
    DEPTH_SHARE,
    SCATTER_SHARE,
    SLIDE_SHARE,
    SWERVE_VAR,
    end_facing,
    scans_alike,
    scatter,
)
from fusion.lanes import lane_cells
from fusion.measurement import apply
from fusion.observations import RadarScan
from fusion.radar_update import polar_rows
from fusion.track_store import TrackStore
from fusion.tracker import Tracker

POSE = RadarPose(
    sensor="R", east_m=3.0, north_m=-4.0, height_m=7.0, boresight_rad=0.7, range_m_max=300.0, fov_rad=3.0,
    sigma_range_m=0.3, sigma_azimuth_rad=0.004, sigma_range_rate_mps=0.15, accepted=True,
)  # fmt: skip
DROP_M, PERIOD_S, N = 6.0, 0.05, at.N_RADAR


def facing(x: np.ndarray) -> float:
    """The number f of a state, which the filter takes as known."""
    d, u = x[:2] - [POSE.east_m, POSE.north_m], x[2:4] / np.hypot(*x[2:4])
    c = float(d @ u / np.hypot(*d))
    return c / math.sqrt(c * c + AXIS_RATIO**2 * (1.0 - c * c))


def point_of(x: np.ndarray, f: float) -> np.ndarray:
    """The reflecting point from the radar, by the formula of the module; the axis is the course."""
    d = x[:2] - [POSE.east_m, POSE.north_m]
    u = x[2:4] / np.hypot(*x[2:4])
    return np.asarray(d - x[5] * f * u)


def turning(x: np.ndarray, f: float) -> np.ndarray:
    """How fast the end of the body moves sideways per unit of acceleration across: arm over speed."""
    u = x[2:4] / np.hypot(*x[2:4])
    return np.asarray(-x[5] * f / np.hypot(*x[2:4]) * np.array([-u[1], u[0]]))


def measured(x: np.ndarray, f: float) -> np.ndarray:
    """Azimuth, slant range and range rate of a state, but for its turning."""
    p = point_of(x, f)
    slant = math.sqrt(p @ p + DROP_M**2)
    return np.array([math.atan2(p[1], p[0]) - POSE.boresight_rad, slant, p @ x[2:4] / slant])


def jacobian(x: np.ndarray) -> np.ndarray:
    steps = 1e-5 * np.eye(N)
    f = facing(x)
    return np.array([(measured(x + step, f) - measured(x - step, f)) / 2e-5 for step in steps]).T


def store_seeing(z: np.ndarray, rcs_dbsm: float = math.nan) -> TrackStore:
    store = TrackStore(FusionConfig(tracks_max=4), [POSE])

    seen = RadarScan(
        sensor="R", stamp_ns=0, arrived_ns=0, scan=0, range_m=z[1:2], azimuth_rad=z[:1],
        range_rate_mps=z[2:3], rcs_dbsm=np.array([rcs_dbsm]),
    )  # fmt: skip
    assert polar_rows(store, seen, 0) == (1, 0)
    return store


def covariance(seed: int) -> np.ndarray:
    root = np.random.default_rng(seed).normal(size=(N, N))
    return 1e-4 * (root @ root.T) + 1e-4 * np.eye(N)


@pytest.mark.parametrize("course_rad", [0.3, 0.9, 1.8, 2.5, -2.0])  # behind it, before it, beside it
def test_a_detection_of_a_body_equals_the_augmented_filter(course_rad):
    """A small covariance, so that one joint EKF update and ours, one after another, linearise alike."""
    x = np.array([63.0, 36.0, 16.0 * math.cos(course_rad), 16.0 * math.sin(course_rad), 0.2, 6.0])
    f, change = facing(x), np.array([2e-5, 0.004, 0.003])
    p = point_of(x, f)
    slant = math.sqrt(p @ p + DROP_M**2)
    turn = float(p @ turning(x, f)) / slant
    z = measured(x, f) + change + [0.0, 0.0, 0.2 * turn]
    store = store_seeing(z)
    store.X[0, :N], store.P[0, :N, :N] = x, covariance(3)
    store.detections.M[0, [at.Z_ALONG, at.Z_OFTEN, at.Z_ACROSS]] = 12.0, 30.0, 0.4
    assert apply(store.tracks.states, 0, store.detections.M, 0, store.settings, store.scratch.vector) == 0
    u, flat = x[2:4] / 16.0, np.hypot(*p)
    m = 6.0 * np.array([facing(x + 1e-5 * e) - facing(x - 1e-5 * e) for e in np.eye(N)[:2]]) / 2e-5
    about_end, on_flank = scatter.py_func(6.0, f)
    along = 12.0 * about_end + 30.0 * (on_flank + m @ covariance(3)[:2, :2] @ m)
    v, beam = x[2:4], p / slant
    G = np.array([[-p[1] / flat**2, p[0] / flat**2], beam, (v - (v @ beam) * beam) / slant])  # by the point
    R = np.diag([POSE.sigma_azimuth_rad**2, POSE.sigma_range_m**2, POSE.sigma_range_rate_mps**2])
    R += along * np.outer(G @ u, G @ u) + 0.4 * G @ G.T
    R[2, 2] += turn**2 * (covariance(3)[4, 4] + SWERVE_VAR)
    H, P = jacobian(x), covariance(3)
    K = P @ H.T @ np.linalg.inv(H @ P @ H.T + R)
    np.testing.assert_allclose(store.X[0, :N], x + K @ change, rtol=0, atol=2e-6)
    np.testing.assert_allclose(store.P[0, :N, :N], P - K @ H @ P, rtol=2e-3, atol=2e-8)


@pytest.mark.parametrize("course_rad", [0.9, 1.8, -2.0])
def test_a_detection_of_the_flank_equals_the_augmented_filter(course_rad):
    x = np.array([63.0, 36.0, 16.0 * math.cos(course_rad), 16.0 * math.sin(course_rad), 0.2, 6.0])

    def point(x: np.ndarray) -> np.ndarray:
        """Half the width towards the radar, off the middle of the body, as numbers that the filter knows."""
        return np.asarray(x[:2] - [POSE.east_m, POSE.north_m] - beside * left)

    def seen(x: np.ndarray) -> np.ndarray:
        p = point(x)
        slant = math.sqrt(p @ p + DROP_M**2)
        return np.array([math.atan2(p[1], p[0]) - POSE.boresight_rad, slant, p @ x[2:4] / slant])

    u = x[2:4] / 16.0
    left = np.array([-u[1], u[0]])
    beside = math.copysign(AXIS_RATIO * 6.0, left @ (x[:2] - [POSE.east_m, POSE.north_m]))
    z = seen(x) + np.array([2e-5, 0.004, 0.003])
    store = store_seeing(z)
    store.X[0, :N], store.P[0, :N, :N] = x, covariance(3)
    store.detections.M[0, [at.Z_ALONG, at.Z_OFTEN, at.Z_ACROSS, at.Z_FLANK]] = 12.0, 30.0, 0.4, 1.0
    assert apply(store.tracks.states, 0, store.detections.M, 0, store.settings, store.scratch.vector) == 0
    p, v = point(x), x[2:4]
    slant = math.sqrt(p @ p + DROP_M**2)
    beam, flat = p / slant, np.hypot(*p)
    G = np.array([[-p[1] / flat**2, p[0] / flat**2], beam, (v - (v @ beam) * beam) / slant])  # by the point
    R = np.diag([POSE.sigma_azimuth_rad**2, POSE.sigma_range_m**2, POSE.sigma_range_rate_mps**2])
    R += 30.0 * (SLIDE_SHARE * 6.0) ** 2 * np.outer(G @ u, G @ u)
    R += (0.4 + 30.0 * (DEPTH_SHARE * beside) ** 2) * G @ G.T
    H, P = np.array([(seen(x + step) - seen(x - step)) / 2e-5 for step in 1e-5 * np.eye(N)]).T, covariance(3)
    K = P @ H.T @ np.linalg.inv(H @ P @ H.T + R)
    np.testing.assert_allclose(store.X[0, :N] - x, K @ (z - seen(x)), rtol=0.03, atol=1e-6)
    np.testing.assert_allclose(store.P[0, :N, :N], P - K @ H @ P, rtol=0.01, atol=1e-8)


@given(cosine=st.floats(-1.0, 1.0))
def test_the_end_that_faces_the_radar_turns_over_beside_it(cosine):
    f, df = end_facing.py_func(cosine)
    assert abs(f) <= 1.0 + 1e-12
    assert f * cosine >= 0.0
    step = 1e-6
    slope = (end_facing.py_func(cosine + step)[0] - end_facing.py_func(cosine - step)[0]) / (2.0 * step)
    assert df == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_the_scatter_is_that_of_a_half_normal_depth():
    """Skewed by a tenth of the length from the bumper inwards: mean and spread as shares of the extent."""
    depth = np.abs(0.1 * np.random.default_rng(1).normal(size=200_000))
    extent, spread = np.mean(0.5 - depth), np.std(depth)
    assert spread / extent == pytest.approx(SCATTER_SHARE, rel=0.1)
    assert (0.5 - 3.0 * 0.1) / extent > 1.0 - 4.03 * SCATTER_SHARE  # the gate of 0.999 holds three sigmas


def test_a_mean_over_correlated_scans_is_as_uncertain_as_told():
    rng, keep, n = np.random.default_rng(2), math.exp(-PERIOD_S), 4_000
    error = rng.normal(size=400)
    total = np.zeros(400)
    for _ in range(n):
        error = keep * error + math.sqrt(1.0 - keep**2) * rng.normal(size=400)
        total += error
    assert n * np.var(total / n) == pytest.approx(scans_alike(PERIOD_S, 1.0), rel=0.2)


@pytest.mark.parametrize(
    ("share", "rcs_dbsm", "length_m"), [(0.42, 21.0, 15.0), (0.42, 9.0, 4.5), (0.0, 9.0, 4.5)]
)
def test_a_body_that_passes_a_radar_is_tracked_at_its_centre(share, rcs_dbsm, length_m):
    """Seen at one end, then at the other: the extent is learnt, whether radar reports ends or centres."""
    ends = np.array([np.linspace(-300.0, 300.0, 301), np.full(301, 14.0)]).T
    lanes = lane_cells(ends, np.full(301, math.pi), np.array([-300.0, -50.0]), np.array([300.0, 50.0]))
    pose = RadarPose(
        sensor="R", east_m=0.0, north_m=0.0, height_m=7.0, boresight_rad=math.pi / 2.0, range_m_max=300.0,
        fov_rad=2.0 * math.pi, sigma_range_m=0.25, sigma_azimuth_rad=0.0035, sigma_range_rate_mps=0.1,
        accepted=True,
    )  # fmt: skip
    tracker, rng = Tracker(FusionConfig(), [pose], [], id_base=0, lanes=lanes), np.random.default_rng(7)
    late = []
    for k in range(480):
        x = np.array([220.0 - k * PERIOD_S * 18.0, 14.0])
        if abs(x[0]) < 8.0:
            continue  # between the fields of the two radars of a pole
        c = x[0] / np.hypot(*x)
        ahead = np.clip(c / 0.3, -1.0, 1.0) * share * length_m
        p = x - [ahead, 0.0]
        slant = math.hypot(*p, DROP_M)
        noise = rng.normal(size=3) * [0.25, 0.0035, 0.1]
        seen = RadarScan(
            sensor="R", stamp_ns=10**12 + k * 50_000_000, arrived_ns=10**12 + k * 50_000_000, scan=k,
            range_m=np.array([slant + noise[0]]),
            azimuth_rad=np.array([math.atan2(p[1], p[0]) - pose.boresight_rad + noise[1]]),
            range_rate_mps=np.array([-18.0 * p[0] / slant + noise[2]]), rcs_dbsm=np.array([rcs_dbsm]),
        )  # fmt: skip
        tracks = tracker.step(seen.arrived_ns, seen).touched
        assert len(tracks) == 1, "one vehicle, one track"
        error = tracks.x[0, :2] - x
        if k > 20:
            assert abs(error[0]) < 4.0 * math.sqrt(tracks.P[0, 0, 0]) + 0.2
        if x[0] < -60.0:
            late.append(error[0])
    assert abs(np.mean(late)) < 0.5
    assert tracker.n_ids == 1
    assert tracker.store.X[0, at.EXTENT] == pytest.approx(share * length_m, abs=0.7)


def named_tracks(n: int, share: float, q: int = 0) -> tuple[TrackStore, np.ndarray]:
    """n vehicles that radar q alone measured, whose extents their fixes showed."""
    store = TrackStore(FusionConfig(tracks_max=n), [POSE, POSE])
    length_m = np.linspace(11.0, 18.0, n)
    store.X[:, at.EXTENT] = share * length_m + 0.3 * np.random.default_rng(4).normal(size=n)
    store.P[:, at.EXTENT, at.EXTENT] = 0.3**2
    store.ints[:, at.RADAR] = q
    store.floats[:, at.EXTENT_PRIOR], store.floats[:, at.EXTENT_PRIOR_VAR] = 3.4, 2.2**2
    return store, length_m


@pytest.mark.parametrize("share", [0.0, 0.2, 0.42, 0.5])
def test_the_share_is_learnt_from_identified_vehicles(share):
    store, length_m = named_tracks(40, share)
    radars = store.settings.radars
    learn_shares(store.tracks, radars, np.arange(40), length_m)
    assert radars[0, at.R_SHARE] == pytest.approx(share, abs=0.03)
    assert radars[0, at.R_SHARE_VAR] < 0.02**2
    assert abs(radars[1, at.R_SHARE] - share) < abs(SHARE - share)  # one site's radars are mostly of one kind
    assert radars[0, at.R_SHARE_VAR] < radars[1, at.R_SHARE_VAR] < SHARE_SIGMA**2
    before = radars.copy()
    learn_shares(store.tracks, radars, np.arange(40), length_m)
    np.testing.assert_array_equal(radars, before)  # each vehicle tells once


def test_the_prior_of_an_extent_is_that_of_a_product():
    rng = np.random.default_rng(6)
    share_sigma = math.hypot(0.144, VARIETY * 0.25)
    product = rng.normal(13.5, 3.5, 400_000) * rng.normal(0.25, share_sigma, 400_000)
    mean, sigma = extent_prior(13.5, 3.5**2, 0.25, 0.144**2)
    assert mean == pytest.approx(product.mean(), rel=0.02)
    assert sigma == pytest.approx(product.std(), rel=0.02)
