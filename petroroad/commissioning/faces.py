"""Which face of a body a detection shows: the end that faces the radar, or the flank.

A radar that looks at a body askew sees its side as often as its end (`fusion.flank`). A point of the flank
says nothing of where the end is: taken for one it displaces the vehicle by up to its length, most near the
radar, which looks like an error of the radar's place. So each pair counts by its chance of the end.
"""

import numpy as np

from core.arrays import F64

HALF_WIDTH_M = 1.25  # of a lorry: the flank lies so far from its axis
BEYOND_M = 1.0  # points of a flank lie so far outside of the stated length: bumpers, errors of the fixes
SPREAD_M_MIN = 0.3  # 1 sigma of a point about its face: less is not known of bodies
SHOWN_MIN = 0.02  # of Lambert's chance of the flank: a radar that never shows any
ROUNDS = 5  # of the share of flanks that this radar shows and the chances, each from the other


def by_lambert(along: F64, length_m: F64) -> F64:
    """Return the chance of the flank: each face sends back its width times the squared cosine to its normal.

    along : (n,) cosine of the angle between axis and beam
    """
    across2 = np.maximum(1.0 - along**2, 0.0)
    end = 2.0 * HALF_WIDTH_M * along**2
    return np.asarray(length_m * across2 / np.maximum(end + length_m * across2, 1e-9))


def end_chance(ahead_m: F64, left_m: F64, end_m: F64, side: F64, flank: F64, length_m: F64) -> F64:
    """Return the chance (n,) that a detection shows the end.

    ahead_m, left_m : of the detection from the vehicle's centre, in its frame
    end_m : where the end is ahead of the centre;  side : 1 where the radar is to its left, else -1
    flank : by Lambert;  length_m : of the body
    """
    off = ahead_m - end_m
    along_m = max(1.4826 * float(np.median(np.abs(off))), SPREAD_M_MIN)
    across_m = max(1.4826 * float(np.median(np.abs(left_m))), SPREAD_M_MIN)
    of_end = _normal(off, along_m) * _normal(left_m, across_m)
    on_side = np.abs(ahead_m) < length_m / 2.0 + BEYOND_M
    of_flank = on_side * _normal(left_m - side * HALF_WIDTH_M, across_m) / (length_m + 2.0 * BEYOND_M)
    shown, chance = 0.5, np.ones(len(off))
    for _ in range(ROUNDS):
        rival = shown * flank * of_flank
        chance = (1.0 - shown * flank) * of_end + 1e-12
        chance = chance / (chance + rival)
        shown = min(max(float(np.sum(1.0 - chance)) / max(float(np.sum(flank)), 1e-9), SHOWN_MIN), 1.0)
    return np.asarray(chance)


def _normal(off: F64, sigma: float) -> F64:
    return np.asarray(np.exp(-0.5 * (off / sigma) ** 2) / (sigma * np.sqrt(2.0 * np.pi)))
