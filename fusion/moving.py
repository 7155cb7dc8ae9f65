"""A constant-velocity state as 14 numbers, which a compiled caller keeps in registers: the filter's core."""

from core.arrays import F2, F3
from core.kernel import kernel

# East, north, their velocities; then the upper triangle of their covariance, row by row
Moving = tuple[
    float, float, float, float,
    float, float, float, float, float, float, float, float, float, float,
]  # fmt: skip


@kernel(inner=True)
def load(X: F2, P: F3, i: int) -> Moving:
    """Return row i."""
    return (
        X[i, 0], X[i, 1], X[i, 2], X[i, 3],
        P[i, 0, 0], P[i, 0, 1], P[i, 0, 2], P[i, 0, 3],
        P[i, 1, 1], P[i, 1, 2], P[i, 1, 3],
        P[i, 2, 2], P[i, 2, 3], P[i, 3, 3],
    )  # fmt: skip


@kernel(inner=True)
def store(X: F2, P: F3, i: int, state: Moving) -> None:
    """Write row i, both triangles of its covariance."""
    x0, x1, x2, x3, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33 = state
    X[i, 0], X[i, 1], X[i, 2], X[i, 3] = x0, x1, x2, x3
    P[i, 0, 0], P[i, 0, 1], P[i, 0, 2], P[i, 0, 3] = p00, p01, p02, p03
    P[i, 1, 0], P[i, 1, 1], P[i, 1, 2], P[i, 1, 3] = p01, p11, p12, p13
    P[i, 2, 0], P[i, 2, 1], P[i, 2, 2], P[i, 2, 3] = p02, p12, p22, p23
    P[i, 3, 0], P[i, 3, 1], P[i, 3, 2], P[i, 3, 3] = p03, p13, p23, p33


@kernel(inner=True)
def predicted(state: Moving, dt_s: float, q_ee: float, q_nn: float, q_en: float) -> Moving:
    """Return the state dt_s later.

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
def located(state: Moving, east_m: float, north_m: float, r_east: float, r_north: float) -> Moving:
    """Return the state after a position of independent variances r: east, then north.

    The second division is of the determinant, so that it does not wait for the first update.
    """
    x0, x1, x2, x3, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33 = state
    s_east = p00 + r_east
    over_s, over_s_north = 1.0 / s_east, s_east / (s_east * (p11 + r_north) - p01 * p01)
    g0, g1, g2, g3 = p00 * over_s, p01 * over_s, p02 * over_s, p03 * over_s
    off = east_m - x0
    x0, x1, x2, x3 = x0 + g0 * off, x1 + g1 * off, x2 + g2 * off, x3 + g3 * off
    p11, p12, p13 = p11 - g1 * p01, p12 - g1 * p02, p13 - g1 * p03
    p22, p23, p33 = p22 - g2 * p02, p23 - g2 * p03, p33 - g3 * p03
    p00, p01, p02, p03 = p00 - g0 * p00, p01 - g0 * p01, p02 - g0 * p02, p03 - g0 * p03
    g0, g1, g2, g3 = p01 * over_s_north, p11 * over_s_north, p12 * over_s_north, p13 * over_s_north
    off = north_m - x1
    return (
        x0 + g0 * off, x1 + g1 * off, x2 + g2 * off, x3 + g3 * off,
        p00 - g0 * p01, p01 - g1 * p01, p02 - g0 * p12, p03 - g0 * p13,
        p11 - g1 * p11, p12 - g1 * p12, p13 - g1 * p13,
        p22 - g2 * p12, p23 - g2 * p13, p33 - g3 * p13,
    )  # fmt: skip


@kernel
def step(X: F2, P: F3, z: F2, sigma: F2, dt_s: float, q: float) -> None:
    """Advance n tracks by dt_s and fuse a position each, in place: the filter's core alone.

    X, P : (n, 4), (n, 4, 4).  z, sigma : (n, 2) east and north [m], 1 sigma of each, independent
    q : PSD per axis [m^2/s^3]
    """
    for i in range(X.shape[0]):
        state = predicted(load(X, P, i), dt_s, q, q, 0.0)
        store(X, P, i, located(state, z[i, 0], z[i, 1], sigma[i, 0] ** 2, sigma[i, 1] ** 2))
