"""How the desk ranks alarms and how long they may wait, from the site. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from centre.desk.priority import LOWEST, Priority, Road, priority_of, rules_with, shipped
from centre.desk.reading import Facts
from centre.desk.scripts import scripts_with
from edge.sections import DeskConfig, ExerciseConfig, PriorityRuleConfig
from geofence.rules import REGISTRY

NS = 1e9
VIOLATIONS = frozenset(rule.violation for rule in REGISTRY)


class Policy(NamedTuple):
    """The site's rules for priorities and deadlines."""

    rules: Sequence[PriorityRuleConfig]
    road: Road
    deadlines_s: Sequence[float]
    escalate_s: float
    of_rule: dict[str, Sequence[PriorityRuleConfig]]  # the rules that may match a violation of each rule
    exercises: Mapping[str, ExerciseConfig]  # the scripts by name

    @property
    def words(self) -> list[dict[str, str]]:
        """Return what `why` can say, in both languages."""
        rules = [(each.code, each.zh, each.en) for each in self.rules]
        rules += [(each.code, each.zh, each.en) for each in shipped().loss]
        return [dict(zip(("code", "zh", "en"), rule, strict=True)) for rule in rules]

    def rank(self, facts: Facts) -> Priority:
        """Return the priority of a violation."""
        found = self.of_rule.get(facts.rule)
        if found is None:
            found = [each for each in self.rules if not each.rules or facts.rule in each.rules]
            if facts.rule in VIOLATIONS:  # no other name is kept: what an RSU sends could be anything
                self.of_rule[facts.rule] = found
        return priority_of(facts, found, self.road)

    def acknowledge_by(self, priority: int, now_ns: int) -> int:
        """Return until when an alarm that is raised now must be acknowledged."""
        return now_ns + round(self.deadlines_s[min(priority, LOWEST) - 1] * NS)

    def handle_by(self, now_ns: int) -> int:
        """Return until when an alarm that is acknowledged, or late, now must be handled."""
        return now_ns + round(self.escalate_s * NS)

    def held_by(self, row: Mapping[str, Any], shelves: Sequence[Mapping[str, Any]]) -> int | None:
        """Return the first shelf that takes an alarm; None: it is not shelved. None takes priority 1."""
        if row["priority"] == 1 or row["exercise"]:
            return None
        return next((shelf["n"] for shelf in shelves if is_shelved(row, shelf)), None)


def policy_of(config: DeskConfig, road: Road) -> Policy:
    """Return the policy of a site."""
    scripts = scripts_with(config.exercise)
    return Policy(rules_with(config.rule), road, config.deadlines_s, config.escalate_s, {}, scripts)


def is_shelved(row: Mapping[str, Any], shelf: Mapping[str, Any]) -> bool:
    """Say whether a shelf takes an alarm: all that it names must fit.

    A loss of view has the name of its part as `esn`: the RSU, or RSU/radar. A shelf of an RSU takes the
    losses of its radars too; one of a radar takes nothing else.
    """
    if shelf["plate"] is not None and shelf["plate"] not in (row["plate"], row["marked"]):
        return False
    if shelf["terminal"] is not None and shelf["terminal"] != row["vehicle"]:
        return False
    if shelf["esn"] is not None and shelf["esn"] not in (row["esn"], row["esn"].partition("/")[0]):
        return False
    if shelf["rule"] is not None and shelf["rule"] != row["rule"]:
        return False
    if shelf["from_m"] is None:
        return True
    return row["s_m"] is not None and shelf["from_m"] <= row["s_m"] <= shelf["to_m"]
