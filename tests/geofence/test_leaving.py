"""Tracks whose prediction has left the road."""

import numpy as np
import pytest

from geofence.leaving import has_left_lanes
from geofence.map.strips import MASK_ALL, mask_of
from geofence.off_lanes import distance_to_lanes_m, is_on_lane
from tests.support.geofence_world import batch, road


@pytest.mark.parametrize(
    ("last", "now", "left"),
    [
        ({"east": 990.0}, {"east": 1_006.0, "sigma": 1.0}, True),  # beyond the end of the road
        ({"east": 990.0}, {"east": 1_002.0, "sigma": 1.0}, False),  # within the error
        ({"east": 990.0}, {"east": 1_006.0, "sigma": 1.0, "bias": 3.0}, False),  # the lasting error as well
        ({"east": 500.0}, {"east": 520.0}, False),  # on the road
        ({"east": 1_004.0}, {"east": 1_020.0}, True),  # radar saw it for a moment beyond the end
        ({"east": 1_040.0}, {"east": 1_060.0}, False),  # it is seen far beyond the map: it has not just left
        ({"east": 1_004.0, "v_east": 0.0}, {"east": 1_004.0, "v_east": 0.0}, False),  # it stands there
        ({"north": -20.0, "v_north": -1.0}, {"north": -21.0}, False),  # it slides off beside the lanes
        ({"north": -30.0}, {"north": -40.0}, False),  # a lay-by
        ({"north": -7.6}, {"north": -40.0}, True),  # a bend that nobody saw it take
    ],
)
def test_a_track_has_left_when_it_was_on_a_lane_and_is_predicted_off_all(last, now, left):
    strips = road().strips
    assert has_left_lanes(strips, batch(1_000, last), batch(2_000, now)).tolist() == [left]


def test_the_search_near_a_place_finds_the_lanes_that_the_whole_one_does():
    strips, rng = road().strips, np.random.default_rng(4)
    for mask in (MASK_ALL, mask_of(["car"]), mask_of(["hazmat"])):
        for east, north in rng.uniform((-20.0, -25.0), (1_020.0, 25.0), (2_000, 2)):
            away_m = distance_to_lanes_m(east, north, strips, mask, 100.0)
            assert is_on_lane(east, north, strips, mask) == (away_m == 0.0)


def test_no_tracks_have_left_nothing():
    empty = has_left_lanes(road().strips, batch(1_000), batch(1_000))
    assert empty.dtype == np.bool_
    assert len(empty) == 0
