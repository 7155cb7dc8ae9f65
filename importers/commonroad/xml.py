"""Numbers, points and elements of a CommonRoad file; a file that ends too early gives its whole elements."""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

COORDINATE_MAX = 1e8


def elements(path: Path, counts: Counter[str]) -> Iterator[tuple[int, Element]]:
    """Yield the root as (0, element) when it begins and its children as (1, element) when they end."""
    depth = 0
    try:
        for event, element in _events(path):
            depth -= event == "end"
            if (event, depth) in (("start", 0), ("end", 1)):
                yield depth, element
            depth += event == "start"
    except ParseError:
        counts["xml_broken"] += 1  # cut off, or no XML from here on: the elements before are kept


def _events(path: Path) -> Iterator[tuple[str, Element]]:
    # expat itself bounds the expansion of entities
    parser: XMLPullParser[Element] = XMLPullParser(("start", "end"))
    with path.open("rb") as file:
        while piece := file.read(65_536):
            parser.feed(piece)
            yield from cast("Iterator[tuple[str, Element]]", parser.read_events())
    parser.close()
    yield from cast("Iterator[tuple[str, Element]]", parser.read_events())


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
