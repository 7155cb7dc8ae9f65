"""The shadows of vehicles: whether one of them hides a place from a radar.

A scan collects the vehicles that may hide others once. Each has a sector as the radar sees it, and a question
is put to those alone in whose sector the place lies: a tree over the sorted sectors finds them. The answers
are those of a walk over all.
"""

import math

import numpy as np

from core.arrays import F2, I1
from core.classes import BUS, HAZMAT, TRUCK, UNKNOWN
from core.kernel import kernel
from fusion import layout as at
from fusion.heading import axis_of
from fusion.layout import Scratch, Shadows, Tracks
from fusion.observations import TARGET_HEIGHT_M

LONG_M = 7.0  # longer vehicles are lorries or buses
HIGH_M, LOW_M = 3.5, 1.5  # height of a lorry's or bus's body, of a car
# Of a vehicle of unknown size and class: it may be a lorry, so that a miss behind it is no evidence
BLOCKER_LENGTH_M, BLOCKER_WIDTH_M = 12.0, 2.5
CAR_LENGTH_M, CAR_WIDTH_M = 4.5, 1.8
BESIDE_ALONG_M, BESIDE_ACROSS_M = 8.0, 2.75  # no other vehicle's centre is nearer to a lorry's
HALF_WIDTH_M = 0.9  # of a car. A shadow counts as wider by this: radar may miss a car that is half hidden
DETECTED_NS = 300_000_000  # radar detects what it sees within so long: several scans
HAIR_M = 1e-6  # rounding of a place 100 km away, a thousandfold
QUARTER = 1 << 30  # directions are whole numbers, so many in a quarter of a turn: 0.1 mm at 100 km
TURN = 4 * QUARTER
DIGIT_BITS, DIGITS = 11, 3  # of the sort: three passes over the 32 bits of a direction
BUCKETS = 1 << DIGIT_BITS
NUMBER_BITS = 24  # a word is a direction of up to two turns, and below these bits a body's number
FEW = 32  # to ask so many costs as much as to sort them, for the few questions of a scan

Body = tuple[float, float, float, float, float, float, float]  # as the columns of Shadows.bodies


def shadows_for(n: int) -> Shadows:
    """Return room for n vehicles."""
    leaves = 1 << n.bit_length()  # more than n
    return Shadows(
        bodies=np.zeros((n, at.N_BODY)),
        sectors=np.zeros((2, n), dtype=np.int64),
        words=np.zeros((2, n), dtype=np.int64),
        latest=np.zeros(2 * leaves, dtype=np.int64),
        buckets=np.zeros(BUCKETS, dtype=np.int64),
        size=np.zeros(2, dtype=np.int64),
    )


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
def collect_detected(tracks: Tracks, scratch: Scratch, n_t: int) -> None:
    """Collect those of the n_t tracks in play that the present scan detects, at their predicted places.

    Call it before the scan is fused. Only vehicles that the radar detected hide others: one on a bridge, in
    its field but out of its sight, does not.
    """
    bodies, n = scratch.shadows.bodies, 0
    for t in range(n_t):
        if scratch.assignment.det_of[t] < 0:
            continue
        at_e, at_n, c, s, half_length, half_width, height = _body(
            scratch.predicted.X, t, tracks, scratch.rows[t]
        )
        if math.isnan(c):
            continue
        bodies[n, at.B_EAST], bodies[n, at.B_NORTH], bodies[n, at.B_COS], bodies[n, at.B_SIN] = (
            at_e,
            at_n,
            c,
            s,
        )
        bodies[n, at.B_LENGTH], bodies[n, at.B_WIDTH], bodies[n, at.B_HEIGHT] = (
            half_length,
            half_width,
            height,
        )
        n += 1
    scratch.shadows.size[0], scratch.shadows.size[1] = n, 0


@kernel(inner=True)
def _hides(shadows: Shadows, b: int, radars: F2, q: int, east_m: float, north_m: float) -> bool:
    """Return whether body b hides a place from radar q."""
    of = shadows.bodies
    body = (
        of[b, at.B_EAST], of[b, at.B_NORTH], of[b, at.B_COS], of[b, at.B_SIN],
        of[b, at.B_LENGTH], of[b, at.B_WIDTH], of[b, at.B_HEIGHT],
    )  # fmt: skip
    return bool(hides(body, radars, q, east_m, north_m))


@kernel(inner=True)
def direction_of(east: float, north: float) -> int:
    """Return the direction of a vector, below TURN, counter-clockwise from east; monotonous, not even."""
    whole = abs(east) + abs(north)
    if not whole > 0.0:
        return 0
    aside = north / whole
    if east < 0.0:
        return int(QUARTER * (2.0 - aside))
    return int(QUARTER * (aside if north >= 0.0 else 4.0 + aside)) & (TURN - 1)


