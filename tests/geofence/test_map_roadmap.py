"""Maps: what is refused and how it is named; strips and stations against Shapely and their own inverse."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import MapError
from geofence.kernels import Places, locate
from geofence.located import FOUND, NO_LANE
from geofence.map.axis import NEAR_M, Segments, compile_axis
from geofence.map.axis_kernels import station_at
from geofence.map.cells import cell_of
from geofence.map.frames import SiteFrame
from geofence.map.grid import one_cell
from geofence.map.roadmap import load_map
from geofence.map.ruling import pair
from geofence.map.strips import LEFT_START, RIGHT_END, RIGHT_START, compile_strips
from geofence.near import scratch
from tests.support.geofence_world import (
    FRAME,
    bend,
    beside,
    feature,
    lane,
    lonlat,
    map_text,
    road,
    road_features,
)

PANJIN = Path(__file__).parents[2] / "sim/site/panjin/map.geojson"
LEFT, RIGHT = [[0, 3.75], [100, 3.75]], [[0, 0], [100, 0]]


def lanes_at(road_map, place):
    """The lane in which a vehicle stands at each of n places (n, 2), NO_LANE none."""
    n = len(place)
    found, lane_out = np.empty((n, FOUND)), np.empty(n, dtype=np.int32)
    places = Places(
        x=np.hstack([place, np.zeros((n, 2))]), P=np.zeros((n, 4, 4)), bias_m=np.zeros(n),
        hint=np.full(n, -1, np.int32), mask=np.zeros(n, np.int32),
    )  # fmt: skip
    no_axis = compile_axis("r", 0.0, np.array([[0.0, 0.0], [1.0, 0.0]])).segments
    axis = no_axis if road_map.axis is None else road_map.axis.segments
    locate(places, road_map.strips, axis, 0.05, scratch(), found, lane_out)
    return lane_out


LANE_AS_POINTS = feature("lane", "MultiLineString", [lonlat(LEFT)], lane="a", road="r")
LANE_AS_LINE = feature("lane", "LineString", [[122, 41], [122.1, 41]], lane="a")
SWAPPED = feature("lane", "MultiLineString", [[[41, 122], [41, 122.1]]] * 2, lane="a", road="r")
FAR_AXIS = feature("axis", "LineString", [[120, 41], [122, 41]], road="r")
LOOP_AXIS = feature("axis", "LineString", lonlat([[0, 0], [9, 0], [9, 9], [5, -5]]), road="r")
BOW_TIE = feature("zone", "Polygon", [lonlat([[0, 0], [9, 9], [9, 0], [0, 9], [0, 0]])], zone="z")
REFUSED = [
    ("[1, 2", "not JSON"),
    ('{"type": "Feature"}', "FeatureCollection"),
    ('{"type": "FeatureCollection", "features": {}}', "list"),
    (map_text([{"type": "Thing"}]), "feature 0: not a GeoJSON Feature"),
    (map_text([LANE_AS_LINE]), r"feature 0 \(lane a\): geometry"),
    (map_text([LANE_AS_POINTS]), "2 boundaries"),
    (map_text([lane("a", RIGHT, LEFT)]), r"\(lane a\): left and right boundary are swapped"),
    (map_text([lane("a", LEFT, [[0, 3.74], [100, 3.74]])]), "no width"),
    (map_text([lane("a", [[0, 40], [100, 40]], RIGHT)]), "40 m wide"),
    (
        map_text([lane("a", [[0, 4], [60, 4], [60, 8], [30, 8], [30, 2]], RIGHT)]),
        "left boundary crosses itself",
    ),
    (map_text([lane("a", [[0, 4], [100, -4]], RIGHT)]), "cross each other"),
    (map_text([lane("a", LEFT, RIGHT, allowed=["tank"])]), "'allowed' names 'tank'"),
    (map_text([lane("a", LEFT, RIGHT, speed_limit_mps=0)]), "speed_limit_mps"),
    (map_text([lane("a", LEFT, RIGHT, index="first")]), "property 'index' is 'first', not int"),
    (map_text([lane("a", LEFT, RIGHT, successors=["b"])]), "lane a: successors names 'b'"),
    (map_text([lane("a", LEFT, RIGHT, left="b")]), "lane a: left names 'b'"),
    (map_text([lane("a", LEFT, RIGHT), lane("a", LEFT, RIGHT)]), "another lane"),
    (
        map_text([lane("a", LEFT, RIGHT)]).replace("[122.0,", "[NaN,", 1),
        r"not finite: \[nan, 41.*\] at \[122",
    ),
    (map_text([SWAPPED]), "longitude and latitude are swapped"),
    (map_text([FAR_AXIS]), r"too far .*: \[120, 41\] at \[122, 41\]"),
    (map_text([LOOP_AXIS]), "axis crosses itself"),
    (map_text([BOW_TIE]), r"\(zone z\): the area is not valid"),
    (map_text([feature("gate", "LineString", [[122, 41]], gate="g")]), "2 to"),
    (map_text([lane("a", LEFT, RIGHT)]).replace("[122.0,", f"[{'9' * 400},", 1), "400 digits"),
    (map_text([lane("a", LEFT, RIGHT, level=10**12)]), "'level' is 1000000000000, not within"),
    (map_text([lane("a", LEFT, RIGHT, index=-1)]), "'index' is -1, not within"),
    (map_text([lane("a", LEFT, RIGHT, speed_limit_mps=1e9)]), "speed_limit_mps"),
    (map_text([feature("axis", "LineString", lonlat(LEFT), road="r", k0_m=1e308)]), "'k0_m' is 1e.308"),
    (
        map_text([lane("a", [[0, 3.75], [50, 3.75], [20, 9], [100, 12]], RIGHT)]),
        "lane a: it bends more sharply",
    ),
]


@pytest.mark.parametrize(("text", "says"), REFUSED, ids=[says[:24] for _, says in REFUSED])
def test_map_errors_name_feature_rule_and_place(text, says):
    with pytest.raises(MapError, match=says):
        load_map(text, FRAME)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda s: st.lists(s, max_size=3)
    )
)
def test_map_garbage_is_a_map_error(coordinates):
    for kind, geometry in (("lane", "MultiLineString"), ("axis", "LineString"), ("zone", "Polygon")):
        row = feature(kind, geometry, coordinates, **{kind: "a", "road": "r"})
        with pytest.raises(MapError):
            load_map(json.dumps({"type": "FeatureCollection", "features": [row]}), FRAME)


def test_map_without_lanes_is_legal():
    empty = load_map(map_text([]), FRAME)
    assert empty.axis is None
    assert empty.lanes == ()
    assert lanes_at(empty, np.zeros((3, 2))).tolist() == [NO_LANE] * 3


def test_axis_defaults_to_the_centre_of_the_rightmost_lanes():
    features = [row for row in road_features() if row["properties"]["kind"] == "lane"][:2]
    made = load_map(map_text(features), FRAME)
    assert made.axis is not None
    assert made.axis.length_m == pytest.approx(1_000.0, abs=1e-3)
    s, offset = made.axis.station_of(np.array([250.0]), np.array([-7.625]))
    assert (s[0], offset[0]) == pytest.approx((250.0, 0.0), abs=1e-3)


@given(radius_m=st.floats(80.0, 2_000.0), s_m=st.floats(0.0, 300.0), offset_m=st.floats(-40.0, 40.0))
def test_station_and_offset_round_trip(radius_m, s_m, offset_m):
    axis = compile_axis("r", 0.0, bend(radius_m)(np.linspace(0.0, 300.0, 60)))
    s_m = s_m * axis.length_m / 300.0
    back = axis.station_of(*axis.site_of([s_m], [offset_m]))
    np.testing.assert_allclose(np.ravel(back), [s_m, offset_m], atol=1e-9)


def test_station_grows_along_a_line_beside_a_bend():
    """The inside of a bend has neither gap nor jump: steps of 10 cm beside the road are steps of station."""
    axis = compile_axis("r", 100.0, bend(60.0)(np.linspace(0.0, 120.0, 9)))
    along = np.arange(10.0, 110.0, 0.1)
    for offset_m in (-30.0, 12.0, 30.0):
        s, _ = axis.station_of(*beside(bend(60.0), along, offset_m).T)
        assert np.diff(s).min() > 0.0
        assert np.diff(s).max() < 0.6


def test_station_beyond_the_ends_and_far_beside_is_the_nearest():
    axis = compile_axis("r", 0.0, np.array([[0.0, 0.0], [100.0, 0.0]]))
    s, offset = axis.station_of(np.array([-30.0, 140.0, 50.0]), np.array([0.0, -30.0, 5_000.0]))
    np.testing.assert_allclose(s, [0.0, 100.0, 50.0])
    np.testing.assert_allclose(offset, [30.0, -50.0, 5_000.0])


def nearest_of_all(axis, east, north):
    """Return (station, offset) by a look at every segment, to the bit."""
    g = axis.segments.rows
    de, dn = east - g[:, 0], north - g[:, 1]
    along = np.clip(de * g[:, 2] + dn * g[:, 3], 0.0, g[:, 4])
    away = np.hypot(de - along * g[:, 2], dn - along * g[:, 3])
    i = int(np.argmin(away))  # the first of several
    left = g[i, 2] * dn[i] - g[i, 3] * de[i] >= 0.0
    return g[i, 5] + along[i], away[i] if left else -away[i]


def in_a_cell(axis, east, north):
    """Whether the grid names segments for the place: then their miters answer."""
    grid = axis.segments.grid
    cell = cell_of.py_func(east, north, grid)
    return cell >= 0 and grid.start[cell] < grid.start[cell + 1]


@example(n=252, turn=0.966796875, reach_m=300.0, seed=252)  # 161 m beside it, and in a cell
@given(
    n=st.integers(2, 400), turn=st.floats(0.0, 1.5), reach_m=st.sampled_from([300.0, 3e3, 3e4, 1e6]),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_far_beside_a_long_road_the_nearest_of_all_segments_is_found(n, turn, reach_m, seed):
    rng = np.random.default_rng(seed)
    heading = np.cumsum(rng.uniform(-turn, turn, n))  # winds, and may come near itself
    step_m = rng.uniform(1.0, 120.0, n)
    points = np.cumsum(np.c_[step_m * np.cos(heading), step_m * np.sin(heading)], axis=0)
    axis = compile_axis("r", 0.0, points)
    places = rng.normal(points.mean(axis=0), reach_m, (50, 2))
    s, offset = axis.station_of(*places.T)
    for k, place in enumerate(places):
        if not in_a_cell(axis, *place):
            assert (s[k], offset[k]) == nearest_of_all(axis, *place)


@given(n=st.integers(2, 60), turn=st.floats(0.0, 1.5), seed=st.integers(0, 2**32 - 1))
def test_beside_the_axis_the_grid_finds_the_segment_that_a_search_over_all_finds(n, turn, seed):
    rng = np.random.default_rng(seed)
    heading, step_m = np.cumsum(rng.uniform(-turn, turn, n)), rng.uniform(1.0, 60.0, n)
    points = np.cumsum(np.c_[step_m * np.cos(heading), step_m * np.sin(heading)], axis=0)
    segments = compile_axis("r", 0.0, points).segments
    m = len(segments.rows)
    whole = one_cell(-1e5, 2e5, m)
    of_all = Segments(segments.rows, whole, whole, segments.tree)
    for east, north in points[rng.integers(0, n, 100)] + rng.uniform(-30.0, 30.0, (100, 2)):
        want = station_at(east, north, of_all)
        if abs(want[1]) <= NEAR_M:
            assert station_at(east, north, segments) == want


def test_where_two_segments_are_equally_near_the_first_one_counts():
    square = compile_axis(
        "r", 0.0, np.array([[0.0, 0.0], [0.0, 5_000.0], [5_000.0, 5_000.0], [5_000.0, 0.0]])
    )
    s, offset = square.station_of(np.array([2_500.0]), np.array([1_000.0]))
    assert (s[0], offset[0]) == (1_000.0, -2_500.0)


def test_a_place_that_is_none_has_no_station():
    axis = compile_axis("r", 0.0, np.c_[np.linspace(0.0, 40_000.0, 900), np.zeros(900)])
    s, offset = axis.station_of(np.array([np.nan, 0.0]), np.array([0.0, np.nan]))
    assert np.isnan(s).all()
    assert np.isnan(offset).all()


@given(n=st.integers(2, 9), m=st.integers(2, 9), seed=st.integers(0, 2**32 - 1))
def test_pairing_keeps_every_vertex_of_both_boundaries(n, m, seed):
    rng = np.random.default_rng(seed)
    axis = bend(300.0)
    a, b = (np.sort(np.r_[0.0, 100.0, rng.uniform(1, 99, k)]) for k in (n, m))
    left, right = beside(axis, a, 1.9), beside(axis, b, -1.9)
    new_left, new_right = pair(left, right)
    assert len(new_left) == len(new_right)
    for before, after in ((left, new_left), (right, new_right)):
        assert all(np.hypot(*(after - point).T).min() < 1e-6 for point in before)
        assert shapely.LineString(before).length == pytest.approx(shapely.LineString(after).length, abs=1e-6)


def test_a_place_in_a_bend_is_in_exactly_one_quad():
    made = road(axis=bend(80.0), length_m=240.0)
    rng = np.random.default_rng(5)
    strips = compile_strips(made.lanes)  # lane by lane
    s, offset = rng.uniform(1.0, 239.0, 20_000), rng.uniform(-9.4, -2.1, 20_000)
    place = beside(bend(80.0), s, offset)
    chords = [shapely.Polygon(_ring(row)) for row in made.lanes]
    inside = shapely.contains_xy(shapely.union_all(chords[:2]), *place.T)
    found = lanes_at(made, place[inside])
    assert (found != NO_LANE).all()
    held = np.zeros(len(found), dtype=int)
    for j in range(len(strips.quads)):
        ring = shapely.Polygon(_quad_ring(made, strips, j)).buffer(-1e-9)
        held += shapely.contains_xy(ring, *place[inside].T)
    assert held.max() == 1


def _ring(row):
    return np.vstack([row.right_boundary, row.left_boundary[::-1]])


def _quad_ring(made, strips, j):
    quads, lane_of = strips.quads, strips.lane
    last = j + 1 == len(quads) or lane_of[j + 1] != lane_of[j]
    end_left = made.lanes[lane_of[j]].left_boundary[-1] if last else quads[j + 1, LEFT_START : LEFT_START + 2]
    at = [quads[j, corner : corner + 2] for corner in (RIGHT_START, RIGHT_END, LEFT_START)]
    return [at[0], at[1], end_left, at[2]]


def test_lanes_agree_with_shapely_on_the_shipped_map():
    """1e5 places, a tenth of them exactly on boundaries: GEOS's answer contains ours, outside is outside."""
    site = json.loads(PANJIN.read_text(encoding="utf-8"))
    first = next(f for f in site["features"] if f["properties"]["kind"] == "axis")["geometry"]["coordinates"]
    frame = SiteFrame(*first[len(first) // 2][:2])
    made = load_map(PANJIN.read_text(encoding="utf-8"), frame)
    assert made.axis is not None
    rng = np.random.default_rng(11)
    place = np.column_stack(
        made.axis.site_of(rng.uniform(0, made.axis.length_m, 90_000), rng.uniform(-25, 25, 90_000))
    )
    corners = np.vstack([lane.left_boundary for lane in made.lanes])
    at = rng.integers(0, len(corners) - 1, 10_000)
    t = rng.choice([0.0, 0.5, 1.0], (10_000, 1))
    place = np.vstack([place, corners[at] + t * (corners[at + 1] - corners[at])])
    found = lanes_at(made, place)
    tree = shapely.STRtree([shapely.Polygon(_ring(row)) for row in made.lanes])
    points = shapely.points(place)
    which, lanes = tree.query(points, predicate="intersects")
    truth = [set() for _ in place]
    for i, k in zip(which.tolist(), lanes.tolist(), strict=True):
        truth[i].add(k)
    for i, number in enumerate(found.tolist()):
        if number == NO_LANE:
            assert not truth[i], f"{place[i]} is lost"
        else:
            assert number in truth[i] or tree.geometries[number].distance(points[i]) < 1e-6
    assert sum(bool(lanes) for lanes in truth[:90_000]) > 30_000


def test_inner_edges_belong_to_the_left_lane_and_outer_edges_are_closed():
    made = road()
    names = [lane.lane for lane in made.lanes]
    found = lanes_at(made, np.column_stack([np.full(3, 333.3), [-5.75, -9.5, -2.0]]))
    assert [names[lane] for lane in found] == ["EG", "EH", "EG"]


def test_numbers_of_64_bits_that_another_program_keeps_are_no_fault():
    marked = lane("a", LEFT, RIGHT, way_id=2**63 - 1) | {"id": 2**64 - 1}
    assert [lane.lane for lane in load_map(map_text([marked]), FRAME).lanes] == ["a"]


def test_an_axis_that_turns_back_is_refused_with_the_station():
    points = np.array([[0.0, 0.0], [300.0, 0.0], [340.0, 0.0], [100.0, 30.0]])
    with pytest.raises(MapError, match=r"axis of road main: it turns back on itself at station 103590 m"):
        compile_axis("main", 103_250.0, points)
