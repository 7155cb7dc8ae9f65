"""Where each radar saw a vehicle within a second, as a mean, and how errors of its pose would displace that.

One detection has an azimuth error of half a metre at 150 m; the mean of a second's has a tenth of it. What is
left are the parts that last: see `Work.var`. With d the way from the surveyed radar to the mean place, u its
unit vector, v the vehicle's velocity, h its direction and f the end that the radar faces (`fusion.extent`),
the centre of the vehicle lies at

    place + extent * f * h + (east, north) + rotation * perp(d) + time * v - range * u
"""

import math
from typing import NamedTuple

from core.arrays import F1, F2
from core.kernel import kernel
from fusion import layout as at
from fusion.body_sizes import extent_prior, known_length
from fusion.extent import end_facing, scatter
from fusion.flank import CHANCE_CLOSED, EXTENT_M_MIN, by_lambert
from fusion.layout import Rings, Tracks

EAST, NORTH, ROTATION, TIME, RANGE = 0, 1, 2, 3, 4
N_ERRORS = 5
AROUND_NS = 500_000_000  # a mean is over so long before and after: a manoeuvre of 2 m/s^2 adds 0.08 m
# Variance of a radar's own errors that is not new in each scan: multipath and the antenna's pattern change as
# the target moves by some metres
ALIKE_SHARE = 0.1
SUM_EAST, SUM_NORTH, SUM_DT, COUNT, OBJECTS = 0, 1, 2, 3, 4  # columns of `Work.place`
FRESH, WHILE, BODY = 0, 2, 4  # columns of `Work.var`, each along the beam, then across it


class Radars(NamedTuple):
    """Radars as surveyed and as the tracker uses them."""

    survey: F2  # (m, N_POSE)
    used: F2  # (m, N_POSE)
    applied: F2  # (m, N_ERRORS)


class Work(NamedTuple):
    """Memory that each call overwrites; the rows of radars whose COUNT is 0 are not valid."""

    # (m, 5) mean place east and north, mean time from the one asked [s], number of detections, and of objects
    place: F2
    J: F2  # (2 m, N_ERRORS) its derivatives by the errors: along the beam, across it
    # (m, 6) variances of the mean along and across the beam: new each second; that stays for about a second;
    # of the body's size, which stays as long as the vehicle passes
    var: F2
    beam: F2  # (m, 2) cosine and sine of the beam
    row: F1  # (N_FILTER,)
    own: F1  # (N_ERRORS,)
    small: F2  # (N_ERRORS, N_ERRORS)


@kernel(inner=True)
def _add(tracks: Tracks, rings: Rings, radars: Radars, i: int, slot: int, t_ns: int, work: Work) -> None:
    """Add the detection in ring slot `slot` of track i, taken to t_ns, to its radar's row of `work`."""
    X, meas = tracks.states.X, rings.meas
    q = int(meas[i, slot, at.SOURCE])
    r_e, r_n = radars.survey[q, at.R_EAST], radars.survey[q, at.R_NORTH]
    if meas[i, slot, at.WHAT] == at.POLAR:
        slant = meas[i, slot, at.Z_RANGE] + radars.applied[q, RANGE]
        ground = math.sqrt(max(slant * slant - radars.survey[q, at.R_DROP] ** 2, 1.0))
        bearing = meas[i, slot, at.Z_AZIMUTH] + radars.survey[q, at.R_BORESIGHT]
        d_e, d_n = ground * math.cos(bearing), ground * math.sin(bearing)
    else:
        turn = radars.survey[q, at.R_BORESIGHT] - radars.used[q, at.R_BORESIGHT]
        o_e = meas[i, slot, at.Z_EAST] - radars.used[q, at.R_EAST]
        o_n = meas[i, slot, at.Z_NORTH] - radars.used[q, at.R_NORTH]
        d_e = math.cos(turn) * o_e - math.sin(turn) * o_n
        d_n = math.sin(turn) * o_e + math.cos(turn) * o_n
        work.place[q, OBJECTS] += 1.0
    dt_s = (t_ns - rings.stamps[i, slot]) * 1e-9 - radars.applied[q, TIME]  # of the stamp as it came
    work.place[q, SUM_EAST] += r_e + d_e + X[i, at.V_EAST] * dt_s
    work.place[q, SUM_NORTH] += r_n + d_n + X[i, at.V_NORTH] * dt_s
    work.place[q, SUM_DT] += dt_s
    work.place[q, COUNT] += 1.0


