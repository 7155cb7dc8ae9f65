"""`too_slow`: a lane's lowest speed, and the reasons to be slower."""

import pytest

from geofence.config import RulesConfig
from geofence.layers import Weather
from geofence.map.roadmap import load_map
from tests.support.geofence_world import FRAME, World, faults, feature, lane, lonlat, map_text, road

FOGGY = RulesConfig(expressways=("main",), weather=Weather(visibility_m=90.0))
EXPRESSWAY = RulesConfig(expressways=("main",), hazmat_limit_mps=60 / 3.6)


def driven(at, seconds=40.0, rules=EXPRESSWAY, more=(), road_map=None):
    world = World(road_map or road(*more), rules)
    world.drive(seconds, at)
    return [v for v in world.out if v.rule == "too_slow"]


def steady(speed_mps, **more):
    """A truck in the general lane (80 km/h) from station 300 on, where the radar sees it."""
    return lambda t: {"north": -3.9, "east": 520.0 + speed_mps * t, "v_east": speed_mps, **more}


@pytest.mark.parametrize(
    ("at", "rules", "want"),
    [
        (steady(5.0), EXPRESSWAY, "warning"),
        (steady(5.0), RulesConfig(), None),  # no expressway, and no lane states a lowest speed
        (steady(15.5), EXPRESSWAY, None),  # within a tenth
        (steady(14.6, sigma_v=0.3), EXPRESSWAY, None),  # perhaps
        (steady(5.0, coasting=True), EXPRESSWAY, None),
        (steady(5.0, terminal=-1, kind=1), EXPRESSWAY, None),  # nobody knows what it is
        (steady(5.0, north=-5.7), EXPRESSWAY, None),  # on the line: in which lane?
        (steady(5.0), FOGGY, None),  # no faster than 40 km/h
        (lambda t: steady(5.0)(t) | {"east": 200.0 + 5.0 * t}, EXPRESSWAY, None),  # behind the radar
        (lambda t: steady(5.0 + 0.2 * t)(t) | {"east": 520.0 + 5.0 * t + 0.1 * t * t}, EXPRESSWAY, None),
        (lambda t: steady(0.0)(t) | {"v_east": 16.0 if t < 1.0 else 0.0}, EXPRESSWAY, None),  # it stands
    ],
)  # fmt: skip
def test_below_the_lowest_speed(at, rules, want):
    raised = driven(at, rules=rules)
    assert {v.grade for v in raised[-1:]} == ({want} if want else set())
    assert not [fault for v in raised for fault in faults(v)]


def test_the_violation_names_the_lowest_speed_and_closes():
    world = World(road(), EXPRESSWAY)
    world.drive(20.0, steady(5.0))
    world.drive(8.0, lambda t: steady(21.0)(t) | {"east": 620.0 + 21.0 * (t - 20.0)}, from_s=20.0)
    mine = world.of("too_slow")
    assert [v.phase for v in mine][:: len(mine) - 1] == ["open", "close"]
    assert (mine[0].limit_mps, mine[0].limit_of, mine[0].p_violation) == (16.67, "lane", 1.0)


@pytest.mark.parametrize(
    ("gap_m", "speed_mps", "want"),
    [
        (60.0, 5.0, {2}),  # the first is the cause; who is behind it can't be faster
        (110.0, 5.0, {1, 2}),
        (60.0, 20.0, {1}),  # the one ahead is fast
    ],
)
def test_who_is_behind_a_slow_vehicle_is_not_slow_himself(gap_m, speed_mps, want):
    def at(t):
        behind = steady(5.0)(t) | {"track": 1, "east": 503.0 + 5.0 * t}
        return [behind, behind | {"track": 2, "terminal": 1, "east": 503.0 + gap_m + speed_mps * t,
                                  "v_east": speed_mps}]  # fmt: skip

    assert {v.track for v in driven(at, seconds=20.0)} == want


def test_a_gate_ahead_is_a_reason():
    gate = feature("gate", "LineString", lonlat([[800.0, -10.0], [800.0, 0.0]]), gate="G", road="main")
    assert driven(steady(5.0), more=[gate]) == []


def test_a_lane_states_its_own_lowest_speed():
    axis = feature("axis", "LineString", lonlat([[0, 0], [1000, 0]]), road="main", k0_m=0.0)
    only = lane("A", [[0, 2], [1000, 2]], [[0, -2], [1000, -2]], min_speed_mps=8.0)
    own = load_map(map_text([only, axis]), FRAME)
    slow = {"rules": RulesConfig(), "road_map": own, "seconds": 20.0}
    assert [v.limit_mps for v in driven(steady(5.0, north=0.0), **slow)] == [8.0]
    assert driven(steady(7.5, north=0.0), **slow) == []


def test_the_count_goes_with_the_vehicle_to_a_neighbour():
    there, here = World(road(), EXPRESSWAY, esn="RSU-0"), World(road(), EXPRESSWAY)
    there.drive(10.0, steady(5.0))
    here.monitor.adopt(there.monitor.carry([1]))
    here.drive(6.0, lambda t: steady(5.0)(t), from_s=10.0)
    (opened,) = here.of("too_slow")
    # the whole count, less the first second: the tick judges what the last observation left
    assert opened.stamps.measured_ns - opened.start_ns == pytest.approx(15e9, abs=0.5e9)
