"""Files with rules: a whole site file, or one with `[rules]` alone."""

import tomllib
from pathlib import Path

from core.errors import ConfigError
from edge.config import Site, read_text
from edge.site_map import road_of
from geofence.config import RulesConfig
from geofence.rules_text import check_rules, rules_of
from petroroad.toml_text import dumps


def rules_text(path: Path) -> str:
    """Return the `[rules]` of a file as a text of its own; ConfigError where it has none."""
    try:
        tables = tomllib.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(str(path), "", f"can't be read: {error}") from error
    if not isinstance(tables.get("rules"), dict):
        raise ConfigError(str(path), "rules", "must be a table of this file")
    return dumps({"rules": tables["rules"]})


def checked_rules(path: Path, site: Site | None) -> RulesConfig:
    """Return the rules of a file; ConfigError where they make no sense, for the site if one is given."""
    rules = rules_of(rules_text(path), str(path))
    if site is not None:
        check_rules(rules, road_of(site), site.vehicles, str(path))
    return rules
