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

TURNED_COS = math.cos(0.5)  # from one fix to the next: no road bends so within a second or two
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
def follow_way(i: int, last_ns: int, stamp_ns: int, found: F2, seen: Sightings, drift: F1) -> None:
    """Note whether track i was on its own way last, and nothing shows that it left it; drift : its row.

    found : (n, FOUND).  last_ns : stamp of its measurement before
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
    speed_mps, course_rad = seen.speed_mps[i], seen.course_rad[i]
    if not (speed_mps > 0.0 and course_rad == course_rad):
        drift[WAY_EAST] = drift[WAY_NORTH] = 0.0
        return
    east, north = math.cos(course_rad), math.sin(course_rad)
    before_east, before_north = drift[WAY_EAST], drift[WAY_NORTH]
    drift[WAY_EAST], drift[WAY_NORTH] = east, north
    is_known = before_east != 0.0 or before_north != 0.0
    if along > 0.0 or drift[OWN_WAY] == 0.0 or not is_known:
        return
    if east * before_east + north * before_north < TURNED_COS:
        drift[OWN_WAY] = 0.0
        return
    dt_s = (stamp_ns - last_ns) * 1e-9
    slip_mps = _slip_mps(speed_mps, east, north, found[i, U_EAST], found[i, U_NORTH])
    if dt_s <= STEP_S_MAX and slip_mps == slip_mps:
        drift[WAY_SLIP_M] += dt_s * slip_mps
    out_m = found[i, OUT_SAME_WAY]
    if out_m >= OUT_M and abs(drift[WAY_SLIP_M]) >= CROSSED_SHARE * out_m:
        drift[OWN_WAY] = 0.0
