"""A made-up site for working on the page and for tests of the centre: a winding 9 km road with four lanes."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from geofence.map.frames import SiteFrame

ORIGIN = (122.0, 41.0)
LENGTH_M, STEP_M, LANE_M, MEDIAN_M = 9_000.0, 25.0, 3.75, 2.0
RSU_EVERY_M = 1_000.0
CAMERA = "https://cameras.example/{esn}?at={stamp_s}&plate={plate}"  # of the second RSU alone
FIRST_M = 20_000.0  # the station at which the axis begins
LANES = (  # name, direction, offsets of its left and right boundary from the axis in driving direction
    ("north-hazmat", -1, 0, ["hazmat"]),
    ("north-mixed", -1, 1, ["car", "bus", "truck"]),
    ("south-mixed", 1, 1, ["car", "bus", "truck"]),
    ("south-hazmat", 1, 0, ["hazmat"]),
)


def write_site(folder: Path, *, broker: str, http: str, first_m: float = FIRST_M) -> Path:
    """Write site.toml and map.geojson; return the first. The axis begins at station `first_m`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "map.geojson").write_text(json.dumps(_map(first_m)), encoding="utf-8")
    path = folder / "site.toml"
    path.write_text(_config(broker, http, folder / "centre.sqlite", first_m), encoding="utf-8")
    return path


def _offset_lonlat(offset_m: float) -> list[list[float]]:
    """Return the line beside the axis, left of growing station positive."""
    s = np.arange(0.0, LENGTH_M + STEP_M, STEP_M)
    east, north = s, 250.0 * np.sin(s / 1_300.0)
    heading = np.arctan2(250.0 / 1_300.0 * np.cos(s / 1_300.0), np.ones_like(s))
    frame = SiteFrame(*ORIGIN)
    lon, lat = frame.lonlat_from_site(east - offset_m * np.sin(heading), north + offset_m * np.cos(heading))
    return [[round(float(x), 8), round(float(y), 8)] for x, y in zip(lon, lat, strict=True)]


def _map(first_m: float) -> dict[str, Any]:
    features = [_feature("axis", "LineString", _offset_lonlat(0.0), k0_m=first_m)]
    for name, direction, index, allowed in LANES:
        outer_m = MEDIAN_M + (2 - index) * LANE_M
        sides = [_offset_lonlat(-direction * (outer_m - LANE_M)), _offset_lonlat(-direction * outer_m)]
        lines = sides if direction > 0 else [side[::-1] for side in sides]
        features.append(
            _feature(
                "lane", "MultiLineString", lines, lane=name, index=index, level=0, allowed=allowed,
                speed_limit_mps=19.4, successors=[], left=None, right=None,
                change_left=False, change_right=False,
            )
        )  # fmt: skip
    for name, at_m in (("entry", 200.0), ("exit", 8_800.0)):
        i = int(at_m / STEP_M)
        line = [_offset_lonlat(12.0)[i], _offset_lonlat(-12.0)[i]]
        features.append(_feature("gate", "LineString", line, gate=name, role=name, level=0))
    return {
        "type": "FeatureCollection", "name": "made up", "datum": "CGCS2000", "epoch": 2000.0,
        "version": "synthetic-1", "features": features,
    }  # fmt: skip


def _feature(kind: str, shape: str, coordinates: list[Any], **properties: Any) -> dict[str, Any]:
    geometry = {"type": shape, "coordinates": coordinates}
    return {
        "type": "Feature",
        "properties": {"kind": kind, "road": "main"} | properties,
        "geometry": geometry,
    }


def _config(broker: str, http: str, database: Path, first_m: float) -> str:
    text = f'[site]\nname = "made up"\nmap = "map.geojson"\norigin = [{ORIGIN[0]}, {ORIGIN[1]}]\n'
    text += f'[mqtt]\nbrokers = ["{broker}"]\n[centre]\nhttp = "{http}"\ndatabase = "sqlite:///{database}"\n'
    text += '[gateway]\nid = "GW1"\n'
    line = _offset_lonlat(9.0)
    n = math.ceil(LENGTH_M / RSU_EVERY_M)
    for i in range(n):
        low = first_m + i * RSU_EVERY_M
        lon, lat = line[int((i + 0.5) * RSU_EVERY_M / STEP_M)]
        text += f'[[rsu]]\nesn = "RSU{20 + i}"\nlon_deg = {lon}\nlat_deg = {lat}\n'
        text += f"stretch_m = [{low}, {low + RSU_EVERY_M}]\n"
        text += f'camera = "{CAMERA}"\n' if i == 1 else ""
        text += f'[[rsu.radar]]\nid = "R{20 + i}"\ninput = "udp://127.0.0.1:{17_000 + i}"\naccepted = true\n'
        text += f"lon_deg = {lon}\nlat_deg = {lat}\nheight_m = 6.0\nheading_deg = 90.0\nrange_m_max = 250.0\n"
        text += "fov_deg = 120.0\nsigma_range_m = 0.25\nsigma_azimuth_deg = 0.3\nsigma_range_rate_mps = 0.1\n"
    return text
