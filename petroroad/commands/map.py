"""`petroroad map`: check a map before an RSU judges by it, and list its contents."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from core.errors import ConfigError, MapError
from edge.config import Site, load_site, read_text
from edge.site_map import check_site, road_of
from geofence.map.checks.zones import Asked
from geofence.map.document import Document, document_of, first_place
from geofence.map.faults import Fault
from geofence.map.frames import LAT_DEG_MAX, SiteFrame
from geofence.map.roadmap import RoadMap, check_map, load_map
from geofence.map.windows import DAY_MIN, LOCAL_NS, MINUTE_NS
from geofence.map_names import check_names
from geofence.rule_checks import roles_read

app = App(name="map", help="Check a map, list its contents.")
AsJson = Annotated[bool, Parameter(name="--json", negative=())]


@app.command
def check(path: Path, /, *, as_json: AsJson = False) -> int:
    """Find what a map breaks: errors (status 2), for which no service starts, and warnings.

    Parameters
    ----------
    path
        A site file (.toml) or a map (.geojson).
    as_json
        One JSON object on stdout.
    """
    site, document = _document(path)
    road, faults = check_map(document, _frame(site, document), _asked(site))
    errors = [fault for fault in faults if fault.level == "error"]
    warnings = [fault for fault in faults if fault.level == "warning"]
    if road is not None and not errors:
        _check_site(site, road)
    if as_json:
        facts = {
            "map": str(path), "version": road.version if road else None,
            "lanes": len(road.lanes) if road else None, "skipped": road.skipped if road else {},
            "errors": [_json(fault) for fault in errors], "warnings": [_json(fault) for fault in warnings],
        }  # fmt: skip
        print(json.dumps(facts, ensure_ascii=False))
    for fault in errors:
        print(f"petroroad: {path}: {fault.text}", file=sys.stderr)
    if errors or road is None:
        return 2
    if not as_json:
        verdict = "sound" if not warnings else f"sound, {len(warnings)} warnings"
        print(f"{path}: {verdict}; version {road.version}, {len(road.lanes)} lanes")
        for fault in warnings:
            print(f"  warning: {fault.text}")
        for name, n_times in road.skipped.items():
            print(f"  not read: {name}, {n_times} times")
    return 0


def _asked(site: Site | None) -> Asked:
    """Return what the check knows beside the map: the day, and which roles the site's rules read."""
    lists = {} if site is None else roles_read(site.config.rules)
    today = (time.time_ns() + LOCAL_NS) // (DAY_MIN * MINUTE_NS)
    return Asked(today, frozenset(role for names in lists.values() for role in names))


def _json(fault: Fault) -> dict[str, Any]:
    return {"where": fault.where, "rule": fault.rule, "place": fault.place}


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
    site, document = _document(path)
    road = load_map(document, _frame(site, document))
    _check_site(site, road)
    return road


def _document(path: Path) -> tuple[Site | None, Document]:
    """Return the site of a site file, None of a map by itself, and the map."""
    site = load_site(path) if path.suffix == ".toml" else None
    try:
        return site, document_of(read_text(path) if site is None else site.map_text)
    except (OSError, ValueError) as error:
        rule = str(error) if isinstance(error, MapError) else f"can't be read: {error}"
        raise ConfigError(str(path), "", rule) from error


def _frame(site: Site | None, document: Document) -> SiteFrame:
    # any place of the map is near enough to be the frame's zero; a map without lanes is legal
    if site is not None:
        return site.frame
    lon_deg, lat_deg = first_place(document) or (0.0, 0.0)
    return SiteFrame(lon_deg, lat_deg) if abs(lat_deg) <= LAT_DEG_MAX else SiteFrame(0.0, 0.0)


def _check_site(site: Site | None, road: RoadMap) -> None:
    if site is None:
        check_names(road)
    else:
        check_site(site, road)


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
