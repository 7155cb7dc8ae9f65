"""Zones of the map as fences of terminals (JT/T 808), and back. Pure.

What a fence can't state is left out, with the reason: a terminal that alarms wrongly is worse than one that
does not know of a zone.
"""

import json
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import shapely

from core.arrays import F64
from geofence.map.frames import SiteFrame
from geofence.map.reading import Zone
from geofence.map.windows import DAY_MIN, Window
from roadside.devices.jt808.fences import DAILY, ENTRY_ALARMS, EXIT_ALARMS, Fence, Point, Turn

ALARMS = {"no_entry": ENTRY_ALARMS, "no_exit": EXIT_ALARMS}
POINTS_MAX = 100  # of one polygon: so many fit in one package of every edition
CIRCLE_SIDES = 64  # a circle that is imported: its sides lie within 0.13 % of the radius
EARTH_E6 = 1_000_000


class Exported(NamedTuple):
    """The fences of zones, and why others have none: (zone, reason)."""

    fences: list[Fence]
    left_out: list[tuple[str, str]]


def fences_of(zones: Sequence[Zone], frame: SiteFrame) -> Exported:
    """Return the fences of all zones that forbid entering or leaving: one for each part and span of time."""
    found = Exported([], [])
    for zone in zones:
        roles = [role for role in zone.roles if role in ALARMS]
        windows = _daily(zone.windows)
        parts = shapely.get_parts(zone.polygon).tolist()
        reason = None
        if not roles:
            reason = "its roles are none that a terminal judges"
        elif windows is None:
            reason = "its times differ from day to day"
        elif any(len(part.interiors) for part in parts):
            reason = "it has a hole"
        elif any(len(part.exterior.coords) - 1 > POINTS_MAX for part in parts):
            reason = f"it has more than {POINTS_MAX} points"
        if reason is not None or windows is None:
            found.left_out.append((zone.zone, reason or ""))
            continue
        alarms = sum({ALARMS[role] for role in roles})
        for p, part in enumerate(parts):
            points = _lonlat_e6(np.array(part.exterior.coords)[:-1], frame)
            for w, window in enumerate(windows):
                found.fences.append(_polygon(zone, (p, w), alarms, points, window))
    return found


def _polygon(
    zone: Zone, place: tuple[int, int], alarms: int, points: tuple[Point, ...], window: tuple[str, str] | None
) -> Fence:
    return Fence(
        kind="polygon", id=_id_of(zone.zone, *place), attributes=alarms, points=points, window=window,
        name=zone.zone,
    )  # fmt: skip


def _id_of(zone: str, part: int, window: int) -> int:
    """Return the id of a fence, the same at each export, never 0."""
    return zlib.crc32(f"{zone}/{part}/{window}".encode()) or 1


def _lonlat_e6(points: F64, frame: SiteFrame) -> tuple[Point, ...]:
    lon, lat = frame.lonlat_from_site(points[:, 0], points[:, 1])
    rounded = np.rint(np.column_stack([lon, lat]) * EARTH_E6).astype(np.int64)
    return tuple((lon_e6, lat_e6) for lon_e6, lat_e6 in rounded.tolist())


def _daily(windows: Sequence[Window]) -> list[tuple[str, str] | None] | None:
    """Return windows as a terminal knows them, one that crosses midnight as two; None where days differ."""
    if any(len(window.days) != 7 for window in windows):
        return None
    found: list[tuple[str, str] | None] = []
    for window in windows:
        spans = [(window.from_min, min(window.to_min, DAY_MIN))]
        if window.to_min > DAY_MIN:
            spans.append((0, window.to_min - DAY_MIN))
        found += [(_clock(first), _clock(last)) for first, last in spans]
    return found or [None]


def _clock(minute: int) -> str:
    """Return a time of day as BCD digits; the end of the day is its last second."""
    if minute == DAY_MIN:
        return f"{DAILY}235959"
    return f"{DAILY}{minute // 60:02d}{minute % 60:02d}00"


def features_of(fences: Sequence[Fence]) -> list[dict[str, Any]]:
    """Return fences as zones of a map: GeoJSON features; ValueError where one has no area."""
    return [_feature_of(fence) for fence in fences]


def _feature_of(fence: Fence) -> dict[str, Any]:
    roles = [role for role, alarms in ALARMS.items() if fence.attributes & alarms]
    # a route's bits 2 to 5 are of entering and leaving, too: who leaves it deviates
    properties: dict[str, Any] = {"kind": "zone", "zone": fence.name or f"{fence.kind} {fence.id}"}
    properties["role"] = roles[0] if len(roles) == 1 else fence.kind
    if fence.window is not None:
        times = _times_of(fence.window)
        if times is None:
            raise ValueError(f"fence {fence.id}: its dates {fence.window} are no window of each day")
        properties["time_window"] = times
    shape = _shape_of(fence)
    return {"type": "Feature", "properties": properties, "geometry": json.loads(shapely.to_geojson(shape))}


def _times_of(window: tuple[str, str]) -> str | None:
    """Return a window of each day as opening hours, None for one with dates."""
    if any(not end.startswith(DAILY) for end in window):
        return None
    first, last = (f"{end[6:8]}:{end[8:10]}" for end in window)
    return f"{first}-{'24:00' if window[1].endswith('235959') else last}"


def _shape_of(fence: Fence) -> shapely.Geometry:
    """Return the area in longitude and latitude [degrees]; ValueError where the points bound none."""
    points = [turn.point for turn in fence.turns] if fence.kind == "route" else list(fence.points)
    places = np.array(points, dtype=np.float64).reshape(-1, 2) / EARTH_E6
    shape: shapely.Geometry = shapely.Polygon()
    if fence.kind == "rectangle":
        (west, north), (east, south) = places.tolist()
        shape = shapely.box(west, south, east, north)
    elif fence.kind == "polygon":
        shape = shapely.Polygon(places) if len(places) >= 3 else shape
    elif len(places):
        frame = SiteFrame(*places[0].tolist())
        site = np.column_stack(frame.site_from_lonlat(*places.T))
        area: shapely.Geometry
        if fence.kind == "circle":
            area = shapely.buffer(shapely.Point(site[0]), fence.radius_m, quad_segs=CIRCLE_SIDES // 4)
        else:
            area = _corridor(site, fence.turns)
        shape = shapely.transform(area, lambda at: np.column_stack(frame.lonlat_from_site(*at.T)))
    if shapely.is_empty(shape) or not shapely.is_valid(shape) or shapely.area(shape) == 0.0:
        raise ValueError(f"fence {fence.id}: its points bound no area")
    return shape


def _corridor(site: F64, turns: Sequence[Turn]) -> shapely.Geometry:
    """Return the area of a route: each segment as wide as its first turn says."""
    ways = [
        shapely.buffer(shapely.LineString([a, b]), turn.width_m / 2.0)
        for a, b, turn in zip(site[:-1], site[1:], turns, strict=False)
    ]
    return shapely.union_all(ways)
