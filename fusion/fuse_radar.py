"""One radar detection onto a state without a terminal, all in registers: the busiest step of a scan.

The same model as fusion.measure, whose loops over rows of memory take three times as long.
"""

import math

from core.arrays import F2, F3
from core.kernel import kernel
from fusion.heading import follow
from fusion.layout import (
    HEADING,
    N_X,
    R_DROP,
    R_EAST,
    R_NORTH,
    R_S_AZIMUTH,
    R_S_RANGE,
    R_S_RATE,
    SOURCE,
    Z1,
    Z2,
    Z3,
    Z4,
)
from fusion.registers import P22, P33, fused, load, store


@kernel(inner=True)
def off_bearing(M: F2, k: int, d_e: float, d_n: float) -> float:
    """Return how far left of (d_e, d_n) the bearing of measurement k lies [rad], in (-pi, pi]."""
    across, ahead = d_e * M[k, Z4] - d_n * M[k, Z3], d_e * M[k, Z3] + d_n * M[k, Z4]
    if not abs(across) < 0.1 * ahead:  # far off, behind, or on the radar itself
        return math.atan2(across, ahead)
    t = across / ahead  # arc tangent's series: to the last bits, at a third of the time
    t2 = t * t
    return float(
        t * (1.0 - t2 * (1 / 3 - t2 * (1 / 5 - t2 * (1 / 7 - t2 * (1 / 9 - t2 * (1 / 11 - t2 / 13))))))
    )


@kernel(inner=True)
def fuse_polar(X: F2, P: F3, i: int, XO: F2, PO: F3, j: int, M: F2, k: int, radars: F2) -> None:
    """Write state i (no terminal) after measurement k (POLAR) of M to row j of (XO, PO); i itself may be j.

    Azimuth, slant range and range rate one after another, each linearised where the last one led (EKF).
    """
    q = int(M[k, SOURCE])
    r_e, r_n, drop = radars[q, R_EAST], radars[q, R_NORTH], radars[q, R_DROP]
    state = load(X, P, i)
    v_east, v_north, var = state[2], state[3], state[P22] + state[P33]
    d_e, d_n = state[0] - r_e, state[1] - r_n
    d2 = max(d_e * d_e + d_n * d_n, 1.0)
    z = off_bearing(M, k, d_e, d_n)
    state = fused(state, -d_n / d2, d_e / d2, 0.0, 0.0, z, radars[q, R_S_AZIMUTH] ** 2)
    d_e, d_n = state[0] - r_e, state[1] - r_n
    slant = math.sqrt(max(d_e * d_e + d_n * d_n + drop * drop, 1.0))
    z = M[k, Z1] - slant
    state = fused(state, d_e / slant, d_n / slant, 0.0, 0.0, z, radars[q, R_S_RANGE] ** 2)
    if not math.isnan(M[k, Z2]):
        d_e, d_n, v_e, v_n = state[0] - r_e, state[1] - r_n, state[2], state[3]
        slant = math.sqrt(max(d_e * d_e + d_n * d_n + drop * drop, 1.0))
        u_e, u_n = d_e / slant, d_n / slant
        rate = u_e * v_e + u_n * v_n
        h_e, h_n = (v_e - rate * u_e) / slant, (v_n - rate * u_n) / slant
        state = fused(state, h_e, h_n, u_e, u_n, M[k, Z2] - rate, radars[q, R_S_RATE] ** 2)
    for a in range(HEADING, N_X):
        XO[j, a] = X[i, a]
    store(XO, PO, j, state)
    follow(XO, j, state[P22] + state[P33], v_east, v_north, var)
