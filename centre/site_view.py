"""The site as the page draws it (`/api/site`): axis, lanes as rows of the strip, places, RSUs."""

import gzip
import hashlib
import json
import math
from typing import Any, NamedTuple

import msgspec
import numpy as np
import shapely

from core.arrays import F64
from core.errors import ConfigError
from edge.config import Site
from edge.sections import RsuConfig
from edge.site_map import plan_of
from geofence.map.document import document_of
from geofence.map.roadmap import Axis, Lane, RoadPlan

PLACE_KINDS = ("gate", "zone", "place")
ALONG_SHARE = 0.9  # a lane whose length along the axis is less than this of its own is no strip row
ROW_TOLERANCE_M = 1.0  # lanes whose middles differ by less share a row


class SiteView(NamedTuple):
    """The site's description and map in the bytes that are sent; made once at the start."""

    description: bytes  # JSON of `/api/site`
    description_etag: str
    map_plain: bytes
    map_gzip: bytes
    map_etag: str
    range_m: tuple[float, float]  # stations of the whole site
    map_version: str


def view_of(site: Site) -> SiteView:
    """Return the view of a site; ConfigError where its map can't be read."""
    described = describe(site)
    plain = page_map(site).encode()
    return SiteView(
        description=(encoded := msgspec.json.encode(described)),
        description_etag=f'"{hashlib.sha256(encoded).hexdigest()[:32]}"',
        map_plain=plain,
        map_gzip=gzip.compress(plain, mtime=0),
        map_etag=f'"{hashlib.sha256(plain).hexdigest()[:32]}"',
        range_m=described["range_m"],
        map_version=described["map_version"],
    )


def describe(site: Site) -> dict[str, Any]:
    """Return `/api/site` of API.md; ConfigError where the map can't be read."""
    road = plan_of(site)
    document = document_of(site.map_text).body
    axis, config = road.axis, site.config
    lanes = [_lane(axis, lane) for lane in road.lanes]
    reach = [station for rsu in config.rsu for station in rsu.stretch_m]
    if axis is not None:
        reach += [axis.k0_m, axis.k0_m + axis.length_m]
    about = " ".join(str(document.get(key, "")) for key in ("synthetic", "note", "version"))
    return {
        "name": config.site.name,
        "title": _title(document, config.site.name),
        "synthetic": document.get("synthetic") is True or "synthetic" in about.lower(),
        "origin": list(config.site.origin),
        "map_version": road.version,
        "rules_version": config.rules.version,
        "length_m": round(max(reach) - min(reach), 2),
        "range_m": [round(min(reach), 2), round(max(reach), 2)],
        "axis": None if axis is None else _axis(site, axis),
        "lanes": lanes,
        "rows": _rows(road, lanes),
        "places": _places(site, axis, document["features"]),
        "rsus": [_rsu(site, axis, rsu) for rsu in config.rsu],
        "gateway": None if config.gateway is None else config.gateway.id,
        "rules": msgspec.to_builtins(config.rules),
    }


def page_map(site: Site) -> str:
    """Return the map's text for the page, with the types that the judgement read from it."""
    document = document_of(site.map_text)
    return json.dumps(_finite(document.body), ensure_ascii=False) if document.changed else site.map_text


def _finite(value: Any) -> Any:
    """Return the value with None for each NaN and infinity: JSON in a browser has neither."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _title(document: dict[str, Any], name: str) -> dict[str, str]:
    """Return the site's name in both languages; where one is missing, the other in its place."""
    zh, en = (document.get(f"name_{language}") for language in ("zh", "en"))
    return {"zh": str(zh or en or name), "en": str(en or zh or name)}


def _axis(site: Site, axis: Axis) -> dict[str, list[float]]:
    lon, lat = site.frame.lonlat_from_site(axis.points[:, 0], axis.points[:, 1])
    steps = np.hypot(*np.diff(axis.points, axis=0).T)
    s_m = axis.k0_m + np.concatenate([[0.0], np.cumsum(steps)])
    return {"lon": lon.round(8).tolist(), "lat": lat.round(8).tolist(), "s_m": s_m.round(2).tolist()}


