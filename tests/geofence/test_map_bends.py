"""The direction of a lane in a bend, against the tangents of analytic arcs."""

import numpy as np
import pytest

from geofence.kernels import Places, locate
from geofence.located import FOUND, NO_LANE, U_EAST, U_NORTH
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import load_map
from geofence.map.strips import BEND, compile_strips
from geofence.near import scratch
from tests.support.geofence_world import bend, beside, lane, map_text, road, straight

FRAME = SiteFrame(122.0, 41.0)


def bend_lane(name, axis, at_m, **properties):
    return lane(name, beside(axis, at_m, 1.9), beside(axis, at_m, -1.9), **properties)


def directions_at(road_map, places):
    """Return the headings of the lanes (n,) [rad] beside places, and which places are on a lane."""
    n = len(places)
    found, lanes = np.empty((n, FOUND)), np.empty(n, np.int32)
    x = np.hstack([places, np.zeros((n, 2))])
    where = Places(x, np.zeros((n, 4, 4)), np.zeros(n), np.full(n, -1, np.int32), np.full(n, 255, np.int32))
    locate(where, road_map.strips, road_map.axis.segments, 0.05, scratch(), found, lanes)
    return np.arctan2(found[:, U_NORTH], found[:, U_EAST]), lanes != NO_LANE


@pytest.mark.parametrize(
    ("radius_m", "step_m"), [(60.0, 8.0), (250.0, 20.0), (-250.0, 25.0), (1_000.0, 80.0)]
)
def test_in_a_bend_the_direction_is_that_of_the_arc(radius_m, step_m):
    """Vertices of a survey are not even, and quads are cut out of chords of more than 25 m."""
    rng = np.random.default_rng(4)
    at_m = np.concatenate([[0.0], np.cumsum(rng.uniform(0.75, 1.0, 14) * step_m)])
    made = load_map(map_text([bend_lane("A", bend(radius_m), at_m)]), FRAME)
    station = rng.uniform(at_m[2], at_m[-3], 400)
    places = beside(bend(radius_m), station, rng.uniform(-1.2, 1.2, 400))
    heading, inside = directions_at(made, places)
    off = np.abs(heading - station / radius_m)[inside]
    assert inside.mean() > 0.9
    assert off.max() < 0.25 * step_m / (2 * abs(radius_m))  # of what the chord is off at its ends
    assert np.median(off) < 0.08 * step_m / (2 * abs(radius_m))


def test_lanes_that_follow_each_other_are_one_bend_but_where_the_road_forks():
    cut_m, arc = np.arange(0.0, 61.0, 10.0), bend(100.0)
    last = [beside(arc, cut_m[4:5], d) for d in (1.9, -1.9)]
    straight_on = lane("C", *(np.vstack([end, end + np.array([30.0, 12.0])]) for end in last))
    after, station = bend_lane("B", arc, cut_m[4:]), np.linspace(31.0, 39.9, 30)
    off = []
    for more, successors in (([], ["B"]), ([straight_on], ["C", "B"])):
        first = bend_lane("A", arc, cut_m[:5], successors=successors)
        made = load_map(map_text([first, after, *more]), FRAME)
        heading, _ = directions_at(made, beside(arc, station, np.zeros(30)))
        off.append(np.abs(heading - station / 100.0).max())
    assert off[0] < 0.002
    assert off[1] < 0.05  # no worse than the chord


def test_a_straight_before_a_bend_and_a_corner_alone_keep_their_directions():
    made = road(axis=straight, length_m=300.0)
    assert (compile_strips(made.lanes).quads[:, BEND : BEND + 2] == 0.0).all()
    corner = np.array([[0.0, 0.0], [40.0, 0.0], [80.0, 12.0], [120.0, 24.0]])
    turned = load_map(
        map_text([lane("A", corner + np.array([0.0, 1.9]), corner - np.array([0.0, 1.9]))]), FRAME
    )
    heading, _ = directions_at(turned, np.array([[10.0, 0.0], [39.0, 0.0], [60.0, 6.0]]))
    np.testing.assert_allclose(heading, [0.0, 0.0, np.arctan2(12, 40)], atol=1e-9)
