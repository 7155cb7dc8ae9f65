"""Numbers and points of a CommonRoad element. Pure."""

import math
from xml.etree.ElementTree import Element

COORDINATE_MAX = 1e8


def float_of(text: str | None) -> float | None:
    """Return a finite number; None where the text is none."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= COORDINATE_MAX else None


def is_interval(element: Element | None) -> bool:
    """Say whether a number is uncertain: an interval instead of an exact value."""
    return element is not None and element.find("exact") is None and element.find("intervalStart") is not None


def interval_of(element: Element | None) -> float | None:
    """Return an exact number, or the middle of an interval."""
    if element is None:
        return None
    exact = float_of(element.findtext("exact"))
    if exact is not None:
        return exact
    low, high = float_of(element.findtext("intervalStart")), float_of(element.findtext("intervalEnd"))
    return None if low is None or high is None else (low + high) / 2.0


def point_of(element: Element | None) -> tuple[float, float] | None:
    """Return x and y [m]."""
    if element is None:
        return None
    x, y = float_of(element.findtext("x")), float_of(element.findtext("y"))
    return None if x is None or y is None else (x, y)
