"""How long vehicles are and where radars see their ends: by registry, class of the echoes, and learnt.

What is learnt of a site's radars lies in the columns R_SHARE and R_SHARE_VAR of `Settings.radars`.
"""

import math

import numpy as np

from core.arrays import F1, F2, F64, I1, I64
from core.kernel import kernel
from fusion import layout as at
from fusion.layout import Tracks
from fusion.stated_size import STATED_SIZE_SHARE

# Length [m] and 1 sigma of a car and of a lorry; and what they reflect at 77 GHz [dBsm], with the
# spread of single echoes (fluctuation and aspect)
CAR_M, CAR_SIGMA_M, CAR_DBSM = 4.5, 0.6, 10.0
LORRY_M, LORRY_SIGMA_M, LORRY_DBSM = 13.5, 3.5, 20.0
RCS_SIGMA_DB = 5.0
ECHO_ODDS_MAX = 3.0  # of one echo: a strong one may be a gantry's behind the car
ECHOES_ALIKE = 4.0  # speckle changes within 0.2 s: so many echoes of a fast radar count as one
DECIDING, DECIDED = 4.6, 100.0  # 99 : 1
# Share of the length from the centre to where radar sees the end: anything from the centre to the bumper
SHARE, SHARE_SIGMA = 0.25, 0.144
VARIETY = 0.12  # 1 sigma of what vehicles of one length differ by, of the share: tanks, boxes, trailers
KIND_SIGMA = 0.1  # of what two radars of a site differ by: most are of one kind
SHARE_MAX = 0.55  # the bumper is at 0.5
SHARE_SIGMA_MIN = 0.01  # the belief stays open: a radar may be exchanged
TELLS_SHARE = 0.12  # 1 sigma of a share that is worth learning from: less than what is known before
SEVERAL = -2  # in RADAR: more than one radar measured the track, or its share is learnt
UNKNOWN_EXTENT_M, UNKNOWN_EXTENT_SIGMA_M = 2.2, 2.0  # of no known size and share


@kernel
def extent_prior(length: float, length_var: float, share: float, share_var: float) -> tuple[float, float]:
    """Return mean and sigma of the extent, the product of length and share."""
    share_var += (VARIETY * share) ** 2
    var = share * share * length_var + length * length * share_var + share_var * length_var
    return share * length, math.sqrt(var)


@kernel(inner=True)
def echo_odds(rcs_dbsm: float) -> float:
    """Return the log odds of a lorry, else a car, by the strength of one echo; NaN unknown: even."""
    if math.isnan(rcs_dbsm):
        return 0.0
    odds = (rcs_dbsm - (LORRY_DBSM + CAR_DBSM) / 2.0) * (LORRY_DBSM - CAR_DBSM) / RCS_SIGMA_DB**2
    return min(max(odds, -ECHO_ODDS_MAX), ECHO_ODDS_MAX)


@kernel(inner=True)
def size_by_echo(odds: float) -> tuple[float, float]:
    """Return mean and variance of the length by the log odds of a lorry."""
    p = 1.0 / (1.0 + math.exp(-odds))
    var = p * LORRY_SIGMA_M**2 + (1.0 - p) * CAR_SIGMA_M**2 + p * (1.0 - p) * (LORRY_M - CAR_M) ** 2
    return p * LORRY_M + (1.0 - p) * CAR_M, var


@kernel(inner=True)
def learn_class(tracks: Tracks, i: int, odds: float) -> bool:
    """Add an echo to the class of track i; return whether the class was decided just now.

    One echo says little: its strength fluctuates, and some scans long alike. A terminal's vehicle has its
    size from the registry.
    """
    floats = tracks.floats
    before = floats[i, at.ECHO_ODDS]
    if abs(before) >= DECIDED or tracks.states.X[i, at.BOUND] != 0.0:
        return False
    now = before + odds / ECHOES_ALIKE
    decided = bool(abs(now) >= DECIDING)
    floats[i, at.ECHO_ODDS] = math.copysign(DECIDED, now) if decided else now
    return decided


