"""Whether a terminal's error moved: its place went across the lane, and the vehicle did not.

A receiver that changes its satellites or its RTK ambiguities, or drives under a gantry, reports another place
from one fix to the next, or within seconds, and stays there. Its claim doesn't say so: an AR(1) error of the
stated sigma and tau would take hours. That is a hypothesis of its own, with the prior P_SHIFT, against all
that the places and courses since an onset of geofence.crossing can mean otherwise. Either way the vehicle
went across by some way, as vehicles do (LEAVES_MPS); what the places show of it has their error, and, under
this hypothesis, SHIFT_M more; what the course shows has its own. Scales of either error are weighed by what
was learnt of them. So a course that is a second witness refutes a way that only the places show. Of one
that is computed from the places, or of none, only what no vehicle can do in that time speaks for a shift.

What is known of course and claim is taken as it was before any onset: a slide would else make a bad course
of a good one, before it is a slide. While it is not improbable that the error moved nobody is accused. Once
it is more likely than not, the place carries no judgement, and what the fixes since seemed to say of course
and claim is taken back, until the error is back (the excess of places over courses since then has returned),
or the place was in the lane for CALM_FOR_S: a truck of that error would be beside it all that time.
"""

import math

from core.arrays import F1
from core.kernel import kernel
from geofence.claim import claimed_scale
from geofence.crossing import (
    AGE,
    COPIED_M,
    COPIED_P,
    COPIED_SHARE,
    DRIVEN,
    FROM,
    LOOK_S,
    SCALE_P,
    WAY,
    WILD_P,
    WILD_RAD,
    begin_onset,
    course_m2,
    rest_m2,
    weigh_crossing,
)
from geofence.drift import FIX_STEP_S, shown_scale
from geofence.scales import STEP_P
from geofence.state import (
    CALM_S,
    CLAIM_SCORE,
    CLAIM_USED,
    CLEAR_S,
    COURSE_OFF,
    COURSE_SCALES,
    CROSS_SPAN,
    CROSSED,
    CROSSES,
    CUSUM,
    DOUBTED,
    KEPT_FOR_S,
    KNOWN,
    KNOWN_NEXT,
    MOST_M,
    MOVED_M,
    MOVED_S,
    N_KNOWN,
    N_OF_ONSET,
    ONSET,
    ONSETS,
    PLACE_COV,
    SCALES,
    STEP_M,
    STEP_WAY_M,
)

P_SHIFT = 0.03  # prior that the error moved within the time of an onset
SHIFT_M = 2.0  # 1 sigma of by how much
LEAVES_MPS = 1.0  # 1 sigma of how fast vehicles go across, those that change lanes among them
SUSPECT = 6.0  # the odds are computed where the square of a difference exceeds so many of its variances
DOUBT_NATS = -3.5  # while the log odds of a shift are above that, nobody is accused
KNOWN_S = 10.0  # what is known is so old at least, as the oldest onset
CALM_FOR_S = 10.0
# The error is back where it has moved by less than that, and by less than that share of what it had
RETURNED_M, RETURNED_SHARE = 0.5, 0.4
RETURN_S = 20.0  # a course that errs sums up: it shows for so long at most that it is
# of KNOWN: the lasting difference of course and lane, its variance, the scores of the course and of the claim
OF_OFF, OF_VAR, OF_COURSE, OF_CLAIM = KNOWN, KNOWN + 1, KNOWN + 2, KNOWN + 2 + COURSE_SCALES


@kernel(inner=True)
def _density(moved_m: float, way_m: float, places_m2: float, of_course_m2: float, motion_m2: float) -> float:
    """Return the likelihood of what places and course show of one unknown way, but for a constant."""
    a, b = motion_m2 + places_m2, motion_m2 + of_course_m2
    det = a * b - motion_m2 * motion_m2
    square = (b * moved_m**2 - 2.0 * motion_m2 * moved_m * way_m + a * way_m**2) / det
    return math.exp(-0.5 * square) / math.sqrt(det)


@kernel(inner=True)
def _normal(square: float, variance: float) -> float:
    return math.exp(-0.5 * square / variance) / math.sqrt(variance)


