"""A uniform grid over boxes in compressed-row form: for each cell, the items whose box touches it."""

from typing import NamedTuple

import numpy as np

from core.arrays import F1, F64, I32x1
from core.kernel import kernel

CELLS_MAX = 1_000_000  # a sparse, wide map gets larger cells rather than more of them


class Grid(NamedTuple):
    """`items[start[c]:start[c + 1]]` are the items of cell c = row * columns + column, in their own order."""

    shape: F1  # (5,) east and north of the corner [m], cell size [m], columns, rows
    start: I32x1  # (cells + 1,)
    items: I32x1


@kernel(inner=True)
def cell_of(east: float, north: float, grid: Grid) -> int:
    """Return the number of the cell that holds a place [m], -1 outside the grid."""
    shape = grid.shape
    column, row = np.floor((east - shape[0]) / shape[2]), np.floor((north - shape[1]) / shape[2])
    if not (0.0 <= column < shape[3] and 0.0 <= row < shape[4]):  # NaN is outside
        return -1
    return int(row) * int(shape[3]) + int(column)


def build_grid(low: F64, high: F64, *, cell_m: float, margin_m: float) -> Grid:
    """Return the grid of n boxes; low, high : (n, 2) corners [m], each widened by margin_m."""
    low, high = low - margin_m, high + margin_m
    if not len(low):
        return Grid(np.array([0.0, 0.0, cell_m, 0.0, 0.0]), np.zeros(1, np.int32), np.zeros(0, np.int32))
    corner = low.min(axis=0)
    extent = high.max(axis=0) - corner
    while np.prod(np.floor(extent / cell_m) + 1) > CELLS_MAX:
        cell_m *= 2.0
    columns, rows = (np.floor(extent / cell_m) + 1).astype(np.int64)
    first = np.floor((low - corner) / cell_m).astype(np.int64)
    last = np.floor((high - corner) / cell_m).astype(np.int64)
    wide, tall = (last - first + 1).T
    count = wide * tall
    item = np.repeat(np.arange(len(low)), count)
    k = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    cell = (first[item, 1] + k // wide[item]) * columns + first[item, 0] + k % wide[item]
    order = np.argsort(cell, kind="stable")
    start = np.zeros(columns * rows + 1, dtype=np.int64)
    np.cumsum(np.bincount(cell, minlength=columns * rows), out=start[1:])
    shape = np.array([corner[0], corner[1], cell_m, float(columns), float(rows)])
    return Grid(shape, start.astype(np.int32), item[order].astype(np.int32))
