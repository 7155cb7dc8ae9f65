"""Two tests of whether a vehicle leaves its lane: where it is and goes, and whether it drifts.

*Place*: a slow Kalman filter of the offset across the lane, its speed, and the AR(1) error that the track
states; a level on the place `LOOK_S` ahead. *Ramp*: the likelihood that a steady drift has begun, from the
innovations of a driver who keeps the lane (generalised likelihood ratio over its slope and onset; Willsky,
Jones 1976; Basseville, Nikiforov 1993, 7.2). An error that lasts hides a place, but not a drift that is
faster than it: the second test runs only where errors last, and only fixes measure the vehicle. Levels:
geofence.levels. docs/geofence.md explains both.
"""

import math

from core.arrays import F1
from core.kernel import kernel
from core.onsets import advance_onsets
from geofence.state import (
    CLAIM_FIX,
    CLAIM_USED,
    DRIVER,
    DRIVER_COV,
    N_OF_RAMP,
    NIS,
    NIS_SEEN,
    PLACE,
    PLACE_COV,
    RAMP,
    RAMPS,
    SPAN,
)

LOOK_S = 0.5  # ahead; a driver who does not mean to leave has turned back by then
# lateral acceleration of a driver in the lane [m2/s3]: 0.1 m/s of speed in a second, 0.3 in nine. The delays
# are flat from 0.005 to 0.02 (docs/geofence.md)
Q_M2PS3 = 0.01
SPEED_FIRST_MPS = 0.3  # 1 sigma before it is measured
# A driver who keeps the lane wanders so far, for so long, about a line that itself moves slowly. A quick
# wander explains what drivers do within their lane, so that levels fall (docs/geofence.md)
WANDER_M, WANDER_S, LINE_S = 0.3, 1.5, 60.0
LINE_SHARE, LINE_M = 0.3, 0.05  # of the free way to the line's edge: 1 sigma of where that line is
# A departure is over the line in the end, by what asks for a warning (rules.lane_departure): a ramp that is
# less, from the middle of the lane, is weighed as one of that length
OUT_M = 0.3
RAMP_S_MAX = 9.0  # the oldest onset; each one before is 1.8 times as old: slopes differ little between them
RAMP_RATIO = 1.8
RAMP_TAU_S = 1.0  # errors that last less average out sooner than a drift shows
GAP_S = 2.0  # after a longer one both tests start anew
# Between two fixes a second apart, both over its limit, no truck is back for a time that counts: 0.3 m out
# and back would need 5 m/s^2 across. Stamps of a 1 Hz receiver jitter
FIX_STEP_S = 1.2
# The stated sigma is checked by the innovations: their squares over their variance are 1 in the mean. A mean
# over NIS_S (but of so many samples at least) that is above NIS_SURE says that the sigma is too small by its
# root. One sample counts as three sigma at most, so that neither an outlier nor the beginning of a departure
# makes an error of it; NIS_FIRST samples of a right one are presumed
NIS_S, NIS_SAMPLES, NIS_FIRST, NIS_ONE_MAX = 30.0, 30.0, 10.0, 9.0
NIS_MIN, NIS_SURE, NIS_MAX = 0.5, 2.0, 100.0
KEEPS_MPS = 1.0  # speed across the lane; who is faster is leaving it, and his samples check no sigma
STEERING_M2PS = 0.02  # what a driver adds to their squares: 0.2 m of wander in 4 s
JUMP_M = 0.25  # where half the span of the permitted lanes jumps by more, its middle is another line

AGE, SCORE, POWER, OF_DRIVER = range(4)  # numbers of a ramp in State.drift


@kernel
def lasting_tau_s(tau_s: float, dt_s: float) -> float:
    """Return tau of the error in continuous time whose mean over long varies as that of samples each dt_s.

    Samples of an AR(1) error sum up as if each lasted dt_s (1 + k) / (1 - k), k = exp(-dt_s / tau_s); white
    ones last dt_s / 2 each. So one table over (sigma, tau) serves all rates of samples.
    """
    x = 0.5 * dt_s / max(tau_s, 1e-3)
    return 0.5 * dt_s / math.tanh(x) if x > 1e-6 else tau_s


