"""The errors of sensors for the measurement models: constants, antenna offset, difference of bearings."""

import math

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at

WHITE_SHARE = 0.25  # of a fix's stated sigma that is new in each fix; the rest is the lasting bias
QUANTUM_M = 0.03  # 1 sigma of positions cut to 1e-6 degrees (JT/T 808)
COURSE_SIGMA_RAD = 0.02  # of a reported course: whole degrees, antenna sway
OBJECT_LAG_S = 0.5  # a radar's own tracker measures the speed across its beam from about this long


@kernel
def centre_of(M: F2, k: int, heading: float) -> tuple[float, float, float]:
    """Return the vehicle's centre under a fix's antenna, and the variance that an unknown heading adds."""
    if math.isnan(heading):
        heading = M[k, at.Z_HEADING]
    forward, left = M[k, at.Z_FORWARD], M[k, at.Z_LEFT]
    if math.isnan(heading):
        return M[k, at.Z_EAST], M[k, at.Z_NORTH], forward * forward + left * left
    c, s = math.cos(heading), math.sin(heading)
    return M[k, at.Z_EAST] - forward * c + left * s, M[k, at.Z_NORTH] - forward * s - left * c, 0.0


@kernel(inner=True)
def off_bearing(M: F2, k: int, d_e: float, d_n: float) -> float:
    """Return how far left of (d_e, d_n) the bearing of detection k lies [rad], in (-pi, pi]."""
    cos, sin = M[k, at.Z_COS], M[k, at.Z_SIN]
    across, ahead = d_e * sin - d_n * cos, d_e * cos + d_n * sin
    if not abs(across) < 0.1 * ahead:  # far off, behind, or on the radar itself
        return math.atan2(across, ahead)
    t = across / ahead  # arc tangent's series: to the last bits, at a third of the time
    t2 = t * t
    return float(
        t * (1.0 - t2 * (1 / 3 - t2 * (1 / 5 - t2 * (1 / 7 - t2 * (1 / 9 - t2 * (1 / 11 - t2 / 13))))))
    )
