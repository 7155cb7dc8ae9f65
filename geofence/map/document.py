"""A map's text as a GeoJSON document; properties of our features get the types that are meant. Pure.

Table tools keep the values and change their types: 0 becomes 0.0 or "0", a list its JSON text, a missing
value null or NaN, a flag 0 or 1, a line a collection of one, a name upper case. Every reader of a map
reads this document.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from core.errors import MapError

FEATURE_KINDS = ("lane", "axis", "gate", "zone")
PAGE_KIND = "place"  # the centre's page shows it; no rule reads it
NESTED_MAX = 5  # lists of a geometry in one another: those of a MultiPolygon, and a point's
NEAR_DEG = 0.5  # of a map's middle
DIGITS_MAX = 300  # of a whole number: a float holds no more
FLAG_VALUES = {0: False, 1: True, "0": False, "1": True, "false": False, "true": True, "f": False, "t": True}
FLAG_VALUES |= {"no": False, "yes": True, "n": False, "y": True}
LISTED = re.compile(r"\(\d+:(.*)\)|[\[({](.*)[\])}]|(.*)", re.DOTALL)  # (2:a,b) of OGR; {a,b} of PostgreSQL
OTHER_DATUMS = ("GCJ02", "BD09", "BEIJING54", "BEIJING1954", "XIAN80", "XIAN1980")  # 50 to 500 m off
KNOWN_CRS = ("CRS84", "4326", "4490")  # longitude, latitude of WGS 84 or CGCS2000


@dataclass(frozen=True, slots=True)
class Document:
    """A FeatureCollection; `changed` says whether it differs from the text."""

    body: dict[str, Any]
    changed: bool

    @property
    def features(self) -> list[Any]:
        rows: list[Any] = self.body["features"]
        return rows


def document_of(text: str) -> Document:
    """Return the document; raises MapError where it is no GeoJSON of features."""
    beside: list[str] = []  # NaN and Infinity, which Python reads and JSON does not have

    def constant(name: str) -> float:
        beside.append(name)
        return float(name)

    try:
        plain = text.removeprefix("\ufeff")
        body = _quickly(plain)
        if body is None:
            body = json.loads(plain, parse_int=_whole_digits, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise MapError(f"map: not JSON: {error}") from error
    is_feature = isinstance(body, dict) and body.get("type") == "Feature" and "geometry" in body
    if is_feature:  # a map of one
        body = {"type": "FeatureCollection", "features": [body]}
    if not isinstance(body, dict) or body.get("type") != "FeatureCollection":
        raise MapError("map: not a GeoJSON FeatureCollection")
    if not isinstance(body.get("features"), list):
        raise MapError("map: 'features' is no list")
    _check_crs(body.get("crs"))
    _check_datum(body.get("datum"))
    rows = [_tidied(row) for row in body["features"]]
    changed = is_feature or bool(beside) or len(plain) < len(text)
    changed = changed or any(row is not old for row, old in zip(rows, body["features"], strict=True))
    return Document(body | {"features": rows}, changed)


def _quickly(text: str) -> Any:
    """Return the JSON of a text that needs no leniency, in half of the time; else None."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):  # NaN, or a fault that the other reader names
        return None


def kind_of(row: Any) -> str | None:
    """Return the kind of a feature of ours; None for another program's."""
    properties = row.get("properties") if isinstance(row, dict) else None
    kind = properties.get("kind") if isinstance(properties, dict) else None
    return kind if isinstance(kind, str) and kind in FEATURE_KINDS else None


