"""Lanes compiled to ruled strips: quads between the two boundaries, as parallel arrays with grids over them.

The boundaries' own vertices stay exact. Neighbouring quads share a rail, so that a lane has no gap in a bend.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import F2, F64, I32, I64, I32x1
from core.classes import ALLOWED
from core.errors import MapError
from geofence.map.bends import turns_at_rails
from geofence.map.grid import Grid, build_grid
from geofence.map.lines import Lines, chord_errors, lines_of, without_repeats
from geofence.map.reading import Lane
from geofence.map.ruling import ruled

QUAD_M_MAX = 25.0  # quads are cut to this length
STRIP_CELL_M = 10.0  # a look-up reads each quad of its cell: few of them, where quads are a few metres long
# A lane whose end is at least as wide as a car continues in the world, where the map has no more of it; a
# narrower end is a taper, and the lane ends in the world as well
END_WIDTH_M_MIN = 1.6
BESIDE_LANE_M = 12.0  # beside its lanes a vehicle is still judged against them
ROUNDING_M = 0.01  # the boxes of quads are so much larger than what lies between their rails
RAIL_SINE_MIN = 0.2  # a rail more oblique to its boundary reaches no further than one of this sine
CHORD_UNSAID_M = 0.05  # the survey's own error (`map_sigma_m`) stands for chords this near to their bend
# A chord is off for as long as a vehicle drives along it. The tests look for shifts of 1 sigma, which grow
# from half a sigma: with twice the chord's error a centred truck never has evidence against it
CHORD_SIGMAS = 2.0
# columns of Strips.quads, each with its north component beside it: corners of a quad [m], and unit vectors.
# What rejects most quads of a cell, their rails, is one line of the cache
RIGHT_START, START_RAIL = 0, 2  # a rail is across the lane, from right to left
RIGHT_END, END_RAIL = 4, 6
RIGHT_EDGE = 8  # along the boundary, in driving direction
LEFT_START, LEFT_EDGE = 10, 12
WAY = 14  # the driving direction
# columns of one number: those of its lane; 1 sigma of the boundaries by their chords in a bend [m], it may be
# off to either side; from BEND on the tangents of the angles by which the road leads left of it at both rails
OF_LANE, LEVEL, MASK, INDEX, SPEED_LIMIT, CHORD, BEND = range(16, 23)
QUAD = 24  # three lines of the cache
OF_SITE, OF_ROAD, STATIONS = 0, 2, 4  # columns of Strips.stations: at the start, then at the end
# columns of Strips.lanes: level, mask of ALLOWED, number from the right, speed limit [m/s] (NaN: none), as in
# quads from LEVEL on; whether vehicles may change to the lane on the left, on the right
LANE_LEVEL, LANE_MASK, LANE_INDEX, LANE_SPEED_LIMIT, CHANGE_LEFT, CHANGE_RIGHT = range(6)
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
    # (n, 4) stations at both rails of a quad [m]: OF_SITE of the site's axis, NaN near it, where each place
    # has its own; OF_ROAD of its road's own axis, NaN without one
    stations: F2


def compile_strips(lanes: Sequence[Lane]) -> Strips:
    """Return the strips of checked lanes; MapError where a boundary bends too sharply to be ruled."""
    sides = [
        without_repeats(lines_of([lane.left_boundary for lane in lanes])),
        without_repeats(lines_of([lane.right_boundary for lane in lanes])),
    ]
    left, right = ruled(sides[0], sides[1], QUAD_M_MAX)
    quads = _quads(left, right)
    last = left.start[1:] - 1
    ends = np.delete(np.arange(len(left.points)), left.start[:-1])  # of each quad
    lane_of = np.repeat(np.arange(len(lanes), dtype=np.int32), np.diff(left.start) - 1)
    _check_bends(lanes, quads, left.points[ends], lane_of)
    for line, own in zip(sides, (left, right), strict=True):
        quads[:, CHORD] = np.maximum(quads[:, CHORD], _chords_m(line, own, ends))
    quads[:, CHORD] *= CHORD_SIGMAS * (quads[:, CHORD] > CHORD_UNSAID_M)
    wide = np.hypot(*(left.points[last] - right.points[last]).T) >= END_WIDTH_M_MIN
    is_open = wide & np.array([not lane.successors for lane in lanes], dtype=np.bool_)
    corners = _corners(quads, left.points[ends])
    starts, items = _links(lanes)
    rows = np.array([_row(lane) for lane in lanes], dtype=np.float64).reshape(-1, LANE)
    middle = (left.points + right.points) / 2
    long_m = np.hypot(*(middle[ends] - middle[ends - 1]).T)
    quads[:, BEND : BEND + 2] = turns_at_rails(quads[:, WAY : WAY + 2], long_m, lane_of, lanes)
    quads[:, OF_LANE], quads[:, LEVEL : SPEED_LIMIT + 1] = lane_of, rows[lane_of, : LANE_SPEED_LIMIT + 1]
    return Strips(
        quads=np.ascontiguousarray(quads),
        lane=lane_of,
        lanes=rows,
        link_start=starts,
        link_items=items,
        open_end=np.where(is_open, last - np.arange(1, len(lanes) + 1), -1).astype(np.int32),
        grid=build_grid(corners.min(axis=0), corners.max(axis=0), cell_m=STRIP_CELL_M, margin_m=ROUNDING_M),
        stations=np.full((len(quads), STATIONS), np.nan),
    )


def _chords_m(boundaries: Lines, own: Lines, ends: I64) -> F64:
    """Return by how much the chord to which each quad's boundary belongs is off its bend [m].

    own : the same boundaries as they were ruled.  ends : (n,) the quads' last vertices in `own`
    """
    at, errors = _run_m(boundaries), chord_errors(boundaries)
    run = _run_m(own)
    chord = np.searchsorted(at, (run[ends - 1] + run[ends]) / 2, side="right") - 1
    found: F64 = errors[chord] if len(errors) else np.zeros(0)
    return found


def _run_m(lines: Lines) -> F64:
    """Return the way to each vertex along all lines, one after another."""
    step = np.hypot(*np.diff(lines.points, axis=0, prepend=lines.points[:1]).T)
    step[lines.start[:-1]] = 0.0
    run: F64 = np.cumsum(step)
    return run


def mask_of(allowed: Sequence[str]) -> int:
    """Return the bit mask of classes of ALLOWED; others are none."""
    return sum(1 << ALLOWED.index(name) for name in dict.fromkeys(allowed) if name in ALLOWED)


# by class of vehicle: the classes as which it may use lanes; an unknown or other one as any
KIND_MASKS = (MASK_ALL, mask_of(["car"]), mask_of(["bus"]), mask_of(["truck"]), mask_of(["hazmat"]), MASK_ALL)


def _row(lane: Lane) -> list[float]:
    limit = np.nan if lane.speed_limit_mps is None else lane.speed_limit_mps
    sides = (float(lane.change_left), float(lane.change_right))
    return [float(lane.level), float(mask_of(lane.allowed)), float(lane.index), limit, *sides]


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


def _quads(left: Lines, right: Lines) -> F64:
    """Return the quads (n, QUAD) between ruled boundaries; their chords are still missing."""
    a = np.delete(np.arange(len(left.points)), left.start[1:] - 1)
    left0, left1 = left.points[a], left.points[a + 1]
    right0, right1 = right.points[a], right.points[a + 1]
    middle = _unit((left1 + right1) / 2 - (left0 + right0) / 2, np.nan)
    across = np.column_stack([-middle[:, 1], middle[:, 0]])
    rail0, rail1 = _unit(left0 - right0, across), _unit(left1 - right1, across)
    edge_l, edge_r = _unit(left1 - left0, middle), _unit(right1 - right0, middle)
    rest = np.zeros((len(a), QUAD - OF_LANE))
    return np.hstack([right0, rail0, right1, rail1, edge_r, left0, edge_l, middle, rest])


def _check_bends(lanes: Sequence[Lane], quads: F64, left_end: F64, lane_of: I32) -> None:
    """Refuse quads whose rails cross; left_end : (n, 2) the corner that the rows lack."""
    left, right = quads[:, LEFT_START : LEFT_START + 2], quads[:, RIGHT_START : RIGHT_START + 2]
    right_end = quads[:, RIGHT_END : RIGHT_END + 2]
    rail0, rail1 = quads[:, START_RAIL : START_RAIL + 2], quads[:, END_RAIL : END_RAIL + 2]
    ahead = np.minimum(_cross(rail1, left - right_end), _cross(rail1, right - right_end))
    behind = np.maximum(_cross(rail0, left_end - right), _cross(rail0, right_end - right))
    bad = np.flatnonzero((ahead < -1e-6) | (behind > 1e-6) | ~np.isfinite(quads[:, WAY]))
    if len(bad):
        east_m, north_m = left[bad[0]].tolist()
        name = lanes[lane_of[bad[0]]].lane
        rule = f"lane {name}: it bends more sharply than its width allows"
        raise MapError(rule, (east_m, north_m), lane=name)


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
