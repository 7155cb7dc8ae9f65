"""One cause is one case: jams, parked trucks, breakdowns, and ordinary vehicles in a dedicated lane."""

import math

import msgspec
import pytest

from geofence.config import Grading, Hold, RulesConfig
from tests.support.geofence_world import CAR, STEP_NS, T0_NS, TRUCK, World, drift, faults

SHORT_STOPS = RulesConfig(
    illegal_stop=Grading(notice=(Hold(over=3.0),), warning=(Hold(over=5.0),), violation=(Hold(over=99.0),))
)


def jam(t_s, first_m, n, gap_m=21.0, north=-7.625):
    """Trucks that come one behind another and stop at 1 s, the first at a station."""
    behind = [first_m - gap_m * k for k in range(n)]
    return [
        {
            "track": k + 1,
            "terminal": -1,
            "north": north,
            "east": at_m - max(0.0, 16.0 * (1.0 - t_s)),
            "v_east": v,
        }
        for k, at_m in enumerate(behind)
        for v in (16.0 if t_s < 1.0 else 0.0,)
    ]


@pytest.mark.parametrize(
    ("first_m", "n", "gap_m", "want"),
    [
        (940.0, 5, 21.0, set()),  # what blocks the lane lies beyond radar's sight
        (940.0, 3, 21.0, set()),
        (940.0, 2, 21.0, {1}),  # one behind is no queue
        (940.0, 3, 45.0, {1, 2, 3}),  # nor are trucks so far apart
        (600.0, 5, 21.0, {1}),  # radar sees 40 m of free lane: it is the cause
    ],
)
def test_the_first_of_a_jam_is_no_illegal_stop_where_its_cause_can_lie_beyond_sight(first_m, n, gap_m, want):
    world = World(rules=SHORT_STOPS)
    world.drive(8.0, lambda t: jam(t, first_m, n, gap_m))
    assert {v.track for v in world.of("illegal_stop")} == want


def test_each_of_several_trucks_that_park_beside_the_lane_is_raised():
    world = World(rules=SHORT_STOPS)
    world.drive(8.0, lambda t: [truck | {"sigma": 2.0} for truck in jam(t, 600.0, 3, north=-11.5)])
    assert {v.track for v in world.of("illegal_stop")} == {1, 2, 3}


def test_a_breakdown_on_the_shoulder_is_one_case():
    world = World(rules=SHORT_STOPS)
    world.drive(4.0, lambda t: {"east": 400.0 + 16.0 * t, "north": -7.625 - max(0.0, t - 2.0) * 2.0})
    world.drive(9.0, lambda t: {"v_east": 0.0, "east": 464.0, "north": -11.625}, from_s=4.0)
    assert {v.rule for v in world.out} == {"lane_departure"}
    assert len({v.id for v in world.out}) == 1


@pytest.mark.parametrize(
    ("change", "want"),
    [
        ({}, {("unauthorised_vehicle", "violation")}),
        ({"gnss_age_s": 60.0}, {("unauthorised_vehicle", "violation")}),  # without a report as well: one case
        ({"north": -5.5}, {("unauthorised_vehicle", "notice")}),  # half in the lane
        ({"north": -4.9}, set()),  # it touches the line
        ({"north": -11.5}, {("lane_departure", "violation")}),  # on the shoulder
        ({"terminal": -1}, set()),  # a radar's class accuses nobody
        ({"sigma": 2.0}, set()),
    ],
)
def test_a_car_in_the_hazmat_lane_is_unauthorised_and_nothing_else(change, want):
    world = World()
    car = {"terminal": 1, "kind": 1, "width": 1.8, "length": 4.5}
    world.drive(9.0, lambda t: {"east": 50.0 + 16.0 * t} | car | change)
    top = {}
    for v in world.out:
        top[v.rule] = v.grade
    assert set(top.items()) == want
    assert [faults(v) for v in world.out if faults(v)] == []


