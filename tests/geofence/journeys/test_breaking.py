"""What journeys break of their permits, and the violations that follow: kept, broken, uncertain."""

import msgspec
import numpy as np
import pytest

from geofence.breaches import Breach
from geofence.config import RulesConfig, VehicleConfig
from geofence.journeys.journey import decoded, encoded
from geofence.permits import PermitConfig
from geofence.rules.driving_time import DrivingTime
from geofence.rules.permit import Permit
from tests.geofence.journeys.test_journeys import Drive, gate
from tests.support.geofence_world import STEP_NS, T0_NS, batch, faults, feature, lonlat, road

NS = 10**9
EXPLOSIVE = VehicleConfig(
    terminal="13900000001", plate="辽L·A0001", hazmat_class="1.4", length_m=16.0, width_m=2.5
)
FUEL = VehicleConfig(terminal="13900000001", plate="辽L·A0001", hazmat_class="3", length_m=16.0, width_m=2.5)
NIGHT = {"start": "2026-09-21T20:00:00+08:00", "end": "2026-09-22T06:00:00+08:00"}  # T0 is 22:13:20
SOON_OVER = {"start": "2026-09-21T20:00:00+08:00", "end": "2026-09-21T22:13:45+08:00"}  # at second 25


def permit(**changes):
    return msgspec.convert({"permit": "P1", "terminal": "13900000001", **NIGHT} | changes, PermitConfig)


def broken(drive):
    """Return what the open journeys break, by second of the look."""
    return {key for journey in drive.journeys.open.values() for key in journey.broken}


@pytest.mark.parametrize(
    ("vehicle", "permits", "wanted"),
    [
        (EXPLOSIVE, [], set()),  # a site without permits judges nobody
        (EXPLOSIVE, [permit(terminal="1")], {"permit/no_permit"}),
        (EXPLOSIVE, [permit()], set()),
        (EXPLOSIVE, [permit(entry="other gate")], {"permit/permit_route"}),
        (FUEL, [permit(terminal="1")], set()),  # its cargo needs none
        (FUEL, [permit(**SOON_OVER)], set()),
    ],
)
def test_a_permit_is_checked_at_entry(vehicle, permits, wanted):
    drive = Drive(vehicles=(vehicle,), permits=permits)
    drive.along(0, 30)
    assert broken(drive) == wanted
    drive.along(30, 60)
    assert set(drive.out[-1].broken) == wanted  # the summary says it too
    assert drive.out[-1].reason == "exit"


def test_a_permit_must_hold_all_the_way():
    drive = Drive(vehicles=(EXPLOSIVE,), permits=[permit(**SOON_OVER)])
    drive.along(0, 25)
    assert broken(drive) == set()
    assert drive.out[0].due_ns == T0_NS + 25 * NS
    drive.along(25, 27)
    assert broken(drive) == {"permit/permit_time"}
    assert drive.out[-1].overdue


def test_a_permit_that_ended_before_the_journey_makes_nobody_overdue():
    ended = {"start": "2026-09-21T12:00:00+08:00", "end": "2026-09-21T21:00:00+08:00"}
    drive = Drive(vehicles=(FUEL,), permits=[permit(**ended)])
    drive.along(0, 20)
    (journey,) = drive.journeys.open.values()
    assert journey.due_ns > journey.expected_ns > T0_NS
    assert not journey.overdue


def test_one_permit_is_one_trip():
    drive = Drive(vehicles=(EXPLOSIVE,), permits=[permit()])
    drive.along(0, 60)
    assert drive.out[-1].permit == "P1"
    for t_s in range(60, 80):
        drive.look(t_s, {"east": 20.0 + 16.0 * (t_s - 60), "track": 2})
    assert broken(drive) == {"permit/permit_used"}


def test_what_was_seen_only_may_be_the_rest_of_the_same_trip():
    drive = Drive(vehicles=(EXPLOSIVE,), permits=[permit()])
    drive.along(0, 20)
    drive.journeys.release([1])  # it went on to the neighbour
    drive.along(40, 45)  # and comes in sight again, without its journey
    assert drive.out[-1].began == "seen"
    assert broken(drive) == set()


def test_a_tunnel_is_closed_to_cargo_of_its_code():
    corners = [(300.0, -15.0), (500.0, -15.0), (500.0, 15.0), (300.0, 15.0), (300.0, -15.0)]
    tunnel = feature("zone", "Polygon", [lonlat(corners)], zone="tunnel", role="tunnel_d")
    gated = road(gate("in", "entry", 100.0), gate("out", "exit", 900.0), tunnel)
    for code, wanted in (("C", {"permit/tunnel_code"}), ("E", set())):
        drive = Drive(gated, vehicles=(FUEL,), permits=[permit(tunnel=code)])
        drive.along(0, 25)
        assert broken(drive) == wanted
        drive.along(25, 40)
        assert broken(drive) == set()  # behind it


