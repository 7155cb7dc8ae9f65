"""The lanes of the map as the tracker knows them: their directions on a grid. `fusion` reads no maps."""

import math

import numpy as np

from core.arrays import F64
from core.kernel import kernel
from fusion.layout import LaneCells

SQUARE_M = 5.0  # about a lane's width: few squares hold two directions
ALIKE_RAD = 0.2  # lanes of one direction differ by less; in a bend of 50 m a square turns by half of that
SQUARES_MAX = 1_000_000  # a field of view of 5 km by 5 km


@kernel
def lane_at(lanes: LaneCells, east: float, north: float) -> tuple[float, float, float]:
    """Return the lane at a place: its direction [rad], 1 if it is driven both ways, its curvature [1/m].

    The curvature is positive to the left of the direction; both are NaN where they are unknown.
    """
    side = lanes.frame[2]
    a, b = math.floor((east - lanes.frame[0]) / side), math.floor((north - lanes.frame[1]) / side)
    if a < 0 or b < 0 or a >= lanes.direction.shape[0] or b >= lanes.direction.shape[1]:
        return math.nan, 0.0, math.nan
    return float(lanes.direction[a, b]), float(lanes.both_ways[a, b]), float(lanes.bend[a, b])


def no_lanes() -> LaneCells:
    """Return the cells of an empty map."""
    return LaneCells(np.array([0.0, 0.0, SQUARE_M]), np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 0)))


def lane_cells(
    points: F64, direction_rad: F64, low: F64, high: F64, bend_per_m: F64 | None = None
) -> LaneCells:
    """Return the cells of lanes that are given as points (n, 2) with their driving directions (n,).

    bend_per_m : (n,) curvatures [1/m], positive to the left; without them nobody knows the bends
    low, high : (2,) corners of the rectangle that matters, site metres.  Where lanes cross at an angle there
    is no direction; where they lead both ways, that of the first of them.
    """
    shape = np.ceil((high - low) / SQUARE_M).astype(np.int64)
    if len(points) == 0 or min(shape) <= 0 or int(np.prod(shape)) > SQUARES_MAX:
        return no_lanes()
    cell = np.floor((points - low) / SQUARE_M).astype(np.int64)
    inside = ((cell >= 0) & (cell < shape)).all(axis=1)
    flat = cell[inside] @ np.array([shape[1], 1])
    angle = direction_rad[inside]
    squares, first = np.unique(flat, return_index=True)
    sums = [
        np.bincount(flat, of(2.0 * angle), minlength=int(np.prod(shape)))[squares] for of in (np.cos, np.sin)
    ]
    count = np.bincount(flat, minlength=int(np.prod(shape)))[squares]
    axis = np.arctan2(sums[1], sums[0]) / 2.0  # of doubled angles: opposite directions are one axis
    crossing = np.hypot(*sums) / count < math.cos(ALIKE_RAD)
    axis += np.where(np.cos(axis - angle[first]) < 0.0, math.pi, 0.0)
    ways = np.bincount(flat, np.cos(angle - axis[np.searchsorted(squares, flat)]), int(np.prod(shape)))[
        squares
    ]
    direction, both_ways = np.full(tuple(shape), np.nan), np.zeros(tuple(shape))
    direction.flat[squares] = np.where(crossing, np.nan, axis)
    both_ways.flat[squares] = ways < 0.9 * count
    bends = np.full(tuple(shape), np.nan)
    if bend_per_m is not None:
        signed = bend_per_m[inside] * np.sign(np.cos(angle - axis[np.searchsorted(squares, flat)]))
        mean = np.bincount(flat, signed, minlength=int(np.prod(shape)))[squares] / count
        bends.flat[squares] = np.where(crossing, np.nan, mean)
    return LaneCells(np.array([low[0], low[1], SQUARE_M]), direction, both_ways, bends)
