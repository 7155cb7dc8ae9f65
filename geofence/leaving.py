"""Tracks whose prediction has left the road: their vehicles reached the end of what the map shows."""

import math

import numpy as np

from core.arrays import F1, F2, F3, F64, Bools
from core.kernel import checked_once, kernel
from fusion.tracks import TrackBatch
from geofence.kernels import distance_to_lanes_m, is_on_lane
from geofence.map.strips import MASK_ALL, Strips

SIGMAS = 2.0  # so far outside a place is off the lanes, and so near it may be on one
FAR_M = 1_000.0  # distances beyond it are this
SIGMA_M_MIN = 0.01
# What was no further off when last measured may come from a lane: the longest vehicle's length. Radar sees
# vehicles drive on where the map ends
DROVE_OUT_M = 20.0


@kernel
def _away(x: F2, P: F3, bias_m: F1, strips: Strips, away_m: F1, sigma_m: F1) -> None:
    """Fill away_m (n,), the distance of places from every lane, and sigma_m (n,), their error."""
    for i in range(x.shape[0]):
        away_m[i] = sigma_m[i] = 0.0
        if is_on_lane(x[i, 0], x[i, 1], strips, MASK_ALL):  # nearly all are: no search over the whole map
            continue
        sigma_m[i] = math.sqrt(max(P[i, 0, 0] + P[i, 1, 1], 0.0) + 2.0 * bias_m[i] ** 2)
        away_m[i] = distance_to_lanes_m(x[i, 0], x[i, 1], strips, MASK_ALL, FAR_M)


_away_once = checked_once(_away)


def has_left_lanes(strips: Strips, last: TrackBatch, now: TrackBatch) -> Bools:
    """Return the mask (n,) of tracks that were on a lane when last measured and are predicted off every lane.

    last, now : the same n tracks, at their last measurements and predicted. What was beside the lanes already
    (beyond its error) has left them if it was near and is predicted to be so much further away: at the end of
    the map, radar sees vehicles drive on for some metres. In a lay-by, or beside the lanes by its terminal's
    error, it keeps its distance.
    """
    was_m, was_sigma_m = _away_from_lanes(strips, last)
    is_m, sigma_m = _away_from_lanes(strips, now)
    beside_m = np.maximum(was_m - SIGMAS * was_sigma_m, 0.0)
    gone: Bools = (is_m - beside_m > SIGMAS * np.maximum(sigma_m, SIGMA_M_MIN)) & (beside_m <= DROVE_OUT_M)
    return gone


def _away_from_lanes(strips: Strips, tracks: TrackBatch) -> tuple[F64, F64]:
    """Return distance from every lane and sigma (n,) of the tracks' places."""
    away_m, sigma_m = np.zeros(len(tracks)), np.zeros(len(tracks))
    _away_once(tracks.x, tracks.P, tracks.bias_m, strips, away_m, sigma_m)
    return away_m, sigma_m
