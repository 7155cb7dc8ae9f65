"""Faults in gates, zones and axes."""

from typing import Any

import numpy as np
import shapely

from tests.support.drawn.wrong import Copy, Mutation, Wrong, as_map_services_do


def gate_of_a_map_service(rng: Any, copy: Copy) -> Wrong | None:
    row = copy.of_kind("gate")[0]
    row["geometry"]["coordinates"] = [as_map_services_do(p) for p in row["geometry"]["coordinates"]]
    line = np.column_stack(copy.sheet.frame.site_from_lonlat(*np.array(row["geometry"]["coordinates"]).T))
    if min(copy.area(name).distance(shapely.LineString(line)) for name in copy.lanes) < 60.0:
        return None  # it was moved along the road
    return Wrong(copy.features, "error", rf"gate {row['properties']['gate']}: it is \d+ m beside all lanes")


def gate_role_misspelt(rng: Any, copy: Copy) -> Wrong | None:
    row = copy.of_kind("gate")[0]
    row["properties"]["role"] += "y"
    return Wrong(copy.features, "error", rf"gate {row['properties']['gate']}: role .* meant")


def gates_of_one_name(rng: Any, copy: Copy) -> Wrong | None:
    first, second, *_ = copy.of_kind("gate")
    second["properties"]["gate"] = first["properties"]["gate"]
    return Wrong(copy.features, "error", rf"gate {first['properties']['gate']}: 2 gates")


def gate_of_no_road(rng: Any, copy: Copy) -> Wrong | None:
    row = copy.of_kind("gate")[0]
    row["properties"]["road"] += "e"
    return Wrong(
        copy.features, "warning", rf"gate {row['properties']['gate']}: its road .* has no lanes; is .* meant"
    )


def _zone(copy: Copy) -> Any:
    zones = [row for row in copy.of_kind("zone") if row["geometry"]["type"] == "Polygon"]
    return zones[0] if zones else None


def _zone_set(copy: Copy, level: str, says: str, **values: Any) -> Wrong | None:
    row = _zone(copy)
    if row is None:
        return None
    row["properties"].update(values)
    return Wrong(copy.features, level, rf"zone {row['properties']['zone']}\)?: .*{says}", _ring(copy, row))


def _ring(copy: Copy, row: Any) -> Any:
    places = np.array(row["geometry"]["coordinates"][0], dtype=float)[:, :2]
    return shapely.Polygon(np.column_stack(copy.sheet.frame.site_from_lonlat(*places.T))).convex_hull


def zone_role_misspelt(rng: Any, copy: Copy) -> Wrong | None:
    return _zone_set(copy, "warning", "is 'no_entry' meant", role="no_entyr")


def zone_rule_misspelt(rng: Any, copy: Copy) -> Wrong | None:
    return _zone_set(copy, "warning", "is 'tunnel_c' meant", rules=["tunel_c"])


def zone_window_wrong(rng: Any, copy: Copy) -> Wrong | None:
    text = str(
        rng.choice(["22:00 to 06:00", "Mon-Fri 07:00-09:00", "25:00-26:00", "07:00-07:00", "Mo-Fr 7-9"])
    )
    return _zone_set(copy, "error", "time_window", time_window=text)


def zone_dates_wrong(rng: Any, copy: Copy) -> Wrong | None:
    return _zone_set(
        copy,
        "error",
        "valid_",
        valid_from="2027-01-01",
        valid_to=str(rng.choice(["2026-12-31", "2027-02-30"])),
    )


def zone_limit_wrong(rng: Any, copy: Copy) -> Wrong | None:
    return _zone_set(copy, "error", "speed_limit_mps", speed_limit_mps=60)


def zone_limit_of_walking(rng: Any, copy: Copy) -> Wrong | None:
    return _zone_set(copy, "warning", "walking pace", speed_limit_mps=0.6)


def zone_ring_open(rng: Any, copy: Copy) -> Wrong | None:
    row = _zone(copy)
    if row is None:
        return None
    row["geometry"]["coordinates"][0].pop()
    return Wrong(copy.features, "", "")  # it is meant


def zone_ring_crosses_itself(rng: Any, copy: Copy) -> Wrong | None:
    row = _zone(copy)
    if row is None or len(row["geometry"]["coordinates"][0]) < 5:
        return None
    where = _ring(copy, row)
    row["geometry"]["coordinates"] = row["geometry"]["coordinates"][:1]
    ring = row["geometry"]["coordinates"][0]
    ring[1], ring[2] = ring[2], ring[1]
    if shapely.Polygon(ring).is_valid:
        return None
    return Wrong(copy.features, "error", rf"zone {row['properties']['zone']}\): the area is not valid", where)


