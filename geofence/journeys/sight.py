"""What a look at a vehicle has for what its journey may break, beside its place and speed. Pure."""

from typing import NamedTuple

import numpy as np

from core.arrays import F64, I64
from fusion.tracks import TrackBatch
from geofence.journeys.following import Look
from geofence.located import Located


class Sight(NamedTuple):
    """Where a vehicle is now and was at the look just before, and how certain that is."""

    places: F64  # (k, 2) site metres, k 1: there was none just before
    stamps: I64  # (k,)
    before_ns: int  # of the last look, however long ago; 0: there was none
    sigma_m: float  # of the place, the mean of both axes
    road: str | None  # of its lane; None: off the lanes
    p_lane: float


def sight_of(
    i: int, look: Look, tracks: TrackBatch, located: Located, road: str | None,
    came_from: tuple[float, float, int] | None, before_ns: int,
) -> Sight:  # fmt: skip
    """Return the sight of track i; came_from : place and stamp of the look just before."""
    sigma_m = float(np.hypot(np.sqrt(np.trace(tracks.P[i, :2, :2]) / 2.0), tracks.bias_m[i]))
    places, stamps = tracks.x[i : i + 1, :2], [look.t_ns]
    if came_from is not None:
        places, stamps = np.vstack([came_from[:2], places]), [came_from[2], look.t_ns]
    return Sight(places, np.array(stamps), before_ns, sigma_m, road, float(located.p_lane[i]))
