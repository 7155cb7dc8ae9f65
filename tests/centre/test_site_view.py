"""The road as the page draws it: what other programs keep in the map's file is none of its concern."""

import json
import math

import pytest

from centre.site_view import describe, page_map
from core.errors import ConfigError
from edge.config import parse_site
from tests.support.centre_road import MAP, SITE


def described(*more):
    document = json.loads(MAP)
    document["features"] += more
    return describe(parse_site(SITE, json.dumps(document), None, "site.toml"))


POINT = {"type": "Point", "coordinates": [122.005, 41.0]}
PLACE = {"kind": "place", "name": "X"}


def test_a_place_has_its_station():
    place = described({"type": "Feature", "properties": PLACE, "geometry": POINT})["places"][-1]
    assert (place["name"], place["s_m"]) == ("X", pytest.approx(100.0 + 842.0 / 2, abs=2.0))


@pytest.mark.parametrize(
    "feature",
    [
        {"type": "Feature", "properties": None, "geometry": POINT},  # GeoJSON's way of having none
        {"type": "Feature", "properties": {"kind": "note"}},
        {"type": "Feature", "properties": {"kind": "note"}, "geometry": {"type": "Point"}},
        {"type": "Feature", "properties": PLACE, "geometry": None},
    ],
)
def test_what_is_none_of_ours_is_passed_over(feature):
    assert described(feature)["places"] == described()["places"]


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Point", "coordinates": ["a"]},
        {"type": "Point"},
        {"type": "Blob", "coordinates": [1, 2]},
        {"type": "GeometryCollection", "geometries": []},
        {"type": "Point", "coordinates": [2.0, 41.0]},  # 10 000 km away
    ],
)
def test_a_place_that_can_not_be_drawn_names_its_feature(geometry):
    with pytest.raises(
        ConfigError, match=r"site\.toml: site\.map map\.geojson: feature 4 \(place\): its geo"
    ):
        described({"type": "Feature", "properties": PLACE, "geometry": geometry})


def test_the_page_reads_the_map_with_the_types_that_it_was_judged_by():
    """A table tool has made text of lists, numbers of flags; the page knows neither."""
    document = json.loads(MAP)
    changed = {"allowed": '["hazmat"]', "index": "0", "change_left": 1}
    document["features"][1]["properties"] |= changed
    site = parse_site(SITE, json.dumps(document), None, "site.toml")
    lane = json.loads(page_map(site))["features"][1]["properties"]
    assert (lane["allowed"], lane["index"], lane["change_left"]) == (["hazmat"], 0, True)
    assert describe(site)["lanes"][0]["allowed"] == ["hazmat"]
    assert page_map(parse_site(SITE, MAP, None, "site.toml")) == MAP


def test_a_browser_reads_the_map_that_python_reads():
    """NaN is what a table tool has where it has nothing; JSON, and so a browser, does not have it."""
    document = json.loads(MAP)
    foreign = {"type": "Feature", "properties": {"fid": math.nan, "x": [math.inf]}, "geometry": None}
    document["features"].append(foreign)
    document["features"][1]["geometry"]["coordinates"][0][0] += [math.nan]
    text = "\ufeff" + json.dumps(document)
    shown = page_map(parse_site(SITE, text, None, "site.toml"))

    def refused(name: str) -> None:
        raise ValueError(name)

    features = json.loads(shown, parse_constant=refused)["features"]
    assert features[-1]["properties"] == {"fid": None, "x": [None]}
    assert features[1]["geometry"]["coordinates"][0][0][-1] is None
