"""The monitor's rules, edge by edge: which violations a track's behaviour raises."""

import math

import numpy as np
import pytest

from core.times import NS
from geofence.config import Grading, Hold, RulesConfig
from geofence.violation import decode, encode
from tests.support.geofence_world import CAR, FRAME, T0_NS, TRUCK, World, drift, faults, feature, lonlat, road

GRADES = ("undecidable", "notice", "warning", "violation")


def best(violations):
    """The highest grade of the versions, None without any."""
    return max((v.grade for v in violations), key=GRADES.index, default=None)


@pytest.mark.parametrize(
    ("depth_m", "speed_mps", "hold_s", "want"),
    [
        (-0.20, 0.5, 5.0, None),  # comes near the line
        (0.25, 0.5, 1.0, "notice"),  # a touch
        (0.40, 1.0, 2.0, "warning"),  # over 0.3 m for more than 0.5 s
        (0.40, 1.0, 4.0, "violation"),  # over 0.3 m for 3 s
        (1.50, 1.5, 0.0, "warning"),  # deep, but not for 1 s
        (1.50, 1.0, 1.5, "violation"),
        (4.50, 1.0, 2.0, "violation"),  # all of it in the next lane
    ],
)
@pytest.mark.parametrize("side", [1.0, -1.0], ids=["left", "right"])
def test_lane_departure_is_depth_and_duration(depth_m, speed_mps, hold_s, want, side):
    world = World()
    at = drift(depth_m, speed_mps, 2.0, hold_s, side)
    world.drive(14.0, lambda t: at(t) | {"sigma": 0.02, "tau": 0.1, "length": 4.0})
    assert best(world.of("lane_departure")) == want
    assert {v.rule for v in world.out} <= {"lane_departure"}


def test_lane_departure_opens_updates_and_closes_once():
    world = World()
    world.drive(22.0, drift(1.2, 0.8, 3.0, 8.0))
    raised = world.of("lane_departure")
    assert [v.phase for v in raised[:1] + raised[-1:]] == ["open", "close"]
    assert [v.version for v in raised] == list(range(1, len(raised) + 1))
    assert len({v.id for v in raised}) == len({v.start_ns for v in raised}) == 1
    crossing_s = 3.0 + 0.625 / 0.8
    back_s = 3.0 + 2 * (0.625 + 1.2) / 0.8 + 8.0 - 0.625 / 0.8
    assert (raised[0].start_ns - T0_NS) / 1e9 == pytest.approx(crossing_s, abs=0.7)
    assert (raised[-1].end_ns - T0_NS) / 1e9 == pytest.approx(back_s, abs=0.7)
    assert raised[-1].stamps.measured_ns - raised[-1].end_ns >= 3_000_000_000
    updates = [v for v in raised[1:-1] if v.grade == raised[-1].grade]
    assert np.diff([v.stamps.measured_ns for v in updates]).min(initial=5e9) >= 5e9


def test_lane_departure_says_who_where_and_how_sure():
    world = World()
    world.drive(9.0, drift(1.2, 0.8, 3.0, 8.0))
    raised = world.of("lane_departure")[-1]
    assert raised.vehicle is not None
    assert (raised.vehicle.plate, raised.vehicle.terminal) == (TRUCK.plate, TRUCK.terminal)
    assert raised.lane in ("EH", "EG")
    assert raised.p_violation > 0.999
    assert raised.stamps.by is None
    assert raised.stamps.arrived_ns == raised.stamps.measured_ns + 5_000_000
    assert raised.confirmed_ns is not None
    assert raised.start_ns <= raised.confirmed_ns <= raised.stamps.measured_ns
    assert len(raised.evidence["stamp_ns"]) > 20
    assert max(raised.evidence["excess_m"]) == pytest.approx(1.2, abs=0.4)
    east, _ = FRAME.site_from_lonlat([raised.lon_deg], [raised.lat_deg])
    assert east[0] == pytest.approx(raised.s_m, abs=0.02)


