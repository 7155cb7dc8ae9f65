"""How many times the stated sigma a terminal's errors are: one of nine steps from a half to eight.

Each step has a log likelihood, to which errors that radar shows are added. The prior is what the terminals
of this RSU turned out to be, so that the next one of a fleet whose receivers promise too much is believed no
more than the others (empirical Bayes: Gelman et al. 2013, 5.1).
"""

import math

import numpy as np

from core.arrays import F2, F64
from core.kernel import kernel
from fusion import layout as at
from fusion.config import WHITE_SHARE
from fusion.layout import Terminals

LOG_STEP = 0.5 * math.log(2.0)  # between scales: a sigma that is off by less than 1.2 costs nothing
TRUE = 2  # place of scale 1; the first is 1/2, the last 8
STEP_P = 0.25  # each further step from the fleet's centre is so many times as probable
FRESH_STEP_P = 0.25  # the same of each further step of fusion.fresh_errors: how much is new in each fix
FLEET_EVERY = 8.0  # the fleet learns after so many errors
FORGET_S = 600.0  # receivers drive from open road into a cutting
P_ODD, ODD_SIGMAS = 0.02, 10.0  # an outlier says nothing of the rest: probability and size
# A long quiet spell is no proof of a smaller sigma: such evidence counts by a quarter
HUMBLE = 0.25
FLEET_DOUBT_P = 0.01  # that the fleet's centre is higher still than the one that `fleet_scale2` takes


def fleet_at_start() -> F64:
    """Return `fleet` (2, N_FLEET) before anything is learnt."""
    fleet = np.zeros((2, at.N_FLEET))
    fleet[:, : at.N_SCALES] = STEP_P ** np.abs(np.arange(at.N_SCALES) - TRUE)
    fleet[:, at.F_FRESH : at.F_FRESH_N] = FRESH_STEP_P ** np.arange(at.N_FRESH)
    return fleet


@kernel(inner=True)
def _weights(terminals: Terminals, w: int, k: int, top: float) -> float:
    """Return the posterior of scale k of terminal w, times a factor that `top` sets."""
    group = int(terminals.errors[w, at.E_GROUP])
    return float(terminals.fleet[group, k] * math.exp(terminals.errors[w, k] - top))


@kernel(inner=True)
def top_of(errors: F2, w: int, first: int, n: int) -> float:
    """Return the greatest of n log likelihoods of terminal w, from column `first` on."""
    top = errors[w, first]
    for k in range(first + 1, first + n):
        top = max(top, errors[w, k])
    return float(top)


@kernel
def scale_of(terminals: Terminals, w: int) -> float:
    """Return how many times its sigma the errors of terminal w are: 1, or the posterior's geometric mean.

    A sigma that is too large is left: it costs little, and what was quiet for minutes may not stay so.
    """
    top = top_of(terminals.errors, w, 0, at.N_SCALES)
    total = mean = 0.0
    for k in range(at.N_SCALES):
        p = _weights(terminals, w, k, top)
        total += p
        mean += p * (k - TRUE) * LOG_STEP
    return max(1.0, math.exp(mean / total))


@kernel
def fleet_scale2(terminals: Terminals, w: int) -> float:
    """Return by how much the stated variance of terminal w may be too small, by its group of the fleet.

    The mean over terminals around a centre that is at most so high, but for FLEET_DOUBT_P; what the first
    terminals show is little, so that at first it is several times. Infinite before any has shown anything.
    """
    group, centre = int(terminals.errors[w, at.E_GROUP]), at.N_SCALES + 1
    fleet = terminals.fleet
    top, known = fleet[group, centre], False
    for j in range(at.N_SCALES):
        known = known or fleet[group, centre + j] != 0.0
        top = max(top, fleet[group, centre + j])
    if not known:
        return math.inf
    total = above = 0.0
    for j in range(at.N_SCALES):
        total += math.exp(fleet[group, centre + j] - top)
    highest = at.N_SCALES - 1
    while highest > 0 and above + math.exp(fleet[group, centre + highest] - top) < FLEET_DOUBT_P * total:
        above += math.exp(fleet[group, centre + highest] - top)
        highest -= 1
    mean = spread = 0.0
    for k in range(at.N_SCALES):
        near = STEP_P ** abs(k - highest)
        spread += near
        mean += near * math.exp(2.0 * (k - TRUE) * LOG_STEP)
    return mean / spread


