"""Alignments as engineers draw them: straights, clothoids, arcs, and lines beside them. Site metres."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

STEP_M = 0.25  # of the integration


@dataclass(frozen=True)
class Alignment:
    """A line by its curvature, which changes linearly within each element."""

    east_m: float
    north_m: float
    heading_rad: float
    elements: tuple[tuple[float, float, float], ...]  # length [m], curvature at its start and end [1/m]
    is_reversed: bool = False

    @property
    def length_m(self) -> float:
        return sum(element[0] for element in self.elements)

    @cached_property
    def _table(self) -> tuple[Any, ...]:
        knots = np.concatenate([[0.0], np.cumsum([element[0] for element in self.elements])])
        s = np.linspace(0.0, knots[-1], int(np.ceil(knots[-1] / STEP_M)) + 1)
        at = np.clip(np.searchsorted(knots, s, side="right") - 1, 0, len(self.elements) - 1)
        length, first, last = np.array(self.elements).T
        bend = first[at] + (last[at] - first[at]) * (s - knots[at]) / length[at]
        middle = (bend[1:] + bend[:-1]) / 2 * np.diff(s)
        heading = self.heading_rad + np.concatenate([[0.0], np.cumsum(middle)])
        half = (heading[1:] + heading[:-1]) / 2
        east = self.east_m + np.concatenate([[0.0], np.cumsum(np.cos(half) * np.diff(s))])
        north = self.north_m + np.concatenate([[0.0], np.cumsum(np.sin(half) * np.diff(s))])
        return s, east, north, heading, bend

    def _at(self, s: Any) -> Any:
        return self.length_m - np.asarray(s, float) if self.is_reversed else np.asarray(s, float)

    def heading(self, s: Any) -> Any:
        """The direction at stations [rad], counter-clockwise from east."""
        turned = np.pi if self.is_reversed else 0.0
        return np.interp(self._at(s), self._table[0], self._table[3]) + turned

    def bend(self, s: Any) -> Any:
        """The curvature at stations [1/m], positive to the left."""
        sign = -1.0 if self.is_reversed else 1.0
        return sign * np.interp(self._at(s), self._table[0], self._table[4])

    def points(self, s: Any, offset_m: Any = 0.0) -> Any:
        """Places (n, 2) at stations, left of the line by an offset."""
        at, heading = self._at(s), self.heading(s)
        east, north = (np.interp(at, self._table[0], self._table[k]) for k in (1, 2))
        aside = np.broadcast_to(offset_m, np.shape(s))
        return np.column_stack([east - aside * np.sin(heading), north + aside * np.cos(heading)])

    def backwards(self) -> "Alignment":
        """The same line the other way."""
        return Alignment(self.east_m, self.north_m, self.heading_rad, self.elements, not self.is_reversed)


def bends(rng: Any, length_m: float, tightest_m: float, widest_m: float = 3_000.0) -> list[Any]:
    """Elements of a road of about a length: straights, bends of both sides between clothoids, S-bends."""
    elements: list[tuple[float, float, float]] = []
    while sum(element[0] for element in elements) < length_m:
        radius = float(np.exp(rng.uniform(np.log(tightest_m), np.log(widest_m))))
        bend = rng.choice([-1.0, 1.0]) / radius
        turn = rng.uniform(0.1, min(1.2, 900.0 / radius))
        clothoid_m = rng.uniform(0.25, 0.6) * turn * radius
        arc_m = max(5.0, turn * radius - clothoid_m)
        if rng.random() < 0.6 or not elements:  # else the next bend follows at once: an S
            elements.append((rng.uniform(40.0, 400.0), 0.0, 0.0))
        elements += [(clothoid_m, 0.0, bend), (arc_m, bend, bend), (clothoid_m, bend, 0.0)]
    return elements


def vertices(
    rng: Any, line: Alignment, ends_m: tuple[float, float], kinks_m: Any, offset_m: Any, draw: "Drawing"
) -> Any:  # fmt: skip
    """Stations of a boundary's vertices: as many as its bends need, and as uneven as surveyors leave them.

    kinks_m : stations that have one in any case
    """
    from_m, to_m = ends_m
    at, found = from_m, [from_m]
    while at < to_m:
        ahead = np.linspace(at, min(at + draw.step_m, to_m), 12)
        bend = np.abs(line.bend(ahead))
        stretched = 1.0 + np.abs(line.bend(ahead) * offset_m)
        enough = np.sqrt(8.0 * draw.chord_m / np.maximum(bend, 1e-9)) / stretched
        step = min(draw.step_m, float(enough.min()))
        at += step * rng.uniform(1.0 - draw.uneven, 1.0)
        found.append(at)
    found = [s for s in found if s < to_m - 0.1 and all(abs(s - kink) > 0.1 for kink in kinks_m)]
    return np.sort(np.array([from_m, *found[1:], *kinks_m, to_m]))


@dataclass(frozen=True)
class Drawing:
    """How a surveyor draws."""

    step_m: float  # between vertices of a straight
    chord_m: float  # beside the bend, at most
    uneven: float  # 0: even steps
    noise_m: float  # 1 sigma of a vertex
    shares_vertices: bool  # neighbours have the same vertices