@kernel
def shift_odds(
    moved_m: float, way_m: float, age_s: float, error: tuple[float, float], speed_mps: float, dt_s: float,
    row: F1,
) -> float:  # fmt: skip
    """Return the log odds that the error moved within the last age_s.

    moved_m, way_m : how far the places and the courses went across since.  error : sigma and tau
    speed_mps : 0, there is no course.  dt_s : between two fixes
    """
    sigma_m, tau_s = error
    fresh, motion_m2 = 2.0 * (1.0 - math.exp(-age_s / tau_s)), (LEAVES_MPS * age_s) ** 2
    of_look, apart2 = 2.0 * (1.0 - math.exp(-LOOK_S / tau_s)), (way_m - moved_m) ** 2
    rest, wild_m2 = rest_m2(row[OF_VAR], speed_mps, age_s, dt_s), (WILD_RAD * speed_mps * age_s) ** 2
    kept = shifted = 0.0
    for m in range(SCALES):
        sigma2 = sigma_m**2 * 2.0**m
        weight, places_m2 = STEP_P**m * math.exp(row[OF_CLAIM + m]), fresh * sigma2
        moved_m2 = places_m2 + SHIFT_M**2
        own = 1.0
        if speed_mps > 0.0:
            copied_m2 = COPIED_M**2 + rest + COPIED_SHARE * of_look * sigma2
            score = row[OF_COURSE + COURSE_SCALES - 1]
            own = COPIED_P * math.exp(score) * _normal(apart2, copied_m2)
            own += WILD_P * _normal(way_m**2, wild_m2)
        kept += weight * own * _normal(moved_m**2, motion_m2 + places_m2)
        shifted += weight * own * _normal(moved_m**2, motion_m2 + moved_m2)
        for k in range(COURSE_SCALES - 1 if speed_mps > 0.0 else 0):
            of_course_m2 = course_m2(k, speed_mps, age_s, dt_s) + rest
            of_scale = weight * SCALE_P**k * math.exp(row[OF_COURSE + k])
            kept += of_scale * _density(moved_m, way_m, places_m2, of_course_m2, motion_m2)
            shifted += of_scale * _density(moved_m, way_m, moved_m2, of_course_m2, motion_m2)
    return math.log(P_SHIFT) + math.log(shifted + 1e-300) - math.log(kept + 1e-300)


@kernel(inner=True)
def _is_suspect(
    moved_m: float, way_m: float, age_s: float, error: tuple[float, float], speed_mps: float, dt_s: float,
    row: F1,
) -> bool:  # fmt: skip
    """Return whether it is worth while to compute the odds."""
    places_m2 = 2.0 * error[0] ** 2 * (1.0 - math.exp(-age_s / error[1]))
    apart_m2 = places_m2 + course_m2(0, speed_mps, age_s, dt_s) + rest_m2(row[OF_VAR], speed_mps, age_s, dt_s)
    is_apart = speed_mps > 0.0 and (moved_m - way_m) ** 2 > SUSPECT * apart_m2
    return is_apart or moved_m**2 > SUSPECT * (places_m2 + (LEAVES_MPS * age_s) ** 2)


@kernel(inner=True)
def _look(error: tuple[float, float], speed_mps: float, dt_s: float, row: F1, offset_m: float) -> None:
    """Note whether the error may have moved, or has, since the last fix or any onset."""
    best, excess_m, n = -math.inf, 0.0, ONSETS if speed_mps > 0.0 else 0
    for j in range(-1, n):
        moved_m, way_m, age_s, driven_m = row[STEP_M], row[STEP_WAY_M], dt_s, speed_mps * dt_s
        if j >= 0:
            r = ONSET + j * N_OF_ONSET
            moved_m, way_m = offset_m - row[r + FROM], row[r + WAY]
            age_s, driven_m = row[r + AGE], row[r + DRIVEN]
        way_m -= driven_m * row[OF_OFF]
        if age_s >= dt_s and _is_suspect(moved_m, way_m, age_s, error, speed_mps, dt_s, row):
            odds = shift_odds(moved_m, way_m, age_s, error, speed_mps, dt_s, row)
            if odds > best:
                best, excess_m = odds, moved_m - way_m
    row[DOUBTED] = 1.0 if best > DOUBT_NATS else 0.0
    if best > 0.0:
        row[MOVED_S], row[MOVED_M], row[MOST_M], row[CALM_S] = dt_s, excess_m, abs(excess_m), 0.0
        for c in range(2 + COURSE_SCALES):
            row[COURSE_OFF + c] = row[KNOWN + c]
        for c in range(SCALES):
            row[CLAIM_SCORE + c] = row[OF_CLAIM + c]


