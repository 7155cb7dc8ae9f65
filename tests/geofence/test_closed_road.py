"""`closed_road` and `convoy`: closures by zone, road and lane; hazmat vehicles that are too many."""

import msgspec
import pytest

from geofence.closures import Closure
from geofence.config import RulesConfig, VehicleConfig
from geofence.rule_checks import faults_of_names
from geofence.rules.closed_road import ClosedRoad
from geofence.rules.convoy import Convoy
from tests.support.geofence_world import T0_NS, World, faults, feature, lonlat, road


def area(low_m, high_m, low_n=-60.0, high_n=60.0, **properties):
    ring = [[low_m, low_n], [high_m, low_n], [high_m, high_n], [low_m, high_n], [low_m, low_n]]
    return feature("zone", "Polygon", [lonlat(ring)], **({"zone": "Z", "role": "closed"} | properties))


def closed(**row):
    return RulesConfig(closed_road=ClosedRoad.Config(closures=(Closure(name="works", **row),)))


def passing(t, **more):
    return {"east": 100.0 + 16.0 * t} | more


def changing(t):
    """From the hazmat lane into the general one, from 5 s on."""
    return passing(t, north=-7.625 + min(max(t - 5.0, 0.0), 3.75), v_north=1.0 if 5.0 < t < 8.7 else 0.0)


def arriving(t):
    """From beside the road."""
    return passing(t, north=-12.0 + min(t, 4.375))


@pytest.mark.parametrize(
    ("rules", "more", "at", "want"),
    [
        (RulesConfig(), [area(300, 400)], passing, {"Z"}),
        (RulesConfig(), [area(300, 400, low_n=20.0)], passing, set()),  # beside the road
        (RulesConfig(), [area(300, 400, time_window="00:00-00:01")], passing, set()),
        (RulesConfig(), [area(0, 900)], passing, set()),  # nobody saw him come in
        (RulesConfig(), [area(0, 250)], passing, set()),  # nor is to come out to come in
        (closed(lanes=("EG",)), [], changing, {"works"}),
        (closed(lanes=("EG",)), [], passing, set()),
        (closed(lanes=("EG",)), [], lambda t: changing(t) | {"sigma": 0.6}, set()),  # which lane, perhaps
        (closed(lanes=("WG",)), [], changing, set()),
        (closed(roads=("main",)), [], arriving, {"works"}),
        (closed(roads=("main",)), [], lambda t: arriving(t) | {"terminal": -1, "kind": 1}, set()),
    ],
)  # fmt: skip
def test_who_enters_what_is_closed(rules, more, at, want):
    world = World(road(*more), rules)
    world.drive(30.0, at)
    raised = world.of("closed_road")
    assert {v.zone for v in raised} == want
    assert not [fault for v in raised for fault in faults(v)]


@pytest.mark.parametrize(("from_m", "want"), [(300.0, 0), (0.0, 1)])
def test_who_was_inside_when_it_was_closed_may_drive_out(from_m, want):
    """The area from station 280 on closes with the next full minute."""
    local = T0_NS // 10**9 + 8 * 3600
    close_s = 60 - local % 60  # of the drive
    begin_min = (local + close_s) // 60 % (24 * 60)
    first, last = (f"{m // 60:02}:{m % 60:02}" for m in (begin_min, begin_min + 3))
    world = World(road(area(280.0, 700.0, time_window=f"{first}-{last}")))
    away_s = close_s - 10.0
    world.drive(34.0, lambda t: {"east": from_m + 11.0 * (t - away_s), "v_east": 11.0}, from_s=away_s)
    assert [v.phase for v in world.of("closed_road")].count("open") == want


@pytest.mark.parametrize(
    "row",
    [{"name": "x"}, {"name": "", "roads": ["a"]}, {"name": "x", "roads": ["a"], "time_window": "often"}],
)
def test_a_closure_that_makes_no_sense_is_refused(row):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(row, Closure)


def test_names_that_the_map_lacks_are_found():
    rules = closed(roads=("main", "G9"), lanes=("EG", "EX"))
    assert [fault.value for fault in faults_of_names(rules, [], ["main"], ["EG"])] == ["G9", "EX"]


FLEET = [VehicleConfig(terminal=f"1380000000{k}", width_m=2.5, length_m=16.0) for k in range(5)]


@pytest.mark.parametrize(
    ("at_m", "convoy", "change", "want"),
    [
        ((350, 450, 550), {"vehicles_max": 2}, {}, {1}),
        ((350, 450, 550), {"vehicles_max": 3}, {}, set()),
        ((350, 450, 550), {}, {}, set()),  # off
        ((350, 450, 550), {"vehicles_max": 2, "within_m": 150.0}, {}, set()),
        ((350, 450, 500.0), {"vehicles_max": 2, "within_m": 150.2}, {}, set()),  # perhaps
        ((250, 450, 550), {"vehicles_max": 2}, {}, set()),  # one is before the tunnel
        ((350, 450, 550), {"vehicles_max": 2}, {"v_east": -5.0, "north": 7.6}, {3}),  # the other way
        ((350, 450, 500, 550), {"vehicles_max": 2}, {}, {1, 2}),
        ((350, 450, 550), {"vehicles_max": 2}, {"terminal": -1}, set()),  # unknown vehicles
    ],
)
def test_a_convoy_in_a_tunnel(at_m, convoy, change, want):
    rules = RulesConfig(convoy=Convoy.Config(**convoy))
    world = World(road(area(300, 700, zone="T", role="tunnel")), rules, vehicles=FLEET)
    world.terminals = [vehicle.terminal for vehicle in FLEET]
    v = change.get("v_east", 5.0)
    world.drive(8.0, lambda t: [
        {"track": k + 1, "terminal": k, "east": at + v * t, "v_east": v} | change for k, at in enumerate(at_m)
    ])  # fmt: skip
    assert {v.track for v in world.of("convoy")} == want
