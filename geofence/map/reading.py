"""Reads the canonical GeoJSON map as checked features in site metres; errors name feature, rule and place."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from core.arrays import F64
from core.classes import ALLOWED
from core.errors import MapError
from geofence.map.boundaries import are_plain, projected
from geofence.map.document import PAGE_KIND, Document, document_of, first_point, kind_of
from geofence.map.frames import SiteFrame
from geofence.map.outlines import crossing_of, fault_of
from geofence.map.windows import Window, in_force, windows_of

POINTS_MAX = 50_000
INDEX_MAX, LEVEL_MAX = 50, 100
SPEED_MAX_MPS = 50.0  # 180 km/h: more was written in km/h
STAY_MAX_S = 7 * 86_400.0
WHOLE_MAX = 10**300  # a float holds no more
K0_MAX_M = 10_000_000.0
SWAPPED = "longitude and latitude are swapped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One lane section; boundaries in driving direction, site metres."""

    lane: str
    road: str
    index: int  # 0 = rightmost
    level: int
    allowed: tuple[str, ...]
    speed_limit_mps: float | None
    successors: tuple[str, ...]
    left: str | None
    right: str | None
    change_left: bool
    change_right: bool
    left_boundary: F64  # (n, 2)
    right_boundary: F64  # (m, 2)
    min_speed_mps: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """An entry or exit line across a road."""

    gate: str
    role: str
    road: str
    level: int
    points: F64  # (n, 2) site metres


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """An area with a role (inspection, parking, weak_gnss, …)."""

    zone: str
    role: str
    polygon: shapely.Polygon | shapely.MultiPolygon  # site metres
    rules: tuple[str, ...] = ()  # further roles, of the rules that read it
    windows: tuple[Window, ...] = ()  # in which its rules hold; none: always
    speed_limit_mps: float | None = None
    stay_max_s: float | None = None  # how long a vehicle may stand there

    @property
    def roles(self) -> tuple[str, ...]:
        """All its roles."""
        return (self.role, *self.rules)


@dataclass(frozen=True, slots=True)
class Features:
    """The features of a map, each checked."""

    version: str
    lanes: tuple[Lane, ...]
    axes: tuple[tuple[str, float, F64], ...]  # road, k0_m, points
    gates: tuple[Gate, ...]
    zones: tuple[Zone, ...]
    skipped: dict[str, int]  # features and properties that are not read, by kind


NAMES = {int: "int (a whole number)", float: "float (a number)", str: "text", bool: "true or false"}
NAMES |= {list: "a list", type(None): "null"}
PROPERTIES = {
    "lane": {
        "lane", "road", "index", "level", "allowed", "speed_limit_mps", "successors", "left", "right",
        "change_left", "change_right", "min_speed_mps",
    },
    "axis": {"road", "k0_m"},
    "gate": {"gate", "role", "road", "level"},
    "zone": {
        "zone", "role", "rules", "time_window", "speed_limit_mps", "valid_from", "valid_to", "stay_max_s",
    },
}  # fmt: skip
COMMON = {"kind", "road", "direction", "name", "name_zh", "name_en", "note"}  # for people


def unreadable(point: Any) -> str:
    """Return what keeps a point of a file from being one; "": it has a longitude and a latitude."""
    good = isinstance(point, list) and len(point) >= 2  # height and measures are not read
    if not good or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in point[:2]):
        return f"a point is no [lon_deg, lat_deg(, z_m)]: {point!r:.60}"
    if any(abs(v) > WHOLE_MAX for v in point[:2] if isinstance(v, int)):
        return f"a coordinate has {max(len(str(abs(v))) for v in point[:2])} digits"
    return "" if all(math.isfinite(v) for v in point[:2]) else f"a coordinate is not finite: {point[:2]}"


