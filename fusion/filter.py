"""Prediction and scalar update of one track: constant velocity, a bend, and a terminal's lasting error.

All kernels work on row i of X (n, N_X) and P (n, N_DIM, N_DIM), site metres; the first m dimensions are live.
"""

import math

from fusion.kernel import BARE, F64, INNER, kernel
from fusion.layout import (
    BEND,
    BEND_SIGMA,
    BEND_TAU,
    BIAS_DELAY,
    BIAS_EAST,
    BIAS_NORTH,
    BIAS_SIGMA,
    BIAS_TAU,
    HEADING,
    N_CV,
    N_DIM,
    N_RADAR,
    N_X,
    Q_ALONG,
    Q_CROSS,
    V_EAST,
    V_NORTH,
)

SLOW_MPS = 2.0  # below: no course to tell along from across


@kernel("void(f8[:,::1], f8[:,:,::1], i8, f8, f8, f8, f8)", **BARE)
def predict_cv(X: F64, P: F64, i: int, dt_s: float, q_ee: float, q_nn: float, q_en: float) -> None:
    """Advance the four constant-velocity dimensions by dt_s, in place; the rest of P is not touched.

    q : continuous white acceleration, two-sided PSD per axis and across [m^2/s^3] (Bar-Shalom 2001, 6.2.2)
    """
    X[i, 0] += dt_s * X[i, 2]
    X[i, 1] += dt_s * X[i, 3]
    a3, a2 = dt_s * dt_s * dt_s / 3.0, dt_s * dt_s / 2.0
    p02, p03, p12, p13 = P[i, 0, 2], P[i, 0, 3], P[i, 1, 2], P[i, 1, 3]
    p22, p23, p33 = P[i, 2, 2], P[i, 2, 3], P[i, 3, 3]
    p00 = P[i, 0, 0] + dt_s * (2.0 * p02 + dt_s * p22) + a3 * q_ee
    p01 = P[i, 0, 1] + dt_s * (p12 + p03 + dt_s * p23) + a3 * q_en
    p11 = P[i, 1, 1] + dt_s * (2.0 * p13 + dt_s * p33) + a3 * q_nn
    p02 += dt_s * p22 + a2 * q_ee
    p03 += dt_s * p23 + a2 * q_en
    p12 += dt_s * p23 + a2 * q_en
    p13 += dt_s * p33 + a2 * q_nn
    p22 += dt_s * q_ee
    p23 += dt_s * q_en
    p33 += dt_s * q_nn
    P[i, 0, 0], P[i, 0, 1], P[i, 0, 2], P[i, 0, 3] = p00, p01, p02, p03
    P[i, 1, 0], P[i, 1, 1], P[i, 1, 2], P[i, 1, 3] = p01, p11, p12, p13
    P[i, 2, 0], P[i, 2, 1], P[i, 2, 2], P[i, 2, 3] = p02, p12, p22, p23
    P[i, 3, 0], P[i, 3, 1], P[i, 3, 2], P[i, 3, 3] = p03, p13, p23, p33


@kernel("void(f8[:,::1], f8[:,:,::1], i8, f8, f8, f8, f8)", **INNER)
def _decay_bias(X: F64, P: F64, i: int, dt_s: float, c: float, s: float, speed: float) -> None:
    """Decay the bias to its prior: sigma on each axis, and along the course what an inexact stamp adds."""
    keep = math.exp(-dt_s / X[i, BIAS_TAU])
    fresh = 1.0 - keep * keep
    iso = X[i, BIAS_SIGMA] ** 2
    along = (speed * X[i, BIAS_DELAY]) ** 2
    for b in range(BIAS_EAST, N_DIM):
        X[i, b] *= keep
        for a in range(N_RADAR):
            P[i, a, b] *= keep
    keep *= keep
    P[i, 5, 5] = keep * P[i, 5, 5] + fresh * (iso + along * c * c)
    P[i, 6, 6] = keep * P[i, 6, 6] + fresh * (iso + along * s * s)
    P[i, 5, 6] = keep * P[i, 5, 6] + fresh * along * c * s


@kernel("void(f8[:,:,::1], i8, i8, f8, f8, f8, f8, f8)", **INNER)
def _push(P: F64, i: int, m: int, dt_s: float, p_e: float, p_n: float, v_e: float, v_n: float) -> None:
    """Let the bend push the first m dimensions, and advance the columns that predict_cv leaves alone."""
    for b in range(m):  # G P
        g = P[i, BEND, b]
        P[i, 0, b] += p_e * g
        P[i, 1, b] += p_n * g
        P[i, 2, b] += v_e * g
        P[i, 3, b] += v_n * g
    for a in range(m):  # (G P) G'
        g = P[i, a, BEND]
        P[i, a, 0] += p_e * g
        P[i, a, 1] += p_n * g
        P[i, a, 2] += v_e * g
        P[i, a, 3] += v_n * g
    for b in range(N_CV, m):
        P[i, 0, b] += dt_s * P[i, 2, b]
        P[i, 1, b] += dt_s * P[i, 3, b]


