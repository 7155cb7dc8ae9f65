"""Faults between lanes that lie over each other on one level."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import shapely

from core.arrays import F1, F2, F64, I32, I64, I32x1, I32x2
from core.kernel import checked_once, kernel
from geofence.map.cells import cell_of
from geofence.map.checks.topology import SAME_WAY, STEP_M
from geofence.map.faults import NAMED_MAX, Faults
from geofence.map.reading import Lane
from geofence.map.strips import (
    END_RAIL,
    LEFT_EDGE,
    LEFT_START,
    LEVEL,
    RIGHT_EDGE,
    RIGHT_END,
    RIGHT_START,
    START_RAIL,
    WAY,
    Strips,
)

HOLDERS = 4  # other lanes over one place, at most
# A place of two lanes lies so far inside the edges of each: in a taper's thin end no place does that its
# neighbour holds by the chords of their common line
INSIDE_M = STEP_M / 2
FORK_M = 300.0  # along lanes: within it those that fork or merge may still lie over each other
MIDDLES = 33  # places of a line between two boundaries
PAIRS_MAX = 10_000  # of lanes, that are looked at one by one


class Over(NamedTuple):
    """Pairs of lanes over each other: a < b, and of the first place the cosine of their ways."""

    a: I64
    b: I64
    cosine: F64
    place: F64  # (n, 2)


@kernel(inner=True)
def _left_of(east: float, north: float, quads: F2, j: int, corner: int, line: int) -> float:
    """Return how far a place is to the left of a line of quad j [m]."""
    return float(
        quads[j, line] * (north - quads[j, corner + 1]) - quads[j, line + 1] * (east - quads[j, corner])
    )


@kernel(inner=True)
def _holds(east: float, north: float, quads: F2, j: int, inside_m: float) -> bool:
    """Return whether quad j holds a place, so far inside its left and right edges."""
    return (
        _left_of(east, north, quads, j, RIGHT_START, START_RAIL) <= 0.0
        and _left_of(east, north, quads, j, RIGHT_END, END_RAIL) >= 0.0
        and _left_of(east, north, quads, j, RIGHT_START, RIGHT_EDGE) >= inside_m
        and _left_of(east, north, quads, j, LEFT_START, LEFT_EDGE) <= -inside_m
    )


@kernel
def _find_over(east: F1, north: F1, own: I32x1, strips: Strips, out: I32x2) -> None:
    """Fill out (n, HOLDERS) with quads of other lanes of one level over places of quads `own`; -1: none."""
    quads, grid = strips.quads, strips.grid
    for i in range(len(east)):
        x, y, j = east[i], north[i], own[i]
        for k in range(HOLDERS):
            out[i, k] = -1
        cell = cell_of(x, y, grid)
        if cell < 0 or not _holds(x, y, quads, j, 0.0):
            continue
        n, lane = 0, strips.lane[j]
        for k in range(grid.start[cell], grid.start[cell + 1]):
            other = grid.items[k]
            theirs = strips.lane[other]
            if theirs == lane or n == HOLDERS or quads[other, LEVEL] != quads[j, LEVEL]:
                continue
            if _holds(x, y, quads, other, INSIDE_M):
                out[i, n] = other
                n += 1


_find_over_once = checked_once(_find_over)


def check_overlaps(lanes: tuple[Lane, ...], strips: Strips, faults: Faults) -> None:
    """Find lanes of one level that lie over each other, but for those that fork or merge."""
    if not lanes:
        return
    forks, named = Forks(lanes), 0
    crossing = _check_crossings(lanes, forks, faults)
    over = find_over(strips)
    for k in np.flatnonzero(np.abs(over.cosine) > SAME_WAY)[:PAIRS_MAX].tolist():
        a, b = int(over.a[k]), int(over.b[k])
        if named >= NAMED_MAX or (a, b) in crossing or forks.join(a, b):
            continue
        if not shapely.crosses(*_middles((lanes[a], lanes[b]))):
            rule = f"it overlaps lane {lanes[b].lane}, which has its level {lanes[a].level}"
            faults.error(f"lane {lanes[a].lane}", rule, over.place[k])
            named += 1


def _check_crossings(lanes: tuple[Lane, ...], forks: "Forks", faults: Faults) -> set[tuple[int, int]]:
    """Find lanes of one level that cross each other, maybe at a junction; return the pairs."""
    lines = _middles(lanes)
    levels = np.array([lane.level for lane in lanes])
    a, b = shapely.STRtree(lines).query(lines, predicate="crosses")
    crossing: set[tuple[int, int]] = set()
    for i, j in zip(a.tolist(), b.tolist(), strict=True):
        if i >= j or levels[i] != levels[j] or len(crossing) >= NAMED_MAX or forks.join(i, j):
            continue
        crossing.add((i, j))
        rule = f"it crosses lane {lanes[j].lane} on its level {lanes[i].level}: is one of them a bridge?"
        place = shapely.get_coordinates(shapely.intersection(lines[i], lines[j]))[0]
        faults.warning(f"lane {lanes[i].lane}", rule, place)
    return crossing


def find_over(strips: Strips) -> Over:
    """Return the pairs of lanes of one level that lie over each other by more than STEP_M."""
    places, own = _samples(strips)
    out: I32 = np.empty((len(own), HOLDERS), dtype=np.int32)
    east, north = np.ascontiguousarray(places[:, 0]), np.ascontiguousarray(places[:, 1])
    _find_over_once(east, north, own, strips, out)
    at, k = np.nonzero(out >= 0)
    mine, theirs = own[at], out[at, k]
    ways = strips.quads[:, WAY : WAY + 2]
    cosine = (ways[mine] * ways[theirs]).sum(axis=1)
    a, b = strips.lane[mine].astype(np.int64), strips.lane[theirs].astype(np.int64)
    low, high = np.minimum(a, b), np.maximum(a, b)
    _, first = np.unique(low * (len(strips.lanes) + 1) + high, return_index=True)
    return Over(low[first], high[first], cosine[first], places[at[first]])


def _samples(strips: Strips) -> tuple[F64, I32]:
    """Return places (n, 2) in quads, INSIDE_M inside their right and left edges, and the quads' numbers."""
    quads = strips.quads
    starts, ends = quads[:, RIGHT_START : RIGHT_START + 2], quads[:, RIGHT_END : RIGHT_END + 2]
    long = np.hypot(*(ends - starts).T)[:, None]
    left_of = [np.column_stack([-quads[:, edge + 1], quads[:, edge]]) for edge in (RIGHT_EDGE, LEFT_EDGE)]
    right = (starts + ends) / 2 + INSIDE_M * left_of[0]
    left = (
        quads[:, LEFT_START : LEFT_START + 2]
        + long / 2 * quads[:, LEFT_EDGE : LEFT_EDGE + 2]
        - INSIDE_M * left_of[1]
    )
    own = np.arange(len(quads), dtype=np.int32)
    return np.vstack([right, left]), np.concatenate([own, own])


