"""What a change of `[rules]` means for what is judged now. Pure.

The rule: an episode of a rule whose own settings changed closes with the reason `rules_changed`, and the
rule's evidence starts anew; every other episode stays open and every other rule keeps its evidence, unless
the wanted rate of false alarms changed, from which all thresholds of evidence follow.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from geofence.carry import CarriedEvidence, CarriedHistory, CarriedJudgement, MonitorState
from geofence.config import RulesConfig, section_of
from geofence.grading import RuleSettings
from geofence.rules import MEASURED, REGISTRY

CLOSED = "rules_changed"  # `reason` of a close
RATE = "false_alarms_per_vehicle_hour"


class RuleChanges(NamedTuple):
    """The rules whose own settings differ, and those whose evidence starts anew."""

    rules: frozenset[str]
    anew: frozenset[str]


def changes(old: RulesConfig, new: RulesConfig) -> RuleChanges:
    """Return what differs between two rule books."""
    differs = {key for key in RuleSettings.__struct_fields__ if getattr(old, key) != getattr(new, key)}
    rules = {
        rule.name
        for rule in REGISTRY
        if section_of(old, rule.name) != section_of(new, rule.name) or not differs.isdisjoint(rule.keys)
    }
    return RuleChanges(frozenset(rules), frozenset(rules | (set(MEASURED) if RATE in differs else set())))


def differences(old: Any, new: Any, key: str = "rules") -> Iterable[tuple[str, object, object]]:
    """Yield each key that differs, with its old and new value, in the order of the fields."""
    if isinstance(old, msgspec.Struct) and type(old) is type(new):
        for name in old.__struct_fields__:
            yield from differences(getattr(old, name), getattr(new, name), f"{key}.{name}")
    elif old != new:
        yield key, msgspec.to_builtins(old), msgspec.to_builtins(new)


def without(state: MonitorState, anew: frozenset[str]) -> MonitorState:
    """Return the state of a monitor without the evidence of these rules."""
    judgements = tuple(_judgement_without(one, anew) for one in state.judgements)
    return msgspec.structs.replace(state, judgements=judgements)


def _judgement_without(one: CarriedJudgement, anew: frozenset[str]) -> CarriedJudgement:
    history = one.history
    kept = CarriedHistory(
        stamp_ns=history.stamp_ns,
        columns=history.columns,
        value={name: column for name, column in history.value.items() if name not in anew},
        sigma={name: column for name, column in history.sigma.items() if name not in anew},
    )
    rules = {name: _cleared(was) if name in anew else was for name, was in one.rules.items()}
    return msgspec.structs.replace(one, rules=rules, history=kept)


def _cleared(was: CarriedEvidence) -> CarriedEvidence:
    """Return evidence as after a close: that the vehicle was seen to keep the rule stays."""
    return CarriedEvidence(kept_s=was.kept_s, last_over_ns=was.last_over_ns, judged_ns=was.judged_ns)
