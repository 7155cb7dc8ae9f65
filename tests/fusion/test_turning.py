"""A body in a bend against lorries whose axles roll: integrated numerically, with and without a trailer."""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from core.arrays import F64
from fusion import layout as at
from fusion.antenna import centre_under
from fusion.config import FusionConfig, RadarPose
from fusion.extent import scans_alike
from fusion.measurement import apply
from fusion.models import centre_of, predict
from fusion.track_store import TrackStore
from fusion.turning import RADIUS_M_MAX, SLIP, SLIP_SIGMA, STRAIGHT, bend_of, lag_of

DT_S, STRAIGHT_M, BEND_M = 0.005, 20.0, 40.0
JERK_MPS3 = 0.5  # a road's transition is so long that the acceleration across grows no faster
SEEN = 0.42  # of the length, from the middle to where radar sees an end
POSE = RadarPose(
    sensor="R", east_m=-80.0, north_m=0.0, height_m=1.0, boresight_rad=0.0, range_m_max=300.0, fov_rad=3.0,
    sigma_range_m=0.2, sigma_azimuth_rad=0.001, sigma_range_rate_mps=0.1, accepted=True,
)  # fmt: skip


class Lorry(NamedTuple):
    """Lengths along a vehicle [m]."""

    length: float
    nose: float  # its front, ahead of the steered axle
    wheelbase: float  # from the steered axle to the one that is not
    pin: float = 0.0  # kingpin ahead of that
    trailer: float = 0.0  # from the kingpin to the trailer's axles; 0 it has none


RIGID = Lorry(10.0, 1.4, 5.6)
LONG = Lorry(12.0, 1.5, 7.0)
TANKER = Lorry(16.5, 1.4, 3.7, 0.6, 7.6)  # Directive 96/53/EC: 12 m from the kingpin to the rear
LORRIES = [RIGID, LONG, TANKER]
# Radius [m], positive to the left, and speed: no lorry drives with more than 3 m/s^2 across
BENDS = [
    (sign * radius, speed)
    for sign in (1.0, -1.0)
    for radius, speed in ((25.0, 8.0), (50.0, 8.0), (50.0, 12.0), (100.0, 8.0), (100.0, 16.0), (250.0, 20.0))
]


class Drive(NamedTuple):
    """Where a lorry is, a row each DT_S."""

    steered: F64  # (n, 2) its first axle
    tractor: F64  # (n,) headings [rad]
    trailer: F64


def eased(radius: float, speed: float) -> float:
    """Return the length of the transition from the straight to the bend [m]."""
    return speed**3 / abs(radius) / JERK_MPS3


@cache
def driven(lorry: Lorry, radius: float, speed: float, slip: float) -> Drive:
    """Drive a straight, then a bend; an axle slips by `slip` [rad] per acceleration across [m/s^2]."""
    ease_m = eased(radius, speed)
    n = int((STRAIGHT_M + ease_m + BEND_M) / (speed * DT_S))
    steered, headings = np.zeros((n, 2)), np.zeros((n, 2))
    east = north = course = tractor = trailer = 0.0
    for j in range(n):
        steered[j], headings[j] = (east, north), (tractor, trailer if lorry.trailer else tractor)
        k = min(1.0, max(0.0, (j * DT_S * speed - STRAIGHT_M) / ease_m)) / radius
        steer, outward = course - tractor, slip * speed * speed * k * speed  # velocity of the axle sideways
        yaw = (speed * math.sin(steer) + outward) / lorry.wheelbase
        if lorry.trailer:
            fold = tractor - trailer
            ahead, aside = speed * math.cos(steer), yaw * lorry.pin - outward  # of the kingpin
            trailer += DT_S * (ahead * math.sin(fold) + aside * math.cos(fold) + outward) / lorry.trailer
        tractor += DT_S * yaw
        east, north = east + DT_S * speed * math.cos(course), north + DT_S * speed * math.sin(course)
        course += DT_S * speed * k
    return Drive(steered, headings[:, 0], headings[:, 1])


def places(lorry: Lorry, drive: Drive, ahead: float) -> F64:
    """Return the places (n, 2) of the point so far ahead of the middle, along the body."""
    behind = lorry.length / 2.0 - lorry.nose - ahead  # the steered axle
    pin = lorry.wheelbase - lorry.pin if lorry.trailer else math.inf
    first, rest = min(behind, pin), max(0.0, behind - pin)
    tractor = np.column_stack([np.cos(drive.tractor), np.sin(drive.tractor)])
    trailer = np.column_stack([np.cos(drive.trailer), np.sin(drive.trailer)])
    return np.asarray(drive.steered - first * tractor - rest * trailer)


