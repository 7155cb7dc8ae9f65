"""Whether `[rules]` and the registry make sense together: what a type alone can't show. Pure, no compiler."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from core.classes import ALLOWED
from geofence.config import RulesConfig, VehicleConfig, section_of
from geofence.grading import Grading, Hold
from geofence.rules import REGISTRY
from geofence.rules.base import Rule

# The roles of zones that docs/design.md section 11 names; others must be on the map
ROLES = ("no_entry", "no_exit", "inspection", "parking", "rest", "toll", "closed", "bridge", "tunnel")
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


def faults_of_names(
    rules: RulesConfig, roles: Collection[str], roads: Collection[str], lanes: Collection[str] | None = None
) -> Iterator[RuleFault]:
    """Yield the names in a site's rules that nothing on its map has.

    roles : of the zones on the map.  roads : of its lanes.  lanes : its lanes; None: they are not asked
    """
    known = {*ROLES, *roles}
    lists: dict[str, Sequence[str]] = {
        "rules.stop_zone_roles": rules.stop_zone_roles,
        "rules.zone_entry.roles": section_of(rules, "zone_entry").roles,
        "rules.zone_exit.roles": section_of(rules, "zone_exit").roles,
    }
    for rule in ("time_window", "closed_road", "convoy"):
        lists[f"rules.{rule}.roles"] = section_of(rules, rule).roles
    for key, names in lists.items():
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
    for k, row in enumerate(closures if lanes is not None else ()):
        for name in row.lanes:
            if name not in (lanes or ()):
                yield RuleFault(f"rules.closed_road.closures[{k}].lanes", "must be lanes of the map", name)


def _shown(row: Hold) -> dict[str, Any]:
    return {"over": row.over, "for_s": row.for_s}
