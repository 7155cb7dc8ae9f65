"""How far what a terminal states of its error can be trusted, from the increments of its own fixes.

Where no radar measures the place, sigma is a claim. Whoever sends a constant error contradicts nothing, but a
receiver's error moves: between two fixes it changes by an AR(1) error's increment, of variance
2 sigma^2 (1 - exp(-dt / tau)), while the vehicle moves by its velocity, which comes mostly from Doppler and
heading. What is left says how many times the claim the error is.

The scale is one of SCALES steps of sqrt(2) from 1 on, with a log likelihood each and a prior of the kind that
fusion.sigma_scale has: a marginal over scales, wider than a normal (a Student t is one over all scales;
Gelman et al. 2013, 3.2). What is trusted is not its mean but what all but one in a thousand stay below. Above
the last step nothing is, nor is a claim that was not checked CHECKS times.
"""

import math

from core.arrays import F1, F2, F3, I1
from core.kernel import kernel
from geofence.continuity import Sightings, is_named, is_unseen
from geofence.crossing import forget_course
from geofence.drift import FIX_STEP_S
from geofence.scales import ODD_SIGMAS, STEP_P, log_density
from geofence.state import (
    CHECKS,
    CLAIM_FIX,
    CLAIM_SCORE,
    CLAIM_TRUST,
    CLAIM_USED,
    CLAIM_WHOSE,
    DOUBTED,
    FIXED,
    MOVED_S,
    SCALES,
    SCORE_MAX,
)

# Of claims so many are worse than what is trusted. The next step has sqrt(2) sigma, which passes a level of
# 4.5 sigma 150 times as often: together a seventh more alarms than asked
BEYOND_P = 1e-3
CHECKS_MIN = 10.0  # a step of a factor 2 shows 0.3 nats a sample, and its prior of 1/16 asks for three
JERK_MPS3 = 0.5  # 1 sigma across the course: of a change of lane in 5 s
NEVER_TRUSTED = 1e3  # times sigma: nothing is decidable


@kernel(inner=True)
def _trusted_scale(row: F1) -> float:
    """Return the scale above which the posterior is at most BEYOND_P."""
    total, prior = 0.0, 1.0
    for k in range(SCALES):
        total += prior * math.exp(row[CLAIM_SCORE + k])
        prior *= STEP_P
    beyond = 0.0
    for k in range(SCALES - 1, 0, -1):
        prior = STEP_P**k
        beyond += prior * math.exp(row[CLAIM_SCORE + k])
        if beyond > BEYOND_P * total:
            return NEVER_TRUSTED if k == SCALES - 1 else math.sqrt(2.0) ** k
    return 1.0


@kernel
def add_increment(residual_m: float, error_m2: float, motion_m2: float, row: F1) -> None:
    """Weigh what an increment of the fixes leaves beside the motion, and renew what is trusted.

    error_m2 : its variance by the claim.  motion_m2 : that of the motion.  row : (N_DRIFT,) of State.drift
    """
    square, odd = residual_m * residual_m, ODD_SIGMAS**2 * error_m2 + motion_m2
    true = log_density(square, error_m2 + motion_m2, odd)
    scale2 = 1.0
    for k in range(1, SCALES):  # scores are relative to that of the claim itself (k = 0), which is 0
        scale2 *= 2.0
        gain = log_density(square, scale2 * error_m2 + motion_m2, max(odd, scale2 * error_m2 + motion_m2))
        row[CLAIM_SCORE + k] = min(max(row[CLAIM_SCORE + k] + gain - true, -SCORE_MAX), SCORE_MAX)
    row[CHECKS] = min(row[CHECKS] + 1.0, CHECKS_MIN)
    row[CLAIM_TRUST] = _trusted_scale(row) if row[CHECKS] >= CHECKS_MIN else NEVER_TRUSTED


