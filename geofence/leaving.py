"""Tracks whose prediction has left the road: their vehicles reached the end of what the map shows."""

import math

import numpy as np

from core.arrays import B1, F1, F2, F3, Bools
from core.kernel import checked_once, kernel
from fusion.tracks import TrackBatch
from geofence.map.strips import MASK_ALL, Strips
from geofence.off_lanes import distance_to_lanes_m, is_on_lane

SIGMAS = 2.0  # so far outside a place is off the lanes, and so near it may be on one
FAR_M = 1_000.0  # distances beyond it are this
SIGMA_M_MIN = 0.01
# Radar may see a vehicle for a moment beyond the map's end: the lane lies straight behind it then, a little
# more than its distance back along the course. What is seen for longer shows that sight does not end there
BACK_SHARE, BEYOND_S = 1.5, 1.0


@kernel(inner=True)
def _off_m(x: F2, P: F3, bias_m: F1, i: int, strips: Strips) -> float:
    """Return how far place i lies outside every lane [m]; 0 on one, or within SIGMAS of its error."""
    if is_on_lane(x[i, 0], x[i, 1], strips, MASK_ALL):  # nearly all are: no search over the whole map
        return 0.0
    sigma_m = math.sqrt(max(P[i, 0, 0] + P[i, 1, 1], 0.0) + 2.0 * bias_m[i] ** 2)
    away_m = distance_to_lanes_m(x[i, 0], x[i, 1], strips, MASK_ALL, FAR_M)
    return away_m if away_m / max(sigma_m, SIGMA_M_MIN) > SIGMAS else 0.0


@kernel
def _off_lanes(x: F2, P: F3, bias_m: F1, strips: Strips, off: B1) -> None:
    """Fill off (n,): which places lie more than SIGMAS of their errors outside every lane."""
    for i in range(x.shape[0]):
        off[i] = _off_m(x, P, bias_m, i, strips) > 0.0


@kernel
def _beside_lanes(x: F2, P: F3, bias_m: F1, strips: Strips, beside: B1) -> None:
    """Fill beside (n,): which places lie outside every lane, and not just beyond the end of one."""
    for i in range(x.shape[0]):
        off_m = _off_m(x, P, bias_m, i, strips)
        beside[i] = off_m > 0.0
        speed = math.hypot(x[i, 2], x[i, 3])
        if 0.0 < off_m <= BEYOND_S * speed:
            back = BACK_SHARE * off_m / speed
            beside[i] = not is_on_lane(x[i, 0] - back * x[i, 2], x[i, 1] - back * x[i, 3], strips, MASK_ALL)


_off_lanes_once, _beside_lanes_once = checked_once(_off_lanes), checked_once(_beside_lanes)


def has_left_lanes(strips: Strips, last: TrackBatch, now: TrackBatch) -> Bools:
    """Return the mask (n,) of tracks that were on a lane when last measured and are predicted off every lane.

    last, now : the same n tracks, at their last measurements and predicted. A vehicle that was beside the
    lanes already, in a lay-by or by its terminal's error, has not left them; one that was just beyond their
    end has.
    """
    off: Bools = np.zeros(len(now), dtype=np.bool_)
    beside: Bools = np.zeros(len(last), dtype=np.bool_)
    _off_lanes_once(now.x, now.P, now.bias_m, strips, off)
    _beside_lanes_once(last.x, last.P, last.bias_m, strips, beside)
    return off & ~beside