def test_every_version_has_the_shape_of_the_design():
    world = World(rules=RulesConfig(enforcement_area=(tuple(map(tuple, lonlat(AREA))),)))
    at = drift(1.2, 0.8, 3.0, 6.0)
    world.drive(16.0, lambda t: at(t) | {"v_east": 30.0})
    world.drive(8.0, lambda t: {"east": 400.0, "north": -80.0 - t, "track": 7}, from_s=16.0)
    world.drive(14.0, lambda t: {"track": 9, "terminal": -1, "kind": 0, "east": 16 * (t - 24)}, from_s=24.0)
    world.end(T0_NS + 40_000_000_000, [1, 7, 9])
    assert {v.rule for v in world.out} >= {
        "lane_departure",
        "overspeed",
        "off_dedicated_road",
        "dark_vehicle",
    }
    assert [v.id for v in world.out if faults(v)] == []
    assert all(decode(encode(v)) == v for v in world.out)


AREA = [[-500, -500], [1_500, -500], [1_500, 500], [-500, 500], [-500, -500]]


@pytest.mark.parametrize(
    ("change", "want"),
    [
        ({"enforcing_age_s": 0.9}, "violation"),  # another radar saw it last; the enforcing one not long ago
        ({"enforcing_age_s": np.inf}, "undecidable"),  # only a radar that is not accepted
        (
            {"radar_age_s": 20.0, "enforcing_age_s": 20.0, "sigma": 0.3, "bias": 1.5, "tau": 28.0},
            "undecidable",
        ),
        ({"radar_age_s": 20.0, "enforcing_age_s": 20.0, "sigma": 0.03, "bias": 0.1, "tau": 4.0}, "violation"),
        ({"coasting": True}, None),  # nothing measured, nothing judged
        ({"confirmed": False}, None),
        ({"sigma": 2.0}, "undecidable"),
    ],
)
def test_only_what_carries_a_judgement_is_judged(change, want):
    world = World()
    at = drift(2.2, 0.8, 3.0, 9.0)
    world.drive(14.0, lambda t: at(t) | change)
    assert best(world.of("lane_departure")) == want


def test_undecidable_is_recorded_once_and_never_confirmed():
    world = World()
    blind = {"radar_age_s": 9.0, "enforcing_age_s": 9.0, "bias": 1.5, "tau": 30.0}
    world.drive(4.8, lambda t: {"east": 16 * t} | blind)
    assert world.out == []  # not yet 5 s
    world.drive(12.0, lambda t: {"east": 16 * t} | blind, from_s=4.8)
    world.drive(6.0, lambda t: {"east": 16 * t}, from_s=16.8)
    assert [(v.phase, v.grade) for v in world.out] == [("open", "undecidable"), ("close", "undecidable")]
    assert all(v.confirmed_ns is None and v.stamps.by == "tick" for v in world.out)


def test_an_unknown_vehicle_may_use_every_lane_but_not_the_shoulder():
    world = World()
    stranger = {"terminal": -1, "kind": 0, "width": np.nan, "length": np.nan}
    left, right = drift(2.5, 1.0, 1.0, 3.0), drift(2.5, 1.0, 1.0, 3.0, side=-1.0)
    world.drive(6.0, lambda t: [left(t) | stranger, right(t) | stranger | {"track": 2}])
    assert {v.track for v in world.of("lane_departure")} == {2}


def test_a_vehicle_that_drives_in_the_dedicated_lane_must_keep_it_whoever_it_is():
    world = World()
    at = drift(2.0, 1.0, 4.0, 4.0)
    world.drive(9.0, lambda t: at(t) | {"terminal": -1, "kind": 0})
    raised = world.of("lane_departure")
    assert best(raised) == "violation"
    assert raised[0].vehicle is None
    assert raised[0].identity_p is None