@kernel(inner=True)
def known_length(tracks: Tracks, i: int) -> tuple[float, float]:
    """Return mean and variance of the length of track i: registered, stated by a radar, or of its class."""
    length = tracks.floats[i, at.LENGTH]
    if math.isnan(length):
        return size_by_echo(tracks.floats[i, at.ECHO_ODDS])
    return length, 0.0 if tracks.ints[i, at.TERMINAL] >= 0 else (STATED_SIZE_SHARE * length) ** 2


@kernel(inner=True)
def _common_share(radars: F2) -> tuple[float, float]:
    """Return mean and variance of the share of any of the radars."""
    n = radars.shape[0]
    mean = var = 0.0
    for q in range(n):
        mean += radars[q, at.R_SHARE] / n
    for q in range(n):
        var += (radars[q, at.R_SHARE_VAR] + (radars[q, at.R_SHARE] - mean) ** 2) / n
    return mean, var


@kernel
def known_extent(tracks: Tracks, i: int, radars: F2) -> tuple[float, float]:
    """Return mean and sigma of the extent that its length and its radars give track i."""
    q = tracks.ints[i, at.RADAR]
    if q >= 0:
        share, share_var = radars[q, at.R_SHARE], radars[q, at.R_SHARE_VAR]
    else:
        share, share_var = _common_share(radars)
    length, var = known_length(tracks, i)
    return extent_prior(length, var, share, share_var)


def learn_shares(tracks: Tracks, radars: F64, rows: I64, length_m: F64) -> bool:
    """Learn each radar's share from identified vehicles that it alone measured, once from each vehicle.

    rows : confirmed tracks with a terminal;  length_m : their registered lengths, NaN unknown
    The other radars learn from it as well, less. Returns whether a share has changed.
    Until another radar sees the vehicle from its other side its extent comes from the fixes. The prior of the
    extent, in which the share is, is taken off again, so that it does not confirm itself.
    """
    ints, X, P = tracks.ints, tracks.states.X, tracks.states.P
    prior, prior_var = tracks.floats[rows, at.EXTENT_PRIOR], tracks.floats[rows, at.EXTENT_PRIOR_VAR]
    own, own_var = X[rows, at.EXTENT], P[rows, at.EXTENT, at.EXTENT]
    with np.errstate(divide="ignore", invalid="ignore"):  # of a prior that is not known
        news = 1.0 / own_var - 1.0 / prior_var
        seen = (own / own_var - prior / prior_var) / news
        tells = (news * (TELLS_SHARE * length_m) ** 2 > 1.0) & (prior_var > 0.0) & (ints[rows, at.RADAR] >= 0)
    for k in np.flatnonzero(tells).tolist():
        i, length = rows[k], length_m[k]
        q = int(ints[i, at.RADAR])
        ints[i, at.RADAR] = SEVERAL
        fresh = min(max(seen[k] / length, 0.0), SHARE_MAX)
        error = (VARIETY * radars[:, at.R_SHARE]) ** 2 + 1.0 / (news[k] * length**2) + KIND_SIGMA**2
        error[q] -= KIND_SIGMA**2
        gain = radars[:, at.R_SHARE_VAR] / (radars[:, at.R_SHARE_VAR] + error)
        radars[:, at.R_SHARE] += gain * (fresh - radars[:, at.R_SHARE])
        radars[:, at.R_SHARE_VAR] *= 1.0 - gain
        least = np.where(radars[:, at.R_SHARE_VAR] > 0.0, SHARE_SIGMA_MIN**2, 0.0)  # 0: the site states it
        np.maximum(radars[:, at.R_SHARE_VAR], least, out=radars[:, at.R_SHARE_VAR])
    return bool(tells.any())


@kernel
def note_registered(M: F2, radars: F2, length_m: F1, who: I1) -> None:
    """Write to M the extent that each fix's vehicle should have by its registered length.

    length_m : by terminal, NaN unknown;  who : (n,) rows of terminals, -1 none
    """
    share, var = _common_share(radars)
    for k in range(who.shape[0]):
        length = length_m[who[k]] if who[k] >= 0 else math.nan
        M[k, at.Z_EXTENT], M[k, at.Z_EXTENT_SIGMA] = extent_prior(length, 0.0, share, var)
        if math.isnan(length):
            M[k, at.Z_EXTENT], M[k, at.Z_EXTENT_SIGMA] = UNKNOWN_EXTENT_M, UNKNOWN_EXTENT_SIGMA_M
