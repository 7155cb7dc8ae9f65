"""Vehicles, classes and what is decidable, around the compiled look-up of lanes."""

from dataclasses import replace

import numpy as np

from geofence.located import NO_LANE
from geofence.state import State
from tests.support.geofence_world import STEP_NS, T0_NS, World, batch, lane, road


def locator(world):
    return world.monitor._locator


def test_new_terminals_are_looked_up_as_the_list_grows_and_again_in_another_list():
    found = locator(World())
    known = next(iter(found._row_of))
    ids = ["X1", known]
    assert found._registry_of(ids).by_terminal[:2].tolist() == [-1, found._row_of[known]]
    ids += [f"X{k}" for k in range(2, 9)] + [known]
    assert found._registry_of(ids).by_terminal[: len(ids)].tolist() == [-1, 0, *[-1] * 7, 0]
    assert found._registry_of([known]).by_terminal[:1].tolist() == [0]


def test_beside_its_lane_on_a_bridge_a_truck_is_not_on_the_road_below():
    """Its place errs by 0.5 m over the deck's edge; the lane below leads across its course."""
    deck = lane("X", [(498.0, -60.0), (498.0, 60.0)], [(502.0, -60.0), (502.0, 60.0)], level=1, road="over")
    world = World(road(deck))
    northwards = {"v_east": 0.0, "v_north": 16.0}
    on_deck = batch(1, {"east": 500.0, "north": -9.0} | northwards)
    beside = batch(2, {"east": 502.5, "north": -7.4} | northwards)
    world.monitor._state.rows(on_deck.track)
    world.observe(1, {"east": 500.0, "north": -9.0} | northwards)
    assert world.monitor.locate(on_deck, world.terminals).lane.tolist() == [len(world.road.lanes) - 1]
    assert world.monitor.locate(beside, world.terminals).lane.tolist() == [NO_LANE]
    straight_on = batch(3, {"east": 502.5, "north": -7.4})  # along the road below: that is where it is
    assert world.monitor.locate(straight_on, world.terminals).lane.tolist() != [NO_LANE]


def test_rows_are_those_of_now_however_often_the_same_tracks_are_asked_for():
    state = State(["a"], [], [], ())
    tracks = np.array([7, 8, 0, 9], dtype=np.uint64)
    first = state.rows(tracks)
    assert state.rows(tracks).tolist() == first.tolist()
    assert first[2] == -1
    state.rows(tracks)[0] = 99  # a copy: whoever writes into it changes no other's
    state.drop(8)
    state.row(10)  # takes the row of 8
    again = state.rows(tracks)
    assert again[1] != first[1]
    assert again[[0, 2, 3]].tolist() == first[[0, 2, 3]].tolist()
    state.rename(9, 7)
    assert state.rows(tracks)[0] == first[3]


def test_what_is_found_of_a_batch_that_is_filled_again_equals_what_is_found_of_a_new_one():
    """Places, tests and grades of a truck that leaves its lane, in memory that each step overwrites."""
    new, again, kept, places = World(), World(), None, []
    for k in range(40):
        t_ns = T0_NS + k * STEP_NS
        vehicle = {"east": 100.0 + 1.6 * k, "north": -7.625 - 0.1 * k}
        tracks = batch(t_ns, vehicle)
        if kept is None:
            kept = replace(tracks, is_reused=True)
        for name in ("stamp_ns", "arrived_ns", "x", "radar_ns", "enforcing_ns", "gnss_ns"):
            getattr(kept, name)[:] = getattr(tracks, name)
        found = []
        for world, seen in ((new, tracks), (again, kept)):
            located = world.monitor.locate(seen, world.terminals)
            owned = np.ones(1, np.bool_)
            judged = world.monitor.observe(t_ns + 6_000_000, seen, located, owned)
            values = world.monitor._evidence.values.value[:1].tobytes()
            found.append(
                (located.found.tobytes(), located.lane[0], values, [one.violation for one in judged])
            )
            places.append(located)
        assert found[0] == found[1]
    assert places[1] is places[-1]
    assert places[0] is not places[-2]
    assert again.monitor.state() == new.monitor.state()
