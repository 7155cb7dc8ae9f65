"""Strips as the look-up reads them: quads in the order of their places, cells without those that miss them.

A vehicle's look-up reads the quads around it. In the order of the map those of neighbouring lanes are far
apart in memory, and on a large map each read waits for it. The order changes no answer.
"""

import numpy as np

from core.arrays import B1, F2, F64, I64
from core.kernel import checked_once, kernel
from geofence.map.grid import TILE, Grid
from geofence.map.strips import (
    BESIDE_LANE_M,
    END_RAIL,
    LEFT_EDGE,
    LEFT_START,
    RIGHT_EDGE,
    RIGHT_END,
    RIGHT_START,
    ROUNDING_M,
    START_RAIL,
    Strips,
)

NEAR_M = 16.0  # quads within a square of it are neighbours in memory, in the order of the map
BITS = 24  # of a square's column and row: maps of up to 200 000 km


def by_place(strips: Strips) -> Strips:
    """Return the same strips, quick to look up; their stations are still missing."""
    if not len(strips.quads):
        return strips
    order = _order(strips.quads)
    number = np.empty(len(order), dtype=np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    keep = np.zeros(len(strips.grid.items), dtype=np.bool_)
    _find_touching_once(strips.quads, strips.grid, keep)
    kept = np.concatenate([[0], np.cumsum(keep)]).astype(np.int32)
    grid = strips.grid._replace(start=kept[strips.grid.start], items=number[strips.grid.items[keep]])
    open_end = np.where(strips.open_end >= 0, number[strips.open_end], -1).astype(np.int32)
    return strips._replace(
        quads=np.ascontiguousarray(strips.quads[order]),
        lane=strips.lane[order],
        open_end=open_end,
        grid=grid,
    )


def _order(quads: F64) -> I64:
    """Return the quads' numbers (n,) along a Z-order curve (Morton 1966) over squares of NEAR_M."""
    middle = (quads[:, LEFT_START : LEFT_START + 2] + quads[:, RIGHT_END : RIGHT_END + 2]) / 2
    square = np.floor((middle - middle.min(axis=0)) / NEAR_M).astype(np.uint64)
    curve = _spread(square[:, 0]) | (_spread(square[:, 1]) << np.uint64(1))
    return np.argsort(curve, kind="stable")


def _spread(values: np.ndarray) -> np.ndarray:
    """Return the numbers with a 0 between any two of their bits."""
    spread = values & np.uint64((1 << BITS) - 1)
    for shift, mask in (
        (16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F),
        (2, 0x3333333333333333), (1, 0x5555555555555555),
    ):  # fmt: skip
        spread = (spread | (spread << np.uint64(shift))) & np.uint64(mask)
    return spread


@kernel(inner=True)
def _reach_m(
    east: float, north: float, half_m: float, quads: F2, j: int, corner: int, line: int
) -> tuple[float, float]:
    """Return how far a square reaches to the left and to the right of a line of quad j [m].

    east, north : its middle;  corner, line : columns of `quads`, a point and the direction of the line
    """
    u_east, u_north = quads[j, line], quads[j, line + 1]
    middle = u_east * (north - quads[j, corner + 1]) - u_north * (east - quads[j, corner])
    spread = half_m * (abs(u_east) + abs(u_north))
    return middle + spread, spread - middle


@kernel
def _find_touching(quads: F2, grid: Grid, keep: B1) -> None:
    """Fill keep (items,): whether the item's quad is looked up from any place of its cell."""
    shape = grid.shape
    columns, half_m = int(shape[3]), shape[2] / 2.0
    across = (columns + TILE - 1) // TILE
    for tile in range(grid.tiles.shape[0]):
        first = int(grid.tiles[tile])
        for at in range(TILE * TILE if first >= 0 else 0):
            column, row = (tile % across) * TILE + at % TILE, (tile // across) * TILE + at // TILE
            east, north = shape[0] + (column + 0.5) * shape[2], shape[1] + (row + 0.5) * shape[2]
            for k in range(grid.start[first + at], grid.start[first + at + 1]):
                j = grid.items[k]
                past_start = _reach_m(east, north, half_m, quads, j, RIGHT_START, START_RAIL)[1]
                before_end = _reach_m(east, north, half_m, quads, j, RIGHT_END, END_RAIL)[0]
                inside = min(
                    _reach_m(east, north, half_m, quads, j, RIGHT_START, RIGHT_EDGE)[0],
                    _reach_m(east, north, half_m, quads, j, LEFT_START, LEFT_EDGE)[1],
                )
                keep[k] = min(past_start, before_end, inside + BESIDE_LANE_M) >= -ROUNDING_M


_find_touching_once = checked_once(_find_touching)
