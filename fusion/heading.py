"""Where a vehicle points: told by its velocity while it drives, remembered while it creeps or stands."""

import math

import numpy as np

from core.arrays import F2, F3, F64, I64
from core.kernel import kernel
from fusion.layout import HEADING, V_EAST, V_NORTH

COURSE_MPS = 1.0  # above: the velocity tells the course
COURSE_SIGMAS = 3.0  # of the velocity, or its direction is noise
REVERSE_MPS, REVERSE_RAD = 8.0, 2.6  # slower, and turned so far between two measurements: it backs


@kernel(inner=True)
def _wrapped(angle_rad: float) -> float:
    """Return the angle in (-pi, pi]."""
    return angle_rad - 2.0 * math.pi * math.ceil((angle_rad - math.pi) / (2.0 * math.pi))


@kernel(inner=True)
def told_heading(v_east: float, v_north: float, var: float, remembered: float) -> float:
    """Return the heading [rad] of a velocity whose variances sum to var, or the remembered one."""
    speed2 = v_east * v_east + v_north * v_north
    if speed2 >= REVERSE_MPS**2 and speed2 > COURSE_SIGMAS**2 * var:
        return math.atan2(v_north, v_east)
    return remembered


@kernel
def heading_of(X: F2, P: F3, i: int) -> float:
    """Return the heading of row i [rad], NaN unknown."""
    return float(told_heading(X[i, V_EAST], X[i, V_NORTH], P[i, 2, 2] + P[i, 3, 3], X[i, HEADING]))


@kernel(inner=True)
def follow(X: F2, i: int, var: float, v_east: float, v_north: float, var_before: float) -> None:
    """Remember the heading of row i after a measurement, if its velocity alone will not tell it.

    One that backs keeps its heading: its antenna stays in front.
    var : its velocity's variances, summed;  v_east, v_north, var_before : the same before the measurement
    """
    speed2 = X[i, V_EAST] ** 2 + X[i, V_NORTH] ** 2
    sure = speed2 > COURSE_SIGMAS**2 * var
    if sure and speed2 >= REVERSE_MPS**2:
        return
    before = told_heading(v_east, v_north, var_before, X[i, HEADING])
    X[i, HEADING] = before
    if sure and speed2 > COURSE_MPS**2:
        course = math.atan2(X[i, V_NORTH], X[i, V_EAST])
        if not abs(_wrapped(course - before)) > REVERSE_RAD:  # NaN: none known yet
            X[i, HEADING] = course


@kernel(inner=True)
def axis_of(X: F2, i: int) -> tuple[float, float]:
    """Return the line that row i drives along as a unit vector, NaN unknown."""
    speed = math.sqrt(X[i, V_EAST] ** 2 + X[i, V_NORTH] ** 2)
    if speed > COURSE_MPS:
        return X[i, V_EAST] / speed, X[i, V_NORTH] / speed
    return math.cos(X[i, HEADING]), math.sin(X[i, HEADING])


def headings_of(X: F64, P: F64, rows: I64) -> F64:
    """Return the headings of the rows [rad], as `heading_of` tells them (n,)."""
    v_east, v_north = X[rows, V_EAST], X[rows, V_NORTH]
    speed2 = v_east**2 + v_north**2
    told = (speed2 >= REVERSE_MPS**2) & (speed2 > COURSE_SIGMAS**2 * (P[rows, 2, 2] + P[rows, 3, 3]))
    headings: F64 = np.where(told, np.arctan2(v_north, v_east), X[rows, HEADING])
    return headings
