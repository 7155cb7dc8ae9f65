"""Compiled look-up: which lane a place is in, and how far it is outside the lanes that permit a vehicle."""

import math
from typing import NamedTuple

import numpy as np

from core.arrays import F1, F2, F3, I32x1
from core.kernel import kernel
from geofence.located import (
    ACROSS,
    ACROSS_ANY,
    ALONG,
    BEYOND_END,
    FOUND,
    HALF_SPAN,
    HALF_SPAN_ANY,
    HELD,
    LEFT,
    LIMIT,
    NO_LANE,
    OFFSET,
    OUT_ANY,
    OUT_PERMITTED,
    OUT_SAME_WAY,
    P_LANE,
    RIGHT,
    SIGMA,
    U_EAST,
    U_NORTH,
    S,
)
from geofence.map.axis import Segments, station_at
from geofence.map.grid import cell_of
from geofence.map.strips import (
    BESIDE_LANE_M,
    CHORD,
    END_RAIL,
    INDEX,
    LEFT_EDGE,
    LEFT_START,
    LEVEL,
    MASK,
    RIGHT_EDGE,
    RIGHT_END,
    RIGHT_START,
    SPEED_LIMIT,
    START_RAIL,
    WAY,
    Strips,
)

EDGE_TOLERANCE_M = 1e-7  # outer edges are closed: rounding must not lose a place exactly on one
TOUCH_M = 0.15  # permitted lanes this close to each other are one
PARALLEL = 0.5  # cosine from which a lane counts as going the same way
COURSE_MPS_MIN = 1.5  # below it the course says nothing
REVERSE_MPS_MAX = 3.0  # a vehicle so slow may drive backwards in its lane; a faster one drives the wrong way
NEAR_MAX = 64  # quads near one place, at most
# columns of Scratch.near: distance from the left and from the right boundary [m], positive inside; numbers
N_LEFT, N_RIGHT, N_LANE, N_QUAD = range(4)
# columns of Scratch.spans: of a lane as seen from the vehicle, from and to [m] to the left; whether it counts
# among the permitted lanes, among any
FROM, TO, PERMITTED, ANY = range(4)
# columns of Scratch.cosines: cosine between course and lane, 0 without a course; whether there is a course
COSINE, MOVES = range(2)


class Places(NamedTuple):
    """n vehicles to be located."""

    x: F2  # (n, 4) east, north [m], then their velocities [m/s]
    P: F3  # (n, 4, 4) covariance of x
    bias_m: F1  # (n,) 1 sigma per axis of the error that lasts
    hint: I32x1  # (n,) lane held before, -1 none
    mask: I32x1  # (n,) classes as which the vehicle may use lanes


class Scratch(NamedTuple):
    """Rows for the quads near one place; a kernel that made them would count references."""

    near: F2  # (NEAR_MAX, 4)
    spans: F2  # (NEAR_MAX, 4)
    cosines: F2  # (NEAR_MAX, 2)


def scratch() -> Scratch:
    """Return empty rows."""
    return Scratch(*(np.zeros((NEAR_MAX, columns)) for columns in (4, 4, 2)))