def test_identity_that_comes_later_makes_a_version():
    world = World()
    at = drift(2.0, 1.0, 4.0, 9.0)
    world.drive(8.0, lambda t: at(t) | {"terminal": -1, "kind": 0})
    later = world.drive(1.0, at, from_s=8.0)
    assert next(v.vehicle.plate for v in later if v.rule == "lane_departure") == TRUCK.plate


@pytest.mark.parametrize(
    ("v_east", "north", "want"),
    [
        (16.0, 7.625, "violation"),  # eastwards in the western hazmat lane
        (-16.0, 7.625, None),
        (1.0, 7.625, None),  # backs out slowly
        (16.0, -7.625, None),
        (16.0, 0.0, None),  # on the median: it could be in either lane
    ],
)
def test_wrong_way(v_east, north, want):
    world = World()
    world.drive(8.0, lambda t: {"east": 500 + v_east * (t - 4), "north": north, "v_east": v_east})
    assert best(world.of("wrong_way")) == want


def test_what_crosses_a_lane_is_no_wrong_way_driver():
    """A truck on a bridge whose place errs to beside the deck: the lane below leads 70 degrees off."""
    world = World()
    v_east, v_north = 16.0 * math.cos(math.radians(70.0)), 16.0 * math.sin(math.radians(70.0))
    across = {"north": 7.625, "v_east": v_east, "v_north": v_north, "width": 2.5, "kind": 4}
    world.drive(3.0, lambda t: {"east": 500.0 + v_east * t} | across)
    assert world.of("wrong_way") == []


def test_one_wrong_fix_accuses_nobody():
    """A terminal alone, once a second; one of its fixes lies 16 m to the left, on the other carriageway."""
    world = World()
    alone = {"radar_age_s": 9.0, "enforcing_age_s": 9.0, "sigma": 0.5, "tau": 1.0}
    for k in range(12):
        north = 7.625 if k == 6 else -7.625
        world.observe(T0_NS + k * NS, {"east": 100.0 + 16.0 * k, "north": north} | alone)
    assert [v for v in world.out if v.rule == "wrong_way"] == []


@pytest.mark.parametrize(
    ("speed_mps", "seconds", "want"),
    [
        (16.6, 10.0, None),
        (17.0, 10.0, None),  # 2 % is no more than a speedometer's error
        (17.8, 5.0, "notice"),
        (18.7, 5.0, "warning"),  # 12 %
        (20.5, 5.0, "violation"),  # 23 %
        (20.5, 0.5, None),
    ],
)
def test_overspeed_is_a_share_of_the_limit(speed_mps, seconds, want):
    world = World()
    world.drive(seconds, lambda t: {"east": 30 + speed_mps * t, "v_east": speed_mps})
    raised = world.of("overspeed")
    assert best(raised) == want
    assert all(v.limit_mps == 16.67 for v in raised)


def test_overspeed_of_hazmat_counts_the_general_limit_beside_the_posted_one():
    fast = {"v_east": 20.0, "north": -3.875, "width": 2.5}
    world = World(rules=RulesConfig(lane_departure=Grading(notice=(), warning=(), violation=())))
    world.drive(
        4.0, lambda t: [fast | {"east": 20 * t}, fast | {"east": 20 * t + 90, "terminal": 1, "track": 2}]
    )
    assert {v.track for v in world.of("overspeed")} == {1}  # 72 km/h where 80 are posted


SHORT_STOPS = RulesConfig(
    illegal_stop=Grading(notice=(Hold(over=3.0),), warning=(Hold(over=5.0),), violation=(Hold(over=99.0),))
)
STOPPED = {"v_east": 0.0, "v_north": 0.0, "east": 500.0}
PARKING = feature("zone", "Polygon", [lonlat([[480, -20], [520, -20], [520, 0], [480, 0], [480, -20]])],
                  zone="P1", role="parking")  # fmt: skip
GATE = feature("gate", "LineString", lonlat([[540, -10], [540, 10]]), gate="exit", role="exit", road="main")


