"""The share of a track's error that its radars' poses cause: it lasts, so that no filter averages it out.

A consider-covariance (Schmidt 1966): gains are those of the filter, which takes the poses for true, and the
stated covariance adds what the poses leave unknown. A radar that stands elsewhere displaces all that it
measures by as much; one turned by a small angle displaces it across its beam, by the angle times the range.
So along a road that it looks down, far vehicles are displaced across the road, hardly along it. What is
unknown is the covariance of place and turn together: traffic shows their sum where it drives long before it
shows each of them (`fusion.registration`).
"""

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at
from fusion.layout import Tracks

# Share of the old state that one measurement of a radar replaces. The filter's own gain at 20 Hz is 0.05 to
# 0.2; the exact number only sets how soon a second radar's pose counts as much as the first one's.
NEW_SHARE = 0.1

Spread = tuple[float, float, float]  # covariance of a place [m^2]: east-east, east-north, north-north


@kernel(inner=True)
def spread_at(radars: F2, q: int, east: float, north: float) -> Spread:
    """Return what the pose of radar q leaves unknown of a place that it measured."""
    radar = radars[q]
    d_e, d_n = east - radar[at.R_EAST], north - radar[at.R_NORTH]
    turn = radar[at.R_C_TT]
    return (
        max(radar[at.R_C_EE] - 2.0 * d_n * radar[at.R_C_ET] + turn * d_n * d_n, 0.0),
        radar[at.R_C_EN] + d_e * radar[at.R_C_ET] - d_n * radar[at.R_C_NT] - turn * d_e * d_n,
        max(radar[at.R_C_NN] + 2.0 * d_e * radar[at.R_C_NT] + turn * d_e * d_e, 0.0),
    )


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
