"""An estimate of a pole radar's place and boresight from its targets alone, and labelled as one. Pure."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import F64
from geofence.map.frames import SiteFrame
from importers.openv2x.scans import LogScan

BEFORE_M = 15.0  # from the pole to its nearest target: it can't see nearer ones
MARGIN = 1.1
FOV_MIN_DEG = 60.0
TARGET_MPS_MIN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """An estimated pose."""

    lon_deg: float
    lat_deg: float
    heading_deg: float  # boresight, clockwise from true north
    range_m_max: float
    fov_deg: float
    note: str


def estimate(scans: Sequence[LogScan]) -> Pose:
    """Estimate the pose. The axis: along the commonest heading; the end: where negative speeds lead to.

    Pole radars report a standing target's heading along their own road, and speeds negative when they come
    nearer. The pole is put on the middle of the targets across the road, before the nearest one along it.
    """
    targets = [target for scan in scans for target in scan.targets]
    assert targets, "the caller has checked"
    lon, lat = np.array([(t.lon_deg, t.lat_deg) for t in targets]).T
    frame = SiteFrame(float(np.median(lon)), float(np.median(lat)))
    east, north = frame.site_from_lonlat(lon, lat)
    common_deg = Counter(round(t.heading_deg % 180.0, 1) for t in targets).most_common(1)[0][0]
    course = math.radians(common_deg)
    ahead = np.array([math.sin(course), math.cos(course)])  # a unit vector: east, north
    votes = _votes(scans, ahead)
    if votes < 0.0 or (votes == 0.0 and _heads_back(targets_heading(scans), common_deg)):
        ahead, common_deg = -ahead, common_deg + 180.0
    along = east * ahead[0] + north * ahead[1]
    across = north * ahead[0] - east * ahead[1]  # left of the boresight
    s, d = float(along.min()) - BEFORE_M, float(np.median(across))
    pole_e, pole_n = s * ahead[0] - d * ahead[1], s * ahead[1] + d * ahead[0]
    pole_lon, pole_lat = frame.lonlat_from_site(pole_e, pole_n)
    reach = np.hypot(along - s, across - d)
    azimuth = np.abs(np.arctan2(across - d, along - s))
    return Pose(
        lon_deg=round(float(pole_lon), 7),
        lat_deg=round(float(pole_lat), 7),
        heading_deg=round(common_deg % 360.0, 1),
        range_m_max=math.ceil(float(reach.max()) * MARGIN / 10.0) * 10.0,
        fov_deg=float(
            min(360.0, max(FOV_MIN_DEG, math.ceil(math.degrees(float(azimuth.max())) * 2.0 * MARGIN)))
        ),
        note="Pose ESTIMATED from the targets, not surveyed; the stated errors are assumed.",
    )


def _votes(scans: Sequence[LogScan], ahead: F64) -> float:
    """Return how much the movers say for a boresight along `ahead`: approaching ones come against it."""
    votes = 0.0
    for scan in scans:
        for target in scan.targets:
            if abs(target.speed_mps) >= TARGET_MPS_MIN:
                course = math.radians(target.heading_deg)
                along = math.sin(course) * float(ahead[0]) + math.cos(course) * float(ahead[1])
                votes += math.copysign(along, along * target.speed_mps)
    return votes


def targets_heading(scans: Sequence[LogScan]) -> float:
    """Return the commonest heading."""
    found = Counter(round(t.heading_deg, 1) for scan in scans for t in scan.targets)
    return found.most_common(1)[0][0]


def _heads_back(heading_deg: float, axis_deg: float) -> bool:
    return abs((heading_deg - axis_deg + 180.0) % 360.0 - 180.0) > 90.0