def moving(lorry: Lorry, drive: Drive, j: int) -> tuple[F64, F64, float]:
    """Return place and velocity of the middle at row j, and its acceleration to the left."""
    before, now, after = places(lorry, Drive(*(column[j - 1 : j + 2] for column in drive)), 0.0)
    velocity, acceleration = (after - before) / (2.0 * DT_S), (after - 2.0 * now + before) / DT_S**2
    left = np.array([-velocity[1], velocity[0]]) / np.hypot(*velocity)
    return now, velocity, float(acceleration @ left)


@pytest.mark.parametrize("slip", [SLIP - SLIP_SIGMA, SLIP, SLIP + SLIP_SIGMA])
@pytest.mark.parametrize("lorry", LORRIES)
def test_the_angle_of_a_body_is_that_of_axles_that_roll(lorry, slip):
    """Each end within 1.5 sigma; what is behind of all kinds within a tenth of the extent of the mean."""
    for radius, speed in BENDS:
        drive = driven(lorry, radius, speed, slip)
        place, velocity, acceleration = moving(lorry, drive, -3)
        bend = bend_of.py_func(acceleration, 0.0, float(velocity @ velocity))
        left = np.array([-velocity[1], velocity[0]]) / np.hypot(*velocity)
        for behind in (1.0, -1.0):
            arm = SEEN * lorry.length
            angle, var = lag_of.py_func(arm, behind, bend)
            truth = float((places(lorry, drive, -behind * arm)[-3] - place) @ left)
            assert abs(truth - behind * arm * math.sin(angle)) < 1.5 * arm * math.sqrt(var), (radius, behind)
            if behind > 0.0 and slip == SLIP:
                assert truth == pytest.approx(arm * angle, abs=0.1 * arm * arm / abs(radius))


def test_the_rear_cuts_the_corner_when_slow_and_drifts_out_when_fast():
    for radius, speed, sign in ((50.0, 6.0, 1.0), (-50.0, 6.0, -1.0), (250.0, 25.0, -1.0)):
        drive = driven(TANKER, radius, speed, SLIP)
        place, velocity, acceleration = moving(TANKER, drive, -3)
        left = np.array([-velocity[1], velocity[0]])
        angle, _ = lag_of.py_func(SEEN * TANKER.length, 1.0, bend_of.py_func(acceleration, 0.0, speed**2))
        assert math.copysign(1.0, angle) == sign
        assert math.copysign(1.0, (places(TANKER, drive, -8.0)[-3] - place) @ left) == sign


@pytest.mark.parametrize(("acceleration", "var", "speed"), [
    (0.0, 0.01, 20.0),
    (0.29, 0.01, 5.0),                        # noise of the state may be it
    (0.99 * 20.0**2 / RADIUS_M_MAX, 0.0, 20.0),  # too wide
    (1.0, 0.0, 3.9),                          # has slowed down since
])  # fmt: skip
def test_what_is_no_sure_bend_is_straight(acceleration, var, speed):
    assert bend_of.py_func(acceleration, var, speed**2) == STRAIGHT


def lorry_at(bend: float) -> TrackStore:
    store = TrackStore(FusionConfig(tracks_max=4), [POSE])
    store.X[0, : at.N_RADAR] = 10.0, -5.0, 8.0, 6.0, bend, 5.0
    store.P[0] = 0.01 * np.eye(at.N_DIM)
    store.X[0, at.BIAS_TAU] = 30.0
    return store


@pytest.mark.parametrize("lorry", LORRIES)
@pytest.mark.parametrize(("radius", "speed"), [(50.0, 8.0), (-50.0, 8.0), (100.0, 14.0)])
def test_an_antenna_on_the_cab_is_beside_the_course_in_a_bend(lorry, radius, speed):
    drive, arm = driven(lorry, radius, speed, SLIP), 0.38 * lorry.length
    place, velocity, acceleration = moving(lorry, drive, -3)
    store = lorry_at(acceleration)
    store.X[0, [at.V_EAST, at.V_NORTH, at.EXTENT]] = *velocity, SEEN * lorry.length
    store.X[0, at.HEADING] = math.atan2(velocity[1], velocity[0])
    M = np.zeros((1, at.N_MEAS))
    M[0, [at.Z_EAST, at.Z_NORTH]] = places(lorry, drive, arm)[-3]
    M[0, at.Z_FORWARD], M[0, at.Z_HEADING] = arm, math.nan
    east, north, r = centre_under(store.tracks.states, 0, M, 0)
    assert math.hypot(east - place[0], north - place[1]) < 1.5 * math.sqrt(r)
    assert r < 0.25**2