@kernel(inner=True)
def _keep_known(dt_s: float, row: F1) -> None:
    """Keep what is known of course and claim for those who ask in KNOWN_S, and twice that, at most."""
    if row[KEPT_FOR_S] == 0.0:
        row[KEPT_FOR_S] = -KNOWN_S
    row[KEPT_FOR_S] += dt_s
    is_first = row[KEPT_FOR_S] < 0.0  # the first seconds have no past
    if not is_first and row[KEPT_FOR_S] < KNOWN_S:
        row[KEPT_FOR_S] = max(row[KEPT_FOR_S], 1e-6)
        return
    for c in range(N_KNOWN):
        now = row[COURSE_OFF + c] if c < 2 + COURSE_SCALES else row[CLAIM_SCORE + c - 2 - COURSE_SCALES]
        row[KNOWN + c] = now if is_first else row[KNOWN_NEXT + c]
        row[KNOWN_NEXT + c] = now
    row[KEPT_FOR_S] = row[KEPT_FOR_S] if is_first else 1e-6


@kernel(inner=True)
def _is_over(is_inside: bool, speed_mps: float, dt_s: float, row: F1) -> bool:
    """Follow an error that moved; return whether the place was in the lane for so long that it is none."""
    row[MOVED_S] += dt_s
    row[MOVED_M] += row[STEP_M] - (row[STEP_WAY_M] - speed_mps * row[OF_OFF] * dt_s)
    seen_s = min(dt_s, FIX_STEP_S)  # where it was in a longer gap is not known
    row[CALM_S] = row[CALM_S] + seen_s if is_inside else max(0.0, row[CALM_S] - 2.0 * seen_s)
    row[MOST_M] = max(row[MOST_M], abs(row[MOVED_M]))
    return bool(row[CALM_S] >= CALM_FOR_S)


@kernel(inner=True)
def _is_back(row: F1) -> bool:
    """Return whether an error that moved is where it was."""
    left_m = abs(row[MOVED_M])
    return bool(row[MOVED_S] < RETURN_S and left_m < min(RETURNED_M, RETURNED_SHARE * row[MOST_M]))


@kernel(inner=True)
def _continue(offset_m: float, row: F1) -> None:
    """Begin those onsets anew that began while the error was another."""
    for j in range(-1, ONSETS):  # the look is before the first
        r = ONSET + j * N_OF_ONSET
        if j < 0 or row[r + AGE] <= row[MOVED_S]:
            begin_onset(row, r, offset_m)


@kernel(inner=True)
def _watch(
    across: tuple[float, float, float], error: tuple[float, float], speed_mps: float, dt_s: float, row: F1
) -> bool:
    """Look whether the error moved, or is back; return whether it moved with this fix."""
    offset_m, _, free_m = across
    if not (dt_s > 0.0 and error[0] > 0.0 and offset_m == offset_m):
        return False
    # where the onsets begin with this fix no way led to it
    known_mps = speed_mps if row[CROSSES] > 0.0 and row[ONSET + AGE] > 0.0 else 0.0
    if row[MOVED_S] > 0.0:
        is_over, is_back = _is_over(abs(offset_m) <= free_m, known_mps, dt_s, row), _is_back(row)
        if is_back:
            _continue(offset_m, row)
        elif is_over:
            row[CROSSES] = row[CROSS_SPAN] = 0.0  # what lies before says nothing of what comes
        if is_back or is_over:
            row[DOUBTED] = row[MOVED_S] = row[MOVED_M] = row[MOST_M] = row[CALM_S] = 0.0
        return False
    _keep_known(dt_s, row)
    _look((error[0] * shown_scale(row), max(error[1], 1e-3)), known_mps, dt_s, row, offset_m)
    return bool(row[MOVED_S] > 0.0)


@kernel
def weigh_fix(
    across: tuple[float, float, float], error: tuple[float, float], reported: tuple[float, float],
    dt_s: float, row: F1, evidence: F1,
) -> None:  # fmt: skip
    """Weigh one fix of a vehicle that only fixes measure: its way across, and whether its error moved.

    across, error, reported, dt_s : as of geofence.crossing.weigh_crossing.  row : (N_DRIFT,)
    evidence : (EVIDENCE,) of lane_departure; what was gathered of the place before it moved is dropped
    """
    row[CROSSED] = weigh_crossing(across, error, reported, dt_s, row)
    if _watch(across, error, reported[0], dt_s, row):
        row[CLAIM_USED] = claimed_scale(row)
        row[PLACE_COV] = 0.0  # both tests of geofence.drift start anew
        for c in range(CUSUM, CLEAR_S):
            evidence[c] = 0.0
