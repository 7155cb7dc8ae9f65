"""Compiled look-up: which lane a place is in, and how far it is outside the lanes that permit a vehicle."""

import math

import numpy as np

from core.arrays import F1, F2, F3, I32x1
from core.kernel import kernel
from geofence.located import (
    ALONG,
    FOUND,
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
from geofence.map.axis import station_at
from geofence.map.strips import BESIDE_LANE_M

EDGE_M = 1e-7  # outer edges are closed: rounding must not lose a place exactly on one
TOUCH_M = 0.15  # permitted lanes this close to each other are one
PARALLEL = 0.5  # cosine from which a lane counts as going the same way
COURSE_MPS_MIN = 1.5  # below it the course says nothing
NEAR_MAX = 64


@kernel
def normal_cdf(z: float) -> float:
    """Return the probability that a standard normal is below z."""
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@kernel
def cell_of(east: float, north: float, shape: F1, start: I32x1) -> int:
    """Return the grid's cell number, -1 outside."""
    column, row = math.floor((east - shape[0]) / shape[2]), math.floor((north - shape[1]) / shape[2])
    if not (0.0 <= column < shape[3] and 0.0 <= row < shape[4]):
        return -1
    return int(row) * int(shape[3]) + int(column)


@kernel
def lanes_of(
    east: F1, north: F1, quads: F2, lane: I32x1, lanes: F2, shape: F1, start: I32x1, items: I32x1, out: I32x1
) -> None:
    """Fill out (n,) with the quad that holds each place, -1 none; among several the left lane's.

    Geometry alone: level, course and history are `locate`'s. On an inner boundary the left lane owns the
    place (the one with the higher index).
    """
    for i in range(len(east)):
        x, y = east[i], north[i]
        found, index = -1, -1.0
        cell = cell_of(x, y, shape, start)
        if cell >= 0:
            for k in range(start[cell], start[cell + 1]):
                j = items[k]
                dx, dy = x - quads[j, 0], y - quads[j, 1]
                if quads[j, 6] * dy - quads[j, 7] * dx > EDGE_M:
                    continue
                dx, dy = x - quads[j, 2], y - quads[j, 3]
                if (
                    quads[j, 8] * dy - quads[j, 9] * dx < -EDGE_M
                    or quads[j, 10] * dy - quads[j, 11] * dx > EDGE_M
                ):
                    continue
                dx, dy = x - quads[j, 4], y - quads[j, 5]
                if quads[j, 12] * dy - quads[j, 13] * dx < -EDGE_M:
                    continue
                if lanes[lane[j], 3] > index:
                    found, index = j, lanes[lane[j], 3]
        out[i] = found


@kernel
def linked(a: int, b: int, start: I32x1, items: I32x1) -> bool:
    """Return whether lane b is a, or next to it by succession or side."""
    found = a == b
    for k in range(start[a], start[a + 1]):
        found = found or items[k] == b
    return found


@kernel
def gather(
    x: float, y: float, quads: F2, lane: I32x1, shape: F1, start: I32x1, items: I32x1, near: F2
) -> int:
    """Collect the quads whose rails the place lies between, with its distances from both boundaries.

    near : (NEAR_MAX, 4) distance from the left and the right boundary (positive inside), lane, quad
    """
    n = 0
    cell = cell_of(x, y, shape, start)
    if cell < 0:
        return 0
    for k in range(start[cell], start[cell + 1]):
        j = items[k]
        dx, dy = x - quads[j, 2], y - quads[j, 3]
        right = quads[j, 8] * dy - quads[j, 9] * dx
        if quads[j, 10] * dy - quads[j, 11] * dx > EDGE_M or right < -BESIDE_LANE_M:
            continue
        ex, ey = x - quads[j, 4], y - quads[j, 5]
        if quads[j, 12] * ey - quads[j, 13] * ex < -EDGE_M:
            continue
        dx, dy = x - quads[j, 0], y - quads[j, 1]
        left = quads[j, 7] * dx - quads[j, 6] * dy
        if left < -BESIDE_LANE_M or n == NEAR_MAX:
            continue
        near[n, 0], near[n, 1], near[n, 2], near[n, 3] = left, right, lane[j], j
        n += 1
    return n


@kernel
def occupied(
    n: int, near: F2, cosines: F2, lanes: F2, hint: int, link_start: I32x1, link_items: I32x1
) -> int:
    """Return which of the n near quads the vehicle is in, -1 none: by place, course, level, continuity."""
    best, found = -np.inf, -1
    for k in range(n):
        if near[k, 0] < -EDGE_M or near[k, 1] < -EDGE_M:
            continue
        i = int(near[k, 2])
        score = 0.01 * lanes[i, 3]  # on an inner boundary the left lane owns the place
        if cosines[k, 0] > PARALLEL:
            score += 8.0
        elif abs(cosines[k, 0]) <= PARALLEL and cosines[k, 1] > 0.0:
            score -= 8.0  # it crosses that road, above or below
        if hint >= 0:
            score += 4.0 * (lanes[i, 0] == lanes[hint, 0]) + 6.0 * linked(hint, i, link_start, link_items)
        if score > best:
            best, found = score, k
    return found


@kernel
def reference(n: int, inside: int, near: F2, cosines: F2, lanes: F2, hint: int) -> int:
    """Return the near quad against which the vehicle is judged: the nearest that goes its way."""
    level = np.nan
    if inside >= 0:
        level = lanes[int(near[inside, 2]), 0]
    elif hint >= 0:
        for k in range(n):  # beside the road a level ends where its lanes do
            if lanes[int(near[k, 2]), 0] == lanes[hint, 0]:
                level = lanes[hint, 0]
    best, found = np.inf, inside
    for k in range(n):
        if cosines[k, 1] > 0.0 and cosines[k, 0] <= PARALLEL:
            continue
        if cosines[k, 1] == 0.0 and inside >= 0:
            continue  # a standing vehicle is judged against its own lane
        if lanes[int(near[k, 2]), 0] != level and level == level:
            continue
        away = max(-near[k, 0], -near[k, 1])
        if away < best:
            best, found = away, k
    return found


@kernel
def outside(n: int, spans: F2, column: int) -> float:
    """Return how far 0 lies outside the union of the spans used in `column`, negative inside.

    NaN without any; spans that touch are one.
    spans : (n, 4) from, to [m], use for the permitted lanes, use for any; sorted by `from`
    """
    best = np.nan
    low = high = np.nan
    for i in range(n):
        if spans[i, column] == 0.0:
            continue
        if spans[i, 0] <= high + TOUCH_M:
            high = max(high, spans[i, 1])
        else:
            if low == low:
                away = max(low, -high)
                best = away if not best <= away else best
            low, high = spans[i, 0], spans[i, 1]
    if low == low:
        away = max(low, -high)
        best = away if not best <= away else best
    return best


@kernel
def cross_section(n: int, k_ref: int, near: F2, quads: F2, lanes: F2, mask: int, spans: F2) -> int:
    """Fill `spans` with the lanes of the reference's level and way as seen from the vehicle, sorted.

    Return how many.
    """
    ref, level = int(near[k_ref, 3]), lanes[int(near[k_ref, 2]), 0]
    m = 0
    for k in range(n):
        i, j = int(near[k, 2]), int(near[k, 3])
        same_way = quads[ref, 14] * quads[j, 14] + quads[ref, 15] * quads[j, 15] > PARALLEL
        if not same_way or lanes[i, 0] != level:
            continue
        at = m
        while at > 0 and spans[at - 1, 0] > -near[k, 1]:
            for c in range(4):
                spans[at, c] = spans[at - 1, c]
            at -= 1
        spans[at, 0], spans[at, 1] = -near[k, 1], near[k, 0]
        spans[at, 2] = 1.0 if int(lanes[i, 1]) & mask else 0.0
        spans[at, 3] = 1.0
        m += 1
    return m


@kernel(allocates=True)
def locate(
    x: F2, P: F3, bias: F1, hint: I32x1, mask: I32x1, quads: F2, lane: I32x1, lanes: F2, link_start: I32x1,
    link_items: I32x1, shape: F1, start: I32x1, items: I32x1, segments: F2, axis_shape: F1, axis_start: I32x1,
    axis_items: I32x1, map_sigma: float, found: F2, lane_out: I32x1,
) -> None:  # fmt: skip
    """Locate n tracks: found (n, FOUND) and lane_out (n,) are filled in; NaN and NO_LANE for nothing.

    x : (n, 4) east, north, velocities.  P : (n, 4, 4).  bias : (n,) 1 sigma per axis
    hint : (n,) lane held before, -1 none.  mask : (n,) classes as which the vehicle may use lanes
    """
    near, spans, cosines = np.empty((NEAR_MAX, 4)), np.empty((NEAR_MAX, 4)), np.empty((NEAR_MAX, 2))
    for t in range(x.shape[0]):
        for c in range(FOUND):
            found[t, c] = np.nan
        found[t, P_LANE] = 0.0
        lane_out[t] = NO_LANE
        if segments.shape[0] > 0:
            found[t, S], found[t, OFFSET] = station_at(
                x[t, 0], x[t, 1], segments, axis_shape, axis_start, axis_items
            )
        n = gather(x[t, 0], x[t, 1], quads, lane, shape, start, items, near)
        if n == 0:
            continue
        speed = math.hypot(x[t, 2], x[t, 3])
        for k in range(n):
            j = int(near[k, 3])
            cosines[k, 1] = 1.0 if speed > COURSE_MPS_MIN else 0.0
            cosines[k, 0] = (
                cosines[k, 1] * (x[t, 2] * quads[j, 14] + x[t, 3] * quads[j, 15]) / max(speed, 1e-9)
            )
        inside = occupied(n, near, cosines, lanes, hint[t], link_start, link_items)
        ref = reference(n, inside, near, cosines, lanes, hint[t])
        if ref < 0:
            continue
        j = int(near[ref, 3])
        across_e, across_n = -quads[j, 15], quads[j, 14]
        variance = across_e**2 * P[t, 0, 0] + 2 * across_e * across_n * P[t, 0, 1] + across_n**2 * P[t, 1, 1]
        sigma = math.sqrt(max(variance, 0.0) + bias[t] ** 2 + map_sigma**2)
        found[t, SIGMA], found[t, U_EAST], found[t, U_NORTH] = sigma, quads[j, 14], quads[j, 15]
        found[t, LIMIT] = lanes[int(near[ref, 2]), 2]
        m = cross_section(n, ref, near, quads, lanes, mask[t], spans)
        found[t, OUT_PERMITTED], found[t, OUT_ANY] = outside(m, spans, 2), outside(m, spans, 3)
        if cosines[ref, 0] > PARALLEL:
            found[t, OUT_SAME_WAY] = found[t, OUT_ANY]
        if inside >= 0:
            own = int(near[inside, 3])
            found[t, LEFT], found[t, RIGHT] = near[inside, 0], near[inside, 1]
            found[t, ALONG] = x[t, 2] * quads[own, 14] + x[t, 3] * quads[own, 15]
            found[t, LIMIT] = lanes[int(near[inside, 2]), 2]
            p_outside = normal_cdf(-near[inside, 0] / sigma) + normal_cdf(-near[inside, 1] / sigma)
            found[t, P_LANE] = max(0.0, 1.0 - p_outside)
            lane_out[t] = int(near[inside, 2])


@kernel
def distance_to_lanes(x: float, y: float, quads: F2, lane: I32x1, lanes: F2, mask: int, most: float) -> float:
    """Return how far a place is from every lane that permits `mask` [m], 0 inside, at most `most`.

    A search over all quads: for the few vehicles that are off the road.
    """
    best = most
    for j in range(quads.shape[0]):
        if int(lanes[lane[j], 1]) & mask == 0:
            continue
        dx, dy = x - quads[j, 2], y - quads[j, 3]
        ex, ey = x - quads[j, 4], y - quads[j, 5]
        behind = quads[j, 10] * dy - quads[j, 11] * dx
        beyond = -(quads[j, 12] * ey - quads[j, 13] * ex)
        right = -(quads[j, 8] * dy - quads[j, 9] * dx)
        left = quads[j, 6] * (y - quads[j, 1]) - quads[j, 7] * (x - quads[j, 0])
        best = min(best, math.hypot(max(behind, beyond, 0.0), max(left, right, 0.0)))
    return best
