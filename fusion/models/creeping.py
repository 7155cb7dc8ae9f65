"""What a vehicle that creeps can't do: move sideways, or turn without moving.

Constant velocity knows neither. When a truck brakes, it takes speed along the course and leaves what the
state has across it, an error of a degree or two, so that at a walking pace that error is most of the
velocity: the course turns, with it the body, and its middle moves aside. On its wheels a vehicle turns by at
most its way over its turning circle, and its middle moves off its axis by the slip of that turn.
"""

import math

from core.kernel import kernel
from fusion import layout as at
from fusion.layout import States

CREEP_MPS = 3.0  # what is faster has a course that its sensors show
SLIP_RAD = 0.15  # 1 sigma of the course off the axis: half a trailer's length over a circle of 25 m, and more
STANDS_MPS = 0.08  # 1 sigma of the velocity across of what stands
HOLDS_S = 0.5  # such a slip lasts so long: it is no new evidence at each step
STEERS_MIN = 0.01  # the least share of the density of acceleration across: of what stands


@kernel(inner=True)
def steering(speed_mps: float, slow_mps: float) -> float:
    """Return the share of the density of acceleration across that a vehicle slower than slow_mps can have."""
    # On a circle it is speed^2 / radius, and the density its square. Only the square of the speed is taken:
    # the speed is not sure either
    share = speed_mps / slow_mps
    return max(share * share, STEERS_MIN)


@kernel
def hold_course(states: States, i: int, dt_s: float) -> None:
    """Fuse into row i that it moved along its axis for dt_s, where it creeps and its axis is known."""
    X, P, VE, VN = states.X, states.P, at.V_EAST, at.V_NORTH
    heading = X[i, at.HEADING]
    if math.isnan(heading):
        return
    c, s, n = math.cos(heading), math.sin(heading), at.N_DIM if X[i, at.BOUND] != 0.0 else at.N_RADAR
    along, across = c * X[i, VE] + s * X[i, VN], c * X[i, VN] - s * X[i, VE]
    if along * along + across * across > CREEP_MPS**2:
        return
    g_e, g_n = c * P[i, VE, VN] - s * P[i, VE, VE], c * P[i, VN, VN] - s * P[i, VE, VN]
    sigma = STANDS_MPS + SLIP_RAD * abs(along)
    over = 1.0 / (c * g_n - s * g_e + sigma * sigma * HOLDS_S / dt_s)
    # the rows of the velocity come last: all others are computed from them
    for a in range(n):
        if a in (VE, VN):
            continue
        g = c * P[i, a, VN] - s * P[i, a, VE]
        X[i, a] -= g * over * across
        for b in range(n):
            if b not in (VE, VN):
                P[i, a, b] -= g * (c * P[i, b, VN] - s * P[i, b, VE]) * over
    for a in range(n):
        if a in (VE, VN):
            continue
        g = c * P[i, a, VN] - s * P[i, a, VE]
        P[i, a, VE] -= g * g_e * over
        P[i, a, VN] -= g * g_n * over
        P[i, VE, a], P[i, VN, a] = P[i, a, VE], P[i, a, VN]
    X[i, VE] -= g_e * over * across
    X[i, VN] -= g_n * over * across
    P[i, VE, VE] -= g_e * g_e * over
    P[i, VN, VN] -= g_n * g_n * over
    P[i, VE, VN] -= g_e * g_n * over
    P[i, VN, VE] = P[i, VE, VN]
