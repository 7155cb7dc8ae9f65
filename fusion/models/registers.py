"""A state without a terminal's bias as numbers in registers, and what the filter does with it there.

The first N_RADAR dimensions with their covariance are 27 numbers, which a compiled caller keeps out of
memory: loops over memory take three times as long. The covariance is symmetric by construction.
"""

from core.kernel import kernel
from fusion import layout as at
from fusion.extent import EXTENT_DRIFT, Row
from fusion.layout import States

E, N, VE, VN, B = at.EAST, at.NORTH, at.V_EAST, at.V_NORTH, at.BEND
EX = at.EXTENT
# Places in Registers: covariances of position and velocity, variances of bend and extent
P00, P01, P11, P22, P23, P33, P44, P55 = 6, 7, 12, 17, 18, 21, 24, 26
P04, P14, P24, P34, P45 = 10, 15, 19, 22, 25  # covariances of the bend

# East, north, their velocities; then the upper triangle of their covariance, row by row
Moving = tuple[
    float, float, float, float,
    float, float, float, float, float, float, float, float, float, float,
]  # fmt: skip
# The first N_RADAR dimensions; then the upper triangle of their covariance, row by row
Registers = tuple[
    float, float, float, float, float, float, float, float, float, float, float, float, float, float, float,
    float, float, float, float, float, float, float, float, float, float, float, float,
]  # fmt: skip

Gain = tuple[float, float, float, float, float, float]  # of the first N_RADAR dimensions


@kernel(inner=True)
def load(states: States, i: int) -> Registers:
    """Return the first N_RADAR dimensions of row i."""
    X, P = states.X, states.P
    return (
        X[i, E], X[i, N], X[i, VE], X[i, VN], X[i, B], X[i, EX],
        P[i, E, E], P[i, E, N], P[i, E, VE], P[i, E, VN], P[i, E, B], P[i, E, EX],
        P[i, N, N], P[i, N, VE], P[i, N, VN], P[i, N, B], P[i, N, EX],
        P[i, VE, VE], P[i, VE, VN], P[i, VE, B], P[i, VE, EX],
        P[i, VN, VN], P[i, VN, B], P[i, VN, EX],
        P[i, B, B], P[i, B, EX],
        P[i, EX, EX],
    )  # fmt: skip


@kernel(inner=True)
def store(states: States, i: int, registers: Registers) -> None:
    """Write the first N_RADAR dimensions of row i, both triangles of the covariance."""
    X, P = states.X, states.P
    (
        x0, x1, x2, x3, x4, x5, p00, p01, p02, p03, p04, p05, p11, p12, p13, p14, p15, p22, p23, p24, p25,
        p33, p34, p35, p44, p45, p55,
    ) = registers  # fmt: skip
    X[i, E], X[i, N], X[i, VE], X[i, VN], X[i, B], X[i, EX] = x0, x1, x2, x3, x4, x5
    P[i, E, E], P[i, E, N], P[i, E, VE], P[i, E, VN], P[i, E, B], P[i, E, EX] = (
        p00, p01, p02, p03, p04, p05,
    )  # fmt: skip
    P[i, N, E], P[i, N, N], P[i, N, VE], P[i, N, VN], P[i, N, B], P[i, N, EX] = (
        p01, p11, p12, p13, p14, p15,
    )  # fmt: skip
    P[i, VE, E], P[i, VE, N], P[i, VE, VE], P[i, VE, VN], P[i, VE, B], P[i, VE, EX] = (
        p02, p12, p22, p23, p24, p25,
    )  # fmt: skip
    P[i, VN, E], P[i, VN, N], P[i, VN, VE], P[i, VN, VN], P[i, VN, B], P[i, VN, EX] = (
        p03, p13, p23, p33, p34, p35,
    )  # fmt: skip
    P[i, B, E], P[i, B, N], P[i, B, VE], P[i, B, VN], P[i, B, B], P[i, B, EX] = (
        p04, p14, p24, p34, p44, p45,
    )  # fmt: skip
    P[i, EX, E], P[i, EX, N], P[i, EX, VE], P[i, EX, VN], P[i, EX, B], P[i, EX, EX] = (
        p05, p15, p25, p35, p45, p55,
    )  # fmt: skip


@kernel(inner=True)
def moved(state: Moving, dt_s: float, q_ee: float, q_nn: float, q_en: float) -> Moving:
    """Return position and velocity dt_s later, at constant velocity.

    q : continuous white acceleration, two-sided PSD per axis and across [m^2/s^3] (Bar-Shalom 2001, 6.2.2)
    """
    x0, x1, x2, x3, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33 = state
    a3, a2 = dt_s * dt_s * dt_s / 3.0, dt_s * dt_s / 2.0
    return (
        x0 + dt_s * x2, x1 + dt_s * x3, x2, x3,
        p00 + dt_s * (2.0 * p02 + dt_s * p22) + a3 * q_ee,
        p01 + dt_s * (p12 + p03 + dt_s * p23) + a3 * q_en,
        p02 + (dt_s * p22 + a2 * q_ee),
        p03 + (dt_s * p23 + a2 * q_en),
        p11 + dt_s * (2.0 * p13 + dt_s * p33) + a3 * q_nn,
        p12 + (dt_s * p23 + a2 * q_en),
        p13 + (dt_s * p33 + a2 * q_nn),
        p22 + dt_s * q_ee, p23 + dt_s * q_en, p33 + dt_s * q_nn,
    )  # fmt: skip


