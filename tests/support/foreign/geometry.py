"""Paths of piecewise constant curvature: exact arcs, so that offsets, courses and speeds agree in bends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
PIECE_M = 2.0  # length of an arc; a transition between curvatures is a staircase of them


@dataclass(frozen=True, slots=True)
class Path:
    """A curve by stations from 0; columns (n,) state the start of each arc, in site metres."""

    s_m: F64
    east_m: F64
    north_m: F64
    heading_rad: F64  # counter-clockwise from east
    curvature_per_m: F64  # positive to the left
    length_m: float

    def curvature_at(self, s_m: Any) -> F64:
        return self.curvature_per_m[self._piece(s_m)]

    def heading_at(self, s_m: Any) -> F64:
        i = self._piece(s_m)
        return self.heading_rad[i] + self.curvature_per_m[i] * (np.asarray(s_m) - self.s_m[i])

    def place(self, s_m: Any, left_m: Any) -> tuple[F64, F64]:
        """Return east and north [m] of stations and offsets; beyond both ends the path goes on as it ends."""
        s = np.asarray(s_m, dtype=np.float64)
        i = self._piece(s)
        along, turn = s - self.s_m[i], self.curvature_per_m[i]
        half = turn * along / 2.0
        chord = along * np.sinc(half / np.pi)  # 2 sin(half) / curvature
        middle, heading = self.heading_rad[i] + half, self.heading_rad[i] + 2.0 * half
        east = self.east_m[i] + chord * np.cos(middle) - left_m * np.sin(heading)
        north = self.north_m[i] + chord * np.sin(middle) + left_m * np.cos(heading)
        return east, north

    def _piece(self, s_m: Any) -> NDArray[np.int64]:
        i = np.floor(np.asarray(s_m, dtype=np.float64) / PIECE_M).astype(np.int64)
        return np.clip(i, 0, len(self.s_m) - 1)


def path_of(
    start: tuple[float, float, float], length_m: float, bends: Sequence[tuple[float, float, float, float]]
) -> Path:
    """Return a path from (east, north, heading); straight but for its bends.

    bends : (from station, to station, curvature, length of either transition); they must not overlap
    """
    n = int(np.ceil(length_m / PIECE_M))
    s: F64 = np.arange(n, dtype=np.float64) * PIECE_M
    curvature = np.zeros(n)
    for from_m, to_m, value, transition_m in bends:
        middle = s + PIECE_M / 2.0
        share = np.minimum(middle - from_m, to_m - middle) / max(transition_m, 1e-9)
        curvature += value * np.clip(share, 0.0, 1.0)
    heading = start[2] + np.concatenate([[0.0], np.cumsum(curvature * PIECE_M)[:-1]])
    half = curvature * PIECE_M / 2.0
    chord = PIECE_M * np.sinc(half / np.pi)
    east = start[0] + np.concatenate([[0.0], np.cumsum(chord * np.cos(heading + half))[:-1]])
    north = start[1] + np.concatenate([[0.0], np.cumsum(chord * np.sin(heading + half))[:-1]])
    return Path(s, east, north, heading, curvature, length_m)


def ground_speed(path: Path, s_m: Any, left_m: Any, s_rate_mps: Any, left_rate_mps: Any) -> tuple[F64, F64]:
    """Return the velocity (east, north) [m/s] of a point whose station and offset change at these rates.

    In a bend of curvature k a point at offset d moves (1 - k d) times as fast as its station.
    """
    heading = path.heading_at(s_m)
    along = np.asarray(s_rate_mps) * (1.0 - path.curvature_at(s_m) * np.asarray(left_m))
    east = along * np.cos(heading) - left_rate_mps * np.sin(heading)
    north = along * np.sin(heading) + left_rate_mps * np.cos(heading)
    return east, north
