"""Where a mapped lane ends and the road does not, and vehicles that drive backwards."""

import numpy as np
import pytest

from geofence.located import BEYOND_END
from geofence.map.roadmap import load_map
from tests.support.geofence_world import (
    FRAME,
    GENERAL,
    HAZMAT,
    T0_NS,
    World,
    batch,
    beside,
    feature,
    lane,
    lonlat,
    map_text,
    road,
    straight,
)  # fmt: skip

ANYONE = [*HAZMAT, *GENERAL]


def ramp(left_m, right_m, to_m=400.0, end_width_m=3.75, **properties):
    """A lane to the right of the road up to a station; its right boundary may taper at the end."""
    station = np.array([0.0, to_m - 60.0, to_m])
    right = np.array([right_m, right_m, left_m - end_width_m])
    return lane(
        "R", beside(straight, station, left_m), beside(straight, station, right), road="ramp", allowed=ANYONE,
        **properties,
    )  # fmt: skip


def grades(world):
    return {(v.rule, v.grade) for v in world.out if v.rule == "lane_departure"}


def on_ramp(t_s, from_m=300.0, north=-13.375, **changes):
    return {"east": from_m + 16.0 * t_s, "north": north, "kind": 4} | changes


@pytest.mark.parametrize("drift_mps", [0.0, -0.4, 0.3])
def test_beyond_the_end_of_a_mapped_ramp_nothing_is_decided_and_that_is_said(drift_mps):
    world = World(road(ramp(-11.5, -15.25)))
    world.drive(16.0, lambda t: on_ramp(t, north=-13.375 + drift_mps * max(0.0, t - 6.5)))
    assert grades(world) == {("lane_departure", "undecidable")}


def test_beyond_the_end_after_a_gap_as_well():
    world = World(road(ramp(-11.5, -15.25)))
    world.drive(6.0, on_ramp)
    world.drive(4.0, on_ramp, from_s=6.7)
    assert grades(world) <= {("lane_departure", "undecidable")}


def test_who_leaves_the_ramp_before_its_end_departs():
    world = World(road(ramp(-11.5, -15.25)))
    world.drive(6.0, lambda t: on_ramp(t, from_m=200.0, north=-13.375 - min(2.0, t)))
    assert ("lane_departure", "violation") in grades(world)


def test_who_misses_the_end_of_a_lane_that_tapers_departs():
    """The lane runs out beside its neighbour: straight on is the shoulder."""
    world = World(road(ramp(-9.5, -13.25, end_width_m=0.0, left="EH")))
    world.drive(9.0, lambda t: on_ramp(t, north=-11.375))
    assert ("lane_departure", "violation") in grades(world)


def test_who_comes_from_the_ramp_onto_the_road_is_judged_again():
    world = World(road(ramp(-11.5, -15.25)))
    world.drive(12.0, lambda t: on_ramp(t, north=-13.375 + min(5.75, 2.0 * max(0.0, t - 7.0))))
    assert world.monitor.locate(batch(T0_NS + 1, {"east": 500.0}), world.terminals).undecidable.tolist() == [
        False
    ]
    n = len(world.out)
    world.drive(6.0, lambda t: on_ramp(t, north=-7.625 - min(3.0, t - 12.0)), from_s=12.0)
    assert any(v.grade == "violation" for v in world.out[n:])


def test_beyond_the_end_is_where_the_lane_held_before_is_no_longer_near():
    """A ramp that turns back: beside its first part it is beyond the line on which its last part ends."""
    turn = np.linspace(-np.pi / 2, np.pi / 2, 13)
    middle = np.column_stack([300.0 + 40.0 * np.cos(turn), -60.0 + 40.0 * np.sin(turn)])
    middle = np.vstack([[[200.0, -100.0]], middle, [[200.0, -20.0]]])
    out = middle - [300.0, -60.0]
    unit = np.column_stack([np.clip(out[:, 0], 0.0, None), out[:, 1]])
    unit /= np.hypot(*unit.T)[:, None]
    loop = lane("U", middle - 1.9 * unit, middle + 1.9 * unit, road="loop", allowed=ANYONE)
    world = World(road(loop))
    there = {"track": 5, "v_east": 16.0, "kind": 4}
    world.observe(1_000_000_000, {"east": 220.0, "north": -100.0} | there)
    beside_it = world.monitor.locate(
        batch(1_100_000_000, {"east": 230.0, "north": -104.0} | there), world.terminals
    )
    assert beside_it.found[0, BEYOND_END] == 0.0
    assert not beside_it.undecidable[0]


def backwards(t_s, v_east, v_north, from_s=2.0, north=-7.625):
    """A truck in the eastern hazmat lane that stops and drives backwards."""
    moved = max(0.0, t_s - from_s)
    if moved == 0.0:
        return {"east": 500.0, "north": north, "v_east": 0.0}
    return {
        "east": 500.0 + v_east * moved, "north": north + v_north * moved,
        "v_east": v_east, "v_north": v_north,
    }  # fmt: skip


@pytest.mark.parametrize("speed_mps", [1.0, 1.6, 2.5, 3.0])
def test_a_truck_that_reverses_in_its_lane_is_located_and_keeps_it(speed_mps):
    world = World()
    world.drive(8.0, lambda t: backwards(t, -speed_mps, 0.0))
    assert grades(world) == set()
    found = world.monitor.locate(
        batch(1_100_000_000, {"track": 1, **backwards(8.0, -speed_mps, 0.0)}), world.terminals
    )
    assert world.road.lanes[found.lane[0]].lane == "EH"


@pytest.mark.parametrize("speed_mps", [1.0, 1.6, 2.5])
@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_truck_that_reverses_out_of_its_lane_departs(speed_mps, side):
    world = World()
    world.drive(13.0, lambda t: backwards(t, -speed_mps, 0.25 * side))
    assert ("lane_departure", "violation") in grades(world)


def test_a_slow_truck_that_strays_into_the_oncoming_lane_departs_all_the_same():
    """Two lanes that meet: it drives forwards, and the other lane does not become its own."""
    station = np.linspace(0.0, 1_000.0, 21)
    one = lane("A", beside(straight, station, 0.0), beside(straight, station, -3.75), allowed=ANYONE)
    other = lane(
        "B", beside(straight, station[::-1], 0.0), beside(straight, station[::-1], 3.75), allowed=ANYONE
    )
    world = World(_two_lanes(one, other))
    slow = {"v_east": 2.0, "v_north": 0.4}
    world.drive(20.0, lambda t: {"east": 100.0 + 2.0 * t, "north": -1.9 + min(3.8, 0.4 * t)} | slow)
    assert ("lane_departure", "violation") in grades(world)


def _two_lanes(*lanes):
    axis = feature("axis", "LineString", lonlat([[0.0, 0.0], [1_000.0, 0.0]]), road="main", k0_m=0.0)
    return load_map(map_text([*lanes, axis]), FRAME)


def test_who_drives_the_wrong_way_is_no_truck_that_reverses():
    world = World()
    wrong = {"v_east": -10.0, "north": -7.625}
    world.drive(6.0, lambda t: {"east": 800.0 - 10.0 * t} | wrong)
    assert {v.rule for v in world.out} == {"wrong_way"}
