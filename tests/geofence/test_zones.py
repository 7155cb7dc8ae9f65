"""Rules of zones: ways between fixes, one episode for each zone, nothing where the map has no such zone."""

import msgspec
import numpy as np
import pytest
import shapely

from geofence.carry import CarriedJudgement
from geofence.map.zones import ZoneShape
from geofence.permits import PermitConfig
from geofence.violation import encode
from tests.support.geofence_world import T0_NS, World, drift, faults, feature, lonlat, road

NS = 1_000_000_000
EXACT = {"sigma": 0.1, "terminal": 0}


def zone(name, role, from_m, to_m, low_m=-9.5, high_m=-5.75):
    """A rectangle along the road; by default as wide as the eastern hazmat lane."""
    ring = [[from_m, low_m], [to_m, low_m], [to_m, high_m], [from_m, high_m], [from_m, low_m]]
    return feature("zone", "Polygon", [lonlat(ring)], zone=name, role=role)


def drive(world, seconds, at, hz=1.0, from_s=0.0):
    """Observe what `at(t)` says, `hz` times a second."""
    for k in range(round(seconds * hz)):
        t_s = from_s + k / hz
        world.observe(T0_NS + round(t_s * NS), EXACT | at(t_s))
    return world.out


def fast(t_s):
    return {"east": 50.0 + 25.0 * t_s, "v_east": 25.0}


def test_a_fast_vehicle_enters_a_narrow_zone_between_two_fixes():
    """3 m of zone, 25 m from fix to fix: none lies inside."""
    world = World(road(zone("NOENTRY", "no_entry", 311.0, 314.0, -9.0, -6.0)))
    raised = [v for v in drive(world, 20.0, fast) if v.rule == "zone_entry"]
    assert [(v.phase, v.grade, v.zone) for v in raised] == [
        ("open", "violation", "NOENTRY"),
        ("close", "violation", "NOENTRY"),
    ]
    crossed_ns = T0_NS + round((311.0 - 50.0) / 25.0 * NS)
    assert abs(raised[0].start_ns - crossed_ns) < 0.02 * NS
    assert raised[0].vehicle is not None
    assert [faults(v) for v in raised] == [[], []]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sigma": 0.5}, "1.5 m inside with an error of 0.5 m may be outside"),
        ({"coasting": True}, "nothing was measured"),
        ({"confirmed": False}, "a tentative track"),
        ({"kind": 1, "terminal": 1}, "a car"),
        ({"north": -3.875}, "in the lane beside it"),
    ],
)
def test_what_is_not_certain_or_not_meant_is_no_entry(change, why):
    world = World(road(zone("NOENTRY", "no_entry", 311.0, 314.0, -9.0, -6.0)))
    drive(world, 20.0, lambda t: fast(t) | change)
    assert world.of("zone_entry") == [], why


def test_over_a_long_gap_no_way_is_known():
    world = World(road(zone("NOENTRY", "no_entry", 311.0, 314.0, -9.0, -6.0)))
    drive(world, 10.0, fast)
    drive(world, 5.0, fast, from_s=14.0)
    assert world.of("zone_entry") == []


def test_one_vehicle_is_in_two_zones_of_one_rule():
    world = World(road(zone("A", "no_entry", 150.0, 400.0), zone("B", "no_entry", 300.0, 500.0)))
    drive(world, 30.0, fast, hz=5.0)
    raised = world.of("zone_entry")
    ids = {name: {v.id for v in raised if v.zone == name} for name in ("A", "B")}
    assert [len(found) for found in ids.values()] == [1, 1]
    assert ids["A"] != ids["B"]
    ends = {v.zone: (v.end_ns - T0_NS) / NS for v in raised if v.phase == "close"}
    assert ends["A"] == pytest.approx((400.0 - 50.0) / 25.0, abs=0.3)
    assert ends["B"] == pytest.approx((500.0 - 50.0) / 25.0, abs=0.3)
    both = [v for v in raised if v.phase == "open"]
    assert both[1].start_ns < T0_NS + ends["A"] * NS, "B began while A was open"


@pytest.mark.parametrize("hz", [1.0, 10.0])
def test_a_vehicle_that_leaves_its_zone_has_left_until_it_is_back(hz):
    world = World(road(zone("STAY", "no_exit", 100.0, 300.0)))

    def there_and_back(t_s):
        return {"east": 200.0 + 16.0 * (min(t_s, 10.0) - max(0.0, t_s - 10.0)), "terminal": 0}

    drive(world, 25.0, there_and_back, hz=hz)
    raised = world.of("zone_exit")
    assert [raised[0].phase, raised[-1].phase] == ["open", "close"]
    assert len({v.id for v in raised}) == 1
    assert (raised[0].start_ns - T0_NS) / NS == pytest.approx(100.0 / 16.0, abs=0.1)
    assert (raised[-1].end_ns - T0_NS) / NS == pytest.approx(10.0 + 60.0 / 16.0, abs=1.1)