@kernel(inner=True)
def claimed_scale(row: F1) -> float:
    """Return how many times its sigma a place may be off that only fixes measure."""
    is_known = row[CLAIM_TRUST] > 0.0 and row[MOVED_S] == row[DOUBTED] == 0.0
    return float(row[CLAIM_TRUST]) if is_known else NEVER_TRUSTED


@kernel(inner=True)
def _forget(drift: F1, stamps: I1, keeps: bool) -> None:
    """Forget what another terminal showed; keeps : it is restored, and its terminal the same."""
    if keeps:
        return
    stamps[FIXED] = 0
    drift[CHECKS] = drift[CLAIM_TRUST] = 0.0
    for k in range(SCALES):
        drift[CLAIM_SCORE + k] = 0.0
    forget_course(drift)


@kernel(inner=True)
def _compare(i: int, stamp_ns: int, x: F2, seen: Sightings, drift: F1, stamps: I1) -> None:
    """Weigh the increment from the last fix to this one; remember this one."""
    f, e, n = CLAIM_FIX, math.cos(seen.axis_rad[i]), math.sin(seen.axis_rad[i])
    east, north = seen.east_m[i] + seen.off_m[i] * e, seen.north_m[i] + seen.off_m[i] * n
    dt_s, white_m2 = (stamp_ns - stamps[FIXED]) * 1e-9, seen.sigma_m[i] ** 2
    lasting_m, tau_s = seen.gnss_bias_m[i], seen.gnss_tau_s[i]
    is_next = stamps[FIXED] > 0 and dt_s <= FIX_STEP_S and not drift[MOVED_S] > 0.0
    if is_next and lasting_m > 0.0 and tau_s > 0.0:
        v_east, v_north = (x[i, 2] + drift[f + 2]) / 2.0, (x[i, 3] + drift[f + 3]) / 2.0
        residual_m = e * (east - drift[f] - dt_s * v_east) + n * (north - drift[f + 1] - dt_s * v_north)
        error_m2 = 2.0 * lasting_m**2 * (1.0 - math.exp(-dt_s / tau_s)) + white_m2 + drift[f + 4]
        P: F3 = seen.P
        var = e * e * P[i, 2, 2] + 2.0 * e * n * P[i, 2, 3] + n * n * P[i, 3, 3]
        motion_m2 = dt_s**2 * max(var, 0.0) + (JERK_MPS3 * dt_s**3 / 12.0) ** 2  # of the trapezoid
        add_increment(residual_m, error_m2, motion_m2, drift)
    drift[f], drift[f + 1], drift[f + 2], drift[f + 3] = east, north, x[i, 2], x[i, 3]
    drift[f + 4], stamps[FIXED] = white_m2, stamp_ns


@kernel(inner=True)
def check_claim(i: int, stamp_ns: int, x: F2, seen: Sightings, drift: F1, stamps: I1) -> None:
    """Check track i's newest fix against the one before; note whether its place rests on fixes alone.

    x : (n, 4) of the batch.  drift, stamps : the track's rows of the State
    A terminal is checked under radar as well, so that it is known where radar ends.
    """
    named = is_named(i, seen)
    if not named or drift[CLAIM_WHOSE] != seen.terminal[i] + 1.0:
        _forget(drift, stamps, named and drift[CLAIM_WHOSE] == 0.0)
        drift[CLAIM_WHOSE] = seen.terminal[i] + 1.0 if named else 0.0
    if named and not seen.gnss_bias_m[i] > 0.0:
        drift[CLAIM_TRUST] = 1.0  # nothing is claimed: the error is fusion's own
    elif named and seen.is_fix[i] and seen.fix_ns[i] == stamp_ns and stamp_ns > stamps[FIXED]:
        _compare(i, stamp_ns, x, seen, drift, stamps)
    alone = claimed_scale(drift) if named else 1.0
    drift[CLAIM_USED] = alone if is_unseen(i, stamp_ns, seen) else 0.0
