"""Whether a vehicle that only fixes measure left its lane, by its way across as its course shows it.

A reported course is Doppler's: its error is not the place's. Integrated against the lane's direction it says
how far across the vehicle went since an onset, within a tenth of a metre, where a place whose error lasts
says it within a quarter. A driver who keeps the lane was inside it then and is inside it now, wherever in it
he was, and however he went: the two places are unknown but for that, and for how far drivers move in their
lane in a few seconds. Against him stands one who was inside and is now anywhere. The likelihood ratio is that
of the best two places of either (generalised likelihood ratio: Willsky, Jones 1976), over ONSETS ages.

How good a course is nobody states. Its error has the scales BASE_RAD sqrt(2)^k, with a log likelihood each
from the difference of the ways that course and places show over LOOK_S, and the prior SCALE_P^k; beside them
is a course that is computed from the places, so that it is no second witness. The scales of the place's error
are those of geofence.claim. None is chosen: likelihoods are means over all pairs, by their posterior. What
differs for long (how an antenna is mounted, the lane's direction on the map) is estimated and taken off.
"""

import math

from core.arrays import F1
from core.kernel import kernel
from core.onsets import advance_onsets
from geofence.drift import FIX_STEP_S, JUMP_M, RAMP_TAU_S, shown_scale, trusted_sigma_m
from geofence.scales import DISPROVED, ODD_SIGMAS, STEP_P, log_density
from geofence.state import (
    CLAIM_SCORE,
    COURSE_OFF,
    COURSE_SCALES,
    COURSE_SCORE,
    COURSE_VAR,
    CROSS_SPAN,
    CROSSED,
    CROSSES,
    LOOK,
    MOVED_S,
    N_DRIFT,
    N_OF_ONSET,
    OFFSET_LAST,
    ONSET,
    ONSETS,
    SCALES,
    SCORE_MAX,
    SLIP_LAST,
    STEP_M,
    STEP_WAY_M,
)

ONSET_S_MAX, ONSET_RATIO, ONSET_S_MIN = 9.0, 1.6, 1.0  # ages of the onsets: each 1.6 times as old as the next
BASE_RAD, SCALE_P = 0.003, 0.35  # of the best receivers, and the prior of each further step
# an error of a course lasts so long at least, whatever the rate of fixes: receivers smooth
COURSE_S = 1.0
COPIED_P = 0.02  # prior of a course that is computed from the places
WILD_P = 0.01  # of a course that is none over an onset, whatever is known of its terminal: a glitch
COPIED_M, COPIED_SHARE = 0.05, 0.25  # what it differs by from them: 1 sigma, and share of their variance
# 1 sigma of a course that is none: a glitch, and a stuck one, which is taken with those that are computed
WILD_RAD = 0.5
LOOK_S = 2.0  # course and places are compared over so long; jitter of stamps ends a look sooner
OFF_RAD, OFF_DRIFT_RAD = 0.02, 0.0005  # 1 sigma of the lasting difference; of its change in a second
OFF_GATE = 4.0  # sigmas; a way that differs by more says nothing of what lasts
JERK_MPS3 = 0.5  # 1 sigma across the course, as of geofence.claim: what a trapezoid of two courses misses
MOVES_M = 0.42  # 1 sigma of how far drivers move within their lane between two times: sqrt(2) of 0.3 m
SLOWEST_MPS = 5.0  # below it a course is noise
# of an onset and of a look: its age, the way across since [m], the offset then [m], and how far it drove [m]
AGE, WAY, FROM, DRIVEN = range(4)
# Pairs of scales that are so much less probable than the best (in nats) decide nothing
NEGLIGIBLE = 24.0
# The level for a rate of false alarms: LEVEL_NATS at 1e-4 an hour, and so much for each factor e below it.
# Data of `python -m benchmarks.lane_departure crossing` (docs/geofence.md)
LEVEL_NATS, LEVEL_PER_E = 14.5, 1.0


@kernel(inner=True)
def crossing_level(rate: float) -> float:
    """Return the likelihood ratio [nats] that drivers who keep the lane pass so often an hour."""
    return LEVEL_NATS + LEVEL_PER_E * math.log(1e-4 / rate)


@kernel(inner=True)
def forget_course(row: F1) -> None:
    """Forget what another terminal's course and places showed."""
    for c in range(COURSE_OFF, N_DRIFT):
        row[c] = 0.0


@kernel(inner=True)
def begin_onset(row: F1, r: int, offset_m: float) -> None:
    """Begin the onset, or the look, at r anew."""
    row[r + AGE], row[r + WAY], row[r + FROM], row[r + DRIVEN] = 0.0, 0.0, offset_m, 0.0


