"""How long vehicles are by what a radar's own objects state: of each radar the factor is learnt.

A radar makes out a part of a long body, mostly its rear and what faces it: lorries are stated too short, by a
factor that differs from maker to maker. It is learnt from identified vehicles, whose length is registered.
"""

from core.arrays import F2
from core.kernel import kernel
from fusion import layout as at

STATED_SIZE_SHARE = 0.2  # 1 sigma of a length that a radar states, of that length
# Weight of the factor 1 at the start, and of all that was learnt at most, in glimpses of a second or two
START, SURE = 1.0, 50.0
FACTOR_MIN, FACTOR_MAX = 0.5, 3.0


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
