"""A vehicle passes below the pole of two radars, through the gap between their fields: one track."""

import math

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.arrays import F64
from fusion import layout as at
from fusion.config import FusionConfig, RadarPose
from fusion.lanes import lane_cells
from fusion.layout import States
from fusion.observations import RadarScan
from fusion.track_store import poses_of
from fusion.tracker import Tracker
from fusion.visibility import is_surely_in_field, within_edge_m

PERIOD_S, SPEED_MPS, DROP_M = 0.05, 15.0, 6.0
SIGMA_M, SIGMA_RAD, SIGMA_MPS = 0.25, 0.0035, 0.1
LENGTH_M, LORRY_DBSM = 15.0, 21.0


def pose_of(q: int, boresight_rad: float, fov_rad: float) -> RadarPose:
    return RadarPose(
        sensor=f"R{q}", east_m=0.0, north_m=0.0, height_m=7.0, boresight_rad=boresight_rad, range_m_max=250.0,
        fov_rad=fov_rad, sigma_range_m=SIGMA_M, sigma_azimuth_rad=SIGMA_RAD, sigma_range_rate_mps=SIGMA_MPS,
        accepted=True,
    )  # fmt: skip


def scan_of(pose: RadarPose, point: F64, k: int, t_ns: int, rng: np.random.Generator) -> RadarScan:
    """What the radar reports of a point that drives west, if it lies in its field."""
    slant, noise = math.hypot(*point, DROP_M), rng.normal(size=3)
    off = math.atan2(point[1], point[0]) - pose.boresight_rad
    off = math.atan2(math.sin(off), math.cos(off))
    seen = [True] if abs(off) < pose.fov_rad / 2.0 else []
    return RadarScan(
        sensor=pose.sensor, stamp_ns=t_ns, arrived_ns=t_ns, scan=k,
        range_m=np.array([slant + SIGMA_M * noise[0] for _ in seen]),
        azimuth_rad=np.array([off + SIGMA_RAD * noise[1] for _ in seen]),
        range_rate_mps=np.array([-SPEED_MPS * point[0] / slant + SIGMA_MPS * noise[2] for _ in seen]),
        rcs_dbsm=np.array([LORRY_DBSM for _ in seen]),
    )  # fmt: skip


@pytest.mark.parametrize("fov_deg", [100.0, 120.0])
@pytest.mark.parametrize(
    ("share", "aside_m"),
    [
        (0.0, 16.0),  # the centre shows: it is in the second field before it is predicted there
        (0.42, 12.0),  # the end shows: the centre is in the second field a second before it
        (0.42, 16.0),
    ],
)
def test_a_lorry_of_unknown_length_that_passes_a_pole_stays_one_track(share, aside_m, fov_deg):
    ends = np.array([np.linspace(-300.0, 300.0, 301), np.full(301, aside_m)]).T
    lanes = lane_cells(ends, np.full(301, math.pi), np.array([-300.0, -50.0]), np.array([300.0, 50.0]))
    poses = [pose_of(q, math.pi * q, math.radians(fov_deg)) for q in range(2)]
    tracker, rng = Tracker(FusionConfig(), poses, [], id_base=0, lanes=lanes), np.random.default_rng(3)
    for k in range(480):
        for q, pose in enumerate(poses):
            t_s = k * PERIOD_S + 0.03 * q
            centre = np.array([180.0 - SPEED_MPS * t_s, aside_m])
            facing = np.clip(centre[0] / np.hypot(*centre) / 0.3, -1.0, 1.0)
            t_ns = 10**12 + round(t_s * 1e9)
            tracker.step(t_ns, scan_of(pose, centre - [share * LENGTH_M * facing, 0.0], k, t_ns, rng))
        tracker.tick(t_ns)
    assert tracker.n_ids == 1
    assert tracker.store.X[0, at.EAST] == pytest.approx(centre[0], abs=4.0 * 2.2)


