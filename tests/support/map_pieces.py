"""Features of small maps, sound and unsound: lanes, gates, zones and axes along the east axis."""

import copy
from typing import Any

import numpy as np

from tests.support.geofence_world import FRAME, bend, beside, feature, lane, lonlat

WIDTH_M = 3.75


def strip(
    name: str, from_m: float = 0.0, to_m: float = 200.0, right_m: float = 0.0, left_m: float | None = None,
    step_m: float = 50.0, **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """A lane along the east axis, between two offsets to the left."""
    at = np.linspace(from_m, to_m, max(2, round(abs(to_m - from_m) / step_m) + 1))
    left = right_m + WIDTH_M if left_m is None else left_m
    return lane(name, np.c_[at, np.full(len(at), left)], np.c_[at, np.full(len(at), right_m)], **more)


def curve(name: str, radius_m: float, step_m: float, turn: float = 1.5, **more: Any) -> dict[str, Any]:
    """A lane on a left bend with a vertex of each boundary each step_m of its middle."""
    at = np.linspace(0.0, radius_m * turn, max(3, round(radius_m * turn / step_m) + 1))
    half = WIDTH_M / 2
    return lane(name, beside(bend(radius_m), at, half), beside(bend(radius_m), at, -half), **more)


def taper(name: str, from_m: float, to_m: float, widths: tuple[float, float], **more: Any) -> dict[str, Any]:
    """A lane right of the axis whose width changes."""
    right = [[from_m, -widths[0]], [to_m, -widths[1]]]
    return lane(name, [[from_m, 0.0], [to_m, 0.0]], right, **more)


def across(name: str, at_m: float, **more: Any) -> dict[str, Any]:
    """A lane to the north over the axis."""
    return lane(
        name, [[at_m, -100.0], [at_m, 100.0]], [[at_m + WIDTH_M, -100.0], [at_m + WIDTH_M, 100.0]], **more
    )


def gate(name: str = "N", at_m: float = 50.0, north_m: float = 0.0, **more: Any) -> dict[str, Any]:
    """A line across the axis."""
    line = lonlat([[at_m, north_m - 5.0], [at_m, north_m + 8.0]])
    return feature("gate", "LineString", line, **({"gate": name, "role": "entry", "road": "main"} | more))


def zone(name: str = "Z", **more: Any) -> dict[str, Any]:
    """A square beside the axis."""
    ring = lonlat([[0.0, 0.0], [20.0, 0.0], [20.0, 20.0], [0.0, 20.0], [0.0, 0.0]])
    return feature("zone", "Polygon", [ring], **({"zone": name, "role": "parking"} | more))


def axis(points: Any, road: str = "main", k0_m: float = 0.0) -> dict[str, Any]:
    """An axis through places."""
    return feature("axis", "LineString", lonlat(points), road=road, k0_m=k0_m)


def row_of_three(road: str, *, left: bool = False) -> list[dict[str, Any]]:
    """Three lanes one after another, the middle one of another road; left : with a lane of theirs beside."""
    middle: dict[str, Any] = {"road": road, "successors": ["C"]} | ({"left": "L"} if left else {})
    beside = [strip("L", 100, 200, WIDTH_M, right="B", index=1)] if left else []
    return [
        strip("A", 0, 100, successors=["B"]), strip("B", 100, 200, **middle), strip("C", 200, 300), *beside,
    ]  # fmt: skip


def swapped(row: dict[str, Any]) -> dict[str, Any]:
    """A lane with latitude and longitude in each other's place."""
    row = copy.deepcopy(row)
    lines = row["geometry"]["coordinates"]
    row["geometry"]["coordinates"] = [[point[::-1] for point in line] for line in lines]
    return row


def renamed(row: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """A feature with a property under another name."""
    properties = {new if key == old else key: value for key, value in row["properties"].items()}
    return row | {"properties": properties}


def shifted(row: dict[str, Any], place_m: float) -> dict[str, Any]:
    """A lane whose second vertices are aside, on both boundaries."""
    lines = [np.array(FRAME.site_from_lonlat(*np.array(line).T)).T for line in row["geometry"]["coordinates"]]
    for line in lines:
        line[1::2, 1] += place_m
    return row | {"geometry": {"type": "MultiLineString", "coordinates": [lonlat(line) for line in lines]}}


def pulled(row: dict[str, Any], place_m: float, at: int) -> dict[str, Any]:
    """A lane of whose left boundary one vertex is aside."""
    lines = [np.array(FRAME.site_from_lonlat(*np.array(line).T)).T for line in row["geometry"]["coordinates"]]
    lines[0][at, 1] += place_m
    return row | {"geometry": {"type": "MultiLineString", "coordinates": [lonlat(line) for line in lines]}}


def pair(**of_a: Any) -> list[dict[str, Any]]:
    """A lane and its successor."""
    return [strip("A", 0, 100, successors=["B"], **of_a), strip("B", 100, 200)]


def side(left_of_a: Any = "B", right_of_b: Any = "A", **of_b: Any) -> list[dict[str, Any]]:
    """A lane and the one on its left."""
    b: dict[str, Any] = {"right_m": WIDTH_M, "index": 1} | of_b
    return [strip("A", left=left_of_a), strip("B", right=right_of_b, **b)]


def ring() -> list[dict[str, Any]]:
    """Two half circles that follow each other."""
    turn = np.linspace(0.0, np.pi, 41)
    halves = []
    for name, following, begin in (("A", "B", 0.0), ("B", "A", np.pi)):
        unit = np.c_[np.cos(begin + turn), np.sin(begin + turn)]
        halves.append(lane(name, 40.0 * unit, 43.75 * unit, successors=[following]))
    return halves


def fork() -> list[dict[str, Any]]:
    """A lane that leads into two of its width, which part slowly."""
    at = np.linspace(100.0, 200.0, 11)
    aside = -((at - 100.0) ** 2) / 1_000.0
    right = lane("C", np.c_[at, WIDTH_M + aside], np.c_[at, aside])
    return [strip("A", 0, 100, successors=["B", "C"]), strip("B", 100, 200, step_m=10.0), right]


# name, features, level, what the message says