@kernel(inner=True)
def log_density(z: float, var: float, var_odd: float) -> float:
    """Return ln((1 - P_ODD) N(z; 0, var) + P_ODD N(z; 0, var_odd)), but for a constant."""
    usual = (1.0 - P_ODD) / math.sqrt(var) * math.exp(-0.5 * z * z / var)
    return math.log(usual + P_ODD / math.sqrt(var_odd) * math.exp(-0.5 * z * z / var_odd) + 1e-300)


@kernel
def add_error(terminals: Terminals, w: int, z: float, sigma: float, var: float, weight: float) -> None:
    """Add the evidence of one error z on one axis [m].

    sigma : as the terminal states it;  var : of z without the terminal's error;  weight : how much is new
    """
    errors = terminals.errors
    whole = sigma * sigma * (1.0 + WHITE_SHARE * WHITE_SHARE)
    odd = (ODD_SIGMAS * sigma) ** 2 + var
    true = log_density(z, whole + var, odd)
    for k in range(at.N_SCALES):
        gain = log_density(z, math.exp(2.0 * (k - TRUE) * LOG_STEP) * whole + var, odd) - true
        errors[w, k] += weight * gain * (HUMBLE if k < TRUE else 1.0)
    errors[w, at.E_WEIGHT] += weight


@kernel(inner=True)
def forget(terminals: Terminals, w: int, dt_s: float) -> None:
    keep = math.exp(-dt_s / FORGET_S)
    for k in range(at.E_WEIGHT + 1):
        terminals.errors[w, k] *= keep


@kernel(inner=True)
def learn_fleet(terminals: Terminals, n: int, group: int) -> None:
    """Set the prior of a group's terminals from those of the first n that radar has shown.

    Their scales lie around a common centre, a step away STEP_P times as probable; the centre lies around 1 in
    the same way. Its posterior is computed for each step, and the prior is the mean over it.
    """
    fleet, errors = terminals.fleet, terminals.errors
    centre, total = at.N_SCALES + 1, 0.0  # columns of the centre's log probability
    for j in range(at.N_SCALES):
        fleet[group, centre + j] = abs(j - TRUE) * math.log(STEP_P)
    for w in range(n):
        if errors[w, at.E_WEIGHT] <= 0.0 or int(errors[w, at.E_GROUP]) != group:
            continue
        top = top_of(terminals.errors, w, 0, at.N_SCALES)
        for j in range(at.N_SCALES):
            fits = spread = 0.0
            for k in range(at.N_SCALES):
                near = STEP_P ** abs(k - j)
                spread += near
                fits += near * math.exp(errors[w, k] - top)
            fleet[group, centre + j] += math.log(fits / spread)
    top = fleet[group, centre]
    for j in range(at.N_SCALES):
        top = max(top, fleet[group, centre + j])
        fleet[group, j] = 0.0
    for j in range(at.N_SCALES):
        p, spread = math.exp(fleet[group, centre + j] - top), 0.0
        for k in range(at.N_SCALES):
            spread += STEP_P ** abs(k - j)
        for k in range(at.N_SCALES):
            fleet[group, k] += p * STEP_P ** abs(k - j) / spread
            total += p * STEP_P ** abs(k - j) / spread
    for k in range(at.N_SCALES):
        fleet[group, k] /= total


@kernel(inner=True)
def tell_fleet(terminals: Terminals, w: int) -> None:
    """Note that terminal w has learnt; the fleet learns when a good part of its terminals may have."""
    group, fleet, n = int(terminals.errors[w, at.E_GROUP]), terminals.fleet, terminals.errors.shape[0]
    fleet[group, at.N_SCALES] += 1.0
    if fleet[group, at.N_SCALES] >= max(FLEET_EVERY, n / 8):
        fleet[group, at.N_SCALES] = 0.0
        learn_fleet(terminals, n, group)
