"""Which tracks a radar can see: its field of view, the shadows of vehicles; and what a miss means then."""

import math

from core.arrays import F2, I2
from core.classes import BUS, HAZMAT, TRUCK, UNKNOWN
from core.kernel import kernel
from fusion import layout as at
from fusion.heading import axis_of
from fusion.layout import Scratch, Settings, States, Tracks
from fusion.models import predict_to
from fusion.observations import TARGET_HEIGHT_M
from fusion.radar_field import cell_at, note_looked

LONG_M = 7.0  # longer vehicles are lorries or buses
HIGH_M, LOW_M = 3.5, 1.5  # height of a lorry's or bus's body, of a car
# Of a vehicle of unknown size and class: it may be a lorry, so that a miss behind it is no evidence
BLOCKER_LENGTH_M, BLOCKER_WIDTH_M = 12.0, 2.5
CAR_LENGTH_M, CAR_WIDTH_M = 4.5, 1.8
MISS_FREE_NS = 250_000_000  # fades last about so long: misses until then are one
# So long a hidden track is followed, and to so many metres its place must be known: beyond a car's length
# it may be the next vehicle's
HIDDEN_NS_MAX, HIDDEN_SIGMA_M_MAX = 5_000_000_000, 5.0
BESIDE_ALONG_M, BESIDE_ACROSS_M = 8.0, 2.75  # no other vehicle's centre is nearer to a lorry's
HALF_WIDTH_M = 0.9  # half a car: one whose edge is hidden may be missed as well
ALL_ROUND_RAD = 0.05  # a field that leaves no more behind it has no sides
DETECTED_NS = 300_000_000  # radar detects what it sees within so long: several scans


@kernel(inner=True)
def is_in_field(radars: F2, q: int, east_m: float, north_m: float) -> bool:
    """Return whether a place lies in the field of view of radar q."""
    d_e, d_n = east_m - radars[q, at.R_EAST], north_m - radars[q, at.R_NORTH]
    flat = math.sqrt(d_e * d_e + d_n * d_n)
    sight = radars[q, at.R_BORESIGHT]
    ahead = d_e * math.cos(sight) + d_n * math.sin(sight)
    return bool(flat <= radars[q, at.R_RANGE] and ahead >= flat * math.cos(radars[q, at.R_HALF_FOV]))


@kernel(inner=True)
def within_edge_m(radars: F2, q: int, d_e: float, d_n: float) -> float:
    """Return how far within the nearer side of radar q's field a place lies, negative outside [m].

    d_e, d_n : the place from the radar
    """
    half, sight = radars[q, at.R_HALF_FOV], radars[q, at.R_BORESIGHT]
    if half > math.pi - ALL_ROUND_RAD:
        return math.inf
    c, s = math.cos(sight), math.sin(sight)
    return float(math.sin(half) * (d_e * c + d_n * s) - math.cos(half) * abs(d_n * c - d_e * s))


@kernel(inner=True)
def body_m(states: States, j: int, sigmas: float) -> float:
    """Return how far from its centre predicted track j may be seen, at so many sigmas of the extent [m].

    Not of the place: that grows while a false track is missed, until nothing could miss it any more.
    """
    return float(abs(states.X[j, at.EXTENT]) + sigmas * math.sqrt(states.P[j, at.EXTENT, at.EXTENT]))


@kernel(inner=True)
def is_surely_in_field(radars: F2, q: int, states: States, j: int) -> bool:
    """Return whether radar q would see predicted track j, whichever point of its body shows.

    Beside a pole a lorry's centre is in the field metres before the end that the radar sees.
    """
    e, n = states.X[j, at.EAST], states.X[j, at.NORTH]
    if not is_in_field(radars, q, e, n):
        return False
    edge_m = within_edge_m(radars, q, e - radars[q, at.R_EAST], n - radars[q, at.R_NORTH])
    return bool(edge_m >= body_m(states, j, 1.0))


@kernel(inner=True)
def _size(tracks: Tracks, i: int) -> tuple[float, float, float]:
    """Return length, width and height of track i as a blocker."""
    length, width, kind = tracks.floats[i, at.LENGTH], tracks.floats[i, at.WIDTH], tracks.ints[i, at.KIND]
    unknown = kind == UNKNOWN and math.isnan(length)
    is_high = unknown or kind == BUS or kind == TRUCK or kind == HAZMAT or length > LONG_M  # NaN is not
    if math.isnan(length):
        length = BLOCKER_LENGTH_M if is_high else CAR_LENGTH_M
    if math.isnan(width):
        width = BLOCKER_WIDTH_M if is_high else CAR_WIDTH_M
    return length, width, HIGH_M if is_high else LOW_M