@pytest.mark.parametrize(
    ("more", "change", "want"),
    [
        ([], {}, "warning"),
        ([], {"north": -12.0, "sigma": 2.0}, "warning"),  # on the shoulder; of its lane nothing is known
        ([], {"north": -30.0}, None),  # beside the road
        ([PARKING], {}, None),
        ([GATE], {}, None),
        ([], {"v_east": 2.0}, None),  # creeps
    ],
)
def test_illegal_stop(more, change, want):
    world = World(road(*more), SHORT_STOPS)
    world.drive(1.0, lambda t: {"east": 484 + 16 * t})
    world.drive(7.0, lambda t: STOPPED | change, from_s=1.0)
    raised = world.of("illegal_stop")
    assert best(raised) == want
    if raised:
        assert (raised[0].start_ns - T0_NS) / 1e9 == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("sigma_v", "want"), [(0.3, "warning"), (0.05, None)])
def test_illegal_stop_continues_through_a_noisy_speed(sigma_v, want):
    world = World(rules=SHORT_STOPS)
    world.drive(1.0, lambda t: {"east": 484 + 16 * t})
    shaken = {"sigma_v": sigma_v}
    world.drive(7.0, lambda t: STOPPED | shaken | {"v_north": 1.0 if t % 2.5 > 2.35 else 0.0}, from_s=1.0)
    assert best(world.of("illegal_stop")) == want


def test_illegal_stop_is_none_behind_another_and_none_of_what_never_moved():
    world = World(rules=SHORT_STOPS)
    world.drive(1.0, lambda t: [{"east": 484 + 16 * t}, {"east": 509 + 16 * t, "track": 2, "terminal": -1}])
    both = [STOPPED, STOPPED | {"east": 525.0, "track": 2, "terminal": -1}]
    post = STOPPED | {"east": 300.0, "track": 3, "terminal": -1, "kind": 0}
    world.drive(7.0, lambda t: [*both, post], from_s=1.0)
    assert {v.track for v in world.of("illegal_stop")} == {2}  # who stands in front is no queue


@pytest.mark.parametrize(
    ("change", "present", "want"),
    [
        ({"terminal": -1, "kind": 0}, True, "warning"),
        ({"terminal": -1, "kind": 0}, False, None),  # nobody could report
        ({"terminal": -1, "kind": 0, "enforcing_age_s": np.inf}, True, None),
        ({"terminal": -1, "kind": 0, "north": -3.875}, True, None),  # in the general lane
        ({"terminal": -1, "kind": 0, "north": -5.9}, True, None),  # its lane is not certain
        ({"gnss_age_s": 25.0}, True, None),  # a terminal that reports each 30 s
        ({"gnss_age_s": 60.0}, True, "warning"),  # it fell silent
    ],
)
def test_dark_vehicle(change, present, want):
    world = World()
    world.gateway_present = present
    world.drive(12.0, lambda t: {"east": 50 + 16 * t} | change)
    raised = world.of("dark_vehicle")
    assert best(raised) == want
    assert all(v.stamps.by == "tick" for v in raised)


@pytest.mark.parametrize("age_s", [np.inf, 3.0])
def test_dark_vehicle_waits_while_a_report_nearby_may_be_its_own(age_s):
    world = World()

    def both(t):
        loose = {
            "track": 2,
            "radar_age_s": age_s,
            "enforcing_age_s": age_s,
            "east": 62 + 16 * t,
            "bias": 1.5,
        }
        return [{"east": 50 + 16 * t, "terminal": -1, "kind": 0}, loose]

    world.drive(15.0, both)
    assert world.of("dark_vehicle") == []


