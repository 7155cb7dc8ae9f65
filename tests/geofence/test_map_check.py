"""`check_map`: finds each way in which a map lies, with its place, and passes what only looks like one."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import MapError
from geofence.map.checks.zones import Asked
from geofence.map.document import document_of, first_place
from geofence.map.frames import SiteFrame
from geofence.map.lines import chord_error, lines_of, zigzag
from geofence.map.roadmap import check_map, load_map
from geofence.map.strips import CHORD, compile_strips
from geofence.map.windows import day_of
from tests.support.geofence_world import FRAME, bend, beside, lane, map_text
from tests.support.map_pieces import strip
from tests.support.wrong_maps import RIGHT, WRONG

CHECKED = Path(__file__).parent / "cases/checked"


def faults_of(features):
    """The errors and the warnings of a map, as texts."""
    _, faults = check_map(document_of(map_text(features)), FRAME, Asked(day_of("2026-10-01")))
    return {level: [f.text for f in faults if f.level == level] for level in ("error", "warning")}


@pytest.mark.parametrize(
    ("features", "level", "says"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_a_map_that_lies_is_named_with_its_place(features, level, says):
    found = faults_of(features)
    named = [text for text in found[level] if says in text]
    assert named, found
    assert "[122." in named[0] or "[41." in named[0]  # swapped: as it stands there
    assert level == "error" or found["error"] == []


def test_only_what_would_accuse_who_drives_right_stops_a_service():
    stopped = set()
    for name, features, _, _ in WRONG:
        try:
            load_map(map_text(features), FRAME)
        except MapError:
            stopped.add(name)
    unreadable = {"limit in km/h", "swapped axes", "bow-tie", "boundaries swapped", "two faults"}
    assert stopped == unreadable | {
        "overlap along",  # the axis that follows from its lanes turns back
        "gap along", "step across", "successor elsewhere", "successor backwards",
        "fork that doesn't join", "gap across", "neighbours swapped", "neighbour names another", "zigzag",
        "narrow hazmat lane", "narrow lane of cars", "overlap across", "successor drawn backwards",
    }  # fmt: skip


@pytest.mark.parametrize("features", [row[1] for row in RIGHT], ids=[row[0] for row in RIGHT])
def test_a_sound_map_has_no_fault(features):
    assert faults_of(features) == {"error": [], "warning": []}
    load_map(map_text(features), FRAME)


FIELD = {
    "03_gap_longitudinal": ("error", "successor B begins 2.00 m after"),
    "04_gap_lateral": ("error", "0.40 m beside"),
    "12_overpass_same_level": ("warning", "crosses lane X"),
    "19_inner_boundary_is_a_point": None,
    "26_asymmetric_neighbours": ("error", "names C on its right"),
    "28_kind_typo": ("error", "is 'lane' meant?"),
    "29_property_typo": ("warning", "is 'successors' meant?"),
    "36_zone_rule_ignored": None,  # its rules and times are read
    "43_level_gap_ramp": ("warning", "successor B is 5"),
    "47_coarse_bend_R100_25m": ("error", "too few vertices"),
}


@pytest.mark.parametrize("name", FIELD)
def test_maps_from_the_field(name):
    document = document_of((CHECKED / f"{name}.geojson").read_text(encoding="utf-8"))
    _, faults = check_map(document, SiteFrame(*(first_place(document) or (122.0, 41.0))))
    if FIELD[name] is None:
        assert faults == []
    else:
        level, says = FIELD[name]
        assert any(f.level == level and says in f.text for f in faults), faults


def test_all_faults_of_a_map_are_found_and_the_first_is_named_at_load():
    features = [strip("A", left_m=1.0), strip("B", 300, 400, left_m=1.0), lane("C", [[0, 9]], [[0, 9]])]
    errors = faults_of(features)["error"]
    assert sum("m wide and permits" in text for text in errors) == 2
    assert any("feature 2 (lane C)" in text for text in errors)
    with pytest.raises(MapError, match=r"and 1 more"):
        load_map(map_text(features[:2]), FRAME)


@pytest.mark.parametrize("radius_m", [15.0, 60.0, 400.0])
@pytest.mark.parametrize("step_m", [4.0, 12.0])
def test_chord_error_is_the_sagitta_of_the_bend(radius_m, step_m):
    line = bend(radius_m)(np.arange(0.0, radius_m * 4.0, step_m))
    half = step_m / radius_m / 2
    want = radius_m * (1 - np.cos(half))
    assert chord_error(lines_of([line])).most_m[0] == pytest.approx(want, rel=0.03)
    assert chord_error(lines_of([line[::-1]])).most_m[0] == pytest.approx(want, rel=0.03)


def test_deviations_of_many_lines_are_those_of_each_alone():
    rng = np.random.default_rng(3)
    rows = [rng.normal(size=(n, 2)).cumsum(axis=0) for n in (2, 3, 4, 2, 9, 40)]
    for deviation in (chord_error, zigzag):
        alone = [deviation(lines_of([row])) for row in rows]
        many = deviation(lines_of(rows))
        assert many.most_m.tolist() == [found.most_m[0] for found in alone]


def test_a_straight_that_begins_a_bend_and_a_corner_alone_are_no_coarse_bend():
    straight_then_bend = np.vstack([[[-500.0, 0.0]], bend(100.0)(np.arange(0.0, 80.0, 4.0))])
    corner = np.array([[0.0, 0.0], [500.0, 0.0], [1_000.0, 40.0], [1_500.0, 80.0]])
    assert chord_error(lines_of([straight_then_bend, corner])).most_m.max() < 0.05


def test_the_error_of_chords_counts_as_one_of_the_boundary_there():
    """A bend of 200 m with chords of 15 m is 0.14 m off; the straight after it, and another lane, are not."""
    bend_m = 15.0 * np.arange(21)
    end, ahead = bend(200.0)(bend_m)[-1], np.array([np.cos(1.5), np.sin(1.5)])
    aside = np.array([-ahead[1], ahead[0]])
    left, right = (
        np.vstack([beside(bend(200.0), bend_m, d), end + d * aside + np.outer([100.0, 200.0], ahead)])
        for d in (1.9, -1.9)
    )
    road = load_map(map_text([lane("A", left, right), strip("B", 0, 100, 900)]), FRAME)
    strips = compile_strips(road.lanes)  # lane by lane
    sigma, mine = strips.quads[:, CHORD], strips.lane == 0
    assert sigma[~mine].max() == 0.0
    np.testing.assert_allclose(sigma[1:19], 2 * 15.0**2 / 8 / 200.0, rtol=0.03)
    assert sigma[21 : mine.sum()].max() == 0.0


def test_faults_are_plain_data():
    _, faults = check_map(document_of(map_text([strip("A", left_m=1.0)])), FRAME)
    assert json.loads(json.dumps(faults))[0][0] == "error"