@kernel(inner=True)
def _within(begin: float, step: float, half: float) -> tuple[float, float]:
    """Return the share of the way, from 0 to 1, on which begin + share * step lies within +-half."""
    if abs(step) < 1e-9:
        return (0.0, 1.0) if abs(begin) < half else (1.0, 0.0)
    one, other = (-half - begin) / step, (half - begin) / step
    return max(min(one, other), 0.0), min(max(one, other), 1.0)


@kernel(inner=True)
def _hides(
    X: F2, b: int, size: tuple[float, float, float], radars: F2, q: int, place: tuple[float, float]
) -> bool:
    """Return whether the vehicle of state b hides a place [site metres] from radar q.

    The ray to the target descends from the radar's height to TARGET_HEIGHT_M; it must pass below the top of
    the blocker's footprint, widened by half a car.  size : length, width, height of the blocker
    """
    r_e, r_n, drop = radars[q, at.R_EAST], radars[q, at.R_NORTH], radars[q, at.R_DROP]
    d_e, d_n = place[0] - r_e, place[1] - r_n
    b_e, b_n = X[b, at.EAST] - r_e, X[b, at.NORTH] - r_n
    if d_e * b_e + d_n * b_n < 0.0 or b_e * b_e + b_n * b_n > d_e * d_e + d_n * d_n:
        return False
    c, s = axis_of(X, b)
    if math.isnan(c):
        return False
    length, width, height = size
    along_0, along_1 = _within(-(c * b_e + s * b_n), c * d_e + s * d_n, length / 2.0)
    across_0, across_1 = _within(s * b_e - c * b_n, c * d_n - s * d_e, width / 2.0 + HALF_WIDTH_M)
    leaves = min(along_1, across_1)
    # a place within the footprint is the same vehicle, or its neighbour in one place: no shadow
    return bool(max(along_0, across_0) < leaves < 1.0 and drop * (1.0 - leaves) < height - TARGET_HEIGHT_M)


@kernel(inner=True)
def is_hidden(tracks: Tracks, scratch: Scratch, n_t: int, t: int, settings: Settings, q: int) -> bool:
    """Return whether one of the n_t tracks in play hides predicted track t from radar q.

    Only vehicles that the radar detected in this scan hide others: one on a bridge, in its field but out of
    its sight, does not.
    """
    X = scratch.predicted.X
    place = X[t, at.EAST], X[t, at.NORTH]
    for b in range(n_t):
        if b == t or scratch.assignment.det_of[b] < 0:
            continue
        if _hides(X, b, _size(tracks, scratch.rows[b]), settings.radars, q, place):
            return True
    return False


@kernel(inner=True)
def may_be_glimpsed(tracks: Tracks, scratch: Scratch, n_t: int, t: int, settings: Settings, q: int) -> bool:
    """Return whether a miss of new track t says nothing: it is hidden, and its place still known.

    A detection alone does not know its velocity across the beam: soon the next lane's vehicle would be taken
    for it, as one that moves aside.
    """
    P = scratch.predicted.P
    if P[t, at.EAST, at.EAST] + P[t, at.NORTH, at.NORTH] > BESIDE_ACROSS_M**2:
        return False
    return bool(is_hidden(tracks, scratch, n_t, t, settings, q))


@kernel(inner=True)
def is_shaded(tracks: Tracks, t_ns: int, radars: F2, q: int, east_m: float, north_m: float) -> bool:
    """Return whether a place lies in a shadow for radar q, judged by the tracks' last states.

    As in a scan, only vehicles that radar detected a moment ago hide others.
    """
    ints, X = tracks.ints, tracks.states.X
    for b in range(tracks.tally[at.T_HIGH]):
        if ints[b, at.STATUS] != at.CONFIRMED or abs(t_ns - ints[b, at.RADAR_NS]) > DETECTED_NS:
            continue
        c, s = axis_of(X, b)
        d_e, d_n = east_m - X[b, at.EAST], north_m - X[b, at.NORTH]
        if abs(c * d_e + s * d_n) < BESIDE_ALONG_M and abs(c * d_n - s * d_e) < BESIDE_ACROSS_M:
            continue  # it most likely is the vehicle itself
        if _hides(X, b, _size(tracks, b), radars, q, (east_m, north_m)):
            return True
    return False