@kernel(inner=True)
def _begin(offset_m: float, span_m: float, slip_mps: float, row: F1) -> None:
    """Begin all onsets here; what is known of the course stays."""
    for c in range(LOOK, CROSSED):
        row[c] = 0.0
    row[LOOK + FROM] = offset_m
    for j in range(ONSETS):
        row[ONSET + j * N_OF_ONSET + FROM] = offset_m
    row[CROSSES], row[CROSS_SPAN], row[OFFSET_LAST], row[SLIP_LAST] = 1.0, span_m, offset_m, slip_mps


@kernel(inner=True)
def _quadratic(
    a: float, b: float, ends: tuple[float, float, float], ways: tuple[float, float, float]
) -> float:
    """Return twice the negative log likelihood of having been at a and being at b.

    ends : the places then and now, and how much of the former's error is left.  ways : the way that the
    course shows, and the variances of the latter place's fresh error and of the way
    """
    then_m, now_m, keep = ends
    way_m, fresh_m2, way_m2 = ways
    e, f, d = then_m - a, now_m - b, way_m - (b - a)
    return (e * e - 2.0 * keep * e * f + f * f) / fresh_m2 + d * d / way_m2


@kernel(inner=True)
def _edge(
    at_m: float, then: bool, free_m: float, ends: tuple[float, float, float], ways: tuple[float, float, float]
) -> float:
    """Return the least `_quadratic` with one place at `at_m` and the other within free_m of the middle."""
    then_m, now_m, keep = ends
    way_m, fresh_m2, way_m2 = ways
    weight = 1.0 / fresh_m2 + 1.0 / way_m2
    if then:
        b = ((now_m - keep * (then_m - at_m)) / fresh_m2 + (way_m + at_m) / way_m2) / weight
        return float(_quadratic(at_m, min(max(b, -free_m), free_m), ends, ways))
    a = ((then_m - keep * (now_m - at_m)) / fresh_m2 + (at_m - way_m) / way_m2) / weight
    return float(_quadratic(min(max(a, -free_m), free_m), at_m, ends, ways))


@kernel
def misfits(
    free_m: float, ends: tuple[float, float, float], ways: tuple[float, float, float]
) -> tuple[float, float]:
    """Return the least `_quadratic` of who is inside at both times, and of who was and may be anywhere.

    free_m : how far the middle of the lanes may be away, inside them.  ends, ways : as of `_quadratic`
    """
    then_m, now_m, keep = ends
    way_m, fresh_m2, way_m2 = ways
    own, both = 1.0 / fresh_m2 + 1.0 / way_m2, keep / fresh_m2 + 1.0 / way_m2
    of_then = (then_m - keep * now_m) / fresh_m2 - way_m / way_m2
    of_now = (now_m - keep * then_m) / fresh_m2 + way_m / way_m2
    over = 1.0 / (own * own - both * both)
    a, b = (own * of_then + both * of_now) * over, (own * of_now + both * of_then) * over
    if abs(a) <= free_m:
        anywhere = _quadratic(a, b, ends, ways)
    else:
        anywhere = _edge(math.copysign(free_m, a), True, 1e9, ends, ways)
    if abs(a) <= free_m and abs(b) <= free_m:
        return float(anywhere), float(anywhere)
    inside = min(_edge(-free_m, True, free_m, ends, ways), _edge(free_m, True, free_m, ends, ways))
    inside = min(inside, _edge(-free_m, False, free_m, ends, ways))
    return float(min(inside, _edge(free_m, False, free_m, ends, ways))), float(anywhere)


@kernel(inner=True)
def course_m2(k: int, speed_mps: float, age_s: float, dt_s: float) -> float:
    """Return the variance of the way over age_s by the k-th scale of a course's error."""
    return (BASE_RAD * speed_mps) ** 2 * 2.0**k * age_s * max(dt_s, COURSE_S)


@kernel(inner=True)
def rest_m2(off_var: float, speed_mps: float, age_s: float, dt_s: float) -> float:
    """Return the variance of the way over age_s by what lasts of a course, and by what two of them miss."""
    lasts_m2 = off_var * (speed_mps * age_s) ** 2
    return float(lasts_m2 + (JERK_MPS3 * dt_s**3 / 12.0) ** 2 * age_s / dt_s)


