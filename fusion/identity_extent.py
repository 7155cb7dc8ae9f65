"""The extent that a pair of a terminal and a track assumes, and what a change of it does to the pair.

Fix - track is measured to the centre of the body, which lies an extent behind the point that radar sees.
Until the extent is known it is assumed: by the registered length and by the share of it that radars show,
which is learnt from traffic. When that changes, the centre moves along the body, and so do all differences
that a pair has added up: else the change would look like an error of the terminal, and after a binding like
one that lasts.
"""

import math

from core.arrays import F1, F2
from core.kernel import kernel
from fusion import layout as at
from fusion.layout import States
from fusion.models import fused, load, store

EX = at.EXTENT
VAR_MIN = 1e-6  # [m^2] of an extent: one that is known better does not change


@kernel(inner=True)
def take_as(predicted: States, M: F2, m: int) -> None:
    """Condition row 0, a track without terminal, on being the vehicle of fix m, whose extent is registered.

    Where radar sees of a lorry is uncertain by metres until its length is known.
    """
    if predicted.X[0, at.BOUND] == 0.0 and M[m, at.Z_EXTENT_SIGMA] > 0.0:
        h = (0.0, 0.0, 0.0, 0.0, 1.0)
        z = M[m, at.Z_EXTENT] - predicted.X[0, EX]
        store(predicted, 0, fused(load(predicted, 0), h, z, M[m, at.Z_EXTENT_SIGMA] ** 2))


@kernel
def follow_extent(pair: F1, states: States, i: int, heading: float) -> None:
    """Move the differences of a pair with the extent of its track, row i of `states`.

    heading : of the vehicle [rad], NaN unknown
    The point stays where radar saw it, so that the centre moves by its regression on the extent.
    """
    extent, var = states.X[i, EX], states.P[i, EX, EX]
    moved = extent - pair[at.EXTENT_TAKEN]
    if pair[at.EXTENT_TAKEN] != 0.0 and var > VAR_MIN and not math.isnan(heading):  # 0: of an older version
        c, s = math.cos(heading), math.sin(heading)
        share = (c * states.P[i, at.EAST, EX] + s * states.P[i, at.NORTH, EX]) / var
        along = min(max(share, -1.0), 1.0) * moved  # the centre lies one extent from the point at most
        pair[at.ONE] -= along
        pair[at.BESIDE] -= along
        pair[at.LAST] -= c * along
        pair[at.LAST + 1] -= s * along
    pair[at.EXTENT_TAKEN] = extent
