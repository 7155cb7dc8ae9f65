"""Whether two boundaries enclose a lane, and where they don't. Site metres, pure."""

from typing import Any

import numpy as np
import shapely

from core.arrays import F64
from geofence.map.ruling import THIN_M, pair, widths

WIDTH_MAX_M = 30.0
POINT_M = 0.1  # a boundary within it is a point: the inside of a corner
WIDTH_M_MIN = 0.1


def fault_of(left: F64, right: F64) -> tuple[str, F64] | None:
    """Return what is wrong with a lane's boundaries and its place (2,); None: they enclose a lane.

    It loops, has no width, or its boundaries cross or are swapped. Boundaries that meet at a taper's tip are
    surveyed one by one: they may cross there by the survey's error.
    """
    sides = (left, right)
    is_point = [bool(np.hypot(*(line.max(axis=0) - line.min(axis=0))) < POINT_M) for line in sides]
    if all(is_point):
        return "the boundaries have no length", left[0]
    for name, line, point in zip(("left", "right"), sides, is_point, strict=True):
        if not point and not shapely.LineString(line).is_simple:
            return f"the {name} boundary crosses itself", crossing_of(line)
    first, second = shapely.LineString(left), shapely.LineString(right)
    if first.crosses(second):
        across = widths(*pair(left, right))
        if across.min() < -THIN_M:
            return "the boundaries cross each other", _first_crossing(first, second)
    ring = np.vstack([right, left[::-1]])
    twice = float(np.sum(ring[:, 0] * np.roll(ring[:, 1], -1) - np.roll(ring[:, 0], -1) * ring[:, 1]))
    width_m = twice / (first.length + second.length)
    if abs(width_m) < WIDTH_M_MIN:
        return "the lane has no width", left[0]
    if width_m < 0.0:
        return "left and right boundary are swapped, or against the driving direction", left[0]
    if width_m > WIDTH_MAX_M:
        return f"the lane is {width_m:.0f} m wide, more than {WIDTH_MAX_M:.0f}", left[0]
    return None


def crossing_of(line: F64) -> F64:
    """Return where a line (n, 2) that is not simple meets itself first."""
    keep = np.r_[True, np.hypot(*np.diff(line, axis=0).T) > 0.0]
    points = line[keep]
    parts: Any = shapely.linestrings(np.stack([points[:-1], points[1:]], axis=1))
    a, b = shapely.STRtree(parts).query(parts, predicate="intersects")
    order = np.lexsort((b, a))
    for i, j in zip(a[order].tolist(), b[order].tolist(), strict=True):
        if j <= i:
            continue
        common = shapely.intersection(parts[i], parts[j])
        if j > i + 1 or common.length > 0.0:  # neighbours share a vertex; one that turns back shares more
            points = shapely.get_coordinates(common)
            break
    first: F64 = points[0]
    return first


def _first_crossing(left: shapely.LineString, right: shapely.LineString) -> F64:
    """Return the first place where two boundaries cross."""
    places = shapely.get_coordinates(shapely.intersection(left, right))
    first: F64 = places[np.argmin(shapely.line_locate_point(left, shapely.points(places)))]
    return first
