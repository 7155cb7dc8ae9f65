"""The road as the texts of a site: TOML, GeoJSON map, CSV registry."""

import json
from typing import Any

import numpy as np

from tests.support.foreign.frame import ORIGIN, course_of, lonlat_of
from tests.support.foreign.geometry import PIECE_M, Path
from tests.support.foreign.motion import Motion
from tests.support.foreign.receivers import ghost_name
from tests.support.foreign.road import LANE_M, LaneLine, Road

NEIGHBOUR_LANES = {
    "L0": ("L1", None),
    "L1": ("L2", "L0"),
    "L2": (None, "L1"),
    "B1": (None, "B0"),
    "B0": ("B1", None),
}


def config_text(road: Road) -> str:
    """Return the TOML."""
    lines = ['registry = "vehicles.csv"', "[site]", f'name = "foreign-{road.scenario.name}"']
    lines += ['map = "map.geojson"', f"origin = [{ORIGIN[0]}, {ORIGIN[1]}]"]
    for i, (from_m, to_m) in enumerate(road.stretches_m):
        east, north = road.axis.place((from_m + to_m) / 2.0, -8.0)
        lon, lat = lonlat_of(east, north)
        near = [f'"FR{k}"' for k in (i - 1, i + 1) if 0 <= k < len(road.stretches_m)]
        lines += ["[[rsu]]", f'esn = "FR{i}"', f"lon_deg = {float(lon):.9f}", f"lat_deg = {float(lat):.9f}"]
        lines += [f"stretch_m = [{from_m:.1f}, {to_m:.1f}]", f"neighbours = [{', '.join(near)}]"]
        for k, pole in enumerate(road.poles):
            if pole.rsu == i:
                lines += _radar_lines(road, k)
    return "\n".join([*lines, "[rules]", 'version = "foreign-1"', ""])


def _radar_lines(road: Road, k: int) -> list[str]:
    pole, plan = road.poles[k], road.scenario.radar
    lon, lat = lonlat_of(pole.east_m, pole.north_m)
    course = float(course_of(pole.boresight_rad, pole.east_m, pole.north_m))
    return [
        "[[rsu.radar]]", f'id = "{pole.sensor}"', f'input = "udp://127.0.0.1:{18000 + k}"', "accepted = true",
        f"lon_deg = {float(lon):.9f}", f"lat_deg = {float(lat):.9f}", f"height_m = {plan.height_m}",
        f"heading_deg = {course:.6f}", f"range_m_max = {plan.range_m}", f"fov_deg = {plan.fov_deg}",
        f"sigma_range_m = {plan.sigma_range_m}", f"sigma_azimuth_deg = {plan.sigma_azimuth_deg}",
        f"sigma_range_rate_mps = {plan.sigma_rate_mps}",
    ]  # fmt: skip


def map_text(road: Road) -> str:
    """Return the GeoJSON: an axis, and each lane between its boundaries."""
    axis = {"kind": "axis", "road": "main", "k0_m": 0.0}
    features = [_feature(axis, "LineString", _line(road.axis, 0.0, 1))]
    for lane in road.lanes:
        edges = [
            _line(lane.path, lane.left_m + side * lane.forward * LANE_M / 2, lane.forward) for side in (1, -1)
        ]
        features.append(_feature(_properties(lane, road), "MultiLineString", edges))
    whole = {"type": "FeatureCollection", "name": road.scenario.name, "datum": "CGCS2000", "epoch": 2000.0}
    return json.dumps(whole | {"version": "foreign-1", "features": features}, separators=(",", ":"))


def _properties(lane: LaneLine, road: Road) -> dict[str, Any]:
    left, right = NEIGHBOUR_LANES.get(lane.name, (None, None))
    return {
        "kind": "lane", "lane": lane.name, "road": lane.road, "index": lane.index, "level": lane.level,
        "allowed": list(lane.allowed), "speed_limit_mps": lane.limit_mps,
        "successors": ["R0"] if lane.name == "L0" and road.plan.ramp else [],
        "left": left, "right": right,
        "change_left": left is not None and lane.name != "L0",
        "change_right": right is not None and lane.name != "L1",
    }  # fmt: skip


def _line(path: Path, left_m: float, forward: int) -> list[list[float]]:
    s = np.append(np.arange(0.0, path.length_m, PIECE_M), path.length_m)[::forward]
    lon, lat = lonlat_of(*path.place(s, left_m))
    return [[x, y] for x, y in zip(lon.round(9).tolist(), lat.round(9).tolist(), strict=True)]


def _feature(properties: dict[str, Any], kind: str, coordinates: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": kind, "coordinates": coordinates},
    }


def registry_text(motion: Motion) -> str:
    """Return the CSV of all terminals, ghosts too."""
    fleet = motion.fleet
    rows = ["terminal,plate,class,length_m,width_m,antenna_m"]
    for row in np.flatnonzero(fleet.reports).tolist():
        kind = "hazmat" if fleet.is_hazmat[row] else "truck" if fleet.is_truck[row] else "car"
        ahead, left = fleet.antenna_m[row].tolist()
        size = f"{fleet.length_m[row]},{fleet.width_m[row]}"
        rows.append(f"{fleet.terminal(row)},F{row:05d},{kind},{size},{ahead} {left}")
    n_ghosts = motion.road.scenario.traffic.n_ghosts
    rows += [f"{ghost_name(number)},G{number:05d},hazmat,16.0,2.5,0.0 0.0" for number in range(n_ghosts)]
    return "\n".join([*rows, ""])
