"""How far the point that a radar sees is from its place on the body: learnt of each radar from innovations.

The scatter has two parts on each axis of the body: one that is new in each scan, and one that stays for
a while (`RadarPose.reflection_s`). A filter that knew both would leave innovations with the variance
that it expects, and nothing in common with those of a quarter of a second before; what they have beyond that
is scatter (Mehra 1970 estimates noise the same way). The slow part counts for as many scans as it stays, so
that the filter follows it slowly and its innovations show it; where a radar is so precise that the filter
follows it all the same, only a tenth is found.
"""

import math

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at
from fusion.extent import Point, dot, row_of
from fusion.layout import Detections, Settings, States, Tracks
from fusion.measurement import seen_point
from fusion.models import Registers, load, times

LAG_NS = 250_000_000  # between two samples of a track: some scans, and less than the slow part stays
LAG_MAX_NS = 500_000_000  # two that are further apart are not compared
SETTLED_NS = 2_000_000_000  # so old a track has forgotten how it began
N_START, N_MAX = (
    3.0,
    100.0,
)  # samples that the assumption weighs as; at most: then the scatter is known to 14 %
SIGMAS_MAX = 4.0  # of an innovation; beyond it is no measurement of this vehicle
ALONE_SHARE = 0.9  # a radar learns from a track only if its own measurements made this share of the state
# At the start, as shares of `scatter` along the axis, and across it [m^2]: glint on a lorry's face of 2.5 m
# is new once the aspect turns by wavelength / (2 width), 0.05 degrees at 77 GHz: in a scan or two
ALONG_WHITE, ALONG_SLOW = 0.0, 1.0
ACROSS_WHITE, ACROSS_SLOW = 0.15**2, 0.1**2
ALONG_MIN, ALONG_MAX = 0.05, 4.0  # of both parts together
ACROSS_MIN, ACROSS_MAX = 0.05**2, 0.8**2  # a point anywhere on a face of 2.8 m has 0.8 m


@kernel(inner=True)
def along_factor(radars: F2, q: int) -> float:
    """Return what one scan's scatter along the axis counts in a mean over scans, as a share of `scatter`."""
    return float(radars[q, at.R_ALONG_WHITE] + radars[q, at.R_ALONG_SLOW] * radars[q, at.R_OFTEN])


@kernel(inner=True)
def across_variance(radars: F2, q: int) -> float:
    """Return what one scan's scatter across the axis counts in a mean over scans [m^2]."""
    return float(radars[q, at.R_ACROSS_WHITE] + radars[q, at.R_ACROSS_SLOW] * radars[q, at.R_OFTEN])


@kernel(inner=True)
def _learn(
    radars: F2, q: int, place: int, now: tuple[float, float, float], unit: float, limits: tuple[float, float]
) -> None:
    """Take one sample into the three columns from `place` on: white part, slow part, weight.

    now : innovation, its variance without scatter, product with the one before (NaN: there is none)
    unit : variance that a share of 1 stands for;  limits : of the sum of both parts
    """
    z, own, product = now
    total = radars[q, place] + radars[q, place + 1]
    expected = own + unit * total
    most = SIGMAS_MAX * SIGMAS_MAX * expected
    if z * z > most:
        return
    weight = (unit * total / expected) ** 2  # of a sample, whose variance is 2 (own + scatter)^2
    radars[q, place + 2] = min(radars[q, place + 2] + weight, N_MAX)
    gain = weight / radars[q, place + 2]
    total += gain * ((z * z - own) / unit - total)
    total = min(max(total, limits[0]), limits[1])
    slow = radars[q, place + 1]
    if not math.isnan(product):
        alike = math.exp(-LAG_NS * 1e-9 / radars[q, at.R_STAYS])
        slow += gain * (min(max(product, -most), most) / (unit * alike) - slow)
    slow = min(max(slow, 0.0), total)
    radars[q, place], radars[q, place + 1] = total - slow, slow


@kernel(inner=True)
def _sample(
    point: Point, state: Registers, off: tuple[float, float], axis: tuple[float, float],
    beam: tuple[float, float, float, float],
) -> tuple[float, float]:  # fmt: skip
    """Return the innovation along a unit vector, and its variance without scatter.

    off : detection from where it was expected;  beam : unit vector, variance along and across it
    """
    h = row_of(point, axis[0], axis[1])
    ahead, aside = axis[0] * beam[0] + axis[1] * beam[1], axis[1] * beam[0] - axis[0] * beam[1]
    own = dot(h, times(state, h)) + ahead * ahead * beam[2] + aside * aside * beam[3]
    return axis[0] * off[0] + axis[1] * off[1], own


@kernel
def learn_scatter(
    tracks: Tracks, i: int, predicted: States, j: int, detections: Detections, d: int, settings: Settings,
    q: int, t_ns: int,
) -> None:  # fmt: skip
    """Learn from detection d of radar q at t_ns, which belongs to track i, predicted as row j."""
    ints, floats, radars, seen = tracks.ints, tracks.floats, settings.radars, detections.seen
    if radars[q, at.R_SHARE_VAR] == 0.0 or detections.M[d, at.Z_FLANK] != 0.0:
        return  # the site states that it reports centres; of the flank nothing is learnt
    ago_ns = t_ns - ints[i, at.SCATTER_NS]
    if ints[i, at.STATUS] != at.CONFIRMED or t_ns - ints[i, at.BORN] < SETTLED_NS or 0 <= ago_ns < LAG_NS:
        return
    if ints[i, at.POSED_BY] != q + 1 or floats[i, at.POSED_SHARE] < ALONE_SHARE:
        return  # beside another radar's place the errors of both poses would pass for scatter
    r_e, r_n = radars[q, at.R_EAST], radars[q, at.R_NORTH]
    state = load(predicted, j)
    point = seen_point(predicted.X, j, state, r_e, r_n, 0.0)
    c, s = point[2], point[3]
    if c == 0.0 and s == 0.0:
        return  # of no axis
    off = seen[d, at.S_EAST] - r_e - point[0], seen[d, at.S_NORTH] - r_n - point[1]
    flat = max(math.sqrt(point[0] * point[0] + point[1] * point[1]), 1.0)
    across = (flat * radars[q, at.R_S_AZIMUTH]) ** 2
    beam = point[0] / flat, point[1] / flat, radars[q, at.R_S_RANGE] ** 2, across
    z_along, own_along = _sample(point, state, off, (c, s), beam)
    z_across, own_across = _sample(point, state, off, (-s, c), beam)
    of_along, of_across = math.nan, math.nan
    if ints[i, at.SCATTER_BY] == q + 1 and 0 < ago_ns <= LAG_MAX_NS:
        of_along = z_along * floats[i, at.OFF_ALONG]
        of_across = z_across * floats[i, at.OFF_ACROSS]
    own_along += point[8]
    if point[7] > 0.0:
        _learn(radars, q, at.R_ALONG_WHITE, (z_along, own_along, of_along), point[7], (ALONG_MIN, ALONG_MAX))
    _learn(radars, q, at.R_ACROSS_WHITE, (z_across, own_across, of_across), 1.0, (ACROSS_MIN, ACROSS_MAX))
    ints[i, at.SCATTER_NS], ints[i, at.SCATTER_BY] = t_ns, q + 1
    floats[i, at.OFF_ALONG], floats[i, at.OFF_ACROSS] = z_along, z_across