@kernel(inner=True)
def _note_sector(shadows: Shadows, b: int, r_e: float, r_n: float) -> None:
    """Write the sector of body b as seen from the radar: it is at least as wide as the body.

    The body's points lie within `across` of the line to its centre, and no nearer than `near`. An end beyond
    TURN is one past east.
    """
    of = shadows.bodies
    d_e, d_n = of[b, at.B_EAST] - r_e, of[b, at.B_NORTH] - r_n
    flat = math.sqrt(d_e * d_e + d_n * d_n)
    u_e, u_n = d_e / max(flat, HAIR_M), d_n / max(flat, HAIR_M)
    c = abs(of[b, at.B_COS] * u_e + of[b, at.B_SIN] * u_n)
    s = abs(of[b, at.B_COS] * u_n - of[b, at.B_SIN] * u_e)
    half_length, half_width = of[b, at.B_LENGTH], of[b, at.B_WIDTH]
    near, across = flat - c * half_length - s * half_width, s * half_length + c * half_width + HAIR_M
    if not near > HAIR_M:  # the pole is in it or beside it
        shadows.sectors[0, b], shadows.sectors[1, b] = 0, 2 * TURN
        return
    begin = direction_of(near * u_e + across * u_n, near * u_n - across * u_e)
    end = direction_of(near * u_e - across * u_n, near * u_n + across * u_e)
    if end < begin:
        end += TURN
    turns = TURN if begin == 0 else 0  # one that begins east begins before it: rounding must not part them
    shadows.sectors[0, b], shadows.sectors[1, b] = begin - 1 + turns, end + 1 + turns


@kernel(inner=True)
def _sort(shadows: Shadows, n: int) -> None:
    """Sort the first n words by their directions, digit by digit; the last pass leaves them in row 1."""
    words, buckets = shadows.words, shadows.buckets
    for digit in range(DIGITS):
        of, to, shift = digit % 2, 1 - digit % 2, NUMBER_BITS + DIGIT_BITS * digit
        for k in range(BUCKETS):
            buckets[k] = 0
        for k in range(n):
            buckets[words[of, k] >> shift & (BUCKETS - 1)] += 1
        begin = 0
        for k in range(BUCKETS):
            begin, buckets[k] = begin + buckets[k], begin
        for k in range(n):
            place = words[of, k] >> shift & (BUCKETS - 1)
            words[to, buckets[place]] = words[of, k]
            buckets[place] += 1


@kernel(inner=True)
def _build(shadows: Shadows, r_e: float, r_n: float) -> None:
    """Sort the bodies by the begin of their sectors, and build the tree of the ends."""
    n, leaves, latest = shadows.size[0], 1, shadows.latest
    for b in range(n):
        _note_sector(shadows, b, r_e, r_n)
        shadows.words[0, b] = shadows.sectors[0, b] << NUMBER_BITS | b
    _sort(shadows, n)
    while leaves <= n:
        leaves *= 2
    for k in range(leaves):
        b = shadows.words[1, k] & ((1 << NUMBER_BITS) - 1) if k < n else 0
        latest[leaves + k] = shadows.sectors[1, b] if k < n else -1
    for k in range(leaves - 1, 0, -1):
        latest[k] = max(latest[2 * k], latest[2 * k + 1])
    shadows.size[1] = leaves


@kernel(inner=True)
def _n_begun(shadows: Shadows, direction: int) -> int:
    """Return how many sectors begin at a direction or before it."""
    low, top, after = 0, shadows.size[0], (direction + 1) << NUMBER_BITS
    while low < top:
        mid = (low + top) // 2
        if shadows.words[1, mid] < after:
            low = mid + 1
        else:
            top = mid
    return low


@kernel(inner=True)
def _last_before(latest: I1, leaves: int, k: int, direction: int) -> int:
    """Return the last place before k whose sector ends at the direction or after it, -1 none."""
    node = leaves + k
    while node > 1:
        if node % 2 == 1 and latest[node - 1] >= direction:
            node -= 1
            while node < leaves:
                node = 2 * node + (1 if latest[2 * node + 1] >= direction else 0)
            return node - leaves
        node //= 2
    return -1


@kernel(inner=True)
def is_in_shadow(shadows: Shadows, radars: F2, q: int, east_m: float, north_m: float) -> bool:
    """Return whether one of the collected vehicles hides a place [site metres] from radar q of the scan."""
    n, hidden, b = shadows.size[0], False, 0
    if n <= FEW:
        while not hidden and b < n:
            hidden = _hides(shadows, b, radars, q, east_m, north_m)
            b += 1
        return hidden
    r_e, r_n = radars[q, at.R_EAST], radars[q, at.R_NORTH]
    if shadows.size[1] == 0:
        _build(shadows, r_e, r_n)
    direction = direction_of(east_m - r_e, north_m - r_n)
    for turns in range(2):  # sectors past east end beyond TURN
        towards = direction + turns * TURN
        k = _last_before(shadows.latest, shadows.size[1], _n_begun(shadows, towards), towards)
        while k >= 0:
            b = shadows.words[1, k] & ((1 << NUMBER_BITS) - 1)
            if _hides(shadows, b, radars, q, east_m, north_m):
                return True
            k = _last_before(shadows.latest, shadows.size[1], k, towards)
    return False


# ---- one place


@kernel(inner=True)
def is_shaded(tracks: Tracks, t_ns: int, radars: F2, q: int, east_m: float, north_m: float) -> bool:
    """Return whether a place lies in a shadow for radar q, judged by the tracks' last states.

    As in a scan, only vehicles that radar detected a moment ago hide others; and one that is so near that the
    place most likely is its own does not.
    """
    for b in range(tracks.tally[at.T_HIGH]):
        if tracks.ints[b, at.STATUS] != at.CONFIRMED or abs(t_ns - tracks.ints[b, at.RADAR_NS]) > DETECTED_NS:
            continue
        if hides_beyond(tracks, b, radars, q, east_m, north_m):
            return True
    return False


@kernel(inner=True)
def hides_beyond(tracks: Tracks, b: int, radars: F2, q: int, east_m: float, north_m: float) -> bool:
    """Return whether track b, at its last state, hides a place that most likely is not its own."""
    body = _body(tracks.states.X, b, tracks, b)
    return bool(hides(body, radars, q, east_m, north_m) and not _is_beside(body, east_m, north_m))
