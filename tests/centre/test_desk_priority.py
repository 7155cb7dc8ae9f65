"""Priorities: consequence times time to act, by rules that are data."""

from typing import get_args

import pytest

from centre.desk.priority import (
    Lane,
    Place,
    Road,
    places_of,
    priority_of,
    priority_of_loss,
    rules_with,
    shipped,
    toward_of,
)
from centre.desk.reading import Facts
from edge.sections import PriorityRuleConfig
from geofence.violation import Rule

ROAD = Road(
    lanes=(
        Lane("south-hazmat", 1, 0.0, 5_000.0, -7.5, -3.75),
        Lane("south-mixed", 1, 0.0, 5_000.0, -3.75, 0.0),
        Lane("north-mixed", -1, 0.0, 5_000.0, 0.0, 3.75),
    ),
    places=(Place("tunnel", "T1", 1_000.0, 1_400.0), Place("gate", "exit", 3_000.0, 3_000.0)),
)


def facts(**changed):
    found = {
        "id": "x", "rule": "lane_departure", "vehicle": "1", "plate": "辽L·A1", "hazmat_class": "3",
        "un": "1203", "esn": "RSU001", "start_ns": 1, "last_ns": 1, "is_open": True, "lon_deg": 122.0,
        "lat_deg": 41.0, "s_m": 2_000.0, "d_m": 1.0, "lane": "south-hazmat", "zone": None,
        "speed_mps": 15.0, "limit_mps": 22.0,
    }  # fmt: skip
    return Facts(**(found | changed))


@pytest.mark.parametrize(
    ("changed", "priority", "word"),
    [
        ({"rule": "wrong_way"}, 1, "wrong_way"),
        ({}, 3, "in_lane"),
        ({"lane": "south-mixed", "d_m": 3.0}, 1, "oncoming"),  # left of its lane: over the middle line
        ({"lane": "south-mixed", "d_m": -2.0}, 3, "in_lane"),  # right of it: into the next lane of its own
        ({"d_m": -3.0}, 2, "off_carriageway"),
        ({"speed_mps": 20.0}, 2, "fast"),
        ({"hazmat_class": "2.1"}, 2, "explosive_or_toxic"),
        ({"hazmat_class": "2.1", "speed_mps": 20.0}, 1, "explosive_or_toxic"),
        ({"s_m": 1_430.0, "speed_mps": 20.0}, 1, "tunnel_or_bridge"),
        ({"s_m": 1_500.0, "speed_mps": 20.0}, 2, "fast"),
        ({"rule": "overspeed", "speed_mps": 26.4}, 2, "much_too_fast"),
        ({"rule": "permit", "hazmat_class": None}, 4, "paper"),
        ({"rule": "illegal_stop", "s_m": 1_200.0, "hazmat_class": None}, 2, "tunnel_or_bridge"),
        ({"vehicle": None, "hazmat_class": None}, 3, "unidentified"),
    ],
)
def test_priorities(changed, priority, word):
    found = priority_of(facts(**changed), rules_with(()), ROAD)
    assert found.priority == priority
    assert word in found.why


def test_how_long_it_lasts_does_not_count():
    rules = rules_with(())
    short, long = facts(last_ns=1), facts(last_ns=3_600 * 10**9)
    assert priority_of(short, rules, ROAD) == priority_of(long, rules, ROAD)


@pytest.mark.parametrize("rule", get_args(Rule))
def test_each_rule_has_a_priority_of_its_own(rule):
    assert priority_of(facts(rule=rule, hazmat_class=None), rules_with(()), ROAD).why


def test_a_site_replaces_a_rule_or_adds_one():
    own = (
        PriorityRuleConfig(code="in_lane", zh="x", en="x", rules=("lane_departure",), urgency=1),
        PriorityRuleConfig(code="petrol", zh="汽油", en="petrol", un=("1203",), consequence=3, urgency=3),
    )  # fmt: skip
    assert priority_of(facts(), rules_with(own), ROAD).priority == 1
    assert priority_of(facts(un="1972", hazmat_class=None), rules_with(own), ROAD).priority == 4
    assert len(rules_with(own)) == len(shipped().rule) + 1


def test_without_a_map_nothing_is_claimed_of_the_place():
    assert toward_of(facts(d_m=9.0), Road()) is None
    assert toward_of(facts(s_m=None), ROAD) is None
    assert places_of(facts(s_m=None, zone="Z1"), ROAD) == {"Z1"}


@pytest.mark.parametrize(
    ("kind", "priority"),
    [
        ("broker", 1),
        ("database", 1),
        ("disk", 1),
        ("workers", 1),
        ("rsu", 2),
        ("gateway", 2),
        ("own_clock", 2),
        ("radar", 3),
        ("cover", 3),
    ],
)
def test_losses(kind, priority):
    assert priority_of_loss(kind).priority == priority
