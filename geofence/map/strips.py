"""Lanes compiled to ruled strips: quads between the two boundaries, as parallel arrays with grids over them.

The boundaries' own vertices stay exact. Neighbouring quads share a rail, so that a lane has no gap in a bend.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import F2, F64, I32, I32x1
from core.classes import ALLOWED
from core.errors import MapError
from geofence.map.grid import Grid, build_grid
from geofence.map.reading import Lane

QUAD_M_MAX = 25.0  # quads are cut to this length
STRIP_CELL_M = 10.0  # a look-up reads each quad of its cell: few of them, where quads are a few metres long
# A lane whose end is at least as wide as a car continues in the world, where the map has no more of it; a
# narrower end is a taper, and the lane ends in the world as well
END_WIDTH_M_MIN = 1.6
BESIDE_LANE_M = 12.0  # beside its lanes a vehicle is still judged against them
ROUNDING_M = 0.01  # the boxes of quads are so much larger than what lies between their rails
RAIL_SINE_MIN = 0.2  # a rail more oblique to its boundary reaches no further than one of this sine
SKEW_MAX = 0.2  # cosine between rail and boundary up to which vertices pair by number
# columns of Strips.quads, each with its north component beside it: corners of a quad [m], then unit vectors
LEFT_START, RIGHT_START, RIGHT_END = 0, 2, 4
LEFT_EDGE, RIGHT_EDGE = 6, 8  # along the boundaries, in driving direction
START_RAIL, END_RAIL = 10, 12  # across the lane at both ends, from right to left
WAY = 14  # the driving direction
QUAD = 16
# columns of Strips.lanes: level, mask of ALLOWED, speed limit [m/s] (NaN: none), number from the right,
# whether vehicles may change to the lane on the left, on the right
LEVEL, MASK, SPEED_LIMIT, INDEX, CHANGE_LEFT, CHANGE_RIGHT = range(6)
LANE = 6
MASK_ALL = (1 << len(ALLOWED)) - 1


class Strips(NamedTuple):
    """n quads of m lanes, as kernels take them."""

    quads: F2  # (n, QUAD)
    lane: I32x1  # (n,) number of the quad's lane
    lanes: F2  # (m, LANE)
    # lanes next to lane i by succession or side: `link_items[link_start[i]:link_start[i + 1]]`
    link_start: I32x1  # (m + 1,)
    link_items: I32x1
    open_end: I32x1  # (m,) last quad of a lane that ends on the map and not in the world; -1: it does not
    grid: Grid  # of the quads with BESIDE_LANE_M on both sides of each


def compile_strips(lanes: Sequence[Lane]) -> Strips:
    """Return the strips of checked lanes; MapError where a boundary bends too sharply to be ruled."""
    quads, numbers, lows, highs = [np.zeros((0, QUAD))], [], [np.zeros((0, 2))], [np.zeros((0, 2))]
    open_end, n_quads = np.full(len(lanes), -1, dtype=np.int32), 0
    for i, lane in enumerate(lanes):
        left, right = _cut(*pair(lane.left_boundary, lane.right_boundary))
        quads.append(_quads(lane.lane, left, right))
        corners = _corners(quads[-1], left[1:])
        lows.append(corners.min(axis=0))
        highs.append(corners.max(axis=0))
        numbers.append(np.full(len(left) - 1, i, dtype=np.int32))
        n_quads += len(left) - 1
        if not lane.successors and np.hypot(*(left[-1] - right[-1])) >= END_WIDTH_M_MIN:
            open_end[i] = n_quads - 1
    low, high = np.vstack(lows), np.vstack(highs)
    starts, items = _links(lanes)
    return Strips(
        quads=np.ascontiguousarray(np.vstack(quads)),
        lane=np.concatenate([np.zeros(0, np.int32), *numbers]),
        lanes=np.array([_row(lane) for lane in lanes], dtype=np.float64).reshape(-1, LANE),
        link_start=starts,
        link_items=items,
        open_end=open_end,
        grid=build_grid(low, high, cell_m=STRIP_CELL_M, margin_m=ROUNDING_M),
    )


def mask_of(allowed: Sequence[str]) -> int:
    """Return the bit mask of classes of ALLOWED; others are none."""
    return sum(1 << ALLOWED.index(name) for name in dict.fromkeys(allowed) if name in ALLOWED)


# by class of vehicle: the classes as which it may use lanes; an unknown or other one as any
KIND_MASKS = (MASK_ALL, mask_of(["car"]), mask_of(["bus"]), mask_of(["truck"]), mask_of(["hazmat"]), MASK_ALL)


def _row(lane: Lane) -> list[float]:
    limit = np.nan if lane.speed_limit_mps is None else lane.speed_limit_mps
    sides = (float(lane.change_left), float(lane.change_right))
    return [float(lane.level), float(mask_of(lane.allowed)), limit, float(lane.index), *sides]


def _links(lanes: Sequence[Lane]) -> tuple[I32, I32]:
    number = {lane.lane: i for i, lane in enumerate(lanes)}
    near: list[dict[int, None]] = [{} for _ in lanes]
    for i, lane in enumerate(lanes):
        for name in (*lane.successors, lane.left, lane.right):
            if name is not None:
                near[i][number[name]] = None
                near[number[name]][i] = None
    start = np.cumsum([0, *(len(row) for row in near)]).astype(np.int32)
    return start, np.array([j for row in near for j in row], dtype=np.int32)


def pair(left: F64, right: F64) -> tuple[F64, F64]:
    """Return both boundaries with equally many points, so that the i-th of each lie across from each other.

    Every vertex is kept; where the other side has none, its foot is put in.
    """
    if len(left) == len(right) and _skew(left, right) <= SKEW_MAX:
        return left, right
    a, b = _lengths(left), _lengths(right)
    foot_b, foot_a = _feet(left, right, b), _feet(right, left, a)
    at_a, at_b = np.r_[a, foot_a], np.r_[foot_b, b]
    own = np.r_[np.ones(len(a), bool), np.zeros(len(b), bool)]
    order = np.argsort(at_a / a[-1] + at_b / b[-1], kind="stable")
    at_a, at_b, own = at_a[order], at_b[order], own[order]
    at_a, at_b = _between(at_a, own), _between(at_b, ~own)
    keep = np.r_[True, (np.diff(at_a) > 1e-6) | (np.diff(at_b) > 1e-6)]
    keep[-1] = True
    if keep.sum() > 2 and max(at_a[-1] - at_a[keep][-2], at_b[-1] - at_b[keep][-2]) <= 1e-6:
        keep[np.flatnonzero(keep)[-2]] = False
    return _along(left, a, at_a[keep]), _along(right, b, at_b[keep])


def _skew(left: F64, right: F64) -> float:
    rail = left - right
    length = np.hypot(rail[:, 0], rail[:, 1])
    along = np.gradient((left + right) / 2, axis=0)
    cosine = np.abs((rail * along).sum(axis=1)) / np.maximum(length * np.hypot(*along.T), 1e-12)
    return float(np.where(length > 0.05, cosine, 0.0).max())  # at a taper's tip a rail has no direction


def _lengths(line: F64) -> F64:
    at: F64 = np.r_[0.0, np.cumsum(np.hypot(*np.diff(line, axis=0).T))]
    return at


def _feet(points: F64, line: F64, at: F64) -> F64:
    """Return the arc lengths on `line` nearest to the points, never decreasing; ends map to ends."""
    step = np.diff(line, axis=0)
    square = np.maximum((step**2).sum(axis=1), 1e-18)
    away = points[:, None, :] - line[None, :-1, :]
    t = np.clip((away * step).sum(axis=2) / square, 0.0, 1.0)
    distance = ((away - t[..., None] * step) ** 2).sum(axis=2)
    k = distance.argmin(axis=1)
    feet = at[k] + t[np.arange(len(points)), k] * np.sqrt(square[k])
    feet[0], feet[-1] = 0.0, at[-1]
    monotone: F64 = np.minimum(np.maximum.accumulate(feet), at[-1])
    return monotone


def _between(at: F64, own: F64) -> F64:
    """Keep each inserted point between the two vertices between which it was sorted."""
    below = np.maximum.accumulate(np.where(own, at, -np.inf))
    above = np.minimum.accumulate(np.where(own, at, np.inf)[::-1])[::-1]
    return np.maximum.accumulate(np.where(own, at, np.clip(at, below, above)))


def _along(line: F64, at: F64, wanted: F64) -> F64:
    both: F64 = np.column_stack([np.interp(wanted, at, line[:, 0]), np.interp(wanted, at, line[:, 1])])
    return both


def _cut(left: F64, right: F64) -> tuple[F64, F64]:
    """Cut both boundaries alike, so that no quad is longer than QUAD_M_MAX."""
    longest = np.maximum(np.hypot(*np.diff(left, axis=0).T), np.hypot(*np.diff(right, axis=0).T))
    parts = np.maximum(1, np.ceil(longest / QUAD_M_MAX)).astype(np.int64)
    i = np.repeat(np.arange(len(longest)), parts)
    t = ((np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)) / parts[i])[:, None]
    first, second = (np.vstack([p[i] + t * (p[i + 1] - p[i]), p[-1:]]) for p in (left, right))
    return first, second


def _quads(name: str, left: F64, right: F64) -> F64:
    middle = _unit(np.diff((left + right) / 2, axis=0), np.nan)
    across = np.column_stack([-middle[:, 1], middle[:, 0]])
    rail = left - right
    rail0, rail1 = _unit(rail[:-1], across), _unit(rail[1:], across)
    edge_l, edge_r = _unit(np.diff(left, axis=0), middle), _unit(np.diff(right, axis=0), middle)
    ahead = _cross(rail1, left[:-1] - right[1:]), _cross(rail1, right[:-1] - right[1:])
    behind = _cross(rail0, left[1:] - right[:-1]), _cross(rail0, right[1:] - right[:-1])
    bad = (np.minimum(*ahead) < -1e-6) | (np.maximum(*behind) > 1e-6) | ~np.isfinite(middle[:, 0])
    if bad.any():
        place = np.round(left[np.flatnonzero(bad)[0]], 1).tolist()
        raise MapError(f"lane {name}: it bends more sharply than its width allows, {place} m from the origin")
    return np.hstack([left[:-1], right[:-1], right[1:], edge_l, edge_r, rail0, rail1, middle])


def _corners(quads: F64, left_end: F64) -> F64:
    """Return the corners (4, n, 2) of what lies between each quad's rails, BESIDE_LANE_M to both sides."""
    starts, ends = quads[:, RIGHT_START : RIGHT_START + 2], quads[:, RIGHT_END : RIGHT_END + 2]
    lefts = quads[:, LEFT_START : LEFT_START + 2]
    found = []
    for rail, right, left in ((START_RAIL, starts, lefts), (END_RAIL, ends, left_end)):
        across = quads[:, rail : rail + 2]
        for edge, base, sign in ((RIGHT_EDGE, right, -1.0), (LEFT_EDGE, left, 1.0)):
            sine = np.maximum(_cross(quads[:, edge : edge + 2], across), RAIL_SINE_MIN)
            found.append(base + sign * (BESIDE_LANE_M / sine)[:, None] * across)
    return np.stack(found)


def _unit(vectors: F64, otherwise: F64 | float) -> F64:
    length = np.hypot(vectors[:, 0], vectors[:, 1])[:, None]
    return np.where(length > 1e-6, vectors / np.maximum(length, 1e-6), otherwise)


def _cross(a: F64, b: F64) -> F64:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
