"""Areas compiled for look-up: a cell wholly inside needs no test, others test the edges of their row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely

from core.arrays import B1, F1, F2, F64, I1, I32, I64, Bools, I32x1, I32x2
from core.kernel import kernel
from geofence.map.cells import cell_of
from geofence.map.grid import Grid, build_grid, cell_size_m, grid_of

AREA_CELL_M = (
    16.0  # a place in a boundary cell is tested against all edges of its row: 25 m took a fifth longer
)
CELLS_MAX = 4_000_000  # of all areas: large ones get larger cells
ROUNDING_M = 1e-6  # an edge that touches a cell by rounding makes it one with edges

Area = shapely.Polygon | shapely.MultiPolygon


class AreaCells(NamedTuple):
    """Areas by the cells that they touch, and their edges by rows of cells."""

    grid: Grid  # an item is the area's number where it covers the whole cell, else -1 - number
    rows: I32x2  # (areas, 2) first row of cells, and where the area's rows begin in row_start
    row_start: I32x1
    edges: F2  # (m, 4) east, north of both ends


@kernel
def find_areas(east: F1, north: F1, cells: AreaCells, hits: I32x2) -> None:
    """Fill hits (n, k) with the first k areas that hold each of n places, in their order; -1: no more."""
    grid, rows, row_start, edges = cells
    for i in range(len(east)):
        x, y = east[i], north[i]
        n, most = 0, hits.shape[1]
        for k in range(most):
            hits[i, k] = -1
        cell = cell_of(x, y, grid)
        if cell < 0:
            continue
        row = int(np.floor((y - grid.shape[1]) / grid.shape[2]))  # as in cell_of, which is inlined
        for k in range(grid.start[cell], grid.start[cell + 1]):
            area, inside = grid.items[k], True
            if area < 0:
                area, inside = -1 - area, False
                slab = rows[area, 1] + row - rows[area, 0]
                for j in range(row_start[slab], row_start[slab + 1]):
                    if (edges[j, 1] > y) != (edges[j, 3] > y):
                        t = (y - edges[j, 1]) / (edges[j, 3] - edges[j, 1])
                        if edges[j, 0] + t * (edges[j, 2] - edges[j, 0]) > x:
                            inside = not inside
            if inside and n < most:
                hits[i, n] = area
                n += 1


@kernel
def cast_rays(east: F1, north: F1, slab: I1, row_start: I32x1, edges: F2, inside: B1) -> None:
    """Fill `inside` (n,): whether an odd number of the edges of each place's slab lies to the east of it."""
    for i in range(len(east)):
        for j in range(row_start[slab[i]], row_start[slab[i] + 1]):
            if (edges[j, 1] > north[i]) != (edges[j, 3] > north[i]):
                t = (north[i] - edges[j, 1]) / (edges[j, 3] - edges[j, 1])
                if edges[j, 0] + t * (edges[j, 2] - edges[j, 0]) > east[i]:
                    inside[i] = not inside[i]


@dataclass(frozen=True, slots=True)
class Areas:
    """Polygons in site metres; holes and several parts are fine."""

    count: int
    cells: AreaCells
    most: int  # areas of one cell: no place is in more

    def find(self, east: F64, north: F64, most: int | None = None) -> I32:
        """Return the areas of each place, (n, most), -1 for no more; without `most` all of them."""
        hits = np.empty((len(east), self.most if most is None else most), dtype=np.int32)
        east, north = np.ascontiguousarray(east), np.ascontiguousarray(north)
        find_areas(east, north, self.cells, hits)
        return hits

    def any(self, east: F64, north: F64) -> Bools:
        """Return which places (n,) lie in any area."""
        return self.find(east, north, 1)[:, 0] >= 0


