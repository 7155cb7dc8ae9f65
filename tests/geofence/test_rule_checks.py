"""Settings that a type lets through and that make no sense."""

import pytest

from core.errors import ConfigError
from geofence.calendar import Exemption
from geofence.config import Grading, Hold, RulesConfig, VehicleConfig
from geofence.layers import SpeedLimit
from geofence.rule_checks import faults_of, faults_of_names
from geofence.rules import REGISTRY
from geofence.rules.driving_time import DrivingTime
from geofence.rules.permit import Permit
from geofence.rules.time_window import TimeWindow
from geofence.rules.zone_entry import ZoneEntry
from geofence.rules_text import check_rules, rules_of
from tests.support.geofence_world import road

EARLY, LATE = Hold(over=0.1, for_s=0.5), Hold(over=1.0, for_s=3.0)


def grades(*, rule="lane_departure", notice=(EARLY,), warning=(), violation=()):
    return RulesConfig(**{rule: Grading(notice=notice, warning=warning, violation=violation)})


def test_what_the_rules_have_by_default_makes_sense():
    assert list(faults_of(RulesConfig(), [VehicleConfig(terminal="1", permits=("emergency",))])) == []
    assert list(faults_of_names(RulesConfig(), [], [])) == []


@pytest.mark.parametrize(
    ("rules", "key"),
    [
        (grades(notice=(LATE,), warning=(EARLY,)), "rules.lane_departure.warning[0]"),
        (grades(warning=(LATE,), violation=(Hold(over=1.0),)), "rules.lane_departure.violation[0]"),
        (grades(notice=(LATE,), violation=(LATE, EARLY)), "rules.lane_departure.violation[1]"),
        (grades(notice=(Hold(over=50.0),)), "rules.lane_departure.notice[0].over"),
        (grades(rule="overspeed", notice=(Hold(over=5.0),)), "rules.overspeed.notice[0].over"),  # per cent
        (grades(warning=(LATE,), violation=(LATE, Hold(over=2.0, for_s=3.0))), None),  # one alike is no fault
        (grades(notice=(EARLY, Hold(over=1.0)), warning=(Hold(over=1.0),)), None),
        (RulesConfig(hazmat_limit_mps=25.0), "rules.hazmat_limit_expressway_mps"),
        (RulesConfig(zone_entry=ZoneEntry.Config(roles=("no_exit",))), "rules.zone_exit.roles"),
    ],
)  # fmt: skip
def test_grades_and_limits_in_the_wrong_order_are_found(rules, key):
    found = list(faults_of(rules, []))
    assert [fault.key for fault in found] == ([] if key is None else [key])


def test_a_permit_is_a_class_of_lanes():
    (fault,) = faults_of(RulesConfig(), [VehicleConfig(terminal="7", permits=("hazmat", "nurse"))])
    assert fault.key == "vehicle 7, permits"
    assert fault.value == "nurse"


@pytest.mark.parametrize(
    ("rules", "key"),
    [
        (RulesConfig(stop_zone_roles=("parking", "inspektion")), "rules.stop_zone_roles"),
        (RulesConfig(stop_zone_roles=("parking", "fuel")), None),  # the map has it
        (RulesConfig(expressways=("G1",)), None),
        (RulesConfig(expressways=("G2",)), "rules.expressways"),
    ],
)
def test_names_that_nothing_on_the_map_has_are_found(rules, key):
    found = list(faults_of_names(rules, {"fuel"}, {"G1"}))
    assert [fault.key for fault in found] == ([] if key is None else [key])


def test_each_measured_rule_states_what_no_vehicle_exceeds():
    assert {rule.name: rule.over_max for rule in REGISTRY if rule.kind == "measured"} == {
        "lane_departure": 10.0, "off_dedicated_road": 1e4, "wrong_way": 60.0, "overspeed": 2.0,
        "unauthorised_vehicle": 10.0,
    }  # fmt: skip


TANKER = VehicleConfig(terminal="7", hazmat_class="3", un="1203")


def exempt(**row):
    return RulesConfig(time_window=TimeWindow.Config(exempt=(Exemption(**row),)))


def driving(**settings):
    return RulesConfig(driving_time=DrivingTime.Config(**settings))


def limited(name):
    return RulesConfig(speed_limits=(SpeedLimit(limit_mps=10.0, hazmat_classes=(name,)),))


@pytest.mark.parametrize(
    ("rules", "key"),
    [
        (exempt(terminals=("nobody",)), "rules.time_window.exempt[0].terminals"),
        (exempt(terminals=("7",)), None),
        (exempt(un=("petrol",)), "rules.time_window.exempt[0].un"),
        (exempt(un=("1203", "1267")), None),  # what the registry has not today comes tomorrow
        (exempt(hazmat_classes=("flammable",)), "rules.time_window.exempt[0].hazmat_classes"),
        (exempt(hazmat_classes=("3", "2.1", "1.1D")), None),
        (limited("flammable"), "rules.speed_limits[0].hazmat_classes"),
        (limited("3.2"), None),
        (RulesConfig(permit=Permit.Config(goods=("1", "explosives"))), "rules.permit.goods"),
        (RulesConfig(permit=Permit.Config(goods=("33",))), "rules.permit.goods"),
        (driving(continuous_s=4.0), "rules.driving_time.continuous_s"),  # hours
        (driving(rest_s=20.0), "rules.driving_time.rest_s"),  # minutes
        (driving(continuous_s=30_000.0), "rules.driving_time.continuous_s"),  # the day's limit comes first
        (driving(night_s=30_000.0), "rules.driving_time.night_s"),
        (driving(night=(0, 24)), "rules.driving_time.night"),  # it would be no night
        (driving(continuous_s=18_000.0, rest_s=1_800.0, night=(23, 5)), None),
    ],
)  # fmt: skip
def test_names_and_times_that_would_switch_a_rule_off_are_found(rules, key):
    found = list(faults_of(rules, [TANKER]))
    assert [fault.key for fault in found] == ([] if key is None else [key])


@pytest.mark.parametrize(("zones", "n"), [(("BAN",), 0), (("BAN", "no_such_zone"), 1)])
def test_an_exemption_names_zones_of_the_map(zones, n):
    found = list(faults_of_names(exempt(terminals=("7",), zones=zones), {}, {}, {}, {"BAN", "REST"}))
    assert [(fault.key, fault.value) for fault in found] == (
        [("rules.time_window.exempt[0].zones", "no_such_zone")] * n
    )


@pytest.mark.parametrize("line", ["false_alarms_per_vehicle_hour = 0.9", "width_unknown_m = 3.9"])
def test_what_no_site_can_want_is_refused_by_key(line):
    with pytest.raises(ConfigError, match=rf"rules\.{line.split()[0]}"):
        rules_of(f"[rules]\n{line}\n", "rules.toml")


def test_a_publication_is_checked_alike():
    text = "[rules]\n[[rules.time_window.exempt]]\nterminals = ['7']\nzones = ['no_such_zone']\n"
    with pytest.raises(ConfigError, match=r"exempt\[0\]\.zones.*no_such_zone"):
        check_rules(rules_of(text, "rules.toml"), road(), [TANKER], "rules.toml")
