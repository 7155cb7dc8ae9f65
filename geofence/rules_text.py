"""Rules as text: the `[rules]` table of a site file by itself, as it is published to RSUs. Pure."""

import tomllib
from collections.abc import Sequence

import msgspec

from core.errors import ConfigError
from core.tables import check_finite, value_at
from geofence.config import RulesConfig, VehicleConfig
from geofence.map.roadmap import RoadMap
from geofence.plausible import is_plain
from geofence.rule_checks import faults_of, faults_of_names

TEXT_MAX = 65_536  # characters: a hundred times what a whole book needs


class RulesFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The document: `[rules]` and its sections, nothing else."""

    rules: RulesConfig


def rules_of(text: str, where: str) -> RulesConfig:
    """Return the rules of a text, checked for what needs no site; ConfigError with key, rule and value.

    where : names the text in the error
    """
    if len(text) > TEXT_MAX:
        raise ConfigError(where, "", f"must have at most {TEXT_MAX} characters", len(text))
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:  # the latter: brackets within brackets
        raise ConfigError(where, "", f"is no TOML: {error}") from error
    check_finite(tables, where)
    try:
        rules = msgspec.convert(tables, RulesFile).rules
    except msgspec.ValidationError as error:
        rule, _, path = str(error).partition(" - at `$.")
        key = path.rstrip("`")
        raise ConfigError(where, key, rule, value_at(tables, key)) from error
    if not is_plain(rules.version):
        raise ConfigError(where, "rules.version", "must be plain text", rules.version)
    return rules


def check_rules(rules: RulesConfig, road: RoadMap, vehicles: Sequence[VehicleConfig], where: str) -> None:
    """Refuse (ConfigError) rules that make no sense, or name what a site does not have."""
    roles = {role for zone in road.zones for role in zone.roles}
    roads = {lane.road for lane in road.lanes}
    lanes, zones = {lane.lane for lane in road.lanes}, {zone.zone for zone in road.zones}
    for fault in (*faults_of(rules, vehicles), *faults_of_names(rules, roles, roads, lanes, zones)):
        raise ConfigError(where, *fault)
