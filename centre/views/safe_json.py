"""Converts values to JSON that JavaScript reads without loss. Pure.

A module of its own, because three kinds of answers use it and it knows none of them.
"""

from math import isfinite
from typing import Any

from geofence.plausible import TEXT_LENGTH_MAX, plain

DEPTH_MAX = 8
EXACT_MAX = 2**53  # JavaScript rounds integers beyond
_NAMES: dict[str, tuple[str, bool]] = {}  # what `_name` returned, by key
NAMES_MAX = 2_048  # of them at most, since foreign keys come here too; the others are looked at each time


def json_safe(value: Any, key: str = "", depth: int = 0) -> Any:
    """Return `value` with decimal strings for integers that JavaScript rounds: `…_ns`, `track`, huge ones.

    Lists under such a key are converted item by item. Bytes become hex; NaN, infinity and values deeper than
    DEPTH_MAX become None; characters that are not plain become their code.
    """
    if depth > DEPTH_MAX:
        return None
    if isinstance(value, dict):
        return _members(value, depth + 1)
    if isinstance(value, (list, tuple)):
        if depth < DEPTH_MAX and all(type(each) is float for each in value):
            return [each if isfinite(each) else None for each in value]
        return [json_safe(inner, key, depth + 1) for inner in value]
    return _scalar(value, key)


def _members(values: dict[Any, Any], depth: int) -> dict[str, Any]:
    """Return the members of an object; most values are of a plain type, and an episode has sixty."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name, is_exact = _NAMES.get(key) or _name(str(key))
        kind = type(value)
        if value is None or depth > DEPTH_MAX:
            found[name] = None
        elif kind is float:
            found[name] = value if isfinite(value) else None
        elif kind is str:
            is_simple = value.isascii() and value.isprintable() and len(value) <= TEXT_LENGTH_MAX
            found[name] = value if is_simple else plain(value)
        elif kind is int:
            found[name] = str(value) if is_exact or abs(value) > EXACT_MAX else value
        elif kind is bool:
            found[name] = value
        elif kind is dict:
            found[name] = _members(value, depth + 1)
        else:
            found[name] = json_safe(value, str(key), depth)
    return found


def _name(key: str) -> tuple[str, bool]:
    """Return a member's name as it is shown, and whether its integers are strings."""
    shown = plain(key), _is_exact(key)
    if len(_NAMES) < NAMES_MAX:
        _NAMES[key] = shown
    return shown


def _is_exact(key: str) -> bool:
    """Say whether integers under this name are decimal strings, however small they are."""
    return key.endswith("_ns") or key == "track"


def _scalar(value: Any, key: str) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, int):
        return value if isinstance(value, bool) else None
    return str(value) if _is_exact(key) or abs(value) > EXACT_MAX else value
