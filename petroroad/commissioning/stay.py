"""How long the point of a body that a radar sees stays where it is: from the places across the beam, by lag.

Half the mean square difference of two places of one vehicle that are `lag` apart (a variogram, Matheron 1963)
is what is new in each scan, plus what the point has moved by since, plus what the fixes drift by, which grows
with the lag:

    w + s (1 - exp(-lag / stay)) + g lag

Differences need no true place, only one whose error drifts.
"""

from itertools import product
from typing import NamedTuple

import numpy as np

from core.arrays import F64, I64

LAG_S_MAX = 4.0  # a point that stays for a second has left by then; the fixes have drifted little
STAYS_S = np.geomspace(0.05, 2.0, 40)  # that are tried
PAIRS_MIN = 200  # of each lag
STAYING_SHARE = 0.1  # of the variance that must be of points that stay; of less the time is not known


class Stay(NamedTuple):
    """What the places of a radar's detections across the beam scatter by."""

    stay_s: float  # correlation time of the part that stays
    staying_m: float  # 1 sigma of that part
    fresh_m: float  # 1 sigma of what is new in each scan, the radar's own error with it


def stay_of(vehicle: I64, stamp_s: F64, across_m: F64, period_s: float) -> Stay | None:
    """Return what fits the variogram; None: too few places, or none that stays.

    vehicle, stamp_s, across_m : of each place (n,), in the order of time for each vehicle
    period_s : of the scans
    """
    n_lags = int(LAG_S_MAX / period_s)
    total, count = np.zeros(n_lags), np.zeros(n_lags)
    for v in np.unique(vehicle).tolist():
        of = vehicle == v
        k = np.rint(stamp_s[of] / period_s).astype(np.int64)
        _add(k, across_m[of], total, count)
    known = count >= PAIRS_MIN
    if known.sum() < n_lags // 2:
        return None
    lag_s = period_s * (1.0 + np.flatnonzero(known))
    half_square = 0.5 * total[known] / count[known]
    return _fitted(np.asarray(lag_s), np.asarray(half_square), count[known])


def _add(scan: I64, across_m: F64, total: F64, count: F64) -> None:
    """Add one vehicle's squared differences by lag."""
    first = scan - scan.min()
    places = np.full(int(first.max()) + 1, np.nan)
    places[first] = across_m
    for lag in range(1, min(len(total), len(places) - 1) + 1):
        square = (places[lag:] - places[:-lag]) ** 2
        found = np.isfinite(square)
        total[lag - 1] += float(square[found].sum())
        count[lag - 1] += float(found.sum())


def not_negative(A: F64, b: F64) -> tuple[F64, float]:
    """Return the x of no negative element that makes |A x - b| least, and that; A : (n, m) of few columns.

    It is the best of the usual solutions of all subsets of the columns (Lawson and Hanson 1974, chapter 23).
    """
    best: F64 = np.zeros(A.shape[1])
    misfit = float(np.linalg.norm(b))
    for used in product((False, True), repeat=A.shape[1]):
        columns = np.flatnonzero(used)
        if not len(columns):
            continue
        x = np.zeros(A.shape[1])
        x[columns] = np.linalg.lstsq(A[:, columns], b, rcond=None)[0]
        left = float(np.linalg.norm(A @ x - b))
        if x.min() >= 0.0 and left < misfit:
            best, misfit = x, left
    return best, misfit


def _fitted(lag_s: F64, half_square: F64, weight: F64) -> Stay | None:
    """Return the best of the times tried, each with its three parts by least squares, none below 0."""
    root = np.sqrt(weight)
    fits: list[tuple[float, float, list[float]]] = []
    for stay_s in STAYS_S.tolist():
        parts = np.column_stack([np.ones_like(lag_s), 1.0 - np.exp(-lag_s / stay_s), lag_s])
        value, misfit = not_negative(root[:, None] * parts, root * half_square)
        fits.append((misfit, stay_s, value.tolist()))
    _, stay_s, (fresh, staying, _) = min(fits)
    if staying < STAYING_SHARE * (fresh + staying):
        return None
    return Stay(stay_s, float(np.sqrt(staying)), float(np.sqrt(fresh)))
