"""A body in a bend: it points aside of its course, and its ends lie beside the line of that.

The axles that do not steer move along the body, but for the slip angle of their tyres, which is in proportion
to the acceleration across. The middle of the body, l ahead of them, moves on a bend of curvature k at the
angle l k - slip to it, towards the inside (the bicycle model: Rajamani 2012, 2.2 and 3.3). So what lies a
behind the middle is a (l k - slip) inside of the line of the course, what lies ahead is outside. A lorry at
walking pace cuts the corner with its rear; at 15 m/s both terms are alike; faster, its rear drifts outwards.

l is 0.2 to 0.3 of the length. An articulated vehicle is no different behind, since its middle lies on the
trailer: of one of 16.5 m (Directive 96/53/EC: 12 m from kingpin to rear; axles 7.6 m behind the pin) 3.85 m
ahead of the trailer's axles, 0.23. Its tractor, though, has turned back into the bend: its nose is near the
line. As a share of the extent, which is 0.33 to 0.5 of the length, this is 0.4 to 0.7 behind; ahead 0.5 to
0.6 of a rigid lorry and 0.1 of an articulated one, and nobody says which it is: registers state no axles.
"""

import math

from core.kernel import kernel
from fusion.heading import COURSE_SIGMAS

# Share of the extent that l is, mean and sigma: beside the body, and how much more of it behind than beside
SHARE, SHARE_BEHIND = 0.45, 0.10
SIGMA, SIGMA_BEHIND = 0.20, -0.05
# Slip angle per acceleration across [rad / (m/s^2)] and 1 sigma: the cornering stiffness of lorries' tyres is
# 0.10 to 0.18 of their load per degree (Fancher et al. 1986, UMTRI-86-12)
SLIP, SLIP_SIGMA = 1.0 / 80.0, 0.3 / 80.0
# In a wider bend the end of the longest lorry lies 8 m x 4 m / 500 m = 6 cm aside: radar's scatter hides it.
# On a straight road at 25 m/s, 1.25 m/s^2 across would be taken for it: no change of lanes has that for long
RADIUS_M_MAX = 500.0
RADIUS_M_MIN = 12.5  # the outer circle in which a lorry must be able to turn (Directive 96/53/EC, 1.5)
# A slower one has left the speed at which its bend was learnt: that is an acceleration, not a curvature
SLOWEST_MPS = 4.0

Bend = tuple[float, float, float]  # curvature [1/m], positive to the left, its variance; speed squared
STRAIGHT: Bend = (0.0, 0.0, 0.0)


@kernel(inner=True)
def bend_of(acceleration: float, var: float, speed2: float) -> Bend:
    """Return the bend in which a vehicle drives; STRAIGHT where none is sure, or it is too wide to matter.

    acceleration, var : across the course, of the state [m/s^2];  speed2 : its speed squared
    """
    if (
        acceleration * acceleration < COURSE_SIGMAS * COURSE_SIGMAS * var
        or speed2 < SLOWEST_MPS * SLOWEST_MPS
    ):
        return STRAIGHT
    k = acceleration / speed2
    if abs(k) * RADIUS_M_MAX < 1.0:
        return STRAIGHT
    return math.copysign(min(abs(k), 1.0 / RADIUS_M_MIN), k), var / (speed2 * speed2), speed2


@kernel(inner=True)
def lag_of(size: float, behind: float, bend: Bend) -> tuple[float, float]:
    """Return by what angle the course is left of the body [rad], and the variance of that.

    size : extent of the body [m]
    behind : of the point that is asked for: 1 behind the middle, -1 ahead of it, between them beside it
    """
    k, k_var, speed2 = bend
    arm = (SHARE + SHARE_BEHIND * behind) * size - SLIP * speed2
    arm_var = ((SIGMA + SIGMA_BEHIND * behind) * size) ** 2 + (SLIP_SIGMA * speed2) ** 2
    return arm * k, arm_var * k * k + arm * arm * k_var


@kernel(inner=True)
def turned(c: float, s: float, angle: float) -> tuple[float, float]:
    """Return a unit vector turned to the right by an angle."""
    cos, sin = math.cos(angle), math.sin(angle)
    return c * cos + s * sin, s * cos - c * sin
