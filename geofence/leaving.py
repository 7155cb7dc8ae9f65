"""Tracks whose prediction has left the road: their vehicles reached the end of what the map shows."""

import math

import numpy as np

from core.arrays import F64, Bools
from fusion.tracks import TrackBatch
from geofence.kernels import distance_to_lanes_m
from geofence.map.strips import MASK_ALL, Strips

SIGMAS = 2.0  # so far outside a place is off the lanes, and so near it may be on one
FAR_M = 1_000.0  # distances beyond it are this


def has_left_lanes(strips: Strips, last: TrackBatch, now: TrackBatch) -> Bools:
    """Return the mask (n,) of tracks that were on a lane when last measured and are predicted off every lane.

    last, now : the same n tracks, at their last measurements and predicted. A vehicle that was beside the
    lanes already, in a lay-by or by its terminal's error, has not left them.
    """
    off = [_outside_sigmas(strips, now, i) > SIGMAS for i in range(len(now))]
    was_on = [is_off and _outside_sigmas(strips, last, i) <= SIGMAS for i, is_off in enumerate(off)]
    return np.array(was_on, dtype=np.bool_)


def _outside_sigmas(strips: Strips, tracks: TrackBatch, i: int) -> float:
    """Return how far track i is outside every lane, in sigmas of its position; 0 on a lane."""
    cov: F64 = tracks.P[i]
    sigma_m = math.sqrt(max(cov[0, 0] + cov[1, 1], 0.0) + 2.0 * float(tracks.bias_m[i]) ** 2)
    east_m, north_m = float(tracks.x[i, 0]), float(tracks.x[i, 1])
    return distance_to_lanes_m(east_m, north_m, strips, MASK_ALL, FAR_M) / max(sigma_m, 0.01)
