"""One radar detection onto a state without a terminal, all in registers: the busiest step of a scan.

The same model as fusion.measure, whose loops over rows of memory take three times as long.
"""

import math

from fusion.heading import follow
from fusion.kernel import F64, INNER, kernel
from fusion.layout import (
    BEND,
    EAST,
    HEADING,
    N_X,
    NORTH,
    R_DROP,
    R_EAST,
    R_NORTH,
    R_S_AZIMUTH,
    R_S_RANGE,
    R_S_RATE,
    SOURCE,
    V_EAST,
    V_NORTH,
    Z1,
    Z2,
    Z3,
    Z4,
)

# East, north, their velocities, the bend; then the upper triangle of their covariance, row by row
State = tuple[
    float, float, float, float, float,
    float, float, float, float, float, float, float, float, float, float, float, float, float, float, float,
]  # fmt: skip


@kernel("f8(f8[:,::1], i8, f8, f8)", **INNER)
def off_bearing(M: F64, k: int, d_e: float, d_n: float) -> float:
    """Return how far left of (d_e, d_n) the bearing of measurement k lies [rad], in (-pi, pi]."""
    across, ahead = d_e * M[k, Z4] - d_n * M[k, Z3], d_e * M[k, Z3] + d_n * M[k, Z4]
    if abs(across) > 0.1 * ahead:
        return math.atan2(across, ahead)
    t = across / ahead  # arc tangent's series: to the last bits, at a third of the time
    t2 = t * t
    return float(
        t * (1.0 - t2 * (1 / 3 - t2 * (1 / 5 - t2 * (1 / 7 - t2 * (1 / 9 - t2 * (1 / 11 - t2 / 13))))))
    )


@kernel("UniTuple(f8, 20)(UniTuple(f8, 20), f8, f8, f8, f8, f8, f8)", **INNER)
def _fused(state: State, h0: float, h1: float, h2: float, h3: float, residual: float, r: float) -> State:
    """Return the state after one scalar (h0, h1) position + (h2, h3) velocity of variance r."""
    x0, x1, x2, x3, x4, p00, p01, p02, p03, p04, p11, p12, p13, p14, p22, p23, p24, p33, p34, p44 = state
    k0 = p00 * h0 + p01 * h1 + p02 * h2 + p03 * h3
    k1 = p01 * h0 + p11 * h1 + p12 * h2 + p13 * h3
    k2 = p02 * h0 + p12 * h1 + p22 * h2 + p23 * h3
    k3 = p03 * h0 + p13 * h1 + p23 * h2 + p33 * h3
    k4 = p04 * h0 + p14 * h1 + p24 * h2 + p34 * h3
    over_s = 1.0 / (h0 * k0 + h1 * k1 + h2 * k2 + h3 * k3 + r)
    g0, g1, g2, g3, g4 = k0 * over_s, k1 * over_s, k2 * over_s, k3 * over_s, k4 * over_s
    return (
        x0 + g0 * residual, x1 + g1 * residual, x2 + g2 * residual, x3 + g3 * residual, x4 + g4 * residual,
        p00 - g0 * k0, p01 - g0 * k1, p02 - g0 * k2, p03 - g0 * k3, p04 - g0 * k4,
        p11 - g1 * k1, p12 - g1 * k2, p13 - g1 * k3, p14 - g1 * k4,
        p22 - g2 * k2, p23 - g2 * k3, p24 - g2 * k4,
        p33 - g3 * k3, p34 - g3 * k4,
        p44 - g4 * k4,
    )  # fmt: skip


@kernel("void(f8[:,::1], f8[:,:,::1], i8, f8[:,::1], f8[:,:,::1], i8, f8[:,::1], i8, f8[:,::1])", **INNER)
def fuse_polar(X: F64, P: F64, i: int, XO: F64, PO: F64, j: int, M: F64, k: int, radars: F64) -> None:
    """Write state i (no terminal) after measurement k (POLAR) of M to row j of (XO, PO); i itself may be j.

    Azimuth, slant range and range rate one after another, each linearised where the last one led (EKF).
    """
    q = int(M[k, SOURCE])
    r_e, r_n, drop = radars[q, R_EAST], radars[q, R_NORTH], radars[q, R_DROP]
    state = (
        X[i, 0], X[i, 1], X[i, 2], X[i, 3], X[i, 4],
        P[i, 0, 0], P[i, 0, 1], P[i, 0, 2], P[i, 0, 3], P[i, 0, 4],
        P[i, 1, 1], P[i, 1, 2], P[i, 1, 3], P[i, 1, 4],
        P[i, 2, 2], P[i, 2, 3], P[i, 2, 4], P[i, 3, 3], P[i, 3, 4], P[i, 4, 4],
    )  # fmt: skip
    v_east, v_north, var = state[2], state[3], state[14] + state[17]
    d_e, d_n = state[0] - r_e, state[1] - r_n
    d2 = max(d_e * d_e + d_n * d_n, 1.0)
    z = off_bearing(M, k, d_e, d_n)
    state = _fused(state, -d_n / d2, d_e / d2, 0.0, 0.0, z, radars[q, R_S_AZIMUTH] ** 2)
    d_e, d_n = state[0] - r_e, state[1] - r_n
    slant = math.sqrt(max(d_e * d_e + d_n * d_n + drop * drop, 1.0))
    z = M[k, Z1] - slant
    state = _fused(state, d_e / slant, d_n / slant, 0.0, 0.0, z, radars[q, R_S_RANGE] ** 2)
    if not math.isnan(M[k, Z2]):
        d_e, d_n, v_e, v_n = state[0] - r_e, state[1] - r_n, state[2], state[3]
        slant = math.sqrt(max(d_e * d_e + d_n * d_n + drop * drop, 1.0))
        u_e, u_n = d_e / slant, d_n / slant
        rate = u_e * v_e + u_n * v_n
        h_e, h_n = (v_e - rate * u_e) / slant, (v_n - rate * u_n) / slant
        state = _fused(state, h_e, h_n, u_e, u_n, M[k, Z2] - rate, radars[q, R_S_RATE] ** 2)
    x0, x1, x2, x3, x4, p00, p01, p02, p03, p04, p11, p12, p13, p14, p22, p23, p24, p33, p34, p44 = state
    for a in range(HEADING, N_X):
        XO[j, a] = X[i, a]
    XO[j, EAST], XO[j, NORTH], XO[j, V_EAST], XO[j, V_NORTH], XO[j, BEND] = x0, x1, x2, x3, x4
    PO[j, 0, 0], PO[j, 0, 1], PO[j, 0, 2], PO[j, 0, 3], PO[j, 0, 4] = p00, p01, p02, p03, p04
    PO[j, 1, 0], PO[j, 1, 1], PO[j, 1, 2], PO[j, 1, 3], PO[j, 1, 4] = p01, p11, p12, p13, p14
    PO[j, 2, 0], PO[j, 2, 1], PO[j, 2, 2], PO[j, 2, 3], PO[j, 2, 4] = p02, p12, p22, p23, p24
    PO[j, 3, 0], PO[j, 3, 1], PO[j, 3, 2], PO[j, 3, 3], PO[j, 3, 4] = p03, p13, p23, p33, p34
    PO[j, 4, 0], PO[j, 4, 1], PO[j, 4, 2], PO[j, 4, 3], PO[j, 4, 4] = p04, p14, p24, p34, p44
    follow(XO, j, p22 + p33, v_east, v_north, var)