@kernel
def normal_cdf(z: float) -> float:
    """Return the probability that a standard normal is below z."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


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


@kernel
def find_near(x: float, y: float, strips: Strips, near: F2) -> int:
    """Fill `near` with the quads whose rails the place lies between; return how many."""
    quads, grid, n = strips.quads, strips.grid, 0
    cell = cell_of(x, y, grid)
    if cell < 0:
        return 0
    for k in range(grid.start[cell], grid.start[cell + 1]):
        j = grid.items[k]
        right = signed_m(x, y, quads, j, RIGHT_START, RIGHT_EDGE)
        if signed_m(x, y, quads, j, RIGHT_START, START_RAIL) > EDGE_TOLERANCE_M or right < -BESIDE_LANE_M:
            continue
        if signed_m(x, y, quads, j, RIGHT_END, END_RAIL) < -EDGE_TOLERANCE_M:
            continue
        left = -signed_m(x, y, quads, j, LEFT_START, LEFT_EDGE)
        if left < -BESIDE_LANE_M or n == NEAR_MAX:
            continue
        near[n, N_LEFT], near[n, N_RIGHT], near[n, N_LANE], near[n, N_QUAD] = left, right, strips.lane[j], j
        n += 1
    return n


@kernel
def occupied_quad(n: int, near: F2, cosines: F2, strips: Strips, hint: int) -> int:
    """Return which of the n near quads the vehicle is in, -1 none: by place, course, level, continuity."""
    lanes, best, found = strips.lanes, -np.inf, -1
    for k in range(n):
        if near[k, N_LEFT] < -EDGE_TOLERANCE_M or near[k, N_RIGHT] < -EDGE_TOLERANCE_M:
            continue
        i = int(near[k, N_LANE])
        score = 0.01 * lanes[i, INDEX]  # on an inner boundary the left lane owns the place
        crosses = abs(cosines[k, COSINE]) <= PARALLEL and cosines[k, MOVES] > 0.0
        if cosines[k, COSINE] > PARALLEL:
            score += 8.0
        elif crosses:
            score -= 8.0  # it crosses that road, above or below
        if hint >= 0:
            same_level = lanes[i, LEVEL] == lanes[hint, LEVEL]
            if crosses and not same_level:
                continue  # beside its own lane on a bridge it is not on the road below
            score += 4.0 * same_level + 6.0 * are_linked(hint, i, strips.link_start, strips.link_items)
        if score > best:
            best, found = score, k
    return found


@kernel
def reference_quad(n: int, inside: int, near: F2, cosines: F2, lanes: F2, hint: int) -> int:
    """Return which of the n near quads the vehicle is judged against: the nearest that leads its way.

    inside : the near quad that the vehicle is in, -1 none.  hint : lane held before, -1 none
    """
    level = np.nan
    if inside >= 0:
        level = lanes[int(near[inside, N_LANE]), LEVEL]
    elif hint >= 0:
        for k in range(n):  # beside the road a level ends where its lanes do
            if lanes[int(near[k, N_LANE]), LEVEL] == lanes[hint, LEVEL]:
                level = lanes[hint, LEVEL]
    best, found = np.inf, inside
    for k in range(n):
        if cosines[k, MOVES] > 0.0 and cosines[k, COSINE] <= PARALLEL:
            continue
        if cosines[k, MOVES] == 0.0 and inside >= 0:
            continue  # a standing vehicle is judged against its own lane
        if lanes[int(near[k, N_LANE]), LEVEL] != level and level == level:
            continue
        away = max(-near[k, N_LEFT], -near[k, N_RIGHT])
        if away < best:
            best, found = away, k
    return found


@kernel
def is_reversing(n: int, near: F2, cosines: F2, strips: Strips, hint: int) -> bool:
    """Return whether the vehicle drives backwards: against the lane that it held, or one next to it.

    hint : lane held before; only driving along a lane, or standing in it, makes it the one that is held
    """
    against = False
    for k in range(n):
        if are_linked(hint, int(near[k, N_LANE]), strips.link_start, strips.link_items):
            if cosines[k, COSINE] > PARALLEL:
                return False
            against = against or cosines[k, COSINE] < -PARALLEL
    return against


@kernel
def is_beyond_end(x: float, y: float, n: int, near: F2, strips: Strips, hint: int) -> bool:
    """Return whether a place in no lane lies beyond the end of the lane held before, where the map ends."""
    j = strips.open_end[hint] if hint >= 0 else -1
    if j < 0:
        return False
    for k in range(n):
        if int(near[k, N_LANE]) == hint:
            return False  # beside it
    return signed_m(x, y, strips.quads, j, RIGHT_END, END_RAIL) < -EDGE_TOLERANCE_M


@kernel
def nearest_span(n: int, spans: F2, column: int) -> tuple[float, float]:
    """Return from where to where [m] to the vehicle's left the nearest span that counts in `column` reaches.

    NaN without any; spans that touch are one.  spans : (n, 4) sorted by FROM.  column : PERMITTED or ANY
    """
    best, found = np.nan, (np.nan, np.nan)
    low = high = np.nan
    for i in range(n + 1):
        if i < n and spans[i, column] == 0.0:
            continue
        if i < n and spans[i, FROM] <= high + TOUCH_M:
            high = max(high, spans[i, TO])
            continue
        away = max(low, -high)
        if low == low and not best <= away:
            best, found = away, (low, high)
        if i < n:
            low, high = spans[i, FROM], spans[i, TO]
    return found


@kernel
def cross_section(n: int, k_ref: int, near: F2, strips: Strips, mask: int, spans: F2) -> int:
    """Fill `spans` with the lanes of the reference's level and way, sorted from right to left.

    Return how many.  k_ref : the reference among the n near quads.  mask : as in Places
    """
    quads, lanes, m = strips.quads, strips.lanes, 0
    ref, level = int(near[k_ref, N_QUAD]), lanes[int(near[k_ref, N_LANE]), LEVEL]
    for k in range(n):
        i, j = int(near[k, N_LANE]), int(near[k, N_QUAD])
        cosine = quads[ref, WAY] * quads[j, WAY] + quads[ref, WAY + 1] * quads[j, WAY + 1]
        if not cosine > PARALLEL or lanes[i, LEVEL] != level:
            continue
        at = m
        while at > 0 and spans[at - 1, FROM] > -near[k, N_RIGHT]:
            for c in range(4):
                spans[at, c] = spans[at - 1, c]
            at -= 1
        spans[at, FROM], spans[at, TO] = -near[k, N_RIGHT], near[k, N_LEFT]
        spans[at, PERMITTED] = 1.0 if int(lanes[i, MASK]) & mask else 0.0
        spans[at, ANY] = 1.0
        m += 1
    return m


@kernel
def sigma_across_m(P: F3, t: int, way_e: float, way_n: float, bias_m: float, map_sigma_m: float) -> float:
    """Return 1 sigma of vehicle t's distance from a boundary that runs along a unit vector [m]."""
    e, n = -way_n, way_e
    variance = e**2 * P[t, 0, 0] + 2 * e * n * P[t, 0, 1] + n**2 * P[t, 1, 1]
    return math.sqrt(max(variance, 0.0) + bias_m**2 + map_sigma_m**2)