@kernel("void(f8[:,::1], f8[:,:,::1], i8, f8[:,::1], f8[:,:,::1], i8)", **BARE)
def copy(X: F64, P: F64, i: int, XO: F64, PO: F64, j: int) -> None:
    """Write state i to row j of (XO, PO), as far as it is live."""
    for a in range(N_X):
        XO[j, a] = X[i, a]
    if X[i, BIAS_SIGMA] > 0.0:
        for a in range(N_DIM):
            for b in range(N_DIM):
                PO[j, a, b] = P[i, a, b]
    else:
        for a in range(N_RADAR):
            for b in range(N_RADAR):
                PO[j, a, b] = P[i, a, b]


@kernel("void(f8[:,::1], f8[:,:,::1], i8, f8, f8, f8, f8, f8, f8[::1])", **INNER)
def _predict_extras(
    X: F64, P: F64, i: int, dt_s: float, gain: float, c: float, s: float, speed: float, tuning: F64
) -> None:
    """Let the bend push the state, and bend and bias decay, over dt_s; predict_cv must follow.

    CV adds dt times the pushed velocity, so that the push on the position here is -dt^2/2: together +dt^2/2.
    """
    has_bias = X[i, BIAS_SIGMA] > 0.0
    m = N_DIM if has_bias else N_RADAR
    v_e, v_n = -s * gain * dt_s, c * gain * dt_s
    p_e, p_n = -0.5 * dt_s * v_e, -0.5 * dt_s * v_n
    bend = X[i, BEND]
    X[i, 0] += p_e * bend
    X[i, 1] += p_n * bend
    X[i, 2] += v_e * bend
    X[i, 3] += v_n * bend
    if has_bias:  # fixed bounds unroll
        _push(P, i, N_DIM, dt_s, p_e, p_n, v_e, v_n)
    else:
        _push(P, i, N_RADAR, dt_s, p_e, p_n, v_e, v_n)
    keep = math.exp(-dt_s / tuning[BEND_TAU])
    X[i, BEND] *= keep
    for b in range(N_CV):
        P[i, b, BEND] *= keep
    P[i, BEND, BEND] = keep * keep * P[i, BEND, BEND] + (1.0 - keep * keep) * tuning[BEND_SIGMA] ** 2
    if has_bias:
        P[i, BEND, BIAS_EAST] *= keep
        P[i, BEND, BIAS_NORTH] *= keep
        _decay_bias(X, P, i, dt_s, c, s, speed)
    for b in range(N_CV, m):
        for a in range(b):
            P[i, b, a] = P[i, a, b]


@kernel("void(f8[:,::1], f8[:,:,::1], i8, f8, f8[::1])", **BARE)
def predict(X: F64, P: F64, i: int, dt_s: float, tuning: F64) -> None:
    """Advance row i by dt_s, in place: constant velocity, bend (Singer 1970), bias (Gauss-Markov)."""
    if dt_s <= 0.0:
        return
    speed = math.sqrt(X[i, V_EAST] ** 2 + X[i, V_NORTH] ** 2)
    q_al, q_cr = tuning[Q_ALONG], tuning[Q_CROSS]
    c, s, gain = 1.0, 0.0, 0.0
    if speed > SLOW_MPS:
        c, s = X[i, V_EAST] / speed, X[i, V_NORTH] / speed
        gain = min(1.0, (speed - SLOW_MPS) / SLOW_MPS)
    elif not math.isnan(X[i, HEADING]):  # stands, or nearly: it will go on the way it came
        c, s = math.cos(X[i, HEADING]), math.sin(X[i, HEADING])
    else:  # never seen moving
        q_al = min(q_al, q_cr)
        q_cr = q_al
    _predict_extras(X, P, i, dt_s, gain, c, s, speed, tuning)
    q_ee, q_nn = q_al * c * c + q_cr * s * s, q_al * s * s + q_cr * c * c
    predict_cv(X, P, i, dt_s, q_ee, q_nn, (q_al - q_cr) * s * c)


