"""Speed limits in layers: the lowest holds, and the violation names which."""

import msgspec
import numpy as np
import pytest

from geofence.config import RulesConfig, VehicleConfig
from geofence.layers import SpeedLimit, Weather
from geofence.rule_checks import faults_of_names
from tests.support.geofence_world import CAR, T0_NS, TRUCK, World, batch, faults, feature, lonlat, road

HOUR_NS = 3_600_000_000_000
MIDNIGHT_NS = T0_NS - (T0_NS + 8 * HOUR_NS) % (24 * HOUR_NS)  # in China
FUEL = VehicleConfig(terminal=TRUCK.terminal, hazmat_class="3", un="1203", width_m=2.5, length_m=16.0)
GAS = VehicleConfig(terminal=CAR.terminal, hazmat_class="2.1", width_m=2.5, length_m=16.0)
G1 = "main"


def area(low_m, high_m, **properties):
    ring = [[low_m, -60.0], [high_m, -60.0], [high_m, 60.0], [low_m, 60.0], [low_m, -60.0]]
    return feature("zone", "Polygon", [lonlat(ring)], **({"zone": "BRIDGE", "role": ""} | properties))


def limit_of(rules=None, zones=(), vehicle=None, stamp_ns=T0_NS, vehicles=(FUEL, GAS)):
    """The limit of a truck in the eastern hazmat lane at station 500 [km/h], and its layer."""
    world = World(road(*zones), rules or RulesConfig(), vehicles=vehicles)
    tracks = batch(stamp_ns, {"east": 500.0} | (vehicle or {}))
    located = world.monitor.locate(tracks, world.terminals)
    limits = world.monitor._around.speed_limits
    found = limits.of(tracks, located)
    return round(float(found.mps[0]) * 3.6, 6), limits.name(int(found.layer[0]))


def rules(*rows, **more):
    return RulesConfig(speed_limits=tuple(SpeedLimit(**row) for row in rows), **more)


FOG = {"weather": Weather(visibility_m=80.0, kinds=("fog",))}
NIGHT = {"share": 0.8, "classes": ("hazmat",), "time_window": "20:00-06:00", "name": "order 5"}


@pytest.mark.parametrize(
    ("given", "zones", "vehicle", "hour", "want"),
    [
        (rules(), (), {}, 12, (60.0, "lane")),  # of two alike the posted one
        (rules(), (), {"north": -3.9}, 12, (60.0, "class")),  # in the general lane of 80
        (rules(expressways=(G1,)), (), {"north": -3.9}, 12, (80.0, "lane")),
        (rules(), (), {"north": -3.9, "terminal": -1, "kind": 1}, 12, (80.0, "lane")),  # a car
        (rules(), (area(400, 600, speed_limit_mps=40 / 3.6),), {}, 12, (40.0, "zone:BRIDGE")),
        (rules(), (area(400, 600, speed_limit_mps=90 / 3.6),), {}, 12, (60.0, "lane")),  # none
        (rules(), (area(498, 600, speed_limit_mps=40 / 3.6),), {"sigma": 1.0}, 12, (60.0, "lane")),  # perhaps
        (rules(), (area(495, 600, speed_limit_mps=40 / 3.6),), {"sigma": 1.0}, 12, (40.0, "zone:BRIDGE")),
        (rules(), (area(495, 600, speed_limit_mps=40 / 3.6),), {"bias": 3.0}, 12, (60.0, "lane")),  # a bias
        (rules(), (area(400, 600, speed_limit_mps=11.0, time_window="22:00-05:00"),), {}, 12, (60.0, "lane")),
        (rules({"limit_mps": 50 / 3.6, "hazmat_classes": ("3",)}), (), {}, 12, (50.0, "hazmat_class")),
        (rules({"limit_mps": 50 / 3.6, "hazmat_classes": ("3",)}), (), {"terminal": 1}, 12, (60.0, "lane")),
        (rules({"limit_mps": 9.0, "hazmat_classes": ("2",)}), (), {"terminal": 1}, 2, (32.4, "hazmat_class")),
        (rules({"limit_mps": 50 / 3.6, "roads": ("other",)}), (), {}, 12, (60.0, "lane")),
        (rules({"limit_mps": 50 / 3.6, "roads": (G1,)}), (), {}, 12, (50.0, "road")),
        (rules(NIGHT), (), {}, 12, (60.0, "lane")),
        (rules(NIGHT), (), {}, 23, (48.0, "time:order 5")),
        (rules(NIGHT), (), {}, 5, (48.0, "time:order 5")),  # across midnight
        (rules(NIGHT), (area(400, 600, speed_limit_mps=40 / 3.6),), {}, 23, (32.0, "time:order 5")),
        (rules(**FOG), (), {}, 12, (60.0, "lane")),  # no expressway: its limit begins below 50 m
        (rules(**FOG, expressways=(G1,)), (), {}, 12, (40.0, "weather")),  # art. 81 (2)
        (rules(weather=Weather(visibility_m=40.0), expressways=(G1,)), (), {}, 12, (20.0, "weather")),
        (rules(weather=Weather(visibility_m=40.0)), (), {}, 12, (30.0, "weather")),
        (rules(weather=Weather(kinds=("ice",))), (), {}, 12, (30.0, "weather")),
        (rules(weather=Weather(kinds=("rain",))), (), {}, 12, (60.0, "lane")),
        (rules(**FOG, expressways=(G1,)), (), {"terminal": -1, "kind": 1}, 12, (40.0, "weather")),
    ],
)  # fmt: skip
def test_the_lowest_layer_holds_and_is_named(given, zones, vehicle, hour, want):
    assert limit_of(given, zones, vehicle, MIDNIGHT_NS + hour * HOUR_NS) == want


