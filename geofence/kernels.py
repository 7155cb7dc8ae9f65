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
    ROAD_S,
    SIGMA,
    U_EAST,
    U_NORTH,
    S,
)
from geofence.map.axis import Segments
from geofence.map.axis_kernels import station_at
from geofence.map.strips import (
    BEND,
    CHORD,
    END_RAIL,
    INDEX,
    LANE_LEVEL,
    LEVEL,
    MASK,
    OF_ROAD,
    OF_SITE,
    RIGHT_END,
    RIGHT_START,
    SPEED_LIMIT,
    START_RAIL,
    WAY,
    Strips,
)
from geofence.near import (
    ANY,
    BLOCK,
    COSINE,
    EDGE_TOLERANCE_M,
    FROM,
    MOVES,
    N_LANE,
    N_LEFT,
    N_QUAD,
    N_RIGHT,
    PERMITTED,
    TO,
    Scratch,
    are_linked,
    find_near,
    read_ahead,
    signed_m,
)

TOUCH_M = 0.15  # permitted lanes this close to each other are one
PARALLEL = 0.5  # cosine from which a lane counts as going the same way
COURSE_MPS_MIN = 1.5  # below it the course says nothing
REVERSE_MPS_MAX = 3.0  # a vehicle so slow may drive backwards in its lane; a faster one drives the wrong way


class Places(NamedTuple):
    """n vehicles to be located."""

    x: F2  # (n, 4) east, north [m], then their velocities [m/s]
    P: F3  # (n, 4, 4) covariance of x
    bias_m: F1  # (n,) 1 sigma per axis of the error that lasts
    hint: I32x1  # (n,) lane held before, -1 none
    mask: I32x1  # (n,) classes as which the vehicle may use lanes


@kernel
def normal_cdf(z: float) -> float:
    """Return the probability that a standard normal is below z."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@kernel
def occupied_quad(n: int, near: F2, cosines: F2, strips: Strips, hint: int) -> int:
    """Return which of the n near quads the vehicle is in, -1 none: by place, course, level, continuity."""
    quads, best, found = strips.quads, -np.inf, -1
    for k in range(n):
        if near[k, N_LEFT] < -EDGE_TOLERANCE_M or near[k, N_RIGHT] < -EDGE_TOLERANCE_M:
            continue
        i, j = int(near[k, N_LANE]), int(near[k, N_QUAD])
        score = 0.01 * quads[j, INDEX]  # on an inner boundary the left lane owns the place
        crosses = abs(cosines[k, COSINE]) <= PARALLEL and cosines[k, MOVES] > 0.0
        if cosines[k, COSINE] > PARALLEL:
            score += 8.0
        elif crosses:
            score -= 8.0  # it crosses that road, above or below
        if hint >= 0:
            same_level = quads[j, LEVEL] == strips.lanes[hint, LANE_LEVEL]
            if crosses and not same_level:
                continue  # beside its own lane on a bridge it is not on the road below
            score += 4.0 * same_level + 6.0 * are_linked(hint, i, strips.link_start, strips.link_items)
        if score > best:
            best, found = score, k
    return found


@kernel
def reference_quad(n: int, inside: int, near: F2, cosines: F2, strips: Strips, hint: int) -> int:
    """Return which of the n near quads the vehicle is judged against: the nearest that leads its way.

    inside : the near quad that the vehicle is in, -1 none.  hint : lane held before, -1 none
    """
    quads, level = strips.quads, np.nan
    if inside >= 0:
        level = quads[int(near[inside, N_QUAD]), LEVEL]
    elif hint >= 0:
        for k in range(n):  # beside the road a level ends where its lanes do
            if quads[int(near[k, N_QUAD]), LEVEL] == strips.lanes[hint, LANE_LEVEL]:
                level = strips.lanes[hint, LANE_LEVEL]
    best, found = np.inf, inside
    for k in range(n):
        if cosines[k, MOVES] > 0.0 and cosines[k, COSINE] <= PARALLEL:
            continue
        if cosines[k, MOVES] == 0.0 and inside >= 0:
            continue  # a standing vehicle is judged against its own lane
        if quads[int(near[k, N_QUAD]), LEVEL] != level and level == level:
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
    quads, m, ref = strips.quads, 0, int(near[k_ref, N_QUAD])
    for k in range(n):
        j = int(near[k, N_QUAD])
        cosine = quads[ref, WAY] * quads[j, WAY] + quads[ref, WAY + 1] * quads[j, WAY + 1]
        if not cosine > PARALLEL or quads[j, LEVEL] != quads[ref, LEVEL]:
            continue
        at = m
        while at > 0 and spans[at - 1, FROM] > -near[k, N_RIGHT]:
            for c in range(4):
                spans[at, c] = spans[at - 1, c]
            at -= 1
        spans[at, FROM], spans[at, TO] = -near[k, N_RIGHT], near[k, N_LEFT]
        spans[at, PERMITTED] = 1.0 if int(quads[j, MASK]) & mask else 0.0
        spans[at, ANY] = 1.0
        m += 1
    return m


@kernel
def sigma_across_m(P: F3, t: int, way_e: float, way_n: float, bias_m: float, map_sigma_m: float) -> float:
    """Return 1 sigma of vehicle t's distance from a boundary that runs along a unit vector [m]."""
    e, n = -way_n, way_e
    variance = e**2 * P[t, 0, 0] + 2 * e * n * P[t, 0, 1] + n**2 * P[t, 1, 1]
    return math.sqrt(max(variance, 0.0) + bias_m**2 + map_sigma_m**2)