@dataclass(frozen=True, slots=True)
class Source:
    """One feature under check, with the words that name it in an error."""

    where: str
    properties: dict[str, Any]
    geometry: dict[str, Any]
    frame: SiteFrame
    lines: Mapping[int, F64]  # those of lanes, by the id of their coordinates

    def refuse(self, rule: str, place: Any = None) -> MapError:
        """Return the error; `place` is a [lon, lat] of the file, or its first one."""
        return MapError(f"{self.where}: {rule}", place=first_point(self.geometry) if place is None else place)

    def value(self, key: str, kinds: tuple[type, ...], default: Any = ...) -> Any:
        """Return a property of one of the kinds; a missing one is refused unless it has a default."""
        value = self.properties.get(key)
        value = default if value is None else value  # null: missing
        if value is ...:
            raise self.refuse(f"property {key!r} is missing")
        if value is not default and (
            not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)
        ):
            wanted = " or ".join(NAMES[kind] for kind in kinds if kind is not type(None))
            raise self.refuse(f"property {key!r} is {value!r}, not {wanted}")
        if isinstance(value, float) and not math.isfinite(value):
            raise self.refuse(f"property {key!r} is not finite")
        return value

    def number(self, key: str, kinds: tuple[type, ...], low: float, high: float) -> Any:
        """Return a number within [low, high]; 0 where it is missing."""
        value = self.value(key, kinds, 0)
        if not low <= value <= high:
            raise self.refuse(f"property {key!r} is {value!r}, not within {low:g} and {high:g}")
        return value

    def texts(self, key: str, default: Any = ()) -> tuple[str, ...]:
        """Return a property that is a list of strings; `default` where it is missing."""
        values = self.value(key, (list,), default)
        if not all(isinstance(value, str) for value in values):
            raise self.refuse(f"property {key!r} holds something else than strings")
        return tuple(values)

    def line(self, coordinates: Any, at_least: int = 2) -> F64:
        """Return a line (n, 2) in site metres."""
        known = self.lines.get(id(coordinates))
        if known is not None:
            return known
        if not isinstance(coordinates, list) or not at_least <= len(coordinates) <= POINTS_MAX:
            raise self.refuse(f"a line needs {at_least} to {POINTS_MAX} points")
        for k, point in enumerate(coordinates):
            rule = unreadable(point)
            if rule:
                raise self.refuse(rule, self._beside(coordinates, k))
        lon, lat = np.array([point[:2] for point in coordinates], dtype=np.float64).T
        near = self.frame.within(lon, lat)
        if not near.all():
            bad = int(np.flatnonzero(~near)[0])
            rule = self._far(float(lon[bad]), float(lat[bad]))
            if not near.any():  # the feature as a whole: as it stands there
                raise self.refuse(rule, coordinates[bad])
            raise self.refuse(f"{rule}: {coordinates[bad][:2]}", self._beside(coordinates, bad))
        return np.column_stack(self.frame.site_from_lonlat(lon, lat))

    def _beside(self, coordinates: list[Any], k: int) -> Any:
        """Return the vertex of a line that is next to the k-th, which has no place; that one without any."""
        order = sorted(range(len(coordinates)), key=lambda i: (abs(i - k), i))
        sound = (coordinates[i] for i in order if not unreadable(coordinates[i]))
        return next((point[:2] for point in sound if self.frame.within(*point[:2])), coordinates[k])

    def lonlat(self, place_m: F64) -> list[float]:
        """Return the [lon_deg, lat_deg] of a place (2,) in site metres."""
        lon, lat = self.frame.lonlat_from_site(place_m[:1], place_m[1:2])
        return [round(float(lon[0]), 7), round(float(lat[0]), 7)]

    def _far(self, lon_deg: float, lat_deg: float) -> str:
        swapped = bool(np.all(self.frame.within(lat_deg, lon_deg)))
        if swapped or (abs(lat_deg) > 90.0 >= abs(lon_deg) and abs(lat_deg) <= 180.0):
            return f"{SWAPPED} (GeoJSON wants [lon_deg, lat_deg])"
        if abs(lon_deg) > 180.0 or abs(lat_deg) > 90.0:
            return "no longitude and latitude in degrees (metres of a projection?)"
        return f"too far from the site's origin [{self.frame.lon_deg}, {self.frame.lat_deg}] (100 km)"