def _lane(axis: Axis | None, lane: Lane) -> dict[str, Any]:
    about = {
        "lane": lane.lane,
        "road": lane.road,
        "index": lane.index,
        "level": lane.level,
        "allowed": list(lane.allowed),
        "speed_limit_mps": lane.speed_limit_mps,
        "row": None,
    }
    if axis is None:
        return about | {"direction": 0, "from_m": None, "to_m": None, "offset_m": None}
    s_left, d_left = axis.station_of(*lane.left_boundary.T)
    s_right, d_right = axis.station_of(*lane.right_boundary.T)
    stations = np.concatenate([s_left, s_right])
    run_m = float(s_left[-1] - s_left[0])
    along = abs(run_m) >= ALONG_SHARE * float(np.hypot(*np.diff(lane.left_boundary, axis=0).T).sum())
    middles = (float(np.median(d_left)), float(np.median(d_right)))
    return about | {
        "direction": int(np.sign(run_m)) if along else 0,
        "from_m": round(float(stations.min()), 2),
        "to_m": round(float(stations.max()), 2),
        "offset_m": [round(min(middles), 2), round(max(middles), 2)],
    }


def _rows(road: RoadPlan, lanes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the strip's rows, leftmost first (seen along growing station), and set each lane's `row`.

    Only lanes of the axis' road get a row: ramps and crossing roads would make the strip too high.
    """
    rows: list[dict[str, Any]] = []
    along = [lane for lane in lanes if lane["direction"] and road.axis and lane["road"] == road.axis.road]
    for lane in sorted(along, key=lambda each: -sum(each["offset_m"])):
        middle_m = sum(lane["offset_m"]) / 2
        fits = rows and rows[-1]["direction"] == lane["direction"]
        if not fits or abs(sum(rows[-1]["offset_m"]) / 2 - middle_m) > ROW_TOLERANCE_M:
            shared = ("direction", "index", "offset_m", "allowed", "speed_limit_mps")
            rows.append({"row": len(rows)} | {name: lane[name] for name in shared})
            rows[-1]["hazmat"] = "hazmat" in lane["allowed"]
        lane["row"] = rows[-1]["row"]
    return rows


def _places(site: Site, axis: Axis | None, features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the gates, zones and named places; ConfigError where the geometry of one can't be read."""
    found = []
    for i, feature in enumerate(features):
        props, shape = feature.get("properties") or {}, feature.get("geometry")
        if shape is None or props.get("kind") not in PLACE_KINDS:
            continue
        try:
            found.append(_place(site, axis, props, shape))
        except (ValueError, TypeError, LookupError, AttributeError, shapely.errors.ShapelyError) as error:
            rule = f"feature {i} ({props['kind']}): its geometry can't be read"
            raise ConfigError(site.where, f"site.map {site.config.site.map}", rule) from error
    return found


def _place(site: Site, axis: Axis | None, props: dict[str, Any], shape: dict[str, Any]) -> dict[str, Any]:
    lonlat = _lonlat(shape)
    if not len(lonlat) or not np.isfinite(lonlat).all():
        raise ValueError("no position")
    lon_deg, lat_deg = lonlat.mean(axis=0)
    stations = None if axis is None else axis.station_of(*_site(site, lonlat).T)[0]
    kind = props["kind"]
    name = props.get("name") or props.get("name_zh") or props.get(kind) or ""
    return {
        "kind": kind,
        "role": props.get("role"),
        "name": name,
        "name_en": props.get("name_en") or name,
        "id": props.get(kind),
        "s_m": None if stations is None else round(float(stations.min()), 1),
        "to_m": None if stations is None else round(float(stations.max()), 1),
        "lon_deg": round(float(lon_deg), 7),
        "lat_deg": round(float(lat_deg), 7),
        "level": props.get("level", 0),
    }


def _rsu(site: Site, axis: Axis | None, rsu: RsuConfig) -> dict[str, Any]:
    def station(lon_deg: float, lat_deg: float) -> float | None:
        if axis is None:
            return None
        return round(float(axis.station_of(*_site(site, np.array([[lon_deg, lat_deg]])).T)[0][0]), 1)

    shown = ("id", "accepted", "lon_deg", "lat_deg", "heading_deg", "range_m_max", "fov_deg")
    return {
        "esn": rsu.esn,
        "lon_deg": rsu.lon_deg,
        "lat_deg": rsu.lat_deg,
        "s_m": station(rsu.lon_deg, rsu.lat_deg),
        "stretch_m": list(rsu.stretch_m),
        "neighbours": list(rsu.neighbours),
        "camera": rsu.camera,
        "radars": [
            {name: getattr(radar, name) for name in shown} | {"s_m": station(radar.lon_deg, radar.lat_deg)}
            for radar in rsu.radar
        ],
    }


def _lonlat(shape: dict[str, Any]) -> F64:
    """Return all positions of a geometry, (n, 2)."""
    return shapely.get_coordinates(shapely.geometry.shape(shape))[:, :2]


def _site(site: Site, lonlat: F64) -> F64:
    """Return site metres (n, 2) of lon/lat (n, 2)."""
    return np.column_stack(site.frame.site_from_lonlat(lonlat[:, 0], lonlat[:, 1]))
