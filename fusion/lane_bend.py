"""The bend of the lane as the tracker uses it: who follows a road turns where the road does.

A filter that learns a bend from places alone is behind by metres where a car enters a sharp one before a weak
radar. The map knows the curvature k of each lane: at the speed v the acceleration across the course is k v^2.
So where the lane's curvature changes under a vehicle on its course, its state BEND changes by that much at
once, and its variance by what drivers and maps differ from it; what the state has beside the lane's bend, a
driver's own, stays. Without a map, or off the lanes, a bend is learnt as before.
"""

import math

from core.kernel import kernel
from fusion import layout as at
from fusion.layout import States

ALONG_MIN = math.cos(math.radians(20.0))  # a course that is further off the lane's does not follow it
SLOWEST_MPS = 4.0  # a slower one is pushed by less than 0.3 m/s^2 in a bend of 60 m
ACROSS_MPS2_MAX = 5.0  # who would be pushed harder in the lane's bend does not follow it so fast
DIFFERS = 0.3  # 1 sigma of the acceleration that vehicles have beside the lane's, as a share of its change


@kernel(inner=True)
def _curvature(states: States, i: int, lane: float, bend: float) -> float:
    """Return the curvature of the lane as row i drives on it [1/m], positive to the left; NaN unknown.

    lane, bend : the lane's direction [rad] and its curvature in that direction, NaN unknown
    """
    v_e, v_n = states.X[i, at.V_EAST], states.X[i, at.V_NORTH]
    speed = math.sqrt(v_e * v_e + v_n * v_n)
    if not speed >= SLOWEST_MPS:
        return math.nan
    along = (v_e * math.cos(lane) + v_n * math.sin(lane)) / speed
    if along >= ALONG_MIN:
        return bend
    return -bend if along <= -ALONG_MIN else math.nan  # NaN is neither


@kernel(inner=True)
def _turning(curvature: float, speed2: float) -> float:
    """Return the acceleration to the left of who drives along a curvature at a speed, of which the square."""
    return min(max(curvature * speed2, -ACROSS_MPS2_MAX), ACROSS_MPS2_MAX)


@kernel(inner=True)
def follow_bend(states: States, i: int, lane: float, bend: float) -> None:
    """Turn row i with its lane: add what the lane's bend has changed since it was looked at last."""
    X, P = states.X, states.P
    k = _curvature(states, i, lane, bend)
    if not math.isnan(k - X[i, at.LANE_BEND]):
        speed2 = X[i, at.V_EAST] ** 2 + X[i, at.V_NORTH] ** 2
        changed = _turning(k, speed2) - _turning(X[i, at.LANE_BEND], speed2)
        X[i, at.BEND] += changed
        P[i, at.BEND, at.BEND] += (DIFFERS * changed) ** 2
    X[i, at.LANE_BEND] = k


@kernel(inner=True)
def begin_in_bend(states: States, i: int, lane: float, bend: float) -> None:
    """Give row i, which begins, the bend of its lane; its velocity has a covariance already."""
    X, P = states.X, states.P
    k = _curvature(states, i, lane, bend)
    X[i, at.LANE_BEND] = k
    if not math.isnan(k):
        v_e, v_n = X[i, at.V_EAST], X[i, at.V_NORTH]
        var = P[i, at.V_EAST, at.V_EAST] + P[i, at.V_NORTH, at.V_NORTH]
        speed2 = v_e * v_e + v_n * v_n
        X[i, at.BEND] = _turning(k, speed2)
        P[i, at.BEND, at.BEND] += (DIFFERS * X[i, at.BEND]) ** 2 + 4.0 * k * k * speed2 * var