@kernel(inner=True)
def _start(offset_m: float, span_m: float, sigma_m: float, row: F1) -> None:
    """Start both tests at a first sample; what is known of sigma stays."""
    for c in range(CLAIM_FIX):
        row[c] = row[c] if c in (NIS, NIS_SEEN) else 0.0
    row[NIS] = max(row[NIS], 1.0) if row[NIS_SEEN] == 0.0 else row[NIS]
    row[PLACE], row[SPAN] = offset_m, span_m
    row[PLACE_COV], row[PLACE_COV + 2], row[PLACE_COV + 5] = sigma_m**2, -(sigma_m**2), sigma_m**2
    row[PLACE_COV + 3] = SPEED_FIRST_MPS**2
    row[DRIVER + 2] = offset_m
    row[DRIVER_COV], row[DRIVER_COV + 3], row[DRIVER_COV + 5] = (
        WANDER_M**2,
        sigma_m**2,
        WANDER_M**2 + sigma_m**2,
    )
    row[DRIVER_COV + 2], row[DRIVER_COV + 4] = -(WANDER_M**2), -(sigma_m**2)


@kernel(inner=True)
def _place(offset_m: float, sigma_m: float, keep: float, dt_s: float, row: F1) -> float:
    """Advance place, speed and error by one sample; return its innovation^2 over the variance.

    The driver's steering is subtracted: what is looked for are errors.
    """
    x, v, e = row[PLACE] + dt_s * row[PLACE + 1], row[PLACE + 1], keep * row[PLACE + 2]
    p, q = PLACE_COV, Q_M2PS3
    a = row[p] + 2.0 * dt_s * row[p + 1] + dt_s**2 * row[p + 3] + q * dt_s**3 / 3.0
    b = row[p + 1] + dt_s * row[p + 3] + q * dt_s**2 / 2.0
    c = keep * (row[p + 2] + dt_s * row[p + 4])
    d, f = row[p + 3] + q * dt_s, keep * row[p + 4]
    g = keep**2 * row[p + 5] + sigma_m**2 * (1.0 - keep**2)
    h_x, h_v, h_e = a + c, b + f, c + g
    s = h_x + h_e + 1e-4 * sigma_m**2  # the place is measured with nothing but the error: keeps P regular
    z = offset_m - x - e
    row[PLACE], row[PLACE + 1], row[PLACE + 2] = x + h_x / s * z, v + h_v / s * z, e + h_e / s * z
    row[p], row[p + 1], row[p + 2] = a - h_x * h_x / s, b - h_x * h_v / s, c - h_x * h_e / s
    row[p + 3], row[p + 4], row[p + 5] = d - h_v * h_v / s, f - h_v * h_e / s, g - h_e * h_e / s
    return float((z * z - STEERING_M2PS * dt_s) / s)


@kernel(inner=True)
def _ramps(offset_m: float, free_m: float, sigma_m: float, keep: float, dt_s: float, row: F1) -> float:
    """Advance the driver who keeps the lane, and the sums of each onset; return the best one's likelihood.

    In nats, positive to the left, negative to the right.
    """
    line_m = LINE_SHARE * max(free_m, 0.0) + LINE_M
    k_w, k_l = math.exp(-dt_s / WANDER_S), math.exp(-dt_s / LINE_S)
    w, e, line = k_w * row[DRIVER], keep * row[DRIVER + 1], k_l * row[DRIVER + 2]
    p = DRIVER_COV
    a = k_w**2 * row[p] + WANDER_M**2 * (1.0 - k_w**2)
    b, c = k_w * keep * row[p + 1], k_w * k_l * row[p + 2]
    d = keep**2 * row[p + 3] + sigma_m**2 * (1.0 - keep**2)
    f = keep * k_l * row[p + 4]
    g = k_l**2 * row[p + 5] + line_m**2 * (1.0 - k_l**2)
    h_w, h_e, h_l = a + b + c, b + d + f, c + f + g
    s = h_w + h_e + h_l + 1e-4 * sigma_m**2
    z = offset_m - w - e - line
    gain_w, gain_e, gain_l = h_w / s, h_e / s, h_l / s
    row[DRIVER], row[DRIVER + 1], row[DRIVER + 2] = w + gain_w * z, e + gain_e * z, line + gain_l * z
    row[p], row[p + 1], row[p + 2] = a - h_w * gain_w, b - h_w * gain_e, c - h_w * gain_l
    row[p + 3], row[p + 4], row[p + 5] = d - h_e * gain_e, f - h_e * gain_l, g - h_l * gain_l
    best, signed = 0.0, 0.0
    advance_onsets(row, RAMP, RAMPS, N_OF_RAMP, RAMP_S_MAX, RAMP_RATIO, dt_s)
    for j in range(RAMPS):
        r = RAMP + j * N_OF_RAMP
        m_w, m_e, m_l = k_w * row[r + OF_DRIVER], keep * row[r + OF_DRIVER + 1], k_l * row[r + OF_DRIVER + 2]
        n_z = row[r + AGE] - m_w - m_e - m_l  # the innovation that a ramp of 1 m/s leaves
        row[r + OF_DRIVER], row[r + OF_DRIVER + 1], row[r + OF_DRIVER + 2] = (
            m_w + gain_w * n_z,
            m_e + gain_e * n_z,
            m_l + gain_l * n_z,
        )
        row[r + SCORE] += n_z * z / s
        row[r + POWER] += n_z * n_z / s
        slope = max(abs(row[r + SCORE]) / row[r + POWER], (max(free_m, 0.0) + OUT_M) / row[r + AGE])
        likelihood = slope * (abs(row[r + SCORE]) - 0.5 * slope * row[r + POWER])
        if likelihood > best:
            best, signed = likelihood, math.copysign(likelihood, row[r + SCORE])
    return float(signed)


