"""A detection of a vehicle has the range rate that the velocity of the vehicle gives at the detected place.

The gate of `fusion.association` expects the rate of one point of the body and linearises about it. Beside a
pole that point may be anywhere on the flank, from which the beam looks ahead or back, so that every rate
between those of approach and departure is as good: a standing object beside the lorry would stop it. At the
place that radar measured nothing is left open but the velocity, and how high above the road the point lies.
"""

import math

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at
from fusion.extent import SWERVE_VAR, is_driving
from fusion.layout import States
from fusion.observations import TARGET_HEIGHT_M

HEIGHT_M_MAX = 4.0  # of a reflecting point above the road: the top of a lorry (GB 1589-2016, 4.1)


@kernel(inner=True)
def _slope(drop: float, slant: float) -> float:
    """Return the cosine of the angle by which a radar looks down at a point `drop` below it."""
    return math.sqrt(max(1.0 - drop * drop / (slant * slant), 0.0))


@kernel(inner=True)
def moves_alike(states: States, j: int, seen: F2, d: int, radars: F2, q: int, gate: float) -> bool:
    """Return whether detection d of radar q may move with predicted track j: true where it has no rate.

    gate : how large the squared deviation may be, in variances
    """
    if math.isnan(seen[d, at.S_RATE]):
        return True
    X, P = states.X, states.P
    v_e, v_n = X[j, at.V_EAST], X[j, at.V_NORTH]
    c, s, drop = seen[d, at.S_COS], seen[d, at.S_SIN], seen[d, at.S_DROP]
    ahead, aside = c * v_e + s * v_n, c * v_n - s * v_e  # of the velocity along the beam, in the plane
    p00, p01, p11 = P[j, at.V_EAST, at.V_EAST], P[j, at.V_EAST, at.V_NORTH], P[j, at.V_NORTH, at.V_NORTH]
    var = c * c * p00 + 2.0 * c * s * p01 + s * s * p11 + (aside * radars[q, at.R_S_AZIMUTH]) ** 2
    rate = seen[d, at.S_RATE]
    if is_driving(v_e, v_n, p00 + p11):
        off_e = seen[d, at.S_EAST] - X[j, at.EAST]
        off_n = seen[d, at.S_NORTH] - X[j, at.NORTH]
        turn = (s * off_e - c * off_n) / math.sqrt(v_e * v_e + v_n * v_n)
        ahead += turn * X[j, at.BEND]
        var += turn * turn * (P[j, at.BEND, at.BEND] + SWERVE_VAR)
    lowest = highest = ahead
    if drop > 0.0:  # 0: the object of a radar, which is a place in the plane
        slant = max(seen[d, at.S_RANGE], 1.0)
        steep = ahead * _slope(drop + TARGET_HEIGHT_M, slant)
        level = ahead * _slope(max(drop + TARGET_HEIGHT_M - HEIGHT_M_MAX, 0.0), slant)
        lowest, highest = min(steep, level), max(steep, level)
    off = max(lowest - rate, rate - highest, 0.0)
    return bool(off * off < gate * (var + radars[q, at.R_S_RATE] ** 2))
