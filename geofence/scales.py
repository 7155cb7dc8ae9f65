"""How many times what is stated an error is: the likelihood of one sample, and the prior of the scales.

Scales are sqrt(2) apart. A mean over them is wider than a normal (a Student t is one over all scales; Gelman
et al. 2013, 3.2).
"""

import math

from core.kernel import kernel

STEP_P = 0.25  # prior of each further step, as of fusion.sigma_scale
P_ODD, ODD_SIGMAS = 0.02, 10.0  # as of fusion.sigma_scale: one outlier says nothing of the rest
# From this scale on a terminal's claim is not used, and its vehicle is undecidable. The tests could take
# twice the sigma; but a receiver that is so wrong about the size of its errors is wrong about their tau, too
DISPROVED = 2.0


@kernel(inner=True)
def log_density(square: float, variance: float, odd: float) -> float:
    """Return the log likelihood of a residual's square, but for a constant; odd : an outlier's variance."""
    usual = (1.0 - P_ODD) / math.sqrt(variance) * math.exp(-0.5 * square / variance)
    return math.log(usual + P_ODD / math.sqrt(odd) * math.exp(-0.5 * square / odd) + 1e-300)
