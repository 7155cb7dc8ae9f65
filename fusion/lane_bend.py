"""The bend of the lane as the tracker uses it: who follows a road turns where the road does.

A filter that learns a bend from places alone is behind by metres where a car enters a sharp one before a weak
radar. The map knows the curvature k of each lane: at the speed v the acceleration across the course is k v^2.
What of the state's BEND the lane accounts for is remembered; as curvature or speed change under a vehicle on
its course, BEND changes with it at once, and its variance by what drivers and maps differ from it. What the
state has beside the lane's bend, a driver's own, stays. Without a map, or off the lanes, a bend is learnt.
"""

import math

from core.kernel import kernel
from fusion import layout as at
from fusion.layout import States

ALONG_MIN = math.cos(math.radians(20.0))  # a course that is further off the lane's does not follow it
SLOWEST_MPS = 4.0  # the course of a slower one is not sure; a bend of 60 m pushes it by less than 0.3 m/s^2
ACROSS_MPS2_MAX = 5.0  # who would be pushed harder in the lane's bend does not follow it so fast
DIFFERS = 0.3  # 1 sigma of the acceleration that vehicles have beside the lane's, as a share of its change


@kernel(inner=True)
def _curvature(states: States, i: int, lane: float, bend: float, speed: float) -> float:
    """Return the curvature of the lane as row i drives on it [1/m], positive to the left; NaN unknown.

    lane, bend : the lane's direction [rad] and its curvature in that direction, NaN unknown
    """
    along = (states.X[i, at.V_EAST] * math.cos(lane) + states.X[i, at.V_NORTH] * math.sin(lane)) / speed
    if along >= ALONG_MIN:
        return bend
    return -bend if along <= -ALONG_MIN else math.nan  # NaN is neither


@kernel(inner=True)
def _of_lane(states: States, i: int, lane: float, bend: float) -> float:
    """Return the acceleration to the left of who drives as row i along its lane [m/s^2], NaN unknown."""
    speed = math.sqrt(states.X[i, at.V_EAST] ** 2 + states.X[i, at.V_NORTH] ** 2)
    if not speed >= SLOWEST_MPS:
        return 0.0
    turning = _curvature(states, i, lane, bend, speed) * speed * speed
    return math.copysign(min(abs(turning), ACROSS_MPS2_MAX), turning)


@kernel(inner=True)
def follow_bend(states: States, i: int, lane: float, bend: float) -> None:
    """Turn row i with its lane: add what the lane's bend and its speed have changed since the last look."""
    X, P = states.X, states.P
    now = _of_lane(states, i, lane, bend)
    changed = now - X[i, at.LANE_BEND]
    if not math.isnan(changed):
        X[i, at.BEND] += changed
        P[i, at.BEND, at.BEND] += (DIFFERS * changed) ** 2
    X[i, at.LANE_BEND] = now


@kernel(inner=True)
def begin_in_bend(states: States, i: int, lane: float, bend: float) -> None:
    """Give row i, which begins, the bend of its lane; its velocity has a covariance already."""
    X, P = states.X, states.P
    X[i, at.LANE_BEND] = now = _of_lane(states, i, lane, bend)
    if not math.isnan(now):
        speed2 = X[i, at.V_EAST] ** 2 + X[i, at.V_NORTH] ** 2
        var = P[i, at.V_EAST, at.V_EAST] + P[i, at.V_NORTH, at.V_NORTH]
        X[i, at.BEND] = now
        P[i, at.BEND, at.BEND] += now * now * (DIFFERS * DIFFERS + 4.0 * var / max(speed2, SLOWEST_MPS**2))