@kernel(inner=True)
def _learn(offset_m: float, sigma_m: float, tau_s: float, speed_mps: float, dt_s: float, row: F1) -> None:
    """Compare course and places over a look that ends now, and begin the next."""
    age_s = row[LOOK + AGE]
    away = row[LOOK + WAY] - row[LOOK + DRIVEN] * row[COURSE_OFF] - (offset_m - row[LOOK + FROM])
    places_m2 = 2.0 * sigma_m**2 * (1.0 - math.exp(-age_s / tau_s))
    rest, top = rest_m2(row[COURSE_VAR], speed_mps, age_s, dt_s), -math.inf
    for k in range(COURSE_SCALES):
        var = places_m2 + rest + course_m2(k, speed_mps, age_s, dt_s)
        odd = ODD_SIGMAS**2 * places_m2
        if k == COURSE_SCALES - 1:
            var, odd = COPIED_M**2 + rest + COPIED_SHARE * places_m2, (WILD_RAD * speed_mps * age_s) ** 2
        row[COURSE_SCORE + k] += log_density(away * away, var, max(odd, var))
        top = max(top, row[COURSE_SCORE + k])
    for k in range(COURSE_SCALES):
        row[COURSE_SCORE + k] = max(row[COURSE_SCORE + k] - top, -SCORE_MAX)
    begin_onset(row, LOOK, offset_m)


@kernel(inner=True)
def _ratio(
    j: int, offset_m: float, free_m: float, error: tuple[float, float], speed_mps: float, dt_s: float, row: F1
) -> float:
    """Return the log likelihood ratio of onset j, over all scales of both errors; error : sigma and tau."""
    r, side = ONSET + j * N_OF_ONSET, 1.0 if offset_m > 0.0 else -1.0
    sigma_m, tau_s = error
    age_s = row[r + AGE]
    way_m = side * (row[r + WAY] - row[r + DRIVEN] * row[COURSE_OFF])
    ends = side * row[r + FROM], side * offset_m, math.exp(-age_s / tau_s)
    rest = rest_m2(row[COURSE_VAR], speed_mps, age_s, dt_s)
    free_m, top, inside, left = max(free_m, 0.0), -math.inf, 0.0, 0.0
    for m in range(SCALES):
        place_p = row[CLAIM_SCORE + m] + m * math.log(STEP_P)
        sigma2 = sigma_m**2 * 2.0**m
        fresh_m2 = sigma2 * (1.0 - ends[2] ** 2)
        for k in range(COURSE_SCALES):
            log_p = place_p - 0.5 * math.log(fresh_m2 * sigma2)
            if k == COURSE_SCALES - 1:  # only the places say anything
                var = COPIED_M**2 + rest + COPIED_SHARE * 2.0 * sigma2 * (1.0 - math.exp(-LOOK_S / tau_s))
                apart_m2, wild_m = (way_m - ends[1] + ends[0]) ** 2, WILD_RAD * speed_mps * age_s
                copied_p = COPIED_P * math.exp(row[COURSE_SCORE + k] - 0.5 * apart_m2 / var) / math.sqrt(var)
                wild_p = WILD_P * math.exp(-0.5 * apart_m2 / wild_m**2) / wild_m
                log_p += math.log(copied_p + wild_p + 1e-300)
                way_m2, of_way = 1e6, 0.0
            else:
                way_m2 = course_m2(k, speed_mps, age_s, dt_s) + rest
                log_p += row[COURSE_SCORE + k] + k * math.log(SCALE_P) - 0.5 * math.log(way_m2)
                of_way = way_m**2 / (way_m2 + MOVES_M**2)
            if log_p < top - NEGLIGIBLE:  # the misfits only lower it
                continue
            share = MOVES_M**2 / (way_m2 + MOVES_M**2)
            keeps, _ = misfits(free_m, ends, (way_m * share, fresh_m2, way_m2 * share))
            _, leaves = misfits(free_m, ends, (way_m, fresh_m2, way_m2))
            keeps += of_way
            likely = log_p - 0.5 * min(leaves, keeps)
            if likely > top:
                inside, left = inside * math.exp(top - likely), left * math.exp(top - likely)
                top = likely
            inside += math.exp(log_p - 0.5 * keeps - top)
            left += math.exp(log_p - 0.5 * leaves - top)
    return float(math.log(left + 1e-300) - math.log(inside + 1e-300))


