"""A tracker as one builds it from FilterPy's Kalman filter and SciPy's assignment; global nearest neighbour.

Settings, the best of those that were tried on seed 7: gate at a Mahalanobis distance of 3.5 in three
dimensions, a track counts from its fourth detection, ends after six scans without one, or one before it
counts.
"""

import time

import numpy as np
from filterpy.kalman import KalmanFilter
from scipy.optimize import linear_sum_assignment

from benchmarks.fusion.scenes import Tracked
from benchmarks.fusion.traffic import DT_S, SIGMA_RATE_MPS, Scene
from core.arrays import F64, Bools

PSD_ALONG, PSD_ACROSS = 0.5, 0.05  # of white acceleration [m^2/s^3]
GATE, HITS, MISSES = 3.5, 4, 6
FAR = 1e6


class Kept:
    """One track."""

    def __init__(self, key: int, z: F64, scene: Scene) -> None:
        self.key, self.hits, self.missed = key, 1, 0
        kind = scene.kind
        one = self.filter = KalmanFilter(dim_x=4, dim_z=3)
        one.F, one.Q, one.H, one.R = F, Q, H, noise_of(scene)
        one.x = np.array([z[0], z[1], z[2], 0.0])
        one.P = np.diag([kind.sigma_range_m**2, SIGMA_RATE_MPS**2, kind.sigma_across_m**2, 0.5])


F = np.kron(np.eye(2), [[1.0, DT_S], [0.0, 1.0]])
BLOCK = np.array([[DT_S**3 / 3.0, DT_S**2 / 2.0], [DT_S**2 / 2.0, DT_S]])
Q = np.kron(np.diag([PSD_ALONG, PSD_ACROSS]), BLOCK)
H = np.eye(4)[:3]


def noise_of(scene: Scene) -> F64:
    """Return the covariance of a detection: along, speed along, across."""
    return np.diag(np.square([scene.kind.sigma_range_m, SIGMA_RATE_MPS, scene.kind.sigma_across_m]))


def plane_of(scene: Scene, k: int) -> F64:
    """Return scan k's detections (n, 3): along, speed along, across."""
    along = scene.range_m[k] * np.cos(scene.azimuth_rad[k])
    return np.stack([along, scene.rate_mps[k], scene.range_m[k] * np.sin(scene.azimuth_rad[k])], axis=1)


def track(scene: Scene) -> Tracked:
    """Run it over a scene."""
    made, kept, n_keys = Tracked([], [], []), list[Kept](), 0
    for z in [plane_of(scene, k) for k in range(len(scene.range_m))]:
        begun_s = time.perf_counter()
        free = _associate(kept, z)
        kept = [one for one in kept if one.missed <= (MISSES if one.hits >= HITS else 1)]
        for j in np.flatnonzero(free).tolist():
            kept.append(Kept(n_keys, z[j], scene))
            n_keys += 1
        made.seconds.append(time.perf_counter() - begun_s)
        shown = [one for one in kept if one.hits >= HITS]
        made.ids.append([one.key for one in shown])
        made.places_m.append(np.array([one.filter.x[[0, 2]] for one in shown]).reshape(-1, 2))
    return made


def _associate(kept: list[Kept], z: F64) -> Bools:
    """Predict all tracks and update each with its detection; return which detections are left (n,)."""
    free = np.ones(len(z), dtype=np.bool_)
    if not kept:
        return free
    costs = np.full((len(kept), len(z) + len(kept)), FAR)
    for i, one in enumerate(kept):
        one.filter.predict()
        S = H @ one.filter.P @ H.T + one.filter.R
        y = z - H @ one.filter.x
        distance = np.sqrt(np.einsum("ni,ij,nj->n", y, np.linalg.inv(S), y))
        costs[i, : len(z)] = np.where(distance < GATE, distance, FAR)
        costs[i, len(z) + i] = GATE
    row, column = linear_sum_assignment(costs)
    for i, j in zip(row.tolist(), column.tolist(), strict=True):
        if j < len(z):
            kept[i].filter.update(z[j])
            kept[i].hits, kept[i].missed, free[j] = kept[i].hits + 1, 0, False
        else:
            kept[i].missed += 1
    return free
