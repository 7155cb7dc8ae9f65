"""Compiled look-up of the quads around a place, and of what is read beside them."""

from typing import NamedTuple

import numpy as np

from core.arrays import F1, F2, I2, I32x1
from core.kernel import kernel
from geofence.map.cells import cell_of
from geofence.map.strips import (
    BESIDE_LANE_M,
    END_RAIL,
    LANE_LEVEL,
    LEFT_EDGE,
    LEFT_START,
    OF_LANE,
    RIGHT_EDGE,
    RIGHT_END,
    RIGHT_START,
    START_RAIL,
    Strips,
)

EDGE_TOLERANCE_M = 1e-7  # outer edges are closed: rounding must not lose a place exactly on one
NEAR_MAX = 64  # quads near one place, at most
BLOCK = 8  # vehicles whose quads are read before the first is located: they fit the first cache
CACHE_LINE = 8  # numbers
# columns of Scratch.near: distance from the left and from the right boundary [m], positive inside; numbers
N_LEFT, N_RIGHT, N_LANE, N_QUAD = range(4)
# columns of Scratch.spans: of a lane as seen from the vehicle, from and to [m] to the left; whether it counts
# among the permitted lanes, among any
FROM, TO, PERMITTED, ANY = range(4)
# columns of Scratch.cosines: cosine between course and lane, 0 without a course; whether there is a course
COSINE, MOVES = range(2)


class Scratch(NamedTuple):
    """Rows for the quads near one place; a kernel that made them would count references."""

    near: F2  # (NEAR_MAX, 4)
    spans: F2  # (NEAR_MAX, 4)
    cosines: F2  # (NEAR_MAX, 2)
    items: I2  # (BLOCK, 2) from where to where in the grid's items each vehicle's cell has them
    read: F1  # (1,) a sum of what was read ahead: without a use of it the compiler would leave the reads out


def scratch() -> Scratch:
    """Return empty rows."""
    near, spans, cosines = (np.zeros((NEAR_MAX, columns)) for columns in (4, 4, 2))
    return Scratch(near, spans, cosines, np.zeros((BLOCK, 2), dtype=np.int64), np.zeros(1))


@kernel(inner=True)
def signed_m(x: float, y: float, quads: F2, j: int, corner: int, line: int) -> float:
    """Return how far a place is to the left of a line of quad j, through a corner along a unit vector [m]."""
    dx, dy = x - quads[j, corner], y - quads[j, corner + 1]
    to_the_left: float = quads[j, line] * dy - quads[j, line + 1] * dx
    return to_the_left


@kernel
def are_linked(a: int, b: int, start: I32x1, items: I32x1) -> bool:
    """Return whether lane b is lane a, or next to it by succession or side."""
    found = a == b
    for k in range(start[a], start[a + 1]):
        found = found or items[k] == b
    return found


@kernel(inner=True)
def read_ahead(first: int, last: int, x: F2, hint: I32x1, strips: Strips, scratch: Scratch) -> None:
    """Read what the look-up of vehicles `first` to `last` - 1 reads of the map; note their items of the grid.

    On a large map nothing of it is in the cache, and a look-up waits for each read before the next branch.
    Reads without branches between them overlap (measured with 100 000 lane cells: 0.7 us a vehicle without,
    0.3 us with this).  hint : lane held before, -1 none
    """
    grid, quads, items, total = strips.grid, strips.quads, scratch.items, 0.0
    for t in range(first, last):
        cell = cell_of(x[t, 0], x[t, 1], grid)
        items[t - first, 0] = grid.start[cell] if cell >= 0 else 0
        items[t - first, 1] = grid.start[cell + 1] if cell >= 0 else 0
        if hint[t] >= 0:
            total += strips.lanes[hint[t], LANE_LEVEL] + strips.link_start[hint[t]]
    for t in range(first, last):
        for k in range(items[t - first, 0], items[t - first, 1]):
            j = grid.items[k]
            total += quads[j, 0] + quads[j, CACHE_LINE] + quads[j, 2 * CACHE_LINE]
    scratch.read[0] = total


@kernel
def find_near(x: float, y: float, begin: int, end: int, strips: Strips, near: F2) -> int:
    """Fill `near` with the quads whose rails the place lies between; return how many.

    begin, end : the items of the place's cell of the grid
    """
    quads, n = strips.quads, 0
    for k in range(begin, end):
        j = strips.grid.items[k]
        right = signed_m(x, y, quads, j, RIGHT_START, RIGHT_EDGE)
        if signed_m(x, y, quads, j, RIGHT_START, START_RAIL) > EDGE_TOLERANCE_M or right < -BESIDE_LANE_M:
            continue
        if signed_m(x, y, quads, j, RIGHT_END, END_RAIL) < -EDGE_TOLERANCE_M:
            continue
        left = -signed_m(x, y, quads, j, LEFT_START, LEFT_EDGE)
        if left < -BESIDE_LANE_M or n == NEAR_MAX:
            continue
        near[n, N_LEFT], near[n, N_RIGHT], near[n, N_LANE], near[n, N_QUAD] = (
            left,
            right,
            quads[j, OF_LANE],
            j,
        )
        n += 1
    return n
