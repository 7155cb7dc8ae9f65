"""The heading of a vehicle: the direction of its velocity while it drives, else the last known heading."""

import math

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at
from fusion.layout import States

DRIVING_MPS = 1.0  # above: the velocity gives the course
COURSE_SIGMAS = 3.0  # a velocity must exceed so many of its sigmas; else its direction is noise
REVERSE_MPS, REVERSE_RAD = 8.0, 2.6  # a slower vehicle whose velocity turns so far reverses
# The velocity of a slower vehicle is too uncertain to show how its body lies. So the body's axis turns
# towards the velocity slowly, over FOLLOWS_M of driving. That must be more than any extent, or errors grow by
# themselves: where radar sees the rear, an axis that turns moves the middle aside, that changes the velocity,
# and the velocity turns the axis further.
FOLLOWS_MPS, FOLLOWS_M = 6.0, 12.0
TURNED_RAD = 0.45  # a sure velocity that differs by more shows a corner: the axis follows at once
CREEPS_MPS = 3.0  # but below this it may be what a radar's own tracker makes of places that wander


@kernel(inner=True)
def _wrapped(angle_rad: float) -> float:
    """Return the angle in (-pi, pi]."""
    return angle_rad - 2.0 * math.pi * math.ceil((angle_rad - math.pi) / (2.0 * math.pi))


@kernel(inner=True)
def heading_from(v_east: float, v_north: float, var: float, remembered: float) -> float:
    """Return the heading [rad] of a velocity with variances of sum var; `remembered` if it is uncertain."""
    speed2 = v_east * v_east + v_north * v_north
    if speed2 >= REVERSE_MPS**2 and speed2 > COURSE_SIGMAS**2 * var:
        return math.atan2(v_north, v_east)
    return remembered


@kernel
def heading_of(states: States, i: int) -> float:
    """Return the heading of row i [rad], NaN unknown."""
    X, P = states.X, states.P
    var = P[i, at.V_EAST, at.V_EAST] + P[i, at.V_NORTH, at.V_NORTH]
    return float(heading_from(X[i, at.V_EAST], X[i, at.V_NORTH], var, X[i, at.HEADING]))


@kernel(inner=True)
def _is_corner(turn: float, before: float, course: float, lane: float, speed2: float) -> bool:
    """Return whether a sure course shows a corner; one that creeps turns none away from its lane's axis.

    lane : its direction, NaN unknown
    """
    if abs(turn) < TURNED_RAD:  # NaN is not
        return False
    aside = abs(math.sin(course - lane)) > abs(math.sin(before - lane))  # NaN is not
    return not (aside and speed2 < CREEPS_MPS**2)


@kernel(inner=True)
def remember_heading(X: F2, i: int, var: float, v_east: float, v_north: float, var_before: float) -> None:
    """Store the heading of row i after a measurement, if its velocity is too small to give it later.

    A vehicle that reverses keeps its heading: its antenna stays where it is.
    var : sum of the variances of its velocity [m^2/s^2]
    v_east, v_north, var_before : velocity and that sum before the measurement
    """
    speed2 = X[i, at.V_EAST] ** 2 + X[i, at.V_NORTH] ** 2
    sure = speed2 > COURSE_SIGMAS**2 * var
    if sure and speed2 >= REVERSE_MPS**2:
        return
    before = heading_from(v_east, v_north, var_before, X[i, at.HEADING])
    X[i, at.HEADING] = before
    if sure and speed2 > DRIVING_MPS**2:
        course = math.atan2(X[i, at.V_NORTH], X[i, at.V_EAST])
        turn, share = _wrapped(course - before), 1.0
        if speed2 < FOLLOWS_MPS**2 and not _is_corner(turn, before, course, X[i, at.AXIS], speed2):
            share = 1.0 - math.exp(-X[i, at.DRIVEN] / FOLLOWS_M)
        if math.isnan(turn):  # none known yet
            X[i, at.HEADING] = course
        elif not abs(turn) > REVERSE_RAD:
            X[i, at.HEADING] = _wrapped(before + share * turn)
        X[i, at.DRIVEN] = 0.0


@kernel(inner=True)
def is_course_sure(states: States, i: int) -> bool:
    """Return whether the velocity of row i gives its course."""
    X, P = states.X, states.P
    var = P[i, at.V_EAST, at.V_EAST] + P[i, at.V_NORTH, at.V_NORTH]
    speed2 = X[i, at.V_EAST] ** 2 + X[i, at.V_NORTH] ** 2
    return bool(speed2 > max(COURSE_SIGMAS**2 * var, DRIVING_MPS**2))


@kernel(inner=True)
def axis_of(X: F2, i: int) -> tuple[float, float]:
    """Return the direction of the body of row i as a unit vector, NaN unknown."""
    speed = math.sqrt(X[i, at.V_EAST] ** 2 + X[i, at.V_NORTH] ** 2)
    if speed > FOLLOWS_MPS or (speed > DRIVING_MPS and math.isnan(X[i, at.HEADING])):
        return X[i, at.V_EAST] / speed, X[i, at.V_NORTH] / speed
    return math.cos(X[i, at.HEADING]), math.sin(X[i, at.HEADING])


@kernel(inner=True)
def follow_lane(X: F2, i: int, lane: float) -> None:
    """Turn the heading of row i, which is slow, with the lane, whose direction was X[i, AXIS] before."""
    turn = _wrapped(lane - X[i, at.AXIS])
    speed2 = X[i, at.V_EAST] ** 2 + X[i, at.V_NORTH] ** 2
    if abs(turn) < TURNED_RAD and speed2 < FOLLOWS_MPS**2:
        X[i, at.HEADING] = _wrapped(X[i, at.HEADING] + turn)
