"""A car enters a sharp bend before a weak radar: the map knows the bend, the filter need not find it."""

import math

import numpy as np
import pytest

from core.arrays import F64
from fusion import layout as at
from fusion.config import FusionConfig
from fusion.lane_bend import ACROSS_MPS2_MAX
from fusion.lanes import lane_cells, no_lanes
from fusion.layout import LaneCells
from fusion.tracker import Tracker
from tests.support.fusion_world import PERIOD_S, T0_NS, Vehicle, place, pose, scan

RADIUS_M, SPEED_MPS, BEGIN_M = 220.0, 26.0, 230.0
WEAK = pose("R", 520.0, 120.0, math.pi * 1.12, sigma_azimuth_rad=0.005, sigma_range_m=0.4)
STEADY_S = 2.5  # it has its track; it enters the bend right after
LOW, HIGH = np.array([0.0, -60.0]), np.array([700.0, 400.0])


def lanes(radius_m: float, *, reverse: bool = False, noise: float = 0.0) -> LaneCells:
    """Return lanes on the way of `place` with this radius; noise : of their curvature [1/m]"""
    ways = [(s_m, d_m) for d_m in np.arange(-7.5, 8.0, 2.5) for s_m in np.arange(0.0, 560.0, 1.0)]
    rows = [place(Vehicle(s_m, d_m, 1.0), radius_m) for s_m, d_m in ways]
    points, turns = np.array([row[0][:2] for row in rows]), np.array([turn for _, turn in rows])
    bends = np.array([1.0 / radius_m if s_m > 300.0 else 0.0 for s_m, _ in ways])
    bends += noise * np.random.default_rng(8).normal(size=len(bends))
    if reverse:
        return lane_cells(points, turns + math.pi, LOW, HIGH, -bends)
    return lane_cells(points, turns, LOW, HIGH, bends)


def driven(
    cells: LaneCells,
    *,
    radius_m: float = RADIUS_M,
    seed: int = 4,
    restart: bool = False,
    speed_mps: float = SPEED_MPS,
    brakes_mps2: float = 0.0,
) -> tuple[F64, Tracker]:
    """Return the errors across the course (n,) [m] of the car's track from STEADY_S on, and the tracker."""
    tracker, rng = Tracker(FusionConfig(), [WEAK], [], id_base=0, lanes=cells), np.random.default_rng(seed)
    car, errors = Vehicle(BEGIN_M, 0.0, speed_mps), []
    for k in range(round(10.0 / PERIOD_S)):
        now_ns = T0_NS + round(k * PERIOD_S * 1e9)
        state, heading = place(car, radius_m)
        tracker.step(now_ns, scan(WEAK, now_ns, state[None], rng.normal(size=(1, 3))))
        tracker.tick(now_ns)
        rows = np.flatnonzero(tracker.store.ints[:, at.STATUS] == at.CONFIRMED)
        if k * PERIOD_S > STEADY_S:
            off = tracker.store.X[rows, :2] - state[:2]
            e, n = off[np.argmin(np.hypot(*off.T))]
            errors.append(n * math.cos(heading) - e * math.sin(heading))
        if restart and k == 120:
            again = Tracker(FusionConfig(), [WEAK], [], id_base=0, lanes=cells)
            again.restore(tracker.state())
            assert again.state() == tracker.state()
            tracker = again
        car.s_m += car.speed_mps * PERIOD_S
        car.speed_mps = max(car.speed_mps - brakes_mps2 * PERIOD_S, 2.0)
    return np.array(errors), tracker


def rms_m(cells: LaneCells, **options: float) -> float:
    """Return the root mean square error across of four cars [m]."""
    return float(
        np.sqrt(np.mean(np.concatenate([driven(cells, seed=k, **options)[0] for k in range(4)]) ** 2))
    )


def test_a_car_that_turns_with_its_lane_is_not_lost_aside():
    known, found = rms_m(lanes(RADIUS_M)), rms_m(no_lanes())
    assert known < 0.8 * found
    assert known < 0.4
    tracker = driven(lanes(RADIUS_M))[1]
    x = tracker.store.X[np.argmax(tracker.store.ints[:, at.STAMP])]
    assert x[at.BEND] == pytest.approx(SPEED_MPS**2 / RADIUS_M, abs=0.6)
    assert x[at.LANE_BEND] == pytest.approx(SPEED_MPS**2 / RADIUS_M, rel=0.05)


def test_the_direction_in_which_a_lane_is_drawn_does_not_matter():
    assert driven(lanes(RADIUS_M, reverse=True))[0] == pytest.approx(driven(lanes(RADIUS_M))[0], abs=0.1)


def test_a_map_that_errs_is_corrected_by_what_radar_sees():
    """It shows a bend where the road is straight; and each square's curvature is off by that of 1 km."""
    assert rms_m(lanes(RADIUS_M), radius_m=1e6) < 1.4 * rms_m(no_lanes(), radius_m=1e6)
    assert rms_m(lanes(RADIUS_M, noise=1e-3)) < 0.9 * rms_m(no_lanes())


def test_who_brakes_in_a_bend_is_pushed_less():
    """A bend is no acceleration that lasts: at half the speed it is a quarter."""
    tracker = driven(lanes(100.0), radius_m=100.0, speed_mps=14.0, brakes_mps2=1.2)[1]
    x = tracker.store.X[np.argmax(tracker.store.ints[:, at.STAMP])]
    assert math.hypot(x[at.V_EAST], x[at.V_NORTH]) < 3.0
    assert abs(x[at.BEND]) < 0.3, "14 m/s had 2 m/s^2"


def test_nobody_is_pushed_harder_than_a_car_can_turn():
    tracker = driven(lanes(20.0), radius_m=1e6)[1]
    assert abs(tracker.store.X[:, at.BEND]).max() < 2.0 * ACROSS_MPS2_MAX


def test_the_bend_is_kept_over_a_restart():
    assert driven(lanes(RADIUS_M), restart=True)[0] == pytest.approx(driven(lanes(RADIUS_M))[0], abs=0.0)
