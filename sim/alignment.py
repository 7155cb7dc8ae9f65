"""A road's axis as straight lines and circular arcs: exact, so that truth needs no polyline. Site metres.

This is the simulator's own geometry; it is not the locator of `geofence`, and holds that one to account.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import F64

_STRAIGHT = 1e-12  # curvature below this is a line [1/m]
_NEWTON_STEPS = 4  # each gains a factor of radius over offset: from 20 m off to 1e-9 m


@dataclass(frozen=True, slots=True)
class Alignment:
    """Pieces of constant curvature, each starting where the last one ends; beyond both ends straight on."""

    start_m: F64  # (n,) station where the piece begins
    east_m: F64  # (n,) there
    north_m: F64
    heading_rad: F64  # (n,) there, counter-clockwise from east
    curvature_pm: F64  # (n,) left bends positive [1/m]
    length_m: float

    def at(self, s_m: F64, d_m: F64) -> tuple[F64, F64, F64]:
        """Return east, north [m] and the axis' heading [rad] at station s and offset d (left positive)."""
        s = np.asarray(s_m, dtype=np.float64)
        i = self._piece(s)
        along = s - self.start_m[i]
        curvature = self.curvature_pm[i]
        heading0 = self.heading_rad[i]
        heading = heading0 + curvature * along
        bent = np.abs(curvature) > _STRAIGHT
        safe = np.where(bent, curvature, 1.0)
        east = np.where(bent, (np.sin(heading) - np.sin(heading0)) / safe, along * np.cos(heading0))
        north = np.where(bent, (np.cos(heading0) - np.cos(heading)) / safe, along * np.sin(heading0))
        return (
            self.east_m[i] + east - d_m * np.sin(heading),
            self.north_m[i] + north + d_m * np.cos(heading),
            heading,
        )

    def curvature_at(self, s_m: F64) -> F64:
        """Return the curvature [1/m] at the stations."""
        return np.asarray(self.curvature_pm[self._piece(np.asarray(s_m, dtype=np.float64))])

    def of(self, east_m: F64, north_m: F64, near_s_m: F64) -> tuple[F64, F64]:
        """Return station and offset of points whose station is known to some 50 m."""
        s = np.array(np.broadcast_to(near_s_m, np.shape(east_m)), dtype=np.float64)
        d = np.zeros_like(s)
        for _ in range(_NEWTON_STEPS):
            east, north, heading = self.at(s, np.zeros_like(s))
            away_e, away_n = east_m - east, north_m - north
            d = -away_e * np.sin(heading) + away_n * np.cos(heading)
            s += (away_e * np.cos(heading) + away_n * np.sin(heading)) / (1.0 - self.curvature_at(s) * d)
        return s, d

    def _piece(self, s: F64) -> np.ndarray:
        return np.clip(np.searchsorted(self.start_m, s, side="right") - 1, 0, len(self.start_m) - 1)


def alignment_of(points_m: Sequence[tuple[float, float]], radii_m: Sequence[float]) -> Alignment:
    """Return the axis through tangent points (east, north), each corner rounded by an arc of its radius.

    The first and last radius are not used. Raises ValueError where two arcs would overlap.
    """
    pieces: list[tuple[float, float, float, float, float]] = []  # east, north, heading, curvature, length
    at = np.array(points_m[0])
    for before, corner, after, radius in zip(
        points_m[:-2], points_m[1:-1], points_m[2:], radii_m[1:-1], strict=True
    ):
        heading = math.atan2(corner[1] - before[1], corner[0] - before[0])
        turn = math.atan2(after[1] - corner[1], after[0] - corner[0]) - heading
        turn = math.atan2(math.sin(turn), math.cos(turn))
        tangent = radius * math.tan(abs(turn) / 2)
        way = np.array([math.cos(heading), math.sin(heading)])
        straight = float(np.dot(np.array(corner) - at, way)) - tangent
        if straight < 0.0:
            raise ValueError(f"the arc of radius {radius} m at {corner} does not fit")
        pieces.append((float(at[0]), float(at[1]), heading, 0.0, straight))
        at = at + straight * way
        pieces.append(
            (float(at[0]), float(at[1]), heading, math.copysign(1 / radius, turn), radius * abs(turn))
        )
        heading += turn
        at = np.array(corner) + tangent * np.array([math.cos(heading), math.sin(heading)])
    last = np.array(points_m[-1]) - at
    pieces.append(
        (float(at[0]), float(at[1]), math.atan2(last[1], last[0]), 0.0, float(np.hypot(last[0], last[1])))
    )
    east, north, headings, curvature, lengths = (np.array(column) for column in zip(*pieces, strict=True))
    ends = np.cumsum(lengths)
    return _straight_beyond(Alignment(ends - lengths, east, north, headings, curvature, float(ends[-1])))


def _straight_beyond(axis: Alignment) -> Alignment:
    """Both outermost pieces are lines already: `at` extrapolates them."""
    assert abs(axis.curvature_pm[0]) < _STRAIGHT, "begins straight"
    assert abs(axis.curvature_pm[-1]) < _STRAIGHT, "ends straight"
    return axis