def first_place(document: Document) -> tuple[float, float] | None:
    """Return (lon_deg, lat_deg) of the first feature of ours near the middle of all; None where none has any.

    One feature that lies elsewhere, by a digit or with swapped axes, is not the place of a map.
    """
    rows = (first_point(row.get("geometry")) for row in document.features if kind_of(row) is not None)
    places = [(float(p[0]), float(p[1])) for p in rows if p is not None and all(map(_is_degrees, p))]
    places = [place for place in places if abs(place[1]) <= 90.0]
    if not places:
        return None
    middle = [sorted(axis)[len(places) // 2] for axis in zip(*places, strict=True)]
    near = (p for p in places if abs(p[0] - middle[0]) <= NEAR_DEG and abs(p[1] - middle[1]) <= NEAR_DEG)
    return next(near, places[0])


def first_point(geometry: Any) -> list[Any] | None:
    """Return the first [lon_deg, lat_deg] of a geometry as it stands there; None without one."""
    return _first(geometry.get("coordinates") if isinstance(geometry, dict) else None, NESTED_MAX)


def _first(found: Any, depth: int) -> list[Any] | None:
    if not isinstance(found, list) or not found or depth == 0:
        return None
    if not isinstance(found[0], list):
        numbers = found[:2]
        is_point = len(numbers) == 2 and all(isinstance(v, int | float) for v in numbers)
        return numbers if is_point else None
    points = (_first(inner, depth - 1) for inner in found)
    return next((point for point in points if point is not None), None)


def _is_degrees(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 180.0


def _whole_digits(digits: str) -> int:
    if len(digits) > DIGITS_MAX:  # ids of 64 bits are the drawing program's, and fine
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _check_crs(crs: Any) -> None:
    """Refuse a `crs` other than longitude and latitude."""
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if isinstance(name, str) and not name.endswith(KNOWN_CRS):
        raise MapError(
            f"map: its 'crs' is {name!r}: coordinates must be [lon_deg, lat_deg] (WGS 84, CGCS2000)"
        )


def _check_datum(datum: Any) -> None:
    """Refuse coordinates of a map service or of an old national system: beside the road by many lanes."""
    plain = re.sub(r"[^A-Z0-9]", "", datum.upper()) if isinstance(datum, str) else ""
    if plain.startswith(OTHER_DATUMS):
        raise MapError(f"map: its 'datum' is {datum!r}: coordinates must be of CGCS2000 or WGS 84")


def _named(row: Any) -> Any:
    """Return a feature with our names, where its own differ in capitals and blanks only."""
    properties = row.get("properties") if isinstance(row, dict) else None
    if not isinstance(properties, dict):
        return row
    found = {}
    for key, value in properties.items():
        plain = key.strip().lower()
        found[plain if plain not in properties else key] = value
    kind = found.get("kind")
    if isinstance(kind, str) and kind.strip().lower() in FEATURE_KINDS:
        found["kind"] = kind.strip().lower()
        return row if found == properties else row | {"properties": found}
    return row


def _tidied(row: Any) -> Any:
    """Return a feature of ours with our names and types; any other feature as it is."""
    as_read, row = row, _named(row)
    kind = kind_of(row)
    if kind is None:
        return row
    properties = row["properties"]
    tidy = {key: _meant(key, value) for key, value in properties.items()}
    geometry = _geometry(kind, row.get("geometry"))
    same = geometry is row.get("geometry") and all(tidy[key] is properties[key] for key in properties)
    if same and row is as_read:
        return as_read
    return row | {"properties": tidy, "geometry": geometry}


def _meant(key: str, value: Any) -> Any:
    if isinstance(value, float) and value != value:  # NaN: an empty cell of a table
        return None
    if key not in TYPES:
        return value
    return None if isinstance(value, str) and not value.strip() else TYPES[key](value)


def _geometry(kind: str, geometry: Any) -> Any:
    """Return a line that came as a collection of one as a line, and rings closed."""
    if not isinstance(geometry, dict) or not isinstance(geometry.get("coordinates"), list):
        return geometry
    coordinates = geometry["coordinates"]
    if kind in ("axis", "gate") and geometry.get("type") == "MultiLineString" and len(coordinates) == 1:
        return {"type": "LineString", "coordinates": coordinates[0]}
    if kind == "zone" and geometry.get("type") == "Polygon":
        closed = [_closed(ring) for ring in coordinates]
    elif kind == "zone" and geometry.get("type") == "MultiPolygon":
        closed = [
            [_closed(ring) for ring in part] if isinstance(part, list) else part for part in coordinates
        ]
    else:
        return geometry
    return geometry if closed == coordinates else geometry | {"coordinates": closed}


def _closed(ring: Any) -> Any:
    is_open = isinstance(ring, list) and len(ring) >= 3 and ring[0] != ring[-1]
    return [*ring, ring[0]] if is_open else ring


# Each returns the meant value, or the value itself where that is unclear: the reader then refuses it by name.
def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return _number_of(value.strip())
    except ValueError:
        return value


def _number_of(text: str) -> int | float:
    return int(text) if text.lstrip("+-").isdecimal() and len(text) <= DIGITS_MAX else float(text)


def _whole(value: Any) -> Any:
    number = _number(value)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _flag(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    return FLAG_VALUES.get(value.strip().lower() if isinstance(value, str) else value, value)


def _name(value: Any) -> Any:
    if isinstance(value, str):
        return value if value == value.strip() else value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):  # lane 7 of a table's number column
        whole = _whole(value)
        return str(whole) if isinstance(whole, int) else value
    return value


def _names(value: Any) -> Any:
    if isinstance(value, str):
        value = _listed(value.strip())
    if not isinstance(value, list):
        return value
    named = [_name(name) for name in value]
    return value if named == value else named


def _listed(text: str) -> Any:
    """Return the names in a text; the text itself where it opens a list that does not end."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list):
        return found
    if text[:1] in "[({" and text[-1:] not in "])}":
        return text
    match = LISTED.fullmatch(text)
    inner = next((part for part in match.groups() if part is not None), "") if match else text
    names = [name.strip(" \t\r\n'\"") for name in re.split("[,;]", inner)]
    return [name for name in names if name]


TYPES: dict[str, Callable[[Any], Any]] = {
    "lane": _name, "road": _name, "left": _name, "right": _name, "gate": _name, "zone": _name, "role": _name,
    "index": _whole, "level": _whole, "speed_limit_mps": _number, "k0_m": _number,
    "change_left": _flag, "change_right": _flag, "allowed": _names, "successors": _names,
    "rules": _names, "time_window": _name, "min_speed_mps": _number,
    "valid_from": _name, "valid_to": _name, "stay_max_s": _number,
}  # fmt: skip
