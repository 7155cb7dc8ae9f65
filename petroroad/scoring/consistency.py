"""Normalised squared errors of each axis by class of track: 1 where sigma equals the error. Pure.

NEES after Bar-Shalom, Li, Kirubarajan (2001), 5.4.2, here of one axis at a time; axes lie along and across
the true heading. `state` is the whole e' P^-1 e / 4.
"""

from dataclasses import dataclass, field

import numpy as np

from core.arrays import F64, I64
from petroroad.scoring.frames import TracksNow, TruthNow

CLASSES = ("radar_nameless", "radar_named", "gnss", "coasting")
AXES = ("along", "across", "v_along", "v_across", "state")


@dataclass(slots=True)
class Consistency:
    """Adds up frame by frame; rows are classes, columns axes."""

    _sum: F64 = field(default_factory=lambda: np.zeros((len(CLASSES), len(AXES))))
    _n: I64 = field(default_factory=lambda: np.zeros((len(CLASSES), len(AXES)), dtype=np.int64))

    def add(self, truth: TruthNow, tracks: TracksNow, hit: I64, at: I64) -> None:
        """Add the errors of the vehicles `hit` (k,) against their tracks `at` (k,).

        A vehicle whose fixes are manipulated is left out: no honest sigma covers a lie.
        """
        honest = ~truth.manipulated[hit]
        hit, at = hit[honest], at[honest]
        if not len(hit):
            return
        c, s = np.cos(truth.heading_rad[hit]), np.sin(truth.heading_rad[hit])
        error = np.stack(
            [
                tracks.east_m[at] - truth.east_m[hit],
                tracks.north_m[at] - truth.north_m[hit],
                tracks.east_mps[at] - truth.east_mps[hit],
                tracks.north_mps[at] - truth.north_mps[hit],
            ],
            axis=1,
        )
        squares = np.full((len(hit), len(AXES)), np.nan)
        if tracks.covariance is None:
            sigma = tracks.sigma_m[at]
            across = c * error[:, 1] - s * error[:, 0]
            np.divide(across**2, sigma**2, out=squares[:, 1], where=sigma > 0.0)
        else:
            turn = np.zeros((len(hit), 4, 4))  # from east, north to along, across
            for k in (0, 2):
                turn[:, k, k], turn[:, k, k + 1] = c, s
                turn[:, k + 1, k], turn[:, k + 1, k + 1] = -s, c
            whole = tracks.covariance[at]
            turned = np.einsum("kij,kj->ki", turn, error)
            covariance = turn @ whole @ turn.transpose(0, 2, 1)
            squares[:, :4] = turned**2 / np.einsum("kii->ki", covariance)
            weighed = np.linalg.solve(whole, error[..., None])[..., 0]
            squares[:, 4] = np.einsum("ki,ki->k", error, weighed) / 4.0
        known = np.isfinite(squares)
        kind = classes_of(tracks)[at]
        np.add.at(self._sum, kind, np.where(known, squares, 0.0))
        np.add.at(self._n, kind, known.astype(np.int64))

    def figures(self) -> dict[str, dict[str, float | int | None]]:
        """Return by class the count of errors and the mean of each axis; None where nothing was measured."""
        found: dict[str, dict[str, float | int | None]] = {}
        for row, kind in enumerate(CLASSES):
            n = self._n[row].tolist()
            found[kind] = {"n": max(n)}
            for column, axis in enumerate(AXES):
                mean = float(self._sum[row, column]) / max(n[column], 1)
                found[kind][axis] = round(mean, 4) if n[column] else None
        return found


def classes_of(tracks: TracksNow) -> I64:
    """Return each track's row of CLASSES, (m,)."""
    named = np.array([name is not None for name in tracks.terminal], dtype=np.int64)
    by_radar = np.where(tracks.gnss, 2, 3)
    kind = np.where(tracks.radar, named, by_radar)
    return np.where(tracks.coasting, 3, kind).astype(np.int64)
