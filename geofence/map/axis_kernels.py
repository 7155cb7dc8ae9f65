"""Stations on an axis as compiled code, for processes that ask for them each observation.

`geofence.map.axis` has the same search without the compiler.
"""

import numpy as np

from core.arrays import F1, F2, F64
from core.kernel import checked_once, kernel, unchecked
from geofence.map.axis import (
    EAST,
    END_MITER,
    FAN,
    FAN_BITS,
    LENGTH,
    NEAR_M,
    NORTH,
    ROUNDING_M,
    START_MITER,
    STATION,
    U_EAST,
    U_NORTH,
    Axis,
    Segments,
    Tree,
)
from geofence.map.cells import cell_of
from geofence.map.grid import Grid


@kernel(inner=True)
def _beside(east: float, north: float, rows: F2, i: int) -> tuple[float, float]:
    """Return (length along segment i to its nearest point, distance from that) [m]."""
    de, dn = east - rows[i, EAST], north - rows[i, NORTH]
    along = min(max(de * rows[i, U_EAST] + dn * rows[i, U_NORTH], 0.0), rows[i, LENGTH])
    return along, np.hypot(de - along * rows[i, U_EAST], dn - along * rows[i, U_NORTH])


@kernel(inner=True)
def _to_box_m2(east: float, north: float, boxes: F2, k: int) -> float:
    """Return the squared distance of a place from box k [m^2], 0 inside: a root costs more than the rest."""
    beside = max(boxes[k, 0] - east, east - boxes[k, 2], 0.0)
    beyond = max(boxes[k, 1] - north, north - boxes[k, 3], 0.0)
    return float(beside * beside + beyond * beyond)


@kernel(inner=True)
def _bound_m(east: float, north: float, rows: F2, tree: Tree) -> float:
    """Return a distance [m] within which a segment lies: down the tree by the nearest box of each node."""
    boxes, first = tree
    level = first.shape[0] - 2
    begin, end = first[level], first[level + 1]
    bound = np.inf
    while True:
        near, at = np.inf, begin
        for k in range(begin, end):
            away_m2 = _to_box_m2(east, north, boxes, k)
            if away_m2 < near:
                near, at = away_m2, k
        node = at - first[level]
        if level == 0:
            for i in range(node * FAN, min((node + 1) * FAN, rows.shape[0])):
                _, away = _beside(east, north, rows, i)
                bound = min(bound, away)
            return bound
        level -= 1
        begin = first[level] + node * FAN
        end = min(first[level] + (node + 1) * FAN, first[level + 1])


@kernel(inner=True)
def _nearest(east: float, north: float, rows: F2, tree: Tree) -> tuple[float, float]:
    """Return (station, offset) [m] of the nearest point of the axis, the first of several.

    Segments in their order, but for whole nodes of the tree of boxes that can't be nearer: half of the trucks
    of a city are kilometres beside the road.
    """
    boxes, first = tree
    n, best, s, o = rows.shape[0], np.inf, np.nan, np.nan
    if not (abs(east) < np.inf and abs(north) < np.inf):
        return s, o
    limit_m2 = (_bound_m(east, north, rows, tree) + ROUNDING_M) ** 2
    i, top = 0, first.shape[0] - 2
    while i < n:
        level, bits = top, FAN_BITS * (top + 1)
        while level >= 0:  # the largest node that begins here and is too far away is passed over
            at_node = i & ((1 << bits) - 1) == 0  # no division: it takes longer than the rest
            if at_node and _to_box_m2(east, north, boxes, first[level] + (i >> bits)) > limit_m2:
                break
            level, bits = level - 1, bits - FAN_BITS
        if level >= 0:
            i += 1 << bits
            continue
        de, dn = east - rows[i, EAST], north - rows[i, NORTH]
        along = min(max(de * rows[i, U_EAST] + dn * rows[i, U_NORTH], 0.0), rows[i, LENGTH])
        off_e, off_n = de - along * rows[i, U_EAST], dn - along * rows[i, U_NORTH]
        if off_e * off_e + off_n * off_n <= limit_m2:  # nor a root, for most
            away = np.hypot(off_e, off_n)
            if away < best:
                side = rows[i, U_EAST] * dn - rows[i, U_NORTH] * de
                best, s, o = away, rows[i, STATION] + along, away if side >= 0.0 else -away
                limit_m2 = min(limit_m2, (best + ROUNDING_M) ** 2)
        i += 1
    return s, o


@kernel(inner=True)
def _between_miters(east: float, north: float, rows: F2, grid: Grid) -> tuple[float, float]:
    """Return (station, offset) [m] on the nearest segment of the cell between whose miters a place lies."""
    best, s, o = np.inf, np.nan, np.nan
    cell = cell_of(east, north, grid)
    if cell < 0:
        return s, o
    for k in range(grid.start[cell], grid.start[cell + 1]):
        i = grid.items[k]
        de, dn = east - rows[i, EAST], north - rows[i, NORTH]
        offset = rows[i, U_EAST] * dn - rows[i, U_NORTH] * de
        if abs(offset) >= best:
            continue
        length, miter = rows[i, LENGTH], rows[i, START_MITER]
        divisor = length + offset * (rows[i, END_MITER] - miter)
        along = de * rows[i, U_EAST] + dn * rows[i, U_NORTH] - offset * miter
        if divisor > 0.0 and -1e-9 * length <= along <= divisor * (1.0 + 1e-9):
            best, s, o = abs(offset), rows[i, STATION] + length * along / divisor, offset
    return s, o


@kernel
def station_at(east: float, north: float, segments: Segments) -> tuple[float, float]:
    """Return (station, offset) [m] of one place; left of the axis positive.

    Ruled by the miter at each vertex: between two of them the offset is the distance from the segment and
    the station grows linearly, so that a bend has neither gap nor overlap. Beyond the axis' ends and far
    beside it: the nearest point, and the offset is the distance from it.
    """
    s, o = _between_miters(east, north, segments.rows, segments.near)
    if abs(o) <= NEAR_M:  # NaN is not
        return s, o
    s, o = _between_miters(east, north, segments.rows, segments.grid)
    if o == o:
        return s, o
    return _nearest(east, north, segments.rows, segments.tree)


@kernel
def stations(east: F1, north: F1, segments: Segments, s: F1, o: F1) -> None:
    """Fill s (n,) and o (n,) with the stations and offsets [m] of n places."""
    for i in range(len(east)):
        s[i], o[i] = station_at(east[i], north[i], segments)


_stations_once, _station_at_unchecked = checked_once(stations), unchecked(station_at)


class CompiledAxis(Axis):
    """An axis whose stations compiled code finds."""

    __slots__ = ()

    def station_of(self, east: F64, north: F64) -> tuple[F64, F64]:
        """Return (s_m, offset_m), as the axis does."""
        east, north = np.ascontiguousarray(east, np.float64), np.ascontiguousarray(north, np.float64)
        s, o = np.empty(len(east)), np.empty(len(east))
        _stations_once(east, north, self.segments, s, o)
        return s, o

    def station_at(self, east_m: float, north_m: float) -> tuple[float, float]:
        """Return what `station_of` does of one place, without arrays around it."""
        return _station_at_unchecked(east_m, north_m, self.segments)


def compiled(axis: Axis) -> CompiledAxis:
    """Return the same axis with compiled look-ups."""
    return CompiledAxis(axis.road, axis.k0_m, axis.length_m, axis.points, axis.segments)
