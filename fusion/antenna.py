"""The centre of a vehicle under the antenna of its terminal, in a bend too."""

import math

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at
from fusion.heading import heading_of
from fusion.layout import States
from fusion.models import centre_of
from fusion.turning import bend_of, lag_of


@kernel
def centre_under(states: States, i: int, M: F2, k: int) -> tuple[float, float, float]:
    """Return the centre of row i's vehicle by fix k, and the variance that its unknown heading adds.

    Where its antenna is far ahead, so is its front: l is a share of the arm, if the extent is no larger.
    """
    X, P, heading = states.X, states.P, heading_of(states, i)
    speed2 = X[i, at.V_EAST] * X[i, at.V_EAST] + X[i, at.V_NORTH] * X[i, at.V_NORTH]
    bend = bend_of(X[i, at.BEND], P[i, at.BEND, at.BEND], speed2)
    if bend[0] == 0.0 or math.isnan(heading):
        return centre_of(M, k, heading)
    forward = M[k, at.Z_FORWARD]
    lag, var = lag_of(max(X[i, at.EXTENT], abs(forward)), -math.copysign(1.0, forward), bend)
    east, north, r = centre_of(M, k, heading - lag)
    return east, north, r + forward * forward * var
