"""Faults in names, values and places of lanes."""

import math
from typing import Any

import numpy as np
import shapely

from tests.support.drawn.wrong import Copy, Mutation, Wrong, as_map_services_do, aside

TYPOS = {
    "speed_limit_mps": "speed_limit_kmh", "successors": "sucessors", "left": "lefft", "right": "rigth",
    "allowed": "alowed", "change_left": "changeleft", "level": "levle", "index": "indx",
}  # fmt: skip


def _lane(copy: Copy, rng: Any) -> tuple[str, dict[str, Any], Any]:
    name = copy.pick(rng, lambda a, lane: copy.width_m(a, 0) + copy.width_m(a, -1) > 3.0)
    assert name is not None
    return name, copy.lanes[name], copy.area(name)


def _set(rng: Any, copy: Copy, grade: str, says: str, **values: Any) -> Wrong:
    name, lane, area = _lane(copy, rng)
    lane.update(values)
    return copy.wrong(grade, rf"lane {name}\)?: .*{says}", area, name)


def property_misspelt(rng: Any, copy: Copy) -> Wrong | None:
    _, lane, area = _lane(copy, rng)
    keys = [key for key in TYPOS if lane.get(key) and key != "allowed"]
    if not keys:
        return None
    key = str(rng.choice(keys))
    lane[TYPOS[key]] = lane[key]
    return Wrong(copy.features, "warning", f"'{TYPOS[key]}' of a lane is not read; is '{key}' meant", area)


def unknown_property(rng: Any, copy: Copy) -> Wrong | None:
    _, lane, area = _lane(copy, rng)
    lane["paint_colour"] = "white"
    return Wrong(copy.features, "warning", "'paint_colour' of a lane is not read", area)


def kind_misspelt(rng: Any, copy: Copy) -> Wrong | None:
    row = copy.of_kind("zone")[0] if copy.of_kind("zone") else copy.of_kind("gate")[0]
    kind = row["properties"]["kind"]
    row["properties"]["kind"] = {"zone": "zoen", "gate": "gaet"}[kind]
    return Wrong(copy.features, "warning", f"is not read; is '{kind}' meant")


def kind_unknown(rng: Any, copy: Copy) -> Wrong | None:
    copy.of_kind("gate")[0]["properties"]["kind"] = "tree"
    return Wrong(copy.features, "", "")  # another program's


def lane_kind_misspelt(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: bool(lane["successors"]))
    if name is None:
        return None
    about = copy.around(name)
    copy.lanes[name]["kind"] = "lanes"
    return Wrong(
        copy.features, "warning", "kind 'lanes' is not read; is 'lane' meant", copy.area(name), about
    )


def limit_in_km_h(rng: Any, copy: Copy) -> Wrong | None:
    return _set(rng, copy, "error", "speed_limit_mps is 80", speed_limit_mps=80)


def limit_of_no_road(rng: Any, copy: Copy) -> Wrong | None:
    return _set(rng, copy, "warning", "more than any road", speed_limit_mps=float(rng.uniform(34.0, 50.0)))


def limit_of_walking(rng: Any, copy: Copy) -> Wrong | None:
    return _set(rng, copy, "warning", "walking pace", speed_limit_mps=float(rng.uniform(0.1, 1.2)))


def limit_with_its_unit(rng: Any, copy: Copy) -> Wrong | None:
    return _set(
        rng, copy, "error", "speed_limit_mps", speed_limit_mps=str(rng.choice(["60 km/h", "fast", "16,7"]))
    )


def limit_below_nothing(rng: Any, copy: Copy) -> Wrong | None:
    return _set(rng, copy, "error", "speed_limit_mps is", speed_limit_mps=float(rng.choice([0.0, -16.7])))


def limit_as_text(rng: Any, copy: Copy) -> Wrong | None:
    return _set(rng, copy, "", "", speed_limit_mps="16.7")


def lowest_above_highest(rng: Any, copy: Copy) -> Wrong | None:
    return _set(rng, copy, "error", "min_speed_mps", speed_limit_mps=16.7, min_speed_mps=20.0)


def nobody_allowed(rng: Any, copy: Copy) -> Wrong | None:
    return _set(rng, copy, "warning", "'allowed' is empty", allowed=[])


def allowed_missing(rng: Any, copy: Copy) -> Wrong | None:
    return _set(rng, copy, "error", "'allowed' is missing", allowed=None)


def allowed_misspelt(rng: Any, copy: Copy) -> Wrong | None:
    return _set(rng, copy, "error", "'hasmat'", allowed=["hasmat", "emergency"])


def road_missing(rng: Any, copy: Copy) -> Wrong | None:
    return _set(rng, copy, "error", "'road' is missing", road=None)


