"""A road's axis: station and offset of a place and back, bijective up to the radius of its bends.

Arrays of places are searched with NumPy: the gateway and the centre load no compiler for it. A process that
looks up stations of each observation has the same search compiled (`geofence.map.axis_kernels`).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.arrays import F2, F64, I1, I64, Bools
from core.errors import MapError
from geofence.map.grid import Grid, build_grid, cells_of

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
PAIRS_MAX = 1_000_000  # of a place and a box, in memory at once


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


@dataclass(frozen=True, slots=True)
class Axis:
    """The axis of a road, from station `k0_m`; all in site metres."""

    road: str
    k0_m: float
    length_m: float
    points: F64  # (n, 2) its vertices, cut to 50 m
    segments: Segments  # n - 1

    def station_of(self, east: F64, north: F64) -> tuple[F64, F64]:
        """Return (s_m, offset_m), left positive; beyond an end its station, and the distance from it.

        Ruled by the miter at each vertex: between two of them the offset is the distance from the segment and
        the station grows linearly, so that a bend has neither gap nor overlap. Beyond the axis' ends and far
        beside it: the nearest point, and the offset is the distance from it.
        """
        east, north = np.asarray(east, np.float64), np.asarray(north, np.float64)
        s, o = _between_miters(east, north, self.segments)
        far = np.flatnonzero(np.isnan(o) & np.isfinite(east) & np.isfinite(north))
        step = max(1, PAIRS_MAX // max(1, int(self.segments.tree.first[1])))
        for some in (far[at : at + step] for at in range(0, len(far), step)):
            s[some], o[some] = _nearest(east[some], north[some], self.segments)
        return s, o

    def station_at(self, east_m: float, north_m: float) -> tuple[float, float]:
        """Return what `station_of` does of one place."""
        s, o = self.station_of(np.array([east_m]), np.array([north_m]))
        return float(s[0]), float(o[0])

    def site_of(self, s_m: F64, offset_m: F64) -> tuple[F64, F64]:
        """Return (east, north) [m]: the inverse of `station_of`; stations are held within the axis."""
        s, o = np.atleast_1d(np.asarray(s_m, np.float64)), np.atleast_1d(np.asarray(offset_m, np.float64))
        rows = self.segments.rows
        i = np.clip(np.searchsorted(rows[:, STATION], s, side="right") - 1, 0, len(rows) - 1)
        east, north, u_east, u_north, length, station, start, end = rows[i].T
        t = np.clip((s - station) / length, 0.0, 1.0)
        along = t * length + o * (start + t * (end - start))
        return east + along * u_east - o * u_north, north + along * u_north + o * u_east


def _between_miters(east: F64, north: F64, segments: Segments) -> tuple[F64, F64]:
    """Return (s_m, offset_m) on the nearest segment of a place's cell whose miters enclose it, or NaN."""
    rows, grid = segments.rows, segments.grid
    s, o = np.full(len(east), np.nan), np.full(len(east), np.nan)
    cell = cells_of(east, north, grid)
    inside = np.flatnonzero(cell >= 0)
    first = grid.start[cell[inside]].astype(np.int64)
    place, at = _each(inside, first, grid.start[cell[inside] + 1] - first)
    i = grid.items[at]
    de, dn = east[place] - rows[i, EAST], north[place] - rows[i, NORTH]
    offset = rows[i, U_EAST] * dn - rows[i, U_NORTH] * de
    length, miter = rows[i, LENGTH], rows[i, START_MITER]
    divisor = length + offset * (rows[i, END_MITER] - miter)
    along = de * rows[i, U_EAST] + dn * rows[i, U_NORTH] - offset * miter
    between = (divisor > 0.0) & (-1e-9 * length <= along) & (along <= divisor * (1.0 + 1e-9))
    best = np.flatnonzero(between)[_first_least(place[between], np.abs(offset[between]))]
    s[place[best]] = rows[i[best], STATION] + length[best] * along[best] / divisor[best]
    o[place[best]] = offset[best]
    return s, o


def _nearest(east: F64, north: F64, segments: Segments) -> tuple[F64, F64]:
    """Return (s_m, offset_m) of the nearest point of the axis, the first of several, for n places."""
    rows, (boxes, first) = segments.rows, segments.tree
    low_e, low_n, high_e, high_n = boxes[: first[1]].T  # around FAN segments each
    x, y = east[:, None], north[:, None]
    beside, beyond = np.maximum(low_e - x, x - high_e), np.maximum(low_n - y, y - high_n)
    away_m2: F64 = np.maximum(beside, 0.0) ** 2 + np.maximum(beyond, 0.0) ** 2
    # an end of each segment of the nearest box, and so the nearest point of all, is within this
    bound_m = np.full(len(east), np.inf)
    place, i = _of_boxes(away_m2 <= away_m2.min(axis=1, keepdims=True), len(rows))
    np.minimum.at(bound_m, place, _beside(east[place], north[place], rows[i])[1])
    place, i = _of_boxes(away_m2 <= (bound_m[:, None] + ROUNDING_M) ** 2, len(rows))
    along, away = _beside(east[place], north[place], rows[i])
    best = _first_least(place, away)  # of each place, in their order
    found = rows[i[best]]
    side = found[:, U_EAST] * (north - found[:, NORTH]) - found[:, U_NORTH] * (east - found[:, EAST])
    return found[:, STATION] + along[best], np.where(side >= 0.0, away[best], -away[best])


def _of_boxes(chosen: Bools, n_segments: int) -> tuple[I64, I64]:
    """Return each place with each segment of its chosen boxes, (n, boxes), in the order of the segments."""
    place, box = np.nonzero(chosen)
    first = box * FAN
    return _each(place, first, np.minimum(first + FAN, n_segments) - first)


def _beside(east: F64, north: F64, rows: F64) -> tuple[F64, F64]:
    """Return (length along its segment to the nearest point, distance from that) [m] for each of n places."""
    de, dn = east - rows[:, EAST], north - rows[:, NORTH]
    along = np.clip(de * rows[:, U_EAST] + dn * rows[:, U_NORTH], 0.0, rows[:, LENGTH])
    return along, np.hypot(de - along * rows[:, U_EAST], dn - along * rows[:, U_NORTH])


def _each(of: I64, first: I64, count: I64) -> tuple[I64, I64]:
    """Return each of `of` beside the `count` numbers from its `first` on."""
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(of, count), np.repeat(first, count) + within


def _first_least(group: I64, value: F64) -> I64:
    """Return the index of the least value of each group, the first of equal ones, in the groups' order."""
    order = np.lexsort((value, group))  # stable
    is_first = np.diff(group[order], prepend=-1) > 0
    return order[is_first]


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
