"""How the synthetic road is drawn: in station and offset from its axis, written as GeoJSON features."""

import itertools
import math
from typing import Any

import numpy as np

from core.arrays import F64
from geofence.map.frames import SiteFrame
from sim.alignment import Alignment
from sim.site import section as sec

CHORD_M = 0.005  # how far a drawn chord may lie off its arc
STEP_M_MAX = 200.0
GROUND_Z_M = 3.0
Feature = dict[str, Any]


class Drawing:
    """Draws in station and offset from the axis, writes lon/lat."""

    def __init__(self, axis: Alignment, frame: SiteFrame) -> None:
        self.axis = axis
        self.frame = frame

    def feature(self, shape: str, coordinates: Any, **properties: Any) -> Feature:
        """Return one feature."""
        geometry = {"type": shape, "coordinates": coordinates}
        return {"type": "Feature", "properties": properties, "geometry": geometry}

    def stations(self, from_m: float, to_m: float) -> F64:
        """Return stations dense enough that no chord leaves its arc by more than CHORD_M at any lane."""
        bounds = [s for s in self.axis.start_m if from_m < s < to_m]
        edges = [from_m, *bounds, to_m]
        out = [np.array([from_m])]
        for a, b in itertools.pairwise(edges):
            bend = abs(float(self.axis.curvature_at(np.array([(a + b) / 2]))[0]))
            radius_m = 1 / bend + sec.POLE_M if bend > 0 else math.inf
            step_m = min(STEP_M_MAX, math.sqrt(8 * radius_m * CHORD_M * 0.9))
            out.append(np.linspace(a, b, max(1, math.ceil((b - a) / step_m)) + 1)[1:])
        return np.concatenate(out)

    def line(self, s_m: F64, d_m: F64 | float) -> list[list[float]]:
        """Return a drawn line with heights."""
        east, north, _ = self.axis.at(s_m, np.broadcast_to(np.asarray(d_m, dtype=np.float64), s_m.shape))
        return self.lonlat(east, north, height_m(s_m))

    def lonlat(self, east_m: F64, north_m: F64, z_m: F64) -> list[list[float]]:
        """Return [lon, lat, z] rows; 9 decimals are 0.1 mm."""
        lon, lat = self.frame.lonlat_from_site(east_m, north_m)
        return [
            [round(x, 9), round(y, 9), round(z, 2)]
            for x, y, z in zip(lon.tolist(), lat.tolist(), z_m.tolist(), strict=True)
        ]

    def strip(self, direction: str, s_m: F64, left_m: float, right_m: float) -> list[list[list[float]]]:
        """Return a lane's boundaries in driving direction; offsets left of travel from the axis."""
        sign = sec.DIRECTIONS[direction]
        s = s_m if sign > 0 else s_m[::-1]
        return [self.line(s, sign * left_m), self.line(s, sign * right_m)]


def height_m(s_m: F64) -> F64:
    """Return the road's height: flat, with a cosine hump over the county road."""
    share = np.clip(np.abs(s_m - sec.OVERPASS_M) / (sec.OVERPASS_LENGTH_M / 2), 0.0, 1.0)
    return GROUND_Z_M + sec.OVERPASS_RISE_M * (1 + np.cos(math.pi * share)) / 2
