"""Whether a terminal's error slides: a steady drift of unknown slope and onset against one that only lasts.

The error against radar's track is an AR(1) of the stated sigma and tau, and new noise in each look. A filter
of it leaves innovations, in which a slide of 1 m/s since an onset leaves a known trace: the generalised
likelihood ratio over slopes and onsets (Willsky, Jones 1976; Basseville, Nikiforov 1993, 7.2.4). A lasting
error of 0.7 m hides a metre's slide by its size, not its steadiness. Axes: along, across the course.
"""

import math

from core.arrays import F1
from core.kernel import kernel
from core.onsets import advance_onsets
from fusion.config import WHITE_SHARE
from fusion.doubt_table import N_OF_ONSET, ONSET, ONSETS, SLIDE_AT, SLIDE_C, SLIDE_S, SLIDE_VAR

# Onsets: each 1.6 times as old as the next one; slopes differ little between them
OLDEST_S, RATIO = 34.0, 1.6
CLIP_SIGMAS = 3.0  # of an innovation: one odd fix, or one odd place of the track, is no slide
# Half a lane: from then on a place is in another one. What slides less may be the error of a receiver that
# states too little
SLID_M = 1.9
AGE, RESPONSE, SCORE, POWER = 0, 1, 3, 5  # of an onset; the last three along, across


@kernel(inner=True)
def _turn(row: F1, c: float, s: float) -> None:
    """Turn the error's mean from the course of the last look to this one."""
    east = row[SLIDE_C] * row[SLIDE_AT] - row[SLIDE_S] * row[SLIDE_AT + 1]
    north = row[SLIDE_S] * row[SLIDE_AT] + row[SLIDE_C] * row[SLIDE_AT + 1]
    row[SLIDE_AT], row[SLIDE_AT + 1] = c * east + s * north, c * north - s * east
    row[SLIDE_C], row[SLIDE_S] = c, s


@kernel
def weigh_slide(
    row: F1, error: tuple[float, float], course: tuple[float, float], var_m2: float, tau_s: float,
    others_m2: tuple[float, float], half_m: float, dt_s: float,
) -> float:  # fmt: skip
    """Weigh one look; return the best slide's likelihood ratio as chi-square of two dimensions.

    row : of Doubts.floats;  error : of the fix along and across the vehicle's course [m]
    course : unit vector;  var_m2 : the terminal's variance on each axis;  others_m2 : of all else in the look
    half_m : the track's place may slide so far along its body, as radar learns which point of it it sees
    dt_s : since the last look; 0 starts anew
    """
    white = WHITE_SHARE**2
    keep = math.exp(-dt_s / max(tau_s, 1e-3))
    if dt_s <= 0.0 or row[SLIDE_VAR] == 0.0:
        for n in range(ONSET, ONSET + ONSETS * N_OF_ONSET):
            row[n] = 0.0
        row[SLIDE_C], row[SLIDE_S] = course
        for a in range(2):
            s_m2 = var_m2 * (1.0 + white) + others_m2[a]
            gain, clip_m = var_m2 / s_m2, CLIP_SIGMAS * math.sqrt(s_m2)
            new_m = min(max(error[a], -clip_m), clip_m)
            row[SLIDE_AT + a], row[SLIDE_VAR + a] = gain * new_m, (1.0 - gain) * var_m2
        return 0.0
    _turn(row, course[0], course[1])
    advance_onsets(row, ONSET, ONSETS, N_OF_ONSET, OLDEST_S, RATIO, dt_s)
    for a in range(2):
        before_m2 = keep**2 * row[SLIDE_VAR + a] + (1.0 - keep**2) * var_m2
        s_m2 = before_m2 + white * var_m2 + others_m2[a]
        gain, clip_m = before_m2 / s_m2, CLIP_SIGMAS * math.sqrt(s_m2)
        new_m = min(max(error[a] - keep * row[SLIDE_AT + a], -clip_m), clip_m)
        row[SLIDE_AT + a] = keep * row[SLIDE_AT + a] + gain * new_m
        row[SLIDE_VAR + a] = (1.0 - gain) * before_m2
        for j in range(ONSETS):
            r = ONSET + j * N_OF_ONSET
            trace_s = row[r + AGE] - keep * row[r + RESPONSE + a]  # what a slide of 1 m/s leaves here
            row[r + RESPONSE + a] = keep * row[r + RESPONSE + a] + gain * trace_s
            row[r + SCORE + a] += trace_s * new_m / s_m2
            row[r + POWER + a] += trace_s**2 / s_m2
    best = 0.0
    for j in range(ONSETS):
        r, chi2, slid2 = ONSET + j * N_OF_ONSET, 0.0, 0.0
        for a in range(2):
            if row[r + POWER + a] > 0.0:
                chi2 += row[r + SCORE + a] ** 2 / row[r + POWER + a]
                slid_m = abs(row[r + SCORE + a]) / row[r + POWER + a] * row[r + AGE]
                slid2 += max(slid_m - (half_m if a == 0 else 0.0), 0.0) ** 2
        if slid2 >= SLID_M**2:
            best = max(best, chi2)
    return best
