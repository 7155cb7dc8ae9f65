"""Locating vehicles and looking up zones against the best Shapely recipes, and judging a whole observation.

`python -m benchmarks.geofence [--quick] [--compared]`; JSON lines. The road is 60 km of six lanes, the zones
200 of about 280 vertices; rivals answer the same places in the same rounds. `--compared` leaves out the rest.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import shapely

from benchmarks.geofence_scale import measure_growth
from benchmarks.harness import help_or_exit, is_quick, medians_s, print_line, rounds
from core.arrays import F64
from geofence.kernels import Places, locate
from geofence.located import FOUND, LEFT, NO_LANE, RIGHT, S
from geofence.map.areas import compile_areas
from geofence.map.axis import STATION
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadMap, load_map
from geofence.near import scratch

LENGTH_M, STEP_M, SECTION = 60_000.0, 20.0, 50  # vertices of a lane section: 1 km
LANES, LANE_M = 6, 3.75
ZONES, ZONE_VERTICES = 200, 280
SEED = 13
SAME_STATION_M = 1.5  # a ruled station and the nearest point's differ in bends, by offset times half a turn
FRAME = SiteFrame(122.0, 41.0)
T0_NS = 1_790_000_000_000_000_000


def axis() -> tuple[F64, F64]:
    """Return a winding axis (n, 2), radius at least 280 m, and its left unit vectors."""
    s = np.arange(0.0, LENGTH_M + STEP_M, STEP_M)
    heading = 0.9 * np.sin(s / 1_300.0) + 0.5 * np.sin(s / 470.0)
    points = np.cumsum(np.column_stack([np.cos(heading), np.sin(heading)]) * STEP_M, axis=0)
    points -= points.mean(axis=0)
    return points, np.column_stack([-np.sin(heading), np.cos(heading)])


def road_text(points: F64, left: F64) -> str:
    """Return the canonical map of the road."""
    features: list[dict[str, Any]] = []
    for k in range(LANES):
        for first in range(0, len(points) - 1, SECTION):
            part = slice(first, min(first + SECTION, len(points) - 1) + 1)
            lines = [_lonlat(points[part] + (k + side - LANES / 2) * LANE_M * left[part]) for side in (1, 0)]
            properties = {
                "kind": "lane",
                "lane": f"{k}/{first}",
                "road": "main",
                "index": k,
                "allowed": ["car"],
            }
            geometry = {"type": "MultiLineString", "coordinates": lines}
            features.append({"type": "Feature", "properties": properties, "geometry": geometry})
    line = {"type": "LineString", "coordinates": _lonlat(points)}
    features.append({"type": "Feature", "properties": {"kind": "axis", "road": "main"}, "geometry": line})
    return json.dumps({"type": "FeatureCollection", "features": features})


def _lonlat(points: F64) -> list[list[float]]:
    lonlat: list[list[float]] = np.column_stack(FRAME.lonlat_from_site(*points.T)).tolist()
    return lonlat


def places(points: F64, left: F64, n: int) -> tuple[F64, F64]:
    """Return n places within 20 m of the axis."""
    rng = np.random.Generator(np.random.Philox(SEED))
    at = rng.integers(0, len(points), n)
    place = points[at] + rng.uniform(-20.0, 20.0, (n, 1)) * left[at] + rng.uniform(-10.0, 10.0, (n, 2))
    return np.ascontiguousarray(place[:, 0]), np.ascontiguousarray(place[:, 1])


def by_bounds(tree: shapely.STRtree, shapes: Any, east: F64, north: F64) -> Any:
    """Return the pairs (place, shape) of bounding boxes and then `contains_xy` on prepared polygons."""
    place, shape = tree.query(shapely.points(east, north))
    inside = shapely.contains_xy(shapes[shape], east[place], north[place])
    return place[inside], shape[inside]


def ratio_of(ours: Callable[[], object], rivals: dict[str, Callable[[], object]], n: int, name: str) -> None:
    """Print our time against that of the faster rival."""
    taken = medians_s({"ours": ours, **rivals}, max(5, rounds() // 3))
    peer = min(rivals, key=lambda rival: taken[rival])
    print_line(name, n / taken["ours"] / 1e6, "M places/s", peer, taken[peer] / taken["ours"])


class ShapelyRoad:
    """The road in Shapely: what a vehicle's place on it takes, as fast as we could write it.

    The axis is cut at each kilometre, since a search along one line of 60 km takes 60 times as long.
    """

    def __init__(self, road: RoadMap) -> None:
        assert road.axis is not None, "the road has an axis"
        points, stations = road.axis.points, road.axis.segments.rows[:, STATION]
        firsts = range(0, len(points) - 1, SECTION)
        self.pieces = np.array([shapely.LineString(points[first : first + SECTION + 1]) for first in firsts])
        self.begin_m, self.nearest = stations[list(firsts)], shapely.STRtree(self.pieces)
        rings = [np.vstack([lane.right_boundary, lane.left_boundary[::-1]]) for lane in road.lanes]
        self.lanes = np.array([shapely.Polygon(ring) for ring in rings])
        self.left = np.array([shapely.LineString(lane.left_boundary) for lane in road.lanes])
        self.right = np.array([shapely.LineString(lane.right_boundary) for lane in road.lanes])
        self.tree = shapely.STRtree(self.lanes)
        shapely.prepare(self.lanes)

    def locate(self, east: F64, north: F64, by_tree: bool) -> tuple[Any, Any, Any, Any, F64]:
        """Return pairs (place, lane), the distances from that lane's boundaries, and all places' stations."""
        points = np.asarray(shapely.points(east, north))
        place, lane = (
            self.tree.query(points, predicate="intersects")
            if by_tree
            else by_bounds(self.tree, self.lanes, east, north)
        )
        left_m = shapely.distance(self.left[lane], points[place])
        right_m = shapely.distance(self.right[lane], points[place])
        _, piece = self.nearest.query_nearest(points, all_matches=False)
        s_m = self.begin_m[piece] + shapely.line_locate_point(self.pieces[piece], points)
        return place, lane, left_m, right_m, s_m


def measure_locating(road: RoadMap, east: F64, north: F64) -> None:
    """Print the product's look-up of vehicles: lane, distances from its boundaries, station.

    Ours also returns the offset, the cross-section, the lane's probability and limit; Shapely does not.
    """
    assert road.axis is not None, "the road has an axis"
    n, segments, rows = len(east), road.axis.segments, scratch()
    found, lane_out = np.empty((n, FOUND)), np.empty(n, dtype=np.int32)
    places_at = Places(
        x=np.column_stack([east, north, np.zeros(n), np.zeros(n)]), P=np.tile(0.04 * np.eye(4), (n, 1, 1)),
        bias_m=np.zeros(n), hint=np.full(n, -1, np.int32), mask=np.ones(n, np.int32),
    )  # fmt: skip

    def ours() -> None:
        locate(places_at, road.strips, segments, 0.05, rows, found, lane_out)

    peer = ShapelyRoad(road)
    ours()
    place, lane, left_m, right_m, s_m = peer.locate(east, north, by_tree=True)
    inner = lane_out[place] == lane  # on an edge that two lanes share Shapely names both
    assert set(place[inner].tolist()) == set(np.flatnonzero(lane_out != NO_LANE).tolist()), "the same lanes"
    assert np.allclose(found[place[inner], LEFT], left_m[inner], atol=0.01), "the same distances"
    assert np.allclose(found[place[inner], RIGHT], right_m[inner], atol=0.01), "the same distances"
    assert np.nanmax(np.abs(found[:, S] - s_m)) < SAME_STATION_M, "the same stations"
    rivals: dict[str, Callable[[], object]] = {
        "Shapely STRtree": lambda: peer.locate(east, north, by_tree=True),
        "Shapely bbox + contains_xy": lambda: peer.locate(east, north, by_tree=False),
    }
    ratio_of(ours, rivals, n, "geofence.lanes")


def measure_zones(points: F64, east: F64, north: F64) -> None:
    """Print the look-up of zones."""
    rng = np.random.Generator(np.random.Philox(SEED + 1))
    turn = np.linspace(0.0, 2 * np.pi, ZONE_VERTICES, endpoint=False)
    zones = []
    for _ in range(ZONES):
        radius = rng.uniform(80.0, 300.0) * (1 + 0.15 * np.sin(5 * turn + rng.uniform(0, 6)))
        centre = points[rng.integers(len(points))] + rng.uniform(-100, 100, 2)
        zones.append(
            shapely.Polygon(centre + radius[:, None] * np.column_stack([np.cos(turn), np.sin(turn)]))
        )
    areas, shapes = compile_areas(zones), np.array(zones)
    tree = shapely.STRtree(shapes)
    shapely.prepare(shapes)
    rivals: dict[str, Callable[[], object]] = {
        "Shapely STRtree": lambda: tree.query(shapely.points(east, north), predicate="intersects"),
        "Shapely bbox + contains_xy": lambda: by_bounds(tree, shapes, east, north),
    }
    ratio_of(lambda: areas.find(east, north), rivals, len(east), "geofence.zones")


def main() -> None:
    """Print all lines."""
    help_or_exit()
    points, left = axis()
    road = load_map(road_text(points, left), FRAME)
    east, north = places(points, left, 50_000 if is_quick() else 300_000)
    measure_locating(road, east, north)
    measure_zones(points, east, north)
    if "--compared" not in sys.argv[1:]:
        measure_growth()


if __name__ == "__main__":
    main()
