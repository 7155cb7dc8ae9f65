"""Prediction and scalar update of one track: constant velocity, a bend, and a terminal's lasting error.

All kernels work on row i of X (n, N_X) and P (n, N_DIM, N_DIM), site metres; the first m dimensions are live.
"""

import math

from core.arrays import F1, F2, F3
from core.kernel import kernel
from fusion.layout import (
    BEND,
    BEND_SIGMA,
    BEND_TAU,
    BIAS_DELAY,
    BIAS_EAST,
    BIAS_SIGMA,
    BIAS_TAU,
    HEADING,
    N_DIM,
    N_RADAR,
    N_X,
    Q_ALONG,
    Q_CROSS,
    V_EAST,
    V_NORTH,
)
from fusion.registers import fused, load, predicted, store

SLOW_MPS = 2.0  # below: no course to tell along from across


@kernel(inner=True)
def _predict_bias(
    X: F2, P: F3, i: int, XO: F2, PO: F3, j: int, dt_s: float, w_e: float, w_n: float, keep_bend: float,
    c: float, s: float, speed: float,
) -> None:  # fmt: skip
    """Decay the bias to its prior: sigma on each axis, and along the course what an inexact stamp adds."""
    keep = math.exp(-dt_s / X[i, BIAS_TAU])
    for b in range(BIAS_EAST, N_DIM):
        XO[j, b] = keep * X[i, b]
        g = P[i, BEND, b]
        p2, p3 = P[i, 2, b] + w_e * g, P[i, 3, b] + w_n * g
        p0 = P[i, 0, b] + dt_s * (P[i, 2, b] + 0.5 * w_e * g)
        p1 = P[i, 1, b] + dt_s * (P[i, 3, b] + 0.5 * w_n * g)
        p0, p1, p2, p3, g = keep * p0, keep * p1, keep * p2, keep * p3, keep * keep_bend * g
        PO[j, 0, b], PO[j, 1, b], PO[j, 2, b], PO[j, 3, b], PO[j, BEND, b] = p0, p1, p2, p3, g
        PO[j, b, 0], PO[j, b, 1], PO[j, b, 2], PO[j, b, 3], PO[j, b, BEND] = p0, p1, p2, p3, g
    fresh = 1.0 - keep * keep
    iso, along = X[i, BIAS_SIGMA] ** 2, (speed * X[i, BIAS_DELAY]) ** 2
    keep *= keep
    PO[j, 5, 5] = keep * P[i, 5, 5] + fresh * (iso + along * c * c)
    PO[j, 6, 6] = keep * P[i, 6, 6] + fresh * (iso + along * s * s)
    PO[j, 5, 6] = keep * P[i, 5, 6] + fresh * along * c * s
    PO[j, 6, 5] = PO[j, 5, 6]


@kernel(inline=True)
def copy(X: F2, P: F3, i: int, XO: F2, PO: F3, j: int) -> None:
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


@kernel(inner=True)
def bend_keep(dt_s: float, tuning: F1) -> float:
    """Return the share of a bend that is left after dt_s."""
    return math.exp(-dt_s / tuning[BEND_TAU])


@kernel(inline=True)
def predict_to(X: F2, P: F3, i: int, XO: F2, PO: F3, j: int, dt_s: float, keep: float, tuning: F1) -> None:
    """Write row i, dt_s later, to row j of (XO, PO), as far as it is live; row j may be row i itself.

    Constant velocity, bend (Singer 1970), bias (Gauss-Markov);  keep : bend_keep of dt_s
    """
    if dt_s <= 0.0:
        copy(X, P, i, XO, PO, j)
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
    w_e, w_n = -s * gain * dt_s, c * gain * dt_s
    if X[i, BIAS_SIGMA] > 0.0:  # before the rest, which may overwrite what it reads
        _predict_bias(X, P, i, XO, PO, j, dt_s, w_e, w_n, keep, c, s, speed)
    q_ee, q_nn = q_al * c * c + q_cr * s * s, q_al * s * s + q_cr * c * c
    bend_sigma = tuning[BEND_SIGMA]
    state = predicted(
        load(X, P, i), dt_s, q_ee, q_nn, (q_al - q_cr) * s * c, w_e, w_n, keep, bend_sigma * bend_sigma
    )
    store(XO, PO, j, state)
    for a in range(HEADING, N_X):
        XO[j, a] = X[i, a]


@kernel
def predict(X: F2, P: F3, i: int, dt_s: float, tuning: F1) -> None:
    """Advance row i by dt_s, in place."""
    if dt_s > 0.0:
        predict_to(X, P, i, X, P, i, dt_s, bend_keep(dt_s, tuning), tuning)


@kernel(inline=True)
def update(
    X: F2, P: F3, i: int, h0: float, h1: float, h2: float, h3: float, hb: float,
    residual: float, r: float, work: F1,
) -> None:  # fmt: skip
    """Fuse one scalar (h0, h1) position + (h2, h3) velocity + hb (h0, h1) bias, variance r, into the state.

    work : (>= N_DIM,) scratch.  Symmetric rank-one form: P stays symmetric to the bit.
    """
    if X[i, BIAS_SIGMA] == 0.0:
        store(X, P, i, fused(load(X, P, i), h0, h1, h2, h3, residual, r))
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
