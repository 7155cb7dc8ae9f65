"""The stations of the hazmat lanes that the simulated radars see, as a grid: the script relies on it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import Bools
from fusion.config import RadarPose
from sim.road import Road
from sim.site import section as sec

STEP_M = 10.0
HOLE_M = 30.0  # beneath a pole: passed within two seconds, a track coasts over it
NEAR = 0.95  # of a radar's range is used


@dataclass(frozen=True, slots=True)
class Cover:
    """By way: seen (each grid point by some radar), held (the same with short holes closed)."""

    seen: dict[int, Bools]
    held: dict[int, Bools]

    def throughout(self, way: int, from_m: float, to_m: float) -> bool:
        """Say whether a drive between two stations is covered but for short holes."""
        low, high = sorted((from_m, to_m))
        if low < 0.0:
            return False
        part = self.held[way][int(low / STEP_M) : math.ceil(high / STEP_M) + 1]
        return len(part) > 0 and bool(part.all())

    def sees(self, way: int, s_m: float) -> bool:
        """Say whether a radar sees the station."""
        i = round(s_m / STEP_M)
        return 0 <= i < len(self.seen[way]) and bool(self.seen[way][i])


def cover_of(road: Road, radars: Sequence[RadarPose]) -> Cover:
    """Return the cover of both hazmat lanes by these radars."""
    s = np.arange(0.0, road.axis.length_m, STEP_M)
    seen, held = {}, {}
    for way in (1, -1):
        east, north, _ = road.axis.at(s, np.full_like(s, way * sec.lane_centre_m(sec.HAZMAT_LANE)))
        found = np.zeros(len(s), dtype=np.bool_)
        for radar in radars:
            dx, dy = east - radar.east_m, north - radar.north_m
            off = np.arctan2(dy, dx) - radar.boresight_rad
            off = np.abs(np.arctan2(np.sin(off), np.cos(off)))
            found |= (np.hypot(dx, dy) < NEAR * radar.range_m_max) & (off < radar.fov_rad / 2)
        seen[way], held[way] = found, _without_holes(found)
    return Cover(seen, held)


def _without_holes(seen: Bools) -> Bools:
    out = seen.copy()
    at = np.flatnonzero(seen)
    for a, b in zip(at[:-1].tolist(), at[1:].tolist(), strict=True):
        if 1 < b - a <= HOLE_M / STEP_M + 1:
            out[a:b] = True
    return out