@kernel(inner=True)
def predicted(
    state: Registers, dt_s: float, noise: tuple[float, float, float], bend: tuple[float, float, float, float]
) -> Registers:  # fmt: skip
    """Return the state dt_s later: constant velocity, pushed by the bend, which decays.

    noise : q_ee, q_nn, q_en as in `moved`
    bend : east and north velocity that a bend of 1 m/s^2 adds [m/s], its share that remains, the stationary
        variance
    """
    (
        x0, x1, x2, x3, x4, x5, p00, p01, p02, p03, p04, p05, p11, p12, p13, p14, p15, p22, p23, p24, p25,
        p33, p34, p35, p44, p45, p55,
    ) = state  # fmt: skip
    w_e, w_n, keep, bend_var = bend
    x0, x1, x2, x3, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33 = moved(
        (x0, x1, x2, x3, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33), dt_s, noise[0], noise[1], noise[2]
    )
    d_e, d_n = 0.5 * dt_s * w_e, 0.5 * dt_s * w_n
    p04, p14 = p04 + dt_s * p24, p14 + dt_s * p34
    p05, p15 = p05 + dt_s * p25, p15 + dt_s * p35
    f0, f1 = p04 + 0.5 * d_e * p44, p14 + 0.5 * d_n * p44  # (I + k e') P (I + k e')' = P + k f' + f k'
    f2, f3 = p24 + 0.5 * w_e * p44, p34 + 0.5 * w_n * p44
    return (
        x0 + d_e * x4, x1 + d_n * x4, x2 + w_e * x4, x3 + w_n * x4, keep * x4, x5,
        p00 + 2.0 * d_e * f0, d_e * f1 + d_n * f0 + p01, d_e * f2 + w_e * f0 + p02, d_e * f3 + w_n * f0 + p03,
        keep * (p04 + d_e * p44), p05 + d_e * p45,
        p11 + 2.0 * d_n * f1, d_n * f2 + w_e * f1 + p12, d_n * f3 + w_n * f1 + p13,
        keep * (p14 + d_n * p44), p15 + d_n * p45,
        p22 + 2.0 * w_e * f2, w_e * f3 + w_n * f2 + p23, keep * (p24 + w_e * p44), p25 + w_e * p45,
        p33 + 2.0 * w_n * f3, keep * (p34 + w_n * p44), p35 + w_n * p45,
        keep * keep * p44 + (1.0 - keep * keep) * bend_var, keep * p45,
        p55 + dt_s * (EXTENT_DRIFT * x5) ** 2,
    )  # fmt: skip


@kernel(inner=True)
def times(state: Registers, h: Row) -> Row:
    """Return the covariance times a row of the measurement matrix, without the bend's entry."""
    (
        _x0, _x1, _x2, _x3, _x4, _x5, p00, p01, p02, p03, _p04, p05, p11, p12, p13, _p14, p15, p22, p23, _p24,
        p25, p33, _p34, p35, _p44, _p45, p55,
    ) = state  # fmt: skip
    h0, h1, h2, h3, h5 = h
    return (
        p00 * h0 + p01 * h1 + p02 * h2 + p03 * h3 + p05 * h5,
        p01 * h0 + p11 * h1 + p12 * h2 + p13 * h3 + p15 * h5,
        p02 * h0 + p12 * h1 + p22 * h2 + p23 * h3 + p25 * h5,
        p03 * h0 + p13 * h1 + p23 * h2 + p33 * h3 + p35 * h5,
        p05 * h0 + p15 * h1 + p25 * h2 + p35 * h3 + p55 * h5,
    )


@kernel(inner=True)
def corrected(state: Registers, g: Gain, s: float, residual: float) -> Registers:
    """Return the state after one scalar measurement whose residual has the variance s.

    g : covariance of the residual with each dimension, P h'; of a place on one axis that is a row of P
    """
    (
        x0, x1, x2, x3, x4, x5, p00, p01, p02, p03, p04, p05, p11, p12, p13, p14, p15, p22, p23, p24, p25,
        p33, p34, p35, p44, p45, p55,
    ) = state  # fmt: skip
    g0, g1, g2, g3, g4, g5 = g
    over_s = 1.0 / s
    k0, k1, k2, k3, k4, k5 = g0 * over_s, g1 * over_s, g2 * over_s, g3 * over_s, g4 * over_s, g5 * over_s
    return (
        x0 + k0 * residual, x1 + k1 * residual, x2 + k2 * residual, x3 + k3 * residual, x4 + k4 * residual,
        x5 + k5 * residual,
        p00 - k0 * g0, p01 - k0 * g1, p02 - k0 * g2, p03 - k0 * g3, p04 - k0 * g4, p05 - k0 * g5,
        p11 - k1 * g1, p12 - k1 * g2, p13 - k1 * g3, p14 - k1 * g4, p15 - k1 * g5,
        p22 - k2 * g2, p23 - k2 * g3, p24 - k2 * g4, p25 - k2 * g5,
        p33 - k3 * g3, p34 - k3 * g4, p35 - k3 * g5,
        p44 - k4 * g4, p45 - k4 * g5,
        p55 - k5 * g5,
    )  # fmt: skip


@kernel(inner=True)
def fused(state: Registers, h: Row, residual: float, r: float) -> Registers:
    """Return the state after one scalar measurement.

    h : its row of the measurement matrix;  residual : measured less expected;  r : its variance
    """
    g0, g1, g2, g3, g5 = times(state, h)
    h0, h1, h2, h3, h5 = h
    g4 = state[P04] * h0 + state[P14] * h1 + state[P24] * h2 + state[P34] * h3 + state[P45] * h5
    s = g0 * h0 + g1 * h1 + g2 * h2 + g3 * h3 + g5 * h5 + r
    return corrected(state, (g0, g1, g2, g3, g4, g5), s, residual)
