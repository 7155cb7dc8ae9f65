"""Whether `[rules]` and the registry make sense together: what a type alone can't show. Pure, no compiler."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from core.classes import ALLOWED
from geofence.calendar import is_among
from geofence.config import RulesConfig, VehicleConfig, section_of
from geofence.grading import Grading, Hold
from geofence.rules import REGISTRY
from geofence.rules.base import Rule

# The roles of zones that docs/design.md section 11 names; others must be on the map
ROLES = ("no_entry", "no_exit", "inspection", "parking", "rest", "toll", "closed", "bridge", "tunnel")
# Classes and divisions of dangerous goods (GB 6944), of explosives with their compatibility group
CLASS, UN = re.compile(r"[1-9](\.[1-6][A-Z]?)?"), re.compile(r"[0-9]{4}")
# Shorter ones are minutes or hours that were written for seconds
DRIVEN_S_MIN = {"continuous_s": 1_800.0, "rest_s": 300.0, "daily_s": 1_800.0, "night_s": 1_800.0}
GRADES = ("notice", "warning", "violation")


class RuleFault(NamedTuple):
    """A setting that makes no sense: its key in the site file, the rule that it breaks, its value."""

    key: str
    rule: str
    value: object


def faults_of(rules: RulesConfig, vehicles: Sequence[VehicleConfig]) -> Iterator[RuleFault]:
    """Yield the faults of a site's rules and of its registry (vehicles), whatever the map."""
    for rule in REGISTRY:
        section = section_of(rules, rule.name)
        if isinstance(section, Grading):
            yield from _faults_of_grades(rule, section)
    if rules.hazmat_limit_expressway_mps < rules.hazmat_limit_mps:
        rule_text = "must not be below rules.hazmat_limit_mps, the limit of other roads"
        yield RuleFault("rules.hazmat_limit_expressway_mps", rule_text, rules.hazmat_limit_expressway_mps)
    both = set(section_of(rules, "zone_entry").roles) & set(section_of(rules, "zone_exit").roles)
    for name in sorted(both):
        yield RuleFault("rules.zone_exit.roles", "must not be among rules.zone_entry.roles as well", name)
    yield from _faults_of_classes(rules, vehicles)
    yield from _faults_of_driving(section_of(rules, "driving_time"))
    for vehicle in vehicles:
        for name in vehicle.permits:
            if name not in ALLOWED:
                yield RuleFault(
                    f"vehicle {vehicle.terminal}, permits",
                    f"must be classes among {', '.join(ALLOWED)}",
                    name,
                )


def _faults_of_grades(rule: type[Rule], section: Grading) -> Iterator[RuleFault]:
    lower: Sequence[Hold] = ()
    for grade in GRADES:
        rows: Sequence[Hold] = getattr(section, grade)
        for k, row in enumerate(rows):
            key = f"rules.{rule.name}.{grade}[{k}]"
            if row.over > rule.over_max:
                yield RuleFault(f"{key}.over", f"must be at most {rule.over_max:g} {rule.unit}", row.over)
            if lower and not any(row.over >= before.over and row.for_s >= before.for_s for before in lower):
                yield RuleFault(key, "must not hold before the grade below does", _shown(row))
        lower = rows or lower


