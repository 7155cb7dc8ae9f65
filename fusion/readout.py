"""What is told of the tracks: states at one time, the error split into its fresh and its lasting part."""

import math

from core.arrays import B2, F1, F2, F3, I1, I2
from core.kernel import kernel
from fusion.filter import bend_keep, predict_to
from fusion.heading import axis_of
from fusion.layout import (
    ARRIVED,
    BIAS_SIGMA,
    BIAS_TAU,
    CONFIRMED,
    ENFORCING_NS,
    GNSS_NS,
    IDENTITY_P,
    INTEGRITY,
    KIND,
    LENGTH,
    PERIOD_NS,
    RADAR_NS,
    STAMP,
    STATUS,
    TERMINAL,
    WIDTH,
)

TAU_MIN_S, TAU_MAX_S = 0.05, 10.0
PERIODS = 3  # so many of the sensor's periods without a measurement: coasting
COASTING_NS_MIN = 150_000_000
# Rows of what is read out: numbers (N_OUT, n), integers (N_OUT_INT, n), answers (N_OUT_BOOL, n)
O_BIAS, O_TAU, O_IDENTITY_P, O_LENGTH, O_WIDTH, N_OUT = 0, 1, 2, 3, 4, 5
O_STAMP, O_ARRIVED, O_RADAR, O_ENFORCING, O_GNSS, O_TERMINAL, O_KIND, N_OUT_INT = 0, 1, 2, 3, 4, 5, 6, 7
O_CONFIRMED, O_COASTING, O_INTEGRITY, N_OUT_BOOL = 0, 1, 2, 3


@kernel(inner=True)
def _lasting_variance(P: F3, j: int) -> float:
    """Return the variance per axis that position shares with the bias: least eigenvalue of C B^-1 C'."""
    b_ee, b_en, b_nn = P[j, 5, 5], P[j, 5, 6], P[j, 6, 6]
    det = b_ee * b_nn - b_en * b_en
    if not det > 0.0:
        return 0.0
    c00, c01, c10, c11 = P[j, 0, 5], P[j, 0, 6], P[j, 1, 5], P[j, 1, 6]
    i00, i01, i11 = b_nn / det, -b_en / det, b_ee / det
    k00, k01 = c00 * i00 + c01 * i01, c00 * i01 + c01 * i11
    k10, k11 = c10 * i00 + c11 * i01, c10 * i01 + c11 * i11
    s00, s01, s11 = k00 * c00 + k01 * c01, k00 * c10 + k01 * c11, k10 * c10 + k11 * c11
    least = (s00 + s11) / 2.0 - math.sqrt(((s00 - s11) / 2.0) ** 2 + s01 * s01)
    return float(max(least, 0.0))


@kernel(inner=True)
def _filter_tau_s(P: F3, j: int, c: float, s: float) -> float:
    """Return the correlation time of the filter's own error across the course (c, s).

    In the steady state of a constant-velocity filter P_vv / P_pp = w^2, its bandwidth, and P_pp = sqrt(2) r w
    for measurement noise of density r, which alone does not average out. So an average over T has the
    variance r / T = 2 tau P_pp / T with tau = 1 / (2 sqrt(2) w): that of an AR(1) error, as the detectors
    weigh it.
    """
    p = s * s * P[j, 0, 0] - 2.0 * s * c * P[j, 0, 1] + c * c * P[j, 1, 1]
    v = s * s * P[j, 2, 2] - 2.0 * s * c * P[j, 2, 3] + c * c * P[j, 3, 3]
    return min(max(math.sqrt(p / max(v, 1e-9) / 8.0), TAU_MIN_S), TAU_MAX_S)


@kernel(inner=True)
def _state(X: F2, P: F3, j: int, k: int, x: F2, cov: F3, out: F2) -> None:
    """Write state j as entry k: mean, covariance of the fresh error; the lasting one, the whole one's tau."""
    c, s = axis_of(X, j)
    if math.isnan(c):
        c, s = 1.0, 0.0
    lasting, tau_s = 0.0, _filter_tau_s(P, j, c, s)
    if X[j, BIAS_SIGMA] > 0.0:
        whole = (P[j, 0, 0] + P[j, 1, 1]) / 2.0
        lasting = min(_lasting_variance(P, j), whole)
        tau_s += lasting / whole * (max(X[j, BIAS_TAU], tau_s) - tau_s)
    for a in range(4):
        x[k, a] = X[j, a]
        for b in range(4):
            cov[k, a, b] = P[j, a, b]
    cov[k, 0, 0] -= lasting
    cov[k, 1, 1] -= lasting
    out[O_BIAS, k], out[O_TAU, k] = math.sqrt(lasting), tau_s


@kernel
def read_out(
    X: F2, P: F3, ints: I2, floats: F2, rows: I1, t_ns: int, tuning: F1, WX: F2, WP: F3,
    x: F2, cov: F3, out: F2, out_ints: I2, answers: B2,
) -> None:  # fmt: skip
    """Fill x (n, 4), cov (n, 4, 4) and what is told of them with `rows` predicted to t_ns, never back.

    cov + bias^2 on the positions' diagonal is the whole covariance.
    """
    for k in range(rows.shape[0]):
        i = rows[k]
        stamp_ns = max(t_ns, ints[i, STAMP])
        if stamp_ns > ints[i, STAMP]:
            ahead_s = (stamp_ns - ints[i, STAMP]) * 1e-9
            predict_to(X, P, i, WX, WP, 0, ahead_s, bend_keep(ahead_s, tuning), tuning)
            _state(WX, WP, 0, k, x, cov, out)
        else:
            _state(X, P, i, k, x, cov, out)
        known = ints[i, TERMINAL] >= 0
        out[O_IDENTITY_P, k] = floats[i, IDENTITY_P] if known else 0.0
        out[O_LENGTH, k], out[O_WIDTH, k] = floats[i, LENGTH], floats[i, WIDTH]
        out_ints[O_STAMP, k], out_ints[O_ARRIVED, k] = stamp_ns, ints[i, ARRIVED]
        out_ints[O_RADAR, k], out_ints[O_ENFORCING, k] = ints[i, RADAR_NS], ints[i, ENFORCING_NS]
        out_ints[O_GNSS, k], out_ints[O_TERMINAL, k] = ints[i, GNSS_NS], ints[i, TERMINAL]
        out_ints[O_KIND, k] = ints[i, KIND]
        patience_ns = max(PERIODS * ints[i, PERIOD_NS], COASTING_NS_MIN)
        answers[O_CONFIRMED, k] = ints[i, STATUS] == CONFIRMED
        answers[O_COASTING, k] = stamp_ns - max(ints[i, RADAR_NS], ints[i, GNSS_NS]) > patience_ns
        answers[O_INTEGRITY, k] = ints[i, INTEGRITY] != 0
