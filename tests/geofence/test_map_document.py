"""Maps after a round through other tools: the same map, or a refusal that names feature and property."""

import json
import math
from pathlib import Path

import pytest

from core.errors import MapError
from geofence.map.document import document_of, first_place
from geofence.map.frames import SiteFrame
from geofence.map.reading import read
from geofence.map.roadmap import load_map
from tests.support.geofence_world import FRAME, feature, lane, lonlat, map_text

EXAMPLE = (Path(__file__).parents[1] / "data/example/map.geojson").read_text(encoding="utf-8")
LEFT, RIGHT = [[0, 3.75], [100, 3.75]], [[0, 0], [100, 0]]
SQUARE = [[0, 0], [9, 0], [9, 9], [0, 9]]


def as_reals(value):
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def as_text(value):
    return json.dumps(value) if isinstance(value, list) else value


def as_table(value):
    """As CSV keeps it: all text, nothing where nothing is."""
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, list | bool | int | float) else value


def as_flags(value):
    return int(value) if isinstance(value, bool) else value


def as_nulls(value):
    return None if value in (False, []) else value


@pytest.mark.parametrize("change", [as_reals, as_text, as_table, as_flags], ids=lambda f: f.__name__)
def test_a_map_after_a_round_through_a_table_tool_is_the_same_map(change):
    document = json.loads(EXAMPLE)
    for row in document["features"]:
        row["properties"] = {key: change(value) for key, value in row["properties"].items()}
    frame = SiteFrame(*first_place(document_of(EXAMPLE)))
    was, now = load_map(EXAMPLE, frame), load_map(json.dumps(document), frame)
    names = ("lane", "road", "index", "level", "allowed", "speed_limit_mps", "successors", "left", "right",
             "change_left", "change_right")  # fmt: skip
    for a, b in zip(was.lanes, now.lanes, strict=True):
        for name in names:
            assert getattr(a, name) == getattr(b, name)
            assert type(getattr(a, name)) is type(getattr(b, name))
    assert [gate.gate for gate in was.gates] == [gate.gate for gate in now.gates]
    assert was.axis.k0_m == now.axis.k0_m


@pytest.mark.parametrize(("key", "value", "meant"), [
    ("index", "1", 1), ("index", 1.0, 1), ("index", "1.0", 1), ("index", None, 0),
    ("level", "-1", -1), ("speed_limit_mps", "19.4", 19.4), ("speed_limit_mps", "", None),
    ("allowed", "hazmat", ("hazmat",)), ("allowed", "car, bus", ("car", "bus")),
    ("allowed", '["car"]', ("car",)), ("allowed", "[]", ()), ("allowed", [], ()),
    ("successors", None, ()), ("successors", "", ()), ("left", "", None), ("left", None, None),
    ("change_left", 1, True), ("change_left", 0.0, False), ("change_left", "TRUE", True),
    ("change_left", None, False), ("road", 7, "7"), ("road", 7.0, "7"), ("road", " r ", "r"),
    ("allowed", "['car', 'bus']", ("car", "bus")),  # Python's
    ("allowed", "(2:car,bus)", ("car", "bus")), ("allowed", "(0:)", ()),  # OGR's
    ("allowed", "{car,bus}", ("car", "bus")), ("allowed", "car;bus", ("car", "bus")),
    ("allowed", '"car","bus"', ("car", "bus")),
    ("left", math.nan, None), ("speed_limit_mps", math.nan, None), ("successors", math.nan, ()),
    ("change_left", "no", False), ("change_left", "Yes", True),
])  # fmt: skip
def test_a_property_of_another_type_is_what_it_means(key, value, meant):
    (found,) = read(map_text([lane("a", LEFT, RIGHT, **{key: value})]), FRAME).lanes
    assert getattr(found, key) == meant
    assert type(getattr(found, key)) is type(meant)


@pytest.mark.parametrize(("key", "value", "says"), [
    ("index", 1.5, r"feature 0 \(lane a\): property 'index' is 1.5, not int \(a whole number\)"),
    ("index", True, "property 'index' is True, not int"),
    ("index", "right", "property 'index' is 'right', not int"),
    ("index", [0], "property 'index'"),
    ("speed_limit_mps", "fast", "property 'speed_limit_mps' is 'fast', not int .* or float"),
    ("speed_limit_mps", "nan", "not finite"), ("allowed", math.nan, "property 'allowed' is missing"),
    ("speed_limit_mps", 80, "speed_limit_mps is 80, not above 0 and at most 50 m/s"),  # km/h
    ("change_left", 2, "property 'change_left' is 2, not true or false"),
    ("change_left", "maybe", "property 'change_left'"),
    ("allowed", "tank", "'allowed' names 'tank'"),
    ("allowed", "[car", "property 'allowed' is .*, not a list"),
    ("allowed", {"car": True}, "not a list"),
    ("allowed", None, "property 'allowed' is missing"),  # null is unknown: not closed to all
    ("allowed", "", "property 'allowed' is missing"),
    ("successors", [None], "holds something else than strings"),
    ("lane", None, "property 'lane' is missing"),
    ("lane", 1.5, "property 'lane' is 1.5, not text"),
])  # fmt: skip
def test_what_is_no_value_is_refused_by_feature_and_property(key, value, says):
    with pytest.raises(MapError, match=says):
        read(map_text([lane("a", LEFT, RIGHT) | {"properties": lane("a", LEFT, RIGHT)["properties"]
                                                 | {key: value}}]), FRAME)  # fmt: skip


