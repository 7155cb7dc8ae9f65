"""`petroroad map`: check a map before an RSU judges by it, and list its contents."""

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from core.errors import ConfigError, MapError
from edge.config import load_site, read_text
from edge.site_map import check_names, road_of
from geofence.map.document import document_of, first_place
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadMap, load_map

app = App(name="map", help="Check a map, list its contents.")
AsJson = Annotated[bool, Parameter(name="--json", negative=())]


@app.command
def check(path: Path, /, *, as_json: AsJson = False) -> None:
    """Load a site file's map, or a GeoJSON map by itself; print its first fault.

    Parameters
    ----------
    path
        A site file (.toml) or a map (.geojson).
    as_json
        One JSON object on stdout.
    """
    road = _load(path)
    facts = {"map": str(path), "version": road.version, "lanes": len(road.lanes), "skipped": road.skipped}
    if as_json:
        print(json.dumps(facts, ensure_ascii=False))
        return
    print(f"{path}: sound; version {road.version}, {len(road.lanes)} lanes")
    for name, n_times in road.skipped.items():
        print(f"  not read: {name}, {n_times} times")


@app.command
def info(path: Path, /, *, as_json: AsJson = False) -> None:
    """List the roads, lanes, gates and zones of a map.

    Parameters
    ----------
    path
        A site file (.toml) or a map (.geojson).
    as_json
        One JSON object on stdout.
    """
    facts = _facts(_load(path))
    if as_json:
        print(json.dumps(facts, ensure_ascii=False))
        return
    for key, value in facts.items():
        print(f"{key:12}  {json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value}")


def _load(path: Path) -> RoadMap:
    if path.suffix == ".toml":
        return road_of(load_site(path))
    try:
        document = document_of(read_text(path))
    except (OSError, ValueError) as error:
        raise ConfigError(str(path), "", f"can't be read: {error}") from error
    except MapError as error:
        raise ConfigError(str(path), "", str(error)) from error
    # any place of the map is near enough to be the frame's zero; a map without lanes is legal
    road = load_map(document, SiteFrame(*(first_place(document) or (0.0, 0.0))))
    check_names(road)
    return road


def _facts(road: RoadMap) -> dict[str, Any]:
    roles: dict[str, int] = {}
    for zone in road.zones:
        for role in zone.roles:
            roles[role] = roles.get(role, 0) + 1
    levels: dict[str, int] = {}
    for lane in road.lanes:
        levels[str(lane.level)] = levels.get(str(lane.level), 0) + 1
    return {
        "version": road.version,
        "roads": ", ".join(dict.fromkeys(lane.road for lane in road.lanes)),
        "axis": road.axis.road if road.axis else None,
        "length_m": round(road.axis.length_m, 1) if road.axis else 0.0,
        "lanes": len(road.lanes),
        "hazmat_lanes": sum("hazmat" in lane.allowed for lane in road.lanes),
        "levels": levels,
        "gates": len(road.gates),
        "zones": roles,
        "skipped": road.skipped,
    }
