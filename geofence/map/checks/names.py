"""Faults in a map's names, and in what it has beside lanes: kinds, properties, gates, axes."""

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import shapely

from geofence.map.axis import Axis
from geofence.map.document import FEATURE_KINDS, PAGE_KIND, TYPES, Document, first_point, kind_of
from geofence.map.faults import NAMED_MAX, Fault, Faults
from geofence.map.reading import COMMON, PROPERTIES, Gate, Lane

GATE_ROLES = ("entry", "exit")
ALIKE = 0.75  # of difflib: two letters of a word changed or swapped
GATE_FAR_M = 50.0  # from the lanes: a gate excuses stops, and of one further off it excuses none
K0_M_MAX = 6e6  # of an axis' first station: no expressway is so long
AXIS_BESIDE_M = 200.0  # a carriageway is nearer to its road's axis
CHINA_LON, CHINA_LAT = (73.0, 136.0), (3.0, 54.0)


def meant(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a misspelt one probably means."""
    plain = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.strip().lower(), list(plain), n=1, cutoff=ALIKE)
    return plain[found[0]] if found else None


def check_document(document: Document, faults: Faults) -> None:
    """Find features and properties that are not read and look like ours."""
    unread: Counter[tuple[str, str | None]] = Counter()
    first: dict[tuple[str, str | None], int] = {}
    n_lanes = sum(kind_of(row) == "lane" for row in document.features)
    for i, row in enumerate(document.features):
        properties = row.get("properties") if isinstance(row, dict) else None
        if not isinstance(properties, dict):
            continue
        kind = kind_of(row)
        for key in _unread(kind, properties):
            unread[key] += 1
            first.setdefault(key, i)
    for (name, of), times in list(unread.items())[:NAMED_MAX]:
        where = f"feature {first[name, of]}" + (f" and {times - 1} more" if times > 1 else "")
        place = _place(document.features[first[name, of]])
        if of is not None:
            guess = meant(name, PROPERTIES[of] | set(COMMON))
            rule = f"property {name!r} of a {of} is not read" + (f"; is {guess!r} meant?" if guess else "")
            faults.found.append(Fault("warning", where, rule, place))
            continue
        guess = meant(name, FEATURE_KINDS)
        if guess is not None:
            rule = f"kind {name!r} is not read; is {guess!r} meant?"
            level: Any = "error" if guess == "lane" and n_lanes == 0 else "warning"  # it judges nothing
            faults.found.append(Fault(level, where, rule, place))


def _unread(kind: str | None, properties: dict[str, Any]) -> Sequence[tuple[str, str | None]]:
    """Return what of one feature is not read: properties of ours, or a kind that resembles ours."""
    if kind is not None:
        names = properties.keys() - PROPERTIES[kind] - COMMON
        said = [name for name in sorted(names) if properties[name] is not None]
        return [(name, kind) for name in said if (name, properties[name]) != ("level", 0)]  # as without
    other = properties.get("kind")
    if isinstance(other, str):
        return [] if other == PAGE_KIND else [(other, None)]
    keys = {key.strip().lower() for key in properties}
    if len(keys & set(TYPES)) >= 2 and {"lane", "allowed"} & keys:  # a lane whose `kind` is misspelt
        return [(meant_key, None) for meant_key in sorted(keys) if meant(meant_key, ["kind"])][:1]
    return []


def _place(row: dict[str, Any]) -> tuple[float, float] | None:
    found = first_point(row.get("geometry"))
    return None if found is None else (float(found[0]), float(found[1]))


def check_origin(place: tuple[float, float] | None, faults: Faults) -> None:
    """Find a map whose places are nowhere in the country, and are so with longitude and latitude swapped."""
    if place is None or _in_china(*place) or not _in_china(place[1], place[0]):
        return
    rule = "longitude and latitude are swapped (GeoJSON wants [lon_deg, lat_deg])"
    faults.found.append(Fault("error", "map", rule, place))


def _in_china(lon_deg: float, lat_deg: float) -> bool:
    return CHINA_LON[0] <= lon_deg <= CHINA_LON[1] and CHINA_LAT[0] <= lat_deg <= CHINA_LAT[1]


def check_gates(gates: tuple[Gate, ...], lanes: tuple[Lane, ...], faults: Faults) -> None:
    """Find gates of one name, of an unknown role, or beside the road."""
    for name, times in Counter(gate.gate for gate in gates).items():
        if times > 1:
            other = [gate for gate in gates if gate.gate == name][1]
            faults.error(f"gate {name}", f"{times} gates have this name", other.points[0])
    roads = {lane.road for lane in lanes}
    shapes = shapes_of(lanes) if gates else None
    for gate in gates[: 10 * NAMED_MAX]:
        where, at = f"gate {gate.gate}", gate.points[0]
        if gate.role not in GATE_ROLES:
            guess = meant(gate.role, GATE_ROLES)
            say = faults.error if guess else faults.warning
            say(where, f"role {gate.role!r} is no {' or '.join(GATE_ROLES)}" + hint(guess), at)
        if gate.road and lanes and gate.road not in roads:
            rule = f"its road {gate.road!r} has no lanes" + hint(meant(gate.road, roads))
            faults.warning(where, rule, at)
        if shapes is not None:
            line = shapely.LineString(gate.points)
            _, away = shapes.query_nearest(line, return_distance=True, all_matches=False)
            if len(away) and away[0] > GATE_FAR_M:
                faults.error(where, f"it is {away[0]:.0f} m beside all lanes", at)
            elif len(away) and away[0] > 0.0:
                faults.warning(where, f"it crosses no lane; the nearest is {away[0]:.1f} m away", at)


def hint(guess: str | None) -> str:
    """Return the question that a guess is, "" without one."""
    return f"; is {guess!r} meant?" if guess else ""


def shapes_of(lanes: tuple[Lane, ...]) -> shapely.STRtree | None:
    """Return the areas of lanes; None without any."""
    rings = [np.vstack([lane.right_boundary, lane.left_boundary[::-1]]) for lane in lanes]
    return shapely.STRtree([shapely.Polygon(ring) for ring in rings]) if rings else None


def check_axes(axes: tuple[Axis, ...], lanes: tuple[Lane, ...], faults: Faults) -> None:
    """Find axes that are not along the lanes of their road."""
    roads = {lane.road for lane in lanes}
    for axis in axes if lanes else ():
        where = f"axis of road {axis.road}"
        if axis.road not in roads:
            faults.warning(where, "no lane is of this road" + hint(meant(axis.road, roads)), axis.points[0])
        if not abs(axis.k0_m) <= K0_M_MAX:
            rule = f"its first station k0_m is {axis.k0_m:g} m: no road is so long"
            faults.warning(where, rule, axis.points[0])
        mine = [lane for lane in lanes if lane.road == axis.road] or list(lanes)
        places = np.array([lane.left_boundary[len(lane.left_boundary) // 2] for lane in mine])
        _, offset = axis.station_of(*places.T)
        near = np.abs(offset) <= AXIS_BESIDE_M
        if not near.any():
            rule = f"it is {np.abs(offset).min():.0f} m beside all its lanes: stations mean nothing"
            faults.error(where, rule, axis.points[0])
        elif not near.all() and axis.road in roads:
            at = int(np.argmax(np.abs(offset)))
            rule = f"lane {mine[at].lane} of its road is {abs(offset[at]):.0f} m away: has it an end missing?"
            faults.warning(where, rule, places[at])
