"""The shadows of vehicles: whether one of them hides a place from a radar.

`collect_*` gathers the vehicles that may hide others, once per scan or tick; then each question walks along
its ray over a grid of them, from the place towards the radar. The answers are those of a walk over all.
"""

import math

import numpy as np

from core.arrays import F2
from core.classes import BUS, HAZMAT, TRUCK, UNKNOWN
from core.kernel import kernel
from fusion import layout as at
from fusion.grid import GRID_CELL_M, cell_of, clear, first_in, grid_for, put
from fusion.heading import axis_of
from fusion.layout import Scratch, Shadows, Tracks
from fusion.observations import TARGET_HEIGHT_M

LONG_M = 7.0  # longer vehicles are lorries or buses
HIGH_M, LOW_M = 3.5, 1.5  # height of a lorry's or bus's body, of a car
# Of a vehicle of unknown size and class: it may be a lorry, so that a miss behind it is no evidence
BLOCKER_LENGTH_M, BLOCKER_WIDTH_M = 12.0, 2.5
CAR_LENGTH_M, CAR_WIDTH_M = 4.5, 1.8
BESIDE_ALONG_M, BESIDE_ACROSS_M = 8.0, 2.75  # no other vehicle's centre is nearer to a lorry's
HALF_WIDTH_M = 0.9  # half a car: one whose edge is hidden may be missed as well
DETECTED_NS = 300_000_000  # radar detects what it sees within so long: several scans
HAIR_M = 1e-6  # rounding of a place 100 km away, a thousandfold
CELLS_A_COLUMN = 4  # of the grid, which a ray with the reach of a lorry's body to both sides crosses at most

Body = tuple[float, float, float, float, float, float, float]  # as the columns of Shadows.bodies


def shadows_for(n: int) -> Shadows:
    """Return room for n vehicles."""
    return Shadows(np.zeros((n, at.N_BODY)), grid_for(n), np.zeros(1, dtype=np.int64), np.zeros(1))


@kernel(inner=True)
def _body(X: F2, j: int, tracks: Tracks, i: int) -> Body:
    """Return the body of track i at state j; its axis is NaN where nobody knows its course."""
    length, width, kind = tracks.floats[i, at.LENGTH], tracks.floats[i, at.WIDTH], tracks.ints[i, at.KIND]
    unknown = kind == UNKNOWN and math.isnan(length)
    is_high = unknown or kind == BUS or kind == TRUCK or kind == HAZMAT or length > LONG_M  # NaN is not
    if math.isnan(length):
        length = BLOCKER_LENGTH_M if is_high else CAR_LENGTH_M
    if math.isnan(width):
        width = BLOCKER_WIDTH_M if is_high else CAR_WIDTH_M
    c, s = axis_of(X, j)
    half_width = width / 2.0 + HALF_WIDTH_M
    return X[j, at.EAST], X[j, at.NORTH], c, s, length / 2.0, half_width, HIGH_M if is_high else LOW_M


@kernel(inner=True)
def _within(begin: float, step: float, half: float) -> tuple[float, float]:
    """Return the share of the way, from 0 to 1, on which begin + share * step lies within +-half."""
    if abs(step) < 1e-9:
        return (0.0, 1.0) if abs(begin) < half else (1.0, 0.0)
    one, other = (-half - begin) / step, (half - begin) / step
    return max(min(one, other), 0.0), min(max(one, other), 1.0)


