"""Extended vehicles: radar sees a point near the end that faces it; the state is the centre of the body.

    point = centre - extent * f * u          u: unit vector of the body's axis

`f` is +1 behind the body, -1 ahead of it, and turns over smoothly beside it. It changes its sign with u, so
the axis is enough: nobody needs to know which end is the front. In a bend the body is turned against its
course (`fusion.turning`). `extent` lasts; the point is scattered about
it along the axis, for a while alike (`RadarPose.reflection_s`), and across the axis from scan to scan. The
former is nought for a radar that reports the centre: then extent is learnt to be nought.
"""

import math

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at
from fusion.heading import COURSE_SIGMAS, FOLLOWS_MPS
from fusion.turning import bend_of, lag_of, turned

SLOWEST_MPS = 2.0  # a slower vehicle has no certain course
HEADING_VAR = 0.05**2  # of a slow vehicle's heading, which is not of its velocity: it steers
# The facing point of an ellipse of width : length; lorries have 0.15 to 0.25, cars 0.4
AXIS_RATIO = 0.25
# 1 sigma along the axis as a share of the extent: bumper, axles and tanks reflect in turn, to a fifth of the
# length from the end (half-normal of 0.1 length about its mean: 0.06 of the 0.42 length that remain)
SCATTER_SHARE = 0.15
SLIDE_SHARE = 0.58  # the same beside the radar, where the point may be anywhere on the flank: 1 / sqrt(3)
# 1 sigma of how deep behind the flank, as a share of half the width: wheels, tanks, or the hull itself
DEPTH_SHARE = 0.3
# Variance of the acceleration across that is no bend [m^2/s^4]: lane changes, a slip road's start
SWERVE_VAR = 0.35**2
# A bend outlasts the filter's memory across the course, 2 s (`fusion.models.manoeuvre`); a scatter is counted
# as new each second
LASTS = 2.0
EXTENT_DRIFT = 0.002  # share of it [1 / sqrt(s)]: as good as constant, or a dragged terminal drags it along

Row = tuple[float, float, float, float, float]  # of H: position, velocity, extent
# Point from the radar (east, north); axis (c, s); f; d(point)/d(velocity to the left) (east, north);
# variances along the axis, of the scatter about the end and of the rest; variance in all directions
Point = tuple[float, float, float, float, float, float, float, float, float, float]


@kernel(inner=True)
def end_facing(c: float) -> tuple[float, float]:
    """Return f and df/dc, for the cosine c of the angle between the axis and the direction from the radar."""
    across2 = AXIS_RATIO * AXIS_RATIO
    d = c * c + across2 * (1.0 - c * c)
    root = math.sqrt(d)
    return c / root, across2 / (d * root)


@kernel(inner=True)
def scatter(extent: float, f: float) -> tuple[float, float]:
    """Return the variances of the point along the axis: about the end, and of its slide along the flank."""
    end, slide = SCATTER_SHARE * extent, SLIDE_SHARE * extent
    return end * end, slide * slide * max(1.0 - f * f, 0.0)


@kernel(inner=True)
def is_driving(v_e: float, v_n: float, var: float) -> bool:
    """Return whether a velocity with variances of sum var gives the direction of the body."""
    speed2 = v_e * v_e + v_n * v_n
    return bool(speed2 > SLOWEST_MPS * SLOWEST_MPS and speed2 > COURSE_SIGMAS * COURSE_SIGMAS * var)


