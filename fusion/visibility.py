"""Which tracks a radar can see: in its field of view and in no shadow; and what a miss means then."""

import math

from core.arrays import F2, I2
from core.kernel import kernel
from fusion import layout as at
from fusion.extent import EXTENT_DRIFT
from fusion.layout import Scratch, Settings, States, Tracks
from fusion.models import predict_to
from fusion.radar_field import cell_at, note_looked
from fusion.shadows import BESIDE_ACROSS_M, is_in_shadow, is_shaded

MISS_FREE_NS = 250_000_000  # fades last about so long: misses until then are one
# So long a hidden track is followed, and to so many metres its place must be known: beyond a car's length
# it may be the next vehicle's
HIDDEN_NS_MAX, HIDDEN_SIGMA_M_MAX = 5_000_000_000, 5.0
ROUNDING_M = 1e-3
ALL_ROUND_RAD = 0.05  # a field that leaves no more behind it has no sides


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
def is_surely_outside(
    radars: F2, q: int, states: States, i: int, dt_s: float, margin: tuple[float, float], sigmas: float
) -> bool:
    """Return whether row i will be out of radar q's range, or behind it, dt_s later.

    Without the prediction, of which the bend turns the place by no more than a half of it. A radar at a road
    sees a fifth of an RSU's tracks; to predict the others as well would take longer than to fuse those.
    margin : so far outside its field it sees [rad, m];  sigmas : of the extent of a body across the edge
    """
    X = states.X
    turned_m = 0.5 * dt_s * dt_s * abs(X[i, at.BEND]) + ROUNDING_M
    d_e = X[i, at.EAST] + dt_s * X[i, at.V_EAST] - radars[q, at.R_EAST]
    d_n = X[i, at.NORTH] + dt_s * X[i, at.V_NORTH] - radars[q, at.R_NORTH]
    flat2, seen_m = d_e * d_e + d_n * d_n, radars[q, at.R_RANGE] + margin[1] + turned_m
    if flat2 > seen_m * seen_m:
        return True
    if radars[q, at.R_HALF_FOV] > math.pi / 2.0:  # behind it is not outside
        return False
    off_m = -within_edge_m(radars, q, d_e, d_n) - turned_m
    if not off_m > margin[0] * (math.sqrt(flat2) + turned_m):
        return False
    extent = X[i, at.EXTENT]
    var = states.P[i, at.EXTENT, at.EXTENT] + dt_s * (EXTENT_DRIFT * extent) ** 2
    return bool(off_m > abs(extent) + sigmas * math.sqrt(var) + ROUNDING_M)


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
def is_hidden(scratch: Scratch, t: int, settings: Settings, q: int) -> bool:
    """Return whether a vehicle that the present scan detects hides predicted track t from radar q."""
    X = scratch.predicted.X
    return bool(is_in_shadow(scratch.shadows, settings.radars, q, X[t, at.EAST], X[t, at.NORTH]))


@kernel(inner=True)
def may_be_glimpsed(scratch: Scratch, t: int, settings: Settings, q: int) -> bool:
    """Return whether a miss of new track t says nothing: it is hidden, and its place still known.

    A detection alone does not know its velocity across the beam: soon the next lane's vehicle would be taken
    for it, as one that moves aside.
    """
    P = scratch.predicted.P
    if P[t, at.EAST, at.EAST] + P[t, at.NORTH, at.NORTH] > BESIDE_ACROSS_M**2:
        return False
    return bool(is_hidden(scratch, t, settings, q))


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
def note_missed(tracks: Tracks, scratch: Scratch, t: int, settings: Settings, q: int, t_ns: int) -> None:
    """Note that radar q did not detect predicted track t, which lies in its field, at t_ns.

    A miss in its sight is evidence that the vehicle is gone, sum of ln(1 - P_D). In a shadow it is none: the
    track is followed while its prediction can't be taken for the next vehicle's.
    """
    ints, i, P = tracks.ints, scratch.rows[t], scratch.predicted.P
    unseen_ns = t_ns - ints[i, at.RADAR_NS]
    if unseen_ns <= MISS_FREE_NS:
        return
    if not is_hidden(scratch, t, settings, q):
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
def learn_p_seen(tracks: Tracks, scratch: Scratch, t: int, settings: Settings, q: int, t_ns: int) -> None:
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
    if not is_hidden(scratch, t, settings, q):
        note_looked(settings, q, cell_at(settings, q, X[t, at.EAST], X[t, at.NORTH]), detected)
