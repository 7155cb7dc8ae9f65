"""How a vehicle that only fixes measure came to drive against its lane: across it or turning, or not at all.

A place that is jammed, replayed or dragged jumps or slides onto the other carriageway, and the vehicle seems
to drive the wrong way there. It can't have come without its course showing it: who was on his own way has
turned since, or gone across by what his place did. A course is Doppler's: its error is not the place's.
"""

import math

from core.arrays import F1, F2
from core.kernel import kernel
from geofence.continuity import Sightings
from geofence.located import ALONG, OUT_SAME_WAY, U_EAST, U_NORTH
from geofence.state import CLAIM_USED, OWN_WAY, WAY_EAST, WAY_NORTH, WAY_SLIP_M

# No road bends so tightly, and every lorry turns more tightly: from one fix to the next the way that a course
# is held against follows the course by no more than such a bend
BEND_M = 30.0
BEND_RAD_MAX = 1.5  # however long the way between two fixes was
TURNED_RAD = 0.5  # a reported course that is so far from that way shows that the vehicle turned
# Of who reports no course, the velocity of his places counts: it must be further from his way, for so long
TURNED_PLACES_RAD = 1.0
TURNED_PLACES_M = 50.0
COURSE_MPS = 3.0  # slower, a course is noise
ALONG_SHARE = 0.8  # cosine from which a course is along the lane
# 1 sigma of what lasts of a course's error, as of geofence.crossing: what it shows within that is no way
OFF_RAD = 0.02
# The course must show at least this share of the way across that the place went. A truck that crosses at
# 1 m/s and drives 16 m/s shows two thirds of it: OFF_RAD takes off the rest
CROSSED_SHARE = 0.4
STEP_S_MAX = 2.0  # between two fixes; in a longer gap no way is known
OUT_M = 1.0  # out of its own lanes, before its way there is asked


@kernel(inner=True)
def _slip_mps(speed_mps: float, east: float, north: float, u_east: float, u_north: float) -> float:
    """Return the velocity to the left of the road, driving ahead, less what may be the course's error."""
    forward = 1.0 if u_east * east + u_north * north >= 0.0 else -1.0
    slip = speed_mps * forward * (u_east * north - u_north * east)
    return math.copysign(max(abs(slip) - OFF_RAD * speed_mps, 0.0), slip)


@kernel(inner=True)
def _turned_rad(step_m: float, east: float, north: float, drift: F1) -> float:
    """Return how far a course is from the way that it is held against; that follows it as roads bend."""
    was_east, was_north = drift[WAY_EAST], drift[WAY_NORTH]
    off_rad = math.atan2(was_east * north - was_north * east, was_east * east + was_north * north)
    bend_rad = min(step_m / BEND_M, BEND_RAD_MAX)
    if abs(off_rad) <= max(TURNED_PLACES_RAD, bend_rad):  # beyond, no bend explains it
        turn_rad = math.copysign(min(abs(off_rad), bend_rad), off_rad)
        cos, sin = math.cos(turn_rad), math.sin(turn_rad)
        drift[WAY_EAST] = was_east * cos - was_north * sin
        drift[WAY_NORTH] = was_north * cos + was_east * sin
        off_rad -= turn_rad
    return abs(off_rad)


@kernel(inner=True)
def follow_way(i: int, last_ns: int, stamp_ns: int, found: F2, x: F2, seen: Sightings, drift: F1) -> None:
    """Note whether track i was on its own way last, and nothing shows that it left it; drift : its row.

    found : (n, FOUND).  x : (n, 4) place and velocity.  last_ns : stamp of its measurement before
    """
    along = found[i, ALONG]
    if drift[CLAIM_USED] == 0.0:  # radar shows where it is
        drift[WAY_SLIP_M] = drift[WAY_EAST] = drift[WAY_NORTH] = 0.0
        if along == along:
            drift[OWN_WAY] = 1.0 if along > 0.0 else 0.0
        return
    if not (seen.is_fix[i] and seen.fix_ns[i] == stamp_ns and stamp_ns > last_ns):
        return
    if along > 0.0:
        drift[OWN_WAY], drift[WAY_SLIP_M] = 1.0, 0.0
    track_mps, speed_mps, course_rad = math.hypot(x[i, 2], x[i, 3]), seen.speed_mps[i], seen.course_rad[i]
    reports = speed_mps == speed_mps and course_rad == course_rad
    if not reports:
        speed_mps, course_rad = track_mps, math.atan2(x[i, 3], x[i, 2])
    if not speed_mps >= COURSE_MPS:
        return
    east, north = math.cos(course_rad), math.sin(course_rad)
    is_known = drift[WAY_EAST] != 0.0 or drift[WAY_NORTH] != 0.0
    if not is_known or along > ALONG_SHARE * track_mps:
        drift[WAY_EAST], drift[WAY_NORTH] = east, north
        return
    dt_s = (stamp_ns - last_ns) * 1e-9
    turned_rad = _turned_rad(speed_mps * dt_s, east, north, drift)
    if along > 0.0 or drift[OWN_WAY] == 0.0:
        return
    # the length of the way that a course is held against: 1 m, and what places alone were driven back since
    length_m = math.hypot(drift[WAY_EAST], drift[WAY_NORTH])
    if reports or turned_rad <= TURNED_PLACES_RAD:  # a place that jumps shows another velocity for a moment
        now_m = 1.0
    else:
        now_m = length_m + (speed_mps * dt_s if dt_s <= STEP_S_MAX else 0.0)
    drift[WAY_EAST] *= now_m / length_m
    drift[WAY_NORTH] *= now_m / length_m
    if not reports:
        if now_m > TURNED_PLACES_M:
            drift[OWN_WAY] = 0.0
        return
    if turned_rad > TURNED_RAD:
        drift[OWN_WAY] = 0.0
        return
    slip_mps = _slip_mps(speed_mps, east, north, found[i, U_EAST], found[i, U_NORTH])
    if dt_s <= STEP_S_MAX and slip_mps == slip_mps:
        drift[WAY_SLIP_M] += dt_s * slip_mps
    out_m = found[i, OUT_SAME_WAY]
    if out_m >= OUT_M and abs(drift[WAY_SLIP_M]) >= CROSSED_SHARE * out_m:
        drift[OWN_WAY] = 0.0