@kernel(inner=True)
def reflecting_point(
    X: F2, i: int, d: tuple[float, float], v: tuple[float, float, float], body: tuple[float, float],
    var: tuple[float, float, float], flank: float, bend: tuple[float, float],
) -> Point:  # fmt: skip
    """Return where a radar sees a vehicle; without any axis it is somewhere about the centre.

    X, i : memory of the track: heading and lane
    d : its centre from the radar;  v : its velocity, and the sum of the variances of that
    body : extent, its variance
    var : covariance of the centre: east-east, east-north, north-north
    flank : 1 it sees the flank (`fusion.flank`), 0 the end
    bend : acceleration across, of the state, and its variance
    The turn of f beside the radar is too sharp to be linearised where the place is uncertain by as much: f
    is taken as known, and what the place makes it uncertain by is scatter.
    """
    (d_e, d_n), (v_e, v_n, v_var), (extent, extent_var) = d, v, body
    if math.isnan(X[i, at.AXIS]):
        blind = (extent * extent + extent_var) / 2.0
        return d_e, d_n, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, blind
    slower = lag_var = 0.0
    flat = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
    speed2 = v_e * v_e + v_n * v_n
    if speed2 > FOLLOWS_MPS**2 and is_driving(v_e, v_n, v_var):
        slower = 1.0 / math.sqrt(speed2)
        c, s = v_e * slower, v_n * slower
        curve = bend_of(bend[0], bend[1], speed2)
        if curve[0] != 0.0:
            lag, lag_var = lag_of(extent, (c * d_e + s * d_n) / flat, curve)
            c, s = turned(c, s, lag)
    else:
        angle = X[i, at.AXIS] if math.isnan(X[i, at.HEADING]) else X[i, at.HEADING]
        c, s, lag_var = math.cos(angle), math.sin(angle), HEADING_VAR
    if flank != 0.0:
        beside = math.copysign(AXIS_RATIO * extent, c * d_n - s * d_e)
        slide, depth = SLIDE_SHARE * extent, DEPTH_SHARE * beside
        aside = LASTS * slide * slide * lag_var
        return (
            d_e + beside * s, d_n - beside * c, c, s, 0.0, 0.0, 0.0, 0.0,
            slide * slide - aside, depth * depth + aside,
        )  # fmt: skip
    along = (c * d_e + s * d_n) / flat
    f, df = end_facing(along)
    m_e, m_n = extent * df / flat * (c - along * d_e / flat), extent * df / flat * (s - along * d_n / flat)
    turns = m_e * m_e * var[0] + 2.0 * m_e * m_n * var[1] + m_n * m_n * var[2]
    turn = -extent * f * slower
    about_end, on_flank = scatter(extent, f)
    aside = LASTS * extent * extent * f * f * lag_var  # across only: everywhere, less along the axis
    return (
        d_e - extent * f * c, d_n - extent * f * s, c, s, f, -turn * s, turn * c,
        about_end, on_flank + turns - aside, aside,
    )  # fmt: skip


@kernel(inner=True)
def row_of(point: Point, g_e: float, g_n: float) -> Row:
    """Return the derivatives by the state of a quantity whose derivative by the point is (g_e, g_n)."""
    _, _, c, s, f, t_e, t_n, _, _, _ = point
    g_t = g_e * t_e + g_n * t_n
    return g_e, g_n, -g_t * s, g_t * c, -f * (g_e * c + g_n * s)


@kernel(inner=True)
def dot(one: Row, other: Row) -> float:
    """Return the inner product."""
    a0, a1, a2, a3, a5 = one
    b0, b1, b2, b3, b5 = other
    return a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3 + a5 * b5


@kernel(inner=True)
def spread(
    point: Point, b_e: float, b_n: float, noise: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Return the scatter across the beam, along it, and their covariance, in the plane [m^2].

    (b_e, b_n) : unit vector of the beam
    noise : factors of the scatter about the end and of the rest, variance across: see fusion.reflection_noise
    """
    _, _, c, s, _, _, _, about_end, rest, blind = point
    ahead, aside = c * b_e + s * b_n, s * b_e - c * b_n
    along_var, blind_var = noise[0] * about_end + noise[1] * rest, noise[1] * blind + noise[2]
    return (
        aside * aside * along_var + blind_var, ahead * ahead * along_var + blind_var,
        ahead * aside * along_var,
    )  # fmt: skip


def scans_alike(period_s: float, stays_s: float) -> float:
    """Return by what factor the correlation of the scatter makes the variance of a mean over scans larger.

    stays_s : its correlation time
    (1 + r) / (1 - r) with the correlation r of two scans: of an AR(1) error (Bayley, Hammersley 1946).
    """
    return 1.0 / math.tanh(period_s / (2.0 * stays_s))