@kernel(inner=True)
def _check_sigma(squared: float, dt_s: float, row: F1) -> None:
    """Take an innovation's square, over the variance that the trusted sigma gives it, into the mean."""
    share = 1.0 / min(row[NIS_SEEN] + NIS_FIRST, max(NIS_S / dt_s, NIS_SAMPLES))
    row[NIS_SEEN] = min(row[NIS_SEEN] + 1.0, NIS_S / min(dt_s, 1.0) + NIS_SAMPLES)
    trusted = row[NIS] if row[NIS] > NIS_SURE else 1.0
    mean = row[NIS] + share * (min(squared, NIS_ONE_MAX) * trusted - row[NIS])
    row[NIS] = min(max(mean, NIS_MIN), NIS_MAX)


@kernel(inner=True)
def shown_scale(row: F1) -> float:
    """Return how many times the stated sigma this track's samples show, 1 where they don't contradict."""
    return math.sqrt(row[NIS]) if row[NIS] > NIS_SURE else 1.0


@kernel(inner=True)
def trusted_sigma_m(sigma_m: float, row: F1) -> float:
    """Return the stated sigma, or a larger one where the track's samples or its fixes contradict it."""
    return float(sigma_m * max(shown_scale(row), row[CLAIM_USED]))


@kernel
def place_spread_m(row: F1) -> float:
    """Return 1 sigma of the place LOOK_S ahead, as the slow filter knows it [m]."""
    p = PLACE_COV
    return math.sqrt(max(row[p] + 2.0 * LOOK_S * row[p + 1] + LOOK_S**2 * row[p + 3], 0.0))


@kernel(inner=True)
def weigh_drift(
    offset_m: float, span_m: float, free_m: float, sigma_m: float, tau_s: float, dt_s: float, row: F1
) -> tuple[float, float]:
    """Weigh one sample; return how far over the line it will be [m], and the ramp to its side [nats].

    offset_m : of the middle of the lanes that permit it, positive to the left.  span_m : half their width
    free_m : how far the vehicle may leave the middle without touching a line.  dt_s : since the last sample
    row : (N_DRIFT,).  The ramp is 0 where errors do not last
    """
    sigma_m = trusted_sigma_m(sigma_m, row)
    if row[PLACE_COV] == 0.0 or not dt_s <= GAP_S or not abs(span_m - row[SPAN]) < JUMP_M:
        _start(offset_m, span_m, sigma_m, row)
        return -free_m, 0.0
    row[SPAN] = span_m
    if dt_s <= 0.0:
        return -free_m, 0.0
    keep = math.exp(-dt_s / max(tau_s, 1e-3))
    squared = _place(offset_m, sigma_m, keep, dt_s, row)
    # outside, or fast, who leaves would pass for an error
    if abs(offset_m) <= free_m and abs(row[PLACE + 1]) < KEEPS_MPS:
        _check_sigma(squared, dt_s, row)
    ramp = _ramps(offset_m, free_m, sigma_m, keep, dt_s, row) if tau_s >= RAMP_TAU_S else 0.0
    side = 1.0 if offset_m > 0.0 else -1.0
    x, v = side * row[PLACE], side * row[PLACE + 1]
    return max(x, x + LOOK_S * v) - free_m, max(side * ramp, 0.0)