def compile_areas(polygons: Sequence[Area]) -> Areas:
    """Return the look-up of valid polygons."""
    edges, area = _edges(polygons)
    if not polygons:
        none = np.zeros(0, np.int32)
        empty = build_grid(np.zeros((0, 2)), np.zeros((0, 2)), cell_m=AREA_CELL_M, margin_m=0.0)
        return Areas(0, AreaCells(empty, none.reshape(0, 2), np.zeros(1, np.int32), edges), 1)
    low = np.minimum(edges[:, :2], edges[:, 2:])
    high = np.maximum(edges[:, :2], edges[:, 2:])
    corner = low.min(axis=0)
    cell_m = cell_size_m(high.max(axis=0) - corner, AREA_CELL_M)
    while _n_cells(low, high, area, cell_m) > CELLS_MAX:
        cell_m *= 2.0
    first, last = (np.floor((edge - corner) / cell_m).astype(np.int64) for edge in (low, high))
    # edges by area and row of cells
    of, row = _spread(first[:, 1], last[:, 1])
    row_first = np.full(len(polygons), np.iinfo(np.int64).max)
    row_last = np.zeros(len(polygons), dtype=np.int64)
    np.minimum.at(row_first, area, first[:, 1])
    np.maximum.at(row_last, area, last[:, 1])
    begin = np.concatenate([[0], np.cumsum(row_last - row_first + 1)])
    slab = begin[area[of]] + row - row_first[area[of]]
    order = np.argsort(slab, kind="stable")
    order = order[edges[of[order], 1] != edges[of[order], 3]]  # level ones are never crossed
    row_start = np.searchsorted(slab[order], np.arange(begin[-1] + 1)).astype(np.int32)
    rows = np.column_stack([row_first, begin[:-1]]).astype(np.int32)
    kept = np.ascontiguousarray(edges[of[order]])
    # cells that an edge touches, and those between them that lie wholly inside
    column_of, row_of, mine = _touched(edges[of], row, area[of], corner, cell_m)
    inner = _inner(column_of, row_of, mine, (corner, cell_m), (rows, row_start, kept))
    column, rows_of, number = (
        np.concatenate(both) for both in zip((column_of, row_of, -1 - mine), inner, strict=True)
    )
    by_area = np.argsort(np.where(number < 0, -1 - number, number), kind="stable")
    grid = grid_of(column[by_area], rows_of[by_area], number[by_area], corner, cell_m)
    most = int(np.diff(grid.start).max())
    return Areas(len(polygons), AreaCells(grid, rows, row_start, kept), most)


def _edges(polygons: Sequence[Area]) -> tuple[F64, I64]:
    """Return the edges (m, 4) of all rings, and whose they are (m,)."""
    parts, of = shapely.get_parts(np.array(polygons, dtype=object), return_index=True)
    rings, part = shapely.get_rings(parts, return_index=True)
    places, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    edges = np.hstack([places[:-1], places[1:]])[same] if len(places) else np.zeros((0, 4))
    area = of[part[ring[1:][same]]] if len(places) else np.zeros(0)
    return edges, area.astype(np.int64)


def _n_cells(low: F64, high: F64, area: I64, cell_m: float) -> float:
    """Return how many cells the boxes of all areas cover."""
    n = int(area.max()) + 1
    least, most = np.full((n, 2), np.inf), np.full((n, 2), -np.inf)
    np.minimum.at(least, area, low)
    np.maximum.at(most, area, high)
    return float(np.prod((most - least) / cell_m + 1.0, axis=1).sum())


def _spread(first: I64, last: I64) -> tuple[I64, I64]:
    """Return the whole numbers of n ranges: for each the range, and the number."""
    count = last - first + 1
    of = np.repeat(np.arange(len(first)), count)
    return of, first[of] + np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)


def _touched(edges: F64, row: I64, area: I64, corner: F64, cell_m: float) -> tuple[I64, I64, I64]:
    """Return column, row and area of the cells that edges touch, each once; row (n,) : of part of an edge."""
    low, high = corner[1] + row * cell_m, corner[1] + (row + 1) * cell_m
    rise = edges[:, 3] - edges[:, 1]
    t = [np.clip((bound - edges[:, 1]) / np.where(rise == 0.0, 1.0, rise), 0.0, 1.0) for bound in (low, high)]
    t = [np.where(rise == 0.0, level, each) for level, each in zip((0.0, 1.0), t, strict=True)]
    east = np.stack([edges[:, 0] + each * (edges[:, 2] - edges[:, 0]) for each in t])
    first = np.floor((east.min(axis=0) - ROUNDING_M - corner[0]) / cell_m).astype(np.int64)
    last = np.floor((east.max(axis=0) + ROUNDING_M - corner[0]) / cell_m).astype(np.int64)
    of, column = _spread(np.maximum(first, 0), np.maximum(last, 0))
    columns, rows = int(column.max()) + 1, int(row.max()) + 1
    found = np.unique((area[of] * rows + row[of]) * columns + column)
    return found % columns, found // columns % rows, found // (columns * rows)


def _inner(
    column: I64, row: I64, area: I64, cells: tuple[F64, float], slabs: tuple[I32, I32, F64]
) -> tuple[I64, I64, I64]:
    """Return column, row and area of the cells inside areas; the ones given, sorted, hold edges."""
    gap = np.flatnonzero((area[1:] == area[:-1]) & (row[1:] == row[:-1]) & (column[1:] > column[:-1] + 1))
    corner, cell_m = cells
    # all cells of one gap are inside, or none: no edge is between them
    east = corner[0] + (column[gap] + 1.5) * cell_m
    north = corner[1] + (row[gap] + 0.5) * cell_m
    rows, row_start, edges = slabs
    slab = rows[area[gap], 1] + row[gap] - rows[area[gap], 0]
    inside = np.zeros(len(gap), dtype=np.bool_)
    cast_rays(east, north, slab.astype(np.int64), row_start, edges, inside)
    gap = gap[inside]
    of, between = _spread(column[gap] + 1, column[gap + 1] - 1)
    return between, row[gap][of], area[gap][of]
