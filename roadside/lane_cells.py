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
# A vertex that a survey puts 0.1 m aside bends a line of such chords by 4e-4/m: 0.2 m/s^2 at 22 m/s
CHORD_M, CHORD_M_MIN = 25.0, 12.0


class LanePoints(NamedTuple):
    """Points on all lanes of a map (n, 2), site metres; driving direction [rad] and curvature [1/m] there."""

    places: F64
    directions: F64
    bends: F64  # positive to the left


def points_of(lanes: Sequence[Lane]) -> LanePoints:
    """Return so many points of each lane that it has some in each square that it touches."""
    found = [LanePoints(np.zeros((0, 2)), np.zeros(0), np.zeros(0))]
    for lane in lanes:
        left, right = pair(lane.left_boundary, lane.right_boundary)
        found += [_walked(share * left + (1.0 - share) * right) for share in ACROSS]
    places, directions, bends = zip(*found, strict=True)
    return LanePoints(np.vstack(places), np.concatenate(directions), np.concatenate(bends))


def cells_of(points: LanePoints, radars: Sequence[RadarPose]) -> LaneCells:
    """Return the cells of the lanes that these radars see."""
    if not radars or not len(points.places):
        return no_lanes()
    places = np.array([(radar.east_m, radar.north_m) for radar in radars])
    reach = np.array([radar.range_m_max for radar in radars])[:, None]
    low = np.floor((places - reach).min(axis=0) / SQUARE_M) * SQUARE_M
    high = (places + reach).max(axis=0)
    return lane_cells(points.places, points.directions, low, high, points.bends)


def _walked(line: F64) -> LanePoints:
    """Return points each STEP_M along a line (n, 2), the line's direction and its curvature there."""
    ways = np.diff(line, axis=0)
    long_m = np.hypot(*ways.T)
    n = np.maximum(np.ceil(long_m / STEP_M).astype(np.int64), 1)
    of = np.repeat(np.arange(len(ways)), n)
    share = (np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + 0.5) / n[of]
    places = line[:-1][of] + share[:, None] * ways[of]
    at_m = (np.cumsum(long_m) - long_m)[of] + share * long_m[of]
    return LanePoints(places, np.arctan2(ways[of, 1], ways[of, 0]), _bends(line, long_m, at_m))


def _bends(line: F64, long_m: F64, at_m: F64) -> F64:
    """Return the curvature of a line (n, 2) at lengths along it (k,): of the circle through three points.

    They lie CHORD_M apart, less on a shorter line, and as near to the place as the ends allow. NaN: the line
    is too short to say.
    """
    length_m = np.concatenate([[0.0], np.cumsum(long_m)])
    chord_m = min(CHORD_M, length_m[-1] / 2.0)
    if chord_m < CHORD_M_MIN:
        return np.full(len(at_m), np.nan)
    middle_m = np.clip(at_m, chord_m, length_m[-1] - chord_m)
    before, here, after = (
        np.stack([np.interp(middle_m + off_m, length_m, line[:, a]) for a in (0, 1)], axis=1)
        for off_m in (-chord_m, 0.0, chord_m)
    )
    one, other, both = here - before, after - here, after - before
    crossed = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]
    sides_m3 = np.prod([np.hypot(*way.T) for way in (one, other, both)], axis=0)
    found: F64 = np.divide(2.0 * crossed, sides_m3, out=np.full(len(at_m), np.nan), where=sides_m3 > 0.0)
    return found