def read(text: str | Document, frame: SiteFrame, refused: list[MapError] | None = None) -> Features:
    """Return the features of the map; raises MapError.

    refused : takes the errors of single features, which are then left out
    """
    document = text if isinstance(text, Document) else document_of(text)
    found: dict[str, list[Any]] = {kind: [] for kind in READERS}
    skipped: Counter[str] = Counter()
    shapes = [row.get("geometry") for row in document.features if kind_of(row) == "lane"]
    lines = projected(shapes, frame, POINTS_MAX)
    sources: list[Source] = []  # of the lanes
    for i, row in enumerate(document.features):
        if not isinstance(row, dict) or row.get("type") != "Feature":
            raise MapError(f"feature {i}: not a GeoJSON Feature")
        if not isinstance(row.get("properties"), dict | None):
            raise MapError(f"feature {i}: its properties are no object")
        kind = kind_of(row)
        if kind is None:  # labels and other programs' features
            other = (row.get("properties") or {}).get("kind")
            if other != PAGE_KIND:
                skipped["feature without kind" if other is None else f"feature of kind {other!r:.40}"] += 1
            continue
        try:
            source = _source(i, row, kind, frame, lines)
            found[kind].append(READERS[kind](source))
        except MapError as error:
            if refused is None:
                raise
            refused.append(error)
            continue
        if kind == "lane":
            sources.append(source)
        for name in source.properties.keys() - PROPERTIES[kind] - COMMON:
            if source.properties[name] is not None:  # a table has each column in each row
                skipped[f"property {name!r:.40} of a {kind}"] += 1
    return Features(
        version="" if document.body.get("version") is None else str(document.body["version"]),
        lanes=_checked(found["lane"], sources, refused),
        axes=tuple(found["axis"]),
        gates=tuple(found["gate"]),
        zones=tuple(found["zone"]),
        skipped=dict(sorted(skipped.items())),
    )


def _checked(
    lanes: Sequence[Lane], sources: Sequence[Source], refused: list[MapError] | None
) -> tuple[Lane, ...]:
    """Return the lanes whose shapes give strips."""
    plain = are_plain([lane.left_boundary for lane in lanes], [lane.right_boundary for lane in lanes])
    bad = set()
    for i in np.flatnonzero(~plain).tolist():
        try:
            fault = fault_of(lanes[i].left_boundary, lanes[i].right_boundary)
            if fault is not None:
                raise sources[i].refuse(fault[0], sources[i].lonlat(fault[1]))
        except MapError as error:
            if refused is None:
                raise
            refused.append(error)
            bad.add(i)
    return tuple(lane for i, lane in enumerate(lanes) if i not in bad)


def _source(i: int, row: dict[str, Any], kind: str, frame: SiteFrame, lines: Mapping[int, F64]) -> Source:
    properties = row["properties"]
    name = properties.get(kind, properties.get("road", ""))
    geometry = row.get("geometry")
    where = f"feature {i} ({kind} {name})"
    if not isinstance(geometry, dict):
        raise MapError(f"{where}: it has no geometry")
    return Source(where, properties, geometry, frame, lines)


def _coordinates(source: Source, wanted: str) -> list[Any]:
    kind, coordinates = source.geometry.get("type"), source.geometry.get("coordinates")
    if kind != wanted or not isinstance(coordinates, list):
        raise source.refuse(f"geometry is {kind!r}, not {wanted!r} with coordinates")
    return coordinates