def test_an_antenna_on_a_straight_road_is_where_its_arm_says():
    store, M = lorry_at(0.05), np.zeros((1, at.N_MEAS))
    M[0, [at.Z_EAST, at.Z_NORTH, at.Z_FORWARD, at.Z_LEFT]] = 14.0, -2.0, 5.0, 0.5
    want = centre_of(M, 0, math.atan2(6.0, 8.0))
    assert centre_under(store.tracks.states, 0, M, 0) == want


def errors_across(lorry: Lorry, radius: float, speed: float, side: float, seed: int) -> F64:
    """Return errors to the left and their sigmas (2, n) of a track in a bend, one end of it seen at 20 Hz.

    side : -1 its rear, by the radar behind it; 1 its front, by one before it
    """
    rng, every = np.random.default_rng(seed), round(0.05 / DT_S)
    drive, store, seen = driven(lorry, radius, speed, SLIP), lorry_at(0.0), np.zeros((1, at.N_MEAS))
    store.settings.radars[0, at.R_EAST] = POSE.east_m if side < 0.0 else 180.0
    point = places(lorry, drive, side * SEEN * lorry.length) - store.settings.radars[0, :2]
    rate = np.gradient(np.hypot(*point.T), DT_S)
    store.X[0, : at.N_RADAR] = *places(lorry, drive, 0.0)[0], speed, 0.0, 0.0, SEEN * lorry.length
    store.P[0] = np.diag([0.1, 0.1, 0.1, 0.1, 0.25, 0.01, 0.0, 0.0])
    store.X[0, [at.CALM_ALONG, at.CALM_CROSS]] = 0.5
    seen[0, [at.WHAT, at.Z_LANE, at.Z_ALONG, at.Z_OFTEN]] = at.POLAR, math.nan, 0.01, scans_alike(0.05, 1.0)
    out = []
    for j in range(every, len(point) - 2, every):
        predict(store.tracks.states, 0, 0.05, store.settings.tuning)
        bearing = math.atan2(point[j, 1], point[j, 0]) + POSE.sigma_azimuth_rad * rng.normal()
        seen[0, [at.Z_COS, at.Z_SIN]] = math.cos(bearing), math.sin(bearing)
        seen[0, at.Z_RANGE] = np.hypot(*point[j]) + POSE.sigma_range_m * rng.normal()
        seen[0, at.Z_RATE] = rate[j] + POSE.sigma_range_rate_mps * rng.normal()
        apply(store.tracks.states, 0, seen, 0, store.settings, store.scratch.vector)
        if j * DT_S * speed > STRAIGHT_M:
            place, velocity, _ = moving(lorry, drive, j)
            left = np.array([-velocity[1], velocity[0]]) / np.hypot(*velocity)
            out.append((left @ (store.X[0, :2] - place), math.sqrt(left @ store.P[0, :2, :2] @ left)))
    return np.array(out).T


@pytest.mark.parametrize(("lorry", "radius", "speed", "most"), [
    (LONG, 100.0, 16.0, 2.0),
    (TANKER, 100.0, 16.0, 4.0),
    (TANKER, -100.0, 16.0, 4.0),
])  # fmt: skip
def test_a_track_whose_front_is_seen_knows_in_a_bend_how_wrong_it_may_be(lorry, radius, speed, most):
    """NEES across; as a rod along its course: 4, 30 and 30, the sigma being 3 cm."""
    error, sigma = np.hstack([errors_across(lorry, radius, speed, 1.0, seed) for seed in range(2)])
    assert np.mean((error / sigma) ** 2) < most


@pytest.mark.parametrize(("bend", "sigma"), [(0.3, 0.5), (-0.3, 0.5), (2.0, 2.0), (-2.0, 2.0)])
def test_a_sharp_bend_changes_by_as_much_as_it_is(bend, sigma):
    store = lorry_at(bend)
    predict(store.tracks.states, 0, 0.5, store.settings.tuning)
    keep2 = math.exp(-2.0 * 0.5 / FusionConfig().bend_tau_s)
    assert store.P[0, at.BEND, at.BEND] == pytest.approx(keep2 * 0.01 + (1.0 - keep2) * sigma**2)