@pytest.mark.parametrize("rings", [
    lonlat(SQUARE),                    # open
    lonlat([*SQUARE, SQUARE[0]]),
    lonlat([*SQUARE[::-1], SQUARE[3]]),  # clockwise
    lonlat(SQUARE[:3]),                # an open triangle
])  # fmt: skip
def test_a_ring_is_the_same_open_or_closed_either_way_round(rings):
    (zone,) = read(map_text([feature("zone", "Polygon", [rings], zone="z")]), FRAME).zones
    assert zone.polygon.area == pytest.approx(81.0 if len(rings) > 3 else 40.5, rel=1e-4)
    many = feature("zone", "MultiPolygon", [[rings]], zone="z")
    assert read(map_text([many]), FRAME).zones[0].polygon.area == pytest.approx(zone.polygon.area)


def test_a_line_that_came_as_a_collection_of_one_is_a_line():
    rows = [
        feature("axis", "MultiLineString", [lonlat(LEFT)], road="r"),
        feature("gate", "MultiLineString", [lonlat(LEFT)], gate="g"),
    ]
    found = read(map_text(rows), FRAME)
    assert (len(found.axes), len(found.gates)) == (1, 1)
    two = feature("axis", "MultiLineString", [lonlat(LEFT), lonlat(RIGHT)], road="r")
    with pytest.raises(MapError, match="not 'LineString'"):
        read(map_text([two]), FRAME)


def test_heights_and_measures_beside_a_position_are_not_read():
    row = lane("a", LEFT, RIGHT)
    for line in row["geometry"]["coordinates"]:
        line[0] += [3.0, 17.0]
        line[1] = [*line[1][:2], None]
    assert len(read(map_text([row]), FRAME).lanes) == 1


@pytest.mark.parametrize("rename", [str.upper, str.title, lambda name: f" {name} "])
def test_names_in_capitals_or_with_blanks_are_ours(rename):
    row = lane("a", LEFT, RIGHT)
    changed = {rename(key): value for key, value in row["properties"].items()}
    changed[rename("kind")] = rename("lane")
    found = read(map_text([row | {"properties": changed}]), FRAME)
    assert [lane.lane for lane in found.lanes] == ["a"]
    assert found.skipped == {}


def test_columns_that_a_table_has_for_other_rows_are_not_called_unread():
    rows = [lane("a", LEFT, RIGHT), feature("gate", "LineString", lonlat(LEFT), gate="g")]
    for row in rows:
        row["properties"] = {"gate": None, "allowed": math.nan, "rules": None} | row["properties"]
    rows[1]["properties"]["time_window"] = "22:00"
    assert read(map_text(rows), FRAME).skipped == {"property 'time_window' of a gate": 1}


def test_a_version_of_null_is_none_and_no_text():
    document = json.loads(map_text([lane("a", LEFT, RIGHT)])) | {"version": None}
    assert read(json.dumps(document), FRAME).version == ""


@pytest.mark.parametrize(("datum", "sound"), [
    ("CGCS2000", True), ("WGS 84", True), ("ITRF2014", True), (None, True),
    ("GCJ-02", False), ("gcj02", False), ("BD-09", False), ("Xian 80", False), ("Beijing 1954", False),
])  # fmt: skip
def test_a_datum_that_is_lanes_off_is_refused(datum, sound):
    text = json.dumps(json.loads(map_text([lane("a", LEFT, RIGHT)])) | {"datum": datum})
    if sound:
        assert len(read(text, FRAME).lanes) == 1
        return
    with pytest.raises(MapError, match="its 'datum' is"):
        read(text, FRAME)


def test_a_feature_alone_is_a_map():
    row = lane("a", LEFT, RIGHT)
    assert len(load_map(json.dumps(row), FRAME).lanes) == 1


@pytest.mark.parametrize(("name", "sound"), [
    ("urn:ogc:def:crs:OGC:1.3:CRS84", True), ("EPSG:4326", True), ("EPSG:4490", True), ("EPSG:3857", False),
])  # fmt: skip
def test_coordinates_that_are_said_to_be_no_degrees_are_refused(name, sound):
    document = json.loads(map_text([lane("a", LEFT, RIGHT)]))
    text = json.dumps(document | {"crs": {"type": "name", "properties": {"name": name}}})
    if sound:
        assert len(read(text, FRAME).lanes) == 1
        return
    with pytest.raises(MapError, match="'crs' is 'EPSG:3857'"):
        read(text, FRAME)


def test_the_document_is_unchanged_where_all_types_are_right():
    assert not document_of(EXAMPLE).changed
    assert document_of(map_text([lane("a", LEFT, RIGHT, index=0.0)])).changed