@kernel("void(f8[:,::1], f8[:,:,::1], i8, f8, f8, f8, f8)", **BARE)
def update_cv(X: F64, P: F64, i: int, h0: float, h1: float, residual: float, r: float) -> None:
    """Fuse one scalar h0*east + h1*north, variance r, into the four constant-velocity dimensions."""
    k0 = P[i, 0, 0] * h0 + P[i, 0, 1] * h1
    k1 = P[i, 1, 0] * h0 + P[i, 1, 1] * h1
    k2 = P[i, 2, 0] * h0 + P[i, 2, 1] * h1
    k3 = P[i, 3, 0] * h0 + P[i, 3, 1] * h1
    over_s = 1.0 / (h0 * k0 + h1 * k1 + r)
    step = residual * over_s
    X[i, 0] += k0 * step
    X[i, 1] += k1 * step
    X[i, 2] += k2 * step
    X[i, 3] += k3 * step
    g0, g1, g2 = k0 * over_s, k1 * over_s, k2 * over_s
    p01, p02, p03 = P[i, 0, 1] - g0 * k1, P[i, 0, 2] - g0 * k2, P[i, 0, 3] - g0 * k3
    p12, p13, p23 = P[i, 1, 2] - g1 * k2, P[i, 1, 3] - g1 * k3, P[i, 2, 3] - g2 * k3
    P[i, 0, 0] -= g0 * k0
    P[i, 1, 1] -= g1 * k1
    P[i, 2, 2] -= g2 * k2
    P[i, 3, 3] -= k3 * over_s * k3
    P[i, 0, 1], P[i, 0, 2], P[i, 0, 3] = p01, p02, p03
    P[i, 1, 0], P[i, 1, 2], P[i, 1, 3] = p01, p12, p13
    P[i, 2, 0], P[i, 2, 1], P[i, 2, 3] = p02, p12, p23
    P[i, 3, 0], P[i, 3, 1], P[i, 3, 2] = p03, p13, p23


@kernel("void(f8[:,::1], f8[:,:,::1], i8, f8, f8, f8, f8, f8, f8, f8, f8[::1])", **BARE)
def update(
    X: F64, P: F64, i: int, h0: float, h1: float, h2: float, h3: float, hb: float,
    residual: float, r: float, work: F64,
) -> None:  # fmt: skip
    """Fuse one scalar (h0, h1) position + (h2, h3) velocity + hb (h0, h1) bias, variance r, into the state.

    work : (>= N_DIM,) scratch.  Symmetric rank-one form: P stays symmetric to the bit.
    """
    if X[i, BIAS_SIGMA] == 0.0:  # fixed bounds unroll: half of the tracks' time
        for a in range(N_RADAR):
            work[a] = P[i, a, 0] * h0 + P[i, a, 1] * h1 + P[i, a, 2] * h2 + P[i, a, 3] * h3
        over_s = 1.0 / (h0 * work[0] + h1 * work[1] + h2 * work[2] + h3 * work[3] + r)
        for a in range(N_RADAR):
            X[i, a] += work[a] * over_s * residual
            for b in range(N_RADAR):
                P[i, a, b] -= work[a] * work[b] * over_s
    else:
        b0, b1 = hb * h0, hb * h1
        for a in range(N_DIM):
            g = P[i, a, 0] * h0 + P[i, a, 1] * h1 + P[i, a, 2] * h2 + P[i, a, 3] * h3
            work[a] = g + P[i, a, 5] * b0 + P[i, a, 6] * b1
        s = h0 * work[0] + h1 * work[1] + h2 * work[2] + h3 * work[3] + b0 * work[5] + b1 * work[6] + r
        over_s = 1.0 / s
        for a in range(N_DIM):
            X[i, a] += work[a] * over_s * residual
            for b in range(N_DIM):
                P[i, a, b] -= work[a] * work[b] * over_s


@kernel("void(f8[:,::1], f8[:,:,::1], f8[:,::1], f8[:,::1], f8, f8)", **BARE)
def step_cv(X: F64, P: F64, z: F64, sigma: F64, dt_s: float, q: float) -> None:
    """Advance n tracks by dt_s and fuse a position each, in place: the filter's core alone.

    z, sigma : (n, 2) east and north [m], 1 sigma of each, independent;  q : PSD per axis [m^2/s^3]
    """
    for i in range(X.shape[0]):
        predict_cv(X, P, i, dt_s, q, q, 0.0)
        update_cv(X, P, i, 1.0, 0.0, z[i, 0] - X[i, 0], sigma[i, 0] ** 2)
        update_cv(X, P, i, 0.0, 1.0, z[i, 1] - X[i, 1], sigma[i, 1] ** 2)
