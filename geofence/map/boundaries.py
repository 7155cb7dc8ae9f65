"""The boundaries of all lanes of a map read at once, and which lanes' shapes need a closer look.

Both only sort out what is plainly right: whatever is not goes through the checks that name the fault.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import shapely

from core.arrays import F64, Bools
from geofence.map.frames import SiteFrame
from geofence.map.lines import lines_of

NUMBERS = frozenset({float, int})
LENGTH_M_MIN = 0.1
WIDTH_M = (0.11, 29.9)  # a little within the limits: rounding is for the closer look


def projected(shapes: Sequence[Any], frame: SiteFrame, points_max: int) -> dict[int, F64]:
    """Return lines (n, 2) in site metres by the id of their lists of coordinates; none unless all are right.

    shapes : geometries whose coordinates are lists of lines
    """
    rows: list[Any] = [shape.get("coordinates") if isinstance(shape, dict) else None for shape in shapes]
    if not all(type(row) is list for row in rows):
        return {}
    lines = list(chain.from_iterable(rows))
    if not lines or not all(type(line) is list and 2 <= len(line) <= points_max for line in lines):
        return {}
    points = list(chain.from_iterable(lines))
    if set(map(type, points)) != {list} or min(map(len, points)) < 2:
        return {}
    flat = list(chain.from_iterable(points if max(map(len, points)) == 2 else [p[:2] for p in points]))
    if not NUMBERS.issuperset(map(type, flat)):
        return {}
    try:
        lon, lat = np.array(flat, dtype=np.float64).reshape(-1, 2).T
    except OverflowError:  # a whole number of hundreds of digits
        return {}
    if not frame.within(lon, lat).all():
        return {}
    places = np.column_stack(frame.site_from_lonlat(lon, lat))
    ends = np.cumsum([len(line) for line in lines]).tolist()
    starts = [0, *ends[:-1]]
    return {id(line): places[a:b] for line, a, b in zip(lines, starts, ends, strict=True)}


def are_plain(left: Sequence[F64], right: Sequence[F64]) -> Bools:
    """Return which of n lanes have boundaries with length that cross nothing, and a width."""
    plain = np.ones(len(left), dtype=np.bool_)
    if not len(left):
        return plain
    lines: list[Any] = []
    length = np.zeros(len(left))
    for rows in (left, right):
        points, start = lines_of(rows)
        size = np.maximum.reduceat(points, start[:-1]) - np.minimum.reduceat(points, start[:-1])
        plain &= np.hypot(*size.T) > LENGTH_M_MIN
        of = np.repeat(np.arange(len(rows)), np.diff(start))
        shapes = shapely.linestrings(points, indices=of)
        plain &= shapely.is_simple(shapes)
        length += shapely.length(shapes)
        lines.append(shapes)
    rings, start = lines_of([np.vstack([r, le[::-1]]) for le, r in zip(left, right, strict=True)])
    ahead = np.arange(1, len(rings) + 1)
    ahead[start[1:] - 1] = start[:-1]
    twice = np.add.reduceat(rings[:, 0] * rings[ahead, 1] - rings[ahead, 0] * rings[:, 1], start[:-1])
    width_m = twice / np.maximum(length, LENGTH_M_MIN)
    plain &= (width_m > WIDTH_M[0]) & (width_m < WIDTH_M[1])
    clear: Bools = plain & ~shapely.crosses(*lines)
    return clear