@pytest.mark.parametrize(("width_m", "want"), [(2.5, True), (1.6, False)])
def test_a_presumed_truck_is_as_wide_as_the_narrowest_of_the_registry(width_m, want):
    """Its centre comes as near to the line as lets 2.5 m stick out by 0.4 m, and 1.6 m not at all."""
    truck = msgspec.structs.replace(TRUCK, width_m=width_m)
    world = World(vehicles=[truck, CAR])
    unknown = {"terminal": -1, "kind": 0, "width": math.nan, "length": math.nan}
    at = drift(0.4, 1.0, 5.0, 5.0)
    world.drive(12.0, lambda t: at(t) | unknown)
    assert bool(world.of("lane_departure")) == want


@pytest.mark.parametrize(("each_s", "n"), [(34, 1), (50, 2)])
def test_who_stands_and_reports_seldom_is_one_case_and_no_id_comes_twice(each_s, n):
    """Longer unjudged than terminals report, an episode is lost; what comes after it is another one."""
    world = World()
    for k in range(3 * each_s):
        vehicle = {"east": 380.0 + 12.0 * min(k, 3), "v_east": 12.0 if k < 3 else 0.0}
        if k < 25 or k % each_s == 0 or k > 2 * each_s:
            world.observe(T0_NS + k * 10 * STEP_NS, vehicle)
        world.tick(T0_NS + k * 10 * STEP_NS + STEP_NS, vehicle)
    stops = {}
    for violation in world.of("illegal_stop"):
        stops.setdefault(violation.id, []).append(violation)
    assert len(stops) == n
    for versions in stops.values():
        assert [violation.version for violation in versions] == list(range(1, len(versions) + 1))


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("depth_m", [0.4, 2.0])
@pytest.mark.parametrize("kind", [0, 3, 4], ids=["unknown", "truck", "hazmat"])
def test_a_nameless_truck_departs_whatever_radar_takes_it_for(kind, depth_m, side):
    world = World()
    radars_own = {"terminal": -1, "kind": kind, "width": math.nan, "length": math.nan}
    at = drift(depth_m, 1.0, 5.0, 5.0, side)
    world.drive(12.0, lambda t: at(t) | radars_own)
    assert "violation" in {v.grade for v in world.of("lane_departure")}


def test_a_radars_truck_that_keeps_the_ordinary_lanes_may_use_all_of_them():
    world = World()
    truck = {"terminal": -1, "kind": 3, "width": math.nan, "length": math.nan}
    world.drive(
        12.0, lambda t: {"east": 50.0 + 16.0 * t, "north": -3.925 - min(max(t - 4.0, 0.0), 3.7)} | truck
    )
    assert world.of("lane_departure") == []


@pytest.mark.parametrize(
    ("kind", "widths_m"), [(0, (1.6, 2.5)), (3, (1.6, 2.5)), (4, (1.6, 2.5)), (4, (None,))]
)
def test_a_truck_that_is_outside_only_if_it_is_wide_is_undecidable(kind, widths_m):
    """Its width is one of the registry's; the narrowest is inside the line, the widest 0.4 m outside."""
    trucks = [
        msgspec.structs.replace(TRUCK, terminal=f"1390000000{k}", width_m=w) for k, w in enumerate(widths_m)
    ]
    world = World(vehicles=trucks)
    radars_own = {"terminal": -1, "kind": kind, "width": math.nan, "length": math.nan}
    at = drift(0.4, 1.0, 5.0, 9.0)
    world.drive(16.0, lambda t: at(t) | radars_own)
    assert {(v.rule, v.grade) for v in world.of("lane_departure")} == {("lane_departure", "undecidable")}
    world = World(vehicles=trucks)
    world.drive(16.0, lambda t: {"east": 50.0 + 16.0 * t} | radars_own)  # in the middle of its lane
    assert world.of("lane_departure") == []