def test_the_violation_names_the_layer_and_keeps_it_to_its_end():
    zone = area(300.0, 700.0, speed_limit_mps=40 / 3.6)
    world = World(road(zone))
    world.drive(43.0, lambda t: {"east": 100.0 + 16.0 * t, "v_east": 16.0})
    mine = world.of("overspeed")
    assert {(v.limit_mps, v.limit_of) for v in mine if v.p_violation > 0.9} == {(11.11, "zone:BRIDGE")}
    assert [v.phase for v in mine].count("open") == 1
    assert mine[-1].phase == "close"
    assert not [fault for v in mine for fault in faults(v)]
    # it opened inside, no sooner than the truck was certainly there
    assert mine[0].start_ns >= T0_NS + int(200.0 / 16.0 * 1e9)


def test_without_the_zone_the_same_drive_breaks_nothing():
    world = World(road())
    world.drive(30.0, lambda t: {"east": 100.0 + 16.0 * t, "v_east": 16.0})
    assert world.out == []


def test_many_vehicles_against_a_plain_minimum():
    """The kernel against loops over the rows, for vehicles of several classes at random places."""
    rows = (
        SpeedLimit(limit_mps=14.0, classes=("truck",)), SpeedLimit(limit_mps=13.0, hazmat_classes=("2.1",)),
        SpeedLimit(share=0.5, classes=("car",)), SpeedLimit(share=0.7, on="other"),
    )  # fmt: skip
    zones = [area(k * 200.0, k * 200.0 + 120.0, zone=f"Z{k}", speed_limit_mps=8.0 + k) for k in range(4)]
    world = World(road(*zones), RulesConfig(speed_limits=rows), vehicles=(FUEL, GAS))
    rng = np.random.default_rng(3)
    at = [
        {"east": float(e), "north": float(n), "terminal": int(w), "sigma": 1e-3,
         "kind": 4 if w >= 0 else int(k)}
        for e, n, w, k in zip(
            rng.uniform(0, 1_000, 300), rng.uniform(-9.4, -2.1, 300), rng.integers(-1, 2, 300),
            rng.integers(0, 6, 300), strict=True,
        )
    ]  # fmt: skip
    tracks = batch(T0_NS, *at)
    located = world.monitor.locate(tracks, world.terminals)
    found = world.monitor._around.speed_limits.of(tracks, located)
    for i, one in enumerate(at):
        kind = int(located.kind[i])
        limits = [60 / 3.6 if one["north"] < -5.75 else 80 / 3.6]
        limits += [60 / 3.6] * (kind == 4) + [14.0] * (kind == 3) + [13.0] * (one["terminal"] == 1)
        k, inside = divmod(one["east"], 200.0)
        limits += [8.0 + k] * (inside < 119.99 and k < 4 and one["east"] > 0.01 and inside > 0.01)
        assert found.mps[i] == pytest.approx(min(limits) * (0.5 if kind == 1 else 0.7)), one


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({}, "either limit_mps or share"),
        ({"limit_mps": 10.0, "share": 0.8}, "either limit_mps or share"),
        ({"limit_mps": 60.0}, "<= 33.3"),  # km/h
        ({"limit_mps": 10.0, "time_window": "at night"}, "is no"),
        ({"limit_mps": 10.0, "visibility_below_m": -1.0}, "visibility_below_m"),
        ({"limit_mps": 10.0, "weather": ["storm"]}, "storm"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused(row, error):
    with pytest.raises(msgspec.ValidationError, match=error):
        msgspec.convert({"speed_limits": [row]}, RulesConfig)


def test_a_road_that_the_map_lacks_is_found():
    (fault,) = faults_of_names(rules({"limit_mps": 9.0, "roads": ("G1", "G9")}), [], ["G1"])
    assert (fault.key, fault.value) == ("rules.speed_limits[0].roads", "G9")
