"""A hashed grid over the site's plane: who lies near whom, without asking everybody."""

import math

import numpy as np

from core.arrays import F2, F64, I1, I2, I64
from core.kernel import kernel

CELL_M = 16.0
CELLS = 16_384  # a power of two; cells that share a place share a list


@kernel(inner=True)
def cell_of(a: int, b: int) -> int:
    """Return the place of column a, row b."""
    return (a * 73_856_093 ^ b * 19_349_663) & (CELLS - 1)


@kernel(inner=True)
def clear(grid: I1) -> None:
    """Empty the grid."""
    for a in range(CELLS):
        grid[a] = -1


@kernel(inner=True)
def put(grid: I1, next_of: I1, i: int, east: float, north: float) -> None:
    """Put i in front of its cell's list: grid has each list's first, next_of who is behind each; -1 none."""
    a = cell_of(math.floor(east / CELL_M), math.floor(north / CELL_M))
    next_of[i] = grid[a]
    grid[a] = i


@kernel
def _near_pairs(at: F2, reach_m: float, grid: I1, next_of: I1, pairs: I2) -> int:
    """Write the pairs as far as `pairs` has room; return how many there are, some perhaps twice."""
    n_pairs = 0
    clear(grid)
    for i in range(at.shape[0]):
        east, north = at[i, 0], at[i, 1]
        low, top = math.floor((north - reach_m) / CELL_M), math.floor((north + reach_m) / CELL_M)
        for a in range(math.floor((east - reach_m) / CELL_M), math.floor((east + reach_m) / CELL_M) + 1):
            for b in range(low, top + 1):
                j = grid[cell_of(a, b)]
                while j >= 0:
                    if (at[j, 0] - east) ** 2 + (at[j, 1] - north) ** 2 <= reach_m * reach_m:
                        if n_pairs < pairs.shape[0]:
                            pairs[n_pairs, 0], pairs[n_pairs, 1] = j, i
                        n_pairs += 1
                    j = next_of[j]
        put(grid, next_of, i, east, north)
    return n_pairs


def near_pairs(at: F64, reach_m: float, grid: I64, next_of: I64) -> I64:
    """Return which places lie within reach_m of each other, as sorted index pairs (m, 2), the smaller first.

    at : (n, 2) or wider, east and north [m] first.  grid, next_of : (CELLS,), (>= n,) scratch
    """
    pairs = np.empty((2 * len(at), 2), dtype=np.int64)
    n = _near_pairs(at, reach_m, grid, next_of, pairs)
    if n > len(pairs):
        pairs = np.empty((n, 2), dtype=np.int64)
        _near_pairs(at, reach_m, grid, next_of, pairs)
    return np.unique(pairs[:n], axis=0)  # cells that share a list show a pair twice
