"""The short road that the centre's web tests describe; no test itself."""

import json
from typing import Any

from tests.support.site_text import HEAD, rsu_text

LINE = [[122.0, 41.0], [122.01, 41.0]]  # eastwards, 842 m


def feature(kind: str, lines: list[Any], **properties: Any) -> dict[str, Any]:
    shape = {"type": "MultiLineString", "coordinates": lines}
    if len(lines) == 1:
        shape = {"type": "LineString", "coordinates": lines[0]}
    return {"type": "Feature", "properties": {"kind": kind, "road": "main", **properties}, "geometry": shape}


SOUTH = [[[122.0, 41.0], [122.01, 41.0]], [[122.0, 40.99996], [122.01, 40.99996]]]
NORTH = [[[122.01, 41.0], [122.0, 41.0]], [[122.01, 41.00004], [122.0, 41.00004]]]
FEATURES = [
    feature("axis", [LINE], k0_m=100.0),
    feature("lane", SOUTH, lane="south", index=0, level=0, allowed=["hazmat"], speed_limit_mps=19.4),
    feature("lane", NORTH, lane="north", index=0, level=0, allowed=["car"], speed_limit_mps=19.4),
    feature("gate", [[[122.005, 41.0001], [122.005, 40.9999]]], gate="entry", role="entry"),
]
MAP = json.dumps({"type": "FeatureCollection", "version": "7-synthetic", "features": FEATURES})
SITE = (
    HEAD
    + rsu_text("RSU001", 122.002, 100.0, 500.0)
    + 'neighbours = ["RSU002"]\n'
    + rsu_text("RSU002", 122.008, 500.0, 940.0)
    + '[gateway]\nid = "GW1"\n'
)
