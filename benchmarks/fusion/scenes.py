"""What a tracker makes of a scene, scored without code of ours: GOSPA and id switches by SciPy."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.fusion.traffic import Scene
from core.arrays import F64

CUTOFF_M, MATCH_M = 5.0, 3.0
FIRST_SCORED = 10  # scans in which every tracker may still confirm


class Tracked(NamedTuple):
    """One tracker's output: by scan the ids and places (n, 2) of its tracks, and the time it took."""

    ids: list[list[int]]
    places_m: list[F64]
    seconds: list[float]


class SceneScore(NamedTuple):
    """GOSPA (c 5 m, p 2, alpha 2) averaged over scans, its parts, id switches, the median time of a scan."""

    gospa_m: float
    located_m: float  # root mean square of the matched
    missed: float
    false: float
    switches: int
    scan_s: float


def score(scene: Scene, made: Tracked) -> SceneScore:
    """Score one tracker's run."""
    rows = [_gospa(scene.truth_m[k], made.places_m[k]) for k in range(FIRST_SCORED, len(scene.truth_m))]
    gospa, squared, matched, missed, false = np.array(rows).T
    return SceneScore(
        gospa_m=float(gospa.mean()),
        located_m=float(np.sqrt(squared.sum() / max(matched.sum(), 1.0))),
        missed=float(missed.mean()),
        false=float(false.mean()),
        switches=_switches(scene, made),
        scan_s=float(np.median(made.seconds[FIRST_SCORED:])),
    )


def _gospa(truth: F64, places: F64) -> tuple[float, float, int, int, int]:
    """Return GOSPA, the squared distances of the matched and their number, missed, false (alpha 2)."""
    distance = np.linalg.norm(truth[:, None] - places[None], axis=2)
    costs = np.minimum(distance, CUTOFF_M) ** 2
    row, column = linear_sum_assignment(costs)
    hit = distance[row, column] < CUTOFF_M
    squared, n = float(costs[row, column][hit].sum()), int(hit.sum())
    missed, false = len(truth) - n, len(places) - n
    return float(np.sqrt(squared + CUTOFF_M**2 / 2.0 * (missed + false))), squared, n, missed, false


def _switches(scene: Scene, made: Tracked) -> int:
    """Count vehicles whose track is another than the last (Bernardin, Stiefelhagen 2008).

    A match stays while it is valid, the others are assigned anew.
    """
    last: dict[int, int] = {}
    switches = 0
    for k in range(FIRST_SCORED, len(scene.truth_m)):
        ids = made.ids[k]
        column_of = {key: j for j, key in enumerate(ids)}
        distance = np.linalg.norm(scene.truth_m[k][:, None] - made.places_m[k][None], axis=2)
        pairs = {
            i: column_of[key]
            for i, key in last.items()
            if key in column_of and distance[i, column_of[key]] <= MATCH_M
        }
        rows = [i for i in range(len(distance)) if i not in pairs]
        columns = sorted(set(range(len(ids))) - set(pairs.values()))
        costs = np.minimum(distance[np.ix_(rows, columns)], 1e3)
        for a, b in zip(*linear_sum_assignment(np.where(costs <= MATCH_M, costs, 1e3)), strict=True):
            if costs[a, b] <= MATCH_M:
                pairs[rows[a]] = columns[b]
        for i, j in pairs.items():
            switches += i in last and last[i] != ids[j]
            last[i] = ids[j]
    return switches