def _faults_of_classes(rules: RulesConfig, vehicles: Sequence[VehicleConfig]) -> Iterator[RuleFault]:
    """Yield the names of cargoes and terminals that no vehicle can have: their rows would do nothing."""
    classes = [vehicle.hazmat_class for vehicle in vehicles]
    terminals, numbers = {vehicle.terminal for vehicle in vehicles}, {vehicle.un for vehicle in vehicles}
    exempt = section_of(rules, "time_window").exempt
    named = {"rules.permit.goods": section_of(rules, "permit").goods}
    named |= {
        f"rules.speed_limits[{k}].hazmat_classes": r.hazmat_classes for k, r in enumerate(rules.speed_limits)
    }
    named |= {f"rules.time_window.exempt[{k}].hazmat_classes": r.hazmat_classes for k, r in enumerate(exempt)}
    for key, names in named.items():
        for name in names:
            if not CLASS.fullmatch(name) and not any(is_among(one, (name,)) for one in classes):
                yield RuleFault(key, "must be a class or division of dangerous goods, such as 3 or 2.1", name)
    for k, row in enumerate(exempt):
        key = f"rules.time_window.exempt[{k}]"
        for name in row.un:
            if not UN.fullmatch(name) and name not in numbers:
                yield RuleFault(f"{key}.un", "must be UN numbers of four digits", name)
        for name in row.terminals:
            if name not in terminals:
                yield RuleFault(f"{key}.terminals", "must be vehicles of the registry", name)


def _faults_of_driving(section: Any) -> Iterator[RuleFault]:
    """Yield limits of driving time that make no sense: hours written for seconds, one never reached."""
    for name, least_s in DRIVEN_S_MIN.items():
        if getattr(section, name) < least_s:
            yield RuleFault(
                f"rules.driving_time.{name}", f"must be at least {least_s:g} s", getattr(section, name)
            )
    for name in ("continuous_s", "night_s"):
        if getattr(section, name) > section.daily_s:
            rule = "must not be above rules.driving_time.daily_s, which would be reached first"
            yield RuleFault(f"rules.driving_time.{name}", rule, getattr(section, name))
    first, last = section.night
    if first % 24 == last % 24:
        yield RuleFault("rules.driving_time.night", "must be two hours of the day", section.night)


def roles_read(rules: RulesConfig) -> dict[str, Sequence[str]]:
    """Return the roles of zones that a site's rules read, by their keys."""
    lists: dict[str, Sequence[str]] = {"rules.stop_zone_roles": rules.stop_zone_roles}
    for rule in ("zone_entry", "zone_exit", "time_window", "closed_road", "convoy"):
        lists[f"rules.{rule}.roles"] = section_of(rules, rule).roles
    return lists


def faults_of_names(
    rules: RulesConfig,
    roles: Collection[str],
    roads: Collection[str],
    lanes: Collection[str] | None = None,
    zones: Collection[str] | None = None,
) -> Iterator[RuleFault]:
    """Yield the names in a site's rules that nothing on its map has.

    roles : of the zones on the map.  roads : of its lanes.  lanes, zones : its own; None: they are not asked
    """
    known = {*ROLES, *roles}
    for key, names in roles_read(rules).items():
        for name in names:
            if name not in known:
                yield RuleFault(key, f"must be roles of zones: {', '.join(sorted(known))}", name)
    closures = section_of(rules, "closed_road").closures
    of_roads = {f"rules.speed_limits[{k}].roads": row.roads for k, row in enumerate(rules.speed_limits)}
    of_roads |= {f"rules.closed_road.closures[{k}].roads": row.roads for k, row in enumerate(closures)}
    for key, names in (of_roads | {"rules.expressways": rules.expressways}).items():
        for name in names:
            if name not in roads:
                yield RuleFault(key, f"must be roads of the map: {', '.join(sorted(roads))}", name)
    for k, exemption in enumerate(section_of(rules, "time_window").exempt if zones is not None else ()):
        for name in exemption.zones:
            if name not in (zones or ()):
                has = ", ".join(sorted(zones or ())) or "it has none"
                yield RuleFault(
                    f"rules.time_window.exempt[{k}].zones", f"must be zones of the map: {has}", name
                )
    for k, row in enumerate(closures if lanes is not None else ()):
        for name in row.lanes:
            if name not in (lanes or ()):
                yield RuleFault(f"rules.closed_road.closures[{k}].lanes", "must be lanes of the map", name)


def _shown(row: Hold) -> dict[str, Any]:
    return {"over": row.over, "for_s": row.for_s}