@kernel
def is_in_sight(tracks: Tracks, t_ns: int, radars: F2, east_m: float, north_m: float) -> bool:
    """Return whether a place is in the field of a radar and in no shadow."""
    for q in range(radars.shape[0]):
        if is_in_field(radars, q, east_m, north_m) and not is_shaded(
            tracks, t_ns, radars, q, east_m, north_m
        ):
            return True
    return False


@kernel
def is_followed(ints: I2, i: int, t_ns: int, timeout_ns: float) -> bool:
    """Return whether radar saw track i within the time-out, or knows since then that it is hidden."""
    return bool(abs(t_ns - max(ints[i, at.RADAR_NS], ints[i, at.HIDDEN_NS])) <= timeout_ns)


@kernel(inner=True)
def note_missed(
    tracks: Tracks, scratch: Scratch, n_t: int, t: int, settings: Settings, q: int, t_ns: int
) -> None:
    """Note that radar q did not detect predicted track t, which lies in its field, at t_ns.

    A miss in its sight is evidence that the vehicle is gone, sum of ln(1 - P_D). In a shadow it is none: the
    track is followed while its prediction can't be taken for the next vehicle's.
    """
    ints, i, P = tracks.ints, scratch.rows[t], scratch.predicted.P
    unseen_ns = t_ns - ints[i, at.RADAR_NS]
    if unseen_ns <= MISS_FREE_NS:
        return
    if not is_hidden(tracks, scratch, n_t, t, settings, q):
        tracks.floats[i, at.MISSED] -= 0.5 * scratch.assignment.miss[t]
    elif (
        unseen_ns <= HIDDEN_NS_MAX
        and P[t, at.EAST, at.EAST] + P[t, at.NORTH, at.NORTH] <= HIDDEN_SIGMA_M_MAX**2
    ):
        ints[i, at.HIDDEN_NS] = max(t_ns, ints[i, at.HIDDEN_NS])


@kernel
def note_outside(tracks: Tracks, t_ns: int, settings: Settings, scratch: States) -> None:
    """Follow the tracks that may be outside all radars' fields, as those in a shadow.

    Between the fields of two radars of one pole lie some tens of metres that none sees: no scan can miss the
    vehicle there, and its track is not over.
    """
    ints, P = tracks.ints, scratch.P
    for i in range(tracks.tally[at.T_HIGH]):
        unseen_ns = t_ns - ints[i, at.RADAR_NS]
        if ints[i, at.STATUS] != at.CONFIRMED or not MISS_FREE_NS < unseen_ns <= HIDDEN_NS_MAX:
            continue
        predict_to(tracks.states, i, scratch, 0, max(t_ns - ints[i, at.STAMP], 0) * 1e-9, settings.tuning)
        if P[0, at.EAST, at.EAST] + P[0, at.NORTH, at.NORTH] > HIDDEN_SIGMA_M_MAX**2:
            continue
        outside = True
        for q in range(settings.radars.shape[0]):
            outside &= not is_surely_in_field(settings.radars, q, scratch, 0)
        if outside:
            ints[i, at.HIDDEN_NS] = max(t_ns, ints[i, at.HIDDEN_NS])


@kernel(inner=True)
def learn_p_seen(
    tracks: Tracks, scratch: Scratch, n_t: int, t: int, settings: Settings, q: int, t_ns: int
) -> None:
    """Learn how surely radar q detects a vehicle where predicted track t is; call it before its update.

    Only a confirmed track in its field and out of shadows counts, that was seen within MISS_FREE_NS: what was
    missed for longer may be gone.
    """
    i, X = scratch.rows[t], scratch.predicted.X
    detected = scratch.assignment.det_of[t] >= 0
    if tracks.ints[i, at.STATUS] != at.CONFIRMED or abs(t_ns - tracks.ints[i, at.RADAR_NS]) > MISS_FREE_NS:
        return
    if not is_in_field(settings.radars, q, X[t, at.EAST], X[t, at.NORTH]):
        return
    if not is_hidden(tracks, scratch, n_t, t, settings, q):
        note_looked(settings, q, cell_at(settings, q, X[t, at.EAST], X[t, at.NORTH]), detected)
