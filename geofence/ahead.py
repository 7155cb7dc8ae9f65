"""Who drives ahead: for each vehicle the nearest one in front of it in its lane or in those that follow."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import F1, F2, F64, I1, I32, Bools, I32x1
from core.kernel import checked_once, kernel
from geofence.located import NO_LANE, U_EAST, U_NORTH, Located, S
from geofence.map.reading import Lane

NOBODY = -1
LOOKED_AT_MAX = 256  # vehicles on each side in the order of stations: a bound where many share one station
PATH_MAX = 64  # lanes on the way ahead
STRETCH = 1.25  # of stations against metres in a lane: the inside of a bend of 60 m, 12 m from the axis
BEND_MIN_RAD = 1e-3  # a turn below it makes no difference to an arc's length


class Follows(NamedTuple):
    """Which lanes follow lane i: `items[start[i]:start[i + 1]]`."""

    start: I32x1
    items: I32x1


class Ahead(NamedTuple):
    """The vehicle ahead of each of n vehicles."""

    who: I1  # (n,) index of the vehicle ahead in the batch; -1 where none is within reach
    away_m: F1  # (n,) from centre to centre along the lane; infinite without one


def follows(lanes: Sequence[Lane]) -> Follows:
    """Return which lanes follow each."""
    number = {lane.lane: i for i, lane in enumerate(lanes)}
    items = [[number[name] for name in lane.successors] for lane in lanes]
    start: I32 = np.cumsum([0, *(len(row) for row in items)]).astype(np.int32)
    return Follows(start, np.array([i for row in items for i in row], dtype=np.int32))


@kernel(inner=True)
def _leads_to(lane: int, other: int, after: Follows, path: I1) -> bool:
    """Return whether `other` is the lane or follows it within a few lanes; path : (PATH_MAX,) scratch."""
    path[0] = lane
    n, k = 1, 0
    while k < n:
        if path[k] == other:
            return True
        for j in range(after.start[path[k]], after.start[path[k] + 1]):
            if n < PATH_MAX:
                path[n] = after.items[j]
                n += 1
        k += 1
    return False


@kernel(inner=True)
def _along_m(i: int, j: int, x: F2, found: F2) -> float:
    """Return the length of the arc from vehicle i to vehicle j in front of it; negative if it is behind."""
    d_east, d_north = x[j, 0] - x[i, 0], x[j, 1] - x[i, 1]
    chord = math.hypot(d_east, d_north)
    if d_east * found[i, U_EAST] + d_north * found[i, U_NORTH] <= 0.0:
        return -chord
    cosine = found[i, U_EAST] * found[j, U_EAST] + found[i, U_NORTH] * found[j, U_NORTH]
    half = math.acos(min(max(cosine, -1.0), 1.0)) / 2.0
    return float(chord * half / math.sin(half)) if half > BEND_MIN_RAD else chord


@kernel
def _find_ahead(
    order: I1, x: F2, found: F2, lane: I32x1, after: Follows, reach_m: float, path: I1, out: Ahead
) -> None:
    """Fill `out` (n,) for the vehicles in `order`, which is by their stations."""
    who, away_m = out
    for p in range(order.shape[0]):
        i = order[p]
        for step in range(-1, 2, 2):
            q = p + step
            for _ in range(LOOKED_AT_MAX):
                if not (0 <= q < order.shape[0]):
                    break
                j = order[q]
                q += step
                if abs(found[j, S] - found[i, S]) > STRETCH * min(reach_m, away_m[i]):
                    break
                away = _along_m(i, j, x, found)
                if 0.0 < away <= reach_m and away < away_m[i] and _leads_to(lane[i], lane[j], after, path):
                    who[i], away_m[i] = j, away


_find_ahead_once = checked_once(_find_ahead)


def find_ahead(x: F64, located: Located, confirmed: Bools, after: Follows, reach_m: float) -> Ahead:
    """Return who is ahead of each of n vehicles within reach_m; who is off the lanes is ahead of nobody.

    x : (n, 4).  confirmed : (n,) it is a vehicle at all
    """
    n = len(x)
    found = Ahead(np.full(n, NOBODY, dtype=np.int64), np.full(n, np.inf))
    s_m = located.found[:, S]
    there = np.flatnonzero(confirmed & (located.lane != NO_LANE) & np.isfinite(s_m))
    order = there[np.argsort(s_m[there], kind="stable")]
    path = np.zeros(PATH_MAX, dtype=np.int64)
    _find_ahead_once(order, np.ascontiguousarray(x), located.found, located.lane, after, reach_m, path, found)
    return found