@kernel(inner=True)
def hides(body: Body, radars: F2, q: int, east_m: float, north_m: float) -> bool:
    """Return whether a body hides a place from radar q.

    The ray to the target descends from the radar's height to TARGET_HEIGHT_M; it must pass below the top of
    the body's footprint, widened by half a car. A body of unknown axis hides nothing.
    """
    at_e, at_n, c, s, half_length, half_width, height = body
    r_e, r_n, drop = radars[q, at.R_EAST], radars[q, at.R_NORTH], radars[q, at.R_DROP]
    d_e, d_n = east_m - r_e, north_m - r_n
    b_e, b_n = at_e - r_e, at_n - r_n
    if d_e * b_e + d_n * b_n < 0.0 or b_e * b_e + b_n * b_n > d_e * d_e + d_n * d_n:
        return False
    if math.isnan(c):
        return False
    along_0, along_1 = _within(-(c * b_e + s * b_n), c * d_e + s * d_n, half_length)
    across_0, across_1 = _within(s * b_e - c * b_n, c * d_n - s * d_e, half_width)
    leaves = min(along_1, across_1)
    # a place within the footprint is the same vehicle, or its neighbour in one place: no shadow
    return bool(max(along_0, across_0) < leaves < 1.0 and drop * (1.0 - leaves) < height - TARGET_HEIGHT_M)


@kernel(inner=True)
def _is_beside(body: Body, east_m: float, north_m: float) -> bool:
    """Return whether a place is so near to the body that most likely it is of the vehicle itself."""
    at_e, at_n, c, s, _, _, _ = body
    d_e, d_n = east_m - at_e, north_m - at_n
    return bool(abs(c * d_e + s * d_n) < BESIDE_ALONG_M and abs(c * d_n - s * d_e) < BESIDE_ACROSS_M)


# ---- many places


@kernel(inner=True)
def _begin(shadows: Shadows) -> None:
    clear(shadows.grid)
    shadows.n[0], shadows.reach_m[0] = 0, 0.0


@kernel(inner=True)
def _add(shadows: Shadows, body: Body) -> None:
    """Add a vehicle; one of unknown axis hides nothing."""
    at_e, at_n, c, s, half_length, half_width, height = body
    if math.isnan(c):
        return
    b, bodies = shadows.n[0], shadows.bodies
    bodies[b, at.B_EAST], bodies[b, at.B_NORTH], bodies[b, at.B_COS], bodies[b, at.B_SIN] = at_e, at_n, c, s
    bodies[b, at.B_LENGTH], bodies[b, at.B_WIDTH], bodies[b, at.B_HEIGHT] = half_length, half_width, height
    reach = math.sqrt(half_length * half_length + half_width * half_width) + HAIR_M
    shadows.reach_m[0] = max(shadows.reach_m[0], reach)
    put(shadows.grid, b, at_e, at_n)
    shadows.n[0] += 1


@kernel(inner=True)
def collect_detected(tracks: Tracks, scratch: Scratch, n_t: int) -> None:
    """Collect those of the n_t tracks in play that the present scan detects, at their predicted places.

    Call it before the scan is fused. Only vehicles that the radar detected hide others: one on a bridge, in
    its field but out of its sight, does not.
    """
    shadows = scratch.shadows
    _begin(shadows)
    for t in range(n_t):
        if scratch.assignment.det_of[t] >= 0:
            _add(shadows, _body(scratch.predicted.X, t, tracks, scratch.rows[t]))


@kernel(inner=True)
def _is_detected(tracks: Tracks, i: int, t_ns: int) -> bool:
    """Return whether track i is confirmed, and radar detected it a moment ago."""
    confirmed = tracks.ints[i, at.STATUS] == at.CONFIRMED
    return bool(confirmed and abs(t_ns - tracks.ints[i, at.RADAR_NS]) <= DETECTED_NS)


@kernel(inner=True)
def collect_seen(tracks: Tracks, t_ns: int, shadows: Shadows) -> None:
    """Collect the confirmed tracks that radar detected a moment ago, at their last states."""
    _begin(shadows)
    for i in range(tracks.tally[at.T_HIGH]):
        if _is_detected(tracks, i, t_ns):
            _add(shadows, _body(tracks.states.X, i, tracks, i))


