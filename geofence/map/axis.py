"""A road's axis: station and offset of a place and back, bijective up to the radius of its bends."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.arrays import F1, F2, F64, I1
from core.errors import MapError
from core.kernel import checked_once, kernel, unchecked
from geofence.map.grid import Grid, build_grid, cell_of

GRID_REACH_M = 60.0  # within it the grid answers, beyond it a search over all segments
AXIS_CELL_M = 50.0
NEAR_M, NEAR_CELL_M = 30.0, 10.0  # nearly all places are so near: a grid of their own names few segments
ROUNDING_M = 0.01  # its boxes are so much larger
SEGMENT_M_MAX = 50.0  # segments are cut to this, so that a diagonal one's box stays small
FAN_BITS = 3
FAN = 1 << FAN_BITS  # segments of one box, boxes of one box: a look down the tree reads few of each level

# columns of Segments.rows: place of the start, unit vector, length, station of the start [m]; by how much the
# miters at start and end lean forward, for each metre of offset
EAST, NORTH, U_EAST, U_NORTH, LENGTH, STATION, START_MITER, END_MITER = range(8)
SEGMENT = 8


class Tree(NamedTuple):
    """Boxes around FAN segments each, then around FAN boxes each, until one level has few."""

    boxes: F2  # (m, 4) least east and north, then the greatest [m], level by level
    first: I1  # (levels + 1,) of each level's boxes


class Segments(NamedTuple):
    """An axis as kernels take it."""

    rows: F2  # (n, SEGMENT)
    grid: Grid  # of the segments with GRID_REACH_M around each
    near: Grid  # of the segments with NEAR_M to both sides of each, between their miters
    tree: Tree


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


@dataclass(frozen=True, slots=True)
class Axis:
    """The axis of a road, from station `k0_m`; all in site metres."""

    road: str
    k0_m: float
    length_m: float
    points: F64  # (n, 2) its vertices, cut to 50 m
    segments: Segments  # n - 1

    def station_of(self, east: F64, north: F64) -> tuple[F64, F64]:
        """Return (s_m, offset_m), left positive; beyond an end its station, and the distance from it."""
        east, north = np.ascontiguousarray(east, np.float64), np.ascontiguousarray(north, np.float64)
        s, o = np.empty(len(east)), np.empty(len(east))
        _stations_once(east, north, self.segments, s, o)
        return s, o

    def station_at(self, east_m: float, north_m: float) -> tuple[float, float]:
        """Return what `station_of` does of one place, without arrays around it."""
        return _station_at_unchecked(east_m, north_m, self.segments)

    def site_of(self, s_m: F64, offset_m: F64) -> tuple[F64, F64]:
        """Return (east, north) [m]: the inverse of `station_of`; stations are held within the axis."""
        s, o = np.atleast_1d(np.asarray(s_m, np.float64)), np.atleast_1d(np.asarray(offset_m, np.float64))
        rows = self.segments.rows
        i = np.clip(np.searchsorted(rows[:, STATION], s, side="right") - 1, 0, len(rows) - 1)
        east, north, u_east, u_north, length, station, start, end = rows[i].T
        t = np.clip((s - station) / length, 0.0, 1.0)
        along = t * length + o * (start + t * (end - start))
        return east + along * u_east - o * u_north, north + along * u_north + o * u_east


def compile_axis(road: str, k0_m: float, points: F64) -> Axis:
    """Return the axis through points (n, 2) in site metres; MapError where it turns back on itself."""
    points = np.asarray(points, dtype=np.float64)
    keep = np.r_[True, np.hypot(*np.diff(points, axis=0).T) > 1e-6]
    points = cut(points[keep], SEGMENT_M_MAX)
    step = np.diff(points, axis=0)
    length = np.hypot(step[:, 0], step[:, 1])
    if not len(length):
        raise MapError(f"axis of road {road}: it has no length")
    unit = step / length[:, None]
    turn = np.arctan2(
        unit[:-1, 0] * unit[1:, 1] - unit[:-1, 1] * unit[1:, 0], (unit[:-1] * unit[1:]).sum(axis=1)
    )
    if len(turn) and np.abs(turn).max() > 2.0:
        i = int(np.abs(turn).argmax()) + 1
        at_m, place = k0_m + length[:i].sum(), points[i].tolist()
        raise MapError(f"axis of road {road}: it turns back on itself at station {at_m:.0f} m", tuple(place))
    half = np.r_[0.0, np.tan(turn / 2), 0.0]
    rows = np.zeros((len(length), SEGMENT))
    rows[:, [EAST, NORTH]], rows[:, [U_EAST, U_NORTH]], rows[:, LENGTH] = points[:-1], unit, length
    rows[:, STATION] = k0_m + np.r_[0.0, np.cumsum(length)[:-1]]
    rows[:, START_MITER], rows[:, END_MITER] = half[:-1], -half[1:]  # forward at a left turn's start
    low, high = np.minimum(points[:-1], points[1:]), np.maximum(points[:-1], points[1:])
    return Axis(
        road=road,
        k0_m=k0_m,
        length_m=float(length.sum()),
        points=points,
        segments=Segments(
            rows,
            build_grid(low, high, cell_m=AXIS_CELL_M, margin_m=GRID_REACH_M),
            _near_grid(rows),
            tree_of(low, high),
        ),
    )


def tree_of(low: F64, high: F64) -> Tree:
    """Return the tree of n boxes in their order; low, high : (n, 2) their corners."""
    levels: list[F64] = []
    boxes = np.hstack([low, high])
    while len(boxes) > 2 * FAN or not levels:
        begin = np.arange(0, len(boxes), FAN)
        least, most = np.minimum.reduceat(boxes[:, :2], begin), np.maximum.reduceat(boxes[:, 2:], begin)
        boxes = np.hstack([least, most])
        levels.append(boxes)
    first = np.concatenate([[0], np.cumsum([len(level) for level in levels])])
    return Tree(np.ascontiguousarray(np.vstack(levels)), first.astype(np.int64))


def _near_grid(rows: F64) -> Grid:
    """Return the grid of what lies between the miters of each of n segments, NEAR_M to both sides."""
    along, left = rows[:, [U_EAST, U_NORTH]], np.column_stack([-rows[:, U_NORTH], rows[:, U_EAST]])
    starts, ends = rows[:, [EAST, NORTH]], rows[:, [EAST, NORTH]] + rows[:, [LENGTH]] * along
    corners = np.stack([
        place + offset_m * (left + rows[:, [miter]] * along)
        for place, miter in ((starts, START_MITER), (ends, END_MITER))
        for offset_m in (-NEAR_M, NEAR_M)
    ])  # fmt: skip
    return build_grid(corners.min(axis=0), corners.max(axis=0), cell_m=NEAR_CELL_M, margin_m=ROUNDING_M)


def cut(points: F64, step_m: float) -> F64:
    """Return the polyline with each segment cut into equal parts of at most step_m."""
    length = np.hypot(*np.diff(points, axis=0).T)
    parts = np.maximum(1, np.ceil(length / step_m)).astype(np.int64)
    i = np.repeat(np.arange(len(length)), parts)
    k = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    t = (k / parts[i])[:, None]
    return np.vstack([points[i] + t * (points[i + 1] - points[i]), points[-1:]])