def test_a_road_that_the_permit_lacks_is_a_deviation_once_it_is_certain():
    drive = Drive(vehicles=(FUEL,), permits=[permit(roads=["port"])])
    drive.along(0, 8)
    assert broken(drive) == set()
    drive.along(8, 15, sigma=3.0)  # its lane is uncertain
    assert broken(drive) == set()
    drive.along(15, 30)
    assert broken(drive) == {"route_deviation/off_route"}
    (journey,) = drive.journeys.open.values()
    assert journey.broken["route_deviation/off_route"].p > 0.99


def test_an_exit_that_was_passed_is_missed():
    three = road(
        gate("in", "entry", 100.0), gate("out", "exit", 900.0),
        feature(
            "gate", "LineString", lonlat([(400.0, -40.0), (400.0, -20.0)]), gate="ramp", role="exit",
            road="main",
        ),
    )  # fmt: skip
    drive = Drive(three, vehicles=(FUEL,), permits=[permit(exit="ramp")])
    drive.along(0, 30)  # at station 484, less than 100 m behind it
    assert drive.out[-1].exit == "ramp"
    assert broken(drive) == set()
    drive.along(30, 32, sigma=40.0)
    assert broken(drive) == set()  # too coarse
    drive.along(32, 40)
    assert broken(drive) == {"missed_exit/missed_exit"}


def test_breaches_become_violations_that_close_at_the_end():
    drive = Drive(vehicles=(EXPLOSIVE,), permits=[permit(terminal="1")])
    monitor, out = drive.world.monitor, []
    for k in range(650):
        t_ns = T0_NS + k * STEP_NS
        tracks = batch(t_ns, {"east": 20.0 + 1.6 * k})
        located = monitor.locate(tracks, drive.world.terminals)
        owned = np.ones(1, np.bool_)
        drive.journeys.step(t_ns, tracks, located, owned, (), gateway_present=True)
        if k % 2 == 0:
            found = monitor.tick(t_ns, tracks, located, owned, trips=drive.journeys)
            out += [judged.violation for judged in found]
    assert {violation.rule for violation in out} == {"permit"}
    assert len({violation.id for violation in out}) == 1
    assert (out[0].phase, out[0].grade, out[0].reason, out[0].p_violation) == (
        "open",
        "violation",
        "no_permit",
        1.0,
    )
    assert out[0].start_ns <= out[0].stamps.measured_ns
    assert (out[-1].phase, out[-1].p_violation) == ("close", 0.0)
    assert [fault for violation in out for fault in faults(violation) if fault != "empty"] == []


def test_breaches_go_with_the_journey():
    drive = Drive(vehicles=(EXPLOSIVE,), permits=[permit(terminal="1")])
    drive.along(0, 20)
    assert set(decoded(encoded(drive.out[-1])).broken) == {"permit/no_permit"}
    assert drive.journeys.breaches("permit") == {1: {"no_permit": drive.out[-1].broken["permit/no_permit"]}}
    assert drive.journeys.breaches("missed_exit") == {}


def test_other_rules_judge_an_open_journey_anew_and_at_once():
    """A breach by the old rules opens nothing under the new ones, not even until the next look."""
    drive = Drive(vehicles=(EXPLOSIVE,), permits=[permit(terminal="1")])
    drive.along(0, 30)
    tired = RulesConfig(driving_time=DrivingTime.Config(continuous_s=10.0))
    drive.journeys.configure(tired, T0_NS + 30 * NS)
    drive.along(30, 32)
    assert broken(drive) == {"permit/no_permit", "driving_time/driving_continuous"}
    longer = RulesConfig(driving_time=DrivingTime.Config(continuous_s=100.0))
    drive.journeys.configure(longer, T0_NS + 32 * NS)
    assert broken(drive) == {"permit/no_permit"}
    drive.journeys.configure(RulesConfig(permit=Permit.Config(goods=("7",))), T0_NS + 32 * NS)
    assert broken(drive) == set()
    drive.along(32, 34)
    assert broken(drive) == set()
    drive.journeys.configure(RulesConfig(permit=Permit.Config(grade="notice")), T0_NS + 34 * NS)
    assert drive.journeys.breaches("permit") == {1: {"no_permit": Breach(since_ns=T0_NS + 34 * NS)}}


def test_rules_that_ask_for_more_goods_judge_who_is_on_the_road():
    drive = Drive(vehicles=(FUEL,), permits=[permit(terminal="1")])
    drive.along(0, 20)
    assert broken(drive) == set()
    drive.journeys.configure(RulesConfig(permit=Permit.Config(goods=("3",))), T0_NS + 20 * NS)
    # before, it needed none
    assert drive.journeys.breaches("permit") == {1: {"no_permit": Breach(since_ns=T0_NS + 20 * NS)}}
