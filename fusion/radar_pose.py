"""The share of a track's error that its radars' poses cause: it lasts, so that no filter averages it out.

A consider-covariance (Schmidt 1966): gains are those of the filter, which takes the poses for true, and the
stated covariance adds what the poses leave unknown. A radar turned by a small angle displaces all that it
measures across its beam, by the angle times the range; one that stands elsewhere displaces it by as much.
"""

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at
from fusion.layout import Tracks

# Share of the old state that one measurement of a radar replaces. The filter's own gain at 20 Hz is 0.05 to
# 0.2; the exact number only sets how soon a second radar's pose counts as much as the first one's.
NEW_SHARE = 0.1


@kernel(inner=True)
def pose_variances(radars: F2, q: int, flat: float) -> tuple[float, float]:
    """Return the variance along and across the beam [m^2] that the pose of radar q leaves at a distance."""
    place = radars[q, at.R_S_PLACE] ** 2
    return place, place + (radars[q, at.R_S_TURN] * flat) ** 2


@kernel(inner=True)
def pose_variance(tracks: Tracks, i: int) -> float:
    """Return the variance per axis [m^2] that the poses of its radars leave in the place of track i."""
    share = tracks.floats[i, at.POSED_SHARE]
    one, other = tracks.floats[i, at.POSE_VAR], tracks.floats[i, at.POSE_VAR_OTHER]
    return float(share * share * one + (1.0 - share) * (1.0 - share) * other)


@kernel(inner=True)
def note_pose(tracks: Tracks, i: int, radars: F2, q: int) -> None:
    """Note that radar q measured track i, which it has updated.

    Two radars that take turns share the state, and their poses are wrong independently: the share of each is
    kept. A third one takes the place of the one that was there before the last.
    """
    ints, floats, X = tracks.ints, tracks.floats, tracks.states.X
    d_e, d_n = X[i, at.EAST] - radars[q, at.R_EAST], X[i, at.NORTH] - radars[q, at.R_NORTH]
    along, across = pose_variances(radars, q, (d_e * d_e + d_n * d_n) ** 0.5)
    variance = (along + across) / 2.0  # beams turn as a vehicle passes: one number for both axes
    if ints[i, at.POSED_BY] != q + 1:  # it becomes the first of the two
        if ints[i, at.POSED_BY] == 0 and floats[i, at.POSE_VAR] == 0.0:
            floats[i, at.POSED_SHARE] = 1.0
        elif ints[i, at.POSED_BY_OTHER] == q + 1:
            floats[i, at.POSED_SHARE] = 1.0 - floats[i, at.POSED_SHARE]
            floats[i, at.POSE_VAR_OTHER] = floats[i, at.POSE_VAR]
        else:
            floats[i, at.POSE_VAR_OTHER] = pose_variance(tracks, i)
            floats[i, at.POSED_SHARE] = 0.0
        ints[i, at.POSED_BY_OTHER], ints[i, at.POSED_BY] = ints[i, at.POSED_BY], q + 1
    floats[i, at.POSE_VAR] = variance
    floats[i, at.POSED_SHARE] += NEW_SHARE * (1.0 - floats[i, at.POSED_SHARE])