@pytest.mark.parametrize(
    ("north", "area", "want"),
    [
        (-100.0, True, "warning"),
        (-100.0, False, None),  # at home in town it is no violator
        (-20.0, True, None),  # beside the road: 10 m off
    ],
)
def test_off_dedicated_road(north, area, want):
    ring = (tuple(map(tuple, lonlat(AREA))),) if area else ()
    world = World(rules=RulesConfig(enforcement_area=ring))
    gnss = {"radar_age_s": np.inf, "enforcing_age_s": np.inf, "gnss_age_s": 0.0, "bias": 1.5, "tau": 30.0}
    world.drive(9.0, lambda t: {"east": 300 + 10 * t, "north": north} | gnss)
    assert best(world.of("off_dedicated_road")) == want


class Gates:
    """Journeys of which one terminal's is between its gates."""

    def __init__(self, terminal):
        self.terminal = terminal

    def is_between_gates(self, terminal):
        return terminal == self.terminal

    def breaches(self, rule):
        return {}


GNSS = {"radar_age_s": np.inf, "enforcing_age_s": np.inf, "gnss_age_s": 0.0, "bias": 1.5, "tau": 30.0}


@pytest.mark.parametrize(
    ("terminal", "north", "want"),
    [
        (TRUCK.terminal, -140.0, {"violation"}),
        (TRUCK.terminal, -20.0, set()),  # beside the road
        (CAR.terminal, -140.0, set()),  # another one entered by a gate
    ],
)
def test_who_leaves_the_road_between_its_gates_needs_no_enforcement_area(terminal, north, want):
    world = World(trips=Gates(terminal))
    world.drive(45.0, lambda t: {"east": 100 + 8 * t, "north": max(-7.625 - 20.0 * t, north)} | GNSS)
    assert {v.grade for v in world.of("off_dedicated_road") if v.grade == "violation"} == want


def test_who_left_the_road_is_judged_until_he_is_back_also_after_his_journey_has_ended():
    world = World(trips=Gates(TRUCK.terminal))
    world.drive(20.0, lambda t: {"east": 100 + 8 * t, "north": max(-7.625 - 20.0 * t, -140.0)} | GNSS)
    world.trips.terminal = ""
    world.drive(20.0, lambda t: {"east": 100 + 8 * t, "north": -140.0} | GNSS, from_s=20.0)
    assert {v.phase for v in world.of("off_dedicated_road")} == {"open", "update"}
    assert {v.grade for v in world.of("off_dedicated_road")} >= {"warning", "violation"}
    world.drive(10.0, lambda t: {"east": 100 + 8 * t, "north": -7.625} | GNSS, from_s=40.0)
    assert [v.reason for v in world.of("off_dedicated_road") if v.phase == "close"] == [None]
    n = len(world.out)
    world.drive(
        12.0,
        lambda t: {"east": 100 + 8 * t, "north": max(-7.625 - 20.0 * (t - 50), -140.0)} | GNSS,
        from_s=50.0,
    )
    assert [v.rule for v in world.out[n:] if v.rule == "off_dedicated_road"] == []


def test_who_left_the_road_is_carried_as_such():
    """A neighbour, or a restart, judges the next fix as this RSU would have."""
    world = World(trips=Gates(TRUCK.terminal))
    world.drive(7.0, lambda t: {"east": 100 + 8 * t, "north": max(-7.625 - 20.0 * t, -140.0)} | GNSS)
    (carried,) = world.monitor.carry([1])
    assert carried.left_road


def test_what_is_not_owned_is_not_judged():
    world = World()
    at = drift(2.0, 1.0, 1.0, 4.0)
    for k in range(60):
        world.observe(T0_NS + k * 100_000_000, at(k * 0.1), owned=False)
    assert world.out == []


def test_a_late_state_is_counted_and_adds_nothing():
    world = World()
    at = drift(2.0, 1.0, 1.0, 9.0)
    world.drive(3.0, at)
    raised = len(world.out)
    for _ in range(50):
        world.observe(T0_NS + 1_000_000_000, at(3.0))
    assert len(world.out) == raised
    assert world.monitor.counts["judge.stale"] == 50