@kernel(inner=True)
def _hides_apart(
    shadows: Shadows, b: int, radars: F2, q: int, east_m: float, north_m: float, apart: bool
) -> bool:
    """Return whether vehicle b hides a place from radar q; apart: unless that is most likely its own."""
    of = shadows.bodies
    body = (
        of[b, at.B_EAST], of[b, at.B_NORTH], of[b, at.B_COS], of[b, at.B_SIN],
        of[b, at.B_LENGTH], of[b, at.B_WIDTH], of[b, at.B_HEIGHT],
    )  # fmt: skip
    return bool(hides(body, radars, q, east_m, north_m) and not (apart and _is_beside(body, east_m, north_m)))


@kernel(inner=True)
def _is_hidden_by_any(
    shadows: Shadows, radars: F2, q: int, east_m: float, north_m: float, apart: bool
) -> bool:
    """Return the same as `is_in_shadow` by a walk over all: of a few vehicles it is shorter."""
    hidden, b = False, 0
    while not hidden and b < shadows.n[0]:
        hidden = _hides_apart(shadows, b, radars, q, east_m, north_m, apart)
        b += 1
    return hidden


@kernel(inner=True)
def is_in_shadow(shadows: Shadows, radars: F2, q: int, east_m: float, north_m: float, apart: bool) -> bool:
    """Return whether one of the collected vehicles hides a place [site metres] from radar q.

    A body hides it only where it touches the ray below HIGH_M: its centre lies within reach of that end of
    the ray, which is as long in any traffic. The nearest cells come first, since most shadows are of the
    vehicle in front. apart : a vehicle of which the place most likely is does not count
    """
    r_e, r_n, drop = radars[q, at.R_EAST], radars[q, at.R_NORTH], radars[q, at.R_DROP]
    low = min((HIGH_M - TARGET_HEIGHT_M) / drop, 1.0) if drop > 0.0 else 1.0  # share of the ray
    reach, is_flat = shadows.reach_m[0], abs(east_m - r_e) >= abs(north_m - r_n)
    # far: the place; near: where the ray is HIGH_M high; on the axis along which the ray is longer, and aside
    far, far_aside = (east_m, north_m) if is_flat else (north_m, east_m)
    pole, pole_aside = (r_e, r_n) if is_flat else (r_n, r_e)
    near = far + low * (pole - far)
    slope = (far_aside - pole_aside) / (far - pole) if far != pole else 0.0
    least, most = min(near, far), max(near, far)
    first, last = math.floor((least - reach) / GRID_CELL_M), math.floor((most + reach) / GRID_CELL_M)
    if not (last - first + 1) * CELLS_A_COLUMN < shadows.n[0]:
        return _is_hidden_by_any(shadows, radars, q, east_m, north_m, apart)
    for k in range(last - first + 1):
        a = last - k if far >= pole else first + k
        one = max(a * GRID_CELL_M - reach, least)
        other = min((a + 1) * GRID_CELL_M + reach, most)
        one, other = far_aside + slope * (one - far), far_aside + slope * (other - far)
        top = math.floor((max(one, other) + reach) / GRID_CELL_M)
        for c in range(math.floor((min(one, other) - reach) / GRID_CELL_M), top + 1):
            b = first_in(shadows.grid, cell_of(a, c) if is_flat else cell_of(c, a))
            while b >= 0:  # the list holds vehicles of other cells, too: they hide it or not
                if _hides_apart(shadows, b, radars, q, east_m, north_m, apart):
                    return True
                b = shadows.grid.next_of[b]
    return False


# ---- one place


@kernel(inner=True)
def is_shaded(tracks: Tracks, t_ns: int, radars: F2, q: int, east_m: float, north_m: float) -> bool:
    """Return whether a place lies in a shadow for radar q, judged by the tracks' last states.

    As `collect_seen` and `is_in_shadow` do, apart; for a single place a walk over all costs less.
    """
    for b in range(tracks.tally[at.T_HIGH]):
        if not _is_detected(tracks, b, t_ns):
            continue
        body = _body(tracks.states.X, b, tracks, b)
        if hides(body, radars, q, east_m, north_m) and not _is_beside(body, east_m, north_m):
            return True
    return False
