"""Drivers who keep their lane, drivers who leave it, and errors with a correlation in time, for kernels.

A place is that of the footprint's edge over the line [m]: 0 on it, positive outside.
"""

import math
from typing import NamedTuple

import numpy as np

from core.arrays import F1
from core.kernel import kernel

MARGIN_M = 0.625  # of a truck of 2.5 m in the middle of a lane of 3.75 m
# an in-lane swerve: to the line and back, so deep and so long
SWERVE_M, SWERVE_S = 0.4, 2.5
# numbers of a driver's state: wander, time into a swerve (negative: none), way drifted
WANDER, SWERVE, DRIFT = range(3)
N_DRIVER = 3


class Driver(NamedTuple):
    """How someone drives. The wander is an Ornstein-Uhlenbeck process that stops at either line."""

    centre_m: float  # mean place of the edge
    wander_m: float
    wander_tau_s: float
    swerve_each_s: float  # 0: never


class Error(NamedTuple):
    """An AR(1) error: its true sigma and correlation time, and those that are stated to the detectors."""

    sigma_m: float
    tau_s: float  # 0: white
    told_sigma_m: float
    told_tau_s: float


TYPICAL = Driver(-MARGIN_M, 0.2, 4.0, 0.0)
# None of them crosses the line. Which one is hardest depends on the error: the wanderers for tests of drifts,
# the last one for tests of places.
FAMILY = {
    "typical": TYPICAL,
    "wanders": Driver(-MARGIN_M, 0.3, 4.0, 0.0),
    "restless": Driver(-MARGIN_M, 0.25, 2.0, 0.0),
    "off_centre": Driver(-0.375, 0.2, 4.0, 0.0),
    "swerves": Driver(-MARGIN_M, 0.2, 4.0, 60.0),
    "on_line": Driver(0.0, 0.0, 4.0, 0.0),
}


def honest(sigma_m: float, tau_s: float) -> Error:
    """Return an error that the detectors know."""
    return Error(sigma_m, tau_s, sigma_m, tau_s)


@kernel(inner=True)
def seed_noise(seed: int) -> None:
    """Seed the noise of this thread's kernels; NumPy's own is another."""
    np.random.seed(seed)  # noqa: TID251


@kernel(inner=True)
def begin(driver: Driver, own: F1) -> None:
    """Start a driver's state (N_DRIVER,)."""
    own[WANDER] = driver.wander_m * np.random.standard_normal()
    own[SWERVE], own[DRIFT] = -1.0, 0.0


@kernel(inner=True)
def place_m(driver: Driver, own: F1, dt_s: float) -> float:
    """Advance a driver by dt_s; return the edge's place without its drift."""
    keep = math.exp(-dt_s / driver.wander_tau_s)
    fresh = driver.wander_m * math.sqrt(1.0 - keep * keep)
    wander = keep * own[WANDER] + fresh * np.random.standard_normal()
    own[WANDER] = min(max(wander, -2.0 * MARGIN_M - driver.centre_m), -driver.centre_m)
    place = driver.centre_m + own[WANDER]
    if driver.swerve_each_s > 0.0 and own[SWERVE] < 0.0 and np.random.random() < dt_s / driver.swerve_each_s:
        own[SWERVE] = 0.0
    if own[SWERVE] >= 0.0:
        own[SWERVE] += dt_s
        turn = 2.0 * math.pi * min(own[SWERVE] / SWERVE_S, 1.0)
        place = min(place + SWERVE_M / 2.0 * (1.0 - math.cos(turn)), 0.0)
        if own[SWERVE] >= SWERVE_S:
            own[SWERVE] = -1.0
    return float(place)


@kernel(inner=True)
def departing_m(driver: Driver, own: F1, v_mps: float, dt_s: float) -> float:
    """Advance a driver who drifts out at v_mps by dt_s; return the edge's place."""
    own[DRIFT] += v_mps * dt_s
    return place_m(driver, own, dt_s) + float(own[DRIFT])


@kernel(inner=True)
def next_error_m(before_m: float, error: Error, dt_s: float) -> float:
    """Return the error after `before_m`."""
    keep = math.exp(-dt_s / error.tau_s) if error.tau_s > 0.0 else 0.0
    fresh = error.sigma_m * math.sqrt(1.0 - keep * keep)
    return float(keep * before_m + fresh * np.random.standard_normal())
