"""Lanelets to the canonical map, placed at a synthetic origin; a lanelet that can't be ruled is left out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.arrays import F64
from core.errors import MapError
from geofence.map.frames import SiteFrame
from geofence.map.importers import map_document
from geofence.map.importers.commonroad.lanelets import Lanelet
from geofence.map.roadmap import load_map

KIND = "ngsim-commonroad"
ALLOWED = ["car", "bus", "truck", "hazmat", "emergency", "maintenance"]  # a public road


def lane_name(lanelet: str) -> str:
    """Return the map's name of a lanelet."""
    return f"L{lanelet}"


def map_of(
    lanelets: Sequence[Lanelet],
    frame: SiteFrame,
    offset_m: tuple[float, float],
    note: str,
    counts: Counter[str],
) -> str:
    """Return the map's text; lanes that it may not have are left out and counted.

    offset_m : subtracted from the file's x and y to get site metres
    """
    by_id = {lanelet.id: lanelet for lanelet in lanelets}
    features = {}
    for lanelet in by_id.values():
        feature = _feature(lanelet, by_id, frame, offset_m)
        alone = feature | {
            "properties": feature["properties"] | {"successors": [], "left": None, "right": None}
        }
        if _loads([alone], frame):
            features[lanelet.id] = feature
        else:
            counts["lanelet.refused"] += 1
    known = {lane_name(name) for name in features}  # only asked, never iterated
    for feature in features.values():
        _forget_unknown(feature["properties"], known)
    rows = list(features.values())
    if not _loads(rows, frame):
        counts["map.without_lanes"] += 1
        rows = []
    return map_document(KIND, note, rows, local_offset_m=list(offset_m))


def _loads(features: list[dict[str, Any]], frame: SiteFrame) -> bool:
    try:
        load_map(map_document(KIND, "", features), frame)
    except MapError:
        return False
    return True


def _forget_unknown(properties: dict[str, Any], known: set[str]) -> None:
    properties["successors"] = [name for name in properties["successors"] if name in known]
    for side in ("left", "right"):
        if properties[side] not in known:
            properties[side] = None
            properties[f"change_{side}"] = False


def _feature(
    lanelet: Lanelet, by_id: Mapping[str, Lanelet], frame: SiteFrame, offset_m: tuple[float, float]
) -> dict[str, Any]:
    left = lanelet.left if lanelet.left in by_id else None
    right = lanelet.right if lanelet.right in by_id else None
    return {
        "type": "Feature",
        "properties": {
            "kind": "lane",
            "lane": lane_name(lanelet.id),
            "road": "main",
            "index": _index(lanelet, by_id),
            "level": 0,
            "allowed": ALLOWED,
            "speed_limit_mps": lanelet.speed_limit_mps,
            "successors": [lane_name(name) for name in lanelet.successors],
            "left": None if left is None else lane_name(left),
            "right": None if right is None else lane_name(right),
            "change_left": left is not None,
            "change_right": right is not None,
        },
        "geometry": {
            "type": "MultiLineString",
            "coordinates": [
                _line(bound, frame, offset_m) for bound in (lanelet.left_bound, lanelet.right_bound)
            ],
        },
    }


def _index(lanelet: Lanelet, by_id: Mapping[str, Lanelet]) -> int:
    """Return how many lanes of the same direction lie to the right."""
    index, at = 0, lanelet
    while at.right is not None and at.right in by_id and index < len(by_id):  # neighbours in a ring end too
        at = by_id[at.right]
        index += 1
    return index


def _line(bound: F64, frame: SiteFrame, offset_m: tuple[float, float]) -> list[list[float]]:
    lon, lat = frame.lonlat_from_site(bound[:, 0] - offset_m[0], bound[:, 1] - offset_m[1])
    return np.round(np.column_stack([lon, lat]), 9).tolist()  # type: ignore[no-any-return]