def test_a_vehicle_that_was_never_inside_has_not_left():
    world = World(road(zone("STAY", "no_exit", 100.0, 300.0, -20.0, -15.0)))
    drive(world, 15.0, fast)
    assert world.of("zone_exit") == []


def test_episodes_of_two_zones_are_handed_over_and_closed_apart():
    places = road(zone("A", "no_entry", 150.0, 400.0), zone("B", "no_entry", 300.0, 500.0))
    giver, receiver = World(places, esn="RSU-1"), World(places, esn="RSU-2")
    drive(giver, 12.0, fast, hz=5.0)
    carried = msgspec.msgpack.decode(
        msgspec.msgpack.encode(giver.monitor.carry([1])), type=list[CarriedJudgement]
    )
    zones = [episode.scope for episode in carried[0].episodes if episode.rule == "zone_entry"]
    assert zones == ["A", "B"]
    receiver.monitor.adopt(carried)
    drive(receiver, 14.0, fast, hz=5.0, from_s=12.0)
    ids = {v.zone: v.id for v in giver.of("zone_entry")}
    assert {v.zone: v.id for v in receiver.of("zone_entry")} == ids
    assert {v.zone for v in receiver.of("zone_entry") if v.phase == "close"} == {"A", "B"}


def test_a_map_without_such_zones_gives_the_same_bytes():
    """Other roles, and zones beside the way, change nothing."""
    at = drift(1.1, 0.7, 2.0, 5.0)
    outputs = []
    for more in ((), (zone("P", "parking", 100.0, 300.0), zone("N", "no_entry", 0.0, 900.0, 60.0, 90.0))):
        world = World(road(*more))
        world.drive(14.0, at)
        outputs.append([msgspec.structs.replace(v, map_version="") for v in world.out])
    assert outputs[0]
    assert [encode(v) for v in outputs[0]] == [encode(v) for v in outputs[1]]


SQUARE = ZoneShape("Z", shapely.Polygon([(0, 0), (10, 0), (10, 10), (0, 10)]))


@pytest.mark.parametrize(
    ("points", "depth_m", "between_s"),
    [
        ([(-10, 5), (20, 5)], 5.0, (1 / 3, 2 / 3)),  # through the middle
        ([(-10, 1), (20, 1)], 1.0, (1 / 3, 2 / 3)),
        ([(5, 5), (5, 5)], 5.0, (0.0, 1.0)),  # it stands
        ([(-10, 12), (20, 12)], None, None),
        ([(-10, 10), (5, 25)], None, None),
        ([(-5, 5), (5, 15)], None, None),  # touches the corner alone
    ],
)
def test_the_way_through_a_zone(points, depth_m, between_s):
    stamps = np.array([T0_NS, T0_NS + NS])
    passage = SQUARE.passage(np.array(points, dtype=float), stamps)
    if depth_m is None:
        assert passage is None
        return
    assert passage.depth_m == pytest.approx(depth_m, abs=1e-9)
    assert (passage.first_ns - T0_NS) / NS == pytest.approx(between_s[0], abs=1e-6)
    assert (passage.last_ns - T0_NS) / NS == pytest.approx(between_s[1], abs=1e-6)


@pytest.mark.parametrize(
    ("permit", "wanted"),
    [
        ({}, []),  # open to it while the permit holds
        ({"zones": ["OTHER"]}, ["open"]),
        ({"terminal": "13900000009"}, ["open"]),
        ({"end": "2026-09-21T22:13:26+08:00"}, ["open"]),  # at second 6: it is inside since second 3
        ({"start": "2026-09-21T22:14:00+08:00"}, ["open"]),  # at second 40
    ],
)
@pytest.mark.parametrize("window", [None, "00:00-24:00"])
def test_a_permit_opens_its_zones_to_its_vehicle(permit, wanted, window):
    closed = zone("NOENTRY", "no_entry", 120.0, 320.0)
    if window is not None:
        closed["properties"]["time_window"] = window
    row = {
        "permit": "P1", "terminal": "13900000001", "start": "2026-09-21T20:00:00+08:00",
        "end": "2026-09-22T06:00:00+08:00", "zones": ["NOENTRY"],
    }  # fmt: skip
    world = World(road(closed), permits=(msgspec.convert(row | permit, PermitConfig),))
    raised = [v for v in drive(world, 20.0, fast) if v.rule in ("zone_entry", "time_window")]
    assert [v.phase for v in raised if v.phase == "open"] == wanted
    if "end" in permit:
        assert raised[0].start_ns >= T0_NS + 5 * NS
