"""Other rules in the midst of a breach: its episode ends with the reason, what lasts is another case."""

from dataclasses import replace

import msgspec
import pytest

from geofence.config import Grading, Hold, RulesConfig
from geofence.map_changes import map_changes
from geofence.monitor import Monitor
from geofence.rule_changes import CLOSED, changes
from geofence.rules.convoy import Convoy
from geofence.rules.following_distance import FollowingDistance
from geofence.rules.too_slow import TooSlow
from tests.support.drawn.more_drives import in_a_row
from tests.support.geofence_world import FRAME, STEP_NS, T0_NS, TRUCK, World, feature, lonlat, radar, road

CHANGED_S = 14.0
EXPRESSWAY = {"expressways": ["main"]}
SOON = {"notice": (Hold(over=2.0),), "warning": (Hold(over=4.0),), "violation": (Hold(over=60.0),)}
LATER = SOON | {"violation": (Hold(over=70.0),)}


def area(role, low_m, high_m, **more):
    ring = [[low_m, -12.0], [high_m, -12.0], [high_m, 0.0], [low_m, 0.0], [low_m, -12.0]]
    return feature("zone", "Polygon", [lonlat(ring)], zone="Z", role=role, **more)


def stands(t):
    return [{"east": 380.0 + 12.0 * min(t, 3.0), "v_east": 12.0 if t < 3.0 else 0.0}]


def crawls(t):
    return [{"east": 540.0 + 3.0 * t, "v_east": 3.0}]


def dark(t):
    return [{"east": 400.0 + 8.0 * t, "v_east": 8.0, "terminal": -1, "kind": 0, "gnss_age_s": float("inf")}]


def close_pair(t):
    row = {"v_east": 17.2}
    ahead = row | {"track": 1, "east": 130.0 + 17.2 * t, "terminal": 2}
    return [ahead, row | {"track": 2, "east": 100.0 + 17.2 * t}]


def blind(t):
    return [{"east": 100.0 + 16.0 * t, "sigma": 0.9, "bias": 0.9, "tau": 10.0}]


# By rule: the drive, its settings before the reload and after it, the zones of the map
CASES = {
    "illegal_stop": (stands, {"illegal_stop": Grading(**SOON)}, {"illegal_stop": Grading(**LATER)}, ()),
    "parking_timeout": (
        stands, {"parking_timeout": Grading(**SOON)}, {"parking_timeout": Grading(**LATER)},
        (area("parking", 300.0, 500.0, stay_max_s=1),),
    ),
    "dark_vehicle": (dark, {"dark_vehicle": Grading(**SOON)}, {"dark_vehicle": Grading(**LATER)}, ()),
    "too_slow": (
        crawls, {"too_slow": TooSlow.Config(expressway_mps=12.0, **SOON)} | EXPRESSWAY,
        {"too_slow": TooSlow.Config(expressway_mps=12.0, **LATER)} | EXPRESSWAY, (),
    ),
    "following_distance": (
        close_pair, {"following_distance": FollowingDistance.Config(cut_in_s=1.0, **SOON)} | EXPRESSWAY,
        {"following_distance": FollowingDistance.Config(cut_in_s=1.0, **LATER)} | EXPRESSWAY, (),
    ),
    "convoy": (
        in_a_row(3, 40.0, 8.0, 230.0), {"convoy": Convoy.Config(vehicles_max=2, within_m=120.0, **SOON)},
        {"convoy": Convoy.Config(vehicles_max=2, within_m=120.0, **LATER)}, (area("tunnel", 100.0, 900.0),),
    ),
    "undecidable": (blind, {"undecidable_s": 5.0}, {"undecidable_s": 6.0}, ()),
    "zone_entry": (
        lambda t: [{"east": 100.0 + 16.0 * t}], {},
        {"zone_entry": msgspec.structs.replace(RulesConfig().zone_entry, grade="notice")},
        (area("no_entry", 200.0, 900.0),),
    ),
}  # fmt: skip


def changed(world, t_ns, rules):
    """Judge by other rules from now on, as a pipeline does."""
    was, found = world.monitor, changes(world.rules, rules)
    world._keep(was.close_changed(t_ns, found.rules))
    world.monitor = Monitor(
        rules, world.road, FRAME, (TRUCK,), esn="RSU-1", stretch_m=(0.0, 1_000.0), radars=[radar()]
    )
    world.monitor.continue_from(was, found.anew, found.rules)
    return found


@pytest.mark.parametrize("rule", CASES)
def test_what_lasts_over_a_change_of_its_rule_is_another_case(rule):
    at, first, second, features = CASES[rule]
    world = World(road(*features), RulesConfig(**first), vehicles=(TRUCK,))
    world.rules = RulesConfig(**first)
    world.drive(CHANGED_S, at)
    name = "lane_departure" if rule == "undecidable" else rule
    (before,) = {violation.id for violation in world.of(name)}
    at_ns = T0_NS + round(CHANGED_S * 10) * STEP_NS
    assert rule in changed(world, at_ns - 1, RulesConfig(**second)).rules
    world.drive(14.0, at, from_s=CHANGED_S)
    versions = world.of(name)
    closes = [violation for violation in versions if violation.id == before and violation.phase == "close"]
    assert [violation.reason for violation in closes] == [CLOSED]
    assert versions.index(closes[0]) == max(k for k, v in enumerate(versions) if v.id == before)
    after = [violation for violation in versions if violation.id != before]
    assert len({violation.id for violation in after}) == 1
    assert after[0].start_ns >= at_ns - 2 * STEP_NS, "what was counted by the old rules does not count"


def test_the_rate_of_false_alarms_alone_ends_no_stop_that_is_counted():
    first = RulesConfig(illegal_stop=Grading(**SOON))
    world = World(road(), first, vehicles=(TRUCK,))
    world.rules = first
    world.drive(CHANGED_S, stands)
    at_ns = T0_NS + round(CHANGED_S * 10) * STEP_NS
    changed(world, at_ns - 1, msgspec.structs.replace(first, false_alarms_per_vehicle_hour=1e-3))
    world.drive(14.0, stands, from_s=CHANGED_S)
    stops = world.of("illegal_stop")
    assert len({violation.id for violation in stops}) == 1
    assert "close" not in {violation.phase for violation in stops}


def test_a_stop_on_a_lane_that_another_map_has_otherwise_is_another_case():
    world = World(road(), RulesConfig(illegal_stop=Grading(**SOON)), vehicles=(TRUCK,))
    world.drive(CHANGED_S, stands)
    slower = tuple(replace(lane, speed_limit_mps=9.0) for lane in world.road.lanes)
    found, was = map_changes(world.road, replace(world.road, lanes=slower)), world.monitor
    at_ns = T0_NS + round(CHANGED_S * 10) * STEP_NS
    world._keep(was.close_on_map(at_ns - 1, found))
    world.monitor = Monitor(
        RulesConfig(illegal_stop=Grading(**SOON)), replace(world.road, lanes=slower), FRAME, (TRUCK,),
        esn="RSU-1", stretch_m=(0.0, 1_000.0), radars=[radar()],
    )  # fmt: skip
    world.monitor.continue_on(was, found)
    world.drive(10.0, stands, from_s=CHANGED_S)
    first, second = dict.fromkeys(violation.id for violation in world.of("illegal_stop"))
    closes = [v for v in world.of("illegal_stop") if v.phase == "close"]
    assert [(v.id, v.reason) for v in closes] == [(first, "map_changed")]
    assert min(v.start_ns for v in world.of("illegal_stop") if v.id == second) >= at_ns
