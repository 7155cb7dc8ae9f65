"""Converts values to JSON that JavaScript reads without loss. Pure.

A module of its own, because three kinds of answers use it and it knows none of them.
"""

import math
from typing import Any

from geofence.plausible import plain

DEPTH_MAX = 8
EXACT_MAX = 2**53  # JavaScript rounds integers beyond


def json_safe(value: Any, key: str = "", depth: int = 0) -> Any:
    """Return `value` with decimal strings for integers that JavaScript rounds: `…_ns`, `track`, huge ones.

    Lists under such a key are converted item by item. Bytes become hex; NaN, infinity and values deeper than
    DEPTH_MAX become None; characters that are not plain become their code.
    """
    if depth > DEPTH_MAX:
        return None
    if isinstance(value, dict):
        items = ((str(name), inner) for name, inner in value.items())
        return {plain(name): json_safe(inner, name, depth + 1) for name, inner in items}
    if isinstance(value, (list, tuple)):
        return [json_safe(inner, key, depth + 1) for inner in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and (key.endswith("_ns") or key == "track" or abs(value) > EXACT_MAX):
        return str(value)
    return value if isinstance(value, int) else None
