"""Tracks whose prediction has left the road: their vehicles reached the end of what the map shows."""

import math

import numpy as np

from core.arrays import B1, F1, F2, F3, Bools
from core.kernel import checked_once, kernel
from fusion.tracks import TrackBatch
from geofence.kernels import distance_to_lanes_m, is_on_lane
from geofence.map.strips import MASK_ALL, Strips

SIGMAS = 2.0  # so far outside a place is off the lanes, and so near it may be on one
FAR_M = 1_000.0  # distances beyond it are this
SIGMA_M_MIN = 0.01
DRIVES_MPS = 5.0  # faster nobody enters or leaves a lay-by, so close to the lanes that radar sees it


@kernel
def _off_lanes(x: F2, P: F3, bias_m: F1, strips: Strips, off: B1) -> None:
    """Fill off (n,): which places lie more than SIGMAS of their errors outside every lane."""
    for i in range(x.shape[0]):
        if is_on_lane(x[i, 0], x[i, 1], strips, MASK_ALL):  # nearly all are: no search over the whole map
            off[i] = False
            continue
        sigma_m = math.sqrt(max(P[i, 0, 0] + P[i, 1, 1], 0.0) + 2.0 * bias_m[i] ** 2)
        away_m = distance_to_lanes_m(x[i, 0], x[i, 1], strips, MASK_ALL, FAR_M)
        off[i] = away_m / max(sigma_m, SIGMA_M_MIN) > SIGMAS


_off_lanes_once = checked_once(_off_lanes)


def has_left_lanes(strips: Strips, last: TrackBatch, now: TrackBatch) -> Bools:
    """Return the mask (n,) of tracks that are predicted off every lane, and were not beside them to stay.

    last, now : the same n tracks, at their last measurements and predicted. A vehicle that was beside the
    lanes already, in a lay-by or by its terminal's error, has not left them; one that radar saw drive there
    has: a radar that tracks by itself goes on for a while behind the end of the road.
    """
    drives = np.hypot(last.x[:, 2], last.x[:, 3]) > DRIVES_MPS
    went_on = drives & (last.radar_ns > 0) & (last.radar_ns >= last.gnss_ns)
    return _are_off(strips, now) & (~_are_off(strips, last) | went_on)


def _are_off(strips: Strips, tracks: TrackBatch) -> Bools:
    off: Bools = np.zeros(len(tracks), dtype=np.bool_)
    _off_lanes_once(tracks.x, tracks.P, tracks.bias_m, strips, off)
    return off
