"""A hashed grid over the site's plane: it finds the neighbours of a place without a search among all."""

import math

import numpy as np

from core.arrays import F2, I2
from core.kernel import kernel
from fusion import layout as at
from fusion.layout import Grid

GRID_CELL_M = 16.0
CELLS = 16_384  # a power of two; cells with one hash share a list
TURN_BIT = (
    32  # an entry is the turn that wrote it, and below this bit a place; ten turns a millisecond last days
)
LOW = (1 << TURN_BIT) - 1


@kernel(inner=True)
def cell_of(a: int, b: int) -> int:
    """Return the hash of the cell in column a and row b."""
    return (a * 73_856_093 ^ b * 19_349_663) & (CELLS - 1)


def grid_for(n: int) -> Grid:
    """Return an empty grid with room for n places."""
    return Grid(np.zeros(CELLS, dtype=np.int64), np.zeros(n, dtype=np.int64), np.zeros(1, dtype=np.int64))


@kernel(inner=True)
def clear(grid: Grid) -> None:
    """Empty the grid: what earlier turns left in its cells counts no more.

    To write all cells would take longer than the scan of a dozen vehicles.
    """
    grid.turn[0] += 1


@kernel(inner=True)
def first_in(grid: Grid, a: int) -> int:
    """Return the first in the list of the cell with hash a, -1 none."""
    entry = grid.first[a]
    return int(entry & LOW) if entry >> TURN_BIT == grid.turn[0] else -1


@kernel(inner=True)
def put(grid: Grid, i: int, east: float, north: float) -> None:
    """Put i at the front of its cell's list."""
    a = cell_of(math.floor(east / GRID_CELL_M), math.floor(north / GRID_CELL_M))
    grid.next_of[i] = first_in(grid, a)
    grid.first[a] = grid.turn[0] << TURN_BIT | i


@kernel(inner=True)
def fill(grid: Grid, places: F2, n: int) -> None:
    """Fill the empty grid with the first n places; each cell's list ascends.

    places : (>= n, 2) or wider, east and north [m] first
    """
    clear(grid)
    for i in range(n - 1, -1, -1):
        put(grid, i, places[i, at.EAST], places[i, at.NORTH])


@kernel
def near_pairs(places: F2, n: int, reach_m: float, grid: Grid, pairs: I2) -> int:
    """Write the pairs of the first n places within reach_m of each other, the smaller index first.

    Returns how many there are, also where `pairs` has no room for all. Cells that share a list yield a pair
    twice.
    places : (>= n, 2) or wider, east and north [m] first.  grid : scratch.  pairs : (room, 2)
    """
    n_pairs = 0
    clear(grid)
    for i in range(n):
        east, north = places[i, at.EAST], places[i, at.NORTH]
        low, top = math.floor((north - reach_m) / GRID_CELL_M), math.floor((north + reach_m) / GRID_CELL_M)
        for a in range(
            math.floor((east - reach_m) / GRID_CELL_M), math.floor((east + reach_m) / GRID_CELL_M) + 1
        ):
            for b in range(low, top + 1):
                j = first_in(grid, cell_of(a, b))
                while j >= 0:
                    d_e, d_n = places[j, at.EAST] - east, places[j, at.NORTH] - north
                    if d_e**2 + d_n**2 <= reach_m * reach_m:
                        if n_pairs < pairs.shape[0]:
                            pairs[n_pairs, 0], pairs[n_pairs, 1] = j, i
                        n_pairs += 1
                    j = grid.next_of[j]
        put(grid, i, east, north)
    return n_pairs