def name_missing(rng: Any, copy: Copy) -> Wrong | None:
    name, lane, area = _lane(copy, rng)
    about = copy.around(name)
    del lane["lane"]
    return Wrong(copy.features, "error", "'lane' is missing", area, about)


def index_impossible(rng: Any, copy: Copy) -> Wrong | None:
    return _set(rng, copy, "error", "'index'", index=int(rng.choice([-1, 99])))


def index_of_the_wrong_side(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(
        rng,
        lambda a, lane: (
            bool(lane.get("left"))
            and copy.lanes[lane["left"]]["road"] == lane["road"]
            and copy.lanes[lane["left"]]["index"] > 0
        ),
    )
    if name is None or not copy.lanes[name]["road"].startswith("M"):
        return None
    lane, other = copy.lanes[name], copy.lanes[copy.lanes[name]["left"]]
    lane["index"], other["index"] = other["index"], lane["index"]
    return copy.wrong("warning", rf"lane {name}: .*index", copy.area(name), name, other["lane"])


def level_as_text(rng: Any, copy: Copy) -> Wrong | None:
    return _set(rng, copy, "error", "'level' is 'bridge'", level="bridge")


def flag_as_text(rng: Any, copy: Copy) -> Wrong | None:
    return _set(rng, copy, "error", "'change_left' is 'maybe'", change_left="maybe")


def names_no_lane(rng: Any, copy: Copy) -> Wrong | None:
    name, lane, area = _lane(copy, rng)
    lane["successors"] = [*lane["successors"], name + "x"]
    return copy.wrong("error", rf"lane {name}: successors names '{name}x', which is no lane", area, name)


def name_of_two_lanes(rng: Any, copy: Copy) -> Wrong | None:
    name, _, area = _lane(copy, rng)
    other = copy.pick(rng, lambda a, lane: a != name)
    if other is None:
        return None
    wrong = copy.wrong(
        "error", rf"lane {name}: another lane has this name", area.union(copy.area(other)), name, other
    )
    copy.lanes[other]["lane"] = name
    return wrong


def _points(copy: Copy, rng: Any) -> tuple[str, list[Any], int, Any]:
    """A boundary's list of points, one of its numbers, and where its neighbours are."""
    name, _, _ = _lane(copy, rng)
    side = int(rng.integers(2))
    line = copy.rows[name]["geometry"]["coordinates"][side]
    k = int(rng.integers(len(line)))
    known = copy.sheet.boundaries[name][side]
    return name, line, k, shapely.LineString(known[max(0, k - 1) : k + 2])


def not_a_number(rng: Any, copy: Copy) -> Wrong | None:
    name, line, k, where = _points(copy, rng)
    line[k] = [math.nan, line[k][1]]
    return copy.wrong("error", rf"lane {name}\): a coordinate is not finite", where, name)


def number_as_text(rng: Any, copy: Copy) -> Wrong | None:
    name, line, k, where = _points(copy, rng)
    line[k] = [str(v) for v in line[k]]
    return copy.wrong("error", rf"lane {name}\): a point is no", where, name)


def point_missing(rng: Any, copy: Copy) -> Wrong | None:
    name, line, k, where = _points(copy, rng)
    line[k] = None
    return copy.wrong("error", rf"lane {name}\): a point is no", where, name)


def point_elsewhere(rng: Any, copy: Copy) -> Wrong | None:
    """A digit too many or too few: 12.3 in place of 123.4."""
    name, line, k, where = _points(copy, rng)
    line[k] = [line[k][0] / 10.0, line[k][1]]
    return copy.wrong("error", rf"lane {name}\): ", where, name)


def point_of_another_degree(rng: Any, copy: Copy) -> Wrong | None:
    name, line, k, _ = _points(copy, rng)
    line[k] = [line[k][0], line[k][1] + 0.1]  # 11 km
    return copy.wrong("error", rf"lane {name}\b", None, name)


def points_missing(rng: Any, copy: Copy) -> Wrong | None:
    name, _, area = _lane(copy, rng)
    copy.rows[name]["geometry"]["coordinates"][0] = []
    return copy.wrong("error", rf"lane {name}\): a line needs 2", area, name)


def geometry_missing(rng: Any, copy: Copy) -> Wrong | None:
    name, _, _ = _lane(copy, rng)
    copy.rows[name]["geometry"] = None
    return copy.wrong("error", rf"lane {name}\): it has no geometry", None, name)


def one_boundary_only(rng: Any, copy: Copy) -> Wrong | None:
    name, _, area = _lane(copy, rng)
    copy.rows[name]["geometry"]["coordinates"].pop()
    return copy.wrong("error", rf"lane {name}\): a lane has 2 boundaries", area, name)


def geometry_of_another_type(rng: Any, copy: Copy) -> Wrong | None:
    name, _, area = _lane(copy, rng)
    row = copy.rows[name]
    row["geometry"] = {"type": "LineString", "coordinates": row["geometry"]["coordinates"][0]}
    return copy.wrong("error", rf"lane {name}\): geometry is 'LineString'", area, name)


def too_many_points(rng: Any, copy: Copy) -> Wrong | None:
    name, _, area = _lane(copy, rng)
    lines = copy.rows[name]["geometry"]["coordinates"]
    lines[0] = np.column_stack(
        [np.linspace(*ends, 50_001) for ends in zip(lines[0][0], lines[0][-1], strict=True)]
    ).tolist()
    return copy.wrong("error", rf"lane {name}\): a line needs 2 to 50000", area, name)


def _swap(value: Any) -> Any:
    if isinstance(value[0], list):
        return [_swap(inner) for inner in value]
    return [value[1], value[0], *value[2:]]


def one_feature_swapped(rng: Any, copy: Copy) -> Wrong | None:
    row = copy.features[int(rng.choice([0, rng.integers(len(copy.features))]))]
    row["geometry"]["coordinates"] = _swap(row["geometry"]["coordinates"])
    name = row["properties"].get(row["properties"]["kind"], "")
    return copy.wrong(
        "error", "longitude and latitude are swapped", None, *([name] if name in copy.lanes else [])
    )


def all_swapped(rng: Any, copy: Copy) -> Wrong | None:
    for row in copy.features:
        row["geometry"]["coordinates"] = _swap(row["geometry"]["coordinates"])
    if abs(copy.sheet.frame.lon_deg) < 85.0:
        return None  # Xinjiang: 80 degrees are a latitude as well, on ice
    return Wrong(copy.features, "error", "longitude and latitude are swapped")


def of_another_datum(rng: Any, copy: Copy) -> Wrong | None:
    return None if copy.drawn.seed % 5 else Wrong(copy.features, "", "", more={"datum": "WGS 84"})


def lane_of_a_map_service(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: bool(lane["successors"] and copy.before(a)))
    if name is None:
        return None
    row = copy.rows[name]
    row["geometry"]["coordinates"] = [
        [as_map_services_do(p) for p in line] for line in row["geometry"]["coordinates"]
    ]
    return copy.wrong("error", rf"\b{name}\b", None, name)


def vertices_twice(rng: Any, copy: Copy) -> Wrong | None:
    """Sheets that were joined: a vertex of each boundary stands there twice."""
    name, _, _ = _lane(copy, rng)
    for line in copy.rows[name]["geometry"]["coordinates"]:
        k = int(rng.integers(len(line)))
        line.insert(k, list(line[k]))
    return Wrong(copy.features, "", "")


def heights(rng: Any, copy: Copy) -> Wrong | None:
    for row in copy.rows.values():
        row["geometry"]["coordinates"] = [
            [[*p, 12.5] for p in line] for line in row["geometry"]["coordinates"]
        ]
    return Wrong(copy.features, "", "")


def no_feature(rng: Any, copy: Copy) -> Wrong | None:
    copy.features[0] = {}
    return Wrong(copy.features, "error", "feature 0: not a GeoJSON Feature")


def narrow_taper(rng: Any, copy: Copy) -> Wrong | None:
    """A boundary that ends in its neighbour by a centimetre more than it should."""
    name = copy.pick(rng, lambda a, lane: copy.width_m(a, -1) < 0.1 and copy.width_m(a, 0) > 3.0)
    if name is None:
        return None
    left, right = copy.sides(name)
    right[-1] = right[-1] + 0.02 * aside(right, len(right) - 1)
    copy.put(name, left, right)
    return Wrong(copy.features, "", "")


VALUES: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        property_misspelt, unknown_property, kind_misspelt, kind_unknown, lane_kind_misspelt, limit_in_km_h,
        limit_of_no_road, limit_of_walking, limit_with_its_unit, limit_below_nothing, limit_as_text,
        lowest_above_highest, nobody_allowed, allowed_missing, allowed_misspelt, road_missing, name_missing,
        index_impossible, index_of_the_wrong_side, level_as_text, flag_as_text, names_no_lane,
        name_of_two_lanes, not_a_number, number_as_text, point_missing, point_elsewhere,
        point_of_another_degree, points_missing, geometry_missing, one_boundary_only,
        geometry_of_another_type, too_many_points, one_feature_swapped, all_swapped, of_another_datum,
        lane_of_a_map_service, vertices_twice,
        heights, no_feature, narrow_taper,
    )
}  # fmt: skip
