"""`following_distance`: gaps between vehicles of one lane, with their errors, cut-ins and doubles."""

import pytest

from geofence.config import RulesConfig
from geofence.layers import Weather
from geofence.rules.following_distance import FollowingDistance, GapRow
from tests.support.geofence_world import T0_NS, World, faults, road

EXPRESSWAY = RulesConfig(expressways=("main",))


def pair(gap_m, *, speed_mps=20.0, ahead=None, behind=None, closing=0.0):
    """Two trucks of 16 m in the general lane, from bumper to bumper; the second has no terminal."""

    def at(t):
        truck = {"north": -3.9, "east": 50.0 + speed_mps * t, "v_east": speed_mps, "track": 1}
        other = truck | {"track": 2, "terminal": -1, "east": truck["east"] + gap_m + 16.0 - closing * t}
        return [truck | (behind or {}), other | (ahead or {})]

    return at


def driven(at, seconds=24.0, rules=EXPRESSWAY):
    world = World(road(), rules)
    world.drive(seconds, at)
    assert not [fault for v in world.out for fault in faults(v)]
    return world


@pytest.mark.parametrize(
    ("at", "rules", "want"),
    [
        (pair(30.0), EXPRESSWAY, {1}),
        (pair(60.0), EXPRESSWAY, set()),
        (pair(49.0), EXPRESSWAY, {1}),
        (pair(49.0, ahead={"sigma": 0.5}), EXPRESSWAY, set()),  # perhaps
        (pair(49.0, ahead={"bias": 0.5}), EXPRESSWAY, set()),  # a lasting error is one as well
        (pair(30.0), RulesConfig(), set()),  # no expressway: no law states a number
        (pair(30.0, speed_mps=14.0), EXPRESSWAY, set()),  # slower than any may drive there: a jam
        (pair(80.0), RulesConfig(expressways=("main",), weather=Weather(visibility_m=150.0)), {1}),
        (pair(80.0), RulesConfig(expressways=("main",), weather=Weather(visibility_m=250.0)), set()),
        (pair(30.0, ahead={"north": -7.6}), EXPRESSWAY, set()),  # in the next lane
        (pair(30.0, ahead={"north": -5.6}), EXPRESSWAY, set()),  # on the line
        (pair(30.0, ahead={"length": 5.0}), EXPRESSWAY, {1}),
        (pair(40.0, ahead={"length": float("nan")}), EXPRESSWAY, {1}),  # 46 m behind the shortest car
        (pair(46.0, ahead={"length": float("nan")}), EXPRESSWAY, set()),  # 52 m
        (pair(3.0), EXPRESSWAY, set()),  # the same truck, seen twice
        (pair(3.0, ahead={"terminal": 1, "length": 4.5}), EXPRESSWAY, {1}),  # each has its own terminal
        (pair(30.0, behind={"radar_age_s": 9.0, "enforcing_age_s": 9.0}), EXPRESSWAY, set()),  # one, perhaps
        (pair(30.0, behind={"terminal": -1}), EXPRESSWAY, {1}),
        (pair(30.0, behind={"terminal": -1, "kind": 3}), EXPRESSWAY, set()),  # an ordinary truck
        (pair(30.0, ahead={"confirmed": False}), EXPRESSWAY, set()),
        (pair(30.0, ahead={"coasting": True}), EXPRESSWAY, set()),
    ],
)  # fmt: skip
def test_the_gap_is_certainly_too_small(at, rules, want):
    assert {v.track for v in driven(at, rules=rules).of("following_distance")} == want


def test_who_is_overtaken_and_cut_in_on_has_time_to_open_the_gap():
    def at(t):
        side = min(max(t - 2.0, 0.0), 3.75)  # the other one comes over from the next lane, until 5.75 s
        return pair(20.0, ahead={"north": -7.65 + side, "v_north": 1.0 if 2.0 < t < 5.7 else 0.0})(t)

    (opened, *_) = driven(at, seconds=35.0).of("following_distance")
    # its side was over the line until 5.1 s
    assert (opened.start_ns - T0_NS) * 1e-9 == pytest.approx(20.1, abs=1.0)


def test_a_gap_that_closes_slowly_waits_while_it_is_not_certain():
    world = driven(pair(60.0, closing=0.5), seconds=40.0)
    (opened, *_) = world.of("following_distance")
    # at 20 s it is 50 m; certainly less once 4 sigma of both places are gone: 0.57 m, another 1.1 s
    assert (opened.start_ns - T0_NS) * 1e-9 == pytest.approx(21.2, abs=0.4)
    assert 0.99 < opened.p_violation <= 1.0


def test_rows_are_data():
    config = FollowingDistance.Config(rows=(GapRow(gap_s=2.0, on="any"),))
    rules = RulesConfig(following_distance=config)
    assert driven(pair(30.0), rules=rules).of("following_distance")  # 40 m are asked for
    assert not driven(pair(45.0), rules=rules).of("following_distance")


def test_it_continues_at_a_neighbour_and_closes_there():
    world = driven(pair(30.0), seconds=22.0)
    (first,) = [v for v in world.of("following_distance") if v.phase == "open"]
    other = World(road(), EXPRESSWAY, esn="RSU-2")
    other.monitor.adopt(world.monitor.carry([1, 2]))
    other.drive(8.0, pair(100.0), from_s=22.0)
    mine = other.of("following_distance")
    assert ({v.id for v in mine}, mine[-1].phase) == ({first.id}, "close")


def test_the_count_goes_with_the_vehicles():
    """15 s since it came and 5 s of the count: 12 s of them are a neighbour's."""
    world, other = driven(pair(30.0), seconds=12.0), World(road(), EXPRESSWAY, esn="RSU-2")
    other.monitor.adopt(world.monitor.carry([1, 2]))
    other.drive(12.0, pair(30.0), from_s=12.0)
    (opened, *_) = other.of("following_distance")
    assert (opened.stamps.measured_ns - T0_NS) * 1e-9 == pytest.approx(20.2, abs=0.5)


def test_its_evidence_has_the_gap_and_the_one_that_is_asked_for():
    found = driven(pair(30.0, closing=0.5), seconds=40.0).of("following_distance")
    gaps = []
    for version in found:
        evidence = version.evidence
        assert {len(column) for column in evidence.values()} == {len(evidence["stamp_ns"])}
        assert evidence["gap_m"][:-1] == [None] * (len(evidence["stamp_ns"]) - 1)  # a tick measured it, now
        at_s = (evidence["stamp_ns"][-1] - T0_NS) * 1e-9
        assert evidence["gap_m"][-1] == pytest.approx(30.0 - 0.5 * at_s, abs=0.2)
        assert evidence["gap_least_m"][-1] == 50.0
        gaps.append(evidence["gap_m"][-1])
    assert len(gaps) > 3
    assert gaps == sorted(gaps, reverse=True)