@kernel
def locate(
    places: Places,
    strips: Strips,
    axis: Segments,
    map_sigma_m: float,
    scratch: Scratch,
    found: F2,
    lane_out: I32x1,
) -> None:
    """Locate n vehicles: fill found (n, FOUND) and lane_out (n,); NaN and NO_LANE where there is nothing.

    axis : without rows where the map has none.  map_sigma_m : 1 sigma of the surveyed boundaries
    """
    x, quads, lanes = places.x, strips.quads, strips.lanes
    near, spans, cosines = scratch.near, scratch.spans, scratch.cosines
    for t in range(x.shape[0]):
        for c in range(FOUND):
            found[t, c] = np.nan
        found[t, P_LANE] = found[t, BEYOND_END] = found[t, HELD] = 0.0
        lane_out[t] = NO_LANE
        hint = int(places.hint[t])
        if axis.rows.shape[0] > 0:
            found[t, S], found[t, OFFSET] = station_at(x[t, 0], x[t, 1], axis)
        n = find_near(x[t, 0], x[t, 1], strips, near)
        if n == 0:
            continue
        speed = math.hypot(x[t, 2], x[t, 3])
        for k in range(n):
            j = int(near[k, N_QUAD])
            cosines[k, MOVES] = 1.0 if speed > COURSE_MPS_MIN else 0.0
            along = x[t, 2] * quads[j, WAY] + x[t, 3] * quads[j, WAY + 1]
            cosines[k, COSINE] = cosines[k, MOVES] * along / max(speed, 1e-9)
        may_reverse = hint >= 0 and COURSE_MPS_MIN < speed <= REVERSE_MPS_MAX
        reverses = may_reverse and is_reversing(n, near, cosines, strips, hint)
        for k in range(n if reverses else 0):
            cosines[k, COSINE] = -cosines[k, COSINE]
        inside = occupied_quad(n, near, cosines, strips, hint)
        along_lane = inside >= 0 and (cosines[inside, MOVES] == 0.0 or cosines[inside, COSINE] > PARALLEL)
        if not along_lane:
            found[t, BEYOND_END] = is_beyond_end(x[t, 0], x[t, 1], n, near, strips, hint)
        ref = reference_quad(n, inside, near, cosines, lanes, hint)
        if ref < 0:
            continue
        j = int(near[ref, N_QUAD])
        lane_sigma_m = math.hypot(map_sigma_m, quads[j, CHORD])
        sigma = sigma_across_m(places.P, t, quads[j, WAY], quads[j, WAY + 1], places.bias_m[t], lane_sigma_m)
        found[t, SIGMA], found[t, U_EAST], found[t, U_NORTH] = sigma, quads[j, WAY], quads[j, WAY + 1]
        found[t, LIMIT] = lanes[int(near[ref, N_LANE]), SPEED_LIMIT]
        m = cross_section(n, ref, near, strips, places.mask[t], spans)
        low, high = nearest_span(m, spans, PERMITTED)
        found[t, OUT_PERMITTED], found[t, ACROSS] = max(low, -high), -(low + high) / 2
        found[t, HALF_SPAN] = (high - low) / 2
        low, high = nearest_span(m, spans, ANY)
        found[t, OUT_ANY], found[t, ACROSS_ANY] = max(low, -high), -(low + high) / 2
        found[t, HALF_SPAN_ANY] = (high - low) / 2
        if cosines[ref, COSINE] > PARALLEL and not reverses:
            found[t, OUT_SAME_WAY] = found[t, OUT_ANY]
        if inside >= 0:
            own, left, right = int(near[inside, N_QUAD]), near[inside, N_LEFT], near[inside, N_RIGHT]
            found[t, LEFT], found[t, RIGHT] = left, right
            found[t, ALONG] = x[t, 2] * quads[own, WAY] + x[t, 3] * quads[own, WAY + 1]
            found[t, LIMIT] = lanes[int(near[inside, N_LANE]), SPEED_LIMIT]
            p_outside = normal_cdf(-left / sigma) + normal_cdf(-right / sigma)
            found[t, P_LANE] = max(0.0, 1.0 - p_outside)
            lane_out[t] = int(near[inside, N_LANE])
            if along_lane or hint < 0:  # who drives against a lane, or across it, still holds its own
                found[t, HELD] = lane_out[t] + 1.0


@kernel
def is_on_lane(x: float, y: float, strips: Strips, mask: int) -> bool:
    """Return whether a place is on a lane that permits `mask`: where `distance_to_lanes_m` is 0."""
    quads, grid = strips.quads, strips.grid
    cell = cell_of(x, y, grid)
    if cell < 0:
        return False
    for k in range(grid.start[cell], grid.start[cell + 1]):
        j = grid.items[k]
        if int(strips.lanes[strips.lane[j], MASK]) & mask == 0:
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
        if int(strips.lanes[strips.lane[j], MASK]) & mask == 0:
            continue
        behind = signed_m(x, y, quads, j, RIGHT_START, START_RAIL)
        beyond = -signed_m(x, y, quads, j, RIGHT_END, END_RAIL)
        right = -signed_m(x, y, quads, j, RIGHT_START, RIGHT_EDGE)
        left = signed_m(x, y, quads, j, LEFT_START, LEFT_EDGE)
        best = min(best, math.hypot(max(behind, beyond, 0.0), max(left, right, 0.0)))
    return best