@kernel(inner=True)
def _describe(tracks: Tracks, radars: Radars, i: int, q: int, work: Work) -> bool:
    """Turn the sums of radar q into the mean place of the centre of track i; write what it depends on.

    Returns False, of a place that is not to be used, where the radar sees the vehicle askew. How the point
    comes in from the end as the beam turns differs from body to body (flanks, tanks, cabs) and is assumed to
    be that of an ellipse: decimetres off for all vehicles alike, which look like wrong ranges and places.
    """
    X, P, place, radar = tracks.states.X, tracks.states.P, work.place, radars.survey[q]
    n = place[q, COUNT]
    for a in range(COUNT):
        place[q, a] /= n
    d_e, d_n = place[q, SUM_EAST] - radar[at.R_EAST], place[q, SUM_NORTH] - radar[at.R_NORTH]
    ground = max(math.sqrt(d_e * d_e + d_n * d_n), 1.0)
    u_e, u_n = d_e / ground, d_n / ground
    v_e, v_n = X[i, at.V_EAST], X[i, at.V_NORTH]
    speed = max(math.sqrt(v_e * v_e + v_n * v_n), 1e-9)
    h_e, h_n = v_e / speed, v_n / speed
    along = u_e * h_e + u_n * h_n
    length, length_var = known_length(tracks, i)
    share, share_var = radars.used[q, at.R_SHARE], radars.used[q, at.R_SHARE_VAR]
    extent, sigma = extent_prior(length, length_var, share, share_var)
    if extent > EXTENT_M_MIN and by_lambert(along) > CHANCE_CLOSED:
        return False
    f, _ = end_facing(along)
    place[q, SUM_EAST] += extent * f * h_e
    place[q, SUM_NORTH] += extent * f * h_n
    end, flank = scatter(extent, f)
    used, var = radars.used[q], work.var[q]
    moved = (P[i, at.V_EAST, at.V_EAST] + P[i, at.V_NORTH, at.V_NORTH]) / 2.0 * place[q, SUM_DT] ** 2
    work.beam[q, 0], work.beam[q, 1] = u_e, u_n
    for a in range(2):  # along the beam, then across it (to the left)
        c, s = (u_e, u_n) if a == 0 else (-u_n, u_e)
        row = work.J[2 * q + a]
        row[EAST], row[NORTH] = c, s
        row[ROTATION] = ground if a == 1 else 0.0
        row[TIME] = c * v_e + s * v_n
        row[RANGE] = -1.0 if a == 0 and place[q, OBJECTS] == 0.0 else 0.0
        own = radar[at.R_S_RANGE] if a == 0 else radar[at.R_S_AZIMUTH] * ground
        ahead = (c * h_e + s * h_n) ** 2
        white = ahead * used[at.R_ALONG_WHITE] * end + (1.0 - ahead) * used[at.R_ACROSS_WHITE]
        slow = ahead * used[at.R_ALONG_SLOW] * end + (1.0 - ahead) * used[at.R_ACROSS_SLOW]
        var[FRESH + a] = ((1.0 - ALIKE_SHARE) * own * own + white) / n + moved
        var[WHILE + a] = ALIKE_SHARE * own * own + slow
        var[BODY + a] = ahead * (f * f * sigma * sigma + flank)
    return True


@kernel(inner=True)
def observe(tracks: Tracks, rings: Rings, radars: Radars, i: int, t_ns: int, work: Work) -> int:
    """Write each radar's mean place of track i around t_ns to `work`; return how many radars saw it."""
    size, n = rings.stamps.shape[1], 0
    for q in range(radars.survey.shape[0]):
        for a in range(OBJECTS + 1):
            work.place[q, a] = 0.0
    k = tracks.ints[i, at.RING_LEN] - 1
    while k >= 0:
        slot = (tracks.ints[i, at.RING_HEAD] + k) % size
        gap_ns = t_ns - rings.stamps[i, slot]
        if gap_ns > AROUND_NS:
            break
        what = rings.meas[i, slot, at.WHAT]
        of_end = (what == at.POLAR or what == at.OBJECT) and rings.meas[i, slot, at.Z_FLANK] == 0.0
        if gap_ns >= -AROUND_NS and of_end:
            _add(tracks, rings, radars, i, slot, t_ns, work)
        k -= 1
    for q in range(radars.survey.shape[0]):
        if work.place[q, COUNT] > 0.0 and _describe(tracks, radars, i, q, work):
            n += 1
        else:
            work.place[q, COUNT] = 0.0
    return n
