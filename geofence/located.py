"""The places of tracks on the map, as the monitor judges them and the snapshot shows them."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.arrays import F64, I32, I64, U8, Bools

NO_LANE = 65_535
# columns of `found`, which geofence.kernels.locate fills in: station and offset of the axis, distances from
# the lane's boundaries, 1 sigma across, probability of the lane; how far outside the permitted and all lanes
# of the cross-section; the lane's direction, speed along it, how far outside lanes of its way; limit; whether
# it is beyond the end of its lane, where the map ends; number + 1 of the lane to be remembered, 0 none;
# offset from the middle of the nearest lanes that permit it, positive to the left, and half their width; 1:
# nothing is judged of the lane (geofence.locate); the same two of the nearest lanes of all; station of its
# lane's road, where that has an axis of its own. OFFSET is NaN on lanes far from the site's axis
S, OFFSET, LEFT, RIGHT, SIGMA, P_LANE, OUT_PERMITTED, OUT_ANY = range(8)
U_EAST, U_NORTH, ALONG, OUT_SAME_WAY, LIMIT, BEYOND_END, HELD, ACROSS, HALF_SPAN, UNJUDGED = range(8, 18)
ACROSS_ANY, HALF_SPAN_ANY = 18, 19
ROAD_S = 20
FOUND = 21


@dataclass(slots=True, kw_only=True)  # frozen, it would cost 1 us for each observation
class Located:
    """n tracks as parallel columns, in the order of their TrackBatch."""

    lane: I32  # (n,) index into RoadMap.lanes, 65535 none
    s_m: F64  # (n,) station along the site's axis, NaN without one
    d_m: F64  # (n,) vehicle's centre, left of the lane's centre positive; NaN off the lanes
    sigma_d_m: F64  # (n,) 1 sigma of it; also beside a lane within reach
    p_lane: F64  # (n,) probability of being in that lane
    undecidable: Bools  # (n,) a departure might be missed: the position is too uncertain, or not enforced
    vehicle: I32  # (n,) row in the monitor's vehicles, -1 unknown
    kind: U8  # (n,) class after the registry
    found: F64  # (n, FOUND) the kernel's columns, above
    rows: I64  # (n,) of the monitor's State, -1 for tentative tracks
    terminal_ids: Sequence[str]  # of the tracker, by TrackBatch.terminal
