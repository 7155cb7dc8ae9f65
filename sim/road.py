"""The road as the simulator knows it: exact axis, cross-section, names of lanes. Not the locator's map."""

import bisect
import math
from dataclasses import dataclass

import numpy as np

from core.arrays import F64, I64
from core.errors import ConfigError
from edge.config import Site
from edge.site_map import features_of
from geofence.map.frames import SiteFrame
from geofence.map.reading import Features
from sim.alignment import Alignment
from sim.site import section as sec
from sim.site.panjin_map import lane_breaks, lane_name

_AXIS_TOLERANCE_M = 0.05  # drawn chords are 5 mm off
_RAMP_CURVE_M = 250.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Poses:
    """Where n vehicles are at one moment. Site metres."""

    east_m: F64
    north_m: F64
    heading_rad: F64  # of the body, counter-clockwise from east
    speed_mps: F64  # along the heading, negative backwards
    s_m: F64
    left_m: F64  # of the axis, seen in the vehicle's direction


class Road:
    """Both carriageways; `way` is +1 along the axis (SB), -1 against it (NB)."""

    def __init__(self, axis: Alignment, frame: SiteFrame) -> None:
        self.axis = axis
        self.frame = frame
        self._breaks = {way: lane_breaks(name, axis.length_m) for name, way in sec.DIRECTIONS.items()}
        self._names = {way: name for name, way in sec.DIRECTIONS.items()}
        self._ramps = {way: [r for r in sec.ramps() if sec.DIRECTIONS[r.direction] == way] for way in (1, -1)}

    def poses(self, way: I64, s_m: F64, left_m: F64, speed_mps: F64, sideways_mps: F64) -> Poses:
        """Return where vehicles are; left_m counts from the axis, left of travel."""
        east, north, heading = self.axis.at(s_m, way * left_m)
        slip = np.arcsin(np.clip(sideways_mps / np.maximum(np.abs(speed_mps), 1.0), -0.9, 0.9))
        forwards = np.where(way > 0, heading, heading + math.pi)
        return Poses(
            east_m=east,
            north_m=north,
            heading_rad=forwards + slip,
            speed_mps=speed_mps,
            s_m=s_m,
            left_m=left_m,
        )

    def lane_of(self, way: int, s_m: float, left_m: float) -> str | None:
        """Return the name of the lane at a place, None beside all of them."""
        beyond_m = left_m + sec.EDGE_M  # left of the hazmat lane's right edge
        index = math.floor(beyond_m / sec.LANE_M)
        if 0 <= index < sec.N_LANES:
            breaks = self._breaks[way]
            piece = min(max(bisect.bisect_right(breaks, s_m) - 1, 0), len(breaks) - 2)
            return lane_name(self._names[way], index, breaks[piece])
        if index == -1:
            return next((f"RAMP-{r.name}" for r in self._ramps[way] if r.from_m <= s_m <= r.to_m), None)
        return None

    def right_edge_m(self, way: int, s_m: float) -> float:
        """Return the right edge of what a tank truck may use, left of travel from the axis."""
        ramp = any(r.from_m <= s_m <= r.to_m for r in self._ramps[way])
        return -sec.EDGE_M - (sec.LANE_M if ramp else 0.0)

    def near_ramp(self, way: int, from_m: float, to_m: float) -> bool:
        """Say whether a ramp joins between two stations (in any order): there is no plain right edge."""
        low, high = min(from_m, to_m) - _RAMP_CURVE_M, max(from_m, to_m) + _RAMP_CURVE_M
        return any(r.from_m <= high and low <= r.to_m for r in self._ramps[way])


def road_of(site: Site, drawn: Features | None = None) -> Road:
    """Return the simulator's road of a site; ConfigError where the site's map is broken or shows another one.

    drawn : the site's map, where the caller has read it
    """
    points = sec.waypoints()["control_points"]
    assert isinstance(points, list), "a list in the waypoints file"
    if site.frame.within([p["lon"] for p in points], [p["lat"] for p in points]).all():
        road = Road(sec.panjin_axis(points, site.frame), site.frame)
        if _off_m(road, drawn or features_of(site)) <= _AXIS_TOLERANCE_M:
            return road
    rule = "the simulator drives the shipped Panjin road; this map's axis of road main is another one"
    raise ConfigError(site.where, "site.map", rule)


def _off_m(road: Road, drawn: Features) -> float:
    """Return how far the map's axis of road main is off, aside or in stations; infinity without one."""
    off_m = math.inf
    for name, k0_m, axis in drawn.axes:
        if name != "main":
            continue
        # stations of the ends are near enough to start from: the axis is drawn from its beginning
        steps = np.hypot(*np.diff(axis, axis=0).T)
        _, offset = road.axis.of(axis[:, 0], axis[:, 1], np.concatenate([[0.0], np.cumsum(steps)]))
        off_m = max(float(np.abs(offset).max()), abs(k0_m))
    return off_m