def _lane(source: Source) -> Lane:
    coordinates = _coordinates(source, "MultiLineString")
    if len(coordinates) != 2:
        raise source.refuse(f"a lane has 2 boundaries (left, then right), not {len(coordinates)}")
    left, right = source.line(coordinates[0]), source.line(coordinates[1])
    allowed = source.texts("allowed", ...)  # an empty list: closed to all; missing: refused
    unknown = [name for name in allowed if name not in ALLOWED]
    if unknown:
        raise source.refuse(f"'allowed' names {unknown[0]!r}; known are {', '.join(ALLOWED)}")
    lane = Lane(
        lane=source.value("lane", (str,)),
        road=source.value("road", (str,)),
        index=source.number("index", (int,), 0, INDEX_MAX),
        level=source.number("level", (int,), -LEVEL_MAX, LEVEL_MAX),
        allowed=allowed,
        speed_limit_mps=_above_0(source, "speed_limit_mps"),
        successors=source.texts("successors"),
        left=source.value("left", (str, type(None)), None),
        right=source.value("right", (str, type(None)), None),
        change_left=source.value("change_left", (bool, type(None)), False) or False,
        change_right=source.value("change_right", (bool, type(None)), False) or False,
        left_boundary=left,
        right_boundary=right,
        min_speed_mps=_above_0(source, "min_speed_mps"),
    )
    if (lane.min_speed_mps or 0.0) >= (lane.speed_limit_mps or SPEED_MAX_MPS):
        raise source.refuse("min_speed_mps must be below speed_limit_mps")
    return lane


def _above_0(source: Source, key: str, highest: float = SPEED_MAX_MPS, unit: str = "m/s") -> float | None:
    """Return a speed or a time, None where it is missing."""
    value = source.value(key, (int, float, type(None)), None)
    if value is not None and not 0.0 < value <= highest:
        raise source.refuse(f"{key} is {value}, not above 0 and at most {highest:g} {unit}")
    return None if value is None else float(value)


def _axis(source: Source) -> tuple[str, float, F64]:
    line = source.line(_coordinates(source, "LineString"))
    if not shapely.LineString(line).is_simple:
        raise source.refuse("the axis crosses itself", source.lonlat(crossing_of(line)))
    return source.value("road", (str,)), float(source.number("k0_m", (int, float), -K0_MAX_M, K0_MAX_M)), line


def _gate(source: Source) -> Gate:
    return Gate(
        gate=source.value("gate", (str,)),
        role=source.value("role", (str,), "entry"),
        road=source.value("road", (str,), ""),
        level=source.number("level", (int,), -LEVEL_MAX, LEVEL_MAX),
        points=source.line(_coordinates(source, "LineString")),
    )


def _zone(source: Source) -> Zone:
    coordinates = source.geometry.get("coordinates")
    kind = source.geometry.get("type")
    if kind not in ("Polygon", "MultiPolygon") or not isinstance(coordinates, list) or not coordinates:
        raise source.refuse(f"geometry is {kind!r}, not 'Polygon' or 'MultiPolygon' with coordinates")
    parts = coordinates if kind == "MultiPolygon" else [coordinates]
    polygons = []
    for rings in parts:
        if not isinstance(rings, list) or not rings:
            raise source.refuse("a polygon has no ring")
        shell, *holes = (source.line(ring, 4) for ring in rings)
        polygons.append(shapely.Polygon(shell, holes))
    shape = polygons[0] if kind == "Polygon" else shapely.MultiPolygon(polygons)
    if not shape.is_valid:
        rule, _, place = shapely.is_valid_reason(shape).partition("[")
        numbers = [float(number) for number in place.removesuffix("]").split()[:2]]  # as GEOS writes them
        at = source.lonlat(np.array(numbers)) if len(numbers) == 2 else None
        raise source.refuse(f"the area is not valid: {rule}", at)
    return Zone(
        zone=source.value("zone", (str,)),
        role=source.value("role", (str,), ""),
        polygon=shape,
        rules=source.texts("rules"),
        windows=_windows(source),
        speed_limit_mps=_above_0(source, "speed_limit_mps"),
        stay_max_s=_above_0(source, "stay_max_s", STAY_MAX_S, "s"),
    )


def _windows(source: Source) -> tuple[Window, ...]:
    text = source.value("time_window", (str,), "")
    first, last = (source.value(key, (str,), "") for key in ("valid_from", "valid_to"))
    try:
        windows = windows_of(text) if text else ()
    except ValueError as error:
        raise source.refuse(f"property 'time_window': {error}") from error
    try:
        return in_force(windows, first, last)
    except ValueError as error:
        raise source.refuse(f"property 'valid_from' or 'valid_to': {error}") from error


READERS: dict[str, Callable[[Source], Any]] = {"lane": _lane, "axis": _axis, "gate": _gate, "zone": _zone}
