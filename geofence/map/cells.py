"""The cell of a grid that holds a place, as compiled code; `geofence.map.grid` builds the grid."""

import numpy as np

from core.kernel import kernel
from geofence.map.grid import TILE, Grid


@kernel(inner=True)
def cell_of(east: float, north: float, grid: Grid) -> int:
    """Return the number of the cell that holds a place [m], -1 where no item can be."""
    shape = grid.shape
    column, row = np.floor((east - shape[0]) / shape[2]), np.floor((north - shape[1]) / shape[2])
    if not (0.0 <= column < shape[3] and 0.0 <= row < shape[4]):  # NaN is outside
        return -1
    c, r = int(column), int(row)
    tile = (r // TILE) * ((int(shape[3]) + TILE - 1) // TILE) + c // TILE
    first = grid.tiles[tile]
    if first < 0:
        return -1
    return int(first) + (r % TILE) * TILE + c % TILE
