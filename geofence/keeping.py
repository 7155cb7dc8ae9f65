"""The probability that a footprint is over the line, of drivers who mostly keep their lane.

A value over its limit alone says too much: near the line are mostly drivers who keep the lane, with an error
that points outwards. So what is measured is weighed by where drivers are (Bayes): who *keeps* the lane is
about its middle, a normal of KEEPING_M; who *leaves* it is anywhere in the next one. Which of both is a
hidden Markov chain of two states (Rabiner 1989), whose evidence counts as in geofence.detectors: a sample for
dt / (2 tau), since a repeated error is no new evidence. While nothing speaks for leaving, what is measured
returns to the middle by sigma^2 / (sigma^2 + KEEPING_M^2); of one who leaves it counts as it is.

The tests do not use it: their levels are for drivers who never leave, and ask for no prior.
"""

import math

from core.arrays import F1
from core.kernel import kernel
from geofence.detectors import TAU_MIN_S
from geofence.kernels import normal_cdf
from geofence.state import LEAVING

KEEPING_M = 0.3  # 1 sigma: the standard deviation of lateral position of drivers is 0.2 to 0.3 m
BESIDE_M = 3.75  # a lane's width, JTG B01: so far may be who leaves
# How often a driver begins to leave, and for how long he does: as often as a tracker must expect a manoeuvre
# (fusion.models.manoeuvre); once an hour changes what is said by a hundredth
LEAVES_PER_S, LASTS_S = 1.0 / 60.0, 5.0
ODDS_MAX = 9.0  # nats: whoever was certain to leave is believed to be back after some seconds
LOG_ROOT_2PI = 0.5 * math.log(2.0 * math.pi)


@kernel(inner=True)
def p_over_line(value_m: float, sigma_m: float, tau_s: float, free_m: float, dt_s: float, row: F1) -> float:
    """Return the probability that the footprint is over the line; advance LEAVING in row (N_DRIFT,).

    value_m : how far it seems to be over.  free_m : how far it may leave the middle.  dt_s : since the last
    sample, 0: this is the first
    """
    usual = LEAVES_PER_S / (LEAVES_PER_S + 1.0 / LASTS_S)
    before = row[LEAVING] if row[LEAVING] > 0.0 else usual
    share = usual + (before - usual) * math.exp(-(LEAVES_PER_S + 1.0 / LASTS_S) * dt_s)
    middle_m, variance = -max(free_m, 0.0), sigma_m**2 + KEEPING_M**2
    off = (value_m - middle_m) ** 2 / variance
    gain = 0.5 * (off + math.log(variance)) + LOG_ROOT_2PI - math.log(BESIDE_M)
    odds = math.log(share / (1.0 - share)) + min(dt_s / (2.0 * max(tau_s, TAU_MIN_S)), 1.0) * gain
    leaving = 1.0 / (1.0 + math.exp(-min(max(odds, -ODDS_MAX), ODDS_MAX)))
    row[LEAVING] = leaving
    returns = KEEPING_M**2 / variance
    mean_m = middle_m + returns * (value_m - middle_m)
    keeps = normal_cdf(mean_m / (math.sqrt(returns) * sigma_m))
    return float(leaving * normal_cdf(value_m / sigma_m) + (1.0 - leaving) * keeps)
