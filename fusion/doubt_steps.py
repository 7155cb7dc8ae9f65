"""Whether a terminal's error moves from look to look by more than an error of the stated sigma can.

Whatever its correlation time, an AR(1) error's step has at most the variance 2 sigma^2 (where each is new).
So steps say within half a minute what errors of an unknown, long correlation time say in many minutes. A
slide is no step: their mean is subtracted. Across the course only: along it stamps and bodies count.
"""

from core.arrays import F1
from core.kernel import kernel
from fusion.doubt_table import STEP_E, STEP_LOOKS, STEP_MEAN_E, STEP_MEAN_N, STEP_N, STEP_SQUARES

STEP_S_MAX = 3.0  # looks come each second; what is further apart is no step
MEAN_S = 10.0
# Steps of errors that are new in each look have a correlation of -1/2, so that their squares are worth 2/3
WORTH = 2.0 / 3.0
SQUARE_MAX = 9.0  # of one axis in one look: one wild fix is no scale
JUMP_CHI2 = 100.0  # what goes so far in a look and stays is another fault, a replayed place for one
TRACK_M2 = 0.15**2  # of the track beside its own variance: which face of a body radar sees
LOOKS_LEAST = 4.0  # before squares say anything: fewer are a chi-square that any chance explains
LOOKS_MAX = 40.0  # then half is forgotten: a minute


@kernel(inner=True)
def note_step(
    row: F1, error: tuple[float, float], course: tuple[float, float], sigma_m: float, track_m2: float,
    dt_s: float,
) -> None:  # fmt: skip
    """Weigh the step from the last look to this one.

    row : of Doubts.floats.  error : east, north [m].  course : unit vector.  track_m2 : variance of the
    track's place on an axis.  dt_s : since the last look; 0: it is the first
    """
    if 0.0 < dt_s <= STEP_S_MAX:
        v_e, v_n = (error[0] - row[STEP_E]) / dt_s, (error[1] - row[STEP_N]) / dt_s
        across_m = dt_s * (course[0] * (v_n - row[STEP_MEAN_N]) - course[1] * (v_e - row[STEP_MEAN_E]))
        var = 2.0 * (sigma_m**2 + track_m2 + TRACK_M2)
        square = across_m**2 / var
        if dt_s**2 * (v_e**2 + v_n**2) <= JUMP_CHI2 * var:
            row[STEP_SQUARES] += WORTH * min(square, SQUARE_MAX)
            row[STEP_LOOKS] += WORTH
            row[STEP_MEAN_E] += (v_e - row[STEP_MEAN_E]) * dt_s / MEAN_S
            row[STEP_MEAN_N] += (v_n - row[STEP_MEAN_N]) * dt_s / MEAN_S
        if row[STEP_LOOKS] > LOOKS_MAX:
            row[STEP_SQUARES], row[STEP_LOOKS] = row[STEP_SQUARES] / 2.0, LOOKS_MAX / 2.0
    elif dt_s == 0.0:
        row[STEP_MEAN_E] = row[STEP_MEAN_N] = 0.0
    row[STEP_E], row[STEP_N] = error


@kernel(inner=True)
def step_scale2(row: F1) -> float:
    """Return what the steps show of the variance at least, over the stated one; 1 before they show it."""
    return max(row[STEP_SQUARES] / row[STEP_LOOKS], 1.0) if row[STEP_LOOKS] >= LOOKS_LEAST else 1.0
