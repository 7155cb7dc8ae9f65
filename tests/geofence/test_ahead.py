"""Who is ahead, against a search through all pairs on roads that bend, fork and meet."""

import numpy as np
import pytest

from geofence.ahead import find_ahead, follows
from tests.support.geofence_world import T0_NS, World, batch, bend, road

REACH_M = 130.0


@pytest.mark.parametrize("radius_m", [150.0, 800.0, 1e7])
def test_the_vehicle_ahead_is_the_nearest_of_the_lane(radius_m):
    """The oracle works along the road, in stations and offsets of the circle."""
    world = World(road(axis=bend(radius_m), length_m=min(1_000.0, radius_m)))
    rng = np.random.default_rng(4)
    n, end_m = 60, min(1_000.0, radius_m)
    s_m, lane = rng.uniform(1.0, end_m - 1.0, n), rng.integers(0, 4, n)
    offset = np.array([-7.625, -3.875, 3.875, 7.625])[lane]
    way = np.where(lane < 2, 1.0, -1.0)
    turn = s_m / radius_m
    east = (radius_m - offset) * np.sin(turn)
    north = radius_m - (radius_m - offset) * np.cos(turn)
    tracks = batch(T0_NS, *(
        {"track": k + 1, "east": east[k], "north": north[k], "v_east": 16.0 * way[k] * np.cos(turn[k]),
         "v_north": 16.0 * way[k] * np.sin(turn[k])} for k in range(n)
    ))  # fmt: skip
    located = world.monitor.locate(tracks, world.terminals)
    found = find_ahead(tracks.x, located, tracks.confirmed, follows(world.road.lanes), REACH_M)
    for k in range(n):
        away = way[k] * (s_m - s_m[k]) * (1.0 - offset[k] / radius_m)
        away = np.where((lane == lane[k]) & (away > 0.0), away, np.inf)
        want = int(np.argmin(away))
        if away[want] > REACH_M + 1.0:
            assert found.who[k] == -1
        elif away[want] < REACH_M - 1.0:
            assert found.who[k] == want
            assert found.away_m[k] == pytest.approx(away[want], abs=0.05)


def test_lanes_that_follow_are_ahead_and_others_are_not():
    class Lane:
        def __init__(self, lane, successors=()):
            self.lane, self.successors = lane, successors

    after = follows([Lane("a", ("b", "c")), Lane("b", ("d",)), Lane("c"), Lane("d", ("a",))])
    assert after.start.tolist() == [0, 2, 3, 3, 4]
    assert after.items.tolist() == [1, 2, 3, 0]  # a ring: the search ends
