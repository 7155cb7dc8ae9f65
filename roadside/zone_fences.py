"""Zones of the map as fences of terminals (JT/T 808), and back. Pure.

What a fence can't state is left out, with the reason: a terminal that alarms wrongly is worse than one that
does not know of a zone.
"""

import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import shapely

from core.arrays import F64
from geofence.map.frames import SiteFrame
from geofence.map.reading import SPEED_MAX_MPS, Zone
from roadside.devices.jt808.fences import ENTRY_ALARMS, EXIT_ALARMS, Fence, Limit, Point, Turn
from roadside.fence_times import spans_of, times_of

ALARMS = {"no_entry": ENTRY_ALARMS, "no_exit": EXIT_ALARMS}
POINTS_MAX = 100  # of one polygon: so many fit in one package of every edition
CIRCLE_SIDES = 64  # a circle that is imported: its sides lie within 0.13 % of the radius
EARTH_E6 = 1_000_000
KMH = 3.6
HOLD_S = 10  # for so long a terminal lets a driver exceed a limit before it alarms him
NO_ZONES: Mapping[str, str] = MappingProxyType({})


class Exported(NamedTuple):
    """The fences of zones, and why others have none: (zone, reason)."""

    fences: list[Fence]
    left_out: list[tuple[str, str]]


def fences_of(
    zones: Sequence[Zone], frame: SiteFrame, today: int, opened: Mapping[str, str] = NO_ZONES
) -> Exported:
    """Return the fences of all zones with a terminal's rules or a limit: one for each part and span of time.

    today : days since 1970, in local time.  opened : zones that are open to the terminal's vehicle, and why
    """
    found = Exported([], [])
    for zone in zones:
        roles = [role for role in zone.roles if role in ALARMS]
        spans = spans_of(zone.windows, today)
        parts = shapely.get_parts(zone.polygon).tolist()
        reason = opened.get(zone.zone)
        if not (roles or zone.speed_limit_mps is not None):
            reason = "it has no limit, and its roles are none that a terminal judges"
        elif isinstance(spans, str):
            reason = reason or spans
        elif any(len(part.interiors) for part in parts):
            reason = reason or "it has a hole"
        elif any(len(part.exterior.coords) - 1 > POINTS_MAX for part in parts):
            reason = reason or f"it has more than {POINTS_MAX} points"
        if reason is not None or isinstance(spans, str):
            found.left_out.append((zone.zone, reason or ""))
            continue
        alarms = sum({ALARMS[role] for role in roles})
        for p, part in enumerate(parts):
            points = _lonlat_e6(np.array(part.exterior.coords)[:-1], frame)
            for w, window in enumerate(spans):
                found.fences.append(_polygon(zone, (p, w), alarms, points, window))
    return found


def _polygon(
    zone: Zone, place: tuple[int, int], alarms: int, points: tuple[Point, ...], window: tuple[str, str] | None
) -> Fence:
    return Fence(
        kind="polygon", id=_id_of(zone.zone, *place), attributes=alarms, points=points, window=window,
        limit=_limit_of(zone), name=zone.zone,
    )  # fmt: skip


def _limit_of(zone: Zone) -> Limit | None:
    if zone.speed_limit_mps is None:
        return None
    kmh = round(zone.speed_limit_mps * KMH)
    return Limit(max_kmh=kmh, hold_s=HOLD_S, night_kmh=kmh)


def _id_of(zone: str, part: int, window: int) -> int:
    """Return the id of a fence, the same at each export, never 0."""
    return zlib.crc32(f"{zone}/{part}/{window}".encode()) or 1


def _lonlat_e6(points: F64, frame: SiteFrame) -> tuple[Point, ...]:
    lon, lat = frame.lonlat_from_site(points[:, 0], points[:, 1])
    rounded = np.rint(np.column_stack([lon, lat]) * EARTH_E6).astype(np.int64)
    return tuple((lon_e6, lat_e6) for lon_e6, lat_e6 in rounded.tolist())


class Imported(NamedTuple):
    """Zones of fences as GeoJSON features, and what is lost."""

    features: list[dict[str, Any]]
    left_out: list[tuple[str, str]]  # fences that a zone can't state, and why
    dropped: Counter[str]  # what else they state and a zone can't, by kind


def features_of(fences: Sequence[Fence]) -> Imported:
    """Return fences as zones of a map; ValueError where one has no area."""
    found = Imported([], [], Counter())
    for fence in fences:
        try:
            times = {} if fence.window is None else times_of(fence.window)
        except ValueError as error:
            found.left_out.append((_name_of(fence), f"its times are no zone's: {error}"))
            continue
        found.features.append(_feature_of(fence, times, found.dropped))
    return found


def _name_of(fence: Fence) -> str:
    return fence.name or f"{fence.kind} {fence.id}"


def _feature_of(fence: Fence, times: dict[str, str], dropped: Counter[str]) -> dict[str, Any]:
    roles = [role for role, alarms in ALARMS.items() if fence.attributes & alarms]
    # a route's bits 2 to 5 are of entering and leaving, too: who leaves it deviates
    if len(roles) > 1 and fence.kind == "route":
        roles = []
    properties: dict[str, Any] = {"kind": "zone", "zone": _name_of(fence), "role": (roles or [fence.kind])[0]}
    if roles[1:]:
        properties["rules"] = roles[1:]
    properties |= times
    limits = [turn.limit for turn in fence.turns] if fence.kind == "route" else [fence.limit]
    dropped["passage times"] += sum(turn.passage_s is not None for turn in fence.turns)
    mps = {_mps_of(limit, dropped) for limit in limits}
    if len(mps) == 1 and None not in mps:
        properties["speed_limit_mps"] = mps.pop()
    else:  # a zone has one limit
        dropped["speed limits"] += len(mps - {None})
    shape = _shape_of(fence)
    return {"type": "Feature", "properties": properties, "geometry": json.loads(shapely.to_geojson(shape))}


def _mps_of(limit: Limit | None, dropped: Counter[str]) -> float | None:
    """Return a highest speed as a zone has it, None where it has none."""
    if limit is None:
        return None
    if not 0 < limit.max_kmh <= SPEED_MAX_MPS * KMH:
        dropped["speed limits"] += 1
        return None
    dropped["speeds at night"] += limit.night_kmh not in (0, limit.max_kmh)
    return round(limit.max_kmh / KMH, 3)


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
