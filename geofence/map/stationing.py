"""Stations of lanes that are not along the site's axis: of its own road's axis, and far from the site's.

Both are ruled along the lane's middle: between the rails of a quad, 25 m at most, a station grows linearly.
"""

from collections.abc import Sequence

import numpy as np

from core.arrays import B1, F2, Bools
from core.kernel import checked_once, kernel
from geofence.map.axis import GRID_REACH_M, Axis, Segments
from geofence.map.axis_kernels import station_at
from geofence.map.reading import Lane
from geofence.map.strips import (
    END_RAIL,
    LEFT_START,
    OF_ROAD,
    OF_SITE,
    RIGHT_END,
    RIGHT_START,
    STATIONS,
    Strips,
)

# Where the nearest place of the axis jumps, at the centre of a bend, stations grow faster than the lane
STRETCH_MAX = 2.0


def stationed(strips: Strips, lanes: Sequence[Lane], site: Axis | None, axes: Sequence[Axis]) -> Strips:
    """Return the strips with the stations of their lanes.

    site : the site's axis, one of `axes`
    """
    if site is None or not len(strips.quads):
        return strips
    stations = np.full((len(strips.quads), STATIONS), np.nan)
    _rule_once(strips.quads, np.ones(len(stations), dtype=np.bool_), site.segments, True, OF_SITE, stations)
    of = {axis.road: k for k, axis in enumerate(axes)}
    road = np.array([of.get(lane.road, -1) for lane in lanes], dtype=np.int64)[strips.lane]
    for k, axis in enumerate(axes):
        mine: Bools = road == k
        if axis is not site and mine.any():
            _rule_once(strips.quads, mine, axis.segments, False, OF_ROAD, stations)
    return strips._replace(stations=stations)


@kernel
def _rule(quads: F2, mine: B1, axis: Segments, far_only: bool, column: int, stations: F2) -> None:
    """Fill the stations at both rails of the quads in `mine`.

    far_only : of those that are further from the axis than its grid reaches, and where stations do not jump
    """
    for j in range(quads.shape[0]):
        if not mine[j]:
            continue
        half_e = (quads[j, LEFT_START] - quads[j, RIGHT_START]) / 2.0
        half_n = (quads[j, LEFT_START + 1] - quads[j, RIGHT_START + 1]) / 2.0
        half_m = np.hypot(half_e, half_n)
        east, north = quads[j, RIGHT_START] + half_e, quads[j, RIGHT_START + 1] + half_n
        end_e = quads[j, RIGHT_END] + half_m * quads[j, END_RAIL]
        end_n = quads[j, RIGHT_END + 1] + half_m * quads[j, END_RAIL + 1]
        s, o = station_at(east, north, axis)
        if far_only and not abs(o) > GRID_REACH_M:
            continue
        s_end, o_end = station_at(end_e, end_n, axis)
        long_m = np.hypot(end_e - east, end_n - north)
        if far_only and not (abs(o_end) > GRID_REACH_M and abs(s_end - s) <= STRETCH_MAX * long_m + 1.0):
            continue
        stations[j, column], stations[j, column + 1] = s, s_end


_rule_once = checked_once(_rule)