@pytest.mark.parametrize("post", [(-4.0, 3.5), (-3.4, 3.5), (-3.0, 4.5), (3.4, 3.5), (3.0, 4.5), (4.0, 3.5)])
def test_what_stands_between_a_pole_and_a_passing_lorry_does_not_stop_it(post):
    """Any point of the flank may show there, each at a rate of its own; a post has the rate of none."""
    aside_m = 7.4
    ends = np.array([np.linspace(-300.0, 300.0, 301), np.full(301, aside_m)]).T
    lanes = lane_cells(ends, np.full(301, math.pi), np.array([-300.0, -50.0]), np.array([300.0, 50.0]))
    poses = [pose_of(q, math.pi * q, math.pi) for q in range(2)]
    tracker, rng = Tracker(FusionConfig(), poses, [], id_base=0, lanes=lanes), np.random.default_rng(3)
    for k in range(240):
        t_s = k * PERIOD_S
        t_ns, along_m = 10**12 + round(t_s * 1e9), 180.0 - SPEED_MPS * t_s
        facing = np.clip(along_m / math.hypot(along_m, aside_m) / 0.3, -1.0, 1.0)
        for pose in poses:
            point = np.array([along_m - 0.42 * LENGTH_M * facing, aside_m - 1.25 * (1.0 - facing**2)])
            tracker.step(t_ns, scan_of(pose, point, k, t_ns, rng))
    before = tracker.store.X[0, at.V_EAST]
    seen = scan_of(poses[int(post[0] < 0.0)], np.array(post), 240, t_ns + 150_000_000, rng)
    seen.range_rate_mps[:] = 0.0
    assert len(seen.range_m) == 1
    assert before == pytest.approx(-SPEED_MPS, abs=1.0)
    tracker.step(seen.stamp_ns, seen)
    assert tracker.store.X[0, at.V_EAST] == pytest.approx(before, abs=0.5)


@numba.njit
def within(radars, d_e, d_n):
    """Call the kernel, which only kernels can."""
    return within_edge_m(radars, 0, d_e, d_n)


@numba.njit
def surely(radars, states):
    """The same."""
    return is_surely_in_field(radars, 0, states, 0)


@given(
    half_rad=st.floats(0.2, 2.9), boresight_rad=st.floats(-3.1, 3.1), off_rad=st.floats(-3.1, 3.1),
    far_m=st.floats(1.0, 300.0),
)  # fmt: skip
def test_the_side_of_a_field_is_as_far_as_its_nearest_point(half_rad, boresight_rad, off_rad, far_m):
    """Against the foot of the perpendicular on the line through the nearer side."""
    radars = poses_of([pose_of(0, boresight_rad, 2.0 * half_rad)])
    place = far_m * np.array([math.cos(boresight_rad + off_rad), math.sin(boresight_rad + off_rad)])
    side = boresight_rad + math.copysign(half_rad, off_rad)
    along = np.array([math.cos(side), math.sin(side)])
    foot = float(np.hypot(*(place - (place @ along) * along)))
    found = within(radars, place[0], place[1])
    assert abs(found) == pytest.approx(foot, abs=1e-6 * far_m)
    if abs(abs(off_rad) - half_rad) > 1e-6 and abs(off_rad) > half_rad - math.pi:
        assert (found > 0.0) == (abs(off_rad) < half_rad)


def test_a_missed_track_is_no_less_sure_to_be_seen():
    """Its place grows uncertain, its body does not: else nothing would miss a false track any more."""
    states = States(np.zeros((1, at.N_X)), np.zeros((1, at.N_DIM, at.N_DIM)))
    states.X[0, at.EAST], states.X[0, at.EXTENT] = 100.0, 4.0
    radars = poses_of([pose_of(0, 0.0, 2.0)])
    for within_m, sure in ((60.0, True), (6.1, True), (5.9, False), (-1.0, False)):
        states.P[0] = 0.0
        states.P[0, at.EXTENT, at.EXTENT] = 2.0**2
        states.X[0, at.NORTH] = (100.0 * math.sin(1.0) - within_m) / math.cos(1.0)
        found = surely(radars, states)
        assert found == sure
        states.P[0, at.EAST, at.EAST] = states.P[0, at.NORTH, at.NORTH] = 25.0
        assert surely(radars, states) == found


def test_a_field_all_round_has_no_sides():
    assert within(poses_of([pose_of(0, 0.3, 2.0 * math.pi)]), -10.0, -3.0) == math.inf
