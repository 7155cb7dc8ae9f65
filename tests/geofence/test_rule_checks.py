"""Settings that a type lets through and that make no sense."""

import pytest

from geofence.config import Grading, Hold, RulesConfig, VehicleConfig
from geofence.rule_checks import faults_of, faults_of_names
from geofence.rules import REGISTRY
from geofence.rules.zone_entry import ZoneEntry

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
