"""The priority of an alarm: consequence times time to act, by rules that are data (`priority.toml`). Pure.

It doesn't grow with the time for which an alarm lasts: that is what deadlines are for.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from centre.desk.reading import Facts
from edge.sections import PriorityRuleConfig

FILE = Path(__file__).with_name("priority.toml")
LOWEST = 4
# the lowest product of consequence and urgency for each priority
PRODUCTS = ((9, 1), (6, 2), (3, 3))
NEAR_M = 50.0  # a place reaches so far beyond its end: a vehicle comes to it within some seconds
BESIDE_M = 0.3  # beyond the middle of a lane's line: what still counts as on it


class LossRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The priority of one kind of loss of view."""

    code: str
    zh: str
    en: str
    kinds: tuple[str, ...]
    priority: int


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rule: tuple[PriorityRuleConfig, ...]
    loss: tuple[LossRule, ...]


class Place(NamedTuple):
    """A zone, gate or named place of the map, along the road."""

    role: str
    name: str | None
    from_m: float
    to_m: float


class Lane(NamedTuple):
    """A lane along the axis: its stations, and its sides left of the axis."""

    name: str
    direction: int  # 1: driving direction is growing station
    from_m: float
    to_m: float
    right_m: float
    left_m: float


class Road(NamedTuple):
    """What of the map counts for a priority."""

    lanes: tuple[Lane, ...] = ()
    places: tuple[Place, ...] = ()


class Priority(NamedTuple):
    """A priority, and the words of the rules that made it."""

    priority: int
    why: tuple[str, ...]


@functools.cache
def shipped() -> _File:
    """Return the rules of `priority.toml`."""
    return msgspec.toml.decode(FILE.read_bytes(), type=_File)


def rules_with(own: Sequence[PriorityRuleConfig]) -> tuple[PriorityRuleConfig, ...]:
    """Return the shipped rules with a site's own: one of the same code replaces the shipped one."""
    found = {rule.code: rule for rule in shipped().rule}
    found |= {rule.code: rule for rule in own}
    return tuple(found.values())


def road_of(described: dict[str, Any]) -> Road:
    """Return lanes and places of `/api/site`."""
    lanes = [
        Lane(each["lane"], each["direction"], each["from_m"], each["to_m"], *each["offset_m"])
        for each in described["lanes"]
        if each["direction"] and each["level"] == 0
    ]
    places = [
        Place(_role(each), each["id"], each["s_m"], each["to_m"])
        for each in described["places"]
        if each["s_m"] is not None
    ]
    return Road(tuple(lanes), tuple(places))


def _role(place: dict[str, Any]) -> str:
    return "gate" if place["kind"] == "gate" else str(place["role"] or "")


def priority_of(facts: Facts, rules: Sequence[PriorityRuleConfig], road: Road) -> Priority:
    """Return the priority of a violation, and which rules counted."""
    toward, places = toward_of(facts, road), places_of(facts, road)
    matching = [rule for rule in rules if _matches(rule, facts, toward, places)]
    consequence = max([rule.consequence or 1 for rule in matching], default=1)
    urgency = max([rule.urgency or 1 for rule in matching], default=1)
    product = consequence * urgency
    priority = next((number for least, number in PRODUCTS if product >= least), LOWEST)
    # a rule that asks for the least on both sides made nothing
    counted = [
        rule.code
        for rule in matching
        if (rule.consequence or 0) == consequence or (rule.urgency or 0) == urgency
    ]
    return Priority(priority, tuple(counted))


def priority_of_loss(kind: str) -> Priority:
    """Return the priority of a loss of view."""
    rule = next((each for each in shipped().loss if kind in each.kinds), None)
    return Priority(LOWEST, ()) if rule is None else Priority(rule.priority, (rule.code,))


def _matches(rule: PriorityRuleConfig, facts: Facts, toward: str | None, places: frozenset[str]) -> bool:
    if rule.rules and facts.rule not in rule.rules:
        return False
    if rule.classes and not _is_of_class(facts.hazmat_class, rule.classes):
        return False
    if rule.un and facts.un not in rule.un:
        return False
    if rule.unidentified and facts.vehicle is not None:
        return False
    if rule.speed_mps is not None and not facts.speed_mps >= rule.speed_mps:
        return False
    if rule.over_limit is not None and not _is_over(facts, rule.over_limit):
        return False
    if rule.toward and toward not in rule.toward:
        return False
    return not rule.places or not places.isdisjoint(rule.places)


def _is_over(facts: Facts, share: float) -> bool:
    return facts.limit_mps is not None and facts.speed_mps >= facts.limit_mps * share


def _is_of_class(found: str | None, classes: Sequence[str]) -> bool:
    """Say whether a class is one of these or a division of one: 2.1 is of 2."""
    return found is not None and any(found == each or found.startswith(f"{each}.") for each in classes)


def places_of(facts: Facts, road: Road) -> frozenset[str]:
    """Return the roles and names of the places at which an alarm was decided."""
    at_m = facts.s_m
    found = {facts.zone} if facts.zone else set()
    if at_m is not None:
        for place in road.places:
            if place.from_m - NEAR_M <= at_m <= place.to_m + NEAR_M:
                found |= {place.role, place.name or ""}
    return frozenset(found - {""})


def toward_of(facts: Facts, road: Road) -> str | None:
    """Return where a vehicle is that left its lane: oncoming, off_carriageway, or None: neither is known."""
    if facts.rule not in ("lane_departure", "off_dedicated_road", "wrong_way"):
        return None
    at_m, lateral_m = facts.s_m, facts.d_m
    if at_m is None or lateral_m is None:
        return None
    here = [lane for lane in road.lanes if lane.from_m <= at_m <= lane.to_m]
    own = next((lane for lane in here if lane.name == facts.lane), None)
    if own is None:
        return None
    offset_m = (own.right_m + own.left_m) / 2 + own.direction * lateral_m
    if offset_m > max(lane.left_m for lane in here) + BESIDE_M:
        return "off_carriageway"
    if offset_m < min(lane.right_m for lane in here) - BESIDE_M:
        return "off_carriageway"
    for lane in here:
        if lane.direction != own.direction and lane.right_m < offset_m < lane.left_m:
            return "oncoming"
    return None