@kernel(inner=True)
def _learn_what_lasts(
    way_m: float, offset_m: float, error: tuple[float, float], speed_mps: float, dt_s: float, row: F1
) -> None:
    """Estimate the lasting difference of course and lane from a step."""
    sigma_m, tau_s = error
    seen_m2 = 2.0 * sigma_m**2 * (1.0 - math.exp(-dt_s / tau_s)) + (JERK_MPS3 * dt_s**3 / 12.0) ** 2
    r = seen_m2 / (speed_mps * dt_s) ** 2 + 16.0 * BASE_RAD**2
    # a course that is never within the gate is no less known than at first, and carried as any other
    row[COURSE_VAR] = min(row[COURSE_VAR] + OFF_DRIFT_RAD**2 * dt_s, OFF_RAD**2)
    z = (way_m - (offset_m - row[OFFSET_LAST])) / (speed_mps * dt_s) - row[COURSE_OFF]
    s = row[COURSE_VAR] + r
    if z * z < OFF_GATE**2 * s:
        gain = row[COURSE_VAR] / s
        row[COURSE_OFF] += gain * z
        row[COURSE_VAR] *= 1.0 - gain


@kernel(inner=True)
def _age_onsets(way_m: float, driven_m: float, dt_s: float, row: F1) -> None:
    """Add a step and its way to all onsets; where one begins anew, it begins at the last fix."""
    if advance_onsets(row, ONSET, ONSETS, N_OF_ONSET, ONSET_S_MAX, ONSET_RATIO, dt_s):
        row[ONSET + (ONSETS - 1) * N_OF_ONSET + FROM] = row[OFFSET_LAST]
    for j in range(ONSETS):
        row[ONSET + j * N_OF_ONSET + WAY] += way_m
        row[ONSET + j * N_OF_ONSET + DRIVEN] += driven_m


@kernel
def weigh_crossing(
    across: tuple[float, float, float], error: tuple[float, float], reported: tuple[float, float],
    dt_s: float, row: F1,
) -> float:  # fmt: skip
    """Weigh one fix; return the log likelihood ratio of having left the lane on the side where it is [nats].

    across : the fix's offset from the middle of the lanes that permit it, half their width, and how far it
    may be from the middle without touching a line.  error : sigma and tau of the place
    reported : speed, and velocity to the left of the lane; NaN: none.  dt_s : since the last fix
    """
    offset_m, span_m, free_m = across
    sigma_m, tau_s = error
    speed_mps, slip_mps = reported
    if row[COURSE_VAR] == 0.0:  # before any course as well: geofence.shifts keeps what is known of it
        row[COURSE_VAR] = OFF_RAD**2
    known = speed_mps >= SLOWEST_MPS and slip_mps == slip_mps and offset_m == offset_m and sigma_m > 0.0
    follows = 0.0 < dt_s <= FIX_STEP_S and abs(span_m - row[CROSS_SPAN]) < JUMP_M
    row[STEP_M], row[STEP_WAY_M] = offset_m - row[OFFSET_LAST] if follows else 0.0, 0.0
    if not known:
        row[CROSSES] = 0.0
        row[OFFSET_LAST], row[CROSS_SPAN] = (offset_m, span_m) if offset_m == offset_m else (0.0, 0.0)
        return 0.0
    if row[CROSSES] == 0.0 or not follows:
        _begin(offset_m, span_m, slip_mps, row)
        return 0.0
    sigma_m *= shown_scale(row)
    trusted = min(trusted_sigma_m(sigma_m, row), DISPROVED * sigma_m), tau_s
    way_m = 0.5 * (slip_mps + row[SLIP_LAST]) * dt_s
    learns = not row[MOVED_S] > 0.0  # what an error says that moves is of no use
    if learns:
        _learn_what_lasts(way_m, offset_m, trusted, speed_mps, dt_s, row)
    row[LOOK + AGE] += dt_s
    row[LOOK + WAY] += way_m
    row[LOOK + DRIVEN] += speed_mps * dt_s
    if learns and row[LOOK + AGE] > LOOK_S - 0.5 * dt_s:
        _learn(offset_m, sigma_m, tau_s, speed_mps, dt_s, row)
    _age_onsets(way_m, speed_mps * dt_s, dt_s, row)
    row[STEP_WAY_M] = way_m
    row[SLIP_LAST], row[OFFSET_LAST], row[CROSS_SPAN] = slip_mps, offset_m, span_m
    best = 0.0
    for j in range(ONSETS if abs(offset_m) > free_m and tau_s >= RAMP_TAU_S else 0):
        if row[ONSET + j * N_OF_ONSET + AGE] >= ONSET_S_MIN:
            best = max(best, _ratio(j, offset_m, free_m, (sigma_m, tau_s), speed_mps, dt_s, row))
    return float(best)
