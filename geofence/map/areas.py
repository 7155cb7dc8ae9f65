"""Areas compiled for look-up: a cell wholly inside needs no test, others test the edges of their row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import shapely

from core.arrays import F1, F2, F64, I32, Bools, I32x1, I32x2
from core.kernel import kernel
from geofence.map.grid import CELLS_MAX, Grid, cell_of

AREA_CELL_M = (
    16.0  # a place in a boundary cell is tested against all edges of its row: 25 m took a fifth longer
)
HITS_MAX = 8  # areas of one place, at most

Area = shapely.Polygon | shapely.MultiPolygon


class AreaCells(NamedTuple):
    """Areas by the cells that they touch, and their edges by rows of cells."""

    grid: Grid  # an item is the area's number where it covers the whole cell, else -1 - number
    rows: I32x2  # (areas, 2) first row of cells, and where the area's rows begin in row_start
    row_start: I32x1
    edges: F2  # (m, 4) east, north of both ends


@kernel
def find_areas(east: F1, north: F1, cells: AreaCells, hits: I32x2) -> None:
    """Fill hits (n, HITS_MAX) with the areas that hold each of n places, in their order; -1 for no more."""
    grid, rows, row_start, edges = cells
    for i in range(len(east)):
        x, y = east[i], north[i]
        n = 0
        for k in range(HITS_MAX):
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
            if inside and n < HITS_MAX:
                hits[i, n] = area
                n += 1


@dataclass(frozen=True, slots=True)
class Areas:
    """Polygons in site metres; holes and several parts are fine."""

    count: int
    cells: AreaCells

    def find(self, east: F64, north: F64) -> I32:
        """Return the areas of each place, (n, HITS_MAX), -1 for no more."""
        hits = np.empty((len(east), HITS_MAX), dtype=np.int32)
        east, north = np.ascontiguousarray(east), np.ascontiguousarray(north)
        find_areas(east, north, self.cells, hits)
        return hits

    def any(self, east: F64, north: F64) -> Bools:
        """Return which places (n,) lie in any area."""
        return self.find(east, north)[:, 0] >= 0


def compile_areas(polygons: Sequence[Area]) -> Areas:
    """Return the look-up of valid polygons."""
    if not polygons:
        none = np.zeros(0, np.int32)
        empty = Grid(np.array([0.0, 0.0, AREA_CELL_M, 0.0, 0.0]), np.zeros(1, np.int32), none)
        return Areas(0, AreaCells(empty, none.reshape(0, 2), none, np.zeros((0, 4))))
    bounds = shapely.bounds(list(polygons))
    corner, cell_m = bounds[:, :2].min(axis=0), AREA_CELL_M
    extent = bounds[:, 2:].max(axis=0) - corner
    while np.prod(np.floor(extent / cell_m) + 1) > CELLS_MAX:
        cell_m *= 2.0
    columns, n_rows = (int(v) for v in np.floor(extent / cell_m) + 1)
    cells, items, edges = [], [], []
    rows: list[list[int]] = []
    row_counts: list[int] = []
    for number, polygon in enumerate(polygons):
        first = np.floor((bounds[number, :2] - corner) / cell_m).astype(int)
        last = np.floor((bounds[number, 2:] - corner) / cell_m).astype(int)
        cell, item = _cells(polygon, number, first, last, corner, cell_m, columns)
        cells.append(cell)
        items.append(item)
        rows.append([int(first[1]), len(row_counts)])
        for row in range(first[1], last[1] + 1):
            mine = _edges(polygon, corner[1] + row * cell_m, corner[1] + (row + 1) * cell_m)
            row_counts.append(len(mine))
            edges.append(mine)
    cell, item = np.concatenate(cells), np.concatenate(items)
    order = np.argsort(cell, kind="stable")
    start = np.zeros(columns * n_rows + 1, dtype=np.int64)
    np.cumsum(np.bincount(cell, minlength=columns * n_rows), out=start[1:])
    shape = np.array([corner[0], corner[1], cell_m, float(columns), float(n_rows)])
    found = AreaCells(
        grid=Grid(shape, start.astype(np.int32), item[order].astype(np.int32)),
        rows=np.array(rows, dtype=np.int32),
        row_start=np.cumsum([0, *row_counts]).astype(np.int32),
        edges=np.ascontiguousarray(np.vstack(edges)),
    )
    return Areas(len(polygons), found)


def _cells(
    polygon: Area, number: int, first: F64, last: F64, corner: F64, cell_m: float, columns: int
) -> tuple[I32, I32]:
    """Return the cells that the polygon touches, and whether each is wholly inside (number) or not."""
    column, row = (
        v.ravel() for v in np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(first, last, strict=True)))
    )
    low_e, low_n = corner[0] + column * cell_m, corner[1] + row * cell_m
    boxes = shapely.box(low_e, low_n, low_e + cell_m, low_n + cell_m)
    shapely.prepare(polygon)
    touched = shapely.intersects(polygon, boxes)
    inside = shapely.contains_properly(polygon, boxes)
    item = np.where(inside, number, -1 - number)
    return (row * columns + column)[touched].astype(np.int32), item[touched].astype(np.int32)


def _edges(polygon: Area, low_n: float, high_n: float) -> F64:
    """Return the polygon's edges (m, 4) that reach into a row of cells; level ones are never crossed."""
    rings = [shapely.get_coordinates(ring) for ring in shapely.get_rings(shapely.get_parts(polygon))]
    edges = np.vstack([np.hstack([ring[:-1], ring[1:]]) for ring in rings])
    reach = (np.minimum(edges[:, 1], edges[:, 3]) <= high_n) & (np.maximum(edges[:, 1], edges[:, 3]) >= low_n)
    crossed: F64 = edges[reach & (edges[:, 1] != edges[:, 3])]
    return crossed
