"""Whether a place is on a lane at all, and how far from all: for the few vehicles that are off the road."""

import math

from core.kernel import kernel
from geofence.map.cells import cell_of
from geofence.map.strips import (
    END_RAIL,
    LEFT_EDGE,
    LEFT_START,
    MASK,
    RIGHT_EDGE,
    RIGHT_END,
    RIGHT_START,
    START_RAIL,
    Strips,
)
from geofence.near import signed_m


@kernel
def is_on_lane(x: float, y: float, strips: Strips, mask: int) -> bool:
    """Return whether a place is on a lane that permits `mask`: where `distance_to_lanes_m` is 0."""
    quads, grid = strips.quads, strips.grid
    cell = cell_of(x, y, grid)
    if cell < 0:
        return False
    for k in range(grid.start[cell], grid.start[cell + 1]):
        j = grid.items[k]
        if int(quads[j, MASK]) & mask == 0:
            continue
        along = (
            signed_m(x, y, quads, j, RIGHT_START, START_RAIL) <= 0.0
            and signed_m(x, y, quads, j, RIGHT_END, END_RAIL) >= 0.0
        )
        across = (
            signed_m(x, y, quads, j, RIGHT_START, RIGHT_EDGE) >= 0.0
            and signed_m(x, y, quads, j, LEFT_START, LEFT_EDGE) <= 0.0
        )
        if along and across:
            return True
    return False


@kernel
def distance_to_lanes_m(x: float, y: float, strips: Strips, mask: int, most_m: float) -> float:
    """Return how far a place is from every lane that permits `mask` [m], 0 inside, at most `most_m`.

    A search over all quads: for the few vehicles that are off the road.
    """
    quads, best = strips.quads, most_m
    for j in range(quads.shape[0]):
        if int(quads[j, MASK]) & mask == 0:
            continue
        behind = signed_m(x, y, quads, j, RIGHT_START, START_RAIL)
        beyond = -signed_m(x, y, quads, j, RIGHT_END, END_RAIL)
        right = -signed_m(x, y, quads, j, RIGHT_START, RIGHT_EDGE)
        left = signed_m(x, y, quads, j, LEFT_START, LEFT_EDGE)
        best = min(best, math.hypot(max(behind, beyond, 0.0), max(left, right, 0.0)))
    return best
