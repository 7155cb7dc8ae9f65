"""A state without a terminal as 20 numbers, which a compiled caller keeps in registers."""

from core.arrays import F2, F3
from core.kernel import kernel
from fusion import moving
from fusion.layout import BEND, EAST, NORTH, V_EAST, V_NORTH

P22, P33 = 14, 17  # places of the velocities' variances
# East, north, their velocities, the bend; then the upper triangle of their covariance, row by row
State = tuple[
    float, float, float, float, float,
    float, float, float, float, float, float, float, float, float, float, float, float, float, float, float,
]  # fmt: skip


@kernel(inner=True)
def load(X: F2, P: F3, i: int) -> State:
    """Return row i."""
    return (
        X[i, 0], X[i, 1], X[i, 2], X[i, 3], X[i, 4],
        P[i, 0, 0], P[i, 0, 1], P[i, 0, 2], P[i, 0, 3], P[i, 0, 4],
        P[i, 1, 1], P[i, 1, 2], P[i, 1, 3], P[i, 1, 4],
        P[i, 2, 2], P[i, 2, 3], P[i, 2, 4], P[i, 3, 3], P[i, 3, 4], P[i, 4, 4],
    )  # fmt: skip


@kernel(inner=True)
def store(X: F2, P: F3, i: int, state: State) -> None:
    """Write row i, both triangles of its covariance."""
    x0, x1, x2, x3, x4, p00, p01, p02, p03, p04, p11, p12, p13, p14, p22, p23, p24, p33, p34, p44 = state
    X[i, EAST], X[i, NORTH], X[i, V_EAST], X[i, V_NORTH], X[i, BEND] = x0, x1, x2, x3, x4
    P[i, 0, 0], P[i, 0, 1], P[i, 0, 2], P[i, 0, 3], P[i, 0, 4] = p00, p01, p02, p03, p04
    P[i, 1, 0], P[i, 1, 1], P[i, 1, 2], P[i, 1, 3], P[i, 1, 4] = p01, p11, p12, p13, p14
    P[i, 2, 0], P[i, 2, 1], P[i, 2, 2], P[i, 2, 3], P[i, 2, 4] = p02, p12, p22, p23, p24
    P[i, 3, 0], P[i, 3, 1], P[i, 3, 2], P[i, 3, 3], P[i, 3, 4] = p03, p13, p23, p33, p34
    P[i, 4, 0], P[i, 4, 1], P[i, 4, 2], P[i, 4, 3], P[i, 4, 4] = p04, p14, p24, p34, p44


@kernel(inner=True)
def predicted(
    state: State, dt_s: float, q_ee: float, q_nn: float, q_en: float, w_e: float, w_n: float, keep: float,
    bend_var: float,
) -> State:  # fmt: skip
    """Return the state dt_s later: constant velocity, pushed by the bend, which decays.

    q : as of moving.predicted.  (w_e, w_n) : velocity that a bend of one adds
    keep : share of the bend that is left;  bend_var : what its variance goes back to
    """
    x0, x1, x2, x3, x4, p00, p01, p02, p03, p04, p11, p12, p13, p14, p22, p23, p24, p33, p34, p44 = state
    x0, x1, x2, x3, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33 = moving.predicted(
        (x0, x1, x2, x3, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33), dt_s, q_ee, q_nn, q_en
    )
    d_e, d_n = 0.5 * dt_s * w_e, 0.5 * dt_s * w_n
    p04, p14 = p04 + dt_s * p24, p14 + dt_s * p34
    f0, f1 = p04 + 0.5 * d_e * p44, p14 + 0.5 * d_n * p44  # (I + k e') P (I + k e')' = P + k f' + f k'
    f2, f3 = p24 + 0.5 * w_e * p44, p34 + 0.5 * w_n * p44
    return (
        x0 + d_e * x4, x1 + d_n * x4, x2 + w_e * x4, x3 + w_n * x4, keep * x4,
        p00 + 2.0 * d_e * f0, d_e * f1 + d_n * f0 + p01, d_e * f2 + w_e * f0 + p02, d_e * f3 + w_n * f0 + p03,
        keep * (p04 + d_e * p44),
        p11 + 2.0 * d_n * f1, d_n * f2 + w_e * f1 + p12, d_n * f3 + w_n * f1 + p13,
        keep * (p14 + d_n * p44),
        p22 + 2.0 * w_e * f2, w_e * f3 + w_n * f2 + p23, keep * (p24 + w_e * p44),
        p33 + 2.0 * w_n * f3, keep * (p34 + w_n * p44),
        keep * keep * p44 + (1.0 - keep * keep) * bend_var,
    )  # fmt: skip


@kernel(inner=True)
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
