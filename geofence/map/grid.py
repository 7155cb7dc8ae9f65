"""A grid over boxes in compressed-row form: for each cell, the items whose box touches it.

Roads fill little of a map, so that cells exist in tiles: a tile that nothing touches has none. The cells of
100 km with 100 000 lanes stay as small as those of one road.
"""

from typing import NamedTuple

import numpy as np

from core.arrays import F1, F64, I64, I32x1

TILE = 16  # cells along each side of a tile
TILES_MAX = 1_000_000  # a sparse, wide map gets larger cells rather than more tiles


class Grid(NamedTuple):
    """`items[start[c]:start[c + 1]]` are the items of the cell c of `cells_of`, in their own order."""

    shape: F1  # (5,) east and north of the corner [m], cell size [m], columns, rows
    tiles: I32x1  # (tiles,) by row and column: number of the tile's first cell, -1: nothing is in it
    start: I32x1  # (cells + 1,)
    items: I32x1


def cells_of(east: F64, north: F64, grid: Grid) -> I64:
    """Return the number (n,) of the cell that holds each of n places [m], -1 where no item can be."""
    corner_e, corner_n, size_m, columns, rows = grid.shape
    column, row = np.floor((east - corner_e) / size_m), np.floor((north - corner_n) / size_m)
    cells = np.full(len(column), -1, dtype=np.int64)
    inside = np.flatnonzero((column >= 0.0) & (column < columns) & (row >= 0.0) & (row < rows))
    c, r = column[inside].astype(np.int64), row[inside].astype(np.int64)
    first = grid.tiles[(r // TILE) * ((int(columns) + TILE - 1) // TILE) + c // TILE]
    cells[inside] = np.where(first < 0, -1, first + (r % TILE) * TILE + c % TILE)
    return cells


def build_grid(low: F64, high: F64, *, cell_m: float, margin_m: float) -> Grid:
    """Return the grid of n boxes; low, high : (n, 2) corners [m], each widened by margin_m."""
    if not len(low):
        return grid_of(
            np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(2), cell_m
        )
    low, high = low - margin_m, high + margin_m
    corner = low.min(axis=0)
    cell_m = cell_size_m(high.max(axis=0) - corner, cell_m)
    first = np.floor((low - corner) / cell_m).astype(np.int64)
    last = np.floor((high - corner) / cell_m).astype(np.int64)
    wide, tall = (last - first + 1).T
    count = wide * tall
    item = np.repeat(np.arange(len(low)), count)
    k = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return grid_of(first[item, 0] + k % wide[item], first[item, 1] + k // wide[item], item, corner, cell_m)


def cell_size_m(extent_m: F64, cell_m: float) -> float:
    """Return the size of cells over an extent (2,): cell_m, or so much larger that there are not too many."""
    while np.prod(np.floor(extent_m / (cell_m * TILE)) + 1) > TILES_MAX:
        cell_m *= 2.0
    return cell_m


def grid_of(column: I64, row: I64, item: I64, corner: F64, cell_m: float) -> Grid:
    """Return the grid of n entries: which item is in which cell.

    An entry's items stay in the order in which they come.  corner : (2,) of the first cell [m]
    """
    columns, rows = (int(axis.max()) + 1 if len(axis) else 0 for axis in (column, row))
    across = (columns + TILE - 1) // TILE
    tile = (row // TILE) * across + column // TILE
    tiles = np.full(across * ((rows + TILE - 1) // TILE), -1, dtype=np.int32)
    used, number = np.unique(tile, return_inverse=True)
    tiles[used] = TILE * TILE * np.arange(len(used))
    cell = TILE * TILE * number + (row % TILE) * TILE + column % TILE
    n_cells = TILE * TILE * len(used)
    start = np.zeros(n_cells + 1, dtype=np.int32)
    np.cumsum(np.bincount(cell, minlength=n_cells), out=start[1:])
    shape = np.array([corner[0], corner[1], cell_m, float(columns), float(rows)])
    order = np.argsort(cell, kind="stable")
    return Grid(shape, tiles, start, item[order].astype(np.int32))


def one_cell(corner_m: float, size_m: float, n_items: int) -> Grid:
    """Return a grid of one cell that holds items 0 to n_items - 1: a search over all of them."""
    none = np.zeros(n_items, dtype=np.int64)
    return grid_of(none, none, np.arange(n_items), np.array([corner_m, corner_m]), size_m)