def _middles(lanes: tuple[Lane, ...]) -> Any:
    """Return a line between both boundaries of each lane, (m,) geometries."""
    t = np.linspace(0.0, 1.0, MIDDLES)
    sides = []
    for boundaries in ([lane.left_boundary for lane in lanes], [lane.right_boundary for lane in lanes]):
        lines = np.array([shapely.LineString(line) for line in boundaries], dtype=object)
        points = shapely.line_interpolate_point(lines[:, None], t, normalized=True)
        sides.append(shapely.get_coordinates(points).reshape(len(lanes), MIDDLES, 2))
    return shapely.linestrings((sides[0] + sides[1]) / 2)


class Forks:
    """Which lanes come from one lane, or lead into one, within FORK_M."""

    def __init__(self, lanes: tuple[Lane, ...]) -> None:
        number = {lane.lane: i for i, lane in enumerate(lanes)}
        self._after = [[number[name] for name in lane.successors if name in number] for lane in lanes]
        self._before: list[list[int]] = [[] for _ in lanes]
        for i, following in enumerate(self._after):
            for j in following:
                self._before[j].append(i)
        self._lanes = lanes

    def join(self, a: int, b: int) -> bool:
        """Return whether lanes a and b fork or merge, or one branches off the other."""
        if b in self._after[a] or a in self._after[b]:
            return True
        return any(
            not set(self._reached(a, way)).isdisjoint(self._reached(b, way))
            for way in (self._before, self._after)
        )

    def _reached(self, i: int, way: list[list[int]]) -> Iterator[int]:
        """Return lanes that follow lane i, one way, within FORK_M."""
        seen, ahead = {i}, [(j, 0.0) for j in way[i]]
        while ahead:
            j, after_m = ahead.pop()
            yield j
            far_m = after_m + float(np.hypot(*np.diff(self._lanes[j].left_boundary, axis=0).T).sum())
            if j not in seen and far_m < FORK_M:
                ahead += [(k, far_m) for k in way[j]]
            seen.add(j)