@kernel(inner=True)
def share_along(x: float, y: float, quads: F2, j: int) -> float:
    """Return how far along quad j a place is: 0 at the rail where it starts, 1 at the one where it ends."""
    past = -signed_m(x, y, quads, j, RIGHT_START, START_RAIL)
    before = signed_m(x, y, quads, j, RIGHT_END, END_RAIL)
    return float(min(max(past / max(past + before, 1e-9), 0.0), 1.0))


@kernel(inner=True)
def direction_at(x: float, y: float, quads: F2, j: int) -> tuple[float, float]:
    """Return the direction of quad j's lane beside a place: in a bend it turns between the rails."""
    share = share_along(x, y, quads, j)
    slope = quads[j, BEND] + share * (quads[j, BEND + 1] - quads[j, BEND])
    per = math.sqrt(1.0 + slope * slope)
    return (quads[j, WAY] - slope * quads[j, WAY + 1]) / per, (
        quads[j, WAY + 1] + slope * quads[j, WAY]
    ) / per


@kernel(inner=True)
def ruled_station_m(share: float, strips: Strips, j: int, column: int) -> float:
    """Return the station at a share along quad j, between those at its rails [m]; NaN where they have none.

    column : of Strips.stations, at the start
    """
    start, end = strips.stations[j, column], strips.stations[j, column + 1]
    return float(start + share * (end - start))


@kernel(inner=True)
def _station(x: float, y: float, j: int, strips: Strips, axis: Segments, t: int, found: F2) -> None:
    """Fill station and offset of vehicle t, beside quad j or, where that is -1, near none."""
    if j >= 0:
        share = share_along(x, y, strips.quads, j)
        found[t, S] = ruled_station_m(share, strips, j, OF_SITE)
        found[t, ROAD_S] = ruled_station_m(share, strips, j, OF_ROAD)
    if math.isnan(found[t, S]) and axis.rows.shape[0] > 0:
        found[t, S], found[t, OFFSET] = station_at(x, y, axis)


@kernel(inner=True)
def _span(spans: F2, m: int, column: int, t: int, out_at: int, across_at: int, found: F2) -> None:
    """Fill how far vehicle t is outside the nearest span, its offset from the middle, and half the width."""
    low, high = nearest_span(m, spans, column)
    found[t, out_at], found[t, across_at] = max(low, -high), -(low + high) / 2
    found[t, HALF_SPAN if column == PERMITTED else HALF_SPAN_ANY] = (high - low) / 2


@kernel(inner=True)
def _locate_one(
    places: Places, t: int, n: int, strips: Strips, map_sigma_m: float, scratch: Scratch, found: F2,
    lane_out: I32x1,
) -> int:  # fmt: skip
    """Locate vehicle t among the n quads near it; return the quad that it is in or judged against, or -1."""
    x, quads, hint = places.x, strips.quads, int(places.hint[t])
    near, spans, cosines = scratch.near, scratch.spans, scratch.cosines
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
    ref = reference_quad(n, inside, near, cosines, strips, hint)
    if ref < 0:
        return -1
    j = int(near[ref, N_QUAD])
    lane_sigma_m = math.hypot(map_sigma_m, quads[j, CHORD])
    u_east, u_north = direction_at(x[t, 0], x[t, 1], quads, j)
    sigma = sigma_across_m(places.P, t, u_east, u_north, places.bias_m[t], lane_sigma_m)
    found[t, SIGMA], found[t, U_EAST], found[t, U_NORTH] = sigma, u_east, u_north
    found[t, LIMIT] = quads[j, SPEED_LIMIT]
    m = cross_section(n, ref, near, strips, places.mask[t], spans)
    _span(spans, m, PERMITTED, t, OUT_PERMITTED, ACROSS, found)
    _span(spans, m, ANY, t, OUT_ANY, ACROSS_ANY, found)
    if cosines[ref, COSINE] > PARALLEL and not reverses:
        found[t, OUT_SAME_WAY] = found[t, OUT_ANY]
    if inside < 0:
        return j
    own, left, right = int(near[inside, N_QUAD]), near[inside, N_LEFT], near[inside, N_RIGHT]
    found[t, LEFT], found[t, RIGHT] = left, right
    found[t, ALONG] = x[t, 2] * quads[own, WAY] + x[t, 3] * quads[own, WAY + 1]
    found[t, LIMIT] = quads[own, SPEED_LIMIT]
    p_outside = normal_cdf(-left / sigma) + normal_cdf(-right / sigma)
    found[t, P_LANE] = max(0.0, 1.0 - p_outside)
    lane_out[t] = int(near[inside, N_LANE])
    if along_lane or hint < 0:  # who drives against a lane, or across it, still holds its own
        found[t, HELD] = lane_out[t] + 1.0
    return own


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

    axis : the site's, without rows where the map has none.  map_sigma_m : 1 sigma of the surveyed boundaries
    """
    x, items = places.x, scratch.items
    for first in range(0, x.shape[0], BLOCK):
        last = min(first + BLOCK, x.shape[0])
        read_ahead(first, last, x, places.hint, strips, scratch)
        for t in range(first, last):
            for c in range(FOUND):
                found[t, c] = np.nan
            found[t, P_LANE] = found[t, BEYOND_END] = found[t, HELD] = 0.0
            lane_out[t] = NO_LANE
            begin, end = items[t - first, 0], items[t - first, 1]
            n = find_near(x[t, 0], x[t, 1], begin, end, strips, scratch.near)
            j = -1
            if n > 0:
                j = _locate_one(places, t, n, strips, map_sigma_m, scratch, found, lane_out)
            _station(x[t, 0], x[t, 1], j, strips, axis, t, found)
