"""The map's lanes as cells for the tracker, over the fields of view of an RSU's radars."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import F64
from fusion.config import RadarPose
from fusion.lanes import SQUARE_M, lane_cells, no_lanes
from fusion.layout import LaneCells
from geofence.map.reading import Lane
from geofence.map.ruling import pair

ACROSS = (0.1, 0.5, 0.9)  # lines along a lane, as shares of its width: they touch each square of it
STEP_M = SQUARE_M / 2.0


class LanePoints(NamedTuple):
    """Points on all lanes of a map (n, 2), site metres, and the driving direction at each [rad]."""

    places: F64
    directions: F64


def points_of(lanes: Sequence[Lane]) -> LanePoints:
    """Return so many points of each lane that it has some in each square that it touches."""
    found = [LanePoints(np.zeros((0, 2)), np.zeros(0))]
    for lane in lanes:
        left, right = pair(lane.left_boundary, lane.right_boundary)
        found += [_walked(share * left + (1.0 - share) * right) for share in ACROSS]
    places, directions = zip(*found, strict=True)
    return LanePoints(np.vstack(places), np.concatenate(directions))


def cells_of(points: LanePoints, radars: Sequence[RadarPose]) -> LaneCells:
    """Return the cells of the lanes that these radars see."""
    if not radars or not len(points.places):
        return no_lanes()
    places = np.array([(radar.east_m, radar.north_m) for radar in radars])
    reach = np.array([radar.range_m_max for radar in radars])[:, None]
    low = np.floor((places - reach).min(axis=0) / SQUARE_M) * SQUARE_M
    high = (places + reach).max(axis=0)
    return lane_cells(points.places, points.directions, low, high)


def _walked(line: F64) -> LanePoints:
    """Return points each STEP_M along a line (n, 2), and the line's direction there."""
    ways = np.diff(line, axis=0)
    long_m = np.hypot(*ways.T)
    n = np.maximum(np.ceil(long_m / STEP_M).astype(np.int64), 1)
    of = np.repeat(np.arange(len(ways)), n)
    share = (np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + 0.5) / n[of]
    return LanePoints(line[:-1][of] + share[:, None] * ways[of], np.arctan2(ways[of, 1], ways[of, 0]))
