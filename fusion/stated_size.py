"""How long vehicles are by what a radar's own objects state: of each radar the factor is learnt.

A radar makes out a part of a long body, mostly its rear and what faces it: lorries are stated too short, by a
factor that differs from maker to maker. It is learnt from identified vehicles, whose length is registered.
Where a car overtakes a lorry beside a pole, neither is seen for a second: then lengths tell them apart.
"""

import math

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at

STATED_SIZE_SHARE = 0.2  # 1 sigma of a length that a radar states, of that length
# Weight of the factor 1 at the start, and of all that was learnt at most, in glimpses of a second or two
START, SURE = 1.0, 50.0
FACTOR_MIN, FACTOR_MAX = 0.5, 3.0
ANY_SHARE, ANY_M = (
    0.15,
    20.0,
)  # so many statements say nothing of the vehicle: any length up to that of a lorry

Size = tuple[float, float]  # mean and sigma of what a radar would state of a vehicle [m]; NaN unknown


@kernel(inner=True)
def length_of(radars: F2, q: int, stated_m: float) -> float:
    """Return the likeliest true length [m] of an object that radar q states to be `stated_m` long [m]."""
    return float(stated_m * radars[q, at.R_SIZE])


@kernel(inner=True)
def learn_size(radars: F2, q: int, stated_m: float, length_m: float) -> None:
    """Learn from one object of radar q, an identified vehicle of the registered length `length_m` [m].

    What a radar makes out of a vehicle stays for as long as a reflecting point does, or longer.
    """
    glimpse = 1.0 / radars[q, at.R_OFTEN]
    radars[q, at.R_SIZE_N] = min(radars[q, at.R_SIZE_N] + glimpse, SURE)
    factor = min(max(length_m / stated_m, FACTOR_MIN), FACTOR_MAX)
    radars[q, at.R_SIZE] += glimpse / radars[q, at.R_SIZE_N] * (factor - radars[q, at.R_SIZE])


@kernel(inner=True)
def stated_of(radars: F2, q: int, length_m: float, var_m2: float) -> Size:
    """Return what radar q would state of a vehicle, by mean and variance of its true length."""
    mean = length_m / radars[q, at.R_SIZE]
    var = var_m2 / (radars[q, at.R_SIZE] * radars[q, at.R_SIZE])
    return mean, math.sqrt(var + (STATED_SIZE_SHARE * mean) ** 2)


@kernel(inner=True)
def size_cost(size: Size, stated_m: float) -> float:
    """Return -2 ln of how much likelier a vehicle of this size is stated to be so long than any object is."""
    mean, sigma = size
    if not (stated_m > 0.0 and sigma > 0.0):  # NaN is not
        return 0.0
    off = (stated_m - mean) / sigma
    density = (1.0 - ANY_SHARE) * math.exp(-0.5 * off * off) / (math.sqrt(2.0 * math.pi) * sigma)
    return -2.0 * math.log(density * ANY_M + ANY_SHARE)
