"""The JSON Schema of each recording channel (docs/design.md section 6); payloads are MessagePack maps."""

from functools import lru_cache
from typing import Any

import msgspec

WHOLE = {"type": "integer"}
NUMBER = {"type": "number"}
TEXT = {"type": "string"}
FLAG = {"type": "boolean"}
MAP = {"type": "object"}
BYTES = {"type": "string", "contentEncoding": "binary", "description": "MessagePack bin"}


def maybe(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of something that may be nil."""
    return schema | {"type": [schema["type"], "null"]}


def column(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a list of it."""
    return {"type": "array", "items": schema}


GNSS: dict[str, dict[str, Any]] = {
    "terminal": TEXT,
    "plate": maybe(TEXT),
    "stamp_ns": WHOLE,
    "arrived_ns": maybe(WHOLE),
    "source_seq": maybe(WHOLE),
    "lon_deg": NUMBER,
    "lat_deg": NUMBER,
    "alt_m": maybe(NUMBER),
    "speed_mps": maybe(NUMBER),
    "course_deg": maybe(NUMBER | {"description": "clockwise from true north"}),
    "sigma_m": maybe(NUMBER | {"description": "1 sigma per axis"}),
    "tau_s": maybe(NUMBER | {"description": "error correlation time"}),
    "quality": {"enum": ["none", "single", "dgnss", "float", "fixed", "dead_reckoning", None]},
    "satellites": maybe(WHOLE),
    "alarm": maybe(WHOLE),
    "status": maybe(WHOLE),
    "device_stamp_ns": maybe(WHOLE | {"description": "in place of a stamp_ns that no right clock shows"}),
    "departure": maybe(WHOLE | {"description": "its own lane alarm: 0 side unknown, 1 left, 2 right"}),
}
DETECTIONS = {
    "range_m": column(NUMBER),
    "azimuth_rad": column(NUMBER | {"description": "counter-clockwise from boresight"}),
    "range_rate_mps": column(NUMBER | {"description": "positive when receding"}),
    "rcs_dbsm": column(maybe(NUMBER)),
}
OBJECTS = {
    "id": column(WHOLE),
    "x_m": column(NUMBER | {"description": "forward"}),
    "y_m": column(NUMBER | {"description": "left"}),
    "vx_mps": column(NUMBER),
    "vy_mps": column(NUMBER),
    "length_m": column(maybe(NUMBER)),
    "width_m": column(maybe(NUMBER)),
    "class": column(maybe(WHOLE)),
}
TRUTH = {
    "stamp_ns": WHOLE,
    "id": column(WHOLE),
    "terminal": column(maybe(TEXT)),
    "lon_deg": column(NUMBER),
    "lat_deg": column(NUMBER),
    "speed_mps": column(NUMBER),
    "course_deg": column(NUMBER),
    "length_m": column(NUMBER),
    "width_m": column(NUMBER),
    "lane": column(maybe(TEXT)),
    "hazmat": column(FLAG),
}
TRUE_VIOLATION = {
    "id": TEXT,
    "rule": TEXT,
    "vehicle": WHOLE,
    "terminal": maybe(TEXT),
    "start_ns": WHOLE,
    "end_ns": WHOLE,
    "detail": MAP,
}
VIOLATION = {
    "id": TEXT | {"format": "uuid"},
    "version": WHOLE,
    "hop": WHOLE,
    "phase": {"enum": ["open", "update", "close"]},
    "grade": {"enum": ["undecidable", "notice", "warning", "violation"]},
    "rule": TEXT,
    "vehicle": maybe(MAP),
    "identity_p": maybe(NUMBER),
    "track": WHOLE,
    "esn": TEXT,
    "start_ns": WHOLE,
    "confirmed_ns": maybe(WHOLE),
    "end_ns": maybe(WHOLE),
    "lon_deg": NUMBER,
    "lat_deg": NUMBER,
    "lane": maybe(TEXT),
    "zone": maybe(TEXT),
    "s_m": maybe(NUMBER),
    "d_m": maybe(NUMBER),
    "sigma_d_m": maybe(NUMBER),
    "p_violation": NUMBER,
    "speed_mps": NUMBER,
    "limit_mps": maybe(NUMBER),
    "map_version": TEXT,
    "rules_version": TEXT,
    "stamps": MAP,
    "reason": maybe(TEXT),
    "late": FLAG,
    "evidence": MAP,
    "limit_of": maybe(TEXT),
    "road_s_m": maybe(NUMBER),
}
JOURNEY = {
    "id": TEXT | {"format": "uuid"},
    "version": WHOLE,
    "hop": WHOLE,
    "esn": TEXT,
    "terminal": TEXT,
    "vehicle": maybe(MAP),
    "track": WHOLE,
    "road": maybe(TEXT),
    "began": {"enum": ["gate", "seen"]},
    "start_ns": WHOLE,
    "entry": maybe(TEXT),
    "entry_s_m": maybe(NUMBER),
    "exit": maybe(TEXT),
    "exit_s_m": maybe(NUMBER),
    "expected_ns": maybe(WHOLE),
    "due_ns": maybe(WHOLE),
    "eta_ns": maybe(WHOLE),
    "overdue": FLAG,
    "stamp_ns": WHOLE,
    "seen_ns": WHOLE,
    "lon_deg": NUMBER,
    "lat_deg": NUMBER,
    "s_m": maybe(NUMBER),
    "share": maybe(NUMBER),
    "speed_mps": NUMBER,
    "speed_mps_max": NUMBER,
    "way_m": NUMBER,
    "moving_s": NUMBER,
    "standing_s": NUMBER,
    "standing_since_ns": WHOLE,
    "dwells": column(MAP),
    "contact": {"enum": ["both", "radar", "terminal", "lost"]},
    "cause": maybe(TEXT),
    "off_road_since_ns": WHOLE,
    "violations": MAP,
    "counted": column(TEXT),
    "end_ns": maybe(WHOLE),
    "reason": maybe(TEXT),
    "permit": maybe(TEXT),
    "waybill": maybe(TEXT),
    "broken": MAP,
    "off_route_since_ns": WHOLE,
    "driving": maybe(MAP),
}
TRACKS = {
    "v": WHOLE,
    "esn": TEXT,
    "seq": WHOLE,
    "stamp_ns": WHOLE,
    "n": WHOLE,
    "dtype": column({"type": "array", "description": "NumPy descr: name, format"}),
    "data": BYTES,
    "lanes": column(TEXT),
    "names": MAP,
}
RADAR = {
    "sensor": TEXT,
    "stamp_ns": WHOLE,
    "arrived_ns": maybe(WHOLE),
    "scan": WHOLE,
    "device_stamp_ns": maybe(WHOLE),
}
DELIVERY = {"given": column(MAP), "done": column(column(WHOLE)), "episodes": MAP}
SITE = {"config": TEXT, "map": TEXT, "registry": maybe(TEXT), "esn": maybe(TEXT)}


def _object(properties: dict[str, Any], required: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Return a map's schema; required are the keys that can't be nil, unless given."""
    if required is None:
        required = tuple(k for k, v in properties.items() if isinstance(v.get("type"), str))
    return {"type": "object", "properties": properties, "required": list(required)}


SCHEMAS: dict[str, dict[str, Any]] = {
    "gnss": _object(GNSS),
    "gateway": _object(
        {
            "gateway": TEXT,
            "epoch": WHOLE,
            "seq": WHOLE,
            "fixes": _object({k: column(v) for k, v in GNSS.items()}, ()),
        }
    ),
    "radar": _object(RADAR | {"detections": _object(DETECTIONS), "objects": _object(OBJECTS)}, tuple(RADAR))
    | {"oneOf": [{"required": ["detections"]}, {"required": ["objects"]}]},
    "truth": _object(TRUTH),
    "truth.violation": _object(TRUE_VIOLATION),
    "site": _object(SITE),
    "handover": _object(
        {"epoch": WHOLE, "seq": WHOLE, "tracks": column(MAP), "partial": {"type": "boolean"}},
        ("epoch", "seq", "tracks"),
    ),
    "tracks": _object(TRACKS, ("v", "esn", "seq", "stamp_ns", "n", "dtype", "data")),
    "violation": _object(VIOLATION),
    "journey": _object(JOURNEY),
    "delivery": _object(DELIVERY, ()),
}
OPEN = _object({})  # /config, /input, /state: a map


@lru_cache(maxsize=1_024)
def kind_of(topic: str) -> tuple[str, str]:
    """Return the kind of a channel, the first part of its topic, and the rest."""
    head, _, rest = topic.removeprefix("/").partition("/")
    return head, rest


def schema_of(topic: str) -> tuple[str, bytes]:
    """Return (name, JSON Schema) of a channel."""
    name, _ = kind_of(topic)
    if topic == "/truth/violation":
        name = "truth.violation"
    return f"petroroad.{name}", msgspec.json.encode(SCHEMAS.get(name, OPEN))
