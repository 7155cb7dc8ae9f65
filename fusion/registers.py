"""A state without a terminal as 20 numbers, which a compiled caller keeps in registers."""

from fusion.kernel import F64, INNER, kernel
from fusion.layout import BEND, EAST, NORTH, V_EAST, V_NORTH

P22, P33 = 14, 17  # places of the velocities' variances
# East, north, their velocities, the bend; then the upper triangle of their covariance, row by row
State = tuple[
    float, float, float, float, float,
    float, float, float, float, float, float, float, float, float, float, float, float, float, float, float,
]  # fmt: skip


@kernel("UniTuple(f8, 20)(f8[:,::1], f8[:,:,::1], i8)", **INNER)
def load(X: F64, P: F64, i: int) -> State:
    """Return row i."""
    return (
        X[i, 0], X[i, 1], X[i, 2], X[i, 3], X[i, 4],
        P[i, 0, 0], P[i, 0, 1], P[i, 0, 2], P[i, 0, 3], P[i, 0, 4],
        P[i, 1, 1], P[i, 1, 2], P[i, 1, 3], P[i, 1, 4],
        P[i, 2, 2], P[i, 2, 3], P[i, 2, 4], P[i, 3, 3], P[i, 3, 4], P[i, 4, 4],
    )  # fmt: skip


@kernel("void(f8[:,::1], f8[:,:,::1], i8, UniTuple(f8, 20))", **INNER)
def store(X: F64, P: F64, i: int, state: State) -> None:
    """Write row i, both triangles of its covariance."""
    x0, x1, x2, x3, x4, p00, p01, p02, p03, p04, p11, p12, p13, p14, p22, p23, p24, p33, p34, p44 = state
    X[i, EAST], X[i, NORTH], X[i, V_EAST], X[i, V_NORTH], X[i, BEND] = x0, x1, x2, x3, x4
    P[i, 0, 0], P[i, 0, 1], P[i, 0, 2], P[i, 0, 3], P[i, 0, 4] = p00, p01, p02, p03, p04
    P[i, 1, 0], P[i, 1, 1], P[i, 1, 2], P[i, 1, 3], P[i, 1, 4] = p01, p11, p12, p13, p14
    P[i, 2, 0], P[i, 2, 1], P[i, 2, 2], P[i, 2, 3], P[i, 2, 4] = p02, p12, p22, p23, p24
    P[i, 3, 0], P[i, 3, 1], P[i, 3, 2], P[i, 3, 3], P[i, 3, 4] = p03, p13, p23, p33, p34
    P[i, 4, 0], P[i, 4, 1], P[i, 4, 2], P[i, 4, 3], P[i, 4, 4] = p04, p14, p24, p34, p44


@kernel("UniTuple(f8, 20)(UniTuple(f8, 20), f8, f8, f8, f8, f8, f8)", **INNER)
def fused(state: State, h0: float, h1: float, h2: float, h3: float, residual: float, r: float) -> State:
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
