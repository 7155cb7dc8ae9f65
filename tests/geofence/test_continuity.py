"""Tracks that may go on as another vehicle, and things that may be none."""

import numpy as np
import pytest

from core.times import NS
from geofence.state import BORN, DEDICATED, PRESUMED, SEEN
from tests.support.geofence_world import T0_NS, World, batch, drift

NAMELESS = {"terminal": -1, "kind": 0, "width": np.nan, "length": np.nan}


def nameless(t_s, north=-7.625, **changes):
    return {"east": 50.0 + 16.0 * t_s, "north": north} | NAMELESS | changes


def departures(world):
    return [(v.grade, v.phase) for v in world.of("lane_departure")]


def test_a_presumed_class_does_not_outlive_a_jump_to_another_vehicle():
    """Of two vehicles side by side one is hidden, and its track goes on with the other's detections."""
    world = World()
    world.drive(5.0, nameless)
    row = world.monitor._state.find(1)
    assert world.monitor._state.flags[row, PRESUMED]
    jump = {"off": 0.35, "off_sigma": 0.2, "sigma": 0.19}  # what is left of 3.7 m that K = 0.9 follows
    world.drive(0.1, lambda t: nameless(t, -4.3, **jump), from_s=5.0)
    assert not world.monitor._state.flags[row, PRESUMED]
    assert world.monitor._state.stamps[row, DEDICATED] == 0
    world.drive(5.0, lambda t: nameless(t, -3.925), from_s=5.1)
    assert departures(world) == []


@pytest.mark.parametrize(("gap_s", "kept"), [(0.3, True), (0.4, False)])
def test_a_presumed_class_does_not_outlive_a_gap(gap_s, kept):
    world = World()
    world.drive(5.0, nameless)
    last_s = 4.9
    world.observe(T0_NS + round((last_s + gap_s) * NS), nameless(last_s + gap_s))
    row = world.monitor._state.find(1)
    assert bool(world.monitor._state.flags[row, PRESUMED]) == kept


def test_a_presumed_truck_that_leaves_its_lane_departs_and_its_episode_outlives_a_gap():
    world = World()
    world.drive(9.0, lambda t: nameless(t, -7.625 + min(max(t - 5.0, 0.0), 3.0)))
    assert ("violation", "open") in departures(world) or ("violation", "update") in departures(world)
    n = len(world.out)
    world.drive(1.0, lambda t: nameless(t, -4.625), from_s=9.5)
    assert [v.phase for v in world.out[n:] if v.phase == "close"] == []


@pytest.mark.parametrize(
    ("change", "want"), [({"terminal": 0, "kind": 4}, True), ({}, False)], ids=["named", "nameless"]
)
def test_evidence_of_the_named_alone_outlives_a_gap(change, want):
    """Each second there are 0.3 s of measurements, 1 m outside: no time for a new proof."""
    world = World()
    world.drive(3.0, lambda t: nameless(t, **change))
    for k in range(4):
        world.drive(0.3, lambda t: nameless(t, -10.0, **change, sigma=0.3), from_s=3.6 + k)
    assert any(grade != "notice" for grade, _ in departures(world)) == want


@pytest.mark.parametrize(
    ("seen_s", "inside_s", "want"),
    [
        (0.6, 0.3, False),  # a false object that crosses the line
        (1.6, 1.0, False),  # it lives no longer than a radar holds one
        (5.0, 0.0, False),  # an echo beside the road, for as long as you like: it was never in a lane
        (6.0, 2.5, True),
    ],
)
def test_what_was_never_seen_to_drive_in_a_lane_departs_from_none(seen_s, inside_s, want):
    world = World()
    world.drive(seen_s, lambda t: nameless(t, -7.625 if t < inside_s else -11.5))
    assert bool(departures(world)) == want


def test_a_truck_with_a_name_departs_from_its_first_second_on():
    world = World()
    world.drive(2.0, lambda t: nameless(t, -11.5, terminal=0, kind=4))
    assert ("violation", "open") in departures(world) or ("violation", "update") in departures(world)


def test_how_long_a_track_lives_is_known_though_another_rsu_judges_it_and_is_handed_over():
    world = World()
    for k in range(5):
        world.observe(T0_NS + k * NS // 10, nameless(k / 10), owned=False)
    (carried,) = world.monitor.carry([1])
    assert carried.stamps_ns["born_ns"] == T0_NS
    assert carried.stamps_ns["seen_ns"] == T0_NS + 4 * NS // 10
    other = World(esn="RSU-2")
    other.monitor.adopt([carried])
    row = other.monitor._state.find(1)
    assert other.monitor._state.stamps[row, [BORN, SEEN]].tolist() == [T0_NS, T0_NS + 4 * NS // 10]


def test_time_in_the_lane_is_handed_over_as_well():
    world = World()
    world.drive(3.0, lambda t: drift(1.0, 1.0, 9.0, 3.0)(t) | NAMELESS)
    (carried,) = world.monitor.carry([1])
    assert carried.rules["lane_departure"].kept_s == pytest.approx(2.9, abs=0.11)
    assert carried.rules["lane_departure"].last_value == pytest.approx(-1.075, abs=1e-6)
    other = World(esn="RSU-2")
    other.monitor.adopt([carried])
    assert other.monitor.carry([1])[0].rules == carried.rules


def seen_at(hz, seconds, north):
    """Drive a nameless vehicle under a radar that scans so often; north(t) : its place."""
    world, due_s = World(), 0.0
    for k in range(round(seconds * 10)):
        t_s = k / 10
        now = nameless(t_s, north(t_s))
        if t_s >= due_s - 1e-6:
            world.observe(T0_NS + round(t_s * NS), now)
            due_s += 1.0 / hz
        if k % 2 == 0:
            world.tick(T0_NS + round(t_s * NS), now)
    return [(v.grade, v.phase) for v in world.of("lane_departure")]


@pytest.mark.parametrize(
    ("hz", "north_m", "want"),
    [
        (2.0, -7.625, [("undecidable", "open")]),
        (10.0, -7.625, []),  # it is judged
        (2.0, -3.875, []),  # in a lane of all classes: nobody takes it for a hazmat vehicle
    ],
)
def test_a_nameless_vehicle_of_a_dedicated_lane_under_a_slow_radar_gets_a_record(hz, north_m, want):
    assert seen_at(hz, 10.0, lambda _: north_m)[:1] == want


def test_that_record_lasts_while_it_swings_out_and_closes_once_it_drives_elsewhere():
    """It leaves its lane at 8 s, for good: a departure that nobody could judge is in the record."""
    found = seen_at(2.0, 30.0, lambda t: -7.625 if t < 8.0 else -3.875)
    assert {grade for grade, _ in found} == {"undecidable"}
    assert [phase for _, phase in found] == ["open", "close"]
    assert [phase for _, phase in seen_at(2.0, 16.0, lambda t: -7.625 if t < 8.0 else -3.875)] == ["open"]


@pytest.mark.parametrize(("hz", "want"), [(2.5, True), (10.0, False)])
def test_a_nameless_vehicle_that_radar_sees_too_seldom_is_undecidable_and_not_silent(hz, want):
    """Nothing is gathered of it over a gap, so that no departure of it would ever be found."""
    world, seen = World(), []
    for k in range(int(6.0 * hz)):
        vehicle = nameless(k / hz)
        world.observe(T0_NS + round(k / hz * NS), vehicle)
        located = world.monitor.locate(batch(T0_NS + round(k / hz * NS), vehicle), world.terminals)
        seen.append(bool(located.undecidable[0]))
    assert set(seen[2:]) == {want}
