"""The road as the page draws it: axis, lanes as strip rows, places, RSUs (`/api/site`). Made once."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import shapely
from numpy.typing import NDArray

from edge.config import Site
from edge.sections import RsuConfig
from fusion.kernel import F64

PLACE_KINDS = ("gate", "zone", "place")
ALONG_SHARE = 0.9  # a lane whose length along the axis is less than this of its own is no strip row
ROW_TOLERANCE_M = 1.0  # lanes whose middles differ by less share a row


@dataclass(frozen=True, slots=True)
class Axis:
    """The line that stations are counted along, in site metres."""

    line: shapely.LineString
    k0_m: float

    def station_of(self, east_m: F64, north_m: F64) -> tuple[F64, F64]:
        """Return station and offset (left of growing station positive) [m] of points (n,)."""
        points = shapely.points(east_m, north_m)
        along: F64 = np.atleast_1d(shapely.line_locate_point(self.line, points))
        away = np.atleast_1d(shapely.distance(self.line, points))
        ends = np.clip(np.stack([along - 0.5, along + 0.5]), 0.0, self.line.length)
        a, b = (shapely.get_coordinates(shapely.line_interpolate_point(self.line, end)) for end in ends)
        cross = (b[:, 0] - a[:, 0]) * (north_m - a[:, 1]) - (b[:, 1] - a[:, 1]) * (east_m - a[:, 0])
        return self.k0_m + along, np.copysign(away, cross)


def describe(site: Site) -> dict[str, Any]:
    """Return `/api/site` of API.md."""
    document = json.loads(site.map_text)
    features = [(each.get("properties") or {}, each.get("geometry")) for each in document.get("features", ())]
    axis, axis_columns = _axis(site, features)
    lanes = [_lane(site, axis, props, shape) for props, shape in features if props.get("kind") == "lane"]
    rows = _rows(lanes)
    config = site.config
    reach = [station for rsu in config.rsu for station in rsu.stretch_m]
    if axis is not None:
        reach += [axis.k0_m, axis.k0_m + axis.line.length]
    rules = msgspec.to_builtins(config.rules)
    version = str(document.get("version", ""))
    return {
        "name": config.site.name,
        "synthetic": bool(document.get("synthetic")) or "synthetic" in version.lower(),
        "origin": list(config.site.origin),
        "map_version": version,
        "rules_version": config.rules.version,
        "length_m": round(max(reach) - min(reach), 2),
        "range_m": [round(min(reach), 2), round(max(reach), 2)],
        "axis": axis_columns,
        "lanes": lanes,
        "rows": rows,
        "places": [_place(site, axis, p, g) for p, g in features if p.get("kind") in PLACE_KINDS and g],
        "rsus": [_rsu(site, axis, rsu) for rsu in config.rsu],
        "gateway": None if config.gateway is None else config.gateway.id,
        "rules": rules,
    }


def _axis(site: Site, features: list[tuple[Any, Any]]) -> tuple[Axis | None, dict[str, list[float]] | None]:
    for props, shape in features:
        if props.get("kind") == "axis" and shape:
            lonlat = _lonlat(shape)
            line = shapely.LineString(_site(site, lonlat))
            steps = np.hypot(*np.diff(shapely.get_coordinates(line), axis=0).T)
            k0_m = float(props.get("k0_m", 0.0))
            s_m = k0_m + np.concatenate([[0.0], np.cumsum(steps)])
            columns = {"lon": lonlat[:, 0].tolist(), "lat": lonlat[:, 1].tolist()}
            return Axis(line, k0_m), columns | {"s_m": s_m.round(2).tolist()}
    return None, None


def _lane(site: Site, axis: Axis | None, props: dict[str, Any], shape: dict[str, Any]) -> dict[str, Any]:
    names = ("lane", "road", "index", "level", "allowed", "speed_limit_mps")
    lane = {name: props.get(name) for name in names}
    if axis is None:
        return lane | {"direction": 0, "from_m": None, "to_m": None, "offset_m": None, "row": None}
    left, right = (_site(site, _points(line)) for line in shape["coordinates"])
    s_left, d_left = axis.station_of(*left.T)
    s_right, d_right = axis.station_of(*right.T)
    stations = np.concatenate([s_left, s_right])
    run_m = float(s_left[-1] - s_left[0])
    along = abs(run_m) >= ALONG_SHARE * float(np.hypot(*np.diff(left, axis=0).T).sum())
    middles = (float(np.median(d_left)), float(np.median(d_right)))
    return lane | {
        "direction": int(np.sign(run_m)) if along else 0,
        "from_m": round(float(stations.min()), 2),
        "to_m": round(float(stations.max()), 2),
        "offset_m": [round(min(middles), 2), round(max(middles), 2)],
        "row": None,
    }


def _rows(lanes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Number the strip's rows from the left of growing station down, and tell each lane its own."""
    rows: list[dict[str, Any]] = []
    along = [lane for lane in lanes if lane["direction"]]
    for lane in sorted(along, key=lambda each: -sum(each["offset_m"])):
        middle_m = sum(lane["offset_m"]) / 2
        fits = rows and rows[-1]["direction"] == lane["direction"]
        if not fits or abs(sum(rows[-1]["offset_m"]) / 2 - middle_m) > ROW_TOLERANCE_M:
            shared = ("direction", "index", "offset_m", "allowed", "speed_limit_mps")
            rows.append({"row": len(rows)} | {name: lane[name] for name in shared})
            rows[-1]["hazmat"] = "hazmat" in (lane["allowed"] or ())
        lane["row"] = rows[-1]["row"]
    return rows


def _place(site: Site, axis: Axis | None, props: dict[str, Any], shape: dict[str, Any]) -> dict[str, Any]:
    lonlat = _lonlat(shape)
    lon_deg, lat_deg = lonlat.mean(axis=0)
    stations = None if axis is None else axis.station_of(*_site(site, lonlat).T)[0]
    kind = props["kind"]
    name = props.get("name") or props.get("name_zh") or props.get(kind) or ""
    return {
        "kind": kind,
        "role": props.get("role"),
        "name": name,
        "name_en": props.get("name_en") or name,
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
        "radars": [
            {name: getattr(radar, name) for name in shown} | {"s_m": station(radar.lon_deg, radar.lat_deg)}
            for radar in rsu.radar
        ],
    }


def _lonlat(shape: dict[str, Any]) -> NDArray[np.float64]:
    """Return all positions of a geometry, (n, 2)."""
    return shapely.get_coordinates(shapely.geometry.shape(shape))[:, :2]


def _points(line: list[list[float]]) -> NDArray[np.float64]:
    return np.array([point[:2] for point in line])


def _site(site: Site, lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return site metres (n, 2) of lon/lat (n, 2)."""
    return np.column_stack(site.frame.site_from_lonlat(lonlat[:, 0], lonlat[:, 1]))