def zone_hole_outside(rng: Any, copy: Copy) -> Wrong | None:
    row = _zone(copy)
    if row is None:
        return None
    ring = row["geometry"]["coordinates"][0]
    row["geometry"]["coordinates"] = [ring, [[lon + 0.01, lat] for lon, lat in ring]]
    return Wrong(copy.features, "error", rf"zone {row['properties']['zone']}\): the area is not valid")


def zone_of_two_points(rng: Any, copy: Copy) -> Wrong | None:
    row = _zone(copy)
    if row is None:
        return None
    where = _ring(copy, row)
    row["geometry"]["coordinates"] = [row["geometry"]["coordinates"][0][:2]]
    return Wrong(copy.features, "error", rf"zone {row['properties']['zone']}\): a line needs 4", where)


def zone_of_nothing(rng: Any, copy: Copy) -> Wrong | None:
    row = _zone(copy)
    if row is None:
        return None
    row["geometry"]["coordinates"] = []
    return Wrong(copy.features, "error", rf"zone {row['properties']['zone']}\): ")


def zones_of_one_name(rng: Any, copy: Copy) -> Wrong | None:
    first, *more = copy.of_kind("zone") or [None]
    if not more:
        return None
    more[0]["properties"]["zone"] = first["properties"]["zone"]
    return Wrong(copy.features, "error", rf"zone {first['properties']['zone']}: another zone")


def zone_far_away(rng: Any, copy: Copy) -> Wrong | None:
    row = _zone(copy)
    if row is None:
        return None
    ring = [[lon, lat + 0.05] for lon, lat in row["geometry"]["coordinates"][0]]  # 5 km
    row["geometry"]["coordinates"] = [ring]
    where = _ring(copy, row)
    return Wrong(copy.features, "warning", rf"zone {row['properties']['zone']}: .* beside all lanes", where)


def zone_name_missing(rng: Any, copy: Copy) -> Wrong | None:
    row = _zone(copy)
    if row is None:
        return None
    del row["properties"]["zone"]
    return Wrong(copy.features, "error", "'zone' is missing", _ring(copy, row))


def _axis(copy: Copy) -> Any:
    return next(iter(copy.of_kind("axis")), None)


def axis_far_away(rng: Any, copy: Copy) -> Wrong | None:
    row = _axis(copy)
    if row is None:
        return None
    row["geometry"]["coordinates"] = [[lon, lat + 0.03] for lon, lat in row["geometry"]["coordinates"]]
    return Wrong(copy.features, "error", "stations mean nothing")


def axis_of_no_road(rng: Any, copy: Copy) -> Wrong | None:
    row = _axis(copy)
    if row is None:
        return None
    row["properties"]["road"] += "e"
    return Wrong(copy.features, "warning", "axis of road M[EW]e: no lane is of this road; is .* meant")


def axes_of_one_road(rng: Any, copy: Copy) -> Wrong | None:
    if len(rows := copy.of_kind("axis")) < 2:
        return None
    rows[0]["properties"]["road"] = rows[1]["properties"]["road"]
    return Wrong(copy.features, "error", "another axis has this road")


def axis_turns_back(rng: Any, copy: Copy) -> Wrong | None:
    row = _axis(copy)
    if row is None or len(row["geometry"]["coordinates"]) < 8:
        return None
    line = row["geometry"]["coordinates"]
    k = int(rng.integers(2, len(line) - 3))
    at = np.column_stack(copy.sheet.frame.site_from_lonlat(*np.array(line[k - 1 : k + 3]).T))
    line[k], line[k + 1] = line[k + 1], line[k]
    return Wrong(copy.features, "error", "axis", shapely.LineString(at))


def station_as_text(rng: Any, copy: Copy) -> Wrong | None:
    row = _axis(copy)
    if row is None:
        return None
    row["properties"]["k0_m"] = "K103+590"
    return Wrong(copy.features, "error", "axis .*'k0_m' is 'K103")


PLACES: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        gate_of_a_map_service,
        gate_role_misspelt,
        gates_of_one_name,
        gate_of_no_road,
        zone_role_misspelt,
        zone_rule_misspelt,
        zone_window_wrong,
        zone_dates_wrong,
        zone_limit_wrong,
        zone_limit_of_walking,
        zone_ring_open,
        zone_ring_crosses_itself,
        zone_hole_outside,
        zone_of_two_points,
        zone_of_nothing,
        zones_of_one_name,
        zone_far_away,
        zone_name_missing,
        axis_far_away,
        axis_of_no_road,
        axes_of_one_road,
        axis_turns_back,
        station_as_text,
    )
}
