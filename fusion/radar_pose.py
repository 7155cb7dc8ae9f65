"""The share of a track's error that its radars' poses cause: it lasts, so that no filter averages it out.

A consider-covariance (Schmidt 1966): gains are those of the filter, which takes the poses for true, and the
stated covariance adds what the poses leave unknown. A radar that stands elsewhere displaces all that it
measures by as much; one turned by a small angle displaces it across its beam, by the angle times the range.
So along a road that it looks down, far vehicles are displaced across the road, hardly along it. One whose
ranges are too long displaces them along the beam: far away along the road, beside the pole across it, and
more the more steeply it looks down. So does a point that reflects higher or lower than assumed. What is
unknown is the covariance of all these together: traffic shows their sum where it drives long before it
shows each of them (`fusion.registration`).
"""

import math

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at
from fusion.layout import Tracks

# Share of the old state that one measurement of a radar replaces. The filter's own gain at 20 Hz is 0.05 to
# 0.2; the exact number only sets how soon a second radar's pose counts as much as the first one's.
NEW_SHARE = 0.1

# 1 sigma of how high a vehicle's reflecting point lies [m]: bumpers, axles and tanks, from 0.5 to 2.5 m
HEIGHT_SIGMA_M = 0.5

Spread = tuple[float, float, float]  # covariance of a place [m^2]: east-east, east-north, north-north


@kernel(inner=True)
def spread_at(radars: F2, q: int, east: float, north: float) -> Spread:
    """Return what the pose of radar q, and its ranges, leave unknown of a place that it measured."""
    radar = radars[q]
    d_e, d_n = east - radar[at.R_EAST], north - radar[at.R_NORTH]
    turn = radar[at.R_C_TT]
    flat2, drop2 = max(d_e * d_e + d_n * d_n, 1.0), radar[at.R_DROP] * radar[at.R_DROP]
    steep = math.sqrt(1.0 + drop2 / flat2) / math.sqrt(flat2)  # of a metre of slant range, over the distance
    b_e, b_n = -steep * d_e, -steep * d_n
    bias, high = radar[at.R_C_RR], HEIGHT_SIGMA_M * HEIGHT_SIGMA_M * drop2 / (flat2 * flat2)
    ee = radar[at.R_C_EE] - 2.0 * d_n * radar[at.R_C_ET] + turn * d_n * d_n + high * d_e * d_e
    en = radar[at.R_C_EN] + d_e * radar[at.R_C_ET] - d_n * radar[at.R_C_NT] + (high - turn) * d_e * d_n
    nn = radar[at.R_C_NN] + 2.0 * d_e * radar[at.R_C_NT] + turn * d_e * d_e + high * d_n * d_n
    ee += b_e * (2.0 * radar[at.R_C_ER] + b_e * bias - 2.0 * d_n * radar[at.R_C_TR])
    en += b_n * radar[at.R_C_ER] + b_e * (radar[at.R_C_NR] + b_n * bias)
    en += (d_e * b_e - d_n * b_n) * radar[at.R_C_TR]
    nn += b_n * (2.0 * radar[at.R_C_NR] + b_n * bias + 2.0 * d_e * radar[at.R_C_TR])
    return max(ee, 0.0), en, max(nn, 0.0)


@kernel(inner=True)
def pose_spread(tracks: Tracks, i: int) -> Spread:
    """Return what the poses of its radars leave unknown of the place of track i.

    Two radars share the state, and their poses are wrong independently.
    """
    floats, one, other = tracks.floats, at.POSE, at.POSE_OTHER
    share = floats[i, at.POSED_SHARE] ** 2
    rest = (1.0 - floats[i, at.POSED_SHARE]) ** 2
    return (
        share * floats[i, one] + rest * floats[i, other],
        share * floats[i, one + 1] + rest * floats[i, other + 1],
        share * floats[i, one + 2] + rest * floats[i, other + 2],
    )


@kernel(inner=True)
def along_axis(spread: Spread, c: float, s: float) -> float:
    """Return the variance along the unit vector (c, s)."""
    return c * c * spread[0] + 2.0 * s * c * spread[1] + s * s * spread[2]


@kernel(inner=True)
def _set(tracks: Tracks, i: int, column: int, spread: Spread) -> None:
    tracks.floats[i, column], tracks.floats[i, column + 1], tracks.floats[i, column + 2] = spread


@kernel(inner=True)
def note_pose(tracks: Tracks, i: int, radars: F2, q: int) -> None:
    """Note that radar q measured track i, which it has updated.

    Two radars that take turns share the state: the share of each is kept. A third one takes the place of the
    one that was there before the last.
    """
    ints, floats, X = tracks.ints, tracks.floats, tracks.states.X
    if ints[i, at.POSED_BY] != q + 1:  # it becomes the first of the two
        known = floats[i, at.POSE] + floats[i, at.POSE + 2] > 0.0  # a neighbour's radars may have left some
        if ints[i, at.POSED_BY] == 0 and not known:
            floats[i, at.POSED_SHARE] = 1.0
        elif ints[i, at.POSED_BY_OTHER] == q + 1:
            floats[i, at.POSED_SHARE] = 1.0 - floats[i, at.POSED_SHARE]
            one = (floats[i, at.POSE], floats[i, at.POSE + 1], floats[i, at.POSE + 2])
            _set(tracks, i, at.POSE_OTHER, one)
        else:
            _set(tracks, i, at.POSE_OTHER, pose_spread(tracks, i))
            floats[i, at.POSED_SHARE] = 0.0
        ints[i, at.POSED_BY_OTHER], ints[i, at.POSED_BY] = ints[i, at.POSED_BY], q + 1
    _set(tracks, i, at.POSE, spread_at(radars, q, X[i, at.EAST], X[i, at.NORTH]))
    floats[i, at.POSED_SHARE] += NEW_SHARE * (1.0 - floats[i, at.POSED_SHARE])
