"""The causes of false tracks and missed vehicles, each in a case made by hand."""

import math

import pytest

from core.times import TICK_NS
from petroroad.scoring.causes import FALSE_CAUSES, MISSED_CAUSES
from petroroad.scoring.tracks import TrackScore
from tests.support.scoring import T0_NS, tracks, truths

HALF = 12.5  # c^2 / 2


def figures_of(*frames):
    """Score (seconds, truth's arguments, tracks' arguments); return the figures of the last frame alone."""
    score = TrackScore()
    for k, (at_s, true, found) in enumerate(frames):
        if k == len(frames) - 1:
            before = score.causes.false.copy(), score.causes.missed.copy()
        score.add(truths(**true, stamp_ns=T0_NS + round(at_s * 1e9)), tracks(**found))
    last = {f"false_{name}": n for name, n in (score.causes.false - before[0]).items()}
    return last | {f"missed_{name}": n for name, n in (score.causes.missed - before[1]).items()}, score


NONE = {"places": []}
ONE = {"places": [(0, 0)], "terminal": ["T1"]}
ON_IT = {"places": [(0, 0)], "ids": [7]}
FAR = {"places": [(0, 0), (90, 0)], "ids": [7, 8]}


@pytest.mark.parametrize(("frames", "cause"), [
    # a second track near a vehicle that has one
    ([(0, ONE, {"places": [(0, 0), (3, 0)]})], "false_duplicate"),
    # beyond c of the centre of a car is clutter, of a truck's end is not
    ([(0, ONE | {"length_m": 4.0}, {"places": [(0, 0), (9, 0)]})], "false_clutter"),
    ([(0, ONE | {"length_m": 12.0}, {"places": [(0, 0), (9, 0)]})], "false_duplicate"),
    # across the course a length does not count
    ([(0, ONE | {"length_m": 12.0}, {"places": [(0, 0), (0, 9)]})], "false_clutter"),
    ([(0, ONE | {"length_m": 12.0, "heading": math.pi / 2}, {"places": [(0, 0), (0, 9)]})],
     "false_duplicate"),
    # the only track is at the truck's end
    ([(2, ONE, ON_IT), (4, ONE | {"length_m": 12.0}, {"places": [(9, 0)], "ids": [7]})], "false_displaced"),
    # nothing near: by who feeds it
    ([(0, ONE, FAR)], "false_clutter"),
    ([(0, ONE, FAR | {"in_field": False})], "false_outside_cover"),
    ([(0, ONE, FAR | {"terminal": [None, "T9"]})], "false_ghost"),    # of no vehicle
    ([(0, ONE, FAR | {"terminal": [None, "T1"]})], "false_ghost"),    # its vehicle is elsewhere
    # the vehicle has ended: by what the track matched last, or by its name
    ([(0, ONE, ON_IT), (1.1, NONE, ON_IT)], "false_ended"),
    ([(0, ONE, ON_IT), (1.0, NONE, ON_IT)], "false_left_truth"),      # within the second
    ([(0, ONE, NONE), (1.1, NONE, ON_IT | {"terminal": ["T1"]})], "false_ended"),
    ([(0, ONE, NONE), (1.0, NONE, ON_IT | {"terminal": ["T1"]})], "false_left_truth"),
    # also when it coasts past another one
    ([(0, {"places": [(0, 0), (50, 0)], "ids": [1, 2]}, {"places": [(0, 0), (50, 0)], "ids": [7, 8]}),
      (2, {"places": [(50, 0)], "ids": [2]}, {"places": [(50, 0), (51, 0)], "ids": [8, 7]})], "false_ended"),
])  # fmt: skip
def test_a_false_track_has_one_cause(frames, cause):
    last, score = figures_of(*frames)
    assert {name: n for name, n in last.items() if name.startswith("false")} == {cause: 1}
    charged = cause != "false_left_truth"
    assert score.gospa_m[-1] == pytest.approx(
        math.sqrt(HALF * (charged + sum(n for name, n in last.items() if name.startswith("missed"))))
    )


@pytest.mark.parametrize(("frames", "cause"), [
    ([(0, ONE, NONE)], "missed_first_second"),
    ([(0, ONE, NONE), (1.0, ONE, NONE)], "missed_first_second"),
    ([(0, ONE, NONE), (0.9, ONE, NONE), (1.1, ONE, NONE)], "missed_in_field"),
    ([(0, ONE, NONE), (0.9, ONE, NONE), (1.1, ONE | {"in_field": False}, NONE)], "missed_reporting"),
    # the second counts from the cover's beginning
    ([(0, ONE | {"covered": False}, NONE), (0.9, ONE | {"covered": False}, NONE), (1.1, ONE, NONE)],
     "missed_first_second"),
    # and anew on another trip
    ([(0, ONE, NONE), (60, ONE, NONE)], "missed_first_second"),
])  # fmt: skip
def test_a_missed_vehicle_has_one_cause(frames, cause):
    last, _ = figures_of(*frames)
    assert last == {cause: 1}


def test_the_split_adds_up():
    score = TrackScore()
    for k in range(30):
        gone = k > 12
        true = truths(
            [(0, 0), (200, 0)][: 2 - gone], stamp_ns=T0_NS + k * TICK_NS, terminal=["A", "B"][: 2 - gone]
        )
        score.add(true, tracks([(1, 0), (2, 0), (90, 0), (200, 0)], terminal=[None, None, "X", "B"]))
    found = score.figures()
    false = sum(found[f"false_{name}_per_frame"] for name in FALSE_CAUSES)
    missed = sum(found[f"missed_{name}_per_frame"] for name in MISSED_CAUSES)
    assert false == pytest.approx(found["false_per_frame"], abs=1e-3)
    assert missed == pytest.approx(found["missed_per_frame"], abs=1e-3)
    assert found["left_truth_per_frame"] == pytest.approx(10 / 30, abs=1e-3)


@pytest.mark.parametrize(("rsu", "twice"), [([0, 0], 0), ([0, 1], 1)])
def test_a_vehicle_of_two_rsus_is_owned_twice(rsu, twice):
    _, score = figures_of((0, ONE, {"places": [(0, 0), (1, 0)], "ids": [7, 7], "rsu": rsu}))
    assert score.causes.owned_twice == twice
