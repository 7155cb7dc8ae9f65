"""Exchanging the prior of a track's extent, once more is known of its length or of its radar.

The prior is in the state from the first measurement on, so it is taken off the ring's first state, the new
one is put there, and the ring's measurements are fused again: as if the track had begun with it.
"""

import math

from core.arrays import F1, I1
from core.kernel import kernel
from fusion import layout as at
from fusion.body_sizes import known_extent
from fusion.layout import Rings, Settings, States, Tracks
from fusion.rewind import pack, rebuild, unpack

LEAST_SHARE = 1e-3  # of the information about an extent that a weaker prior may leave
WORTH_SIGMAS, WORTH_NARROWER = 0.5, 0.7  # a change of the prior that is worth the work


@kernel(inner=True)
def _exchange(states: States, i: int, info: float, pull: float) -> None:
    """Add information about the extent of row i; info may be negative.

    info : new minus old 1 / variance;  pull : new minus old mean / variance
    """
    X, P = states.X, states.P
    n = at.N_DIM if X[i, at.BOUND] != 0.0 else at.N_RADAR
    over = 1.0 / max(1.0 + info * P[i, at.EXTENT, at.EXTENT], LEAST_SHARE)
    z = pull - info * X[i, at.EXTENT]
    for a in range(n):  # the column of the extent is changed last
        if a != at.EXTENT:
            g = P[i, a, at.EXTENT] * over
            X[i, a] += g * z
            for b in range(n):
                if b != at.EXTENT:
                    P[i, a, b] -= g * info * P[i, b, at.EXTENT]
    X[i, at.EXTENT] += P[i, at.EXTENT, at.EXTENT] * over * z
    for a in range(n):
        P[i, a, at.EXTENT] *= over
        if a != at.EXTENT:
            P[i, at.EXTENT, a] = P[i, a, at.EXTENT]


@kernel
def set_prior(
    tracks: Tracks, rings: Rings, i: int, new: tuple[float, float], settings: Settings, work: F1
) -> None:
    """Give track i the prior `new` (mean, sigma) of its extent; one whose prior is unknown keeps it."""
    floats, states = tracks.floats, tracks.states
    mean, var = new[0], new[1] * new[1]
    old, old_var = floats[i, at.EXTENT_PRIOR], floats[i, at.EXTENT_PRIOR_VAR]
    if not (old_var > 0.0 and var > 0.0):
        return
    head = int(tracks.ints[i, at.RING_HEAD])
    unpack(states, i, rings.packed, rings.bound, i, head)
    _exchange(states, i, 1.0 / var - 1.0 / old_var, mean / var - old / old_var)
    pack(states, i, rings.packed, rings.bound, i, head)
    rebuild(tracks, rings, i, settings, work)
    floats[i, at.EXTENT_PRIOR], floats[i, at.EXTENT_PRIOR_VAR] = mean, var


@kernel
def review(tracks: Tracks, rings: Rings, rows: I1, settings: Settings, work: F1) -> None:
    """Give the tracks `rows` the priors that follow from what is known now, where they differ enough."""
    floats = tracks.floats
    for k in range(rows.shape[0]):
        i = rows[k]
        new = known_extent(tracks, i, settings.radars)
        old, sigma = floats[i, at.EXTENT_PRIOR], math.sqrt(floats[i, at.EXTENT_PRIOR_VAR])
        if abs(new[0] - old) > WORTH_SIGMAS * new[1] or new[1] < WORTH_NARROWER * sigma:
            set_prior(tracks, rings, i, new, settings, work)
