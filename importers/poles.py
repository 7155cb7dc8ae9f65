"""The poses of simulated radars beside a road that was recorded without any: chosen, not surveyed."""

import math
from collections.abc import Iterator

import numpy as np

from geofence.map.axis import Axis
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadMap
from importers.site import RadarText

EVERY_M, POLE_RANGE_M, FOV_DEG = 250.0, 300.0, 120.0
POLES_MAX = 16
SET_BACK_M = 30.0  # before the stretch that it looks along
BESIDE_M = 8.0  # right of the axis
NOTE = "Pose CHOSEN for the simulation, not surveyed; errors are those of the simulated radar."


def radars_along(road: RoadMap, frame: SiteFrame, box: tuple[float, float, float, float]) -> list[RadarText]:
    """Return radars along the axis; one that looks all around where there is no road.

    box : west, south, east, north [m] of everyone's positions
    """
    if road.axis is not None:
        return [_radar(frame, f"R{k + 1}", *place) for k, place in enumerate(_places(road.axis))]
    west, south, east, north = box
    reach_m = math.hypot(east - west, north - south) / 2.0 + SET_BACK_M
    return [_radar(frame, "R1", (west + east) / 2.0, (south + north) / 2.0, 0.0, reach_m, 360.0)]


def _places(axis: Axis) -> Iterator[tuple[float, float, float]]:
    """Yield east, north and boresight of each pole, all looking in driving direction."""
    for k in range(min(POLES_MAX, max(1, math.ceil(axis.length_m / EVERY_M)))):
        from_m = axis.k0_m + k * EVERY_M
        to_m = min(from_m + EVERY_M, axis.k0_m + axis.length_m)
        east, north = axis.site_of(np.array([from_m, to_m]), np.full(2, -BESIDE_M))
        heading = math.atan2(float(north[1] - north[0]), float(east[1] - east[0]))
        yield (
            float(east[0]) - SET_BACK_M * math.cos(heading),
            float(north[0]) - SET_BACK_M * math.sin(heading),
            heading,
        )


def _radar(
    frame: SiteFrame,
    name: str,
    east_m: float,
    north_m: float,
    heading_rad: float,
    reach_m: float = POLE_RANGE_M,
    fov_deg: float = FOV_DEG,
) -> RadarText:
    lon, lat = frame.lonlat_from_site(east_m, north_m)
    return RadarText(
        id=name,
        note=NOTE,
        lon_deg=round(float(lon), 9),
        lat_deg=round(float(lat), 9),
        heading_deg=round(float(frame.course_from_heading(heading_rad, east_m, north_m)), 6),
        range_m_max=math.ceil(reach_m),
        fov_deg=fov_deg,
        sigma_azimuth_deg=0.2,
        accepted=True,  # it enforces in its own world, which is known
        reflects="centres",
    )
