"""Tables that a TOML file holds: their numbers, and the value at a key. Pure."""

import re
from math import isfinite
from typing import Any

from core.errors import ConfigError


def check_finite(tables: Any, where: str, key: str = "") -> None:
    """Refuse nan and inf, which TOML can write and no bound from one side keeps out; raises ConfigError."""
    if isinstance(tables, dict):
        for name, value in tables.items():
            check_finite(value, where, f"{key}.{name}" if key else name)
    elif isinstance(tables, list | tuple):
        for i, value in enumerate(tables):
            check_finite(value, where, f"{key}[{i}]")
    elif isinstance(tables, float) and not isfinite(tables):
        raise ConfigError(where, key, "must be a finite number", tables)


def value_at(tables: Any, key: str) -> object:
    """Return the value at a path such as rsu[0].esn; None for a whole table, which can't be shown."""
    for part in re.findall(r"[^.\[\]]+", key):
        try:
            tables = tables[int(part)] if isinstance(tables, list) else tables[part]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return None if isinstance(tables, dict | list) else tables
