"""What is told of the tracks: states at one time, the error split into its fresh and its lasting part."""

import math

from fusion.filter import copy, predict
from fusion.kernel import BARE, F64, I64, INNER, kernel
from fusion.layout import BIAS_SIGMA, BIAS_TAU, HEADING, STAMP, V_EAST, V_NORTH

TAU_MIN_S, TAU_MAX_S = 0.05, 10.0
# Columns of out (n, N_OUT)
O_BIAS, O_TAU, N_OUT = 0, 1, 2


@kernel("f8(f8[:,:,::1], i8)", **INNER)
def _lasting_variance(P: F64, j: int) -> float:
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


@kernel("f8(f8[:,:,::1], i8, f8)", **INNER)
def _filter_tau_s(P: F64, j: int, heading: float) -> float:
    """Return the correlation time of the filter's own error across the course.

    In the steady state of a constant-velocity filter P_vv / P_pp = w^2, its bandwidth, and P_pp = sqrt(2) r w
    for measurement noise of density r, which alone does not average out. So an average over T has the
    variance r / T = 2 tau P_pp / T with tau = 1 / (2 sqrt(2) w): that of an AR(1) error, as the detectors
    weigh it.
    """
    c, s = (math.cos(heading), math.sin(heading)) if not math.isnan(heading) else (1.0, 0.0)
    p = s * s * P[j, 0, 0] - 2.0 * s * c * P[j, 0, 1] + c * c * P[j, 1, 1]
    v = s * s * P[j, 2, 2] - 2.0 * s * c * P[j, 2, 3] + c * c * P[j, 3, 3]
    return min(max(math.sqrt(p / max(v, 1e-9) / 8.0), TAU_MIN_S), TAU_MAX_S)


@kernel(
    "void(f8[:,::1], f8[:,:,::1], i8[:,::1], i8[::1], i8, f8[::1], f8[:,::1], f8[:,:,::1],"
    " f8[:,::1], f8[:,:,::1], f8[:,::1], i8[::1])",
    **BARE,
)
def read_out(
    X: F64, P: F64, ints: I64, rows: I64, t_ns: int, tuning: F64, WX: F64, WP: F64,
    x: F64, cov: F64, out: F64, stamp_ns: I64,
) -> None:  # fmt: skip
    """Fill x (n, 4), cov (n, 4, 4), out (n, N_OUT), stamp_ns (n,) with `rows` predicted to t_ns, never back.

    cov + bias^2 on the positions' diagonal is the whole covariance.
    """
    for k in range(rows.shape[0]):
        i = rows[k]
        copy(X, P, i, WX, WP, 0)
        stamp_ns[k] = max(t_ns, ints[i, STAMP])
        predict(WX, WP, 0, (stamp_ns[k] - ints[i, STAMP]) * 1e-9, tuning)
        heading = WX[0, HEADING]
        if WX[0, V_EAST] ** 2 + WX[0, V_NORTH] ** 2 > 1.0:
            heading = math.atan2(WX[0, V_NORTH], WX[0, V_EAST])
        lasting, tau_s = 0.0, _filter_tau_s(WP, 0, heading)
        if WX[0, BIAS_SIGMA] > 0.0:
            whole = (WP[0, 0, 0] + WP[0, 1, 1]) / 2.0
            lasting = min(_lasting_variance(WP, 0), whole)
            tau_s += lasting / whole * (max(WX[0, BIAS_TAU], tau_s) - tau_s)
        for a in range(4):
            x[k, a] = WX[0, a]
            for b in range(4):
                cov[k, a, b] = WP[0, a, b]
        cov[k, 0, 0] -= lasting
        cov[k, 1, 1] -= lasting
        out[k, O_BIAS], out[k, O_TAU] = math.sqrt(lasting), tau_s
